//! Scaled dot-product attention (Vaswani et al. 2017) over packed rows.
//!
//! Rows of different lengths lie one after the other in `[total tokens, …]`,
//! without padding, so no mask exists and no row can attend to another. Rows of
//! equal length lie together as one [`Group`] and share their matrix products.

use std::ops::Range;

use candle_core::{D, Result, Tensor};

/// Neighbouring rows of one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The first packed token.
    pub start: usize,
    pub rows: usize,
    pub tokens: usize,
}

impl Group {
    /// The packed tokens of the group's `i`-th row.
    pub fn row(&self, i: usize) -> Range<usize> {
        let start = self.start + i * self.tokens;
        start..start + self.tokens
    }
}

/// The shape of multi-head attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    pub heads: usize,
    pub head_size: usize,
}

/// What the forward pass of one group leaves; `[rows, heads, tokens, …]`.
#[derive(Debug)]
pub struct Attended {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    /// `[rows, heads, query, key]`
    pub weights: Tensor,
}

impl Attention {
    fn hidden(&self) -> usize {
        self.heads * self.head_size
    }

    fn scale(&self) -> f64 {
        1. / (self.head_size as f64).sqrt()
    }

    /// Query, key and value side by side, `[total, 3 hidden]`, to the context
    /// `[total, hidden]`.
    pub fn forward(&self, qkv: &Tensor, groups: &[Group]) -> Result<(Tensor, Vec<Attended>)> {
        let mut contexts = Vec::with_capacity(groups.len());
        let mut saved = Vec::with_capacity(groups.len());
        for group in groups {
            let (context, attended) = self.forward_group(qkv, group)?;
            contexts.push(context);
            saved.push(attended);
        }
        Ok((Tensor::cat(&contexts, 0)?, saved))
    }

    fn forward_group(&self, qkv: &Tensor, group: &Group) -> Result<(Tensor, Attended)> {
        let part = |i: usize| self.split(&self.slice(qkv, group, i)?, group);
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);
        let scores = (query.matmul(&key.t()?)? * self.scale())?;
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        let context = self.join(&weights.matmul(&value)?, group)?;
        Ok((context, Attended { query, key, value, weights }))
    }

    /// Gradient at the context `[total, hidden]` → at query, key and value
    /// `[total, 3 hidden]`.
    pub fn vjp(&self, saved: &[Attended], groups: &[Group], grad: &Tensor) -> Result<Tensor> {
        let parts: Vec<Tensor> = saved
            .iter()
            .zip(groups)
            .map(|(attended, group)| {
                let grad = grad.narrow(0, group.start, group.rows * group.tokens)?;
                self.vjp_group(attended, group, &grad)
            })
            .collect::<Result<_>>()?;
        Tensor::cat(&parts, 0)
    }

    /// With weights `A = softmax(S)`, `S = s Q Kᵀ`:
    /// `∂V = Aᵀ ∂C`, `∂A = ∂C Vᵀ`, `∂S = A (∂A - Σ_key A ∂A)`,
    /// `∂Q = s ∂S K`, `∂K = s ∂Sᵀ Q`.
    fn vjp_group(&self, saved: &Attended, group: &Group, grad: &Tensor) -> Result<Tensor> {
        let grad = self.split(grad, group)?;
        let weights = &saved.weights;
        let value = weights.t()?.matmul(&grad)?;
        let grad_weights = grad.matmul(&saved.value.t()?)?;
        let along = (weights * &grad_weights)?.sum_keepdim(D::Minus1)?;
        let scores = ((weights * grad_weights.broadcast_sub(&along)?)? * self.scale())?;
        let query = scores.matmul(&saved.key)?;
        let key = scores.t()?.matmul(&saved.query)?;
        let joined = [query, key, value]
            .iter()
            .map(|part| self.join(part, group))
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&joined, 1)
    }

    fn slice(&self, qkv: &Tensor, group: &Group, part: usize) -> Result<Tensor> {
        qkv.narrow(0, group.start, group.rows * group.tokens)?.narrow(
            1,
            part * self.hidden(),
            self.hidden(),
        )
    }

    /// `[rows · tokens, hidden]` → `[rows, heads, tokens, head size]`
    fn split(&self, x: &Tensor, group: &Group) -> Result<Tensor> {
        x.reshape((group.rows, group.tokens, self.heads, self.head_size))?
            .transpose(1, 2)?
            .contiguous()
    }

    /// `[rows, heads, tokens, head size]` → `[rows · tokens, hidden]`
    fn join(&self, x: &Tensor, group: &Group) -> Result<Tensor> {
        x.transpose(1, 2)?.contiguous()?.reshape((group.rows * group.tokens, self.hidden()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{check_vjp, random};

    const SHAPE: Attention = Attention { heads: 3, head_size: 4 };

    fn groups() -> Vec<Group> {
        vec![Group { start: 0, rows: 2, tokens: 3 }, Group { start: 6, rows: 1, tokens: 5 }]
    }

    #[test]
    fn vjp_equals_finite_differences() {
        let groups = groups();
        check_vjp(
            &random(&[11, 36], 7),
            |qkv| Ok(SHAPE.forward(qkv, &groups)?.0),
            |qkv, grad| SHAPE.vjp(&SHAPE.forward(qkv, &groups)?.1, &groups, grad),
        );
    }

    #[test]
    fn every_query_spreads_one_over_its_own_row() {
        let (_, saved) = SHAPE.forward(&random(&[11, 36], 7), &groups()).unwrap();
        assert_eq!(saved[0].weights.dims(), [2, 3, 3, 3]);
        assert_eq!(saved[1].weights.dims(), [1, 3, 5, 5]);
        for attended in saved {
            let sums = attended.weights.sum(D::Minus1).unwrap().flatten_all().unwrap();
            for sum in sums.to_vec1::<f64>().unwrap() {
                assert!((sum - 1.).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_row_does_not_see_its_neighbours() {
        let groups = groups();
        let one = random(&[11, 36], 7);
        let other = Tensor::cat(&[one.narrow(0, 0, 6).unwrap(), random(&[5, 36], 8)], 0).unwrap();
        let context = |qkv: &Tensor| {
            let (context, _) = SHAPE.forward(qkv, &groups).unwrap();
            context.narrow(0, 0, 6).unwrap().to_vec2::<f64>().unwrap()
        };
        assert_eq!(context(&one), context(&other));
    }
}
