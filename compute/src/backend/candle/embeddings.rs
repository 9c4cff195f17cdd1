//! The embedding block, `norm(word + position + type)`, and the points that
//! rows take in it: their own input, or a place on the path from a baseline.

use candle_core::{DType, Device, Result, Tensor};

use super::layer_norm::{LayerNorm, Normalized};
use crate::blocks::Numbering;
use crate::rows::{Baseline, Layer, Noise, Path, Reduce, Row, Tokens};

/// The tables `[vocabulary, width]`, `[positions, width]`, `[types, width]`
/// and the norm.
#[derive(Debug)]
pub struct Embeddings {
    pub word: Tensor,
    pub position: Option<Tensor>,
    pub token_type: Option<Tensor>,
    pub numbering: Numbering,
    pub norm: LayerNorm,
}

/// Where packed rows stand at their layer.
#[derive(Debug)]
pub struct Embedded {
    norm: Normalized,
    /// One entry a row, in packed order.
    points: Vec<Point>,
}

/// Where a row stands at its layer, `[tokens, hidden]`.
#[derive(Debug)]
struct Point {
    here: Tensor,
    /// `x - x'`, for a row on a path.
    difference: Option<Tensor>,
}

impl Point {
    /// `x' + alpha (x - x')`
    fn on_path(input: &Tensor, baseline: &Tensor, alpha: f64) -> Result<Self> {
        let difference = (input - baseline)?;
        let here = (baseline + (&difference * alpha)?)?;
        Ok(Self { here, difference: Some(difference) })
    }
}

impl Embeddings {
    fn device(&self) -> &Device {
        self.word.device()
    }

    fn lookup(&self, table: &Tensor, ids: &[u32]) -> Result<Tensor> {
        table.index_select(&Tensor::new(ids, self.device())?, 0)
    }

    /// Words plus position and type embeddings, `[tokens, width]`.
    fn placed(&self, mut words: Tensor, positions: &[u32], token_types: &[u32]) -> Result<Tensor> {
        for (table, ids) in [(&self.position, positions), (&self.token_type, token_types)] {
            if let Some(table) = table {
                words = (words + self.lookup(table, ids)?)?;
            }
        }
        Ok(words)
    }

    /// Packed rows, each at its own point, `[total, hidden]`.
    pub fn forward(&self, rows: &[&Row]) -> Result<(Tensor, Embedded)> {
        let mut points = rows.iter().map(|row| self.word_point(row)).collect::<Result<Vec<_>>>()?;
        let words = Tensor::cat(&points.iter().map(|point| &point.here).collect::<Vec<_>>(), 0)?;
        let all = |ids: fn(&Tokens) -> &[u32]| {
            rows.iter().flat_map(|row| ids(&row.tokens)).copied().collect::<Vec<u32>>()
        };
        let (positions, types) = (all(|t| &t.position_ids), all(|t| &t.token_type_ids));
        let (mut output, norm) = self.norm.forward(&self.placed(words, &positions, &types)?)?;
        if rows.iter().any(|row| row.layer == Layer::Embeddings) {
            self.move_along_block(rows, &output, &mut points)?;
            output = self.replace(rows, &output, &points)?;
        }
        Ok((output, Embedded { norm, points }))
    }

    /// The row's point among the word embeddings. Only a path at that layer
    /// leaves the input.
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
            _ => Ok(Point { here: input, difference: None }),
        }
    }

    fn word_baseline(&self, path: &Path, input: &Tensor) -> Result<Tensor> {
        match &path.baseline {
            Baseline::Zero => input.zeros_like(),
            Baseline::Ids(ids) => self.lookup(&self.word, ids),
        }
    }

    /// Gives the rows whose layer is the block's output their point there.
    fn move_along_block(&self, rows: &[&Row], output: &Tensor, points: &mut [Point]) -> Result<()> {
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
                    None => Point { here: input, difference: None },
                };
            }
        }
        Ok(())
    }

    fn block_baseline(&self, path: &Path, row: &Row, input: &Tensor) -> Result<Tensor> {
        match &path.baseline {
            Baseline::Zero => input.zeros_like(),
            Baseline::Ids(ids) => {
                let words = self.lookup(&self.word, ids)?;
                let positions = self.numbering.positions(ids);
                let sum = self.placed(words, &positions, &row.tokens.token_type_ids)?;
                Ok(self.norm.forward(&sum)?.0)
            }
        }
    }

    fn replace(&self, rows: &[&Row], output: &Tensor, points: &[Point]) -> Result<Tensor> {
        let mut start = 0;
        let mut parts = Vec::with_capacity(rows.len());
        for (row, point) in rows.iter().zip(points) {
            parts.push(match row.layer {
                Layer::Embeddings => point.here.clone(),
                Layer::WordEmbeddings => output.narrow(0, start, row.tokens.len())?,
            });
            start += row.tokens.len();
        }
        Tensor::cat(&parts, 0)
    }

    /// Gradient at the block's output → at the word embeddings,
    /// `[total, hidden]`; word, position and type are added, so theirs is one.
    pub fn vjp(&self, embedded: &Embedded, grad: &Tensor) -> Result<Tensor> {
        self.norm.vjp(&embedded.norm, grad)
    }
}

/// `baseline` with the input at the end that the path does not move.
fn held(path: &Path, baseline: Tensor, input: &Tensor) -> Result<Tensor> {
    let tokens = input.dim(0)?;
    let moved = path.moved(tokens);
    match moved {
        0 => Ok(input.clone()),
        _ if moved == tokens => Ok(baseline),
        _ => {
            let end = input.narrow(0, moved, tokens - moved)?;
            Tensor::cat(&[baseline.narrow(0, 0, moved)?, end], 0)
        }
    }
}

/// `input`, `[tokens, hidden]`, with noise at the first `count` tokens.
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
    /// One row's gradient at its layer, `[tokens, hidden]`, as one number a
    /// token or, if it is kept, as it is.
    pub fn reduce(&self, row: usize, gradient: &Tensor, reduce: Reduce) -> Result<Vec<f64>> {
        let point = &self.points[row];
        let scores = match (reduce, &point.difference) {
            (Reduce::L1, _) => gradient.abs()?.sum(1),
            (Reduce::L2, _) => gradient.sqr()?.sum(1)?.sqrt(),
            (Reduce::Mean, _) => gradient.abs()?.mean(1),
            (Reduce::TimesInput, _) => (gradient * &point.here)?.sum(1),
            (Reduce::TimesDifference, Some(difference)) => (gradient * difference)?.sum(1),
            (Reduce::TimesDifference, None) => gradient.zeros_like()?.sum(1),
            (Reduce::Keep, _) => gradient.flatten_all(),
        };
        scores?.to_dtype(DType::F64)?.to_vec1()
    }
}
