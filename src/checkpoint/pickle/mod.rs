//! The tensors of a file that `torch.save` wrote. Such a file is a program for
//! Python's unpickler; here it is read as data: the machine knows the few
//! instructions that build dictionaries, tuples and numbers, keeps calls as
//! what they would be, and runs none of them.
//!
//! Own code because candle's reader panics on short tuples, allocates what a
//! string claims to be long, clones memoised objects without bound, and does
//! not know the format before PyTorch 1.6.

mod archive;
mod bytes;
mod legacy;
mod machine;
mod state;

use std::sync::Arc;

use safetensors::Dtype;

use super::content::Content;
use super::weights::Described;
use super::{Checkpoint, LoadError};
use crate::blocks::{MemoryOrder, Stored};
use state::Tensor;

/// Where a storage's bytes lie in the file.
#[derive(Debug, Clone, Copy)]
struct Region {
    start: u64,
    bytes: u64,
}

/// Reads the pickle and checks every tensor against the file's length.
pub fn tensors(
    checkpoint: &Checkpoint,
    file: &Arc<str>,
) -> Result<Vec<(String, Described)>, LoadError> {
    let content = checkpoint.large(file)?;
    let length = checkpoint.len(file)?;
    read(content, length, file).map_err(|reason| checkpoint.error(file, reason))
}

fn read(
    content: &Content,
    length: u64,
    file: &Arc<str>,
) -> Result<Vec<(String, Described)>, String> {
    let begin = content.read_at(0, legacy::MAGIC.len().min(length as usize));
    let begin = begin.map_err(|error| error.to_string())?;
    let (tensors, storages) = if begin.starts_with(archive::MAGIC) {
        archive::read(content, length)?
    } else if *begin == legacy::MAGIC {
        legacy::read(content, length)?
    } else {
        return Err("is no file of torch.save".to_owned());
    };
    let describe = |(name, tensor): (String, Result<Tensor, String>)| {
        let described = match tensor {
            Ok(tensor) => {
                let region = storages.get(&tensor.storage.key);
                describe(&name, tensor, region, file).map_err(|e| format!("tensor {name} {e}"))?
            }
            Err(reason) => Described { shape: Vec::new(), stored: Err(reason), whole: None },
        };
        Ok((name, described))
    };
    tensors.into_iter().map(describe).collect()
}

/// A tensor in its storage, if it lies inside of it.
fn describe(
    name: &str,
    tensor: Tensor,
    region: Option<&Region>,
    file: &Arc<str>,
) -> Result<Described, String> {
    let Tensor { storage, offset, shape, strides } = tensor;
    let Some(dtype) = float(&storage.class) else {
        let reason = format!("holds a {}, not f32, f16, bf16 or f64", storage.class);
        return Ok(Described { shape, stored: Err(reason), whole: None });
    };
    let Some(order) = order(&shape, &strides) else {
        let reason = format!(
            "is a view of shape {shape:?} and strides {strides:?}; save it with .contiguous()"
        );
        return Ok(Described { shape, stored: Err(reason), whole: None });
    };
    let region =
        region.ok_or_else(|| format!("is in storage {:?}, which is not there", storage.key))?;
    let place = || {
        let size = dtype.bitsize() as u64 / 8;
        let count = shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size as u64))?;
        let (skipped, bytes) = (offset.checked_mul(size)?, count.checked_mul(size)?);
        let end = skipped.checked_add(bytes)?;
        (end <= region.bytes).then_some((region.start + skipped, usize::try_from(bytes).ok()?))
    };
    let (start, bytes) = place().ok_or_else(|| {
        format!("of shape {shape:?} does not fit into its {} bytes", region.bytes)
    })?;
    let name = name.to_owned();
    let file = Arc::clone(file);
    let stored = Stored { name, file, dtype, start, bytes, order, update: None };
    Ok(Described { shape, stored: Ok(stored), whole: None })
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

/// The order that strides stand for, if it is one of the two that are read.
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
    fn strides_are_an_order_or_none() {
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
