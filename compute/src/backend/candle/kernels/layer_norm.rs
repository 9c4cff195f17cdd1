//! Layer normalisation over the last dimension and its gradient.

use candle_core::{Layout, Result, Shape, Tensor, WithDType};

#[cfg(feature = "cuda")]
use super::cuda;
use super::{Input, Kernel, Op, numbers, sum};

/// Returns `γ x̂ + β` with `x̂ = (x - mean) / sqrt(var + eps)`, `[n, width]`.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    x.contiguous()?.apply_op3_no_bwd(weight, bias, &Op(Forward { eps }))
}

/// Gradient at the output → at `x`.
pub fn layer_norm_vjp(x: &Tensor, weight: &Tensor, grad: &Tensor, eps: f64) -> Result<Tensor> {
    x.contiguous()?.apply_op3_no_bwd(weight, &grad.contiguous()?, &Op(Backward { eps }))
}

/// Of x, γ, β.
struct Forward {
    eps: f64,
}

/// Of x, γ and the gradient. With `d = γ ∂y`: `∂x = (d - mean(d) - x̂ mean(d x̂)) / std`.
struct Backward {
    eps: f64,
}

/// The mean of a row and `1 / sqrt(var + eps)`.
fn moments<T: WithDType>(x: &[T], eps: f64) -> (f64, f64) {
    let size = x.len() as f64;
    let mean = sum(x.len(), |i| x[i].to_f64()) / size;
    let variance = sum(x.len(), |i| (x[i].to_f64() - mean).powi(2)) / size;
    (mean, 1. / (variance + eps).sqrt())
}

/// Launches a kernel with a block for each row of `out`.
#[cfg(feature = "cuda")]
fn launch(
    name: &'static str,
    inputs: &[cuda::Input<'_>; 3],
    out: &Layout,
    eps: f64,
) -> Result<candle_core::CudaStorage> {
    let (rows, width) = out.shape().dims2()?;
    cuda::Launch {
        name,
        inputs,
        indices: None,
        by: cuda::By::Blocks(rows),
        out: rows * width,
        integers: &[rows, width],
        reals: &[eps],
    }
    .run()
}

impl Kernel<3> for Forward {
    const NAME: &'static str = "layer_norm";

    fn shape(&self, [x, ..]: [&Layout; 3]) -> Result<Shape> {
        Ok(x.shape().clone())
    }

    fn compute<T: WithDType>(&self, inputs: [Input<'_>; 3]) -> Result<Vec<T>> {
        let [x, weight, bias] = inputs;
        let (x, weight, bias) = (numbers::<T>(x)?, numbers::<T>(weight)?, numbers::<T>(bias)?);
        let mut y = Vec::with_capacity(x.len());
        for x in x.chunks_exact(weight.len()) {
            let (mean, inverse_std) = moments(x, self.eps);
            y.extend(x.iter().zip(weight).zip(bias).map(|((x, weight), bias)| {
                let normalized = (x.to_f64() - mean) * inverse_std;
                T::from_f64(weight.to_f64() * normalized + bias.to_f64())
            }));
        }
        Ok(y)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 3]) -> Result<candle_core::CudaStorage> {
        launch(Self::NAME, &inputs, inputs[0].1, self.eps)
    }
}

impl Kernel<3> for Backward {
    const NAME: &'static str = "layer_norm_vjp";

    /// The gradient may cover fewer rows than x.
    fn shape(&self, [_, _, grad]: [&Layout; 3]) -> Result<Shape> {
        Ok(grad.shape().clone())
    }

    fn compute<T: WithDType>(&self, inputs: [Input<'_>; 3]) -> Result<Vec<T>> {
        let [x, weight, grad] = inputs;
        let (x, weight, grad) = (numbers::<T>(x)?, numbers::<T>(weight)?, numbers::<T>(grad)?);
        let width = weight.len();
        let mut all = Vec::with_capacity(grad.len());
        for (x, grad) in x.chunks_exact(width).zip(grad.chunks_exact(width)) {
            let (mean, inverse_std) = moments(x, self.eps);
            let normalized = |i: usize| (x[i].to_f64() - mean) * inverse_std;
            let d = |i: usize| weight[i].to_f64() * grad[i].to_f64();
            let mean_d = sum(width, d) / width as f64;
            let along = sum(width, |i| d(i) * normalized(i)) / width as f64;
            let of = |i| T::from_f64((d(i) - mean_d - normalized(i) * along) * inverse_std);
            all.extend((0..width).map(of));
        }
        Ok(all)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 3]) -> Result<candle_core::CudaStorage> {
        launch(Self::NAME, &inputs, inputs[2].1, self.eps)
    }
}
