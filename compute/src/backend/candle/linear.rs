//! `y = x Wᵀ + b`.

use candle_core::{Result, Tensor};

/// An affine map with weight `[out, in]` and bias `[out]`, as in checkpoints.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub fn new(weight: Tensor, bias: Tensor) -> Self {
        Self { weight, bias }
    }

    /// Returns the map to some outputs.
    pub fn some_outputs(&self, outputs: &[usize]) -> Result<Self> {
        let outputs: Vec<u32> = outputs.iter().map(|&output| output as u32).collect();
        let outputs = Tensor::new(outputs, self.weight.device())?;
        Ok(Self::new(self.weight.index_select(&outputs, 0)?, self.bias.index_select(&outputs, 0)?))
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
    use crate::backend::candle::testing::{check_vjp, random};

    fn linear(out: usize, input: usize, seed: u64) -> Linear {
        Linear::new(random(&[out, input], seed), random(&[out], seed + 1))
    }

    #[test]
    fn vjp_equals_finite_differences() {
        let map = linear(5, 7, 1);
        check_vjp(&random(&[3, 7], 3), |x| map.forward(x), |_, grad| map.vjp(grad));
    }
}
