//! `y = x Wᵀ + b`.

use candle_core::{DType, Result, Tensor};

use super::kernels::{self, Part};
use crate::blocks::Activation;

/// An affine map with weight `[out, in]` and bias `[out]`, as in checkpoints.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
    /// Whether the factors of products are rounded to bf16.
    rounded: bool,
}

impl Linear {
    pub fn new(weight: Tensor, bias: Tensor) -> Self {
        Self { weight, bias, rounded: false }
    }

    /// Returns a map whose products have factors in bf16, and sums and results in f32.
    pub fn rounded(weight: &Tensor, bias: Tensor) -> Result<Self> {
        let mut weight = weight.to_dtype(DType::BF16)?;
        // candle has no products in bf16 on the CPU: there, f32 holds the rounded numbers.
        if weight.device().is_cpu() {
            weight = weight.to_dtype(bias.dtype())?;
        }
        Ok(Self { weight, bias, rounded: true })
    }

    /// Returns maps of the same input as one, and each of them as a part of it.
    pub fn joined(maps: &[Self; 3]) -> Result<(Self, [Self; 3])> {
        let cat = |part: fn(&Self) -> &Tensor| Tensor::cat(&maps.each_ref().map(part), 0);
        let joined =
            Self { weight: cat(|map| &map.weight)?, bias: cat(|map| &map.bias)?, ..maps[0] };
        let mut start = 0;
        let mut parts = maps.clone();
        for part in &mut parts {
            let outputs = part.bias.dim(0)?;
            part.weight = joined.weight.narrow(0, start, outputs)?;
            part.bias = joined.bias.narrow(0, start, outputs)?;
            start += outputs;
        }
        Ok((joined, parts))
    }

    /// Returns the map to some outputs.
    pub fn some_outputs(&self, outputs: &[usize]) -> Result<Self> {
        let outputs: Vec<u32> = outputs.iter().map(|&output| output as u32).collect();
        let outputs = Tensor::new(outputs, self.weight.device())?;
        let select = |of: &Tensor| of.index_select(&outputs, 0);
        Ok(Self { weight: select(&self.weight)?, bias: select(&self.bias)?, ..*self })
    }

    /// `[n, in]` → `[n, out]`, added onto another array.
    pub fn forward(&self, x: &Tensor, onto: Option<&Tensor>) -> Result<Tensor> {
        kernels::add_bias(&self.product(x, &self.weight.t()?)?, &self.bias, onto)
    }

    /// Returns `activation(x Wᵀ + b)`, `[n, out]`, and the activation's derivative in the first
    /// `slopes` rows, at least one: a device has no empty arrays.
    pub fn activated(
        &self,
        activation: Activation,
        x: &Tensor,
        slopes: usize,
    ) -> Result<(Tensor, Tensor)> {
        let y = self.product(x, &self.weight.t()?)?;
        let first = y.narrow(0, 0, slopes.clamp(1, y.dim(0)?))?;
        let value = kernels::activate(activation, Part::Value, &y, &self.bias)?;
        Ok((value, kernels::activate(activation, Part::Derivative, &first, &self.bias)?))
    }

    /// Gradient at the output `[n, out]` → at the input `[n, in]`.
    pub fn vjp(&self, grad: &Tensor) -> Result<Tensor> {
        self.product(grad, &self.weight)
    }

    fn product(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        if !self.rounded {
            return x.matmul(weight);
        }
        let factor = x.contiguous()?.to_dtype(DType::BF16)?.to_dtype(weight.dtype())?;
        kernels::product(&factor, weight)
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
    fn joined_maps_are_the_same_side_by_side() {
        let maps = [linear(5, 7, 1), linear(2, 7, 3), linear(5, 7, 5)];
        let (joined, parts) = Linear::joined(&maps).unwrap();
        let x = random(&[3, 7], 9);
        let rows = |map: &Linear| map.forward(&x, None).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(maps.each_ref().map(rows), parts.each_ref().map(rows));
        let side_by_side = Tensor::cat(&maps.each_ref().map(|m| m.forward(&x, None).unwrap()), 1);
        assert_eq!(rows(&joined), side_by_side.unwrap().to_vec2::<f64>().unwrap());
    }

    #[test]
    fn vjp_equals_finite_differences() {
        let map = linear(5, 7, 1);
        check_vjp(&random(&[3, 7], 3), |x| map.forward(x, None), |_, grad| map.vjp(grad));
    }
}
