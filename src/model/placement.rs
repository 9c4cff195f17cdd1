//! Where a model's weights live, and so which back end computes.

use std::fmt;

#[cfg(feature = "candle")]
use crate::backend::candle::Candle;
use crate::backend::cpu::Isa;

/// A back end and what it computes on.
#[derive(Debug, Clone)]
pub enum Placement {
    Cpu(Isa),
    /// The reference, or a GPU.
    #[cfg(feature = "candle")]
    Candle(Candle),
}

impl Default for Placement {
    fn default() -> Self {
        Self::Cpu(Isa::best())
    }
}

#[cfg(feature = "candle")]
impl Placement {
    /// candle in f64 on the CPU.
    pub fn reference() -> Result<Self, String> {
        Ok(Self::Candle(Candle::reference()))
    }

    /// candle in f32 on the first GPU; where there is none, why.
    pub fn cuda() -> Result<Self, String> {
        Candle::cuda().map(Self::Candle)
    }
}

#[cfg(not(feature = "candle"))]
impl Placement {
    /// Why there is no reference here.
    pub fn reference() -> Result<Self, String> {
        Err("this binary has no reference back end; build it with --features candle".to_owned())
    }

    /// Why there is no GPU here.
    pub fn cuda() -> Result<Self, String> {
        Err("this binary cannot use a GPU; build it with --features cuda".to_owned())
    }
}

impl Placement {
    /// The type of its numbers.
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "f32",
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.dtype.as_str(),
        }
    }

    /// `cpu` or `cuda`.
    pub fn device(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "cpu",
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.device_name(),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(isa) => write!(f, "cpu ({}, f32)", isa.name()),
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.fmt(f),
        }
    }
}
