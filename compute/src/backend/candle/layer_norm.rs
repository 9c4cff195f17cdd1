//! Layer normalisation over the last dimension (Ba et al. 2016).

use candle_core::{D, Result, Tensor};

use super::first_rows;

/// `y = γ x̂ + β` with `x̂ = (x - mean) / sqrt(var + eps)`; γ and β `[hidden]`.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

/// What the forward pass saves for the gradient.
#[derive(Debug)]
pub struct Normalized {
    /// x̂, `[n, hidden]`
    normalized: Tensor,
    /// 1 / sqrt(var + eps), `[n, 1]`
    inverse_std: Tensor,
}

impl LayerNorm {
    pub fn new(weight: Tensor, bias: Tensor, eps: f64) -> Self {
        Self { weight, bias, eps }
    }

    /// `[n, hidden]` → `[n, hidden]`
    pub fn forward(&self, x: &Tensor) -> Result<(Tensor, Normalized)> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let inverse_std = (variance + self.eps)?.sqrt()?.recip()?;
        let normalized = centred.broadcast_mul(&inverse_std)?;
        let y = normalized.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)?;
        Ok((y, Normalized { normalized, inverse_std }))
    }

    /// With `d = γ ∂y`: `∂x = (d - mean(d) - x̂ mean(d x̂)) / std`.
    pub fn vjp(&self, saved: &Normalized, grad: &Tensor) -> Result<Tensor> {
        let normalized = first_rows(&saved.normalized, grad)?;
        let inverse_std = first_rows(&saved.inverse_std, grad)?;
        let d = grad.broadcast_mul(&self.weight)?;
        let mean = d.mean_keepdim(D::Minus1)?;
        let along = (&d * &normalized)?.mean_keepdim(D::Minus1)?;
        let rest = (d.broadcast_sub(&mean)? - normalized.broadcast_mul(&along)?)?;
        rest.broadcast_mul(&inverse_std)
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
