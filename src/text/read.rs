//! What of an input is put through the tokenizer: all of it, or the part of each text that
//! can matter; words that the caller has cut one by one; and a prompt before them.

use tokenizers::{EncodeInput, InputSequence};

use super::borders::Span;
use super::prompt::Prompt;
use super::truncation::{Part, Side};
use super::{Input, Token, words};

pub struct Read<'a> {
    pub parts: Vec<Part<'a>>,
    /// Of the first text, where the caller has cut it.
    cut: Option<CutWords>,
}

/// Some of the words.
struct CutWords {
    words: Vec<String>,
    /// The number of the first one.
    first: usize,
}

impl<'a> Read<'a> {
    pub fn whole(input: &'a Input) -> Self {
        Self::of(input, Part::whole)
    }

    /// `most` code points of each text, at the end that is not cut.
    pub fn from_end(input: &'a Input, side: Side, most: usize) -> Self {
        Self::of(input, |text| side.cut(text, most))
    }

    fn of(input: &'a Input, part: impl Fn(&'a str) -> Part<'a>) -> Self {
        let mut parts: Vec<Part<'a>> = input.texts().map(|text| part(text)).collect();
        let cut = input.words.as_deref().zip(parts.first_mut()).map(|(all, part)| {
            let (words, first, smaller) = words::within(all, &input.text, *part);
            *part = smaller;
            CutWords { words, first }
        });
        Self { parts, cut }
    }

    /// Whether a text is not read to its end.
    pub fn is_part_of(&self, input: &Input) -> bool {
        self.parts.iter().zip(input.texts()).any(|(part, text)| part.text.len() < text.len())
    }

    pub fn input(&self, prompt: &Prompt) -> EncodeInput<'a> {
        let [text, pair] = [0, 1].map(|segment| self.parts.get(segment).map(|part| part.text));
        let first = match &self.cut {
            Some(cut) => InputSequence::from(prompt.before_words(&cut.words)),
            None => InputSequence::from(prompt.before(text.unwrap_or_default())),
        };
        match pair {
            Some(pair) => EncodeInput::Dual(first, pair.into()),
            None => EncodeInput::Single(first),
        }
    }

    /// The texts as the tokenizer reads them.
    pub fn texts(&self, prompt: &Prompt) -> Vec<String> {
        let mut texts: Vec<String> = self.parts.iter().map(|part| part.text.to_owned()).collect();
        if let Some(first) = texts.first_mut() {
            *first = prompt.before(first).into_owned();
        }
        texts
    }

    /// Where the words that the caller has cut lie in the first of those.
    pub fn spans(&self, prompt: &Prompt) -> Vec<Span> {
        let spans = self.cut.as_ref().map(|cut| words::spans(&cut.words)).unwrap_or_default();
        prompt.before_spans(spans)
    }

    /// Tokens of what the tokenizer read as those of the whole texts.
    pub fn put_in_place(&self, prompt: &Prompt, tokens: &mut [Token]) {
        prompt.take_out(tokens);
        for token in tokens.iter_mut().filter(|token| !token.special) {
            let skipped = self.parts.get(token.segment).map_or(0, |part| part.skipped);
            let moved = |(start, end): Span| (start + skipped, end + skipped);
            (token.start, token.end) = moved((token.start, token.end));
            token.whole = moved(token.whole);
            let first = self.cut.as_ref().map_or(0, |cut| cut.first);
            token.word = token.word.map(|word| word + first);
        }
    }
}
