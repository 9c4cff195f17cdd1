//! Rejects inputs that are empty or too long.

use super::Input;
use super::errors::{empty, field_path};
use super::tokenizer::TextEncoder;
use super::truncation::is_blank;
use crate::error::{Code, Error, Result};

impl TextEncoder {
    /// Rejects texts and words without visible characters.
    pub(super) fn check_blank(&self, input: &Input) -> Result<()> {
        if is_blank(&input.text) {
            return Err(empty(&input.pointer, "is empty"));
        }
        if input.text_pair.as_deref().is_some_and(is_blank) {
            return Err(empty(&input.pair_pointer(), "is empty"));
        }
        let mut words = input.words.iter().flatten();
        match words.position(|word| is_blank(word)) {
            Some(blank) => Err(empty(&format!("{}/{blank}", input.pointer), "is empty")),
            None => Ok(()),
        }
    }

    /// Returns the maximum number of characters of a text that is read in `windows` windows.
    /// Tokens rarely have more than ten; longer texts are mostly white space.
    pub(super) fn max_characters(&self, windows: usize) -> usize {
        const PER_TOKEN: usize = 64;
        const PER_TOKEN_IN_WINDOWS: usize = 12;
        self.max_tokens * (PER_TOKEN + PER_TOKEN_IN_WINDOWS * (windows - 1))
    }

    /// Rejects texts that are too long to be worth tokenizing.
    pub(super) fn check_characters(
        &self,
        model: &str,
        input: &Input,
        windows: usize,
    ) -> Result<()> {
        let max = self.max_characters(windows);
        let too_long = |text: &String| text.len() > max && text.chars().nth(max).is_some();
        match input.texts().any(too_long) {
            true => Err(self.too_long(model, input, &format!("more than {max} characters"))),
            false => Ok(()),
        }
    }

    pub(super) fn too_long(&self, model: &str, input: &Input, length: &str) -> Error {
        let detail = format!(
            "{} has {length}; {model} takes {} tokens. Send truncate: true to cut it. \
             Send window: {{\"stride\": 16}} to read it in windows.",
            field_path(&input.pointer),
            self.max_tokens
        );
        Error::new(Code::InputTooLong, detail).at(&input.pointer)
    }
}
