//! `engine.backend`: what computes.

use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

use crate::model::Placement;

/// Where the models' weights live and what computes with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// This crate's kernels, in f32.
    Cpu,
    /// candle in f64, to check the others by: slow.
    Reference,
    /// candle in f32 on a GPU; the binary must be built with the feature `cuda`.
    Cuda,
}

impl BackendName {
    pub fn placement(self) -> Result<Placement, String> {
        let candle = |dtype, device| Placement::Candle { dtype, device };
        match self {
            Self::Cpu => Ok(Placement::default()),
            Self::Reference => Ok(candle(DType::F64, Device::Cpu)),
            Self::Cuda => Device::new_cuda(0)
                .map(|device| candle(DType::F32, device))
                .map_err(|error| format!("no CUDA device can be used: {error}")),
        }
    }
}

/// Whether this machine and this binary have what it needs.
pub(super) fn can_compute(backend: &BackendName, _: &()) -> garde::Result {
    backend.placement().map(|_| ()).map_err(garde::Error::new)
}
