//! The embedding block, `norm(word + position + type)`, evaluated at each row's point: its own
//! input or a point on the path from a baseline. All rows of a pass run together; only ids,
//! positions on the path and noise are copied to the device.

use candle_core::{Result, Tensor};

use super::kernels;
use super::layer_norm::{LayerNorm, Normalized};
use super::noise;
use super::transfer::{download, upload};
use crate::backend::ToReduce;
use crate::blocks::Numbering;
use crate::rows::{Baseline, Layer, Norm, Path, Reduce, Row, Tokens};

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
    words: Points,
    /// At the block's output; `None` if no row's layer is there.
    block: Option<Points>,
}

/// The points of all rows at one layer, `[total, hidden]` each.
#[derive(Debug)]
struct Points {
    value: Tensor,
    /// `x - x'`, zero for a row without a path at this layer; `None` if no row has one.
    difference: Option<Tensor>,
}

/// Reduced gradients on the device.
#[derive(Debug)]
pub struct Scores {
    /// One per kind of reduction, `[tokens · numbers per token]`.
    reduced: Vec<Tensor>,
    /// Per row, the index of its kind and its numbers there.
    rows: Vec<(usize, std::ops::Range<usize>)>,
}

impl Embeddings {
    fn lookup(&self, table: &Tensor, ids: &[u32]) -> Result<Tensor> {
        let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        kernels::rows(table, &Tensor::new(ids, self.word.device())?)
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
        let ids = all(rows, |tokens| &tokens.input_ids);
        let types = all(rows, |tokens| &tokens.token_type_ids);
        let input = noise::add(&self.lookup(&self.word, &ids)?, rows)?;
        let words = self.points(rows, Layer::WordEmbeddings, input, |baselines| {
            self.lookup(&self.word, baselines)
        })?;
        let positions = all(rows, |tokens| &tokens.position_ids);
        let sum = self.summed(words.value.clone(), &positions, &types)?;
        let (mut output, norm) = self.norm.forward(&sum)?;
        let mut block = None;
        if rows.iter().any(|row| row.layer == Layer::Embeddings) {
            let points = self.points(rows, Layer::Embeddings, output, |baselines| {
                let positions = self.baseline_positions(rows, baselines);
                let sum = self.summed(self.lookup(&self.word, baselines)?, &positions, &types)?;
                Ok(self.norm.forward(&sum)?.0)
            })?;
            output = points.value.clone();
            block = Some(points);
        }
        Ok((output, Embedded { norm, words, block }))
    }

    /// Returns the positions of baselines, which for some models depend on the ids.
    fn baseline_positions(&self, rows: &[&Row], baselines: &[u32]) -> Vec<u32> {
        let mut rest = baselines;
        let positions = rows.iter().flat_map(|row| {
            let (own, others) = rest.split_at(row.tokens.len());
            rest = others;
            self.numbering.positions(own)
        });
        positions.collect()
    }

    /// Returns the rows' points at `layer`: `x' + alpha (x - x')` for rows with a path there, which
    /// is exactly x at the end; the input for other rows and for tokens that a path does not move.
    /// `embed` maps the ids of baselines, `[total]`, to their embeddings.
    fn points(
        &self,
        rows: &[&Row],
        layer: Layer,
        input: Tensor,
        embed: impl FnOnce(&[u32]) -> Result<Tensor>,
    ) -> Result<Points> {
        let paths = rows.iter().map(|row| row.path.as_ref().filter(|_| row.layer == layer));
        let paths: Vec<Option<&Path>> = paths.collect();
        if paths.iter().all(Option::is_none) {
            return Ok(Points { value: input, difference: None });
        }
        let steps = Steps::of(rows, &paths);
        let column = |numbers: &[f64]| upload(numbers, &[numbers.len(), 1], &input);
        let moved = column(&steps.moved)?;
        // Selected rather than multiplied: 0 times an infinite weight is not 0.
        let chosen = |flags: &Tensor, yes: &Tensor, no: &Tensor| {
            flags.ne(0.)?.broadcast_as(input.shape())?.where_cond(yes, no)
        };
        let mut baseline = input.zeros_like()?;
        if steps.has_ids.contains(&1.) {
            baseline = chosen(&column(&steps.has_ids)?, &embed(&steps.ids)?, &baseline)?;
        }
        baseline = chosen(&moved, &baseline, &input)?;
        let difference = (&input - &baseline)?;
        let value = (&baseline + difference.broadcast_mul(&column(&steps.alphas)?)?)?;
        let at_end: Vec<f64> =
            steps.alphas.iter().map(|&alpha| f64::from(u8::from(alpha == 1.))).collect();
        let value = chosen(&column(&at_end)?, &input, &value)?;
        Ok(Points { value, difference: Some(difference) })
    }

    /// Gradient at the block's output → at the word embeddings, `[total, hidden]`.
    pub fn vjp(&self, embedded: &Embedded, grad: &Tensor) -> Result<Tensor> {
        self.norm.vjp(&embedded.norm, grad)
    }
}

/// Returns the ids of all rows.
fn all(rows: &[&Row], ids: fn(&Tokens) -> &[u32]) -> Vec<u32> {
    rows.iter().flat_map(|row| ids(&row.tokens)).copied().collect()
}

/// Where each token is on its path, `[total]`.
#[derive(Default)]
struct Steps {
    /// The baseline's ids, those of the input without one.
    ids: Vec<u32>,
    /// 1 if the baseline is of ids, 0 if it is zero.
    has_ids: Vec<f64>,
    /// 1 if the path moves the token, else 0.
    moved: Vec<f64>,
    alphas: Vec<f64>,
}

impl Steps {
    fn of(rows: &[&Row], paths: &[Option<&Path>]) -> Self {
        let mut steps = Self::default();
        for (row, path) in rows.iter().zip(paths) {
            let tokens = row.tokens.len();
            let ids = match path.map(|path| &path.baseline) {
                Some(Baseline::Ids(ids)) => Some(&ids[..]),
                Some(Baseline::Zero | Baseline::States(_)) | None => None,
            };
            let moved = path.map_or(0, |path| path.moved(tokens));
            let flag = |on: bool| f64::from(u8::from(on));
            steps.ids.extend_from_slice(ids.unwrap_or(&row.tokens.input_ids));
            steps.has_ids.extend(std::iter::repeat_n(flag(ids.is_some()), tokens));
            steps.moved.extend((0..tokens).map(|i| flag(i < moved)));
            steps.alphas.extend(std::iter::repeat_n(path.map_or(1., |path| path.alpha), tokens));
        }
        steps
    }
}

impl Embedded {
    /// Reduces the gradients of rows at `layer` to one number per token unless they are kept.
    /// `grad` is of the first rows, `[tokens, hidden]`.
    pub fn reduce(&self, layer: Layer, grad: &Tensor, rows: &[ToReduce]) -> Result<Scores> {
        let points = match (layer, &self.block) {
            (Layer::Embeddings, Some(block)) => block,
            _ => &self.words,
        };
        let (mut kinds, mut scores) =
            (Vec::new(), Scores { reduced: Vec::new(), rows: Vec::new() });
        for ToReduce { tokens, reduce } in rows {
            let known = kinds.iter().position(|kind| kind == reduce);
            let kind = known.unwrap_or(kinds.len());
            if known.is_none() {
                kinds.push(*reduce);
                scores.reduced.push(points.reduce(grad, *reduce)?);
            }
            let width = if *reduce == Reduce::Keep { grad.dim(1)? } else { 1 };
            scores.rows.push((kind, tokens.start * width..tokens.end * width));
        }
        Ok(scores)
    }
}

impl Points {
    fn reduce(&self, grad: &Tensor, reduce: Reduce) -> Result<Tensor> {
        let of_grad = |x: &Tensor| (grad * x.narrow(0, 0, grad.dim(0)?)?)?.sum(1);
        match (reduce, &self.difference) {
            (Reduce::Norm(Norm::L1), _) => grad.abs()?.sum(1),
            (Reduce::Norm(Norm::L2), _) => grad.sqr()?.sum(1)?.sqrt(),
            (Reduce::Norm(Norm::Mean), _) => grad.abs()?.mean(1),
            (Reduce::TimesInput, _) => of_grad(&self.value),
            (Reduce::TimesDifference, Some(difference)) => of_grad(difference),
            (Reduce::TimesDifference, None) => grad.zeros_like()?.sum(1),
            (Reduce::Keep, _) => grad.flatten_all(),
        }
    }
}

/// Copies all scores back at once; returns the numbers of each row.
pub fn numbers(all: Vec<Scores>) -> Result<Vec<Vec<Vec<f64>>>> {
    let reduced: Vec<&Tensor> = all.iter().flat_map(|scores| &scores.reduced).collect();
    if reduced.is_empty() {
        return Ok(all.iter().map(|_| Vec::new()).collect());
    }
    let numbers = download(&Tensor::cat(&reduced, 0)?)?;
    let mut start = 0;
    let mut found = Vec::with_capacity(all.len());
    for scores in &all {
        let mut starts = Vec::new();
        for tensor in &scores.reduced {
            starts.push(start);
            start += tensor.elem_count();
        }
        let of_row = |(kind, own): &(usize, std::ops::Range<usize>)| {
            numbers[starts[*kind]..][own.clone()].to_vec()
        };
        found.push(scores.rows.iter().map(of_row).collect());
    }
    Ok(found)
}
