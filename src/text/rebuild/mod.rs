//! The tokenizer of a checkpoint, as transformers makes it: by its class from a vocabulary,
//! which stands in tokenizer.json or in the files of older checkpoints, or as its
//! tokenizer.json says where the class is a general one.

mod byte_level;
mod class;
mod special;
mod unigram;
mod vocabulary;
mod word_piece;

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::{NormalizerWrapper, Precompiled, Sequence};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::{AddedToken, EncodeInput, PaddingDirection, Tokenizer, TruncationDirection};

use self::class::{Class, GENERIC};
use self::special::{Ids, Roles};
use super::tokenizer_config::{ROLES, TokenizerConfig, content};
use super::truncation::Side;
use crate::checkpoint::{Checkpoint, LoadError, TOKENIZER};

/// A tokenizer and what there is to know about it.
pub struct Rebuilt {
    pub tokenizer: Tokenizer,
    /// transformers' class that it is.
    pub class: &'static str,
    /// The file at fault if something is wrong with it.
    pub file: &'static str,
    /// Whether its class gives the model token types.
    pub token_types: bool,
    /// Where tokenizer.json says that texts are cut, and padded.
    pub truncation_side: Option<Side>,
    pub padding_side: Option<Side>,
    /// By role.
    pub special_tokens: BTreeMap<&'static str, String>,
    pub extra_special_tokens: Vec<String>,
}

/// What tokenizers are made for.
#[derive(Clone, Copy)]
struct For<'a> {
    checkpoint: &'a Checkpoint,
    config: &'a TokenizerConfig,
}

/// Reads the tokenizer, or rebuilds it. The library has places that panic on nonsense, some
/// of them only when a tokenizer is used: it is tried here, and the process does not end.
pub fn tokenizer(checkpoint: &Checkpoint, config: &TokenizerConfig) -> Result<Rebuilt, LoadError> {
    let made_for = For { checkpoint, config };
    let read = || match checkpoint.file(TOKENIZER) {
        Some(data) => made_for.of_file(data),
        None => made_for.of_vocabulary(),
    };
    match panic::catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read,
        Err(_) => Err(checkpoint.error(TOKENIZER, "the tokenizers library fails on it")),
    }
}

impl For<'_> {
    fn of_file(self, data: &[u8]) -> Result<Rebuilt, LoadError> {
        let fail = |error: tokenizers::Error| self.checkpoint.error(TOKENIZER, error);
        let mut file = Tokenizer::from_bytes(data).map_err(fail)?;
        let truncation_side = file.get_truncation().map(|truncation| match truncation.direction {
            TruncationDirection::Left => Side::Left,
            TruncationDirection::Right => Side::Right,
        });
        let padding_side = file.get_padding().map(|padding| match padding.direction {
            PaddingDirection::Left => Side::Left,
            PaddingDirection::Right => Side::Right,
        });
        // A checkpoint may carry the padding and truncation of its training.
        file.with_padding(None).with_truncation(None).map_err(fail)?;
        let listed = file.get_added_vocabulary().get_added_tokens_decoder();
        let listed = listed.iter().map(|(id, token)| (*id, token.clone())).collect();
        let of_class = |class: &'static Class| {
            let model = (class.model)(file.get_model(), &class.roles(self.config))?;
            let model = model.map_err(|reason| self.checkpoint.error(TOKENIZER, reason));
            Some(model.map(|model| (class, model)))
        };
        let rebuilt = match class::of(self.config).and_then(of_class).transpose()? {
            Some((class, model)) => {
                let charsmap = charsmap(&file).filter(|_| class.charsmap);
                self.by_class(class, Source { file: TOKENIZER, model, listed, charsmap })?
            }
            None => {
                let roles = Roles { config: self.config, defaults: &[], mask_takes_space: false };
                roles.add(&mut file, listed).map_err(fail)?;
                self.finished(file, &roles, (GENERIC, false), TOKENIZER)?
            }
        };
        Ok(Rebuilt { truncation_side, padding_side, ..rebuilt })
    }

    fn of_vocabulary(self) -> Result<Rebuilt, LoadError> {
        let vocabulary::Vocabulary { model, class, file } =
            vocabulary::read(self.checkpoint, self.config)?;
        let kind = format!("{} does not fit it", class.name);
        let model = (class.model)(&model, &class.roles(self.config)).unwrap_or(Err(kind));
        let model = model.map_err(|reason| self.checkpoint.error(file, reason))?;
        self.by_class(class, Source { file, model, listed: BTreeMap::new(), charsmap: None })
    }

    /// The steps are those of transformers' classes, in their order: it decides the ids of
    /// new tokens.
    fn by_class(self, class: &'static Class, source: Source) -> Result<Rebuilt, LoadError> {
        let fail = |error: tokenizers::Error| self.checkpoint.error(source.file, error);
        let mut tokenizer = Tokenizer::new(source.model);
        let mut normalizers: Vec<NormalizerWrapper> = (class.normalizers)(self.config)
            .into_iter()
            .map(part)
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        normalizers.extend(source.charsmap.map(Into::into));
        if !normalizers.is_empty() {
            tokenizer.with_normalizer(Some(Sequence::new(normalizers))).map_err(fail)?;
        }
        let pre_tokenizer: PreTokenizerWrapper =
            part((class.pre_tokenizer)(self.config)).map_err(fail)?;
        let decoder: DecoderWrapper = part((class.decoder)(self.config)).map_err(fail)?;
        tokenizer.with_pre_tokenizer(Some(pre_tokenizer)).with_decoder(Some(decoder));
        let roles = class.roles(self.config);
        roles.add(&mut tokenizer, source.listed).map_err(fail)?;
        let ids = Ids {
            checkpoint: self.checkpoint,
            file: source.file,
            roles: &roles,
            tokenizer: &tokenizer,
        };
        let around: PostProcessorWrapper = part((class.post_processor)(&ids)?).map_err(fail)?;
        tokenizer.with_post_processor(Some(around));
        self.finished(tokenizer, &roles, (class.name, class.token_types), source.file)
    }

    fn finished(
        self,
        mut tokenizer: Tokenizer,
        roles: &Roles<'_>,
        (class, token_types): (&'static str, bool),
        file: &'static str,
    ) -> Result<Rebuilt, LoadError> {
        let split = self.config.flag("split_special_tokens").unwrap_or(false);
        tokenizer.set_encode_special_tokens(split);
        probe(&tokenizer).map_err(|reason| self.checkpoint.error(file, reason))?;
        let known = |name: &&str| tokenizer.token_to_id(name).is_some();
        let role = |role| Some((role, roles.name(role).filter(known)?.to_owned()));
        let special_tokens = ROLES.into_iter().filter_map(role).collect();
        let extra = self.config.extra().unwrap_or_default().iter().filter_map(content);
        let extra_special_tokens = extra.filter(known).map(str::to_owned).collect();
        Ok(Rebuilt {
            class,
            file,
            token_types,
            truncation_side: None,
            padding_side: None,
            special_tokens,
            extra_special_tokens,
            tokenizer,
        })
    }
}

/// What a class is given.
struct Source {
    file: &'static str,
    model: ModelWrapper,
    /// The added tokens that tokenizer.json lists.
    listed: BTreeMap<u32, AddedToken>,
    /// sentencepiece's normalization.
    charsmap: Option<Precompiled>,
}

/// A part of a tokenizer as tokenizer.json writes it.
fn part<T: DeserializeOwned>(part: Value) -> Result<T, tokenizers::Error> {
    Ok(serde_json::from_value(part)?)
}

fn charsmap(tokenizer: &Tokenizer) -> Option<Precompiled> {
    let normalizer = tokenizer.get_normalizer()?;
    let list = match normalizer {
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref(),
        one => std::slice::from_ref(one),
    };
    list.iter().find_map(|normalizer| match normalizer {
        NormalizerWrapper::Precompiled(charsmap) => Some(charsmap.clone()),
        _ => None,
    })
}

/// Puts special tokens around a text and around two: a template may name some
/// that it does not have.
fn probe(tokenizer: &Tokenizer) -> Result<(), String> {
    for texts in [EncodeInput::from("a"), EncodeInput::from(("a", "b"))] {
        // A text that it cannot cut is its own matter.
        let Ok(encoding) = tokenizer.encode(texts, true) else { continue };
        if encoding.get_tokens().len() != encoding.get_ids().len() {
            return Err("the template has ids without tokens".to_owned());
        }
    }
    Ok(())
}
