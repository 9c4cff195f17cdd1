//! A transformer layer with loaded weights.

use std::sync::Arc;

use super::block_norm::BlockNorm;
use super::feed_forward::{self, FeedForward};
use super::loader::Loader;
use crate::backend::{Attention, Backend, Heads, Projected, Projections, Repeats, Span};
use crate::blocks::{self, Order};
use crate::checkpoint::LoadError;
use crate::rows::AttentionMap;

/// A [`blocks::Layer`] on a back end.
pub struct Layer<B: Backend> {
    pub(super) attention: Attention<B::Array>,
    projections: Projections<B::Linear>,
    pub(super) attention_output: B::Linear,
    attention_norm: Option<B::LayerNorm>,
    /// The norm after the attention block, if there is one.
    pub(super) block_norm: Option<BlockNorm>,
    feed_forward: FeedForward<B>,
    output_norm: B::LayerNorm,
    order: Order,
}

/// What a forward pass saves for the gradient.
pub struct Saved<B: Backend> {
    pub attended: B::Attended,
    attention_norm: Option<B::Normalized>,
    feed_forward: feed_forward::Saved<B>,
    output_norm: B::Normalized,
}

/// What contributes nothing in a layer.
#[derive(Debug, Default)]
pub struct Removed {
    /// Attention heads, each with the index of its row.
    pub heads: Vec<(usize, usize)>,
    /// The packed indices of tokens whose value vectors are zero.
    pub values: Vec<usize>,
}

/// How a layer runs in a forward pass.
pub struct Forward<'a, B: Backend> {
    /// Computes keys and values.
    pub keys: &'a B,
    /// Computes the states of the output tokens from them.
    pub states: &'a B,
    pub outputs: &'a OutputTokens,
    pub removed: Removed,
    /// Which input states are equal, in the first layer.
    pub repeats: Option<&'a Repeats>,
    /// What gradients need is saved for this number of rows, the first ones.
    pub differentiated: usize,
}

/// The tokens whose output states a layer computes. If the head reads only some tokens, the last
/// layer skips the others as queries; their keys and values still count.
pub enum OutputTokens {
    All(Vec<Span>),
    /// The packed indices of the tokens, and their spans.
    Some(Arc<[usize]>, Vec<Span>),
}

impl OutputTokens {
    pub fn spans(&self) -> &[Span] {
        match self {
            Self::All(spans) | Self::Some(_, spans) => spans,
        }
    }

    /// Returns the number of output tokens of the first `rows` rows.
    fn tokens_of_first(&self, rows: usize) -> usize {
        self.spans()[..rows].last().map_or(0, |span| span.queries.end)
    }

    /// Returns the output tokens of the first `rows` rows.
    pub fn first(&self, rows: usize) -> Self {
        let first = |spans: &[Span]| spans[..rows].to_vec();
        match self {
            Self::All(spans) => Self::All(first(spans)),
            Self::Some(indices, spans) => {
                Self::Some(indices[..self.tokens_of_first(rows)].into(), first(spans))
            }
        }
    }

    /// Returns the chosen rows of `x`, or `None` if all are chosen.
    fn gather<B: Backend>(&self, b: &B, x: &B::Array) -> Result<Option<B::Array>, B::Error> {
        match self {
            Self::All(_) => Ok(None),
            Self::Some(indices, _) => b.gather(x, indices).map(Some),
        }
    }

    /// Expands a gradient at the chosen rows to all rows.
    fn scatter<B: Backend>(&self, b: &B, grad: B::Array) -> Result<B::Array, B::Error> {
        match self {
            Self::All(_) => Ok(grad),
            Self::Some(indices, spans) => {
                b.scatter(&grad, indices, spans.last().map_or(0, |span| span.keys.end))
            }
        }
    }
}

/// The gradients of a layer in a backward pass.
pub struct LayerGradients<B: Backend> {
    /// At the layer's input, `[total, hidden]`.
    pub input: B::Array,
    /// At the attention context of the output tokens.
    pub context: B::Array,
}

/// A normalised state and, if there is a norm, what it saved.
type Normed<B> = (<B as Backend>::Array, Option<<B as Backend>::Normalized>);

impl<B: Backend> Layer<B> {
    pub fn load(block: &blocks::Layer, loader: &Loader<'_, B>) -> Result<Self, LoadError> {
        let attention = &block.attention;
        let norm = block.attention_norm.as_ref();
        let after = norm.filter(|_| matches!(block.order, Order::After));
        Ok(Self {
            attention: loader.attention(attention)?,
            projections: loader.projections(attention)?,
            attention_output: loader.layer_linear(&attention.output)?,
            attention_norm: norm.map(|norm| loader.layer_norm(norm)).transpose()?,
            block_norm: after.map(|norm| loader.block_norm(norm)).transpose()?,
            feed_forward: FeedForward::load(&block.feed_forward, loader)?,
            output_norm: loader.layer_norm(&block.output_norm)?,
            order: block.order,
        })
    }

    /// `[total, hidden]` → the states of the output tokens.
    pub fn forward(
        &self,
        run: &Forward<'_, B>,
        x: &B::Array,
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        match self.order {
            Order::After => self.forward_norms_after(run, x),
            Order::Before => self.forward_norms_before(run, x),
        }
    }

    /// Gradient at the output tokens' states → at the input of all tokens.
    pub fn vjp(
        &self,
        b: &B,
        saved: &Saved<B>,
        outputs: &OutputTokens,
        grad: &B::Array,
    ) -> Result<LayerGradients<B>, B::Error> {
        match self.order {
            Order::After => self.vjp_norms_after(b, saved, outputs, grad),
            Order::Before => self.vjp_norms_before(b, saved, outputs, grad),
        }
    }

    /// Gradient at the context → at the attention weights of one row, `[heads, queries, keys]`.
    pub fn weights_vjp(
        &self,
        b: &B,
        saved: &Saved<B>,
        outputs: &OutputTokens,
        row: usize,
        context: &B::Array,
    ) -> Result<AttentionMap, B::Error> {
        b.attention_weights_vjp(&self.attention, &saved.attended, outputs.spans(), row, context)
    }

    /// Computes the context of the queries, all tokens if there are none, with keys and values from all
    /// of `x`.
    fn attend(
        &self,
        run: &Forward<'_, B>,
        queries: Option<&B::Array>,
        x: &B::Array,
    ) -> Result<(B::Array, B::Attended), B::Error> {
        let Forward { keys, states: b, outputs, ref removed, repeats, .. } = *run;
        let maps = &self.projections;
        let mut projected = match (queries, repeats) {
            (None, None) => b.project(keys, maps, x)?,
            _ => Projected::apart(
                match queries {
                    None => mapped(b, &maps.query, x, repeats)?,
                    Some(queries) => b.linear(&maps.query, queries, None)?,
                },
                mapped(keys, &maps.key, x, repeats)?,
                mapped(keys, &maps.value, x, repeats)?,
            ),
        };
        let Heads { count, size } = self.attention.heads;
        if !removed.values.is_empty() {
            let all = |&token: &usize| (token..token + 1, 0..count * size);
            let parts: Vec<_> = removed.values.iter().map(all).collect();
            projected.value = b.without(projected.value, &parts)?;
        }
        let (context, attended) = b.attention(&self.attention, projected, outputs.spans())?;
        if removed.heads.is_empty() {
            return Ok((context, attended));
        }
        let part = |&(row, head): &(usize, usize)| {
            (outputs.spans()[row].queries.clone(), head * size..(head + 1) * size)
        };
        let parts: Vec<_> = removed.heads.iter().map(part).collect();
        Ok((b.without(context, &parts)?, attended))
    }

    /// Gradient at the context → at all of `x`. `onto` is added at the queries.
    fn attend_vjp(
        &self,
        b: &B,
        attended: &B::Attended,
        outputs: &OutputTokens,
        context: &B::Array,
        onto: Option<&B::Array>,
    ) -> Result<B::Array, B::Error> {
        let maps = &self.projections;
        let grads = b.attention_vjp(&self.attention, attended, outputs.spans(), context)?;
        if let OutputTokens::All(_) = outputs {
            return b.project_vjp(maps, &grads, onto);
        }
        let queried = b.linear_vjp(&maps.query, &grads.query, onto)?;
        // Adds in the same order for both kinds of `outputs`, so that the results on a CPU are bitwise
        // identical.
        let queried = outputs.scatter(b, queried)?;
        let x = b.linear_vjp(&maps.key, &grads.key, Some(&queried))?;
        b.linear_vjp(&maps.value, &grads.value, Some(&x))
    }

    fn forward_norms_after(
        &self,
        run: &Forward<'_, B>,
        x: &B::Array,
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        let Forward { states: b, outputs, differentiated, .. } = *run;
        let chosen = outputs.gather(b, x)?;
        let queried = chosen.as_ref().unwrap_or(x);
        let (context, attended) = self.attend(run, chosen.as_ref(), x)?;
        let sum = b.linear(&self.attention_output, &context, Some(queried))?;
        let (h, attention_norm) = self.normed(b, sum)?;
        let (sum, feed_forward) =
            self.feed_forward.forward(b, &h, &h, outputs.tokens_of_first(differentiated))?;
        let (y, output_norm) = b.layer_norm(&self.output_norm, sum)?;
        Ok((y, Saved { attended, attention_norm, feed_forward, output_norm }))
    }

    fn vjp_norms_after(
        &self,
        b: &B,
        saved: &Saved<B>,
        outputs: &OutputTokens,
        grad: &B::Array,
    ) -> Result<LayerGradients<B>, B::Error> {
        let sum = b.layer_norm_vjp(&self.output_norm, &saved.output_norm, grad)?;
        let h = self.feed_forward.vjp(b, &saved.feed_forward, &sum, Some(&sum))?;
        let sum = self.normed_vjp(b, saved, h)?;
        let context = b.linear_vjp(&self.attention_output, &sum, None)?;
        let input = self.attend_vjp(b, &saved.attended, outputs, &context, Some(&sum))?;
        Ok(LayerGradients { input, context })
    }

    fn forward_norms_before(
        &self,
        run: &Forward<'_, B>,
        x: &B::Array,
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        let Forward { states: b, outputs, differentiated, .. } = *run;
        let (normed, attention_norm) = self.normed(b, b.copy(x)?)?;
        let chosen = outputs.gather(b, &normed)?;
        let (context, attended) = self.attend(run, chosen.as_ref(), &normed)?;
        let residual = outputs.gather(b, x)?;
        let h = b.linear(&self.attention_output, &context, Some(residual.as_ref().unwrap_or(x)))?;
        let (normed, output_norm) = b.layer_norm(&self.output_norm, b.copy(&h)?)?;
        let (y, feed_forward) =
            self.feed_forward.forward(b, &normed, &h, outputs.tokens_of_first(differentiated))?;
        Ok((y, Saved { attended, attention_norm, feed_forward, output_norm }))
    }

    fn vjp_norms_before(
        &self,
        b: &B,
        saved: &Saved<B>,
        outputs: &OutputTokens,
        grad: &B::Array,
    ) -> Result<LayerGradients<B>, B::Error> {
        let normed = self.feed_forward.vjp(b, &saved.feed_forward, grad, None)?;
        let through = b.layer_norm_vjp(&self.output_norm, &saved.output_norm, &normed)?;
        let h = b.add(&through, grad)?;
        let context = b.linear_vjp(&self.attention_output, &h, None)?;
        let normed = self.attend_vjp(b, &saved.attended, outputs, &context, None)?;
        let x = self.normed_vjp(b, saved, normed)?;
        Ok(LayerGradients { input: b.add(&x, &outputs.scatter(b, h)?)?, context })
    }

    /// Applies the attention norm, if there is one.
    fn normed(&self, b: &B, x: B::Array) -> Result<Normed<B>, B::Error> {
        match &self.attention_norm {
            None => Ok((x, None)),
            Some(norm) => b.layer_norm(norm, x).map(|(y, saved)| (y, Some(saved))),
        }
    }

    fn normed_vjp(&self, b: &B, saved: &Saved<B>, grad: B::Array) -> Result<B::Array, B::Error> {
        match self.attention_norm.as_ref().zip(saved.attention_norm.as_ref()) {
            None => Ok(grad),
            Some((norm, saved)) => b.layer_norm_vjp(norm, saved, &grad),
        }
    }
}

/// Maps states, equal ones once.
fn mapped<B: Backend>(
    b: &B,
    map: &B::Linear,
    x: &B::Array,
    repeats: Option<&Repeats>,
) -> Result<B::Array, B::Error> {
    match repeats {
        None => b.linear(map, x, None),
        Some(Repeats { distinct, places }) => {
            b.gather(&b.linear(map, &b.gather(x, distinct)?, None)?, places)
        }
    }
}
