//! Baselines: what the absence of a word is taken to be.

use std::sync::Arc;

use super::{OptionKind, OptionSpec, Options};
use crate::attribution::options::Preset;
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::rows::Baseline;
use crate::text::Encoding;

/// The option that every method with a baseline declares.
pub const OPTION: OptionSpec = OptionSpec {
    name: "baseline",
    kind: OptionKind::ChoiceOrText(&["pad", "pad_all", "mask", "zero_ids", "zero"]),
    default: Preset::Name("pad"),
    help: "pad and mask put that token in place of all but the special tokens; pad_all pads those \
           too; zero_ids is token id 0 everywhere, Captum's default; zero is the zero vector at \
           the layer; {\"text\": …} puts that text's tokens in place of the input's, in order, \
           and [PAD] where it has fewer.",
};

/// The baseline that `options` names, for this input. Positions and token types
/// stay the input's.
pub fn resolve(model: &Model, encoding: &Encoding, options: &Options) -> Result<Baseline> {
    find(model, encoding, options).map_err(|error| match error.code {
        Code::InvalidField => error.at("/baseline"),
        _ => error,
    })
}

fn find(model: &Model, encoding: &Encoding, options: &Options) -> Result<Baseline> {
    if let Some(text) = options.text(OPTION.name) {
        return with_text(model, encoding, text);
    }
    let tokens = &encoding.tokens;
    let everywhere = |id: u32| vec![id; tokens.len()];
    let content = |id: u32| -> Vec<u32> {
        let own = tokens.iter().map(|token| token.id).enumerate();
        own.map(|(token, own)| if encoding.is_content(token) { id } else { own }).collect()
    };
    let ids = match options.name(OPTION.name) {
        "zero" => return Ok(Baseline::Zero),
        "pad_all" => everywhere(model.text.pad()?),
        "zero_ids" => everywhere(0),
        "mask" => content(model.text.mask()?),
        _ => content(model.text.pad()?),
    };
    Ok(Baseline::Ids(ids.into()))
}

fn with_text(model: &Model, encoding: &Encoding, text: &str) -> Result<Baseline> {
    let mut content = model.text.content(text)?.into_iter();
    let pad = model.text.pad()?;
    let own = encoding.tokens.iter().map(|token| token.id).enumerate();
    let ids: Arc<[u32]> = own
        .map(|(token, own)| match encoding.is_content(token) {
            true => content.next().unwrap_or(pad),
            false => own,
        })
        .collect();
    match content.len() {
        0 => Ok(Baseline::Ids(ids)),
        over => {
            let detail = format!("the baseline text has {over} tokens more than the input");
            Err(Error::field("/baseline/text", detail))
        }
    }
}
