//! From a text to tokens, words and offsets.

pub mod borders;
mod in_force;
mod offsets;
mod prompt;
mod read;
mod rebuild;
mod subwords;
pub mod tokenizer;
mod tokenizer_config;
pub mod truncation;
pub mod units;
pub mod windows;
mod words;

use std::sync::Arc;

pub use in_force::InForce;
pub use tokenizer::TextEncoder;

use crate::rows::Tokens;

/// One text, or a pair, as a caller sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// The caller's own name for it, echoed.
    pub id: Option<String>,
    pub text: String,
    /// The words of `text`, where the caller has cut it: joined by single spaces they are it.
    pub words: Option<Vec<String>>,
    pub text_pair: Option<String>,
    /// The caller's own units of `text`, in code points.
    pub spans: Vec<borders::Span>,
    /// JSON pointer of `text`, or of `words`, in the request, for errors.
    pub pointer: String,
    /// JSON pointer of `spans`.
    pub spans_pointer: String,
}

impl Input {
    /// A text a segment.
    pub fn texts(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.text).chain(&self.text_pair)
    }

    /// JSON pointer of `text_pair`, which stands beside the text in one object.
    pub fn pair_pointer(&self) -> String {
        let object = self.pointer.rsplit_once('/').map_or("", |(object, _)| object);
        format!("{object}/text_pair")
    }
}

/// A tokenised input.
#[derive(Debug, Clone)]
pub struct Encoding {
    pub ids: Arc<Tokens>,
    /// What was tokenised, a text a segment.
    pub texts: Arc<[String]>,
    pub tokens: Vec<Token>,
    pub words: Vec<Unit>,
    pub sentences: Vec<Unit>,
    pub spans: Vec<CallerSpan>,
    /// Whether an end was cut to fit the model.
    pub truncated: bool,
    /// The second text, where the model reads it by itself.
    pub apart: Option<Box<Encoding>>,
    /// Tokens at the end that are given and not explained: a hypothesis.
    pub held: usize,
}

impl Encoding {
    /// Tokens of both texts.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.apart.as_ref().map_or(0, |pair| pair.tokens.len())
    }

    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether a token is one that methods may change: of the text, and not held.
    pub fn is_content(&self, token: usize) -> bool {
        !self.tokens[token].special && token + self.held < self.tokens.len()
    }

    /// A part of one segment's text, in code points.
    pub fn slice(&self, segment: usize, start: usize, end: usize) -> String {
        let text = self.texts.get(segment).map_or("", String::as_str);
        text.chars().skip(start).take(end.saturating_sub(start)).collect()
    }
}

/// A unit of the tokenizer. `start` and `end` are half-open offsets in Unicode
/// code points of its segment's text, equal for special tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: u32,
    pub text: String,
    pub start: usize,
    pub end: usize,
    /// The word that it belongs to.
    pub word: Option<usize>,
    /// 0 for `text`, 1 for `text_pair`.
    pub segment: usize,
    /// Added by the tokenizer, such as `[CLS]`.
    pub special: bool,
    /// Whether it goes on with the word of the token before it, by the rules of
    /// transformers' token-classification pipeline.
    pub continues: bool,
    /// Where the tokenizer's own word that it is part of starts and ends.
    pub whole: (usize, usize),
}

/// A part of the text, with the tokens in it: a word, number or punctuation
/// mark, a sentence, or what a caller marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub text: String,
    pub start: usize,
    pub end: usize,
    pub tokens: Vec<usize>,
    pub segment: usize,
}

/// A unit that a caller marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerSpan {
    pub unit: Unit,
    pub asked: borders::Span,
}

impl CallerSpan {
    /// Whether it had to grow to cut no token.
    pub fn rounded(&self) -> bool {
        self.asked != (self.unit.start, self.unit.end)
    }
}
