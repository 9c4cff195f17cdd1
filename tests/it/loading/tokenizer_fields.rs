//! Fields of tokenizer configuration files, and their precedence.

use std::fs;
use std::path::Path;

use explaind::model::Model;
use explaind::text::tokenizer::Truncate;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{copy, edit_config, load, rejected};
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

/// Copies a golden checkpoint and changes its tokenizer_config.json.
fn edited(golden: &str, change: &Value) -> TempDir {
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

/// The class applies these fields as if tokenizer.json had them.
#[test]
fn fields_of_a_tokenizer_class_override_tokenizer_json() {
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
        let class = load(edited("bert-tiny", &config).path()).unwrap();
        let folder = edited("bert-tiny", &json!({"tokenizer_class": "PreTrainedTokenizerFast"}));
        edit(folder.path(), "tokenizer.json", |file| merge(&mut file["normalizer"], &normalizer));
        let general = load(folder.path()).unwrap();
        assert_eq!(pieces(&class, text), pieces(&general, text), "{config}");
        assert_ne!(pieces(&class, text), pieces(&load(copy().path()).unwrap(), text), "{config}");
        assert_eq!(class.text.in_force.class, "BertTokenizer");
        assert_eq!(general.text.in_force.class, "TokenizersBackend");
    }
}

#[test]
fn a_generic_class_uses_tokenizer_json() {
    let config = json!({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false});
    let model = load(edited("bert-tiny", &config).path()).unwrap();
    assert_eq!(pieces(&model, "This Film"), ["[CLS]", "this", "film", "[SEP]"]);
    assert!(model.text.in_force.lowercase);
    // So does an unknown class, and ModernBERT with any class.
    let config = json!({"tokenizer_class": "OtherTokenizer", "do_lower_case": false});
    let model = load(edited("bert-tiny", &config).path()).unwrap();
    assert_eq!(pieces(&model, "This Film"), ["[CLS]", "this", "film", "[SEP]"]);
    let config = json!({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": true});
    let model = load(edited("modernbert-sequence", &config).path()).unwrap();
    assert!(!model.text.in_force.add_prefix_space);
}

/// If no file names a class, the architecture's is used.
#[test]
fn the_architecture_has_a_default_class() {
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
fn add_prefix_space_is_applied() {
    for (golden, with, without) in [
        ("roberta-sequence", "Ġgood", "g"),
        ("xlm-roberta-sequence", "▁good", "g"),
        ("deberta-v3-sequence", "▁good", "▁good"),
    ] {
        for (prefix, first) in [(true, with), (false, without)] {
            let folder = edited(golden, &json!({"add_prefix_space": prefix}));
            let model = load(folder.path()).unwrap();
            assert_eq!(pieces(&model, "good film")[1], first, "{golden} {prefix}");
            assert_eq!(model.text.in_force.add_prefix_space, first == with);
        }
    }
}

#[test]
fn token_types_depend_on_the_class_and_model_input_names() {
    let types_of = |golden: &str, config| types(&load(edited(golden, &config).path()).unwrap());
    let names = |names: &[&str]| json!({"model_input_names": names});
    let (pair, zeros) = ([0, 0, 0, 0, 1, 1], [0; 6]);
    assert_eq!(types_of("bert-tiny", json!({})), pair);
    assert_eq!(types_of("bert-tiny", names(&["input_ids", "attention_mask"])), zeros);
    let generic = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
    assert_eq!(types_of("bert-tiny", generic.clone()), zeros);
    let mut named = generic;
    merge(&mut named, &names(&["input_ids", "token_type_ids"]));
    assert_eq!(types_of("bert-tiny", named), pair);
    assert_eq!(types_of("bert-tiny", json!({"tokenizer_class": "DistilBertTokenizer"})), zeros);
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
    // The class has it by default; the generic class only if a file names it.
    assert_eq!(pieces(&load(folder.path()).unwrap(), text), masked);
    edit(folder.path(), "tokenizer_config.json", |file| {
        merge(file, &json!({"tokenizer_class": "PreTrainedTokenizerFast"}));
        file.as_object_mut().unwrap().remove("mask_token");
    });
    let split = ["[CLS]", "good", "[UNK]", "m", "##a", "##s", "##k", "[UNK]", "actor", "[SEP]"];
    assert_eq!(pieces(&load(folder.path()).unwrap(), text), split);
    let map = r#"{"mask_token": "[MASK]", "additional_special_tokens": ["<new>"]}"#;
    fs::write(folder.path().join("special_tokens_map.json"), map).unwrap();
    let model = load(folder.path()).unwrap();
    assert_eq!(pieces(&model, text), masked);
    // The model has no embedding for "<new>": texts that contain it are rejected.
    let error = model.encode(&input("good <new>", None), Truncate::No).unwrap_err();
    assert!(error.detail.contains("\"<new>\", token 197"), "{}", error.detail);
    let error = model.text.content("<new>").unwrap_err();
    assert!(error.detail.contains("<new>"), "{}", error.detail);
}

/// The older files are read only if tokenizer_config.json does not list added tokens.
#[test]
fn precedence_of_added_tokens() {
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
fn split_special_tokens_is_applied() {
    let config = json!({"split_special_tokens": true});
    let model = load(edited("bert-tiny", &config).path()).unwrap();
    assert!(!pieces(&model, "a [SEP] b")[1..5].contains(&"[SEP]".to_owned()));
}

#[test]
fn truncation_side_may_be_left() {
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
    let left = edited("bert-tiny", &json!({"truncation_side": "left", "padding_side": "left"}));
    let by_tokenizer = copy();
    from_file(by_tokenizer.path());
    for folder in [left, by_tokenizer] {
        let model = load(folder.path()).unwrap();
        let truncated = model.encode(&input(text, None), Truncate::Yes).unwrap();
        assert!(truncated.truncated);
        assert_eq!(truncated.tokens.len(), 40);
        let (ours, theirs) = (&truncated.tokens[1..39], &all.tokens[all.tokens.len() - 39..]);
        for (ours, theirs) in ours.iter().zip(theirs) {
            let fields = |t: &explaind::text::Token| (t.id, t.start, t.end, t.segment);
            assert_eq!(fields(ours), fields(theirs));
        }
        let last = truncated.words.last().unwrap();
        assert_eq!((last.text.as_str(), last.end), ("seven", text.len()));
        assert!(truncated.words[0].end > truncated.tokens[1].start, "{:?}", truncated.words[0]);
    }
}

/// A text far over the limit is not tokenized completely, whichever end is truncated.
#[test]
fn offsets_of_very_long_texts_refer_to_the_whole_text() {
    let text = format!("{}the end", "étés 电影 ".repeat(3_000));
    let model = load(edited("bert-tiny", &json!({"truncation_side": "left"})).path()).unwrap();
    let truncated = model.encode(&input(&text, None), Truncate::Yes).unwrap();
    let chars: Vec<char> = text.chars().collect();
    assert_eq!(truncated.tokens[38].end, chars.len());
    for word in &truncated.words {
        assert_eq!(chars[word.start..word.end].iter().collect::<String>(), word.text);
    }
    let last = &truncated.words[truncated.words.len() - 2..];
    assert_eq!(last.iter().map(|word| &*word.text).collect::<Vec<_>>(), ["the", "end"]);
}

#[test]
fn invalid_sides_tokens_and_limits_are_rejected() {
    let set = |config: Value| {
        move |folder: &Path| edit(folder, "tokenizer_config.json", |file| merge(file, &config))
    };
    let file = "tokenizer_config.json";
    rejected(set(json!({"truncation_side": "middle"})), &[file, "truncation_side", "middle"]);
    rejected(set(json!({"padding_side": "top"})), &[file, "padding_side", "top"]);
    rejected(set(json!({"unk_token": "[OTHER]"})), &["tokenizer.json", "[OTHER]", "unk_token"]);
    rejected(set(json!({"model_max_length": 2})), &[file, "2 tokens"]);
    let max_len = edited("bert-tiny", &json!({"model_max_length": null, "max_len": 7}));
    assert_eq!(load(max_len.path()).unwrap().text.max_tokens, 7);
}
