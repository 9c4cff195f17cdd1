//! The checkpoint's own tokenizer, and the limits around it.

use std::sync::Arc;

use tokenizers::models::ModelWrapper;
use tokenizers::{PostProcessor as _, Tokenizer, TruncationDirection, TruncationParams};

use super::in_force::InForce;
use super::prompt::{self, Prompt};
use super::read::Read;
use super::tokenizer_config::TokenizerConfig;
use super::truncation::{Side, is_blank};
use super::units::Places;
use super::{CallerSpan, Encoding, Input, Token, Unit, borders, rebuild, subwords, words};
use crate::architectures::Built;
use crate::blocks::Numbering;
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, TOKENIZER_CONFIG};
use crate::error::{Code, Error, Result};
use crate::rows::Tokens;

/// A tokenizer with the model's limits and the ids that baselines are made of.
pub struct TextEncoder {
    whole: Tokenizer,
    cut: Tokenizer,
    pub max_tokens: usize,
    /// What its files come to.
    pub in_force: InForce,
    vocab_size: usize,
    type_vocab_size: usize,
    numbering: Numbering,
    pad: Option<u32>,
    mask: Option<u32>,
    unknown: Option<u32>,
    /// Whether spaces before punctuation go from what is decoded.
    cleans_up: bool,
    prompt: Prompt,
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
        let (whole, file) = (rebuilt.tokenizer, rebuilt.file);
        let own_limit = in_force.max_length.unwrap_or(usize::MAX);
        let max_tokens = own_limit.min(model.max_positions);
        let around = special_tokens(&whole);
        if max_tokens <= around {
            let file = if own_limit < model.max_positions { TOKENIZER_CONFIG } else { CONFIG };
            let reason =
                format!("no text fits into {max_tokens} tokens, of which {around} are special");
            return Err(checkpoint.error(file, reason));
        }
        let prompt = Prompt::read(checkpoint, &whole, max_tokens)?;
        let mut cut = whole.clone();
        let direction = match in_force.truncation_side {
            Side::Left => TruncationDirection::Left,
            Side::Right => TruncationDirection::Right,
        };
        let truncation =
            TruncationParams { max_length: max_tokens, direction, ..Default::default() };
        cut.with_truncation(Some(truncation)).map_err(|error| checkpoint.error(file, error))?;
        // A token that was added and has no row matters to a text that has it.
        let own = whole.get_vocab(false).into_values().chain(ids_around(&whole));
        let largest = own.max().unwrap_or_default();
        let embedded = |id: &u32| (*id as usize) < model.vocab_size;
        if !embedded(&largest) {
            let reason = format!("token id {largest}, but the model embeds {}", model.vocab_size);
            return Err(checkpoint.error(file, reason));
        }
        let id = |role: &str, usual: [&str; 2]| {
            let id = match in_force.special_tokens.get(role) {
                Some(token) => whole.token_to_id(token),
                None => usual.into_iter().find_map(|token| whole.token_to_id(token)),
            };
            id.filter(embedded)
        };
        let pad = id("pad_token", ["[PAD]", "<pad>"]);
        let mask = id("mask_token", ["[MASK]", "<mask>"]);
        let unknown = match config.special("unk_token") {
            Some(token) => whole.token_to_id(token),
            None => subwords::unknown(&whole),
        };
        // transformers' rule, which leaves BPE as it is.
        let cleans_up = config.flag("clean_up_tokenization_spaces").unwrap_or_default()
            && !matches!(whole.get_model(), ModelWrapper::BPE(_));
        Ok(Self {
            whole,
            cut,
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
        })
    }

    /// Tokens before every text that are a prompt's, with what the tokenizer puts before
    /// them; 0 where there is no prompt.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt.tokens
    }

    /// Tokenises one input. Over the limit it is an error, which names the
    /// `model`, or cut if `truncate` says so.
    pub fn encode(&self, model: &str, input: &Input, truncate: Truncate) -> Result<Encoding> {
        if is_blank(&input.text) {
            return Err(empty(&input.pointer, "is empty"));
        }
        if input.text_pair.as_deref().is_some_and(is_blank) {
            return Err(empty(&input.pair_pointer(), "is empty"));
        }
        let words = input.words.iter().flatten();
        if let Some(blank) = words.map(|word| is_blank(word)).position(|blank| blank) {
            return Err(empty(&format!("{}/{blank}", input.pointer), "is empty"));
        }
        match truncate {
            Truncate::Yes => {
                let side = self.in_force.truncation_side;
                let read = Read::from_end(input, side, self.characters(1));
                let encoding = self.tokenize(&self.cut, &read)?;
                let cut = !encoding.get_overflowing().is_empty() || read.is_part_of(input);
                self.finish(input, &read, &encoding, cut.then_some(side))
            }
            Truncate::No => {
                self.check_characters(model, input, 1)?;
                let read = Read::whole(input);
                let encoding = self.tokenize(&self.whole, &read)?;
                match encoding.len() <= self.max_tokens {
                    true => self.finish(input, &read, &encoding, None),
                    false => {
                        Err(self.too_long(model, input, &format!("{} tokens", encoding.len())))
                    }
                }
            }
            Truncate::Windows { most } => {
                self.check_characters(model, input, most)?;
                let read = Read::whole(input);
                self.finish(input, &read, &self.tokenize(&self.whole, &read)?, None)
            }
        }
    }

    /// Tokenises each text of a pair by itself.
    pub fn encode_apart(&self, model: &str, input: &Input, truncate: Truncate) -> Result<Encoding> {
        let Some(pair) = &input.text_pair else { return self.encode(model, input, truncate) };
        let pair = Input { text: pair.clone(), pointer: input.pair_pointer(), ..Input::default() };
        let text = self.encode(model, &Input { text_pair: None, ..input.clone() }, truncate)?;
        let apart = Some(Box::new(self.encode(model, &pair, truncate)?));
        Ok(Encoding { apart, ..text })
    }

    /// Characters of a text that are read at most, where it is read in so many parts.
    /// Tokens seldom have more than ten; a text that is over this is mostly space.
    fn characters(&self, parts: usize) -> usize {
        const ALONE: usize = 64;
        const IN_PARTS: usize = 12;
        self.max_tokens * (ALONE + IN_PARTS * (parts - 1))
    }

    /// Refuses a text that is too long even to be counted.
    fn check_characters(&self, model: &str, input: &Input, parts: usize) -> Result<()> {
        let most = self.characters(parts);
        let long = |text: &String| text.len() > most && text.chars().nth(most).is_some();
        match input.texts().any(long) {
            true => Err(self.too_long(model, input, &format!("more than {most} characters"))),
            false => Ok(()),
        }
    }

    fn too_long(&self, model: &str, input: &Input, length: &str) -> Error {
        let detail = format!(
            "{} has {length}; {model} takes {} tokens. Send truncate: true to cut it. \
             Send window: {{\"stride\": 16}} to read it in parts.",
            place(&input.pointer),
            self.max_tokens
        );
        Error::new(Code::InputTooLong, detail).at(&input.pointer)
    }

    fn tokenize(&self, tokenizer: &Tokenizer, read: &Read<'_>) -> Result<tokenizers::Encoding> {
        tokenizer.encode_char_offsets(read.input(&self.prompt), true).map_err(Error::internal)
    }

    /// Puts an answer together from the tokens of each text's part; `cut` is the side where
    /// texts were cut.
    fn finish(
        &self,
        input: &Input,
        read: &Read<'_>,
        encoding: &tokenizers::Encoding,
        cut: Option<Side>,
    ) -> Result<Encoding> {
        self.check_embedded(encoding.get_ids()).map_err(|error| error.at(&input.pointer))?;
        let (texts, given) = (read.texts(&self.prompt), read.spans(&self.prompt));
        let mut tokens = subwords::tokens(encoding, &self.whole, self.unknown, &texts, &given);
        read.put_in_place(&self.prompt, &mut tokens);
        if tokens.iter().all(|token| token.special) {
            return Err(empty(&input.pointer, "has no character that the tokenizer keeps"));
        }
        let Units { words, sentences, spans } = units(input, read, &tokens, cut)?;
        for (number, word) in words.iter().enumerate() {
            for &token in &word.tokens {
                tokens[token].word = Some(number);
            }
        }
        // A model with one type, or none, takes pairs without telling them apart.
        let last_type = match self.in_force.token_types {
            true => self.type_vocab_size.saturating_sub(1) as u32,
            false => 0,
        };
        let token_type_ids = encoding.get_type_ids().iter().map(|&id| id.min(last_type)).collect();
        let ids = Arc::new(self.tokens(encoding.get_ids().to_vec(), token_type_ids));
        Ok(Encoding {
            ids,
            texts: input.texts().cloned().collect(),
            tokens,
            words,
            sentences,
            spans,
            truncated: cut.is_some(),
            apart: None,
            held: 0,
        })
    }

    /// Refuses tokens that were added to the vocabulary and not to the model.
    fn check_embedded(&self, ids: &[u32]) -> Result<()> {
        match ids.iter().find(|&&id| id as usize >= self.vocab_size) {
            None => Ok(()),
            Some(&id) => {
                let detail = format!(
                    "the text has {:?}, token {id}, which the model does not know: it embeds {}",
                    self.piece(id),
                    self.vocab_size
                );
                Err(Error::new(Code::InvalidField, detail))
            }
        }
    }

    /// A sequence of these, with the positions that the model gives them.
    pub fn tokens(&self, input_ids: Vec<u32>, token_type_ids: Vec<u32>) -> Tokens {
        let position_ids = self.numbering.positions(&input_ids);
        Tokens { input_ids, token_type_ids, position_ids }
    }

    /// The id of the padding token.
    pub fn pad(&self) -> Result<u32> {
        self.pad.ok_or_else(|| missing("padding"))
    }

    /// The id of the mask token.
    pub fn mask(&self) -> Result<u32> {
        self.mask.ok_or_else(|| missing("mask"))
    }

    /// The piece of this id, as the vocabulary has it.
    pub fn piece(&self, id: u32) -> String {
        self.whole.id_to_token(id).unwrap_or_default()
    }

    /// The same as text, by transformers' `decode`.
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
        let text = self.whole.decode(&[id], false).unwrap_or_default();
        match self.cleans_up {
            true => SPACED.iter().fold(text, |text, (from, to)| text.replace(from, to)),
            false => text,
        }
    }

    pub fn piece_id(&self, piece: &str) -> Option<u32> {
        self.whole.token_to_id(piece)
    }

    /// The ids of a text without special tokens.
    pub fn content(&self, text: &str) -> Result<Vec<u32>> {
        let most = self.characters(1);
        if text.len() > most && text.chars().nth(most).is_some() {
            let detail = format!("the text has more than {most} characters");
            return Err(Error::new(Code::InvalidField, detail));
        }
        let encoding = self.whole.encode_fast(text, false).map_err(Error::internal)?;
        self.check_embedded(encoding.get_ids())?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// What happens to an input over the model's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncate {
    /// It is refused.
    No,
    /// An end is cut, mostly the right one, and the answer says so.
    Yes,
    /// It stays whole, to be read in windows, so many at most.
    Windows { most: usize },
}

struct Units {
    words: Vec<Unit>,
    sentences: Vec<Unit>,
    spans: Vec<CallerSpan>,
}

/// The units of all segments. Of a cut text, those that were read.
fn units(input: &Input, read: &Read<'_>, tokens: &[Token], cut: Option<Side>) -> Result<Units> {
    let mut units = Units { words: Vec::new(), sentences: Vec::new(), spans: Vec::new() };
    for (segment, (text, part)) in input.texts().zip(&read.parts).enumerate() {
        let places = Places::new(text, segment, tokens);
        let kept =
            |unit: &Unit| cut.is_none_or(|side| side.keeps((unit.start, unit.end), places.read()));
        let of = |borders: Vec<borders::Span>| {
            let moved = |(start, end)| (start + part.skipped, end + part.skipped);
            places.units(borders.into_iter().map(moved).collect())
        };
        let words = match &input.words {
            Some(given) if segment == 0 => words::units(given, tokens),
            _ => of(borders::words(part.text)),
        };
        units.words.extend(words.into_iter().filter(kept));
        units.sentences.extend(of(borders::sentences(part.text)).into_iter().filter(kept));
        if segment == 0 {
            let spans = places.caller_spans(&input.spans);
            units.spans = spans.map_err(|error| error.within(&input.spans_pointer))?;
        }
    }
    Ok(units)
}

/// The most that the tokenizer puts around texts. The library cuts a text to what
/// they leave of a limit, and does not look whether they leave something.
fn special_tokens(tokenizer: &Tokenizer) -> usize {
    let added = |pair| tokenizer.get_post_processor().map_or(0, |p| p.added_tokens(pair));
    added(false).max(added(true))
}

/// The ids of these.
fn ids_around(tokenizer: &Tokenizer) -> Vec<u32> {
    let around = tokenizer.encode_fast(("", ""), true);
    around.map(|encoding| encoding.get_ids().to_vec()).unwrap_or_default()
}

fn missing(kind: &str) -> Error {
    Error::new(Code::InvalidField, format!("the model's tokenizer has no {kind} token"))
}

fn empty(pointer: &str, what: &str) -> Error {
    Error::new(Code::InputEmpty, format!("{} {what}", place(pointer))).at(pointer)
}

/// `/inputs/3/text` as people write it: `inputs[3].text`.
fn place(pointer: &str) -> String {
    let mut place = String::new();
    for part in pointer.split('/').skip(1) {
        match part.parse::<usize>() {
            Ok(index) => place += &format!("[{index}]"),
            Err(_) if place.is_empty() => place += part,
            Err(_) => place += &format!(".{part}"),
        }
    }
    place
}
