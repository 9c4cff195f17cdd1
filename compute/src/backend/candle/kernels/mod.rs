//! Kernels of this crate, where a block would otherwise be many of candle's: one launch each on a
//! GPU (`rows.cu`), and a portable twin that the tests run and check against finite differences.

mod activation;
#[cfg(feature = "cuda")]
mod cuda;
mod layer_norm;
mod noise;
mod softmax;

pub use activation::activate;
use candle_core::{CpuStorage, DType, Layout, Result, WithDType, bail};
pub use layer_norm::{layer_norm, layer_norm_vjp};
pub use noise::normals;
pub use softmax::{Sizes, softmax, softmax_vjp};

/// A storage and which part of it holds a tensor.
type Input<'a> = (&'a CpuStorage, &'a Layout);

/// Returns the numbers of a contiguous tensor.
fn numbers<'a, T: WithDType>((storage, layout): Input<'a>) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<T>()?[start..end]),
        None => bail!("a kernel needs contiguous arrays"),
    }
}

/// What a twin computes, for numbers of one type.
trait Twin {
    fn run<T: WithDType>(&self) -> Result<Vec<T>>;
}

/// Runs a twin with the type of its input.
fn run(twin: &impl Twin, like: &CpuStorage) -> Result<CpuStorage> {
    match like {
        CpuStorage::F32(_) => Ok(CpuStorage::F32(twin.run()?)),
        CpuStorage::F64(_) => Ok(CpuStorage::F64(twin.run()?)),
        other => bail!("a kernel computes in f32 and f64, not in {:?}", dtype(other)),
    }
}

fn dtype(storage: &CpuStorage) -> DType {
    use candle_core::backend::BackendStorage;
    storage.dtype()
}

/// `Σ term(i)` in f64.
fn sum(count: usize, term: impl Fn(usize) -> f64) -> f64 {
    (0..count).map(term).sum()
}
