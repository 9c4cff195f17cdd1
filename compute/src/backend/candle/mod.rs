//! The back end for GPUs, and the reference that others are checked against: candle tensors, in
//! f32 or f64, on a GPU or the CPU.
//!
//! All rows of a pass run together: products in one call over all tokens, attention in one batch
//! per bucket of similar lengths (`buckets`), norms, activations and softmax in kernels of this crate
//! (`kernels`), and scores come back in one copy. candle's own
//! `backward` is not used: several of its fused operations silently stop the gradient, and its
//! matmul would compute gradients of frozen weights. Each block is checked against finite
//! differences in f64 next to its code.

mod attention;
mod buckets;
mod device;
mod embeddings;
mod kernels;
mod layer_norm;
mod linear;
mod neighbours;
mod noise;
mod pooling;
mod prepared;
mod relation;
#[cfg(test)]
pub(crate) mod testing;
mod transfer;

use std::borrow::Cow;
use std::ops::Range;

pub use candle_core::Error;
use candle_core::{DType, Result, Tensor};
pub use device::{Candle, Fault, Products};
use transfer::{download, upload};

use super::{Attention, Backend, Projected, Projections, Span, Tables, ToReduce};
use crate::blocks::{Activation, Pool};
use crate::rows::{AttentionMap, Layer, Row};

/// Returns the first rows of `x`, as many as `like` has.
fn first_rows(x: &Tensor, like: &Tensor) -> Result<Tensor> {
    x.narrow(0, 0, like.dim(0)?)
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
    type Scores = embeddings::Scores;

    fn load_linear(&self, weight: &[f32], bias: &[f32], input: usize) -> Result<Self::Linear> {
        let weight = self.tensor(weight, &[bias.len(), input])?;
        Ok(linear::Linear::new(weight, self.tensor(bias, &[bias.len()])?))
    }

    fn some_outputs(&self, map: &Self::Linear, outputs: &[usize]) -> Result<Self::Linear> {
        map.some_outputs(outputs)
    }

    fn load_layer_linear(
        &self,
        weight: &[f32],
        bias: &[f32],
        input: usize,
    ) -> Result<Self::Linear> {
        if self.products != Products::Bf16 {
            return self.load_linear(weight, bias, input);
        }
        let weight = self.tensor(weight, &[bias.len(), input])?;
        linear::Linear::rounded(&weight, self.tensor(bias, &[bias.len()])?)
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
        map.forward(x, onto)
    }

    fn linear_vjp(
        &self,
        map: &Self::Linear,
        grad: &Tensor,
        onto: Option<&Tensor>,
    ) -> Result<Tensor> {
        match onto {
            Some(onto) => map.vjp(grad)? + onto,
            None => map.vjp(grad),
        }
    }

    fn join(&self, maps: [Self::Linear; 3]) -> Result<Projections<Self::Linear>> {
        let (joined, [query, key, value]) = linear::Linear::joined(&maps)?;
        Ok(Projections { query, key, value, joined: Some(joined) })
    }

    fn project(
        &self,
        _others: &Self,
        maps: &Projections<Self::Linear>,
        x: &Tensor,
    ) -> Result<Projected<Tensor>> {
        match &maps.joined {
            Some(joined) => attention::columns(joined.forward(x, None)?),
            None => candle_core::bail!("query, key and value are not joined"),
        }
    }

    fn project_vjp(
        &self,
        maps: &Projections<Self::Linear>,
        grads: &Projected<Tensor>,
        onto: Option<&Tensor>,
    ) -> Result<Tensor> {
        match (&maps.joined, &grads.joined) {
            (Some(map), Some(grad)) => self.linear_vjp(map, grad, onto),
            _ => candle_core::bail!("query, key and value are not joined"),
        }
    }

    fn linear_activated(
        &self,
        map: &Self::Linear,
        activation: Activation,
        x: &Tensor,
        slopes: usize,
    ) -> Result<(Tensor, Tensor)> {
        map.activated(activation, x, slopes)
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
        projected: Projected<Tensor>,
        spans: &[Span],
    ) -> Result<(Tensor, attention::Attended)> {
        let plan = self.plans.of(spans, &projected.key)?;
        attention::forward(block, &projected, spans, &plan)
    }

    fn attention_vjp(
        &self,
        block: &Attention<Tensor>,
        saved: &attention::Attended,
        spans: &[Span],
        grad: &Tensor,
    ) -> Result<Projected<Tensor>> {
        attention::vjp(block, saved, &*self.plans.of(spans, grad)?, grad)
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
        layer: Layer,
        grad: &Tensor,
        rows: &[ToReduce],
    ) -> Result<embeddings::Scores> {
        embedded.reduce(layer, grad, rows)
    }

    fn scores(&self, all: Vec<embeddings::Scores>) -> Result<Vec<Vec<Vec<f64>>>> {
        embeddings::numbers(all)
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
        pooling::pool(x, pool, ranges, &self.plans)
    }

    fn pool_vjp(
        &self,
        pool: &Pool,
        saved: &pooling::Pooled,
        grad: &Tensor,
        ranges: &[Range<usize>],
    ) -> Result<Tensor> {
        pooling::pool_vjp(grad, pool, saved, ranges, &self.plans)
    }

    fn unfold(&self, x: &Tensor, rows: &[Range<usize>], size: usize) -> Result<Tensor> {
        neighbours::unfold(x, rows, size)
    }

    fn unfold_vjp(&self, grad: &Tensor, rows: &[Range<usize>], size: usize) -> Result<Tensor> {
        neighbours::unfold_vjp(grad, rows, size)
    }

    fn gather(&self, x: &Tensor, indices: &[usize]) -> Result<Tensor> {
        kernels::rows(x, &self.indices(indices)?)
    }

    fn without(&self, x: Tensor, parts: &[(Range<usize>, Range<usize>)]) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let mut columns: Vec<&Range<usize>> = parts.iter().map(|(_, columns)| columns).collect();
        columns.sort_by_key(|columns| (columns.start, columns.end));
        columns.dedup();
        // 1 where the rows and the columns of a part meet, as a product of narrow matrices.
        let mut of_rows = vec![0.; rows * columns.len()];
        let mut of_columns = vec![0.; columns.len() * width];
        for (number, range) in columns.iter().enumerate() {
            of_columns[number * width..][(*range).clone()].fill(1.);
            for (part, _) in parts.iter().filter(|(_, columns)| columns == *range) {
                part.clone().for_each(|row| of_rows[row * columns.len() + number] = 1.);
            }
        }
        let of_rows = upload(&of_rows, &[rows, columns.len()], &x)?;
        let removed = of_rows.matmul(&upload(&of_columns, &[columns.len(), width], &x)?)?;
        removed.ne(0.)?.where_cond(&x.zeros_like()?, &x)
    }

    fn scatter(&self, x: &Tensor, indices: &[usize], total: usize) -> Result<Tensor> {
        let zeros = Tensor::zeros((total, x.dim(1)?), self.dtype, &self.device)?;
        zeros.index_add(&self.indices(indices)?, x, 0)
    }

    fn array(&self, rows: &[Vec<f64>]) -> Result<Tensor> {
        let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
        self.upload(&rows.concat(), &shape)
    }

    fn rows(&self, x: &Tensor) -> Result<Vec<Vec<f64>>> {
        let width = x.dim(1)?;
        Ok(download(x)?.chunks(width).map(<[f64]>::to_vec).collect())
    }
}
