//! What the files beside a tokenizer.json say, and what wins.

use std::fs;
use std::path::Path;

use explaind::model::Model;
use explaind::text::tokenizer::Truncate;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{copy, edit_config, load, refused};
use crate::support::{golden_folder, input};

fn edit(folder: &Path, name: &str, edit: impl FnOnce(&mut Value)) {
    let path = folder.join(name);
    let mut value =
        fs::read(&path).map_or(json!({}), |data| serde_json::from_slice(&data).unwrap());
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn merge(target: &mut Value, change: &Value) {
    target.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
}

/// A golden checkpoint whose tokenizer_config.json says this too.
fn saying(golden: &str, change: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(golden_folder(golden).join(name), folder.path().join(name)).unwrap();
    }
    edit(folder.path(), "tokenizer_config.json", |file| merge(file, change));
    folder
}

fn pieces(model: &Model, text: &str) -> Vec<String> {
    let encoding = model.encode(&input(text, None), Truncate::Yes).unwrap();
    encoding.tokens.into_iter().map(|token| token.text).collect()
}

fn types(model: &Model) -> Vec<u32> {
    let pair = model.encode(&input("good film", Some("bad")), Truncate::No).unwrap();
    pair.ids.token_type_ids.clone()
}

/// tokenizer.json with the same fields is what the class makes of them.
#[test]
fn a_class_goes_by_its_fields_and_not_by_tokenizer_json() {
    let text = "This Film 电影 naïve été";
    for (normalizer, config) in [
        (json!({"lowercase": false}), json!({"do_lower_case": false})),
        (json!({"strip_accents": false}), json!({"strip_accents": false})),
        (
            json!({"lowercase": false, "strip_accents": true}),
            json!({"do_lower_case": false, "strip_accents": true}),
        ),
        (json!({"handle_chinese_chars": false}), json!({"tokenize_chinese_chars": false})),
    ] {
        let class = load(saying("bert-tiny", &config).path()).unwrap();
        let folder = saying("bert-tiny", &json!({"tokenizer_class": "PreTrainedTokenizerFast"}));
        edit(folder.path(), "tokenizer.json", |file| merge(&mut file["normalizer"], &normalizer));
        let general = load(folder.path()).unwrap();
        assert_eq!(pieces(&class, text), pieces(&general, text), "{config}");
        assert_ne!(pieces(&class, text), pieces(&load(copy().path()).unwrap(), text), "{config}");
        assert_eq!(class.text.in_force.class, "BertTokenizer");
        assert_eq!(general.text.in_force.class, "TokenizersBackend");
    }
}

#[test]
fn a_general_class_goes_by_tokenizer_json() {
    let said = json!({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false});
    let model = load(saying("bert-tiny", &said).path()).unwrap();
    assert_eq!(pieces(&model, "This Film"), ["[CLS]", "this", "film", "[SEP]"]);
    assert!(model.text.in_force.lowercase);
    // So does one that is not known, and ModernBERT whatever it names.
    let said = json!({"tokenizer_class": "OtherTokenizer", "do_lower_case": false});
    let model = load(saying("bert-tiny", &said).path()).unwrap();
    assert_eq!(pieces(&model, "This Film"), ["[CLS]", "this", "film", "[SEP]"]);
    let said = json!({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": true});
    let model = load(saying("modernbert-sequence", &said).path()).unwrap();
    assert!(!model.text.in_force.add_prefix_space);
}

/// Where no file names a class, it is the architecture's.
#[test]
fn the_architecture_has_a_class() {
    let folder = copy();
    fs::write(folder.path().join("tokenizer_config.json"), r#"{"do_lower_case": false}"#).unwrap();
    let model = load(folder.path()).unwrap();
    assert_eq!(model.text.in_force.class, "BertTokenizer");
    assert_eq!(pieces(&model, "a Film"), ["[CLS]", "a", "[UNK]", "[SEP]"]);
    edit_config(folder.path(), |config| {
        config["tokenizer_class"] = json!("PreTrainedTokenizerFast");
    });
    let model = load(folder.path()).unwrap();
    assert_eq!(pieces(&model, "a Film"), ["[CLS]", "a", "film", "[SEP]"]);
}

#[test]
fn a_space_before_the_text() {
    for (golden, with, without) in [
        ("roberta-sequence", "Ġgood", "g"),
        ("xlm-roberta-sequence", "▁good", "g"),
        ("deberta-v3-sequence", "▁good", "▁good"),
    ] {
        for (prefix, first) in [(true, with), (false, without)] {
            let folder = saying(golden, &json!({"add_prefix_space": prefix}));
            let model = load(folder.path()).unwrap();
            assert_eq!(pieces(&model, "good film")[1], first, "{golden} {prefix}");
            assert_eq!(model.text.in_force.add_prefix_space, first == with);
        }
    }
}

#[test]
fn token_types_are_given_by_the_class_or_by_name() {
    let types_of = |golden: &str, said: Value| types(&load(saying(golden, &said).path()).unwrap());
    let names = |names: &[&str]| json!({"model_input_names": names});
    let (told, untold) = ([0, 0, 0, 0, 1, 1], [0; 6]);
    assert_eq!(types_of("bert-tiny", json!({})), told);
    assert_eq!(types_of("bert-tiny", names(&["input_ids", "attention_mask"])), untold);
    let general = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
    assert_eq!(types_of("bert-tiny", general.clone()), untold);
    let mut named = general;
    merge(&mut named, &names(&["input_ids", "token_type_ids"]));
    assert_eq!(types_of("bert-tiny", named), told);
    assert_eq!(types_of("bert-tiny", json!({"tokenizer_class": "DistilBertTokenizer"})), untold);
    assert!(types_of("albert-sequence", json!({})).iter().all(|kind| *kind == 0));
    assert!(types_of("albert-sequence", names(&["token_type_ids"])).contains(&1));
}

#[test]
fn special_tokens_that_tokenizer_json_does_not_list() {
    let folder = copy();
    edit(folder.path(), "tokenizer.json", |file| {
        let listed = file["added_tokens"].as_array_mut().unwrap();
        listed.retain(|token| token["content"] != "[MASK]");
    });
    let text = "good [MASK] actor";
    let masked = ["[CLS]", "good", "[MASK]", "actor", "[SEP]"];
    // The class has it anyway, the general one where a file names it.
    assert_eq!(pieces(&load(folder.path()).unwrap(), text), masked);
    edit(folder.path(), "tokenizer_config.json", |file| {
        merge(file, &json!({"tokenizer_class": "PreTrainedTokenizerFast"}));
        file.as_object_mut().unwrap().remove("mask_token");
    });
    let apart = ["[CLS]", "good", "[UNK]", "m", "##a", "##s", "##k", "[UNK]", "actor", "[SEP]"];
    assert_eq!(pieces(&load(folder.path()).unwrap(), text), apart);
    let map = r#"{"mask_token": "[MASK]", "additional_special_tokens": ["<new>"]}"#;
    fs::write(folder.path().join("special_tokens_map.json"), map).unwrap();
    let model = load(folder.path()).unwrap();
    assert_eq!(pieces(&model, text), masked);
    // The model has no embedding for the other: texts that have it are refused.
    let error = model.encode(&input("good <new>", None), Truncate::No).unwrap_err();
    assert!(error.detail.contains("\"<new>\", token 197"), "{}", error.detail);
    let error = model.text.content("<new>").unwrap_err();
    assert!(error.detail.contains("<new>"), "{}", error.detail);
}

/// The older files are read only where tokenizer_config.json does not list added tokens.
#[test]
fn what_goes_before_what() {
    let folder = copy();
    let map = json!({"additional_special_tokens": ["film"]});
    fs::write(folder.path().join("special_tokens_map.json"), map.to_string()).unwrap();
    let films = |folder: &Path| pieces(&load(folder).unwrap(), "films");
    let (cut, whole) = (["[CLS]", "film", "s", "[SEP]"], ["[CLS]", "film", "##s", "[SEP]"]);
    assert_eq!(films(folder.path()), cut);
    let config = "tokenizer_config.json";
    edit(folder.path(), config, |file| merge(file, &json!({"added_tokens_decoder": {}})));
    assert_eq!(films(folder.path()), whole);
    let listed = json!({"added_tokens_decoder": {"108": {"content": "film", "special": false}}});
    edit(folder.path(), config, |file| merge(file, &listed));
    assert_eq!(films(folder.path()), cut);
    edit(folder.path(), config, |file| {
        merge(file, &json!({"added_tokens_decoder": {}, "extra_special_tokens": ["film"]}));
    });
    assert_eq!(films(folder.path()), cut);
}

#[test]
fn special_tokens_may_be_read_as_text() {
    let said = json!({"split_special_tokens": true});
    let model = load(saying("bert-tiny", &said).path()).unwrap();
    assert!(!pieces(&model, "a [SEP] b")[1..5].contains(&"[SEP]".to_owned()));
}

#[test]
fn the_left_end_is_cut_where_the_files_say_so() {
    let texts = "one two three four five six seven ".repeat(20);
    let text = texts.trim();
    let whole = load(copy().path()).unwrap();
    let all = whole.encode(&input(text, None), Truncate::Windows { most: 99 }).unwrap();
    let from_file = |folder: &Path| {
        edit(folder, "tokenizer.json", |file| {
            file["truncation"] = json!({
                "direction": "Left", "max_length": 3, "strategy": "LongestFirst", "stride": 0,
            });
        });
    };
    let left = saying("bert-tiny", &json!({"truncation_side": "left", "padding_side": "left"}));
    let by_tokenizer = copy();
    from_file(by_tokenizer.path());
    for folder in [left, by_tokenizer] {
        let model = load(folder.path()).unwrap();
        let cut = model.encode(&input(text, None), Truncate::Yes).unwrap();
        assert!(cut.truncated);
        assert_eq!(cut.tokens.len(), 40);
        let (ours, theirs) = (&cut.tokens[1..39], &all.tokens[all.tokens.len() - 39..]);
        for (ours, theirs) in ours.iter().zip(theirs) {
            let shown = |t: &explaind::text::Token| (t.id, t.start, t.end, t.segment);
            assert_eq!(shown(ours), shown(theirs));
        }
        let last = cut.words.last().unwrap();
        assert_eq!((last.text.as_str(), last.end), ("seven", text.len()));
        assert!(cut.words[0].end > cut.tokens[1].start, "{:?}", cut.words[0]);
    }
}

/// A text far over the limit is not tokenised whole, whichever end is cut.
#[test]
fn far_over_the_limit_offsets_are_still_of_the_whole_text() {
    let text = format!("{}the end", "étés 电影 ".repeat(3_000));
    let model = load(saying("bert-tiny", &json!({"truncation_side": "left"})).path()).unwrap();
    let cut = model.encode(&input(&text, None), Truncate::Yes).unwrap();
    let chars: Vec<char> = text.chars().collect();
    assert_eq!(cut.tokens[38].end, chars.len());
    for word in &cut.words {
        assert_eq!(chars[word.start..word.end].iter().collect::<String>(), word.text);
    }
    let last = &cut.words[cut.words.len() - 2..];
    assert_eq!(last.iter().map(|word| &*word.text).collect::<Vec<_>>(), ["the", "end"]);
}

#[test]
fn sides_and_limits_that_make_no_sense() {
    let say = |said: Value| {
        move |folder: &Path| edit(folder, "tokenizer_config.json", |file| merge(file, &said))
    };
    let file = "tokenizer_config.json";
    refused(say(json!({"truncation_side": "middle"})), &[file, "truncation_side", "middle"]);
    refused(say(json!({"padding_side": "top"})), &[file, "padding_side", "top"]);
    refused(say(json!({"unk_token": "[OTHER]"})), &["tokenizer.json", "[OTHER]", "unk_token"]);
    refused(say(json!({"model_max_length": 2})), &[file, "2 tokens"]);
    let max_len = saying("bert-tiny", &json!({"model_max_length": null, "max_len": 7}));
    assert_eq!(load(max_len.path()).unwrap().text.max_tokens, 7);
}
