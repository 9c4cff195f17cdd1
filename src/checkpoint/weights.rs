//! The tensors of a checkpoint, each described once, by name and shape.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::layout::Format;
use super::names::spellings;
use super::weight_files::Owner;
use super::{Checkpoint, LoadError, pickle, safetensors};
use crate::blocks::{LayerNorm, Linear, Stored};

/// Whether a map or a norm has a bias in the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    Stored,
    None,
}

/// The tensors of all files, and which of them have been asked for.
pub struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    /// Named where a tensor is missing: the file, or the index of several.
    file: &'a str,
    tensors: Tensors,
    used: RefCell<BTreeSet<String>>,
}

/// A tensor as its file describes it.
#[derive(Debug)]
pub struct Described {
    pub shape: Vec<usize>,
    /// Where its numbers lie, or why they cannot be read: buffers such as
    /// position_ids are integers and no weights.
    pub stored: Result<Stored, String>,
    /// Where whole numbers of 64 bits lie.
    pub whole: Option<Stored>,
}

/// Tensors by the names that their files give them.
pub type Tensors = BTreeMap<String, Described>;

/// The tensor called `name`, under any of its spellings.
pub fn find<'a>(tensors: &'a Tensors, name: &str) -> Option<(&'a String, &'a Described)> {
    spellings(name).find_map(|spelling| tensors.get_key_value(&spelling))
}

impl<'a> Weights<'a> {
    /// Reads what the model's files say of their tensors, and checks it against their
    /// lengths; with what an adapter changes.
    pub fn read(checkpoint: &'a Checkpoint) -> Result<Self, LoadError> {
        let mut weights = Self::of(checkpoint, &Owner::Model)?;
        if let Some(adapter) = checkpoint.adapter() {
            let changes = Self::of(checkpoint, &Owner::Adapter)?;
            let merged = adapter.merge(&mut weights.tensors, changes.tensors);
            merged.map_err(|reason| checkpoint.error(changes.file, reason))?;
        }
        Ok(weights)
    }

    /// The same of one owner's files alone.
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
                    return Err(checkpoint.error(file, format!("tensor {name} is there twice")));
                }
                tensors.insert(name, tensor);
            }
        }
        Ok(Self { checkpoint, file: &files.main, tensors, used: RefCell::default() })
    }

    /// Whether there is a tensor of this name, under any of its spellings.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<(&String, &Described)> {
        find(&self.tensors, name)
    }

    /// The tensor `name` of exactly this shape.
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

    /// The rows of the matrix `name` with so many columns.
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

    /// The whole numbers of a short list, if there is such a tensor.
    pub fn integers(&self, name: &str, count: usize) -> Result<Option<Vec<i64>>, LoadError> {
        let Some((_, tensor)) = self.find(name) else { return Ok(None) };
        match &tensor.whole {
            Some(stored) if tensor.shape == [count] => {
                self.checkpoint.load_integers(stored).map(Some)
            }
            _ => {
                let reason = format!("tensor {name} must hold {count} whole numbers of 64 bits");
                Err(self.checkpoint.error(self.file, reason))
            }
        }
    }

    /// A linear map whose output size the checkpoint decides.
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

    /// The names that nothing asked for, sorted.
    pub fn unused(self) -> Vec<String> {
        let used = self.used.into_inner();
        self.tensors.into_keys().filter(|name| !used.contains(name)).collect()
    }
}
