//! Compares the serving back end with the f64 reference, block by block, on every instruction set.
//! The sizes do not fill lines, tiles or panels, and some need more than one part of the inner
//! dimension. The reference is checked against finite differences next to its code.

use std::sync::Arc;

use super::candle::Candle;
use super::cpu::{Cpu, Isa};
use super::{Attention, Backend, Heads, Projected, Relation, Span};
use crate::blocks::{Activation, Angles, Distances, Pool, PoolingMode};

type Matrix = Vec<Vec<f64>>;

/// Reproducible numbers between -1 and 1 that are exact in f32.
fn matrix(rows: usize, width: usize, seed: usize) -> Matrix {
    let number = |i: usize, j: usize| {
        let hash = (i * 7_919 + j * 104_729 + seed * 1_299_709 + 17).wrapping_mul(2_654_435_761);
        ((hash >> 8) % 2_001) as f64 / 1_000. - 1.
    };
    let number = |i, j| f64::from(number(i, j) as f32);
    (0..rows).map(|i| (0..width).map(|j| number(i, j)).collect()).collect()
}

fn flat(matrix: &Matrix) -> Vec<f32> {
    matrix.iter().flatten().map(|&number| number as f32).collect()
}

/// A computation that returns matrices on any back end.
trait Computation {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error>;
}

fn run<B: Backend>(b: &B, computation: &impl Computation) -> Vec<Matrix> {
    computation.run(b).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Asserts that all instruction sets, and what a GPU runs, agree with the reference up to rounding.
fn check(name: &str, computation: &impl Computation) {
    let exact = run(&Candle::reference(), computation);
    for isa in Isa::available() {
        let gap = gap(name, &run(&Cpu::new(isa), computation), &exact);
        assert!(gap <= 3e-6, "{name} on {}: {gap}", isa.name());
    }
    for candle in [Some(Candle::portable()), device()].into_iter().flatten() {
        let gap = gap(name, &run(&candle, computation), &exact);
        assert!(gap <= 3e-6, "{name} on {candle}: {gap}");
    }
}

/// Returns the GPU that `EXPLAIND_TEST_DEVICE` names, such as `cuda:0`, if it is set.
fn device() -> Option<Candle> {
    let name = std::env::var("EXPLAIND_TEST_DEVICE").ok()?;
    let number = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
    Some(Candle::cuda(number.expect("cuda:N")).expect("the device works"))
}

/// Returns the largest difference, relative to the largest number of each result.
fn gap(name: &str, actual: &[Matrix], exact: &[Matrix]) -> f64 {
    let of_matrix = |(actual, exact): (&Matrix, &Matrix)| {
        assert_eq!((actual.len(), actual[0].len()), (exact.len(), exact[0].len()), "{name}");
        let size = exact.iter().flatten().fold(0.1, |max: f64, x| max.max(x.abs()));
        let pairs = actual.iter().flatten().zip(exact.iter().flatten());
        pairs.map(|(a, b)| (a - b).abs()).fold(0., f64::max) / size
    };
    actual.iter().zip(exact).map(of_matrix).fold(0., f64::max)
}

struct Linear {
    rows: usize,
    input: usize,
    out: usize,
    activation: Activation,
}

impl Computation for Linear {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error> {
        let &Self { rows, input, out, activation } = self;
        let scale = |m: Matrix| -> Matrix {
            let by = 1. / (input as f64).sqrt();
            m.into_iter()
                .map(|row| row.iter().map(|x| f64::from((x * by) as f32)).collect())
                .collect()
        };
        let weight = flat(&scale(matrix(out, input, 1)));
        let map = b.load_linear(&weight, &flat(&matrix(1, out, 2)), input)?;
        let x = b.array(&matrix(rows, input, 3))?;
        let (onto, grad) = (b.array(&matrix(rows, out, 4))?, b.array(&matrix(rows, out, 5))?);
        let (active, slope) = b.linear_activated(&map, activation, &x, rows.div_ceil(2))?;
        // Slopes and gradients of the first rows only, as in a backward pass over fewer rows.
        let fewer = b.array(&matrix(rows.div_ceil(2), input, 6))?;
        let back = b.load_linear(&flat(&scale(matrix(input, out, 7))), &vec![0.; input], out)?;
        let through = b.linear_vjp_activated(&back, &slope, &fewer)?;
        Ok(vec![
            b.rows(&b.linear(&map, &x, None)?)?,
            b.rows(&b.linear(&map, &x, Some(&onto))?)?,
            b.rows(&b.linear_vjp(&map, &grad, None)?)?,
            b.rows(&b.linear_vjp(&map, &grad, Some(&x))?)?,
            b.rows(&active)?,
            b.rows(&through)?,
        ])
    }
}

#[test]
fn linear_maps_and_activations() {
    let sizes = [(1, 1, 1), (2, 7, 5), (5, 26, 39), (13, 33, 16), (29, 300, 41), (40, 17, 530)];
    for (rows, input, out) in sizes {
        for activation in Activation::ALL {
            let name = format!("{activation:?} {rows} x {input} to {out}");
            check(&name, &Linear { rows, input, out, activation });
        }
    }
}

struct LayerNorm {
    rows: usize,
    hidden: usize,
}

impl Computation for LayerNorm {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error> {
        let &Self { rows, hidden } = self;
        let (weight, bias) = (flat(&matrix(1, hidden, 1)), flat(&matrix(1, hidden, 2)));
        let norm = b.load_layer_norm(&weight, &bias, 1e-12)?;
        let (y, saved) = b.layer_norm(&norm, b.array(&matrix(rows, hidden, 3))?)?;
        let grad = b.array(&matrix(rows.div_ceil(2), hidden, 4))?;
        Ok(vec![b.rows(&y)?, b.rows(&b.layer_norm_vjp(&norm, &saved, &grad)?)?])
    }
}

#[test]
fn layer_norms() {
    for (rows, hidden) in [(1, 2), (3, 12), (5, 26), (4, 64), (7, 312)] {
        check(&format!("norm {rows} x {hidden}"), &LayerNorm { rows, hidden });
    }
}

/// Which tokens of each row are queries.
#[derive(Debug, Clone, Copy)]
enum Queries {
    All,
    First,
    /// The second and the last token, if the row has them.
    Two,
}

/// The variants of attention.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    Window,
    Rotary,
    Bias,
    Disentangled,
    /// Content-to-position only, with a window.
    Key,
    /// Position-to-content only.
    Query,
}

/// Attention over rows of these lengths.
struct Attending {
    lengths: Vec<usize>,
    heads: Heads,
    queries: Queries,
    kind: Kind,
}

/// Distances beyond this share a bucket.
const REACH: i64 = 20;

impl Attending {
    fn spans(&self) -> Vec<Span> {
        let (mut end, mut queries) = (0, 0);
        let span = |&tokens: &usize| {
            let keys = end..end + tokens;
            end += tokens;
            let positions: Arc<[usize]> = match self.queries {
                Queries::All => return Span::whole(keys),
                Queries::First => [0].into(),
                Queries::Two if tokens < 3 => [0].into(),
                Queries::Two => [1, tokens - 1].into(),
            };
            let first = queries;
            queries += positions.len();
            let whole = Span::whole(keys);
            Span { queries: first..queries, chosen: Some(positions), ..whole }
        };
        self.lengths.iter().map(span).collect()
    }

    fn block<B: Backend>(&self, b: &B) -> Result<Attention<B::Array>, B::Error> {
        let (heads, longest) = (self.heads, self.lengths.iter().max().copied().unwrap_or_default());
        let buckets = 2 * REACH as usize + 1;
        let bucket = |distance: i64| (distance.clamp(-REACH, REACH) + REACH) as usize;
        let distances = Arc::new(Distances::new(longest, bucket));
        let rows = |seed| b.array(&matrix(buckets, heads.count * heads.size, seed));
        let plain = Attention::plain(heads);
        Ok(match self.kind {
            Kind::Plain => plain,
            Kind::Window => Attention { window: Some(3), ..plain },
            Kind::Rotary => {
                let angles = Angles::new(100., heads.size, longest);
                Attention { relation: Relation::Rotary(Arc::new(angles)), ..plain }
            }
            Kind::Bias => {
                let table = flat(&matrix(buckets, heads.count, 9));
                Attention { relation: Relation::Bias { table, distances }, ..plain }
            }
            Kind::Disentangled => {
                let (key, query) = (Some(rows(10)?), Some(rows(11)?));
                Attention { relation: Relation::Disentangled { key, query, distances }, ..plain }
            }
            Kind::Key => {
                let relation =
                    Relation::Disentangled { key: Some(rows(10)?), query: None, distances };
                Attention { relation, window: Some(5), ..plain }
            }
            Kind::Query => {
                let relation =
                    Relation::Disentangled { key: None, query: Some(rows(11)?), distances };
                Attention { relation, ..plain }
            }
        })
    }
}

impl Computation for Attending {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error> {
        let spans = self.spans();
        let hidden = self.heads.count * self.heads.size;
        let (keys, queries) = (spans.last().unwrap().keys.end, spans.last().unwrap().queries.end);
        let projected = Projected::apart(
            b.array(&matrix(queries, hidden, 1))?,
            b.array(&matrix(keys, hidden, 2))?,
            b.array(&matrix(keys, hidden, 3))?,
        );
        let block = self.block(b)?;
        let (context, saved) = b.attention(&block, projected, &spans)?;
        let first = &spans[..spans.len().div_ceil(2)];
        let grad = b.array(&matrix(first.last().unwrap().queries.end, hidden, 4))?;
        let Projected { query, key, value, .. } = b.attention_vjp(&block, &saved, first, &grad)?;
        let weights = b.attention_weights(&saved, spans.len() - 1)?;
        let results = [&context, &query, &key, &value].map(|array| b.rows(array));
        let mut results = results.into_iter().collect::<Result<Vec<_>, _>>()?;
        results.push(vec![weights.weights]);
        Ok(results)
    }
}

#[test]
fn attention_of_rows_of_any_length() {
    let kinds = [
        Kind::Plain,
        Kind::Window,
        Kind::Rotary,
        Kind::Bias,
        Kind::Disentangled,
        Kind::Key,
        Kind::Query,
    ];
    for kind in kinds {
        for (count, size) in [(1, 1), (2, 13), (3, 16), (2, 26), (4, 32), (1, 64)] {
            if matches!(kind, Kind::Rotary) && size % 2 == 1 {
                continue;
            }
            for queries in [Queries::All, Queries::First, Queries::Two] {
                let lengths = vec![2, 2, 5, 16, 17, 1, 33, 64, 130];
                let heads = Heads { count, size };
                let name = format!("attention {count} x {size}, {kind:?}, {queries:?}");
                check(&name, &Attending { lengths, heads, queries, kind });
            }
        }
    }
}

/// Elementwise operations, gather, scatter and unfold.
struct Elementwise;

impl Computation for Elementwise {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error> {
        let (x, y) = (b.array(&matrix(5, 21, 1))?, b.array(&matrix(7, 21, 2))?);
        let (ranges, grad) = ([0..2, 2..3, 3..7], b.array(&matrix(2, 21, 3))?);
        let first = b.gather(&y, &[6, 0, 1, 2, 3])?;
        let results = [
            b.add(&x, &first)?,
            b.mul(&x, &y)?,
            b.copy(&x)?,
            b.scatter(&grad, &[4, 1], 6)?,
            b.unfold(&y, &ranges, 3)?,
            b.unfold_vjp(&y, &ranges, 7)?,
        ];
        results.iter().map(|array| b.rows(array)).collect()
    }
}

/// Pooling with these modes.
struct Pooling {
    modes: Vec<PoolingMode>,
}

impl Computation for Pooling {
    fn run<B: Backend>(&self, b: &B) -> Result<Vec<Matrix>, B::Error> {
        let pool = Pool { modes: self.modes.clone(), skip: 3 };
        let ranges = [0..2, 2..3, 3..7];
        let (y, saved) = b.pool(&pool, &b.array(&matrix(7, 21, 1))?, &ranges)?;
        let grad = b.array(&matrix(2, 21 * self.modes.len(), 3))?;
        let x = b.pool_vjp(&pool, &saved, &grad, &ranges[..2])?;
        Ok(vec![b.rows(&y)?, b.rows(&x)?])
    }
}

#[test]
fn rows_are_pooled_in_every_mode() {
    let all = [
        PoolingMode::First,
        PoolingMode::Last,
        PoolingMode::Mean,
        PoolingMode::MeanSqrt,
        PoolingMode::WeightedMean,
        PoolingMode::Max,
    ];
    for modes in all.chunks(1).chain([&all[..]]) {
        check(&format!("{modes:?}"), &Pooling { modes: modes.into() });
    }
}

#[test]
fn elementwise_operations() {
    check("elementwise", &Elementwise);
}
