//! Rearranges numbers. candle's own copies of strided tensors and of rows send shapes to the device
//! at every call, which takes longer than the copy.

use candle_core::{Layout, Result, Shape, Tensor, WithDType, bail};

use super::{Input, Kernel, Op, numbers, rows_of};
#[cfg(feature = "cuda")]
use super::{cuda, stride_of_rows};
use crate::backend::Heads;

/// Returns the rows of `x`, `[n, width]`, with these indices, `[m]` as i64.
pub fn rows(x: &Tensor, indices: &Tensor) -> Result<Tensor> {
    match x.dtype().is_float() {
        true => x.apply_op2_no_bwd(indices, &Op(Rows)),
        // Where maxima are.
        false => x.index_select(indices, 0),
    }
}

/// `[spans · tokens, hidden]` → `[spans, heads, tokens, head size]`
pub fn split_heads(x: &Tensor, spans: usize, heads: Heads) -> Result<Tensor> {
    x.apply_op1_no_bwd(&Op(SplitHeads { spans, heads }))
}

/// `[spans, heads, tokens, head size]` → `[spans · tokens, hidden]`
pub fn join_heads(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1_no_bwd(&Op(JoinHeads))
}

/// Like [`join_heads`], for three arrays side by side: `[spans · tokens, 3 · hidden]`
pub fn join_heads_of_three([a, b, c]: [&Tensor; 3]) -> Result<Tensor> {
    a.contiguous()?.apply_op3_no_bwd(&b.contiguous()?, &c.contiguous()?, &Op(JoinHeads))
}

/// Of x and indices.
struct Rows;

struct SplitHeads {
    spans: usize,
    heads: Heads,
}

struct JoinHeads;

impl Kernel<2> for Rows {
    const NAME: &'static str = "rows";

    fn shape(&self, [x, indices]: [&Layout; 2]) -> Result<Shape> {
        Ok((indices.shape().elem_count(), x.shape().dims2()?.1).into())
    }

    fn compute<T: WithDType>(&self, [x, indices]: [Input<'_>; 2]) -> Result<Vec<T>> {
        let (count, x) = (x.1.shape().dims2()?.0, rows_of::<T>(x)?);
        let mut out = Vec::new();
        for &index in numbers::<i64>(indices)? {
            match usize::try_from(index).ok().filter(|&index| index < count) {
                Some(index) => out.extend_from_slice(x(index)),
                None => bail!("there is no row {index} among {count}"),
            }
        }
        Ok(out)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, [x, indices]: [cuda::Input<'_>; 2]) -> Result<candle_core::CudaStorage> {
        let (rows, width) = (indices.1.shape().elem_count(), x.1.shape().dims2()?.1);
        cuda::Launch {
            name: <Self as Kernel<2>>::NAME,
            inputs: &[x],
            indices: Some(indices),
            by: cuda::By::Threads,
            out: rows * width,
            integers: &[rows, width, stride_of_rows(x.1)?],
            reals: &[],
        }
        .run()
    }
}

impl Kernel<1> for SplitHeads {
    const NAME: &'static str = "split_heads";

    fn shape(&self, [x]: [&Layout; 1]) -> Result<Shape> {
        let tokens = x.shape().dims2()?.0 / self.spans;
        Ok((self.spans, self.heads.count, tokens, self.heads.size).into())
    }

    fn compute<T: WithDType>(&self, [x]: [Input<'_>; 1]) -> Result<Vec<T>> {
        let (total, hidden) = x.1.shape().dims2()?;
        let (tokens, Heads { count, size }) = (total / self.spans, self.heads);
        let x = rows_of::<T>(x)?;
        let mut out = Vec::with_capacity(total * hidden);
        for row in 0..self.spans * count * tokens {
            let (span, head, token) = (row / (count * tokens), row / tokens % count, row % tokens);
            out.extend_from_slice(&x(span * tokens + token)[head * size..][..size]);
        }
        Ok(out)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 1]) -> Result<candle_core::CudaStorage> {
        let (total, hidden) = inputs[0].1.shape().dims2()?;
        let (tokens, Heads { count, size }) = (total / self.spans, self.heads);
        cuda::Launch {
            name: Self::NAME,
            inputs: &inputs,
            indices: None,
            by: cuda::By::Threads,
            out: total * hidden,
            integers: &[self.spans, tokens, count, size, stride_of_rows(inputs[0].1)?],
            reals: &[],
        }
        .run()
    }
}

impl JoinHeads {
    fn shape(x: &Layout, arrays: usize) -> Result<Shape> {
        let (spans, heads, tokens, size) = x.shape().dims4()?;
        Ok((spans * tokens, arrays * heads * size).into())
    }

    fn compute<T: WithDType>(arrays: &[Input<'_>]) -> Result<Vec<T>> {
        let (spans, heads, tokens, size) = arrays[0].1.shape().dims4()?;
        let all = arrays.iter().map(|&array| numbers::<T>(array)).collect::<Result<Vec<_>>>()?;
        let mut out = Vec::new();
        for (span, token) in (0..spans).flat_map(|span| (0..tokens).map(move |t| (span, t))) {
            for (array, head) in all.iter().flat_map(|x| (0..heads).map(move |head| (x, head))) {
                out.extend_from_slice(
                    &array[((span * heads + head) * tokens + token) * size..][..size],
                );
            }
        }
        Ok(out)
    }

    #[cfg(feature = "cuda")]
    fn launch(name: &'static str, inputs: &[cuda::Input<'_>]) -> Result<candle_core::CudaStorage> {
        let (spans, heads, tokens, size) = inputs[0].1.shape().dims4()?;
        cuda::Launch {
            name,
            inputs,
            indices: None,
            by: cuda::By::Threads,
            out: inputs.len() * spans * heads * tokens * size,
            integers: &[spans, tokens, heads, size],
            reals: &[],
        }
        .run()
    }
}

impl Kernel<1> for JoinHeads {
    const NAME: &'static str = "join_heads";

    fn shape(&self, [x]: [&Layout; 1]) -> Result<Shape> {
        Self::shape(x, 1)
    }

    fn compute<T: WithDType>(&self, inputs: [Input<'_>; 1]) -> Result<Vec<T>> {
        Self::compute(&inputs)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 1]) -> Result<candle_core::CudaStorage> {
        Self::launch(<Self as Kernel<1>>::NAME, &inputs)
    }
}

impl Kernel<3> for JoinHeads {
    const NAME: &'static str = "join_heads_of_three";

    fn shape(&self, [x, ..]: [&Layout; 3]) -> Result<Shape> {
        Self::shape(x, 3)
    }

    fn compute<T: WithDType>(&self, inputs: [Input<'_>; 3]) -> Result<Vec<T>> {
        Self::compute(&inputs)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, inputs: [cuda::Input<'_>; 3]) -> Result<candle_core::CudaStorage> {
        Self::launch(<Self as Kernel<3>>::NAME, &inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::candle::testing::random;

    const HEADS: Heads = Heads { count: 3, size: 4 };

    fn flat(x: &Tensor) -> Vec<f64> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn heads_are_split_and_joined_again() {
        // Some columns of a wider array, as of query, key and value side by side.
        let wide = random(&[10, 36], 1);
        let parts = [0, 12, 24].map(|start| wide.narrow(1, start, 12).unwrap());
        let split = parts.each_ref().map(|part| split_heads(part, 2, HEADS).unwrap());
        for (part, split) in parts.iter().zip(&split) {
            let exact = part.contiguous().unwrap().reshape((2, 5, 3, 4)).unwrap();
            let exact = exact.transpose(1, 2).unwrap();
            assert_eq!(split.dims(), exact.dims());
            assert_eq!(flat(split), flat(&exact));
            assert_eq!(flat(&join_heads(split).unwrap()), flat(part));
        }
        let joined = join_heads_of_three(split.each_ref()).unwrap();
        assert_eq!(joined.dims(), wide.dims());
        assert_eq!(flat(&joined), flat(&wide));
    }

    #[test]
    fn rows_come_in_any_order() {
        let x = random(&[4, 6], 1);
        let indices = |list: &[i64]| Tensor::new(list, x.device()).unwrap();
        let part = x.narrow(0, 1, 3).unwrap().narrow(1, 2, 3).unwrap();
        let exact = part.contiguous().unwrap().index_select(&indices(&[2, 0, 2]), 0).unwrap();
        assert_eq!(flat(&rows(&part, &indices(&[2, 0, 2])).unwrap()), flat(&exact));
        assert!(rows(&x, &indices(&[4])).is_err());
    }
}
