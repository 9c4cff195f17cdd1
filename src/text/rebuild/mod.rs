//! The tokenizer of a checkpoint: tokenizer.json, or what it would say where
//! there are only the vocabulary files of older checkpoints.

mod byte_level;
mod special;
mod word_piece;

use std::panic::{self, AssertUnwindSafe};

use serde_json::Value;
use tokenizers::{EncodeInput, Tokenizer};

use super::tokenizer_config::TokenizerConfig;
use crate::checkpoint::layout::{MERGES, SENTENCEPIECE, VOCAB_JSON, VOCAB_TXT};
use crate::checkpoint::{Checkpoint, LoadError, TOKENIZER};

/// Reads the tokenizer, or rebuilds it. The name is that of the file which is
/// at fault if something is wrong with it.
pub fn tokenizer(
    checkpoint: &Checkpoint,
    config: &TokenizerConfig,
) -> Result<(Tokenizer, &'static str), LoadError> {
    if let Some(data) = checkpoint.file(TOKENIZER) {
        return Ok((read(checkpoint, TOKENIZER, data)?, TOKENIZER));
    }
    let (name, rebuilt): (_, Value) = match checkpoint.file(VOCAB_TXT) {
        Some(vocabulary) => (VOCAB_TXT, word_piece::rebuild(checkpoint, config, vocabulary)?),
        None if checkpoint.file(VOCAB_JSON).is_some() && checkpoint.file(MERGES).is_some() => {
            (VOCAB_JSON, byte_level::rebuild(checkpoint, config)?)
        }
        None => return Err(none(checkpoint)),
    };
    Ok((read(checkpoint, name, rebuilt.to_string().as_bytes())?, name))
}

/// Reads a tokenizer.json and tries it. The library has places that panic on
/// nonsense, some of them only when it is used: the process does not end there.
fn read(checkpoint: &Checkpoint, name: &str, data: &[u8]) -> Result<Tokenizer, LoadError> {
    let read = || {
        let mut tokenizer = Tokenizer::from_bytes(data)?;
        // A checkpoint may carry the padding and truncation of its training.
        tokenizer.with_padding(None).with_truncation(None)?;
        probe(&tokenizer)?;
        Ok::<_, tokenizers::Error>(tokenizer)
    };
    match panic::catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| checkpoint.error(name, error)),
        Err(_) => Err(checkpoint.error(name, "the tokenizers library fails on it")),
    }
}

/// Puts special tokens around a text and around two: a template may name some
/// that it does not have.
fn probe(tokenizer: &Tokenizer) -> Result<(), String> {
    for texts in [EncodeInput::from("a"), EncodeInput::from(("a", "b"))] {
        // A text that it cannot cut is its own matter.
        let Ok(encoding) = tokenizer.encode(texts, true) else { continue };
        if encoding.get_tokens().len() != encoding.get_ids().len() {
            return Err("the template has ids without tokens".to_owned());
        }
    }
    Ok(())
}

fn none(checkpoint: &Checkpoint) -> LoadError {
    if let Some(name) = SENTENCEPIECE.iter().find(|name| checkpoint.has(name)) {
        let reason = "a sentencepiece model cannot be read; convert it to tokenizer.json: \
                      python -c \"from transformers import AutoTokenizer as T; \
                      T.from_pretrained('FOLDER').save_pretrained('FOLDER')\"";
        return checkpoint.error(name, reason);
    }
    let absent = checkpoint.absent(TOKENIZER);
    let reason =
        format!("{}; nor are there {VOCAB_TXT}, or {VOCAB_JSON} and {MERGES}", absent.reason);
    LoadError { reason, ..absent }
}
