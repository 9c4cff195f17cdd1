//! Tokenizes inputs with the checkpoint's tokenizer, within the model's limits.

use std::sync::{Arc, OnceLock};

use tokenizers::models::ModelWrapper;
use tokenizers::{PostProcessor as _, Tokenizer, TruncationDirection, TruncationParams};

use super::errors::empty;
use super::excerpts::Excerpts;
use super::in_force::InForce;
use super::prompt::{self, Prompt};
use super::tokenizer_config::TokenizerConfig;
use super::truncation::Side;
use super::units::TokenSpans;
use super::{CallerSpan, Encoding, Input, Token, Unit, borders, rebuild, subwords, words};
use crate::architectures::Built;
use crate::blocks::Numbering;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, TOKENIZER_CONFIG};
use crate::error::{Code, Error, Result};
use crate::rows::Tokens;

/// A tokenizer with the model's limits and the token ids that baselines use.
pub struct TextEncoder {
    pub(super) tokenizer: Tokenizer,
    pub(super) truncating: Tokenizer,
    pub max_tokens: usize,
    /// The effective settings.
    pub in_force: InForce,
    pub(super) vocab_size: usize,
    pub(super) type_vocab_size: usize,
    pub(super) numbering: Numbering,
    pub(super) pad: Option<u32>,
    pub(super) mask: Option<u32>,
    pub(super) unknown: Option<u32>,
    /// Whether decoding removes spaces before punctuation.
    pub(super) cleans_up: bool,
    pub(super) prompt: Prompt,
    /// Found when first asked for.
    pub(super) whole_words: OnceLock<Vec<(u32, String)>>,
}

impl TextEncoder {
    pub fn read(checkpoint: &Checkpoint, model: &Built) -> Result<Self, LoadError> {
        let config = TokenizerConfig::read(checkpoint)?;
        let mut rebuilt = rebuild::tokenizer(checkpoint, &config)?;
        if checkpoint.sentence().is_some_and(|sentence| sentence.do_lower_case) {
            let lowered = prompt::lower_case(&mut rebuilt.tokenizer);
            lowered.map_err(|error| checkpoint.error(rebuilt.file, error))?;
        }
        let in_force = InForce::read(checkpoint, &config, &rebuilt)?;
        let (tokenizer, file) = (rebuilt.tokenizer, rebuilt.file);
        let own_limit = in_force.max_length.unwrap_or(usize::MAX);
        let max_tokens = own_limit.min(model.max_positions);
        let special = special_tokens(&tokenizer);
        if max_tokens <= special {
            let file = if own_limit < model.max_positions { TOKENIZER_CONFIG } else { CONFIG };
            let reason =
                format!("no text fits into {max_tokens} tokens, of which {special} are special");
            return Err(checkpoint.error(file, reason));
        }
        let prompt = Prompt::read(checkpoint, &tokenizer, max_tokens)?;
        let mut truncating = tokenizer.clone();
        let direction = match in_force.truncation_side {
            Side::Left => TruncationDirection::Left,
            Side::Right => TruncationDirection::Right,
        };
        let truncation =
            TruncationParams { max_length: max_tokens, direction, ..Default::default() };
        truncating.with_truncation(Some(truncation)).map_err(|e| checkpoint.error(file, e))?;
        // Added tokens without an embedding are an error only in texts that contain them.
        let ids = tokenizer.get_vocab(false).into_values().chain(special_ids(&tokenizer));
        let largest = ids.max().unwrap_or_default();
        let embedded = |id: &u32| (*id as usize) < model.vocab_size;
        if !embedded(&largest) {
            let reason = format!("token id {largest}, but vocab_size is {}", model.vocab_size);
            return Err(checkpoint.error(file, reason));
        }
        let id = |role: &str, defaults: [&str; 2]| {
            let id = match in_force.special_tokens.get(role) {
                Some(token) => tokenizer.token_to_id(token),
                None => defaults.into_iter().find_map(|token| tokenizer.token_to_id(token)),
            };
            id.filter(embedded)
        };
        let pad = id("pad_token", ["[PAD]", "<pad>"]);
        let mask = id("mask_token", ["[MASK]", "<mask>"]);
        let unknown = match config.special("unk_token") {
            Some(token) => tokenizer.token_to_id(token),
            None => subwords::unknown(&tokenizer),
        };
        // As in transformers, not for BPE.
        let cleans_up = config.flag("clean_up_tokenization_spaces").unwrap_or_default()
            && !matches!(tokenizer.get_model(), ModelWrapper::BPE(_));
        Ok(Self {
            tokenizer,
            truncating,
            max_tokens,
            in_force,
            vocab_size: model.vocab_size,
            type_vocab_size: model.type_vocab_size,
            numbering: model.encoder.embeddings.numbering,
            pad,
            mask,
            unknown,
            cleans_up,
            prompt,
            whole_words: OnceLock::new(),
        })
    }

    /// Returns the number of prompt tokens and special tokens before them; 0 without a prompt.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt.tokens
    }

    /// Tokenizes one input. Errors about its length name the `model`.
    pub fn encode(&self, model: &str, input: &Input, truncate: Truncate) -> Result<Encoding> {
        self.check_blank(input)?;
        match truncate {
            Truncate::Yes => {
                let side = self.in_force.truncation_side;
                let excerpts = Excerpts::truncated(input, side, self.max_characters(1));
                let encoding = self.tokenize(&self.truncating, &excerpts)?;
                let cut = !encoding.get_overflowing().is_empty() || excerpts.is_part_of(input);
                self.finish(input, &excerpts, &encoding, cut.then_some(side))
            }
            Truncate::No => {
                self.check_characters(model, input, 1)?;
                let excerpts = Excerpts::whole(input);
                let encoding = self.tokenize(&self.tokenizer, &excerpts)?;
                match encoding.len() <= self.max_tokens {
                    true => self.finish(input, &excerpts, &encoding, None),
                    false => {
                        Err(self.too_long(model, input, &format!("{} tokens", encoding.len())))
                    }
                }
            }
            Truncate::Windows { most } => {
                self.check_characters(model, input, most)?;
                let excerpts = Excerpts::whole(input);
                self.finish(input, &excerpts, &self.tokenize(&self.tokenizer, &excerpts)?, None)
            }
        }
    }

    /// Tokenizes each text of a pair separately.
    pub fn encode_apart(&self, model: &str, input: &Input, truncate: Truncate) -> Result<Encoding> {
        let Some(pair) = &input.text_pair else { return self.encode(model, input, truncate) };
        let pair = Input { text: pair.clone(), pointer: input.pair_pointer(), ..Input::default() };
        let text = self.encode(model, &Input { text_pair: None, ..input.clone() }, truncate)?;
        let separate_pair = Some(Box::new(self.encode(model, &pair, truncate)?));
        Ok(Encoding { separate_pair, ..text })
    }

    fn tokenize(&self, with: &Tokenizer, excerpts: &Excerpts<'_>) -> Result<tokenizers::Encoding> {
        with.encode_char_offsets(excerpts.input(&self.prompt), true).map_err(Error::internal)
    }

    /// Builds the encoding of `input` from the tokens of its excerpts. `cut` is the side where
    /// texts were cut, if they were.
    fn finish(
        &self,
        input: &Input,
        excerpts: &Excerpts<'_>,
        encoding: &tokenizers::Encoding,
        cut: Option<Side>,
    ) -> Result<Encoding> {
        self.check_embedded(encoding.get_ids()).map_err(|error| error.at(&input.pointer))?;
        let (texts, given) = (excerpts.texts(&self.prompt), excerpts.word_spans(&self.prompt));
        let mut tokens = subwords::tokens(encoding, &self.tokenizer, self.unknown, &texts, &given);
        excerpts.map_to_input(&self.prompt, &mut tokens);
        if tokens.iter().all(|token| token.special) {
            return Err(empty(&input.pointer, "has no character that the tokenizer keeps"));
        }
        // Models with fewer token types do not distinguish the texts of a pair.
        let last_type = match self.in_force.token_types {
            true => self.type_vocab_size.saturating_sub(1) as u32,
            false => 0,
        };
        let token_type_ids = encoding.get_type_ids().iter().map(|&id| id.min(last_type)).collect();
        let ids = self.tokens(encoding.get_ids().to_vec(), token_type_ids);
        self.with_units(input, excerpts, tokens, ids, cut)
    }

    /// Builds the encoding of `input` from its tokens and their ids.
    pub(super) fn with_units(
        &self,
        input: &Input,
        excerpts: &Excerpts<'_>,
        mut tokens: Vec<Token>,
        ids: Tokens,
        cut: Option<Side>,
    ) -> Result<Encoding> {
        let Units { words, sentences, spans, rationale } = units(input, excerpts, &tokens, cut)?;
        for (index, word) in words.iter().enumerate() {
            for &token in &word.tokens {
                tokens[token].word = Some(index);
            }
        }
        Ok(Encoding {
            ids: Arc::new(ids),
            texts: input.texts().cloned().collect(),
            tokens,
            words,
            sentences,
            spans,
            rationale,
            truncated: cut.is_some(),
            separate_pair: None,
            held: 0,
        })
    }

    /// Rejects tokens that were added to the vocabulary but not to the model.
    fn check_embedded(&self, ids: &[u32]) -> Result<()> {
        match ids.iter().find(|&&id| id as usize >= self.vocab_size) {
            None => Ok(()),
            Some(&id) => {
                let detail = format!(
                    "the text has {:?}, token {id}, but the model has only {} embeddings",
                    self.piece(id),
                    self.vocab_size
                );
                Err(Error::new(Code::InvalidField, detail))
            }
        }
    }

    /// Returns a sequence of these tokens, with the model's position ids.
    pub fn tokens(&self, input_ids: Vec<u32>, token_type_ids: Vec<u32>) -> Tokens {
        let position_ids = self.numbering.positions(&input_ids);
        Tokens { input_ids, token_type_ids, position_ids }
    }

    /// Returns the id of the padding token.
    pub fn pad(&self) -> Result<u32> {
        self.pad.ok_or_else(|| missing("padding"))
    }

    /// Returns the id of the mask token.
    pub fn mask(&self) -> Result<u32> {
        self.mask.ok_or_else(|| missing("mask"))
    }

    /// Returns the piece of this id, as in the vocabulary.
    pub fn piece(&self, id: u32) -> String {
        self.tokenizer.id_to_token(id).unwrap_or_default()
    }

    /// Returns the piece of this id as text, like transformers' `decode`.
    pub fn decoded(&self, id: u32) -> String {
        const SPACED: [(&str, &str); 10] = [
            (" .", "."),
            (" ?", "?"),
            (" !", "!"),
            (" ,", ","),
            (" ' ", "'"),
            (" n't", "n't"),
            (" 'm", "'m"),
            (" 's", "'s"),
            (" 've", "'ve"),
            (" 're", "'re"),
        ];
        let text = self.tokenizer.decode(&[id], false).unwrap_or_default();
        match self.cleans_up {
            true => SPACED.iter().fold(text, |text, (from, to)| text.replace(from, to)),
            false => text,
        }
    }

    /// How many tokens the model embeds.
    pub fn vocabulary(&self) -> usize {
        self.vocab_size
    }

    pub fn piece_id(&self, piece: &str) -> Option<u32> {
        self.tokenizer.token_to_id(piece)
    }

    /// Tokenizes a text without special tokens.
    pub fn content(&self, text: &str) -> Result<Vec<u32>> {
        let max = self.max_characters(1);
        if text.len() > max && text.chars().nth(max).is_some() {
            let detail = format!("the text has more than {max} characters");
            return Err(Error::new(Code::InvalidField, detail));
        }
        let encoding = self.tokenizer.encode_fast(text, false).map_err(Error::internal)?;
        self.check_embedded(encoding.get_ids())?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// What to do with an input over the model's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncate {
    /// Reject it.
    No,
    /// Cut it at the tokenizer's truncation side.
    Yes,
    /// Keep it, to be split into at most this many windows.
    Windows { most: usize },
}

#[derive(Default)]
struct Units {
    words: Vec<Unit>,
    sentences: Vec<Unit>,
    spans: Vec<CallerSpan>,
    rationale: Vec<usize>,
}

/// Returns the units of all segments, without those that were cut off.
fn units(input: &Input, from: &Excerpts<'_>, tokens: &[Token], cut: Option<Side>) -> Result<Units> {
    let mut units = Units::default();
    for (segment, (text, part)) in input.texts().zip(&from.parts).enumerate() {
        let spans = TokenSpans::new(text, segment, tokens);
        let kept =
            |unit: &Unit| cut.is_none_or(|side| side.keeps((unit.start, unit.end), spans.range()));
        let of = |borders: Vec<borders::Span>| {
            let shifted = |(start, end)| (start + part.skipped, end + part.skipped);
            spans.units(borders.into_iter().map(shifted).collect())
        };
        let words = match &input.words {
            Some(given) if segment == 0 => words::units(given, tokens),
            _ => of(borders::words(part.text)),
        };
        units.words.extend(words.into_iter().filter(kept));
        units.sentences.extend(of(borders::sentences(part.text)).into_iter().filter(kept));
        if segment == 0 {
            let caller_spans = spans.caller_spans(&input.spans);
            units.spans = caller_spans.map_err(|error| error.within(&input.spans_pointer))?;
            let rationale = spans.marked(&input.rationale);
            units.rationale =
                rationale.map_err(|error| error.within(&input.rationale_pointer()))?;
        }
    }
    Ok(units)
}

/// Returns the maximum number of special tokens that the tokenizer adds. The library does not
/// check that they leave room for text when it truncates.
fn special_tokens(tokenizer: &Tokenizer) -> usize {
    let added = |pair| tokenizer.get_post_processor().map_or(0, |p| p.added_tokens(pair));
    added(false).max(added(true))
}

/// Returns the ids of the special tokens that the tokenizer adds.
fn special_ids(tokenizer: &Tokenizer) -> Vec<u32> {
    let encoding = tokenizer.encode_fast(("", ""), true);
    encoding.map(|encoding| encoding.get_ids().to_vec()).unwrap_or_default()
}

fn missing(kind: &str) -> Error {
    Error::new(Code::InvalidField, format!("the model's tokenizer has no {kind} token"))
}
