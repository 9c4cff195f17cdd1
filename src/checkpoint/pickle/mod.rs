//! Reads the tensors of a file written by `torch.save`. Such a file is a program for Python's
//! unpickler. It is parsed as data: only the instructions that build dictionaries, tuples and
//! numbers are supported, and calls are recorded but never executed.
//!
//! candle's reader is not used because it panics on short tuples, trusts the claimed length of
//! strings, clones memoized objects without bound, and does not support the format before
//! PyTorch 1.6.

mod archive;
mod bytes;
mod legacy;
mod machine;
mod state;

use std::sync::Arc;

use safetensors::Dtype;

use super::content::Content;
use super::tensor_entry::TensorEntry;
use super::{Checkpoint, LoadError};
use crate::blocks::{MemoryOrder, Stored};
use state::Tensor;

/// The byte range of a storage in the file.
#[derive(Debug, Clone, Copy)]
struct Region {
    start: u64,
    bytes: u64,
}

/// Reads the pickle and checks every tensor against the file's length.
pub fn tensors(
    checkpoint: &Checkpoint,
    file: &Arc<str>,
) -> Result<Vec<(String, TensorEntry)>, LoadError> {
    let content = checkpoint.weight_file(file)?;
    let length = checkpoint.len(file)?;
    read(content, length, file).map_err(|reason| checkpoint.error(file, reason))
}

fn read(
    content: &Content,
    length: u64,
    file: &Arc<str>,
) -> Result<Vec<(String, TensorEntry)>, String> {
    let magic = content.read_at(0, legacy::MAGIC.len().min(length as usize));
    let magic = magic.map_err(|error| error.to_string())?;
    let (tensors, storages) = if magic.starts_with(archive::MAGIC) {
        archive::read(content, length)?
    } else if *magic == legacy::MAGIC {
        legacy::read(content, length)?
    } else {
        return Err("was not written by torch.save".to_owned());
    };
    let describe = |(name, tensor): (String, Result<Tensor, String>)| {
        let described = match tensor {
            Ok(tensor) => {
                let region = storages.get(&tensor.storage.key);
                describe(&name, tensor, region, file).map_err(|e| format!("tensor {name} {e}"))?
            }
            Err(reason) => TensorEntry { shape: Vec::new(), stored: Err(reason), integers: None },
        };
        Ok((name, described))
    };
    tensors.into_iter().map(describe).collect()
}

/// Locates a tensor in its storage; an error if it exceeds the storage.
fn describe(
    name: &str,
    tensor: Tensor,
    region: Option<&Region>,
    file: &Arc<str>,
) -> Result<TensorEntry, String> {
    let Tensor { storage, offset, shape, strides } = tensor;
    let Some(dtype) = float(&storage.class) else {
        let reason = format!("is a {}, not f32, f16, bf16 or f64", storage.class);
        return Ok(TensorEntry { shape, stored: Err(reason), integers: None });
    };
    let Some(order) = order(&shape, &strides) else {
        let reason = format!(
            "is a view of shape {shape:?} and strides {strides:?}; save it with .contiguous()"
        );
        return Ok(TensorEntry { shape, stored: Err(reason), integers: None });
    };
    let region =
        region.ok_or_else(|| format!("is in storage {:?}, which is missing", storage.key))?;
    let range = || {
        let size = dtype.bitsize() as u64 / 8;
        let count = shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size as u64))?;
        let (skipped, bytes) = (offset.checked_mul(size)?, count.checked_mul(size)?);
        let end = skipped.checked_add(bytes)?;
        (end <= region.bytes).then_some((region.start + skipped, usize::try_from(bytes).ok()?))
    };
    let (start, bytes) = range().ok_or_else(|| {
        format!("of shape {shape:?} does not fit into its {} bytes", region.bytes)
    })?;
    let name = name.to_owned();
    let file = Arc::clone(file);
    let stored = Stored { name, file, dtype, start, bytes, order, update: None };
    Ok(TensorEntry { shape, stored: Ok(stored), integers: None })
}

fn float(class: &str) -> Option<Dtype> {
    match class {
        "FloatStorage" => Some(Dtype::F32),
        "DoubleStorage" => Some(Dtype::F64),
        "HalfStorage" => Some(Dtype::F16),
        "BFloat16Storage" => Some(Dtype::BF16),
        _ => None,
    }
}

/// Returns the memory order for these strides; `None` if it is not supported.
fn order(shape: &[usize], strides: &[usize]) -> Option<MemoryOrder> {
    let mut dense = 1_usize;
    let mut in_rows = true;
    for (&size, &stride) in shape.iter().zip(strides).rev() {
        in_rows &= size == 1 || stride == dense;
        dense = dense.checked_mul(size)?;
    }
    match (shape, strides) {
        _ if in_rows || dense == 0 => Some(MemoryOrder::Rows),
        (&[rows, columns], &[1, stride]) if stride == rows => {
            Some(MemoryOrder::Columns { rows, columns })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_order_of_strides() {
        let columns = Some(MemoryOrder::Columns { rows: 2, columns: 3 });
        for (shape, strides, expected) in [
            (&[2, 3][..], &[3, 1][..], Some(MemoryOrder::Rows)),
            (&[2, 3], &[1, 2], columns),
            (&[2, 3], &[6, 1], None),
            (&[2, 3], &[0, 0], None),
            (&[1, 3], &[7, 1], Some(MemoryOrder::Rows)),
            (&[3, 1], &[1, 9], Some(MemoryOrder::Rows)),
            (&[], &[], Some(MemoryOrder::Rows)),
            (&[4], &[2], None),
            (&[0, 3], &[5, 5], Some(MemoryOrder::Rows)),
            (&[2, 3, 4], &[1, 2, 6], None),
            (&[usize::MAX, 2], &[2, 1], None),
        ] {
            assert_eq!(order(shape, strides), expected, "{shape:?} {strides:?}");
        }
    }
}
