//! WordPiece from vocab.txt, as transformers' BertTokenizer sets it up.

use serde_json::{Value, json};

use super::super::tokenizer_config::TokenizerConfig;
use super::special::{self, Piece, SpecialTokens, Vocabulary};
use crate::checkpoint::layout::VOCAB_TXT;
use crate::checkpoint::{Checkpoint, LoadError, TOKENIZER_CONFIG};

/// The classes whose vocab.txt is read as BERT's. Others use the name for
/// other things: Japanese BERT cuts words first, PhoBERT has BPE.
const BERT: &[&str] = &[
    "BertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "MobileBertTokenizer",
    "SqueezeBertTokenizer",
    "ConvBertTokenizer",
];
const MPNET: &str = "MPNetTokenizer";

/// The tokenizer.json of a vocabulary.
pub fn rebuild(
    checkpoint: &Checkpoint,
    config: &TokenizerConfig,
    vocabulary: &[u8],
) -> Result<Value, LoadError> {
    let roles = match config.class.as_deref() {
        None => special::BERT,
        Some(class) if BERT.contains(&class) => special::BERT,
        Some(MPNET) => special::MPNET,
        Some(other) => {
            let reason = format!("tokenizer_class {other} cannot be rebuilt from {VOCAB_TXT}");
            return Err(checkpoint.error(TOKENIZER_CONFIG, reason));
        }
    };
    let text = str::from_utf8(vocabulary).map_err(|error| checkpoint.error(VOCAB_TXT, error))?;
    // A token's id is its line; of a token that is there twice, the last.
    let ids = text.lines().map(str::to_owned).zip(0..).collect();
    let vocabulary = Vocabulary { file: VOCAB_TXT, ids };
    let special = SpecialTokens { checkpoint, config, vocabulary: &vocabulary, roles };
    let (unknown, _) = special.required("unk_token")?;
    Ok(json!({
        "version": "1.0",
        "added_tokens": special.added()?,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": config.flag("tokenize_chinese_chars").unwrap_or(true),
            "strip_accents": config.flag("strip_accents"),
            "lowercase": config.flag("do_lower_case").unwrap_or(true),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": processor(&special, config.class.as_deref())?,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary.ids,
        },
    }))
}

fn processor(special: &SpecialTokens<'_>, class: Option<&str>) -> Result<Value, LoadError> {
    let [cls, sep] = [special.required("cls_token")?, special.required("sep_token")?];
    let (begin, end) = (|kind| Piece::Special(cls.0, kind), |kind| Piece::Special(sep.0, kind));
    let text = Piece::Sequence;
    let single = [begin(0), text("A", 0), end(0)];
    let mut pair = vec![begin(0), text("A", 0), end(0), text("B", 1), end(1)];
    if class == Some(MPNET) {
        pair.insert(3, end(0));
    }
    Ok(special::template(&single, &pair, [cls, sep]))
}
