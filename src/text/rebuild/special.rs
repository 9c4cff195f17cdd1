//! Special and added tokens of a rebuilt tokenizer.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::tokenizer_config::{self, TokenizerConfig};
use crate::checkpoint::layout::ADDED_TOKENS;
use crate::checkpoint::{Checkpoint, LoadError};

/// A special token's role in tokenizer_config.json and its usual name.
pub type Role = (&'static str, &'static str);

pub const BERT: &[Role] = &[
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

pub const ROBERTA: &[Role] = &[
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("unk_token", "<unk>"),
    ("sep_token", "</s>"),
    ("pad_token", "<pad>"),
    ("cls_token", "<s>"),
    ("mask_token", "<mask>"),
];

/// MPNet's: RoBERTa's in a WordPiece vocabulary.
pub const MPNET: &[Role] = &[
    ("unk_token", "[UNK]"),
    ("sep_token", "</s>"),
    ("pad_token", "<pad>"),
    ("cls_token", "<s>"),
    ("mask_token", "<mask>"),
];

/// A vocabulary and the file that it is from.
pub struct Vocabulary {
    pub file: &'static str,
    pub ids: BTreeMap<String, u32>,
}

pub struct SpecialTokens<'a> {
    pub checkpoint: &'a Checkpoint,
    pub config: &'a TokenizerConfig,
    pub vocabulary: &'a Vocabulary,
    pub roles: &'static [Role],
}

impl SpecialTokens<'_> {
    fn name(&self, role: &str) -> &str {
        let usual = self.roles.iter().find(|(known, _)| *known == role);
        let usual = usual.map_or("", |(_, usual)| usual);
        self.config.special(role).unwrap_or(usual)
    }

    /// A token that the tokenizer cannot do without, and its id.
    pub fn required(&self, role: &str) -> Result<(&str, u32), LoadError> {
        let name = self.name(role);
        let id = self.vocabulary.ids.get(name).ok_or_else(|| {
            let reason = format!("has no {name:?}, the tokenizer's {role}");
            self.checkpoint.error(self.vocabulary.file, reason)
        })?;
        Ok((name, *id))
    }

    /// The `added_tokens` of tokenizer.json: those never split, those that the
    /// checkpoint adds to its vocabulary, and the special ones.
    pub fn added(&self) -> Result<Vec<Value>, LoadError> {
        let mut added = BTreeMap::new();
        let old = self.old_added()?;
        let all = self.never_split().chain(old).chain(self.special()).chain(self.new_added());
        added.extend(all);
        // The library numbers new tokens in this order, and keeps the others' ids.
        let mut next = self.vocabulary.ids.len() as u32;
        for (&id, token) in &added {
            let name = token["content"].as_str().unwrap_or_default();
            let expected = self.vocabulary.ids.get(name).copied().unwrap_or(next);
            if id != expected {
                let reason = format!("the added token {name:?} has id {id}, not {expected}");
                return Err(self.checkpoint.error(ADDED_TOKENS, reason));
            }
            next += u32::from(id == next);
        }
        Ok(added.into_values().collect())
    }

    fn special(&self) -> impl Iterator<Item = (u32, Value)> {
        self.roles.iter().filter_map(|(role, _)| {
            let name = self.name(role);
            let entry = self.config.special_entry(role).unwrap_or(&Value::Null);
            let id = *self.vocabulary.ids.get(name)?;
            // RoBERTa's mask takes the space before it, unless the file says otherwise.
            let strips = *role == "mask_token" && name.starts_with('<');
            let lstrip = entry["lstrip"].as_bool().unwrap_or(strips);
            Some((id, token(id, name, entry, &json!({"special": true, "lstrip": lstrip}))))
        })
    }

    /// Tokens that are kept whole where they stand alone.
    fn never_split(&self) -> impl Iterator<Item = (u32, Value)> {
        let names = self.config.field("never_split").as_array().into_iter().flatten();
        names.filter_map(Value::as_str).filter_map(|name| {
            let id = *self.vocabulary.ids.get(name)?;
            Some((id, token(id, name, &Value::Null, &json!({"single_word": true}))))
        })
    }

    /// added_tokens.json: ids by name.
    fn old_added(&self) -> Result<Vec<(u32, Value)>, LoadError> {
        let file = tokenizer_config::json(self.checkpoint, ADDED_TOKENS)?;
        let tokens = file.as_object().into_iter().flatten().filter_map(|(name, id)| {
            let id = u32::try_from(id.as_u64()?).ok()?;
            Some((id, token(id, name, &Value::Null, &Value::Null)))
        });
        Ok(tokens.collect())
    }

    /// tokenizer_config.json's newer form of it: whole entries by id.
    fn new_added(&self) -> impl Iterator<Item = (u32, Value)> {
        let entries = self.config.field("added_tokens_decoder").as_object().into_iter().flatten();
        entries.filter_map(|(id, entry)| {
            let id = id.parse().ok()?;
            Some((id, token(id, entry["content"].as_str()?, entry, &Value::Null)))
        })
    }
}

/// An entry of `added_tokens`: what `over` says, else `entry`, else no.
fn token(id: u32, content: &str, entry: &Value, over: &Value) -> Value {
    let flag =
        |name: &str| over[name].as_bool().or_else(|| entry[name].as_bool()).unwrap_or_default();
    json!({
        "id": id,
        "content": content,
        "single_word": flag("single_word"),
        "lstrip": flag("lstrip"),
        "rstrip": flag("rstrip"),
        "normalized": flag("normalized"),
        "special": flag("special"),
    })
}

/// A piece of a template: the text `A` or `B`, or a special token.
pub enum Piece<'a> {
    Sequence(&'static str, u32),
    Special(&'a str, u32),
}

/// The `post_processor` that puts special tokens around texts.
pub fn template(single: &[Piece<'_>], pair: &[Piece<'_>], ids: [(&str, u32); 2]) -> Value {
    let pieces = |pieces: &[Piece<'_>]| -> Vec<Value> {
        let piece = |piece: &Piece<'_>| match piece {
            Piece::Sequence(id, kind) => json!({"Sequence": {"id": id, "type_id": kind}}),
            Piece::Special(id, kind) => json!({"SpecialToken": {"id": id, "type_id": kind}}),
        };
        pieces.iter().map(piece).collect()
    };
    let special =
        ids.map(|(name, id)| (name.to_owned(), json!({"id": name, "ids": [id], "tokens": [name]})));
    json!({
        "type": "TemplateProcessing",
        "single": pieces(single),
        "pair": pieces(pair),
        "special_tokens": serde_json::Map::from_iter(special),
    })
}
