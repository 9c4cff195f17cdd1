//! The reference back end: candle tensors, on the CPU or a GPU, in f32 or f64.
//!
//! candle's own `backward` is not used: several of its fused operations silently stop the
//! gradient, and its matmul would compute gradients of frozen weights. Each block is checked
//! against finite differences in f64 next to its code.

mod activation;
mod attention;
mod embeddings;
mod groups;
mod layer_norm;
mod linear;
mod pooling;
mod relation;
#[cfg(test)]
pub(crate) mod testing;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use candle_core::{DType, Device, Error, Result, Tensor};

use super::{Attention, Backend, Span, Tables};
use crate::blocks::{Activation, Pool};
use crate::rows::{AttentionMap, Reduce, Row};

/// A data type and a device.
#[derive(Debug, Clone)]
pub struct Candle {
    pub dtype: DType,
    pub device: Device,
}

impl Candle {
    /// The reference that other back ends are checked against: f64 on the CPU.
    pub fn reference() -> Self {
        Self { dtype: DType::F64, device: Device::Cpu }
    }

    /// f32 on the first GPU; an error if there is none.
    pub fn cuda() -> std::result::Result<Self, String> {
        Device::new_cuda(0)
            .map(|device| Self { dtype: DType::F32, device })
            .map_err(|error| format!("no CUDA device can be used: {error}"))
    }

    pub fn device_name(&self) -> &'static str {
        if self.device.is_cpu() { "cpu" } else { "cuda" }
    }

    fn tensor(&self, values: &[f32], shape: &[usize]) -> Result<Tensor> {
        Tensor::from_slice(values, shape, &self.device)?.to_dtype(self.dtype)
    }

    fn indices(&self, indices: &[usize]) -> Result<Tensor> {
        let indices: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
        Tensor::new(indices, &self.device)
    }
}

impl fmt::Display for Candle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "candle ({:?}, {})", self.device.location(), self.dtype.as_str())
    }
}

/// Returns the first rows of `x`, as many as `like` has.
fn first_rows(x: &Tensor, like: &Tensor) -> Result<Tensor> {
    x.narrow(0, 0, like.dim(0)?)
}

fn add_onto(x: Tensor, onto: Option<&Tensor>) -> Result<Tensor> {
    match onto {
        Some(onto) => x + onto,
        None => Ok(x),
    }
}

impl Backend for Candle {
    type Error = Error;
    type Array = Tensor;
    type Linear = linear::Linear;
    type LayerNorm = layer_norm::LayerNorm;
    type Embeddings = embeddings::Embeddings;
    type Normalized = layer_norm::Normalized;
    type Pooled = pooling::Pooled;
    type Attended = attention::Attended;
    type Embedded = embeddings::Embedded;

    fn load_linear(&self, weight: &[f32], bias: &[f32], input: usize) -> Result<Self::Linear> {
        let weight = self.tensor(weight, &[bias.len(), input])?;
        Ok(linear::Linear::new(weight, self.tensor(bias, &[bias.len()])?))
    }

    fn some_outputs(&self, map: &Self::Linear, outputs: &[usize]) -> Result<Self::Linear> {
        map.some_outputs(outputs)
    }

    fn load_layer_norm(&self, weight: &[f32], bias: &[f32], eps: f64) -> Result<Self::LayerNorm> {
        let tensor = |values: &[f32]| self.tensor(values, &[values.len()]);
        Ok(layer_norm::LayerNorm::new(tensor(weight)?, tensor(bias)?, eps))
    }

    fn load_embeddings(&self, tables: Tables, norm: Self::LayerNorm) -> Result<Self::Embeddings> {
        let width = tables.width;
        let tensor = |values: &[f32]| self.tensor(values, &[values.len() / width, width]);
        Ok(embeddings::Embeddings {
            word: tensor(&tables.word)?,
            position: tables.position.as_deref().map(tensor).transpose()?,
            token_type: tables.token_type.as_deref().map(tensor).transpose()?,
            numbering: tables.numbering,
            norm,
        })
    }

    fn words<'a>(&self, embeddings: &'a Self::Embeddings) -> Result<Cow<'a, [f32]>> {
        let table = embeddings.word.to_dtype(DType::F32)?;
        Ok(Cow::Owned(table.flatten_all()?.to_vec1()?))
    }

    fn linear(&self, map: &Self::Linear, x: &Tensor, onto: Option<&Tensor>) -> Result<Tensor> {
        add_onto(map.forward(x)?, onto)
    }

    fn linear_vjp(
        &self,
        map: &Self::Linear,
        grad: &Tensor,
        onto: Option<&Tensor>,
    ) -> Result<Tensor> {
        add_onto(map.vjp(grad)?, onto)
    }

    fn linear_activated(
        &self,
        map: &Self::Linear,
        activation: Activation,
        x: &Tensor,
        slopes: usize,
    ) -> Result<(Tensor, Tensor)> {
        let y = map.forward(x)?;
        let first = y.narrow(0, 0, slopes.min(y.dim(0)?))?;
        Ok((activation::forward(activation, &y)?, activation::slope(activation, &first)?))
    }

    fn linear_vjp_activated(
        &self,
        map: &Self::Linear,
        slope: &Tensor,
        grad: &Tensor,
    ) -> Result<Tensor> {
        map.vjp(grad)? * first_rows(slope, grad)?
    }

    fn layer_norm(
        &self,
        norm: &Self::LayerNorm,
        x: Tensor,
    ) -> Result<(Tensor, layer_norm::Normalized)> {
        norm.forward(&x)
    }

    fn layer_norm_vjp(
        &self,
        norm: &Self::LayerNorm,
        saved: &layer_norm::Normalized,
        grad: &Tensor,
    ) -> Result<Tensor> {
        norm.vjp(saved, grad)
    }

    fn attention(
        &self,
        block: &Attention<Tensor>,
        qkv: [Tensor; 3],
        spans: &[Span],
    ) -> Result<(Tensor, attention::Attended)> {
        attention::forward(block, &qkv, spans)
    }

    fn attention_vjp(
        &self,
        block: &Attention<Tensor>,
        saved: &attention::Attended,
        spans: &[Span],
        grad: &Tensor,
    ) -> Result<[Tensor; 3]> {
        attention::vjp(block, saved, spans, grad)
    }

    fn attention_weights(&self, saved: &attention::Attended, span: usize) -> Result<AttentionMap> {
        saved.map(span)
    }

    fn attention_weights_vjp(
        &self,
        block: &Attention<Tensor>,
        saved: &attention::Attended,
        spans: &[Span],
        span: usize,
        grad: &Tensor,
    ) -> Result<AttentionMap> {
        attention::weights_vjp(block.heads, saved, &spans[span], span, grad)
    }

    fn attention_values(
        &self,
        saved: &attention::Attended,
        _spans: &[Span],
        span: usize,
    ) -> Result<Vec<Vec<f64>>> {
        self.rows(&saved.values(span)?)
    }

    fn embed(
        &self,
        embeddings: &Self::Embeddings,
        rows: &[&Row],
    ) -> Result<(Tensor, embeddings::Embedded)> {
        embeddings.forward(rows)
    }

    fn embed_vjp(
        &self,
        embeddings: &Self::Embeddings,
        embedded: &embeddings::Embedded,
        grad: &Tensor,
    ) -> Result<Tensor> {
        embeddings.vjp(embedded, grad)
    }

    fn reduce(
        &self,
        embedded: &embeddings::Embedded,
        row: usize,
        tokens: Range<usize>,
        grad: &Tensor,
        reduce: Reduce,
    ) -> Result<Vec<f64>> {
        embedded.reduce(row, &grad.narrow(0, tokens.start, tokens.len())?, reduce)
    }

    fn add(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        x + y
    }

    fn mul(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        x * first_rows(y, x)?
    }

    fn copy(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }

    fn pool(
        &self,
        pool: &Pool,
        x: &Tensor,
        ranges: &[Range<usize>],
    ) -> Result<(Tensor, pooling::Pooled)> {
        pooling::pool(x, pool, ranges)
    }

    fn pool_vjp(
        &self,
        pool: &Pool,
        saved: &pooling::Pooled,
        grad: &Tensor,
        ranges: &[Range<usize>],
    ) -> Result<Tensor> {
        pooling::pool_vjp(grad, pool, saved, ranges)
    }

    fn unfold(&self, x: &Tensor, rows: &[Range<usize>], size: usize) -> Result<Tensor> {
        let width = x.dim(1)?;
        let of_row = |row: &Range<usize>| {
            let half = size / 2;
            let padded = x.narrow(0, row.start, row.len())?.pad_with_zeros(0, half, half)?;
            let shifted = (0..size).map(|k| padded.narrow(0, k, row.len()));
            Tensor::stack(&shifted.collect::<Result<Vec<_>>>()?, 2)?
                .reshape((row.len(), width * size))
        };
        Tensor::cat(&rows.iter().map(of_row).collect::<Result<Vec<_>>>()?, 0)
    }

    fn unfold_vjp(&self, grad: &Tensor, rows: &[Range<usize>], size: usize) -> Result<Tensor> {
        let width = grad.dim(1)? / size;
        let of_row = |row: &Range<usize>| {
            let half = size / 2;
            let parts = grad.narrow(0, row.start, row.len())?.reshape((row.len(), width, size))?;
            let back = |k| parts.narrow(2, k, 1)?.squeeze(2)?.pad_with_zeros(0, k, size - 1 - k);
            let mut sum = back(0)?;
            for k in 1..size {
                sum = (sum + back(k)?)?;
            }
            sum.narrow(0, half, row.len())
        };
        Tensor::cat(&rows.iter().map(of_row).collect::<Result<Vec<_>>>()?, 0)
    }

    fn gather(&self, x: &Tensor, indices: &[usize]) -> Result<Tensor> {
        x.index_select(&self.indices(indices)?, 0)
    }

    fn without(&self, x: Tensor, parts: &[(Range<usize>, Range<usize>)]) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let mut factors = vec![1_f64; rows * width];
        for (rows, columns) in parts {
            for row in rows.clone() {
                factors[row * width..][columns.clone()].fill(0.);
            }
        }
        &x * Tensor::from_vec(factors, (rows, width), &self.device)?.to_dtype(self.dtype)?
    }

    fn scatter(&self, x: &Tensor, indices: &[usize], total: usize) -> Result<Tensor> {
        let zeros = Tensor::zeros((total, x.dim(1)?), self.dtype, &self.device)?;
        zeros.index_add(&self.indices(indices)?, x, 0)
    }

    fn array(&self, rows: &[Vec<f64>]) -> Result<Tensor> {
        let shape = (rows.len(), rows.first().map_or(0, Vec::len));
        Tensor::from_vec(rows.concat(), shape, &self.device)?.to_dtype(self.dtype)
    }

    fn rows(&self, x: &Tensor) -> Result<Vec<Vec<f64>>> {
        x.to_dtype(DType::F64)?.to_vec2()
    }
}
