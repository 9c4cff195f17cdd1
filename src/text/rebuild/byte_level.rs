//! Byte-level BPE as in transformers' RobertaTokenizer and DebertaTokenizer.

use serde_json::{Value, json};
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;

use super::super::tokenizer_config::TokenizerConfig;
use super::class::Class;
use super::special::{self, Ids, Piece, Roles};
use crate::checkpoint::LoadError;
use crate::checkpoint::layout::VOCAB_JSON;

pub const ROBERTA: Class = Class {
    name: "RobertaTokenizer",
    aliases: &["LongformerTokenizer", "BartTokenizer"],
    model_types: &["roberta"],
    token_types: false,
    roles: special::ROBERTA,
    mask_takes_space: false,
    vocabulary: Some(VOCAB_JSON),
    model,
    normalizers: |_| Vec::new(),
    charsmap: false,
    pre_tokenizer: byte_level,
    // The decoder has the same fields as the pre-tokenizer and ignores them.
    decoder: byte_level,
    post_processor: roberta_template,
};

pub const DEBERTA: Class = Class {
    name: "DebertaTokenizer",
    aliases: &[],
    model_types: &[],
    token_types: true,
    roles: special::DEBERTA,
    post_processor: deberta_template,
    ..ROBERTA
};

fn model(model: &ModelWrapper, _: &Roles<'_>) -> Option<Result<ModelWrapper, String>> {
    let ModelWrapper::BPE(model) = model else { return None };
    let mut model: BPE = model.clone();
    model.dropout = None;
    model.unk_token = None;
    model.continuing_subword_prefix = None;
    model.end_of_word_suffix = None;
    model.fuse_unk = false;
    model.byte_fallback = false;
    model.ignore_merges = false;
    Some(Ok(model.into()))
}

fn byte_level(config: &TokenizerConfig) -> Value {
    let prefix = config.flag("add_prefix_space").unwrap_or(false);
    json!({
        "type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": true,
    })
}

fn roberta_template(ids: &Ids<'_>) -> Result<Value, LoadError> {
    let config = ids.roles.config;
    Ok(json!({
        "type": "RobertaProcessing",
        "sep": ids.required("sep_token")?,
        "cls": ids.required("cls_token")?,
        "trim_offsets": config.flag("trim_offsets").unwrap_or(true),
        "add_prefix_space": config.flag("add_prefix_space").unwrap_or(false),
    }))
}

/// `[CLS] A [SEP] [SEP] B [SEP]`, all of type 0, as in transformers 5.
fn deberta_template(ids: &Ids<'_>) -> Result<Value, LoadError> {
    let [cls, sep] = [ids.required("cls_token")?, ids.required("sep_token")?];
    let (begin, end) = (|| Piece::Special(cls.0, 0), || Piece::Special(sep.0, 0));
    let text = |name| Piece::Sequence(name, 0);
    Ok(special::template(
        &[begin(), text("A"), end()],
        &[begin(), text("A"), end(), end(), text("B"), end()],
        [cls, sep],
    ))
}
