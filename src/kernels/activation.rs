//! Activations by their names in config.json, and their derivatives.

use candle_core::{Result, Tensor};

/// An elementwise function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`, Φ the normal distribution (Hendrycks & Gimpel 2016).
    Gelu,
    /// Its approximation by tanh.
    GeluTanh,
    Relu,
    Silu,
    Tanh,
}

/// sqrt(2 / π), the slope inside the tanh approximation.
const SLOPE: f64 = 0.797_884_560_802_865_4;
const CUBIC: f64 = 0.044_715;

impl Activation {
    /// The activation that a config.json's `hidden_act` names.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            "silu" | "swish" => Some(Self::Silu),
            "tanh" => Some(Self::Tanh),
            _ => None,
        }
    }

    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::Relu => x.relu(),
            Self::Silu => x.silu(),
            Self::Tanh => x.tanh(),
        }
    }

    /// Gradient at the output → at the input `x`.
    pub fn vjp(self, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
        self.derivative(x)? * grad
    }

    fn derivative(self, x: &Tensor) -> Result<Tensor> {
        match self {
            // Φ(x) + x φ(x)
            Self::Gelu => {
                let cumulative =
                    x.affine(std::f64::consts::FRAC_1_SQRT_2, 0.)?.erf()?.affine(0.5, 0.5)?;
                let density = x.sqr()?.affine(-0.5, 0.)?.exp()?.affine(0.5 * SLOPE, 0.)?;
                cumulative + (x * density)?
            }
            // with u = s (x + c x³), t = tanh u: (1 + t)/2 + x/2 (1 - t²) s (1 + 3 c x²)
            Self::GeluTanh => {
                let square = x.sqr()?;
                let t = (x * square.affine(SLOPE * CUBIC, SLOPE)?)?.tanh()?;
                let inner = square.affine(3. * SLOPE * CUBIC, SLOPE)?;
                let bend = (t.sqr()?.affine(-0.5, 0.5)? * x)?;
                t.affine(0.5, 0.5)? + (bend * inner)?
            }
            Self::Relu => x.gt(&x.zeros_like()?)?.to_dtype(x.dtype()),
            // with s = sigmoid x: s (1 + x (1 - s))
            Self::Silu => {
                let sigmoid = (x.neg()?.exp()? + 1.)?.recip()?;
                let inner = (x * sigmoid.affine(-1., 1.)?)?;
                sigmoid * (inner + 1.)?
            }
            Self::Tanh => x.tanh()?.sqr()?.affine(-1., 1.),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{check_vjp, random};

    #[test]
    fn every_derivative_equals_finite_differences() {
        let x = (random(&[6, 11], 4) * 2.5).unwrap();
        for name in ["gelu", "gelu_new", "relu", "silu", "tanh"] {
            let activation = Activation::from_name(name).unwrap();
            check_vjp(&x, |x| activation.forward(x), |x, grad| activation.vjp(x, grad));
        }
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert_eq!(Activation::from_name("geglu"), None);
    }
}
