//! States of a row as one vector.

use std::ops::Range;

use candle_core::{DType, Result, Tensor};

use crate::blocks::Pool;

/// Where the largest number of each dimension is, `[1, width]` of each range, counted
/// from its beginning; none where no way asks for it.
pub struct Pooled {
    largest: Vec<Option<Tensor>>,
}

fn weights(like: &Tensor, weights: Vec<f64>) -> Result<Tensor> {
    let shape = (1, weights.len());
    Tensor::from_vec(weights, shape, like.device())?.to_dtype(like.dtype())
}

/// Each range by each way of `pool`, side by side.
pub fn pool(x: &Tensor, pool: &Pool, ranges: &[Range<usize>]) -> Result<(Tensor, Pooled)> {
    let (mut rows, mut largest) = (Vec::new(), Vec::new());
    for range in ranges {
        let states = x.narrow(0, range.start, range.len())?;
        let (mut ways, mut places) = (Vec::new(), None);
        for way in &pool.ways {
            ways.push(match pool.weights(*way, range.len()) {
                Some(sum) => weights(x, sum)?.matmul(&states)?,
                None => {
                    let found = states.argmax_keepdim(0)?;
                    let taken = states.gather(&found, 0)?;
                    places = Some(found);
                    taken
                }
            });
        }
        rows.push(Tensor::cat(&ways, 1)?);
        largest.push(places);
    }
    Ok((Tensor::cat(&rows, 0)?, Pooled { largest }))
}

/// Gradient at the vectors → at the rows; the ranges lie one after the other.
pub fn pool_vjp(
    grad: &Tensor,
    pool: &Pool,
    saved: &Pooled,
    ranges: &[Range<usize>],
) -> Result<Tensor> {
    let width = grad.dim(1)? / pool.ways.len();
    let of_range = |(i, range): (usize, &Range<usize>)| {
        let mut sum = Tensor::zeros((range.len(), width), grad.dtype(), grad.device())?;
        for (number, way) in pool.ways.iter().enumerate() {
            let part = grad.narrow(0, i, 1)?.narrow(1, number * width, width)?.contiguous()?;
            sum = match (pool.weights(*way, range.len()), &saved.largest[i]) {
                (Some(parts), _) => (sum + weights(grad, parts)?.t()?.matmul(&part)?)?,
                (None, Some(places)) => sum.scatter_add(&places.to_dtype(DType::U32)?, &part, 0)?,
                (None, None) => sum,
            };
        }
        Ok(sum)
    };
    Tensor::cat(&ranges.iter().enumerate().map(of_range).collect::<Result<Vec<_>>>()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::candle::testing::{check_vjp, random};
    use crate::blocks::Way;

    #[test]
    fn every_way_equals_finite_differences_alone_and_side_by_side() {
        let all = [Way::First, Way::Last, Way::Mean, Way::MeanSqrt, Way::WeightedMean, Way::Max];
        let x = random(&[7, 5], 3);
        let ranges = [0..2, 2..3, 3..7];
        for ways in all.chunks(1).chain([&all[..]]) {
            let by = Pool { ways: ways.into(), skip: 2 };
            let saved = |x: &Tensor| pool(x, &by, &ranges).unwrap().1;
            check_vjp(
                &x,
                |x| Ok(pool(x, &by, &ranges)?.0),
                |x, grad| pool_vjp(grad, &by, &saved(x), &ranges),
            );
        }
    }

    #[test]
    fn vectors_are_what_torch_makes_of_them() {
        // [[1, 4], [3, 2], [-1, 0]] by hand.
        let x = Tensor::new(&[[1f64, 4.], [3., 2.], [-1., 0.]], random(&[1], 1).device()).unwrap();
        let by = |way: Way| {
            let by = Pool { ways: vec![way], skip: 0 };
            pool(&x, &by, std::slice::from_ref(&(0..3)))
                .unwrap()
                .0
                .to_vec2::<f64>()
                .unwrap()
                .remove(0)
        };
        assert_eq!(by(Way::First), [1., 4.]);
        assert_eq!(by(Way::Last), [-1., 0.]);
        assert_eq!(by(Way::Max), [3., 4.]);
        let near = |way: Way, expected: [f64; 2]| {
            let gap = by(way).iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
            assert!(gap < 1e-12, "{way:?}");
        };
        near(Way::Mean, [1., 2.]);
        near(Way::MeanSqrt, [3. / 3f64.sqrt(), 6. / 3f64.sqrt()]);
        near(Way::WeightedMean, [4. / 6., 8. / 6.]);
    }
}
