//! The tensors of a checkpoint, each described once, by name and shape.

use std::cell::RefCell;
use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::{Checkpoint, LoadError, WEIGHTS};
use crate::blocks::{LayerNorm, Linear, Stored};

/// Whether a map or a norm has a bias in the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    Stored,
    None,
}

/// The tensors that nothing has asked for yet.
pub struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    tensors: RefCell<BTreeMap<String, (Stored, Vec<usize>)>>,
}

/// The header's own length: a little-endian u64 at the file's beginning.
const PREFIX: u64 = 8;

impl<'a> Weights<'a> {
    /// Reads the header and checks it against the file's length.
    pub fn read(checkpoint: &'a Checkpoint) -> Result<Self, LoadError> {
        let fail = |reason: String| checkpoint.error(WEIGHTS, reason);
        let length = checkpoint.len(WEIGHTS)?;
        let truncated = || fail(format!("{length} bytes are no safetensors file"));
        if length < PREFIX {
            return Err(truncated());
        }
        let prefix = checkpoint.read_at(WEIGHTS, 0, PREFIX as usize)?;
        let header_bytes = prefix.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
        if header_bytes > length - PREFIX {
            return Err(fail(format!("the header says that it is {header_bytes} bytes long")));
        }
        let header = checkpoint.read_at(WEIGHTS, PREFIX, header_bytes as usize)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| fail(error.to_string()))?;
        let data = PREFIX + header_bytes;
        if metadata.data_len() as u64 != length - data {
            let (says, has) = (metadata.data_len(), length - data);
            return Err(fail(format!("the header describes {says} bytes of data, {has} follow")));
        }
        let mut tensors = BTreeMap::new();
        for (name, info) in metadata.tensors() {
            // Buffers such as position_ids are integers and no weights.
            if matches!(info.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64) {
                let (start, end) = info.data_offsets;
                let (start, bytes) = (data + start as u64, end - start);
                let stored = Stored { name: name.clone(), dtype: info.dtype, start, bytes };
                tensors.insert(name, (stored, info.shape.clone()));
            }
        }
        Ok(Self { checkpoint, tensors: RefCell::new(tensors) })
    }

    /// The tensor `name` of exactly this shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Stored, LoadError> {
        let (tensor, actual) = self.any_shape(name)?;
        if actual != shape {
            let reason = format!("tensor {name} has shape {actual:?}, not {shape:?}");
            return Err(self.checkpoint.error(WEIGHTS, reason));
        }
        Ok(tensor)
    }

    fn any_shape(&self, name: &str) -> Result<(Stored, Vec<usize>), LoadError> {
        let short = name.split_once('.').map_or(name, |(_, rest)| rest);
        let mut tensors = self.tensors.borrow_mut();
        tensors
            .remove(name)
            .or_else(|| tensors.remove(short))
            .ok_or_else(|| self.checkpoint.error(WEIGHTS, format!("no tensor {name}")))
    }

    /// `name.weight` `[out, input]` and `name.bias` `[out]`.
    pub fn linear(&self, name: &str, out: usize, input: usize) -> Result<Linear, LoadError> {
        self.map(name, out, input, Bias::Stored)
    }

    /// The same, with or without a bias.
    pub fn map(
        &self,
        name: &str,
        out: usize,
        input: usize,
        bias: Bias,
    ) -> Result<Linear, LoadError> {
        let weight = self.tensor(&format!("{name}.weight"), &[out, input])?;
        Ok(Linear { weight, bias: self.bias(name, out, bias)?, input, out })
    }

    fn bias(&self, name: &str, size: usize, bias: Bias) -> Result<Option<Stored>, LoadError> {
        match bias {
            Bias::Stored => self.tensor(&format!("{name}.bias"), &[size]).map(Some),
            Bias::None => Ok(None),
        }
    }

    /// A linear map whose output size the checkpoint decides.
    pub fn linear_of_any_size(&self, name: &str, input: usize) -> Result<Linear, LoadError> {
        let (weight, shape) = self.any_shape(&format!("{name}.weight"))?;
        let out = shape.first().copied().unwrap_or_default();
        if out == 0 || shape != [out, input] {
            let reason = format!("tensor {name}.weight has shape {shape:?}, not [labels, {input}]");
            return Err(self.checkpoint.error(WEIGHTS, reason));
        }
        Ok(Linear { weight, bias: self.bias(name, out, Bias::Stored)?, input, out })
    }

    /// `name.weight` and `name.bias`, `[size]` each.
    pub fn layer_norm(&self, name: &str, size: usize, eps: f64) -> Result<LayerNorm, LoadError> {
        self.norm(name, size, eps, Bias::Stored)
    }

    /// The same, with or without a bias.
    pub fn norm(
        &self,
        name: &str,
        size: usize,
        eps: f64,
        bias: Bias,
    ) -> Result<LayerNorm, LoadError> {
        let weight = self.tensor(&format!("{name}.weight"), &[size])?;
        Ok(LayerNorm { weight, bias: self.bias(name, size, bias)?, size, eps })
    }

    /// Whether nothing has asked for this tensor yet.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.borrow().contains_key(name)
    }

    /// The names that nothing asked for, sorted.
    pub fn unused(self) -> Vec<String> {
        self.tensors.into_inner().into_keys().collect()
    }
}

impl Checkpoint {
    /// A tensor's numbers, row-major, as f32.
    pub fn load(&self, tensor: &Stored) -> Result<Vec<f32>, LoadError> {
        let bytes = || self.read_at(WEIGHTS, tensor.start, tensor.bytes);
        let values: Vec<f32> = match tensor.dtype {
            Dtype::F16 => convert(&bytes()?, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => convert(&bytes()?, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F64 => convert(&bytes()?, |b| f64::from_le_bytes(b) as f32),
            _ => self.read_f32(WEIGHTS, tensor.start, tensor.bytes)?,
        };
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        let reason = format!("tensor {} holds a number that is not finite", tensor.name);
        Err(self.error(WEIGHTS, reason))
    }
}

fn convert<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
}
