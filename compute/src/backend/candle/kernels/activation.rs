//! Activations with their bias and their derivatives.

use candle_core::cpu::erf::erf_f64;
use candle_core::{Layout, Result, Shape, Tensor, WithDType};

#[cfg(feature = "cuda")]
use super::cuda;
use super::{Input, Kernel, Op, numbers};
use crate::blocks::Activation;

/// Which of the two numbers the kernel returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Value,
    Derivative,
}

/// Returns a part of `activation(x + bias)`, `[n, width]`. The two parts take a launch each, so that
/// the derivative, which a backward pass needs, does not keep the value in memory.
pub fn activate(activation: Activation, part: Part, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2_no_bwd(bias, &Op(Activate { activation, part }))
}

/// Of x and the bias.
struct Activate {
    activation: Activation,
    part: Part,
}

impl Kernel<2> for Activate {
    const NAME: &'static str = "activate";

    fn shape(&self, [x, _]: [&Layout; 2]) -> Result<Shape> {
        Ok(x.shape().clone())
    }

    fn compute<T: WithDType>(&self, [x, bias]: [Input<'_>; 2]) -> Result<Vec<T>> {
        let (x, bias) = (numbers::<T>(x)?, numbers::<T>(bias)?);
        let biased = x.iter().zip(bias.iter().cycle()).map(|(x, b)| x.to_f64() + b.to_f64());
        let part = |x| match (at(self.activation, x), self.part) {
            ((value, _), Part::Value) => value,
            ((_, derivative), Part::Derivative) => derivative,
        };
        Ok(biased.map(|x| T::from_f64(part(x))).collect())
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 2]) -> Result<candle_core::CudaStorage> {
        let (rows, width) = inputs[0].1.shape().dims2()?;
        let derivative = usize::from(self.part == Part::Derivative);
        cuda::Launch {
            name: Self::NAME,
            inputs: &inputs,
            indices: None,
            by: cuda::By::Threads,
            out: rows * width,
            integers: &[rows, width, self.activation as usize, derivative],
            reals: &[],
        }
        .run()
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
                |x| activate(activation, Part::Value, x, &bias),
                |x, grad| activate(activation, Part::Derivative, x, &bias)? * grad,
            );
        }
    }
}
