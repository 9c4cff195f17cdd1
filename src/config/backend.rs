//! `engine.backend`: the compute back end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Placement;

/// Where weights are stored and what computes with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// This crate's kernels, in f32.
    Cpu,
    /// candle in f64, the slow reference for the others. Needs the feature `candle`.
    Reference,
    /// candle in f32 on a GPU. Needs the feature `cuda`.
    Cuda,
}

impl BackendName {
    pub fn placement(self) -> Result<Placement, String> {
        match self {
            Self::Cpu => Ok(Placement::default()),
            Self::Reference => Placement::reference(),
            Self::Cuda => Placement::cuda(),
        }
    }
}

/// Checks that this binary and this machine support the back end.
pub(super) fn can_compute(backend: &BackendName, _: &()) -> garde::Result {
    backend.placement().map(|_| ()).map_err(garde::Error::new)
}
