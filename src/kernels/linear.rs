//! `y = x Wᵀ + b`.

use candle_core::{Result, Tensor};

/// An affine map with weight `[out, in]` and bias `[out]`, as checkpoints store
/// it.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub fn new(weight: Tensor, bias: Tensor) -> Self {
        Self { weight, bias }
    }

    /// Several maps of one input as one: their outputs follow each other.
    pub fn fused(parts: &[Linear]) -> Result<Self> {
        let weights: Vec<&Tensor> = parts.iter().map(|part| &part.weight).collect();
        let biases: Vec<&Tensor> = parts.iter().map(|part| &part.bias).collect();
        Ok(Self { weight: Tensor::cat(&weights, 0)?, bias: Tensor::cat(&biases, 0)? })
    }

    /// `[n, in]` → `[n, out]`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }

    /// Gradient at the output `[n, out]` → at the input `[n, in]`.
    pub fn vjp(&self, grad: &Tensor) -> Result<Tensor> {
        grad.matmul(&self.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{check_vjp, random};

    fn linear(out: usize, input: usize, seed: u64) -> Linear {
        Linear::new(random(&[out, input], seed), random(&[out], seed + 1))
    }

    #[test]
    fn vjp_equals_finite_differences() {
        let map = linear(5, 7, 1);
        check_vjp(&random(&[3, 7], 3), |x| map.forward(x), |_, grad| map.vjp(grad));
    }

    #[test]
    fn fused_maps_give_the_outputs_side_by_side() {
        let (a, b) = (linear(2, 4, 1), linear(3, 4, 5));
        let x = random(&[6, 4], 9);
        let apart = Tensor::cat(&[a.forward(&x).unwrap(), b.forward(&x).unwrap()], 1).unwrap();
        let fused = Linear::fused(&[a, b]).unwrap().forward(&x).unwrap();
        let gap = (apart - fused).unwrap().abs().unwrap().max_all().unwrap();
        assert!(gap.to_scalar::<f64>().unwrap() < 1e-12);
    }
}
