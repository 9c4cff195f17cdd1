//! Tokenizes texts and computes words and offsets.
//!
//! The reasons for the design: docs/concepts/attribution.md.

pub mod borders;
pub mod by_words;
pub mod edits;
mod errors;
mod excerpts;
mod in_force;
mod lengths;
mod offsets;
mod prompt;
mod rebuild;
mod subwords;
pub mod tokenizer;
mod tokenizer_config;
pub mod truncation;
pub mod units;
mod whole_words;
pub mod windows;
mod words;

use std::sync::Arc;

pub use in_force::InForce;
pub use tokenizer::TextEncoder;

use crate::rows::Tokens;

/// A text or a pair of texts, as sent by the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// The client's id, returned unchanged.
    pub id: Option<String>,
    pub text: String,
    /// The words of a pre-tokenized `text`, which is them joined by single spaces.
    pub words: Option<Vec<String>>,
    pub text_pair: Option<String>,
    /// Additional units to score: spans of `text`, in code points.
    pub spans: Vec<borders::Span>,
    /// What a person marked as the reason for the label: spans of `text`, in code points.
    pub rationale: Vec<borders::Span>,
    /// JSON pointer of `text` or `words` in the request, for errors.
    pub pointer: String,
    /// JSON pointer of `spans`.
    pub spans_pointer: String,
}

impl Input {
    /// Returns one text per segment.
    pub fn texts(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.text).chain(&self.text_pair)
    }

    /// Returns the JSON pointer of the rationale.
    pub fn rationale_pointer(&self) -> String {
        let object = self.pointer.rsplit_once('/').map_or("", |(object, _)| object);
        format!("{object}/rationale")
    }

    /// Returns the JSON pointer of the second text: `text_pair` next to `text`, or the second
    /// element of a pair.
    pub fn pair_pointer(&self) -> String {
        match self.pointer.rsplit_once('/') {
            Some((pair, "0")) => format!("{pair}/1"),
            Some((object, _)) => format!("{object}/text_pair"),
            None => String::new(),
        }
    }
}

/// A tokenized input.
#[derive(Debug, Clone)]
pub struct Encoding {
    pub ids: Arc<Tokens>,
    /// The texts, one per segment.
    pub texts: Arc<[String]>,
    pub tokens: Vec<Token>,
    pub words: Vec<Unit>,
    pub sentences: Vec<Unit>,
    pub spans: Vec<CallerSpan>,
    /// The tokens of the rationale, ascending.
    pub rationale: Vec<usize>,
    /// Whether the input was truncated to fit the model.
    pub truncated: bool,
    /// The second text, if the model encodes it separately.
    pub separate_pair: Option<Box<Encoding>>,
    /// Number of tokens at the end that are fixed and not explained: a hypothesis.
    pub held: usize,
}

impl Encoding {
    /// Returns the number of tokens of both texts.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.separate_pair.as_ref().map_or(0, |pair| pair.tokens.len())
    }

    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether methods may perturb a token: it is neither special nor held.
    pub fn is_content(&self, token: usize) -> bool {
        !self.tokens[token].special && token + self.held < self.tokens.len()
    }

    /// Returns a substring of a segment's text, by code points.
    pub fn slice(&self, segment: usize, start: usize, end: usize) -> String {
        let text = self.texts.get(segment).map_or("", String::as_str);
        text.chars().skip(start).take(end.saturating_sub(start)).collect()
    }
}

/// A token. `start` and `end` are half-open offsets in its segment's text, in Unicode code
/// points; equal for special tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: u32,
    pub text: String,
    pub start: usize,
    pub end: usize,
    /// The index of its word.
    pub word: Option<usize>,
    /// 0 for `text`, 1 for `text_pair`.
    pub segment: usize,
    /// Added by the tokenizer, such as `[CLS]`.
    pub special: bool,
    /// Whether it continues the word of the previous token, by the rules of transformers'
    /// token-classification pipeline.
    pub continues: bool,
    /// The span of the tokenizer's own word that contains it.
    pub whole: (usize, usize),
}

/// A part of the text and its tokens: a word (or number or punctuation mark), a sentence, or a
/// span from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub text: String,
    pub start: usize,
    pub end: usize,
    pub tokens: Vec<usize>,
    pub segment: usize,
}

/// A span from the client, and the unit that it was rounded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerSpan {
    pub unit: Unit,
    pub requested: borders::Span,
}

impl CallerSpan {
    /// Whether it was extended to token boundaries.
    pub fn rounded(&self) -> bool {
        self.requested != (self.unit.start, self.unit.end)
    }
}
