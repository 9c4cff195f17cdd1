//! `engine.backend`: what computes.

use serde::{Deserialize, Serialize};

use crate::model::Placement;

/// Where the models' weights live and what computes with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// This crate's kernels, in f32.
    Cpu,
    /// candle in f64, to check the others by: slow. The binary must be built with the
    /// feature `candle`.
    Reference,
    /// candle in f32 on a GPU; the binary must be built with the feature `cuda`.
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

/// Whether this machine and this binary have what it needs.
pub(super) fn can_compute(backend: &BackendName, _: &()) -> garde::Result {
    backend.placement().map(|_| ()).map_err(garde::Error::new)
}
