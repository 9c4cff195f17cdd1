//! Softmax over the keys of spans in a bucket, and its gradient.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::{Input, Twin, numbers, run, sum};

/// The numbers of queries and keys of each span, `[spans, 2]`, as numbers of the arrays' type.
pub type Sizes = Tensor;

/// Returns `softmax(scale · scores)` over the keys of each span, `[spans, heads, queries, keys]`;
/// zero for queries and keys of padding.
pub fn softmax(scores: &Tensor, sizes: &Sizes, scale: f64) -> Result<Tensor> {
    scores.contiguous()?.apply_op2_no_bwd(sizes, &Softmax { scale })
}

/// Gradient at the weights → at the scores before scaling.
pub fn softmax_vjp(weights: &Tensor, grad: &Tensor, scale: f64) -> Result<Tensor> {
    weights.contiguous()?.apply_op2_no_bwd(&grad.contiguous()?, &SoftmaxVjp { scale })
}

/// Of scores and sizes.
struct Softmax {
    scale: f64,
}

/// Of weights and the gradient. With weights A: `∂S = s A (∂A - Σ_key A ∂A)`.
struct SoftmaxVjp {
    scale: f64,
}

struct SoftmaxTwin<'a> {
    scale: f64,
    scores: Input<'a>,
    sizes: Input<'a>,
}

impl Twin for SoftmaxTwin<'_> {
    fn run<T: WithDType>(&self) -> Result<Vec<T>> {
        let (scores, sizes) = (numbers::<T>(self.scores)?, numbers::<T>(self.sizes)?);
        let (_, heads, queries, keys) = self.scores.1.shape().dims4()?;
        let mut weights = vec![T::zero(); scores.len()];
        let rows = scores.chunks_exact(keys).zip(weights.chunks_exact_mut(keys));
        for (row, (scores, weights)) in rows.enumerate() {
            let span = row / (heads * queries);
            let [real, visible] = [0, 1].map(|i| sizes[2 * span + i].to_f64() as usize);
            if row % queries >= real {
                continue;
            }
            let score = |i: usize| self.scale * scores[i].to_f64();
            let largest = (0..visible).map(score).fold(f64::NEG_INFINITY, f64::max);
            let total = sum(visible, |i| (score(i) - largest).exp());
            for (i, weight) in weights[..visible].iter_mut().enumerate() {
                *weight = T::from_f64((score(i) - largest).exp() / total);
            }
        }
        Ok(weights)
    }
}

struct VjpTwin<'a> {
    scale: f64,
    weights: Input<'a>,
    grad: Input<'a>,
}

impl Twin for VjpTwin<'_> {
    fn run<T: WithDType>(&self) -> Result<Vec<T>> {
        let (weights, grad) = (numbers::<T>(self.weights)?, numbers::<T>(self.grad)?);
        let keys = self.weights.1.shape().dims4()?.3;
        let mut all = Vec::with_capacity(grad.len());
        for (weights, grad) in weights.chunks_exact(keys).zip(grad.chunks_exact(keys)) {
            let along = sum(keys, |i| weights[i].to_f64() * grad[i].to_f64());
            all.extend(weights.iter().zip(grad).map(|(weight, grad)| {
                T::from_f64(self.scale * weight.to_f64() * (grad.to_f64() - along))
            }));
        }
        Ok(all)
    }
}

impl CustomOp2 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(
        &self,
        scores: &CpuStorage,
        scores_layout: &Layout,
        sizes: &CpuStorage,
        sizes_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (scores_input, sizes_input) = ((scores, scores_layout), (sizes, sizes_layout));
        let twin = SoftmaxTwin { scale: self.scale, scores: scores_input, sizes: sizes_input };
        Ok((run(&twin, scores)?, scores_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        scores: &candle_core::CudaStorage,
        scores_layout: &Layout,
        sizes: &candle_core::CudaStorage,
        sizes_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::softmax(&[(scores, scores_layout), (sizes, sizes_layout)], self.scale)
    }
}

impl CustomOp2 for SoftmaxVjp {
    fn name(&self) -> &'static str {
        "softmax_vjp"
    }

    fn cpu_fwd(
        &self,
        weights: &CpuStorage,
        weights_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weights_input, grad_input) = ((weights, weights_layout), (grad, grad_layout));
        let twin = VjpTwin { scale: self.scale, weights: weights_input, grad: grad_input };
        Ok((run(&twin, weights)?, weights_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        weights: &candle_core::CudaStorage,
        weights_layout: &Layout,
        grad: &candle_core::CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::softmax_vjp(&[(weights, weights_layout), (grad, grad_layout)], self.scale)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::backend::candle::testing::{check_vjp, random};

    #[test]
    fn the_gradient_equals_finite_differences() {
        let sizes = Tensor::new(&[[3f64, 5.], [2., 4.]], &Device::Cpu).unwrap();
        check_vjp(
            &random(&[2, 2, 3, 5], 7),
            |x| softmax(x, &sizes, 0.7),
            |x, grad| softmax_vjp(&softmax(x, &sizes, 0.7)?, grad, 0.7),
        );
    }

    #[test]
    fn padding_has_no_weight() {
        let sizes = Tensor::new(&[[1f32, 2.]], &Device::Cpu).unwrap();
        let scores = Tensor::new(&[[[[1f32, 1., 9.], [9., 9., 9.]]]], &Device::Cpu).unwrap();
        let weights = softmax(&scores, &sizes, 1.).unwrap().flatten_all().unwrap();
        assert_eq!(weights.to_vec1::<f32>().unwrap(), [0.5, 0.5, 0., 0., 0., 0.]);
    }
}
