//! WordPiece as in transformers' BertTokenizer and MPNetTokenizer.

use serde_json::{Value, json};
use tokenizers::Model as _;
use tokenizers::models::ModelWrapper;
use tokenizers::models::wordpiece::WordPiece;

use super::super::tokenizer_config::TokenizerConfig;
use super::class::Class;
use super::special::{self, Ids, Piece, Roles};
use crate::checkpoint::LoadError;
use crate::checkpoint::layout::VOCAB_TXT;

pub const BERT: Class = Class {
    name: "BertTokenizer",
    aliases: &[
        "ElectraTokenizer",
        "MobileBertTokenizer",
        "SqueezeBertTokenizer",
        "ConvBertTokenizer",
    ],
    model_types: &["bert", "distilbert", "electra"],
    token_types: true,
    roles: special::BERT,
    mask_takes_space: false,
    vocabulary: Some(VOCAB_TXT),
    model,
    normalizers,
    charsmap: false,
    pre_tokenizer: |_| json!({"type": "BertPreTokenizer"}),
    decoder: |_| json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
    post_processor: bert_template,
};

pub const DISTILBERT: Class = Class {
    name: "DistilBertTokenizer",
    aliases: &[],
    model_types: &[],
    token_types: false,
    ..BERT
};

pub const MPNET: Class = Class {
    name: "MPNetTokenizer",
    aliases: &[],
    model_types: &["mpnet"],
    token_types: false,
    roles: special::MPNET,
    mask_takes_space: true,
    post_processor: roberta_template,
    ..BERT
};

fn model(model: &ModelWrapper, roles: &Roles<'_>) -> Option<Result<ModelWrapper, String>> {
    let ModelWrapper::WordPiece(model) = model else { return None };
    let mut model: WordPiece = model.clone();
    let unknown = roles.name("unk_token").unwrap_or_default();
    if model.token_to_id(unknown).is_none() {
        return Some(Err(format!("has no {unknown:?}, the tokenizer's unk_token")));
    }
    model.unk_token = unknown.to_owned();
    model.continuing_subword_prefix = "##".to_owned();
    model.max_input_chars_per_word = 100;
    Some(Ok(model.into()))
}

fn normalizers(config: &TokenizerConfig) -> Vec<Value> {
    vec![json!({
        "type": "BertNormalizer",
        "clean_text": true,
        "handle_chinese_chars": config.flag("tokenize_chinese_chars").unwrap_or(true),
        "strip_accents": config.flag("strip_accents"),
        "lowercase": config.flag("do_lower_case").unwrap_or(true),
    })]
}

/// `[CLS] A [SEP] B [SEP]`, where `B [SEP]` has type 1.
pub fn bert_template(ids: &Ids<'_>) -> Result<Value, LoadError> {
    let [cls, sep] = [ids.required("cls_token")?, ids.required("sep_token")?];
    let (begin, end) = (|kind| Piece::Special(cls.0, kind), |kind| Piece::Special(sep.0, kind));
    let text = Piece::Sequence;
    Ok(special::template(
        &[begin(0), text("A", 0), end(0)],
        &[begin(0), text("A", 0), end(0), text("B", 1), end(1)],
        [cls, sep],
    ))
}

fn roberta_template(ids: &Ids<'_>) -> Result<Value, LoadError> {
    Ok(json!({
        "type": "RobertaProcessing",
        "sep": ids.required("sep_token")?,
        "cls": ids.required("cls_token")?,
        "trim_offsets": true,
        "add_prefix_space": false,
    }))
}
