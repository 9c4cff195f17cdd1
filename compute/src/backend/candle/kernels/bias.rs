//! The bias of a linear map, and what its result is added onto.

use candle_core::{Layout, Result, Shape, Tensor, WithDType};

#[cfg(feature = "cuda")]
use super::cuda;
use super::{Input, Kernel, Op, numbers};

/// Returns `x + bias`, `[n, width]`, or `x + bias + onto`.
pub fn add_bias(x: &Tensor, bias: &Tensor, onto: Option<&Tensor>) -> Result<Tensor> {
    let x = x.contiguous()?;
    match onto {
        None => x.apply_op2_no_bwd(bias, &Op(AddBias)),
        Some(onto) => x.apply_op3_no_bwd(bias, &onto.contiguous()?, &Op(AddBiasOnto)),
    }
}

/// To x, the bias.
struct AddBias;

/// To x, the bias and another array of the same shape.
struct AddBiasOnto;

/// Returns `x + bias` in f64.
fn biased<'a, T: WithDType>(x: &'a [T], bias: &'a [T]) -> impl Iterator<Item = f64> {
    x.iter().zip(bias.iter().cycle()).map(|(x, bias)| x.to_f64() + bias.to_f64())
}

#[cfg(feature = "cuda")]
fn launch(name: &'static str, inputs: &[cuda::Input<'_>]) -> Result<candle_core::CudaStorage> {
    let (rows, width) = inputs[0].1.shape().dims2()?;
    cuda::Launch {
        name,
        inputs,
        indices: None,
        by: cuda::By::Threads,
        out: rows * width,
        integers: &[rows, width],
        reals: &[],
    }
    .run()
}

impl Kernel<2> for AddBias {
    const NAME: &'static str = "add_bias";

    fn shape(&self, [x, _]: [&Layout; 2]) -> Result<Shape> {
        Ok(x.shape().clone())
    }

    fn compute<T: WithDType>(&self, [x, bias]: [Input<'_>; 2]) -> Result<Vec<T>> {
        let (x, bias) = (numbers::<T>(x)?, numbers::<T>(bias)?);
        Ok(biased(x, bias).map(T::from_f64).collect())
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 2]) -> Result<candle_core::CudaStorage> {
        launch(Self::NAME, &inputs)
    }
}

impl Kernel<3> for AddBiasOnto {
    const NAME: &'static str = "add_bias_onto";

    fn shape(&self, [x, ..]: [&Layout; 3]) -> Result<Shape> {
        Ok(x.shape().clone())
    }

    fn compute<T: WithDType>(&self, [x, bias, onto]: [Input<'_>; 3]) -> Result<Vec<T>> {
        let (x, bias, onto) = (numbers::<T>(x)?, numbers::<T>(bias)?, numbers::<T>(onto)?);
        let sums = biased(x, bias).zip(onto).map(|(x, onto)| x + onto.to_f64());
        Ok(sums.map(T::from_f64).collect())
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 3]) -> Result<candle_core::CudaStorage> {
        launch(Self::NAME, &inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::candle::testing::random;

    #[test]
    fn it_is_what_tensors_add() {
        let (x, bias, onto) = (random(&[5, 7], 1), random(&[7], 2), random(&[5, 7], 3));
        let rows = |x: Tensor| x.to_vec2::<f64>().unwrap();
        let sum = x.broadcast_add(&bias).unwrap();
        assert_eq!(rows(add_bias(&x, &bias, None).unwrap()), rows(sum.clone()));
        let sum = (sum + &onto).unwrap();
        assert_eq!(rows(add_bias(&x, &bias, Some(&onto)).unwrap()), rows(sum));
    }
}
