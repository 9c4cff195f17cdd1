//! sentencepiece unigram models as in transformers' tokenizers for ALBERT, CamemBERT,
//! DeBERTa-v2 and XLM-RoBERTa.

use serde_json::{Value, json};
use tokenizers::models::ModelWrapper;
use tokenizers::models::unigram::Unigram;

use super::super::tokenizer_config::TokenizerConfig;
use super::class::Class;
use super::special::{self, Ids, Piece, Roles};
use super::word_piece::bert_template;
use crate::checkpoint::LoadError;

pub const ALBERT: Class = Class {
    name: "AlbertTokenizer",
    aliases: &[],
    model_types: &["albert"],
    token_types: false,
    roles: special::ALBERT,
    mask_takes_space: false,
    vocabulary: None,
    model: |model, _| rebuilt(model, |_| 1),
    normalizers: albert_normalizers,
    charsmap: true,
    pre_tokenizer: split_at_spaces,
    decoder: |config| metaspace(config, "never"),
    post_processor: bert_template,
};

pub const CAMEMBERT: Class = Class {
    name: "CamembertTokenizer",
    model_types: &["camembert"],
    roles: special::ROBERTA,
    mask_takes_space: true,
    model: |model, roles| {
        let unknown = roles.name("unk_token").unwrap_or_default();
        let index = |pieces: &[(String, f64)]| pieces.iter().position(|(p, _)| p == unknown);
        rebuilt(model, |pieces| index(pieces).unwrap_or_default())
    },
    normalizers: |_| Vec::new(),
    post_processor: roberta_template,
    ..ALBERT
};

pub const XLM_ROBERTA: Class = Class {
    name: "XLMRobertaTokenizer",
    model_types: &["xlm-roberta"],
    roles: special::ROBERTA,
    model: |model, _| rebuilt(model, |_| 3),
    normalizers: |_| Vec::new(),
    post_processor: roberta_template,
    ..ALBERT
};

pub const DEBERTA_V2: Class = Class {
    name: "DebertaV2Tokenizer",
    model_types: &["deberta-v2"],
    token_types: true,
    roles: special::DEBERTA,
    model: |model, roles| rebuilt(model, |pieces| deberta_unknown(pieces, roles)),
    normalizers: deberta_normalizers,
    charsmap: false,
    pre_tokenizer: deberta_pre_tokenizer,
    decoder: |config| metaspace(config, "first"),
    ..ALBERT
};

/// Returns the model with another unknown piece.
fn rebuilt(
    model: &ModelWrapper,
    unknown: impl FnOnce(&[(String, f64)]) -> usize,
) -> Option<Result<ModelWrapper, String>> {
    let ModelWrapper::Unigram(model) = model else { return None };
    let pieces: Vec<(String, f64)> =
        model.iter().map(|(piece, score)| (piece.clone(), *score)).collect();
    let unknown = unknown(&pieces);
    let model = Unigram::from(pieces, Some(unknown), false);
    Some(model.map(Into::into).map_err(|error| error.to_string()))
}

fn deberta_unknown(pieces: &[(String, f64)], roles: &Roles<'_>) -> usize {
    let name = roles.name("unk_token").unwrap_or_default();
    let index = pieces.iter().position(|(piece, score)| piece == name && *score == 0.);
    let configured = || roles.config.field("unk_id").as_u64().map_or(1, |id| id as usize);
    index.unwrap_or_else(configured)
}

fn albert_normalizers(config: &TokenizerConfig) -> Vec<Value> {
    let quotes =
        |from: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": "\""});
    let mut list = vec![quotes("``"), quotes("''")];
    if !config.flag("keep_accents").unwrap_or(false) {
        list.extend([json!({"type": "NFKD"}), json!({"type": "StripAccents"})]);
    }
    if config.flag("do_lower_case").unwrap_or(true) {
        list.push(json!({"type": "Lowercase"}));
    }
    list
}

fn deberta_normalizers(config: &TokenizerConfig) -> Vec<Value> {
    let spaces = json!({
        "type": "Replace", "pattern": {"Regex": r"\s{2,}|[\n\r\t]"}, "content": " ",
    });
    let end = json!({"type": "Strip", "strip_left": false, "strip_right": true});
    let lowercase = config.flag("do_lower_case").unwrap_or(false);
    let first = lowercase.then(|| json!({"type": "Lowercase"}));
    first.into_iter().chain([spaces, json!({"type": "NFC"}), end]).collect()
}

fn metaspace(config: &TokenizerConfig, scheme_without_prefix: &str) -> Value {
    let prefix = config.flag("add_prefix_space").unwrap_or(true);
    let scheme = if prefix { "always" } else { scheme_without_prefix };
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true})
}

fn split_at_spaces(config: &TokenizerConfig) -> Value {
    let pre_tokenizers = [json!({"type": "WhitespaceSplit"}), metaspace(config, "never")];
    json!({"type": "Sequence", "pretokenizers": pre_tokenizers})
}

fn deberta_pre_tokenizer(config: &TokenizerConfig) -> Value {
    let punctuation = config.flag("split_by_punct").unwrap_or(false);
    let first = punctuation.then(|| json!({"type": "Punctuation", "behavior": "Isolated"}));
    let list: Vec<Value> = first.into_iter().chain([metaspace(config, "first")]).collect();
    json!({"type": "Sequence", "pretokenizers": list})
}

/// `<s> A </s></s> B </s>`.
fn roberta_template(ids: &Ids<'_>) -> Result<Value, LoadError> {
    let [bos, eos] = [ids.required("bos_token")?, ids.required("eos_token")?];
    let (begin, end) = (|| Piece::Special(bos.0, 0), || Piece::Special(eos.0, 0));
    let text = |name| Piece::Sequence(name, 0);
    Ok(special::template(
        &[begin(), text("A"), end()],
        &[begin(), text("A"), end(), end(), text("B"), end()],
        [bos, eos],
    ))
}
