//! Reads the tensor metadata of a safetensors file from its header.

use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::tensor_entry::TensorEntry;
use super::{Checkpoint, LoadError};
use crate::blocks::{MemoryOrder, Stored};

/// Bytes of the header's length, a little-endian u64 at the start of the file.
const PREFIX: u64 = 8;

/// Maximum bytes of a header, as in the safetensors library.
const MAX_HEADER: u64 = 100_000_000;

/// Reads the header and checks it against the file's length.
pub fn tensors(
    checkpoint: &Checkpoint,
    file: &Arc<str>,
) -> Result<Vec<(String, TensorEntry)>, LoadError> {
    let fail = |reason: String| checkpoint.error(file, reason);
    let length = checkpoint.len(file)?;
    if length < PREFIX {
        return Err(fail(format!("{length} bytes are too few for a safetensors file")));
    }
    let prefix = checkpoint.read_at(file, 0, PREFIX as usize)?;
    let header_bytes = prefix.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
    if header_bytes > (length - PREFIX).min(MAX_HEADER) {
        return Err(fail(format!("the header length of {header_bytes} is invalid")));
    }
    let header = checkpoint.read_at(file, PREFIX, header_bytes as usize)?;
    // Also checks that the tensors are contiguous and match their shapes.
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| fail(e.to_string()))?;
    let data_start = PREFIX + header_bytes;
    if metadata.data_len() as u64 != length - data_start {
        let (bytes, actual) = (metadata.data_len(), length - data_start);
        return Err(fail(format!("the header describes {bytes} bytes of data, {actual} follow")));
    }
    let tensors = metadata.tensors().into_iter();
    Ok(tensors
        .map(|(name, info)| {
            let described = describe(&name, info, file, data_start);
            (name, described)
        })
        .collect())
}

fn describe(name: &str, info: &TensorInfo, file: &Arc<str>, data_start: u64) -> TensorEntry {
    let (start, end) = info.data_offsets;
    let location = || Stored {
        name: name.to_owned(),
        file: Arc::clone(file),
        dtype: info.dtype,
        start: data_start + start as u64,
        bytes: end - start,
        order: MemoryOrder::Rows,
        update: None,
    };
    let stored = match info.dtype {
        Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64 => Ok(location()),
        other => Err(format!("has type {other}, not f32, f16, bf16 or f64")),
    };
    let integers = (info.dtype == Dtype::I64).then(location);
    TensorEntry { shape: info.shape.clone(), stored, integers }
}
