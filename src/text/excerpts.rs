//! The input of the tokenizer: the texts or the parts of them that can fit, or pre-tokenized
//! words, with the prompt prepended.

use tokenizers::{EncodeInput, InputSequence};

use super::borders::Span;
use super::prompt::Prompt;
use super::truncation::{Excerpt, Side};
use super::{Input, Token, words};

pub struct Excerpts<'a> {
    pub parts: Vec<Excerpt<'a>>,
    /// The words of the first text, if the client pre-tokenized it.
    pretokenized: Option<WordRange>,
}

/// A range of pre-tokenized words.
struct WordRange {
    words: Vec<String>,
    /// The index of the first word in the input.
    first: usize,
}

impl<'a> Excerpts<'a> {
    pub fn whole(input: &'a Input) -> Self {
        Self::of(input, Excerpt::whole)
    }

    /// Keeps `max_chars` code points of each text; cuts the rest at `side`.
    pub fn truncated(input: &'a Input, side: Side, max_chars: usize) -> Self {
        Self::of(input, |text| side.cut(text, max_chars))
    }

    fn of(input: &'a Input, part: impl Fn(&'a str) -> Excerpt<'a>) -> Self {
        let mut parts: Vec<Excerpt<'a>> = input.texts().map(|text| part(text)).collect();
        let pretokenized = input.words.as_deref().zip(parts.first_mut()).map(|(all, part)| {
            let (words, first, excerpt) = words::within(all, &input.text, *part);
            *part = excerpt;
            WordRange { words, first }
        });
        Self { parts, pretokenized }
    }

    /// Whether any text was cut.
    pub fn is_part_of(&self, input: &Input) -> bool {
        self.parts.iter().zip(input.texts()).any(|(part, text)| part.text.len() < text.len())
    }

    pub fn input(&self, prompt: &Prompt) -> EncodeInput<'a> {
        let [text, pair] = [0, 1].map(|segment| self.parts.get(segment).map(|part| part.text));
        let first = match &self.pretokenized {
            Some(range) => InputSequence::from(prompt.prepend_words(&range.words)),
            None => InputSequence::from(prompt.prepend(text.unwrap_or_default())),
        };
        match pair {
            Some(pair) => EncodeInput::Dual(first, pair.into()),
            None => EncodeInput::Single(first),
        }
    }

    /// Returns the texts as the tokenizer reads them, with the prompt.
    pub fn texts(&self, prompt: &Prompt) -> Vec<String> {
        let mut texts: Vec<String> = self.parts.iter().map(|part| part.text.to_owned()).collect();
        if let Some(first) = texts.first_mut() {
            *first = prompt.prepend(first).into_owned();
        }
        texts
    }

    /// Returns the spans of pre-tokenized words in the first of [`Self::texts`]; may be empty.
    pub fn word_spans(&self, prompt: &Prompt) -> Vec<Span> {
        let spans = self.pretokenized.as_ref().map(|range| words::spans(&range.words));
        prompt.prepend_spans(spans.unwrap_or_default())
    }

    /// Converts the offsets and word indices of `tokens` to those of the whole input.
    pub fn map_to_input(&self, prompt: &Prompt, tokens: &mut [Token]) {
        prompt.map_to_text(tokens);
        for token in tokens.iter_mut().filter(|token| !token.special) {
            let skipped = self.parts.get(token.segment).map_or(0, |part| part.skipped);
            let shifted = |(start, end): Span| (start + skipped, end + skipped);
            (token.start, token.end) = shifted((token.start, token.end));
            token.whole = shifted(token.whole);
            let first = self.pretokenized.as_ref().map_or(0, |range| range.first);
            token.word = token.word.map(|word| word + first);
        }
    }
}
