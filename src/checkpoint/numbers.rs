//! Reads the values of tensors, for all types and memory orders.

use half::{bf16, f16};
use safetensors::Dtype;

use super::{Checkpoint, LoadError};
use crate::blocks::{MemoryOrder, Stored, Update};

impl Checkpoint {
    /// Reads a tensor as f32, row-major, with the adapter's update added.
    pub fn load(&self, tensor: &Stored) -> Result<Vec<f32>, LoadError> {
        let bytes = || self.read_at(&tensor.file, tensor.start, tensor.bytes);
        let values: Vec<f32> = match tensor.dtype {
            Dtype::F16 => convert(&bytes()?, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => convert(&bytes()?, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F64 => convert(&bytes()?, |b| f64::from_le_bytes(b) as f32),
            _ => self.read_f32(tensor)?,
        };
        let fail =
            |reason: &str| self.error(&tensor.file, format!("tensor {} {reason}", tensor.name));
        if !values.iter().all(|value| value.is_finite()) {
            return Err(fail("has a value that is not finite"));
        }
        let values = match tensor.order {
            MemoryOrder::Rows => values,
            MemoryOrder::Columns { rows, columns } if rows * columns == values.len() => {
                transposed(&values, rows)
            }
            MemoryOrder::Columns { .. } => {
                return Err(fail("is stored column by column and cannot be read in parts"));
            }
        };
        match &tensor.update {
            None => Ok(values),
            Some(update) => self.updated(values, update),
        }
    }

    /// Reads a tensor of 64-bit integers.
    pub fn load_integers(&self, tensor: &Stored) -> Result<Vec<i64>, LoadError> {
        let bytes = self.read_at(&tensor.file, tensor.start, tensor.bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect())
    }

    /// Adds an adapter's update, `scale * up @ down`, summed in f64.
    fn updated(&self, mut values: Vec<f32>, update: &Update) -> Result<Vec<f32>, LoadError> {
        let (down, up) = (self.load(&update.down)?, self.load(&update.up)?);
        let input = down.len() / update.rank;
        let mut sums = vec![0.; input];
        for (row, up) in values.chunks_mut(input).zip(up.chunks(update.rank)) {
            sums.fill(0.);
            for (up, down) in up.iter().zip(down.chunks(input)) {
                let pairs = sums.iter_mut().zip(down);
                pairs.for_each(|(sum, down)| *sum += f64::from(*up) * f64::from(*down));
            }
            let pairs = row.iter_mut().zip(&sums);
            pairs.for_each(|(x, sum)| *x = (f64::from(*x) + update.scale * sum) as f32);
        }
        Ok(values)
    }

    /// Reads an f32 tensor without a conversion buffer.
    fn read_f32(&self, tensor: &Stored) -> Result<Vec<f32>, LoadError> {
        let mut values = vec![0_f32; tensor.bytes / size_of::<f32>()];
        let part = bytemuck::cast_slice_mut(&mut values);
        let read = self.weight_file(&tensor.file)?.read_into(tensor.start, part);
        read.map_err(|error| self.error(&tensor.file, error))?;
        if cfg!(target_endian = "big") {
            values
                .iter_mut()
                .for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
        }
        Ok(values)
    }
}

fn convert<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
}

/// Converts column-major values to row-major.
fn transposed(columns: &[f32], rows: usize) -> Vec<f32> {
    (0..rows).flat_map(|row| columns.iter().skip(row).step_by(rows).copied()).collect()
}
