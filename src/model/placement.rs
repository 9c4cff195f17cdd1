//! The placement of a model's weights, which selects the back end.

use std::fmt;

#[cfg(feature = "candle")]
use crate::backend::candle::Candle;
use crate::backend::cpu::{Int8, Isa};

/// The numbers that a model's layers compute with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dtype {
    #[default]
    F32,
    /// f32, and 8-bit integers for inputs that methods perturb.
    Int8,
}

/// A back end and its device.
#[derive(Debug, Clone)]
pub enum Placement {
    Cpu(Isa),
    /// The same with layers in 8 bits, too, for rows of reduced precision.
    Int8(Isa, Int8),
    /// The reference back end, or a GPU.
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

    /// candle in f32 on the first GPU; an error if there is none.
    pub fn cuda() -> Result<Self, String> {
        Candle::cuda().map(Self::Candle)
    }
}

#[cfg(not(feature = "candle"))]
impl Placement {
    /// Fails: this build has no reference back end.
    pub fn reference() -> Result<Self, String> {
        Err("this binary has no reference back end; build it with --features candle".to_owned())
    }

    /// Fails: this build has no GPU support.
    pub fn cuda() -> Result<Self, String> {
        Err("this binary cannot use a GPU; build it with --features cuda".to_owned())
    }
}

impl Placement {
    /// Returns the same place for a model with layers of this type. 8-bit integers need
    /// instructions for them: without, the model computes in f32 only.
    pub fn with(&self, dtype: Dtype) -> Self {
        match (self, dtype) {
            (Self::Cpu(isa), Dtype::Int8) => {
                Int8::of(*isa).map_or(Self::Cpu(*isa), |int8| Self::Int8(*isa, int8))
            }
            (Self::Int8(isa, _), Dtype::F32) => Self::Cpu(*isa),
            _ => self.clone(),
        }
    }

    /// The data type of the weights.
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "f32",
            Self::Int8(..) => "f32+int8",
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.dtype.as_str(),
        }
    }

    /// The device, `cpu` or `cuda`.
    pub fn device(&self) -> &'static str {
        match self {
            Self::Cpu(_) | Self::Int8(..) => "cpu",
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.device_name(),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(isa) => write!(f, "cpu ({}, f32)", isa.name()),
            Self::Int8(isa, int8) => {
                write!(f, "cpu ({}, f32; {}, int8)", isa.name(), int8.name())
            }
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.fmt(f),
        }
    }
}
