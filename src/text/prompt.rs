//! sentence-transformers' prompt: words before every text that a model reads and a
//! caller does not see. Its tokens are special ones; offsets are of the caller's text.

use std::borrow::Cow;

use tokenizers::Tokenizer;
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};

use super::Token;
use super::borders::Span;
use crate::checkpoint::layout::SENTENCE_TRANSFORMERS;
use crate::checkpoint::{Checkpoint, LoadError};

/// What is put before a text, or nothing.
#[derive(Debug, Default)]
pub struct Prompt {
    text: String,
    characters: usize,
    /// Its tokens, with what the tokenizer puts before them.
    pub tokens: usize,
}

impl Prompt {
    /// The prompt in force, if it leaves room in `most` tokens.
    pub fn read(
        checkpoint: &Checkpoint,
        tokenizer: &Tokenizer,
        most: usize,
    ) -> Result<Self, LoadError> {
        let text = checkpoint.sentence().map_or("", |sentence| sentence.prompt.as_str());
        if text.is_empty() {
            return Ok(Self::default());
        }
        let fail = |reason: String| checkpoint.error(SENTENCE_TRANSFORMERS, reason);
        let characters = text.chars().count();
        if characters > most.saturating_mul(64) {
            return Err(fail(format!("the prompt has {characters} characters")));
        }
        let encoding = tokenizer.encode(text, true).map_err(|error| fail(error.to_string()))?;
        if encoding.len() >= most {
            let length = encoding.len();
            return Err(fail(format!("the prompt takes {length} of {most} tokens: none is left")));
        }
        let closed = encoding.get_special_tokens_mask().last() == Some(&1);
        let tokens = encoding.len() - usize::from(closed);
        Ok(Self { text: text.to_owned(), characters, tokens })
    }

    /// The first text as the tokenizer reads it.
    pub fn before<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.text.is_empty() {
            true => Cow::Borrowed(text),
            false => Cow::Owned(format!("{}{text}", self.text)),
        }
    }

    /// The same of words that the caller has cut: the prompt is one more.
    pub fn before_words(&self, words: &[String]) -> Vec<String> {
        let prompt = Some(self.text.clone()).filter(|text| !text.is_empty());
        prompt.into_iter().chain(words.iter().cloned()).collect()
    }

    /// Where those words lie in the text as the tokenizer reads it; none for none.
    pub fn before_spans(&self, words: Vec<Span>) -> Vec<Span> {
        if self.text.is_empty() || words.is_empty() {
            return words;
        }
        let moved = |(start, end): Span| (start + self.characters, end + self.characters);
        std::iter::once((0, self.characters)).chain(words.into_iter().map(moved)).collect()
    }

    /// Tokens of what the tokenizer read as those of the caller's text.
    pub fn take_out(&self, tokens: &mut [Token]) {
        if self.text.is_empty() {
            return;
        }
        let moved = |place: usize| place.saturating_sub(self.characters);
        let content = |token: &&mut Token| token.segment == 0 && !token.special;
        for token in tokens.iter_mut().filter(content) {
            let prompted = token.end <= self.characters;
            token.special |= prompted;
            token.continues &= !prompted;
            (token.start, token.end) = (moved(token.start), moved(token.end));
            token.whole = (moved(token.whole.0), moved(token.whole.1));
            token.word = token.word.and_then(|word| word.checked_sub(1));
        }
    }
}

/// Has texts put in lower case before all else, unless the tokenizer has such a step by
/// itself.
pub fn lower_case(tokenizer: &mut Tokenizer) -> Result<(), tokenizers::Error> {
    let lower = NormalizerWrapper::from(Lowercase);
    let steps = match tokenizer.get_normalizer() {
        None => Vec::new(),
        Some(NormalizerWrapper::Sequence(steps)) => steps.as_ref().to_vec(),
        Some(other) => vec![other.clone()],
    };
    if !steps.iter().any(|step| matches!(step, NormalizerWrapper::Lowercase(_))) {
        let all = std::iter::once(lower).chain(steps).collect();
        tokenizer.with_normalizer(Some(Sequence::new(all)))?;
    }
    Ok(())
}
