//! Layer normalisation over the last dimension (Ba et al. 2016).

use candle_core::{Result, Tensor};

use super::first_rows;
use super::kernels;

/// `y = γ x̂ + β` with `x̂ = (x - mean) / sqrt(var + eps)`; γ and β `[hidden]`.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

/// What the forward pass saves for the gradient: its input, `[n, hidden]`. The mean and the variance
/// are computed again, which takes less time than reading the normalised states.
#[derive(Debug)]
pub struct Normalized(Tensor);

impl LayerNorm {
    pub fn new(weight: Tensor, bias: Tensor, eps: f64) -> Self {
        Self { weight, bias, eps }
    }

    /// `[n, hidden]` → `[n, hidden]`
    pub fn forward(&self, x: &Tensor) -> Result<(Tensor, Normalized)> {
        let y = kernels::layer_norm(x, &self.weight, &self.bias, self.eps)?;
        Ok((y, Normalized(x.clone())))
    }

    /// Gradient at the output of the first rows → at their input.
    pub fn vjp(&self, saved: &Normalized, grad: &Tensor) -> Result<Tensor> {
        kernels::layer_norm_vjp(&first_rows(&saved.0, grad)?, &self.weight, grad, self.eps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::candle::testing::{check_vjp, random};

    #[test]
    fn vjp_equals_finite_differences() {
        let norm = LayerNorm::new(random(&[9], 1), random(&[9], 2), 1e-12);
        check_vjp(
            &random(&[4, 9], 3),
            |x| Ok(norm.forward(x)?.0),
            |x, grad| norm.vjp(&norm.forward(x)?.1, grad),
        );
    }
}
