//! Special and added tokens, in the order in which transformers adds them.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use tokenizers::{AddedToken, Tokenizer};

use super::super::tokenizer_config::{self, EXTRA, ROLES, TokenizerConfig};
use crate::checkpoint::{Checkpoint, LoadError};

/// A special token's role in tokenizer_config.json and its default content.
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

/// RoBERTa's tokens, but with the unknown token of WordPiece.
pub const MPNET: &[Role] = &[
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("unk_token", "[UNK]"),
    ("sep_token", "</s>"),
    ("pad_token", "<pad>"),
    ("cls_token", "<s>"),
    ("mask_token", "<mask>"),
];

pub const ALBERT: &[Role] = &[
    ("bos_token", "[CLS]"),
    ("eos_token", "[SEP]"),
    ("unk_token", "<unk>"),
    ("sep_token", "[SEP]"),
    ("pad_token", "<pad>"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

pub const DEBERTA: &[Role] = &[
    ("bos_token", "[CLS]"),
    ("eos_token", "[SEP]"),
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

/// The token for each role: from the files, else the class's default.
pub struct Roles<'a> {
    pub config: &'a TokenizerConfig,
    pub defaults: &'static [Role],
    pub mask_takes_space: bool,
}

impl Roles<'_> {
    /// Returns a role's token. A file may set it to null.
    pub fn name(&self, role: &str) -> Option<&str> {
        match self.config.role(role) {
            Some(entry) => tokenizer_config::content(entry),
            None => self.defaults.iter().find(|(own, _)| *own == role).map(|(_, content)| *content),
        }
    }

    fn token(&self, role: &str) -> Option<AddedToken> {
        let takes_space = self.mask_takes_space && role == "mask_token";
        match self.config.role(role) {
            Some(entry) if entry.is_object() => tokenizer_config::added(entry, true),
            _ => Some(AddedToken::from(self.name(role)?, true).lstrip(takes_space)),
        }
    }

    /// Adds the added tokens of all files, including `from_json`, those of tokenizer.json, then
    /// the missing special tokens.
    pub fn add(
        &self,
        tokenizer: &mut Tokenizer,
        from_json: BTreeMap<u32, AddedToken>,
    ) -> Result<(), tokenizers::Error> {
        let named: Vec<AddedToken> = ROLES
            .iter()
            .filter_map(|role| self.token(role))
            .chain(self.config.named().filter_map(|entry| tokenizer_config::added(entry, true)))
            .collect();
        let names: HashSet<&str> = named.iter().map(|token| token.content.as_str()).collect();
        let listed = self.listed(from_json).into_values().map(|mut token| {
            token.special |= names.contains(token.content.as_str());
            token
        });
        tokenizer.add_tokens(listed)?;
        let extra = self.config.extra().unwrap_or_default().iter();
        let extra = extra.filter_map(|entry| tokenizer_config::added(entry, true));
        let mut known: HashSet<String> =
            tokenizer.get_added_vocabulary().get_vocab().keys().cloned().collect();
        let new = named.iter().cloned().chain(extra);
        let new: Vec<AddedToken> =
            new.filter(|token| known.insert(token.content.clone())).collect();
        tokenizer.add_tokens(new)?;
        Ok(())
    }

    /// Returns the added tokens of all files by id, collected as in transformers.
    fn listed(&self, from_json: BTreeMap<u32, AddedToken>) -> BTreeMap<u32, AddedToken> {
        if let Some(entries) = self.config.decoder() {
            return entries.into_iter().collect();
        }
        // As in transformers, without `additional_special_tokens` of special_tokens_map.json.
        let extra = self.config.field(EXTRA).as_array().into_iter().flatten();
        let special: HashSet<&str> = ROLES
            .iter()
            .filter_map(|role| self.config.special(role))
            .chain(extra.filter_map(tokenizer_config::content))
            .collect();
        let old = self.config.old_added(|content| special.contains(content));
        old.into_iter().chain(from_json).collect()
    }
}

/// Looks up the ids of special tokens for a post-processor.
pub struct Ids<'a> {
    pub checkpoint: &'a Checkpoint,
    /// The file to name in errors.
    pub file: &'static str,
    pub roles: &'a Roles<'a>,
    pub tokenizer: &'a Tokenizer,
}

impl Ids<'_> {
    /// Returns the token of a role and its id; an error if it does not exist.
    pub fn required(&self, role: &str) -> Result<(&str, u32), LoadError> {
        let name = self.roles.name(role).unwrap_or_default();
        let id = self.tokenizer.token_to_id(name).ok_or_else(|| {
            let reason = format!("has no {name:?}, the tokenizer's {role}");
            self.checkpoint.error(self.file, reason)
        })?;
        Ok((name, id))
    }
}

/// An element of a template: the text `A` or `B`, or a special token, with its token type.
pub enum Piece<'a> {
    Sequence(&'static str, u32),
    Special(&'a str, u32),
}

/// Returns the `post_processor` for these templates.
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
