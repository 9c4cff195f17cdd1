//! The placement of a model's weights, which selects the back end.

use std::fmt;

use crate::backend::DeviceMemory;
#[cfg(feature = "candle")]
use crate::backend::candle::{Candle, Products};
use crate::backend::cpu::{Int8, Isa};

/// The numbers that a model's layers compute with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dtype {
    #[default]
    F32,
    /// f32, and 8-bit integers for inputs that methods perturb.
    Int8,
    /// f32, with the factors of products rounded to 10 bits.
    Tf32,
    /// f32, with the factors and results of linear maps rounded to 8 bits.
    Bf16,
}

impl Dtype {
    /// The name of such a placement's type.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "f32+int8",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
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

    /// What runs on a GPU, in f32 on the CPU.
    pub fn portable() -> Result<Self, String> {
        Ok(Self::Candle(Candle::portable()))
    }

    /// candle in f32 on a GPU; an error says why it cannot be used.
    pub fn cuda(number: usize) -> Result<Self, String> {
        Candle::cuda(number).map(Self::Candle)
    }
}

#[cfg(not(feature = "candle"))]
impl Placement {
    /// Fails: this build has no reference back end.
    pub fn reference() -> Result<Self, String> {
        Err("this binary has no reference back end; build it with --features candle".to_owned())
    }

    /// Fails: this build has only this crate's own code.
    pub fn portable() -> Result<Self, String> {
        Err("this binary does not have what runs on a GPU; build it with --features candle"
            .to_owned())
    }

    /// Fails: this build has no GPU support.
    pub fn cuda(number: usize) -> Result<Self, String> {
        Err(format!(
            "cuda:{number}: this binary was built without CUDA; build it with --features cuda"
        ))
    }
}

impl Placement {
    /// Returns the same place for a model with layers of this type, in f32 where there are no such
    /// numbers: 8-bit integers need instructions for them, rounded factors a device.
    pub fn with(&self, dtype: Dtype) -> Self {
        match self {
            Self::Cpu(isa) | Self::Int8(isa, _) => match dtype {
                Dtype::Int8 => {
                    Int8::of(*isa).map_or(Self::Cpu(*isa), |int8| Self::Int8(*isa, int8))
                }
                Dtype::F32 | Dtype::Tf32 | Dtype::Bf16 => Self::Cpu(*isa),
            },
            #[cfg(feature = "candle")]
            Self::Candle(candle) => {
                let products = match dtype {
                    Dtype::F32 | Dtype::Int8 => Products::Full,
                    Dtype::Tf32 => Products::Tf32,
                    Dtype::Bf16 => Products::Bf16,
                };
                Self::Candle(candle.with(products).unwrap_or_else(|| candle.clone()))
            }
        }
    }

    /// The numbers that the layers compute with.
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "f32",
            Self::Int8(..) => "f32+int8",
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.dtype_name(),
        }
    }

    /// By how much the rounding of products changes scores, as a share of their size; 0 for types whose
    /// rounding is far below any tolerance.
    pub fn rounding(&self) -> f64 {
        match self {
            Self::Cpu(_) | Self::Int8(..) => 0.,
            #[cfg(feature = "candle")]
            Self::Candle(candle) => match candle.products {
                Products::Full => 0.,
                // Measured, rounded up: docs/guide/gpu.md.
                Products::Tf32 => 5e-3,
                Products::Bf16 => 0.05,
            },
        }
    }

    /// The device: `cpu`, or `cuda:` and a number.
    pub fn device(&self) -> &'static str {
        match self {
            Self::Cpu(_) | Self::Int8(..) => "cpu",
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.device_name(),
        }
    }

    /// The memory of the device, if it has its own.
    pub fn memory(&self) -> Option<DeviceMemory> {
        match self {
            Self::Cpu(_) | Self::Int8(..) => None,
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.memory(),
        }
    }

    /// Whether passes run on a device of their own rather than on the threads of workers.
    pub fn is_device(&self) -> bool {
        match self {
            Self::Cpu(_) | Self::Int8(..) => false,
            #[cfg(feature = "candle")]
            Self::Candle(_) => true,
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
