//! Products whose factors are in bf16 and whose results are in f32.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// Returns `x W` in f32, `[n, k]` and `[k, m]` → `[n, m]`; W may be transposed. On a GPU both are in
/// bf16. On the CPU, candle has no such products: there, f32 holds the rounded numbers.
pub fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    match x.device().is_cuda() {
        true => x.apply_op2_no_bwd(weight, &Product),
        false => x.matmul(weight),
    }
}

/// Of x and W.
struct Product;

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!("products in bf16 need a GPU")
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let ((n, k), (_, m)) = (x_layout.shape().dims2()?, weight_layout.shape().dims2()?);
        let product = super::cublas::product([n, k, m], (x, x_layout), (weight, weight_layout))?;
        Ok((product, (n, m).into()))
    }
}
