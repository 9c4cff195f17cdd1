//! The embedding block, `norm(word + position + type)`, evaluated at each row's point: its own
//! input or a point on the path from a baseline.

use candle_core::{DType, Device, Result, Tensor};

use super::layer_norm::{LayerNorm, Normalized};
use crate::blocks::Numbering;
use crate::rows::{Baseline, Layer, Noise, Norm, Path, Reduce, Row, Tokens};

/// The tables `[vocabulary, width]`, `[positions, width]`, `[types, width]` and the norm.
#[derive(Debug)]
pub struct Embeddings {
    pub word: Tensor,
    pub position: Option<Tensor>,
    pub token_type: Option<Tensor>,
    pub numbering: Numbering,
    pub norm: LayerNorm,
}

/// What the forward pass saves for the gradient and its reduction.
#[derive(Debug)]
pub struct Embedded {
    norm: Normalized,
    /// One entry per row, in packed order.
    points: Vec<Point>,
}

/// A row's point at its layer; tensors are `[tokens, hidden]`.
#[derive(Debug)]
struct Point {
    value: Tensor,
    /// `x - x'`, for a row on a path.
    difference: Option<Tensor>,
}

impl Point {
    /// Returns `x' + alpha (x - x')`, which is exactly x at the end.
    fn on_path(input: &Tensor, baseline: &Tensor, alpha: f64) -> Result<Self> {
        let difference = (input - baseline)?;
        let value = match alpha {
            1. => input.clone(),
            _ => (baseline + (&difference * alpha)?)?,
        };
        Ok(Self { value, difference: Some(difference) })
    }
}

impl Embeddings {
    fn device(&self) -> &Device {
        self.word.device()
    }

    fn lookup(&self, table: &Tensor, ids: &[u32]) -> Result<Tensor> {
        table.index_select(&Tensor::new(ids, self.device())?, 0)
    }

    /// Adds position and type embeddings to word embeddings, `[tokens, width]`.
    fn summed(&self, mut words: Tensor, positions: &[u32], token_types: &[u32]) -> Result<Tensor> {
        for (table, ids) in [(&self.position, positions), (&self.token_type, token_types)] {
            if let Some(table) = table {
                words = (words + self.lookup(table, ids)?)?;
            }
        }
        Ok(words)
    }

    /// Runs the block on packed rows, each at its point, `[total, hidden]`.
    pub fn forward(&self, rows: &[&Row]) -> Result<(Tensor, Embedded)> {
        let mut points = rows.iter().map(|row| self.word_point(row)).collect::<Result<Vec<_>>>()?;
        let words = Tensor::cat(&points.iter().map(|point| &point.value).collect::<Vec<_>>(), 0)?;
        let all = |ids: fn(&Tokens) -> &[u32]| {
            rows.iter().flat_map(|row| ids(&row.tokens)).copied().collect::<Vec<u32>>()
        };
        let (positions, types) = (all(|t| &t.position_ids), all(|t| &t.token_type_ids));
        let (mut output, norm) = self.norm.forward(&self.summed(words, &positions, &types)?)?;
        if rows.iter().any(|row| row.layer == Layer::Embeddings) {
            self.set_block_points(rows, &output, &mut points)?;
            output = self.replace_outputs(rows, &output, &points)?;
        }
        Ok((output, Embedded { norm, points }))
    }

    /// Returns the row's point at the word embeddings, which differs from the input only if the
    /// path is at that layer.
    fn word_point(&self, row: &Row) -> Result<Point> {
        let mut input = self.lookup(&self.word, &row.tokens.input_ids)?;
        match (&row.path, row.layer) {
            (Some(path), Layer::WordEmbeddings) => {
                if let Some(noise) = path.noise {
                    input = noisy(noise, input, path.moved(row.tokens.len()))?;
                }
                let baseline = held(path, self.word_baseline(path, &input)?, &input)?;
                Point::on_path(&input, &baseline, path.alpha)
            }
            _ => Ok(Point { value: input, difference: None }),
        }
    }

    fn word_baseline(&self, path: &Path, input: &Tensor) -> Result<Tensor> {
        match &path.baseline {
            Baseline::Zero | Baseline::States(_) => input.zeros_like(),
            Baseline::Ids(ids) => self.lookup(&self.word, ids),
        }
    }

    /// Sets the points of the rows whose layer is the block's output.
    fn set_block_points(&self, rows: &[&Row], output: &Tensor, points: &mut [Point]) -> Result<()> {
        let mut start = 0;
        for (row, point) in rows.iter().zip(points) {
            let input = output.narrow(0, start, row.tokens.len())?;
            start += row.tokens.len();
            if row.layer == Layer::Embeddings {
                *point = match &row.path {
                    Some(path) => {
                        let baseline = held(path, self.block_baseline(path, row, &input)?, &input)?;
                        Point::on_path(&input, &baseline, path.alpha)?
                    }
                    None => Point { value: input, difference: None },
                };
            }
        }
        Ok(())
    }

    fn block_baseline(&self, path: &Path, row: &Row, input: &Tensor) -> Result<Tensor> {
        match &path.baseline {
            Baseline::Zero | Baseline::States(_) => input.zeros_like(),
            Baseline::Ids(ids) => {
                let words = self.lookup(&self.word, ids)?;
                let positions = self.numbering.positions(ids);
                let sum = self.summed(words, &positions, &row.tokens.token_type_ids)?;
                Ok(self.norm.forward(&sum)?.0)
            }
        }
    }

    fn replace_outputs(&self, rows: &[&Row], output: &Tensor, points: &[Point]) -> Result<Tensor> {
        let mut start = 0;
        let mut parts = Vec::with_capacity(rows.len());
        for (row, point) in rows.iter().zip(points) {
            parts.push(match row.layer {
                Layer::Embeddings => point.value.clone(),
                Layer::WordEmbeddings | Layer::Hidden(_) => {
                    output.narrow(0, start, row.tokens.len())?
                }
            });
            start += row.tokens.len();
        }
        Tensor::cat(&parts, 0)
    }

    /// Gradient at the block's output → at the word embeddings, `[total, hidden]`.
    pub fn vjp(&self, embedded: &Embedded, grad: &Tensor) -> Result<Tensor> {
        self.norm.vjp(&embedded.norm, grad)
    }
}

/// Returns `baseline` with the input in place of the tokens that the path does not move.
fn held(path: &Path, baseline: Tensor, input: &Tensor) -> Result<Tensor> {
    let tokens = input.dim(0)?;
    let moved = path.moved(tokens);
    match moved {
        0 => Ok(input.clone()),
        _ if moved == tokens => Ok(baseline),
        _ => {
            let input_part = input.narrow(0, moved, tokens - moved)?;
            Tensor::cat(&[baseline.narrow(0, 0, moved)?, input_part], 0)
        }
    }
}

/// Adds noise to the first `count` tokens of `input`, `[tokens, hidden]`.
fn noisy(noise: Noise, input: Tensor, count: usize) -> Result<Tensor> {
    if count == 0 {
        return Ok(input);
    }
    let first = input.narrow(0, 0, count)?;
    let numbers: Vec<f64> = first.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    let mut noise = noise.draw(numbers.iter().copied());
    noise.resize(input.elem_count(), 0.);
    let noise = Tensor::from_vec(noise, input.shape(), input.device())?;
    &input + noise.to_dtype(input.dtype())?
}

impl Embedded {
    /// Reduces one row's gradient at its layer, `[tokens, hidden]`, to one number per token unless
    /// it is kept.
    pub fn reduce(&self, row: usize, gradient: &Tensor, reduce: Reduce) -> Result<Vec<f64>> {
        let point = &self.points[row];
        let scores = match (reduce, &point.difference) {
            (Reduce::Norm(Norm::L1), _) => gradient.abs()?.sum(1),
            (Reduce::Norm(Norm::L2), _) => gradient.sqr()?.sum(1)?.sqrt(),
            (Reduce::Norm(Norm::Mean), _) => gradient.abs()?.mean(1),
            (Reduce::TimesInput, _) => (gradient * &point.value)?.sum(1),
            (Reduce::TimesDifference, Some(difference)) => (gradient * difference)?.sum(1),
            (Reduce::TimesDifference, None) => gradient.zeros_like()?.sum(1),
            (Reduce::Keep, _) => gradient.flatten_all(),
        };
        scores?.to_dtype(DType::F64)?.to_vec1()
    }
}
