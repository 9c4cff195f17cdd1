//! Layer normalisation over the last dimension and its gradient.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, WithDType};

use super::{Input, Twin, numbers, run, sum};

/// Returns `γ x̂ + β` with `x̂ = (x - mean) / sqrt(var + eps)`, `[n, width]`.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    x.contiguous()?.apply_op3_no_bwd(weight, bias, &Forward { eps })
}

/// Gradient at the output → at `x`.
pub fn layer_norm_vjp(x: &Tensor, weight: &Tensor, grad: &Tensor, eps: f64) -> Result<Tensor> {
    x.contiguous()?.apply_op3_no_bwd(weight, &grad.contiguous()?, &Backward { eps })
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

struct ForwardTwin<'a> {
    eps: f64,
    inputs: [Input<'a>; 3],
}

impl Twin for ForwardTwin<'_> {
    fn run<T: WithDType>(&self) -> Result<Vec<T>> {
        let [x, weight, bias] = self.inputs;
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
}

struct BackwardTwin<'a> {
    eps: f64,
    inputs: [Input<'a>; 3],
}

impl Twin for BackwardTwin<'_> {
    fn run<T: WithDType>(&self) -> Result<Vec<T>> {
        let [x, weight, grad] = self.inputs;
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
}

impl CustomOp3 for Forward {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let inputs = [(x, x_layout), (weight, weight_layout), (bias, bias_layout)];
        Ok((run(&ForwardTwin { eps: self.eps, inputs }, x)?, x_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &candle_core::CudaStorage,
        x_layout: &Layout,
        weight: &candle_core::CudaStorage,
        weight_layout: &Layout,
        bias: &candle_core::CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let inputs = [(x, x_layout), (weight, weight_layout), (bias, bias_layout)];
        super::cuda::by_rows(self.name(), &inputs, self.eps)
    }
}

impl CustomOp3 for Backward {
    fn name(&self) -> &'static str {
        "layer_norm_vjp"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let inputs = [(x, x_layout), (weight, weight_layout), (grad, grad_layout)];
        Ok((run(&BackwardTwin { eps: self.eps, inputs }, x)?, grad_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &candle_core::CudaStorage,
        x_layout: &Layout,
        weight: &candle_core::CudaStorage,
        weight_layout: &Layout,
        grad: &candle_core::CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let inputs = [(x, x_layout), (weight, weight_layout), (grad, grad_layout)];
        super::cuda::by_rows(self.name(), &inputs, self.eps)
    }
}
