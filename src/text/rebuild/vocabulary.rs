//! Reads the vocabulary files of older checkpoints.

use std::collections::BTreeMap;

use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::wordpiece::WordPiece;

use super::super::tokenizer_config::TokenizerConfig;
use super::class::Class;
use super::classes;
use super::{byte_level, word_piece};
use crate::checkpoint::layout::{MERGES, SENTENCEPIECE, VOCAB_JSON, VOCAB_TXT};
use crate::checkpoint::{Checkpoint, LoadError, TOKENIZER, TOKENIZER_CONFIG};

/// A model, and the class that builds a tokenizer from it.
pub struct Vocabulary {
    pub model: ModelWrapper,
    pub class: &'static Class,
    pub file: &'static str,
}

/// Reads vocab.txt, or vocab.json and merges.txt.
pub fn read(checkpoint: &Checkpoint, config: &TokenizerConfig) -> Result<Vocabulary, LoadError> {
    let file = match checkpoint.has(VOCAB_TXT) {
        true => VOCAB_TXT,
        false if checkpoint.has(VOCAB_JSON) && checkpoint.has(MERGES) => VOCAB_JSON,
        false => return Err(no_vocabulary(checkpoint)),
    };
    let class = class_of(checkpoint, config, file)?;
    let fail = |reason: String| checkpoint.error(file, reason);
    let ids = ids(file, checkpoint.required(file)?).map_err(fail)?;
    let roles = class.roles(config);
    for role in ["cls_token", "sep_token"] {
        let name = roles.name(role).unwrap_or_default();
        if !ids.contains_key(name) {
            return Err(fail(format!("has no {name:?}, the tokenizer's {role}")));
        }
    }
    let model = match file {
        VOCAB_TXT => WordPiece::builder().vocab(ids).build().map(Into::into),
        _ => {
            let merges = merges(checkpoint, &ids)?;
            BPE::builder().vocab_and_merges(ids, merges).build().map(Into::into)
        }
    };
    Ok(Vocabulary { model: model.map_err(|error| fail(error.to_string()))?, class, file })
}

/// Returns the class. Rejects unknown ones, because a vocabulary alone does not define the
/// tokenizer: Japanese BERT splits words first, PhoBERT uses BPE.
fn class_of(
    checkpoint: &Checkpoint,
    config: &TokenizerConfig,
    file: &'static str,
) -> Result<&'static Class, LoadError> {
    let fits = |class: &&'static Class| class.vocabulary == Some(file);
    let default = if file == VOCAB_TXT { &word_piece::BERT } else { &byte_level::ROBERTA };
    match &config.class {
        None => Ok(classes::of(config).filter(fits).unwrap_or(default)),
        Some(name) => classes::named(name).filter(fits).ok_or_else(|| {
            let reason = format!("tokenizer_class {name} cannot be rebuilt from {file}");
            checkpoint.error(TOKENIZER_CONFIG, reason)
        }),
    }
}

/// Parses tokens and their ids. In vocab.txt, the id is the line number.
fn ids(file: &str, data: &[u8]) -> Result<Vocab, String> {
    match file {
        VOCAB_TXT => WordPiece::read_bytes(data).map_err(|error| error.to_string()),
        _ => {
            let ids = serde_json::from_slice::<BTreeMap<String, u32>>(data);
            Ok(ids.map_err(|error| error.to_string())?.into_iter().collect())
        }
    }
}

/// Parses the merges, in order. The library relies on the checks here.
fn merges(checkpoint: &Checkpoint, ids: &Vocab) -> Result<Vec<(String, String)>, LoadError> {
    let fail = |reason: String| checkpoint.error(MERGES, reason);
    let text = str::from_utf8(checkpoint.required(MERGES)?).map_err(|e| fail(e.to_string()))?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with("#version"));
    let merge = |(number, line): (usize, &str)| {
        let merge = line.split_once(' ').filter(|(left, right)| {
            let known = |token: &str| ids.contains_key(token);
            known(left) && known(right) && known(&format!("{left}{right}"))
        });
        let merge = merge.map(|(left, right)| (left.to_owned(), right.to_owned()));
        merge.ok_or_else(|| {
            fail(format!("line {}, {line:?}, does not merge two tokens into a third", number + 1))
        })
    };
    lines.map(merge).collect()
}

fn no_vocabulary(checkpoint: &Checkpoint) -> LoadError {
    if let Some(name) = SENTENCEPIECE.iter().find(|name| checkpoint.has(name)) {
        let reason = "sentencepiece models are not supported; convert it to tokenizer.json: \
                      python -c \"from transformers import AutoTokenizer as T; \
                      T.from_pretrained('FOLDER').save_pretrained('FOLDER')\"";
        return checkpoint.error(name, reason);
    }
    let absent = checkpoint.absent(TOKENIZER);
    let reason =
        format!("{}, and neither {VOCAB_TXT} nor {VOCAB_JSON} with {MERGES}", absent.reason);
    LoadError { reason, ..absent }
}
