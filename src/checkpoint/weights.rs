//! Looks up the tensors of a checkpoint by name and checks their shapes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::layout::Format;
use super::names::spellings;
use super::tensor_entry::TensorEntry;
use super::weight_files::Owner;
use super::{Checkpoint, LoadError, pickle, safetensors};
use crate::blocks::{LayerNorm, Linear, Stored};

/// Whether a linear map or a norm has a bias in the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    Stored,
    None,
}

/// The tensors of all files, and which of them have been used.
pub struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    /// The file, or the index, that errors about missing tensors name.
    file: &'a str,
    tensors: Tensors,
    used: RefCell<BTreeSet<String>>,
}

/// Tensors by their name in the file.
pub type Tensors = BTreeMap<String, TensorEntry>;

/// Returns the tensor `name`, under any of its spellings.
pub fn find<'a>(tensors: &'a Tensors, name: &str) -> Option<(&'a String, &'a TensorEntry)> {
    spellings(name).find_map(|spelling| tensors.get_key_value(&spelling))
}

impl<'a> Weights<'a> {
    /// Reads the metadata of the model's tensors, checks it against the lengths of the files,
    /// and merges the adapter, if there is one.
    pub fn read(checkpoint: &'a Checkpoint) -> Result<Self, LoadError> {
        let mut weights = Self::of(checkpoint, &Owner::Model)?;
        if let Some(adapter) = checkpoint.adapter() {
            let changes = Self::of(checkpoint, &Owner::Adapter)?;
            let merged = adapter.merge(&mut weights.tensors, changes.tensors);
            merged.map_err(|reason| checkpoint.error(changes.file, reason))?;
        }
        Ok(weights)
    }

    /// Reads the metadata of one owner's tensors.
    pub fn of(checkpoint: &'a Checkpoint, owner: &Owner) -> Result<Self, LoadError> {
        let files = checkpoint.files_of(owner)?;
        let mut tensors = BTreeMap::new();
        for (file, _) in &files.contents {
            let described = match files.format {
                Format::Safetensors => safetensors::tensors(checkpoint, file)?,
                Format::Pytorch => pickle::tensors(checkpoint, file)?,
            };
            for (name, tensor) in described {
                if tensors.contains_key(&name) {
                    return Err(checkpoint.error(file, format!("tensor {name} occurs twice")));
                }
                tensors.insert(name, tensor);
            }
        }
        Ok(Self { checkpoint, file: &files.main, tensors, used: RefCell::default() })
    }

    /// Whether the tensor `name` exists, under any of its spellings.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<(&String, &TensorEntry)> {
        find(&self.tensors, name)
    }

    /// Returns the tensor `name`; an error if its shape differs from `shape`.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Stored, LoadError> {
        let (tensor, actual) = self.any_shape(name)?;
        if actual != shape {
            let reason = format!("tensor {} has shape {actual:?}, not {shape:?}", tensor.name);
            return Err(self.checkpoint.error(&tensor.file, reason));
        }
        Ok(tensor)
    }

    fn any_shape(&self, name: &str) -> Result<(Stored, &[usize]), LoadError> {
        let fail = |reason: String| self.checkpoint.error(self.file, reason);
        let (found, tensor) = self.find(name).ok_or_else(|| fail(format!("no tensor {name}")))?;
        self.used.borrow_mut().insert(found.clone());
        let stored = tensor.stored.clone();
        let stored = stored.map_err(|reason| fail(format!("tensor {found} {reason}")))?;
        Ok((stored, &tensor.shape))
    }

    /// Returns the linear map `name.weight` `[out, input]` and `name.bias` `[out]`.
    pub fn linear(&self, name: &str, out: usize, input: usize) -> Result<Linear, LoadError> {
        self.map(name, out, input, Bias::Stored)
    }

    /// Like [`Self::linear`], with or without a bias.
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

    /// Returns the number of rows of the matrix `name`, which must have `columns` columns.
    pub fn rows(&self, name: &str, columns: usize) -> Result<usize, LoadError> {
        match self.any_shape(name)? {
            (_, &[rows, width]) if rows > 0 && width == columns => Ok(rows),
            (tensor, shape) => {
                let reason =
                    format!("tensor {} has shape {shape:?}, not [any, {columns}]", tensor.name);
                Err(self.checkpoint.error(&tensor.file, reason))
            }
        }
    }

    /// Reads the integers `name` `[count]`, if there is such a tensor.
    pub fn integers(&self, name: &str, count: usize) -> Result<Option<Vec<i64>>, LoadError> {
        let Some((_, tensor)) = self.find(name) else { return Ok(None) };
        match &tensor.integers {
            Some(stored) if tensor.shape == [count] => {
                self.checkpoint.load_integers(stored).map(Some)
            }
            _ => {
                let reason = format!("tensor {name} must have {count} 64-bit integers");
                Err(self.checkpoint.error(self.file, reason))
            }
        }
    }

    /// Returns a linear map whose output size is that of the checkpoint.
    pub fn linear_of_any_size(&self, name: &str, input: usize) -> Result<Linear, LoadError> {
        let (weight, shape) = self.any_shape(&format!("{name}.weight"))?;
        let out = shape.first().copied().unwrap_or_default();
        if out == 0 || shape != [out, input] {
            let reason =
                format!("tensor {} has shape {shape:?}, not [labels, {input}]", weight.name);
            return Err(self.checkpoint.error(&weight.file, reason));
        }
        Ok(Linear { weight, bias: self.bias(name, out, Bias::Stored)?, input, out })
    }

    /// Returns the layer norm `name.weight` and `name.bias`, `[size]` each.
    pub fn layer_norm(&self, name: &str, size: usize, eps: f64) -> Result<LayerNorm, LoadError> {
        self.norm(name, size, eps, Bias::Stored)
    }

    /// Like [`Self::layer_norm`], with or without a bias.
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

    /// Returns the names of the tensors that were not used, sorted.
    pub fn unused(self) -> Vec<String> {
        let used = self.used.into_inner();
        self.tensors.into_keys().filter(|name| !used.contains(name)).collect()
    }
}
