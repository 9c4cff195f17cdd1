//! Builds a checkpoint's tokenizer as transformers does: by its class, from the vocabulary in
//! tokenizer.json or in the files of older checkpoints; or, for generic classes, from
//! tokenizer.json as it is.

mod byte_level;
mod class;
mod classes;
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

use self::class::Class;
use self::classes::GENERIC;
use self::special::{Ids, Roles};
use super::tokenizer_config::{ROLES, TokenizerConfig, content};
use super::truncation::Side;
use crate::checkpoint::{Checkpoint, LoadError, TOKENIZER};

/// A tokenizer and its properties.
pub struct Rebuilt {
    pub tokenizer: Tokenizer,
    /// The transformers class.
    pub class: &'static str,
    /// The file to name in errors.
    pub file: &'static str,
    /// Whether its class returns `token_type_ids` by default.
    pub token_types: bool,
    /// The truncation and padding sides in tokenizer.json.
    pub truncation_side: Option<Side>,
    pub padding_side: Option<Side>,
    /// By role, such as `mask_token`.
    pub special_tokens: BTreeMap<&'static str, String>,
    pub extra_special_tokens: Vec<String>,
}

/// Builds the tokenizer of a checkpoint.
#[derive(Clone, Copy)]
struct Builder<'a> {
    checkpoint: &'a Checkpoint,
    config: &'a TokenizerConfig,
}

/// Builds the tokenizer and tries it. Catches panics: the tokenizers library panics on some
/// invalid files, sometimes only when the tokenizer is used.
pub fn tokenizer(checkpoint: &Checkpoint, config: &TokenizerConfig) -> Result<Rebuilt, LoadError> {
    let builder = Builder { checkpoint, config };
    let build = || match checkpoint.file(TOKENIZER) {
        Some(data) => builder.read_tokenizer_json(data),
        None => builder.read_vocabulary(),
    };
    match panic::catch_unwind(AssertUnwindSafe(build)) {
        Ok(result) => result,
        Err(_) => Err(checkpoint.error(TOKENIZER, "the tokenizers library fails on it")),
    }
}

impl Builder<'_> {
    fn read_tokenizer_json(self, data: &[u8]) -> Result<Rebuilt, LoadError> {
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
        // These may be leftovers of training.
        file.with_padding(None).with_truncation(None).map_err(fail)?;
        let added = file.get_added_vocabulary().get_added_tokens_decoder();
        let added = added.iter().map(|(id, token)| (*id, token.clone())).collect();
        let class_model = |class: &'static Class| {
            let model = (class.model)(file.get_model(), &class.roles(self.config))?;
            let model = model.map_err(|reason| self.checkpoint.error(TOKENIZER, reason));
            Some(model.map(|model| (class, model)))
        };
        let rebuilt = match classes::of(self.config).and_then(class_model).transpose()? {
            Some((class, model)) => {
                let charsmap = charsmap(&file).filter(|_| class.charsmap);
                self.with_class(class, Components { file: TOKENIZER, model, added, charsmap })?
            }
            None => {
                let roles = Roles { config: self.config, defaults: &[], mask_takes_space: false };
                roles.add(&mut file, added).map_err(fail)?;
                self.finish(file, &roles, (GENERIC, false), TOKENIZER)?
            }
        };
        Ok(Rebuilt { truncation_side, padding_side, ..rebuilt })
    }

    fn read_vocabulary(self) -> Result<Rebuilt, LoadError> {
        let vocabulary::Vocabulary { model, class, file } =
            vocabulary::read(self.checkpoint, self.config)?;
        let mismatch = format!("does not fit the class {}", class.name);
        let model = (class.model)(&model, &class.roles(self.config)).unwrap_or(Err(mismatch));
        let model = model.map_err(|reason| self.checkpoint.error(file, reason))?;
        self.with_class(class, Components { file, model, added: BTreeMap::new(), charsmap: None })
    }

    /// Builds a tokenizer of `class`. The order of the steps is that of transformers, because it
    /// determines the ids of new tokens.
    fn with_class(self, class: &'static Class, parts: Components) -> Result<Rebuilt, LoadError> {
        let fail = |error: tokenizers::Error| self.checkpoint.error(parts.file, error);
        let mut tokenizer = Tokenizer::new(parts.model);
        let mut normalizers: Vec<NormalizerWrapper> = (class.normalizers)(self.config)
            .into_iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        normalizers.extend(parts.charsmap.map(Into::into));
        if !normalizers.is_empty() {
            tokenizer.with_normalizer(Some(Sequence::new(normalizers))).map_err(fail)?;
        }
        let pre_tokenizer: PreTokenizerWrapper =
            parse((class.pre_tokenizer)(self.config)).map_err(fail)?;
        let decoder: DecoderWrapper = parse((class.decoder)(self.config)).map_err(fail)?;
        tokenizer.with_pre_tokenizer(Some(pre_tokenizer)).with_decoder(Some(decoder));
        let roles = class.roles(self.config);
        roles.add(&mut tokenizer, parts.added).map_err(fail)?;
        let ids = Ids {
            checkpoint: self.checkpoint,
            file: parts.file,
            roles: &roles,
            tokenizer: &tokenizer,
        };
        let processor: PostProcessorWrapper = parse((class.post_processor)(&ids)?).map_err(fail)?;
        tokenizer.with_post_processor(Some(processor));
        self.finish(tokenizer, &roles, (class.name, class.token_types), parts.file)
    }

    fn finish(
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

/// The parts that a class builds a tokenizer from.
struct Components {
    file: &'static str,
    model: ModelWrapper,
    /// The added tokens in tokenizer.json, by id.
    added: BTreeMap<u32, AddedToken>,
    /// sentencepiece's normalizer.
    charsmap: Option<Precompiled>,
}

/// Parses a component of a tokenizer in the format of tokenizer.json.
fn parse<T: DeserializeOwned>(component: Value) -> Result<T, tokenizers::Error> {
    Ok(serde_json::from_value(component)?)
}

fn charsmap(tokenizer: &Tokenizer) -> Option<Precompiled> {
    let normalizer = tokenizer.get_normalizer()?;
    let list = match normalizer {
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref(),
        single => std::slice::from_ref(single),
    };
    list.iter().find_map(|normalizer| match normalizer {
        NormalizerWrapper::Precompiled(charsmap) => Some(charsmap.clone()),
        _ => None,
    })
}

/// Tries a text and a pair: a template may refer to special tokens that do not exist.
fn probe(tokenizer: &Tokenizer) -> Result<(), String> {
    for texts in [EncodeInput::from("a"), EncodeInput::from(("a", "b"))] {
        // A failure to tokenize the text itself does not matter here.
        let Ok(encoding) = tokenizer.encode(texts, true) else { continue };
        if encoding.get_tokens().len() != encoding.get_ids().len() {
            return Err("the template has ids without tokens".to_owned());
        }
    }
    Ok(())
}
