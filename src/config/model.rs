//! The configuration of a model, and the rules for ids and sources.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::checkpoint::Source;
use crate::heads::activation::OutputActivation;
use crate::model::Dtype;

/// Instead of a model id: selects the built-in model for the text's script.
pub const AUTO: &str = "auto";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// The name of the model in requests.
    #[garde(custom(model_id))]
    pub id: String,
    /// `builtin:NAME`, a directory in the Hugging Face layout, or `hf:OWNER/NAME[@REVISION]`.
    #[garde(custom(model_source))]
    pub source: String,
    /// The activation of the outputs, in place of the one that config.json implies.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<ActivationName>,
    /// `int8` computes inputs that methods perturb in 8-bit integers, where the processor has
    /// AVX512-VNNI. `tf32` and `bf16` round the factors of matrix products on a GPU. Everything else,
    /// and where the device has no such numbers everything, is in `f32`, the default.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "DtypeName::is_default")]
    pub dtype: DtypeName,
}

impl ModelEntry {
    /// A model with nothing but a name and a source.
    pub fn new(id: impl Into<String>, source: impl Into<String>) -> Self {
        let dtype = DtypeName::default();
        Self { id: id.into(), source: source.into(), activation: None, dtype }
    }
}

/// What a model's layers may compute with.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DtypeName {
    #[default]
    F32,
    Int8,
    Tf32,
    Bf16,
}

impl DtypeName {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Int8 => Dtype::Int8,
            Self::Tf32 => Dtype::Tf32,
            Self::Bf16 => Dtype::Bf16,
        }
    }
}

/// An activation that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
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
    for (index, model) in models.iter().enumerate() {
        if models[..index].iter().any(|other| other.id == model.id) {
            return Err(garde::Error::new(format!("the id {:?} is used twice", model.id)));
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

/// Checks that `id` is a valid model id.
pub fn check_id(id: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if id == AUTO {
        return Err("is reserved: it selects a model automatically");
    }
    match (1..=64).contains(&id.len()) && id.chars().all(allowed) && !id.starts_with('.') {
        true => Ok(()),
        false => {
            Err("must be 1 to 64 of the characters A-Z a-z 0-9 . _ - and not begin with a dot")
        }
    }
}

/// Parses a source; an error if it is a directory that does not exist.
pub fn check_source(source: &str) -> Result<Source, String> {
    let source: Source = source.parse()?;
    source.check_exists()?;
    Ok(source)
}
