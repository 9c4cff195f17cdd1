//! Texts whose tokens are their words, for models that take texts.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tokenizers::Tokenizer;
use tokenizers::models::wordlevel::WordLevel;

use super::excerpts::Excerpts;
use super::in_force::InForce;
use super::prompt::Prompt;
use super::tokenizer::{TextEncoder, Truncate};
use super::truncation::Side;
use super::{Encoding, Input, Token, borders, words};
use crate::blocks::Numbering;
use crate::error::{Error, Result};

/// The id of the mask; a word's id is its position in the input plus [`FIRST`].
pub const MASK: u32 = 0;
pub const FIRST: u32 = 1;

impl TextEncoder {
    /// Creates an encoder of at most `max_words` words. `mask` is the text of the mask token.
    pub fn of_words(mask: &str, max_words: usize) -> Result<Self> {
        let vocabulary = [(mask.to_owned(), MASK)].into_iter().collect();
        let model = WordLevel::builder().vocab(vocabulary).unk_token(mask.to_owned()).build();
        let tokenizer = Tokenizer::new(model.map_err(Error::internal)?);
        Ok(Self {
            truncating: tokenizer.clone(),
            tokenizer,
            max_tokens: max_words,
            in_force: InForce {
                class: "words",
                model: "WordLevel",
                lowercase: false,
                strip_accents: false,
                tokenize_chinese_chars: false,
                add_prefix_space: false,
                token_types: false,
                max_length: None,
                truncation_side: Side::Right,
                padding_side: Side::Right,
                special_tokens: BTreeMap::from([("mask_token", mask.to_owned())]),
                extra_special_tokens: Vec::new(),
            },
            vocab_size: 1,
            type_vocab_size: 1,
            numbering: Numbering::FromZero,
            pad: None,
            mask: Some(MASK),
            unknown: None,
            cleans_up: false,
            prompt: Prompt::default(),
            whole_words: OnceLock::new(),
        })
    }

    /// Splits one input into words. Errors about its length name the `model`.
    pub fn encode_words(&self, model: &str, input: &Input, truncate: Truncate) -> Result<Encoding> {
        self.check_blank(input)?;
        if truncate != Truncate::Yes {
            self.check_characters(model, input, 1)?;
        }
        let side = self.in_force.truncation_side;
        // Longer texts are not worth splitting.
        let excerpts = Excerpts::truncated(input, side, self.max_characters(1));
        let mut tokens = tokens(input, &excerpts);
        let is_long = tokens.len() > self.max_tokens;
        if is_long && truncate != Truncate::Yes {
            return Err(self.too_long(model, input, &format!("{} words", tokens.len())));
        }
        tokens.truncate(self.max_tokens);
        let truncated = is_long || excerpts.is_part_of(input);
        let cut = truncated.then(|| cut(input, &tokens));
        let input = cut.as_ref().unwrap_or(input);
        let types = tokens.iter().map(|token| token.segment as u32).collect();
        let ids = self.tokens(tokens.iter().map(|token| token.id).collect(), types);
        let encoding = self.with_units(input, &Excerpts::whole(input), tokens, ids, None)?;
        Ok(Encoding { truncated, ..encoding })
    }
}

/// Returns the words of both texts.
fn tokens(input: &Input, excerpts: &Excerpts<'_>) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (segment, part) in excerpts.parts.iter().enumerate() {
        let spans = match &input.words {
            Some(given) if segment == 0 => words::spans(given),
            _ => borders::words(part.text),
        };
        let chars: Vec<char> = part.text.chars().collect();
        for (start, end) in spans.into_iter().filter(|(_, end)| *end <= chars.len()) {
            tokens.push(Token {
                id: FIRST + tokens.len() as u32,
                text: chars[start..end].iter().collect(),
                start,
                end,
                word: Some(tokens.len()),
                segment,
                special: false,
                continues: false,
                whole: (start, end),
            });
        }
    }
    tokens
}

/// Returns the input without what follows its last tokens.
fn cut(input: &Input, tokens: &[Token]) -> Input {
    let of_segment = |segment: usize| tokens.iter().filter(move |token| token.segment == segment);
    let cut = |text: &String, segment: usize| {
        let end = of_segment(segment).next_back().map_or(0, |token| token.end);
        text.chars().take(end).collect::<String>()
    };
    let words = input.words.as_ref();
    Input {
        text: cut(&input.text, 0),
        words: words.map(|words| words.iter().take(of_segment(0).count()).cloned().collect()),
        text_pair: input.text_pair.as_ref().map(|pair| cut(pair, 1)),
        ..input.clone()
    }
}
