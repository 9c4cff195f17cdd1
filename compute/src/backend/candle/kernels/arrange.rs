//! Rearranges numbers. candle's own copies of strided tensors and of rows send shapes to the device
//! at every call, which takes longer than the copy.

use candle_core::{Layout, Result, Shape, Tensor, WithDType, bail};

#[cfg(feature = "cuda")]
use super::cuda;
use super::{Input, Kernel, Op, numbers};

/// `[a, b, c, d]` → `[a, c, b, d]`
pub fn swapped(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1_no_bwd(&Op(Swapped))
}

/// Returns the rows of `x`, `[n, width]`, with these indices, `[m]` as i64.
pub fn rows(x: &Tensor, indices: &Tensor) -> Result<Tensor> {
    match x.dtype().is_float() {
        true => x.contiguous()?.apply_op2_no_bwd(indices, &Op(Rows)),
        // Where maxima are.
        false => x.index_select(indices, 0),
    }
}

struct Swapped;

/// Of x and indices.
struct Rows;

impl Kernel<1> for Swapped {
    const NAME: &'static str = "swapped";

    fn shape(&self, [x]: [&Layout; 1]) -> Result<Shape> {
        let (a, b, c, d) = x.shape().dims4()?;
        Ok((a, c, b, d).into())
    }

    fn compute<T: WithDType>(&self, [x]: [Input<'_>; 1]) -> Result<Vec<T>> {
        let (a, b, c, d) = x.1.shape().dims4()?;
        let x = numbers::<T>(x)?;
        let mut out = Vec::with_capacity(x.len());
        for row in 0..a * c * b {
            let (i, k, j) = (row / (c * b), row / b % c, row % b);
            out.extend_from_slice(&x[((i * b + j) * c + k) * d..][..d]);
        }
        Ok(out)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 1]) -> Result<candle_core::CudaStorage> {
        let (a, b, c, d) = inputs[0].1.shape().dims4()?;
        cuda::Launch {
            name: Self::NAME,
            inputs: &inputs,
            indices: None,
            by: cuda::By::Threads,
            out: a * b * c * d,
            integers: &[a, b, c, d],
            reals: &[],
        }
        .run()
    }
}

impl Kernel<2> for Rows {
    const NAME: &'static str = "rows";

    fn shape(&self, [x, indices]: [&Layout; 2]) -> Result<Shape> {
        Ok((indices.shape().elem_count(), x.shape().dims2()?.1).into())
    }

    fn compute<T: WithDType>(&self, [x, indices]: [Input<'_>; 2]) -> Result<Vec<T>> {
        let (count, width) = x.1.shape().dims2()?;
        let (x, indices) = (numbers::<T>(x)?, numbers::<i64>(indices)?);
        let mut out = Vec::with_capacity(indices.len() * width);
        for &index in indices {
            match usize::try_from(index).ok().filter(|&index| index < count) {
                Some(index) => out.extend_from_slice(&x[index * width..][..width]),
                None => bail!("there is no row {index} among {count}"),
            }
        }
        Ok(out)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, [x, indices]: [cuda::Input<'_>; 2]) -> Result<candle_core::CudaStorage> {
        let (rows, width) = (indices.1.shape().elem_count(), x.1.shape().dims2()?.1);
        cuda::Launch {
            name: Self::NAME,
            inputs: &[x],
            indices: Some(indices),
            by: cuda::By::Threads,
            out: rows * width,
            integers: &[rows, width],
            reals: &[],
        }
        .run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::candle::testing::random;

    fn flat(x: &Tensor) -> Vec<f64> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn swapped_is_a_transposition() {
        let x = random(&[2, 3, 5, 4], 1);
        let exact = x.transpose(1, 2).unwrap();
        let own = swapped(&x).unwrap();
        assert_eq!(own.dims(), exact.dims());
        assert_eq!(flat(&own), flat(&exact));
        assert_eq!(flat(&swapped(&own).unwrap()), flat(&x));
    }

    #[test]
    fn rows_come_in_any_order() {
        let x = random(&[4, 3], 1);
        let device = x.device();
        let own = rows(&x.narrow(0, 1, 3).unwrap(), &Tensor::new(&[2i64, 0, 2], device).unwrap());
        let exact = x.index_select(&Tensor::new(&[3u32, 1, 3], device).unwrap(), 0).unwrap();
        assert_eq!(flat(&own.unwrap()), flat(&exact));
        assert!(rows(&x, &Tensor::new(&[4i64], device).unwrap()).is_err());
    }
}
