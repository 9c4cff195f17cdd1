//! Softmax over the keys of spans in a bucket, and its gradient.

use candle_core::{Layout, Result, Shape, Tensor, WithDType};

#[cfg(feature = "cuda")]
use super::cuda;
use super::{Input, Kernel, Op, numbers, sum};

/// The numbers of queries and keys of each span, `[spans, 2]`, as numbers of the arrays' type.
pub type Sizes = Tensor;

/// Returns `softmax(scale · scores)` over the keys of each span, `[spans, heads, queries, keys]`;
/// zero for queries and keys of padding.
pub fn softmax(scores: &Tensor, sizes: &Sizes, scale: f64) -> Result<Tensor> {
    scores.contiguous()?.apply_op2_no_bwd(sizes, &Op(Softmax { scale }))
}

/// Gradient at the weights → at the scores before scaling.
pub fn softmax_vjp(weights: &Tensor, grad: &Tensor, scale: f64) -> Result<Tensor> {
    weights.contiguous()?.apply_op2_no_bwd(&grad.contiguous()?, &Op(SoftmaxVjp { scale }))
}

/// Of scores and sizes.
struct Softmax {
    scale: f64,
}

/// Of weights and the gradient. With weights A: `∂S = s A (∂A - Σ_key A ∂A)`.
struct SoftmaxVjp {
    scale: f64,
}

/// Launches a kernel with a warp for each query of the first input, `[spans, heads, queries, keys]`, and
/// `more` integers after the numbers of rows and keys.
#[cfg(feature = "cuda")]
fn launch(
    name: &'static str,
    inputs: &[cuda::Input<'_>; 2],
    more: &[usize],
    scale: f64,
) -> Result<candle_core::CudaStorage> {
    let (spans, heads, queries, keys) = inputs[0].1.shape().dims4()?;
    let rows = spans * heads * queries;
    cuda::Launch {
        name,
        inputs,
        indices: None,
        by: cuda::By::Warps(rows),
        out: rows * keys,
        integers: &[&[rows, keys], more].concat(),
        reals: &[scale],
    }
    .run()
}

impl Kernel<2> for Softmax {
    const NAME: &'static str = "softmax";

    fn shape(&self, [scores, _]: [&Layout; 2]) -> Result<Shape> {
        Ok(scores.shape().clone())
    }

    fn compute<T: WithDType>(&self, [scores, sizes]: [Input<'_>; 2]) -> Result<Vec<T>> {
        let (_, heads, queries, keys) = scores.1.shape().dims4()?;
        let (scores, sizes) = (numbers::<T>(scores)?, numbers::<T>(sizes)?);
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

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 2]) -> Result<candle_core::CudaStorage> {
        let (_, heads, queries, _) = inputs[0].1.shape().dims4()?;
        launch(Self::NAME, &inputs, &[heads, queries], self.scale)
    }
}

impl Kernel<2> for SoftmaxVjp {
    const NAME: &'static str = "softmax_vjp";

    fn shape(&self, [weights, _]: [&Layout; 2]) -> Result<Shape> {
        Ok(weights.shape().clone())
    }

    fn compute<T: WithDType>(&self, [weights, grad]: [Input<'_>; 2]) -> Result<Vec<T>> {
        let keys = weights.1.shape().dims4()?.3;
        let (weights, grad) = (numbers::<T>(weights)?, numbers::<T>(grad)?);
        let mut all = Vec::with_capacity(grad.len());
        for (weights, grad) in weights.chunks_exact(keys).zip(grad.chunks_exact(keys)) {
            let along = sum(keys, |i| weights[i].to_f64() * grad[i].to_f64());
            all.extend(weights.iter().zip(grad).map(|(weight, grad)| {
                T::from_f64(self.scale * weight.to_f64() * (grad.to_f64() - along))
            }));
        }
        Ok(all)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 2]) -> Result<candle_core::CudaStorage> {
        launch(Self::NAME, &inputs, &[], self.scale)
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
