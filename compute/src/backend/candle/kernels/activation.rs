//! Activations with their bias and their derivatives.

use candle_core::cpu::erf::erf_f64;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::{Input, Twin, numbers, run};
use crate::blocks::Activation;

/// Which of the two numbers a kernel returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Value,
    Derivative,
}

/// Returns `activation(x + bias)` and the derivative there, `[n, width]` each: in two launches, so
/// that the derivative, which a backward pass needs, does not keep the value in memory.
pub fn activate(activation: Activation, x: &Tensor, bias: &Tensor) -> Result<(Tensor, Tensor)> {
    let x = x.contiguous()?;
    let part = |part| x.apply_op2_no_bwd(bias, &Activate { activation, part });
    Ok((part(Part::Value)?, part(Part::Derivative)?))
}

/// Of x and the bias.
struct Activate {
    activation: Activation,
    part: Part,
}

struct ActivateTwin<'a> {
    activation: Activation,
    part: Part,
    x: Input<'a>,
    bias: Input<'a>,
}

impl Twin for ActivateTwin<'_> {
    fn run<T: WithDType>(&self) -> Result<Vec<T>> {
        let (x, bias) = (numbers::<T>(self.x)?, numbers::<T>(self.bias)?);
        let biased = x.iter().zip(bias.iter().cycle()).map(|(x, b)| x.to_f64() + b.to_f64());
        let part = |x| match (at(self.activation, x), self.part) {
            ((value, _), Part::Value) => value,
            ((_, derivative), Part::Derivative) => derivative,
        };
        Ok(biased.map(|x| T::from_f64(part(x))).collect())
    }
}

fn sigmoid(x: f64) -> f64 {
    1. / (1. + (-x).exp())
}

/// Returns the activation of x and its derivative.
fn at(activation: Activation, x: f64) -> (f64, f64) {
    const SLOPE: f64 = Activation::TANH_SLOPE;
    const CUBIC: f64 = Activation::TANH_CUBIC;
    let logistic = |c: f64| {
        let s = sigmoid(c * x);
        (x * s, s * (1. + c * x * (1. - s)))
    };
    match activation {
        // Φ(x) + x φ(x)
        Activation::Gelu => {
            let cumulative = 0.5 * (1. + erf_f64(x * std::f64::consts::FRAC_1_SQRT_2));
            let density = 0.5 * SLOPE * (-0.5 * x * x).exp();
            (x * cumulative, cumulative + x * density)
        }
        // with u = s (x + c x³), t = tanh u: (1 + t)/2 + x/2 (1 - t²) s (1 + 3 c x²)
        Activation::GeluTanh => {
            let t = (SLOPE * (x + CUBIC * x * x * x)).tanh();
            let inner = SLOPE * (1. + 3. * CUBIC * x * x);
            (0.5 * x * (1. + t), 0.5 * (1. + t) + 0.5 * x * (1. - t * t) * inner)
        }
        Activation::GeluQuick => logistic(Activation::QUICK_SLOPE),
        Activation::Silu => logistic(1.),
        Activation::Relu => (x.max(0.), f64::from(u8::from(x > 0.))),
        Activation::Sigmoid => {
            let s = sigmoid(x);
            (s, s * (1. - s))
        }
        Activation::Tanh => {
            let t = x.tanh();
            (t, 1. - t * t)
        }
    }
}

impl CustomOp2 for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let &Self { activation, part } = self;
        let (x_input, bias) = ((x, x_layout), (bias, bias_layout));
        let twin = ActivateTwin { activation, part, x: x_input, bias };
        Ok((run(&twin, x)?, x_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &candle_core::CudaStorage,
        x_layout: &Layout,
        bias: &candle_core::CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let which = [self.activation as i32, i32::from(self.part == Part::Derivative)];
        super::cuda::activate(&[(x, x_layout), (bias, bias_layout)], which)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::candle::testing::{check_vjp, random};

    #[test]
    fn every_derivative_equals_finite_differences() {
        let (x, bias) = ((random(&[6, 11], 4) * 2.5).unwrap(), random(&[11], 5));
        for activation in Activation::ALL {
            check_vjp(
                &x,
                |x| Ok(activate(activation, x, &bias)?.0),
                |x, grad| activate(activation, x, &bias)?.1 * grad,
            );
        }
    }
}
