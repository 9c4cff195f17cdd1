//! The default prompt of sentence-transformers, prepended to each text. Its tokens are special
//! tokens; offsets refer to the client's text.

use std::borrow::Cow;

use tokenizers::Tokenizer;
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};

use super::Token;
use super::borders::Span;
use crate::checkpoint::layout::SENTENCE_TRANSFORMERS;
use crate::checkpoint::{Checkpoint, LoadError};

/// The prompt, or an empty string.
#[derive(Debug, Default)]
pub struct Prompt {
    text: String,
    characters: usize,
    /// Number of its tokens, including special tokens before it.
    pub tokens: usize,
}

impl Prompt {
    /// Reads the prompt; an error if it leaves no room in `max_tokens` tokens.
    pub fn read(
        checkpoint: &Checkpoint,
        tokenizer: &Tokenizer,
        max_tokens: usize,
    ) -> Result<Self, LoadError> {
        let text = checkpoint.sentence().map_or("", |sentence| sentence.prompt.as_str());
        if text.is_empty() {
            return Ok(Self::default());
        }
        let fail = |reason: String| checkpoint.error(SENTENCE_TRANSFORMERS, reason);
        let characters = text.chars().count();
        if characters > max_tokens.saturating_mul(64) {
            return Err(fail(format!("the prompt has {characters} characters")));
        }
        let encoding = tokenizer.encode(text, true).map_err(|error| fail(error.to_string()))?;
        if encoding.len() >= max_tokens {
            let length = encoding.len();
            return Err(fail(format!("the prompt takes {length} of {max_tokens} tokens")));
        }
        let has_end_token = encoding.get_special_tokens_mask().last() == Some(&1);
        let tokens = encoding.len() - usize::from(has_end_token);
        Ok(Self { text: text.to_owned(), characters, tokens })
    }

    /// Prepends the prompt to the first text.
    pub fn prepend<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.text.is_empty() {
            true => Cow::Borrowed(text),
            false => Cow::Owned(format!("{}{text}", self.text)),
        }
    }

    /// Prepends the prompt to pre-tokenized words, as one more word.
    pub fn prepend_words(&self, words: &[String]) -> Vec<String> {
        let prompt = Some(self.text.clone()).filter(|text| !text.is_empty());
        prompt.into_iter().chain(words.iter().cloned()).collect()
    }

    /// Returns the spans of those words, including the prompt; empty if `words` is.
    pub fn prepend_spans(&self, words: Vec<Span>) -> Vec<Span> {
        if self.text.is_empty() || words.is_empty() {
            return words;
        }
        let shifted = |(start, end): Span| (start + self.characters, end + self.characters);
        std::iter::once((0, self.characters)).chain(words.into_iter().map(shifted)).collect()
    }

    /// Makes `tokens` refer to the client's text; those of the prompt become special tokens.
    pub fn map_to_text(&self, tokens: &mut [Token]) {
        if self.text.is_empty() {
            return;
        }
        let shifted = |offset: usize| offset.saturating_sub(self.characters);
        let content = |token: &&mut Token| token.segment == 0 && !token.special;
        for token in tokens.iter_mut().filter(content) {
            let in_prompt = token.end <= self.characters;
            token.special |= in_prompt;
            token.continues &= !in_prompt;
            (token.start, token.end) = (shifted(token.start), shifted(token.end));
            token.whole = (shifted(token.whole.0), shifted(token.whole.1));
            token.word = token.word.and_then(|word| word.checked_sub(1));
        }
    }
}

/// Makes the tokenizer convert texts to lower case first, unless it already has such a step.
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
