//! Activations and their derivatives.

use candle_core::{Result, Tensor};

use crate::blocks::Activation;

const SLOPE: f64 = Activation::TANH_SLOPE;
const CUBIC: f64 = Activation::TANH_CUBIC;

pub fn forward(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::Gelu => x.gelu_erf(),
        Activation::GeluTanh => x.gelu(),
        Activation::GeluQuick => x * sigmoid(&x.affine(Activation::QUICK_SLOPE, 0.)?)?,
        Activation::Relu => x.relu(),
        Activation::Silu => x.silu(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Tanh => x.tanh(),
    }
}

/// `1 / (1 + e^-x)`
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.)?.recip()
}

/// Returns the derivative at `x`.
pub fn slope(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        // Φ(x) + x φ(x)
        Activation::Gelu => {
            let cumulative =
                x.affine(std::f64::consts::FRAC_1_SQRT_2, 0.)?.erf()?.affine(0.5, 0.5)?;
            let density = x.sqr()?.affine(-0.5, 0.)?.exp()?.affine(0.5 * SLOPE, 0.)?;
            cumulative + (x * density)?
        }
        // with u = s (x + c x³), t = tanh u: (1 + t)/2 + x/2 (1 - t²) s (1 + 3 c x²)
        Activation::GeluTanh => {
            let square = x.sqr()?;
            let t = (x * square.affine(SLOPE * CUBIC, SLOPE)?)?.tanh()?;
            let inner = square.affine(3. * SLOPE * CUBIC, SLOPE)?;
            let bend = (t.sqr()?.affine(-0.5, 0.5)? * x)?;
            t.affine(0.5, 0.5)? + (bend * inner)?
        }
        // with s = sigmoid c x: s (1 + c x (1 - s))
        Activation::GeluQuick => {
            let scaled = x.affine(Activation::QUICK_SLOPE, 0.)?;
            let sigmoid = sigmoid(&scaled)?;
            let inner = (scaled * sigmoid.affine(-1., 1.)?)?;
            sigmoid * (inner + 1.)?
        }
        Activation::Relu => x.gt(&x.zeros_like()?)?.to_dtype(x.dtype()),
        // with s = sigmoid x: s (1 + x (1 - s))
        Activation::Silu => {
            let sigmoid = sigmoid(x)?;
            let inner = (x * sigmoid.affine(-1., 1.)?)?;
            sigmoid * (inner + 1.)?
        }
        Activation::Sigmoid => {
            let sigmoid = sigmoid(x)?;
            &sigmoid * sigmoid.affine(-1., 1.)?
        }
        Activation::Tanh => x.tanh()?.sqr()?.affine(-1., 1.),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::candle::testing::{check_vjp, random};

    #[test]
    fn every_derivative_equals_finite_differences() {
        let x = (random(&[6, 11], 4) * 2.5).unwrap();
        for activation in Activation::ALL {
            check_vjp(&x, |x| forward(activation, x), |x, grad| slope(activation, x)? * grad);
        }
    }
}
