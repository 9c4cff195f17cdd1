//! Kernels of this crate, where a block would otherwise be many of candle's: one launch each on a
//! GPU (`rows.cu`), and a portable twin that the tests run and check against finite differences.

mod activation;
mod arrange;
mod bias;
#[cfg(feature = "cuda")]
mod cublas;
#[cfg(feature = "cuda")]
mod cuda;
mod layer_norm;
mod noise;
mod product;
mod softmax;

pub use activation::{Part, activate};
pub use arrange::{join_heads, join_heads_of_three, rows, split_heads};
pub use bias::add_bias;
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, WithDType, bail,
};
pub use layer_norm::{layer_norm, layer_norm_vjp};
pub use noise::normals;
pub use product::product;
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

/// Returns the distance between the rows of a matrix, whose numbers are contiguous in each row.
fn stride_of_rows(layout: &Layout) -> Result<usize> {
    match *layout.stride() {
        [rows, 1] => Ok(rows),
        _ => bail!("a kernel needs contiguous rows"),
    }
}

/// Returns the rows of a matrix, some columns of a wider one or all of them.
fn rows_of<'a, T: WithDType>(
    (storage, layout): Input<'a>,
) -> Result<impl Fn(usize) -> &'a [T] + use<'a, T>> {
    let (width, stride) = (layout.shape().dims2()?.1, stride_of_rows(layout)?);
    let numbers = &storage.as_slice::<T>()?[layout.start_offset()..];
    Ok(move |row| &numbers[row * stride..][..width])
}

/// A kernel with `N` inputs.
trait Kernel<const N: usize> {
    /// In `rows.cu`.
    const NAME: &'static str;

    /// Returns the shape of the result.
    fn shape(&self, inputs: [&Layout; N]) -> Result<Shape>;

    /// Computes the result for numbers of one type: the portable twin.
    fn compute<T: WithDType>(&self, inputs: [Input<'_>; N]) -> Result<Vec<T>>;

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; N]) -> Result<CudaStorage>;
}

/// A kernel as an operation of candle.
struct Op<K>(K);

impl<K> Op<K> {
    /// Runs the twin with the type of the first input.
    fn on_cpu<const N: usize>(&self, inputs: [Input<'_>; N]) -> Result<(CpuStorage, Shape)>
    where
        K: Kernel<N>,
    {
        let storage = match inputs[0].0 {
            CpuStorage::F32(_) => CpuStorage::F32(self.0.compute(inputs)?),
            CpuStorage::F64(_) => CpuStorage::F64(self.0.compute(inputs)?),
            _ => bail!("{}: a kernel computes in f32 and f64", K::NAME),
        };
        Ok((storage, self.0.shape(inputs.map(|(_, layout)| layout))?))
    }

    #[cfg(feature = "cuda")]
    fn on_cuda<const N: usize>(&self, inputs: [cuda::Input<'_>; N]) -> Result<(CudaStorage, Shape)>
    where
        K: Kernel<N>,
    {
        Ok((self.0.launch(inputs)?, self.0.shape(inputs.map(|(_, layout)| layout))?))
    }
}

impl<K: Kernel<1>> CustomOp1 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.on_cpu([(a, a_layout)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, a: &CudaStorage, a_layout: &Layout) -> Result<(CudaStorage, Shape)> {
        self.on_cuda([(a, a_layout)])
    }
}

impl<K: Kernel<2>> CustomOp2 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_cpu([(a, a_layout), (b, b_layout)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.on_cuda([(a, a_layout), (b, b_layout)])
    }
}

impl<K: Kernel<3>> CustomOp3 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
        c: &CpuStorage,
        c_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_cpu([(a, a_layout), (b, b_layout), (c, c_layout)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
        c: &CudaStorage,
        c_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.on_cuda([(a, a_layout), (b, b_layout), (c, c_layout)])
    }
}

/// `Σ term(i)` in f64.
fn sum(count: usize, term: impl Fn(usize) -> f64) -> f64 {
    (0..count).map(term).sum()
}
