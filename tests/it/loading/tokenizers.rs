//! Tokenizers built from the vocabulary files of older checkpoints.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use explaind::model::Model;
use explaind::text::tokenizer::Truncate;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, Tokenizer};

use super::{copy, edit_config, load, rejected, with_tensors};
use crate::support::input;

const TEXTS: &[&str] = &[
    "This movie is really great.",
    "The food was TERRIBLE, don't go!",
    "这部电影真的很棒",
    "mixed 中文 and English，好。",
    "Café naïve Ångström İstanbul ß ﬁ",
    "e\u{301}\u{302}clair",
    "😀 👨‍👩‍👧 ok 🇩🇪",
    "a\u{0}b\u{7}c\u{200b}d\u{feff}e\u{ad}",
    "tab\tand\r\nnew line\u{a0}space",
    "[CLS] typed [MASK] and [SEP] [UNK]",
    "  leading and trailing  ",
    "ＦＵＬＬ width ｶﾞ",
    "supercalifragilistic",
    "3.14 1,000 10% #tag @you",
    "ไทย 한국어 हिन्दी",
    "<s> </s> <mask> <pad>",
];

fn edit(folder: &Path, name: &str, edit: impl FnOnce(&mut Value)) {
    let path = folder.join(name);
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// Replaces tokenizer.json by its vocabulary as vocab.txt.
fn unpack(folder: &Path) {
    let path = folder.join("tokenizer.json");
    let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let vocabulary = file["model"]["vocab"].as_object().unwrap().iter();
    let by_id: BTreeMap<u64, &String> =
        vocabulary.map(|(token, id)| (id.as_u64().unwrap(), token)).collect();
    let lines: String = by_id.values().map(|token| format!("{token}\n")).collect();
    fs::write(folder.join("vocab.txt"), lines).unwrap();
    fs::remove_file(path).unwrap();
}

/// Returns the encoding of a text, or the error, as a string to compare.
fn encoded(model: &Model, text: &str, pair: Option<&str>) -> String {
    match model.encode(&input(text, pair), Truncate::Yes) {
        Ok(encoding) => format!("{:?} {:?}", encoding.ids, encoding.tokens),
        Err(error) => error.to_string(),
    }
}

fn expect_same(one: &Model, other: &Model) {
    for text in TEXTS {
        assert_eq!(encoded(one, text, None), encoded(other, text, None), "{text:?}");
        let pair = Some("a second text");
        assert_eq!(encoded(one, text, pair), encoded(other, text, pair), "{text:?}");
    }
}

#[test]
fn word_piece_from_vocab_txt() {
    let folder = copy();
    let whole = load(folder.path()).unwrap();
    unpack(folder.path());
    expect_same(&load(folder.path()).unwrap(), &whole);
    // BERT's defaults are the same.
    fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    expect_same(&load(folder.path()).unwrap(), &whole);
}

#[test]
fn word_piece_applies_its_configuration() {
    for (normalizer, config) in [
        (json!({"lowercase": false}), json!({"do_lower_case": false})),
        (json!({"strip_accents": false}), json!({"strip_accents": false})),
        (
            json!({"lowercase": false, "strip_accents": true}),
            json!({"do_lower_case": false, "strip_accents": true}),
        ),
        (json!({"handle_chinese_chars": false}), json!({"tokenize_chinese_chars": false})),
    ] {
        let folder = copy();
        let merge = |target: &mut Value, change: &Value| {
            target.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        };
        edit(folder.path(), "tokenizer.json", |file| merge(&mut file["normalizer"], &normalizer));
        let names = json!(["input_ids", "token_type_ids"]);
        let general = json!({
            "tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": names,
        });
        edit(folder.path(), "tokenizer_config.json", |file| merge(file, &general));
        let whole = load(folder.path()).unwrap();
        edit(folder.path(), "tokenizer_config.json", |file| merge(file, &config));
        let class = json!({"tokenizer_class": "BertTokenizer"});
        edit(folder.path(), "tokenizer_config.json", |file| merge(file, &class));
        unpack(folder.path());
        expect_same(&load(folder.path()).unwrap(), &whole);
    }
}

#[test]
fn special_tokens_are_named_by_the_files() {
    let folder = copy();
    unpack(folder.path());
    let vocabulary = folder.path().join("vocab.txt");
    let text = fs::read_to_string(&vocabulary).unwrap();
    let renamed = text.replace("[CLS]", "<cls>").replace("[SEP]", "<sep>").replace("[MASK]", "<m>");
    fs::write(&vocabulary, renamed).unwrap();
    let without = |file: &mut Value| {
        let fields = file.as_object_mut().unwrap();
        fields.retain(|name, _| !["cls_token", "sep_token", "mask_token"].contains(&name.as_str()));
    };
    edit(folder.path(), "tokenizer_config.json", without);
    let error = load(folder.path()).err().unwrap();
    assert!(error.contains("vocab.txt") && error.contains("[CLS]"), "{error}");
    let map = json!({"cls_token": {"content": "<cls>"}, "sep_token": "<sep>", "mask_token": "<m>"});
    fs::write(folder.path().join("special_tokens_map.json"), map.to_string()).unwrap();
    let model = load(folder.path()).unwrap();
    let encoding = model.encode(&input("great", None), Truncate::No).unwrap();
    assert_eq!(encoding.tokens[0].text, "<cls>");
    assert!(encoding.tokens[0].special && model.text.mask().is_ok());
}

#[test]
fn added_tokens_are_read() {
    let folder = copy();
    unpack(folder.path());
    let vocabulary = folder.path().join("vocab.txt");
    let text = fs::read_to_string(&vocabulary).unwrap();
    // Removes the last token of the vocabulary, so that an added one can have its id.
    let lines: Vec<&str> = text.lines().collect();
    fs::write(&vocabulary, lines[..lines.len() - 1].join("\n")).unwrap();
    let added = folder.path().join("added_tokens.json");
    fs::write(&added, r#"{"<new>": 196, "film": 108}"#).unwrap();
    let model = load(folder.path()).unwrap();
    let encoding = model.encode(&input("so films <new>", None), Truncate::No).unwrap();
    let tokens: Vec<&str> = encoding.tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(tokens, ["[CLS]", "so", "film", "s", "<new>", "[SEP]"]);
    assert_eq!(encoding.tokens[4].id, 196);
}

/// Merges of a byte-level vocabulary.
const MERGES: &[(&str, &str)] = &[
    ("t", "h"),
    ("th", "e"),
    ("Ġ", "a"),
    ("i", "n"),
    ("in", "g"),
    ("Ġ", "the"),
    ("e", "r"),
    ("r", "e"),
];

/// Creates a checkpoint with RoBERTa's tokenizer files.
fn byte_level(config: &Value) -> TempDir {
    let folder = copy();
    let mut tokens: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>"].map(str::to_owned).into();
    let mut bytes: Vec<String> = ByteLevel::alphabet().into_iter().map(String::from).collect();
    bytes.sort();
    tokens.extend(bytes);
    tokens.extend(MERGES.iter().map(|(left, right)| format!("{left}{right}")));
    tokens.push("<mask>".to_owned());
    let ids: BTreeMap<String, usize> = tokens.into_iter().zip(0..).collect();
    let merges: String = MERGES.iter().map(|(left, right)| format!("{left} {right}\n")).collect();
    for (name, text) in [
        ("vocab.json", json!(ids).to_string()),
        ("merges.txt", format!("#version: 0.2\n{merges}")),
        // Python's notation for no limit.
        (
            "tokenizer_config.json",
            config.to_string().replace("1e30", "1000000000000000019884624838656"),
        ),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    edit_config(folder.path(), |config| config["vocab_size"] = json!(ids.len()));
    with_tensors(folder.path(), |tensors| {
        let table = Tensor::zeros((ids.len(), 24), DType::F32, &Device::Cpu).unwrap();
        tensors.insert("bert.embeddings.word_embeddings.weight".to_owned(), table);
    });
    folder
}

/// Builds the same tokenizer as transformers' converter, with the builders of the tokenizers crate.
fn reference(folder: &Path, prefix_space: bool, trim_offsets: bool) -> Tokenizer {
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let model = BPE::from_file(&file("vocab.json"), &file("merges.txt")).build().unwrap();
    let mut tokenizer = Tokenizer::new(model);
    let id = |token: &str| tokenizer.token_to_id(token).unwrap();
    let processing =
        RobertaProcessing::new(("</s>".to_owned(), id("</s>")), ("<s>".to_owned(), id("<s>")));
    tokenizer
        .with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(prefix_space)))
        .with_post_processor(Some(
            processing.trim_offsets(trim_offsets).add_prefix_space(prefix_space),
        ));
    let special = ["<s>", "</s>", "<unk>", "<pad>"].map(|token| AddedToken::from(token, true));
    tokenizer.add_special_tokens(special).unwrap();
    tokenizer.add_special_tokens([AddedToken::from("<mask>", true).lstrip(true)]).unwrap();
    tokenizer
}

#[test]
fn byte_level_bpe_from_vocabulary_and_merges() {
    for (prefix_space, trim_offsets) in [(false, true), (true, true), (false, false), (true, false)]
    {
        let config = json!({
            "add_prefix_space": prefix_space, "trim_offsets": trim_offsets,
            "tokenizer_class": "RobertaTokenizerFast", "model_max_length": 1e30,
        });
        let folder = byte_level(&config);
        let model = load(folder.path()).unwrap();
        assert_eq!(model.text.max_tokens, 40);
        assert!(model.text.pad().is_ok() && model.text.mask().is_ok());
        let reference = reference(folder.path(), prefix_space, trim_offsets);
        for text in TEXTS.iter().map(|text| text.chars().take(9).collect::<String>()) {
            let expected = reference.encode_char_offsets(text.as_str(), true).unwrap();
            let encoding = model.encode(&input(&text, None), Truncate::No).unwrap();
            assert_eq!(encoding.ids.input_ids, expected.get_ids(), "{text:?}");
            let offsets: Vec<(usize, usize)> =
                encoding.tokens.iter().map(|token| (token.start, token.end)).collect();
            assert_eq!(offsets, expected.get_offsets(), "{text:?}");
            let special: Vec<u32> =
                encoding.tokens.iter().map(|token| token.special.into()).collect();
            assert_eq!(special, expected.get_special_tokens_mask(), "{text:?}");
        }
        let pair = model.encode(&input("the", Some("in")), Truncate::No).unwrap();
        let expected = reference.encode(("the", "in"), true).unwrap();
        assert_eq!(pair.ids.input_ids, expected.get_ids());
    }
}

#[test]
fn deberta_has_its_own_template_for_byte_level_bpe() {
    let folder = byte_level(&json!({"tokenizer_class": "DebertaTokenizer"}));
    let rename = |file: &mut Value| {
        let text = file.to_string();
        let renamed = text.replace("<s>", "[CLS]").replace("</s>", "[SEP]");
        *file = serde_json::from_str(&renamed.replace("<unk>", "[UNK]")).unwrap();
    };
    edit(folder.path(), "vocab.json", rename);
    let model = load(folder.path()).unwrap();
    let pair = model.encode(&input("the", Some("in")), Truncate::No).unwrap();
    let tokens: Vec<&str> = pair.tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(tokens, ["[CLS]", "the", "[SEP]", "[SEP]", "in", "[SEP]"]);
    assert_eq!(pair.ids.token_type_ids, [0; 6]);
}

#[test]
fn invalid_vocabulary_files_are_rejected() {
    let no_tokenizer = |name: &'static str| {
        move |folder: &Path| {
            fs::remove_file(folder.join("tokenizer.json")).unwrap();
            fs::write(folder.join(name), "x").unwrap();
        }
    };
    rejected(no_tokenizer("other.txt"), &["tokenizer.json", "vocab.txt", "merges.txt"]);
    rejected(no_tokenizer("merges.txt"), &["tokenizer.json", "vocab.json"]);
    rejected(no_tokenizer("spm.model"), &["spm.model", "sentencepiece", "save_pretrained"]);
    rejected(no_tokenizer("vocab.txt"), &["vocab.txt", "[CLS]"]);
    let no_unknown = |folder: &Path| {
        fs::remove_file(folder.join("tokenizer.json")).unwrap();
        fs::write(folder.join("vocab.txt"), "[CLS]\n[SEP]\n").unwrap();
    };
    rejected(no_unknown, &["vocab.txt", "[UNK]"]);
    for class in ["BertJapaneseTokenizer", "PhobertTokenizer"] {
        let change = |folder: &Path| {
            unpack(folder);
            let set = |file: &mut Value| file["tokenizer_class"] = json!(class);
            edit(folder, "tokenizer_config.json", set);
        };
        rejected(change, &["tokenizer_config.json", class, "vocab.txt"]);
    }
    let odd = |name: &str, data: &str, words: &[&str]| {
        let folder = byte_level(&json!({}));
        fs::write(folder.path().join(name), data).unwrap();
        let error = load(folder.path()).err().expect("loading must fail");
        words.iter().for_each(|word| assert!(error.contains(word), "{word:?} in {error:?}"));
    };
    odd("merges.txt", "#version: 0.2\nt h\nt q\n", &["merges.txt", "line 3", "t q"]);
    odd("merges.txt", "th\n", &["merges.txt", "line 1"]);
    odd("vocab.json", r#"{"<s>": -1}"#, &["vocab.json"]);
    odd("vocab.json", r#"{"<unk>": 0}"#, &["vocab.json", "<s>"]);
    let large = r#"{"<s>": 0, "</s>": 4000000000}"#;
    odd("vocab.json", large, &["merges.txt", "line 2"]);
    let folder = byte_level(&json!({}));
    fs::write(folder.path().join("merges.txt"), "#version: 0.2\n").unwrap();
    fs::write(folder.path().join("vocab.json"), large).unwrap();
    let error = load(folder.path()).err().expect("loading must fail");
    assert!(error.contains("vocab.json") && error.contains("4000000000"), "{error}");
}

/// Padding and truncation in tokenizer.json are settings of the training.
#[test]
fn padding_and_truncation_settings_are_ignored() {
    let folder = copy();
    let whole = load(folder.path()).unwrap();
    edit(folder.path(), "tokenizer.json", |file| {
        file["padding"] = json!({
            "strategy": {"Fixed": 1_000_000_000_000_u64}, "direction": "Right",
            "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
        });
        file["truncation"] = json!({
            "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0,
        });
    });
    expect_same(&load(folder.path()).unwrap(), &whole);
}

/// The tokenizers crate panics on each of these, during or after loading.
#[test]
fn a_tokenizer_that_panics_is_rejected() {
    let long = json!({"type": "BPE", "vocab": {"aa": 0, "bb": 1}, "merges": [["aa", "bb"]]});
    for (pointer, value, word) in [
        ("/model", long, "library fails"),
        ("/post_processor/special_tokens", json!({}), "library fails"),
        ("/post_processor/pair/4/SpecialToken/id", json!("<other>"), "library fails"),
        ("/post_processor/special_tokens/[SEP]/tokens", json!([]), "without tokens"),
    ] {
        let change = |folder: &Path| {
            edit(folder, "tokenizer.json", |file| *file.pointer_mut(pointer).unwrap() = value);
            let generic = json!("PreTrainedTokenizerFast");
            edit(folder, "tokenizer_config.json", |file| file["tokenizer_class"] = generic);
        };
        rejected(change, &["tokenizer.json", word]);
    }
}
