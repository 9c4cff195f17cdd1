//! The tensors of a safetensors file, from its header alone.

use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::weights::Described;
use super::{Checkpoint, LoadError};
use crate::blocks::{MemoryOrder, Stored};

/// The header's own length: a little-endian u64 at the file's beginning.
const PREFIX: u64 = 8;

/// The largest header that the format's own library takes.
const LONGEST_HEADER: u64 = 100_000_000;

/// Reads the header and checks it against the file's length.
pub fn tensors(
    checkpoint: &Checkpoint,
    file: &Arc<str>,
) -> Result<Vec<(String, Described)>, LoadError> {
    let fail = |reason: String| checkpoint.error(file, reason);
    let length = checkpoint.len(file)?;
    if length < PREFIX {
        return Err(fail(format!("{length} bytes are no safetensors file")));
    }
    let prefix = checkpoint.read_at(file, 0, PREFIX as usize)?;
    let header_bytes = prefix.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
    if header_bytes > (length - PREFIX).min(LONGEST_HEADER) {
        return Err(fail(format!("the header says that it is {header_bytes} bytes long")));
    }
    let header = checkpoint.read_at(file, PREFIX, header_bytes as usize)?;
    // Checks that the tensors lie one after the other, each as long as its shape says.
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| fail(e.to_string()))?;
    let data = PREFIX + header_bytes;
    if metadata.data_len() as u64 != length - data {
        let (says, has) = (metadata.data_len(), length - data);
        return Err(fail(format!("the header describes {says} bytes of data, {has} follow")));
    }
    let tensors = metadata.tensors().into_iter();
    Ok(tensors
        .map(|(name, info)| {
            let described = describe(&name, info, file, data);
            (name, described)
        })
        .collect())
}

fn describe(name: &str, info: &TensorInfo, file: &Arc<str>, data: u64) -> Described {
    let (start, end) = info.data_offsets;
    let place = || Stored {
        name: name.to_owned(),
        file: Arc::clone(file),
        dtype: info.dtype,
        start: data + start as u64,
        bytes: end - start,
        order: MemoryOrder::Rows,
        update: None,
    };
    let stored = match info.dtype {
        Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64 => Ok(place()),
        other => Err(format!("holds {other}, not f32, f16, bf16 or f64")),
    };
    let whole = (info.dtype == Dtype::I64).then(place);
    Described { shape: info.shape.clone(), stored, whole }
}
