//! Byte-level BPE from vocab.json and merges.txt, as transformers'
//! RobertaTokenizer and DebertaTokenizer set it up.

use serde_json::{Value, json};

use super::super::tokenizer_config::TokenizerConfig;
use super::special::{self, Piece, SpecialTokens, Vocabulary};
use crate::checkpoint::layout::{MERGES, VOCAB_JSON};
use crate::checkpoint::{Checkpoint, LoadError, TOKENIZER_CONFIG};

const ROBERTA: &[&str] = &["RobertaTokenizer", "LongformerTokenizer", "BartTokenizer"];
const DEBERTA: &str = "DebertaTokenizer";

/// The tokenizer.json of a vocabulary and its merges.
pub fn rebuild(checkpoint: &Checkpoint, config: &TokenizerConfig) -> Result<Value, LoadError> {
    let class = config.class.as_deref();
    let roles = match class {
        None => special::ROBERTA,
        Some(class) if ROBERTA.contains(&class) => special::ROBERTA,
        Some(DEBERTA) => special::BERT,
        Some(other) => {
            let reason =
                format!("tokenizer_class {other} cannot be rebuilt from {VOCAB_JSON} and {MERGES}");
            return Err(checkpoint.error(TOKENIZER_CONFIG, reason));
        }
    };
    let ids = serde_json::from_slice(checkpoint.required(VOCAB_JSON)?);
    let ids = ids.map_err(|error| checkpoint.error(VOCAB_JSON, error))?;
    let vocabulary = Vocabulary { file: VOCAB_JSON, ids };
    let special = SpecialTokens { checkpoint, config, vocabulary: &vocabulary, roles };
    let prefix = config.flag("add_prefix_space").unwrap_or(false);
    let [cls, sep] = [special.required("cls_token")?, special.required("sep_token")?];
    let (begin, end) = (|kind| Piece::Special(cls.0, kind), |kind| Piece::Special(sep.0, kind));
    let text = Piece::Sequence;
    let processor = match class {
        Some(DEBERTA) => special::template(
            &[begin(0), text("A", 0), end(0)],
            &[begin(0), text("A", 0), end(0), text("B", 1), end(1)],
            [cls, sep],
        ),
        _ => json!({
            "type": "RobertaProcessing",
            "sep": sep,
            "cls": cls,
            "trim_offsets": config.flag("trim_offsets").unwrap_or(true),
            "add_prefix_space": prefix,
        }),
    };
    let bytes = json!({
        "type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": true,
    });
    Ok(json!({
        "version": "1.0",
        "added_tokens": special.added()?,
        "normalizer": null,
        "pre_tokenizer": bytes,
        "post_processor": processor,
        "decoder": bytes,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "merges": merges(checkpoint, &vocabulary)?,
            "vocab": vocabulary.ids,
        },
    }))
}

/// The merges in their order. The library relies on what is checked here.
fn merges(checkpoint: &Checkpoint, vocabulary: &Vocabulary) -> Result<Vec<[String; 2]>, LoadError> {
    let fail = |reason: String| checkpoint.error(MERGES, reason);
    let text = str::from_utf8(checkpoint.required(MERGES)?).map_err(|e| fail(e.to_string()))?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with("#version"));
    let merge = |(number, line): (usize, &str)| {
        let merge = line.split_once(' ').filter(|(left, right)| {
            let known = |token: &str| vocabulary.ids.contains_key(token);
            known(left) && known(right) && known(&format!("{left}{right}"))
        });
        let merge = merge.map(|(left, right)| [left.to_owned(), right.to_owned()]);
        merge.ok_or_else(|| {
            fail(format!("line {}, {line:?}, merges no two tokens into a third", number + 1))
        })
    };
    lines.map(merge).collect()
}
