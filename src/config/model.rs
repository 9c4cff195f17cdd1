//! A model as the configuration names it, and what ids and sources may be.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::checkpoint::Source;
use crate::heads::activation::OutputActivation;

/// In place of a model's id: the built-in model of the text's script.
pub const AUTO: &str = "auto";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    #[garde(custom(model_id))]
    pub id: String,
    /// `builtin:NAME`, a directory in the Hugging Face layout, or
    /// `hf:OWNER/NAME[@REVISION]` of the hub.
    #[garde(custom(model_source))]
    pub source: String,
    /// In place of what config.json says.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<ActivationName>,
}

/// An activation that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActivationName {
    Softmax,
    Sigmoid,
    None,
}

impl ActivationName {
    pub fn activation(self) -> OutputActivation {
        match self {
            Self::Softmax => OutputActivation::Softmax,
            Self::Sigmoid => OutputActivation::Sigmoid,
            Self::None => OutputActivation::None,
        }
    }
}

pub(super) fn unique_ids(models: &[ModelEntry], _: &()) -> garde::Result {
    for (place, model) in models.iter().enumerate() {
        if models[..place].iter().any(|other| other.id == model.id) {
            return Err(garde::Error::new(format!("the id {:?} is given twice", model.id)));
        }
    }
    Ok(())
}

fn model_id(id: &str, _: &()) -> garde::Result {
    check_id(id).map_err(garde::Error::new)
}

fn model_source(source: &str, _: &()) -> garde::Result {
    check_source(source).map(|_| ()).map_err(garde::Error::new)
}

/// Whether a model may be called so; what is wrong otherwise.
pub fn check_id(id: &str) -> Result<(), &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if id == AUTO {
        return Err("is what callers say to have a model chosen");
    }
    match (1..=64).contains(&id.len()) && id.chars().all(plain) && !id.starts_with('.') {
        true => Ok(()),
        false => Err("must be 1 to 64 of the characters A-Z a-z 0-9 . _ -, no dot first"),
    }
}

/// The source that this names; a directory must be there.
pub fn check_source(source: &str) -> Result<Source, String> {
    match source.parse()? {
        Source::Directory(path) if !path.is_dir() => {
            Err(format!("{} is no directory", path.display()))
        }
        source => Ok(source),
    }
}
