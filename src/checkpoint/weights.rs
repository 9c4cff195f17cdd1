//! The tensors of a checkpoint, each handed out once, by name and shape.

use std::cell::RefCell;
use std::collections::HashMap;

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

use super::{Checkpoint, LoadError, WEIGHTS};
use crate::kernels::{LayerNorm, Linear};

/// Tensors of `model.safetensors`, converted to one type on one device.
pub struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    /// Taken out as they are used, so that what is left was not.
    tensors: RefCell<HashMap<String, Tensor>>,
}

impl<'a> Weights<'a> {
    pub fn read(
        checkpoint: &'a Checkpoint,
        dtype: DType,
        device: &Device,
    ) -> Result<Self, LoadError> {
        let fail = |error: String| checkpoint.error(WEIGHTS, error);
        let file = SafeTensors::deserialize(checkpoint.required(WEIGHTS)?)
            .map_err(|error| fail(error.to_string()))?;
        let mut tensors = HashMap::new();
        for (name, view) in file.tensors() {
            let tensor = view.load(device).map_err(|e| fail(format!("tensor {name}: {e}")))?;
            // Buffers such as position_ids are integers and no weights.
            if tensor.dtype().is_float() {
                let tensor = tensor.to_dtype(dtype).map_err(|e| fail(format!("{name}: {e}")))?;
                tensors.insert(name, tensor);
            }
        }
        Ok(Self { checkpoint, tensors: RefCell::new(tensors) })
    }

    /// The tensor `name` of exactly this shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, LoadError> {
        let tensor = self.any_shape(name)?;
        if tensor.dims() != shape {
            let reason = format!("tensor {name} has shape {:?}, not {shape:?}", tensor.dims());
            return Err(self.checkpoint.error(WEIGHTS, reason));
        }
        Ok(tensor)
    }

    fn any_shape(&self, name: &str) -> Result<Tensor, LoadError> {
        self.tensors
            .borrow_mut()
            .remove(name)
            .ok_or_else(|| self.checkpoint.error(WEIGHTS, format!("no tensor {name}")))
    }

    /// `name.weight` `[out, input]` and `name.bias` `[out]`.
    pub fn linear(&self, name: &str, out: usize, input: usize) -> Result<Linear, LoadError> {
        let weight = self.tensor(&format!("{name}.weight"), &[out, input])?;
        let bias = self.tensor(&format!("{name}.bias"), &[out])?;
        Ok(Linear::new(weight, bias))
    }

    /// A linear map whose output size the checkpoint decides, and that size.
    pub fn linear_of_any_size(
        &self,
        name: &str,
        input: usize,
    ) -> Result<(Linear, usize), LoadError> {
        let weight = self.any_shape(&format!("{name}.weight"))?;
        let out = weight.dims().first().copied().unwrap_or_default();
        if out == 0 || weight.dims() != [out, input] {
            let reason = format!(
                "tensor {name}.weight has shape {:?}, not [labels, {input}]",
                weight.dims()
            );
            return Err(self.checkpoint.error(WEIGHTS, reason));
        }
        let bias = self.tensor(&format!("{name}.bias"), &[out])?;
        Ok((Linear::new(weight, bias), out))
    }

    /// `name.weight` and `name.bias`, `[size]` each.
    pub fn layer_norm(&self, name: &str, size: usize, eps: f64) -> Result<LayerNorm, LoadError> {
        let weight = self.tensor(&format!("{name}.weight"), &[size])?;
        let bias = self.tensor(&format!("{name}.bias"), &[size])?;
        Ok(LayerNorm::new(weight, bias, eps))
    }

    /// Maps of one input as one.
    pub fn fused(&self, parts: &[Linear]) -> Result<Linear, LoadError> {
        Linear::fused(parts).map_err(|error| self.checkpoint.error(WEIGHTS, error))
    }

    /// The names that nothing asked for, sorted.
    pub fn unused(self) -> Vec<String> {
        let mut names: Vec<String> = self.tensors.into_inner().into_keys().collect();
        names.sort_unstable();
        names
    }
}
