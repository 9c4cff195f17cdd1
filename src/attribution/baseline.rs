//! Baselines: inputs that stand for the absence of words.

use std::sync::Arc;

use super::{OptionKind, OptionSpec, Options};
use crate::attribution::options::Preset;
use crate::choice::{Choice, choices};
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::rows::Baseline;
use crate::text::Encoding;

/// The option of all methods with a baseline.
pub const OPTION: OptionSpec = OptionSpec {
    name: "baseline",
    kind: OptionKind::ChoiceOrText(BaselineName::NAMES),
    default: Preset::Name("pad"),
    help: "pad and mask replace all but the special tokens by that token; pad_all replaces those \
           too; zero_ids is token id 0 everywhere, Captum's default; zero is the zero vector at \
           the layer; {\"text\": …} replaces the input's tokens by that text's, in order, and by \
           [PAD] where it has fewer.",
};

choices! {
    enum BaselineName {
        Pad = "pad",
        PadAll = "pad_all",
        Mask = "mask",
        ZeroIds = "zero_ids",
        Zero = "zero",
    }
}

/// Returns the baseline of `encoding` that `options` select. Positions and token types remain those
/// of the input.
pub fn resolve(model: &Model, encoding: &Encoding, options: &Options) -> Result<Baseline> {
    from_options(model, encoding, options).map_err(|error| match error.code {
        Code::InvalidField => error.at("/baseline"),
        _ => error,
    })
}

fn from_options(model: &Model, encoding: &Encoding, options: &Options) -> Result<Baseline> {
    if let Some(text) = options.text(OPTION.name) {
        return with_text(model, encoding, text);
    }
    let tokens = &encoding.tokens;
    let everywhere = |id: u32| vec![id; tokens.len()];
    let content = |id: u32| -> Vec<u32> {
        let ids = tokens.iter().map(|token| token.id).enumerate();
        ids.map(|(token, kept)| if encoding.is_content(token) { id } else { kept }).collect()
    };
    let ids = match options.choice(OPTION.name) {
        BaselineName::Zero => return Ok(Baseline::Zero),
        BaselineName::PadAll => everywhere(model.text.pad()?),
        BaselineName::ZeroIds => everywhere(0),
        BaselineName::Mask => content(model.text.mask()?),
        BaselineName::Pad => content(model.text.pad()?),
    };
    Ok(Baseline::Ids(ids.into()))
}

fn with_text(model: &Model, encoding: &Encoding, text: &str) -> Result<Baseline> {
    let mut content = model.text.content(text)?.into_iter();
    let pad = model.text.pad()?;
    let ids = encoding.tokens.iter().map(|token| token.id).enumerate();
    let replaced: Arc<[u32]> = ids
        .map(|(token, original)| match encoding.is_content(token) {
            true => content.next().unwrap_or(pad),
            false => original,
        })
        .collect();
    match content.len() {
        0 => Ok(Baseline::Ids(replaced)),
        excess => {
            let detail = format!("the baseline text has {excess} more tokens than the input");
            Err(Error::field("/baseline/text", detail))
        }
    }
}
