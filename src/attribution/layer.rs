//! The layer at which gradients are taken.

use super::{OptionKind, OptionSpec, Options};
use crate::attribution::options::Preset;
use crate::choice::Choice;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::rows::Layer;

/// More layers than any model has.
const MAX_LAYERS: u64 = 256;

/// The option of all methods with a layer.
pub const OPTION: OptionSpec = OptionSpec {
    name: "layer",
    kind: OptionKind::IntegerOrName { names: Layer::NAMES, min: 1, max: MAX_LAYERS },
    default: Preset::Name("word_embeddings"),
    help: "Where gradients are taken: at the word embeddings, before position, type and layer \
           norm; at the output of the whole embedding block; or at the output of a transformer \
           layer, counted from 1.",
};

impl Choice for Layer {
    const NAMES: &'static [&'static str] = &["word_embeddings", "embeddings"];
    const ALL: &'static [Self] = &[Self::WordEmbeddings, Self::Embeddings];
}

/// Returns whether the option names a transformer layer.
pub fn is_hidden(options: &Options) -> bool {
    options.has(OPTION.name) && options.integer(OPTION.name).is_some()
}

/// Returns the layer that `options` select.
pub fn resolve(model: &Model, options: &Options) -> Result<Layer> {
    match options.integer(OPTION.name) {
        None => Ok(options.choice(OPTION.name)),
        Some(layer) if layer <= model.layers() => Ok(Layer::Hidden(layer)),
        Some(layer) => {
            let detail = format!("{layer} is not among the model's {} layers", model.layers());
            Err(Error::field("/layer", detail))
        }
    }
}
