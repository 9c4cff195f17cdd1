//! One transformer layer with its weights in place.

use std::sync::Arc;

use super::feed_forward::{self, FeedForward};
use super::place::Place;
use crate::backend::{Attention, Backend, Span};
use crate::blocks::{self, Order};
use crate::checkpoint::LoadError;
use crate::rows::AttentionMap;

/// A [`blocks::Layer`] on a back end.
pub struct Layer<B: Backend> {
    pub(super) attention: Attention<B::Array>,
    query: B::Linear,
    key: B::Linear,
    value: B::Linear,
    pub(super) attention_output: B::Linear,
    attention_norm: Option<B::LayerNorm>,
    feed_forward: FeedForward<B>,
    output_norm: B::LayerNorm,
    order: Order,
}

/// What a forward pass leaves for the gradient.
pub struct Saved<B: Backend> {
    pub attended: B::Attended,
    attention_norm: Option<B::Normalized>,
    feed_forward: feed_forward::Saved<B>,
    output_norm: B::Normalized,
}

/// Which tokens' states a layer gives. A head that reads only some of a row's
/// tokens spares the last layer all others; their keys and values still count.
pub enum Wanted {
    All(Vec<Span>),
    /// The packed places of the tokens, and their spans.
    Some(Arc<[usize]>, Vec<Span>),
}

impl Wanted {
    pub fn spans(&self) -> &[Span] {
        match self {
            Self::All(spans) | Self::Some(_, spans) => spans,
        }
    }

    /// The same of the first `rows` rows.
    pub fn first(&self, rows: usize) -> Self {
        let first = |spans: &[Span]| spans[..rows].to_vec();
        match self {
            Self::All(spans) => Self::All(first(spans)),
            Self::Some(places, spans) => {
                let end = spans[..rows].last().map_or(0, |span| span.queries.end);
                Self::Some(places[..end].into(), first(spans))
            }
        }
    }

    /// The chosen rows of `x`, unless all are.
    fn choose<B: Backend>(&self, b: &B, x: &B::Array) -> Result<Option<B::Array>, B::Error> {
        match self {
            Self::All(_) => Ok(None),
            Self::Some(places, _) => b.gather(x, places).map(Some),
        }
    }

    /// A gradient at the chosen rows as one at all.
    fn spread<B: Backend>(&self, b: &B, grad: B::Array) -> Result<B::Array, B::Error> {
        match self {
            Self::All(_) => Ok(grad),
            Self::Some(places, spans) => {
                b.spread(&grad, places, spans.last().map_or(0, |span| span.keys.end))
            }
        }
    }
}

/// Gradients on the way back through a layer.
pub struct Walked<B: Backend> {
    /// At the input of all tokens, `[total, hidden]`.
    pub input: B::Array,
    /// At the context of the attention of the wanted tokens.
    pub context: B::Array,
}

/// A state through a norm, if there is one, and what it left.
type Normed<B> = (<B as Backend>::Array, Option<<B as Backend>::Normalized>);

impl<B: Backend> Layer<B> {
    pub fn place(block: &blocks::Layer, place: &Place<'_, B>) -> Result<Self, LoadError> {
        let attention = &block.attention;
        let norm = block.attention_norm.as_ref();
        Ok(Self {
            attention: place.attention(attention)?,
            query: place.linear(&attention.query)?,
            key: place.linear(&attention.key)?,
            value: place.linear(&attention.value)?,
            attention_output: place.linear(&attention.output)?,
            attention_norm: norm.map(|norm| place.layer_norm(norm)).transpose()?,
            feed_forward: FeedForward::place(&block.feed_forward, place)?,
            output_norm: place.layer_norm(&block.output_norm)?,
            order: block.order,
        })
    }

    /// `[total, hidden]` → the states of the tokens that are wanted.
    pub fn forward(
        &self,
        b: &B,
        x: &B::Array,
        wanted: &Wanted,
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        match self.order {
            Order::After => self.forward_norms_after(b, x, wanted),
            Order::Before => self.forward_norms_before(b, x, wanted),
        }
    }

    /// Gradient at the output of the wanted tokens → at the input of all.
    pub fn vjp(
        &self,
        b: &B,
        saved: &Saved<B>,
        wanted: &Wanted,
        grad: &B::Array,
    ) -> Result<Walked<B>, B::Error> {
        match self.order {
            Order::After => self.vjp_norms_after(b, saved, wanted, grad),
            Order::Before => self.vjp_norms_before(b, saved, wanted, grad),
        }
    }

    /// The gradient at the weights of one row, `[heads, tokens, tokens]`, given the
    /// one at the context.
    pub fn weights_vjp(
        &self,
        b: &B,
        saved: &Saved<B>,
        wanted: &Wanted,
        row: usize,
        context: &B::Array,
    ) -> Result<AttentionMap, B::Error> {
        b.attention_weights_vjp(&self.attention, &saved.attended, wanted.spans(), row, context)
    }

    /// The context of the queries, looked for among all of `x`.
    fn attend(
        &self,
        b: &B,
        queries: &B::Array,
        x: &B::Array,
        wanted: &Wanted,
    ) -> Result<(B::Array, B::Attended), B::Error> {
        let query = b.linear(&self.query, queries, None)?;
        let key = b.linear(&self.key, x, None)?;
        let value = b.linear(&self.value, x, None)?;
        b.attention(&self.attention, [query, key, value], wanted.spans())
    }

    /// Gradient at the context → at all of `x`. `onto` is added at the queries.
    fn attend_vjp(
        &self,
        b: &B,
        attended: &B::Attended,
        wanted: &Wanted,
        context: &B::Array,
        onto: Option<&B::Array>,
    ) -> Result<B::Array, B::Error> {
        let [query, key, value] =
            b.attention_vjp(&self.attention, attended, wanted.spans(), context)?;
        let queried = b.linear_vjp(&self.query, &query, onto)?;
        // The sum is built up in one order for either kind of `wanted`, so that
        // its last bit does not tell which it was.
        let queried = wanted.spread(b, queried)?;
        let x = b.linear_vjp(&self.key, &key, Some(&queried))?;
        b.linear_vjp(&self.value, &value, Some(&x))
    }

    fn forward_norms_after(
        &self,
        b: &B,
        x: &B::Array,
        wanted: &Wanted,
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        let chosen = wanted.choose(b, x)?;
        let queried = chosen.as_ref().unwrap_or(x);
        let (context, attended) = self.attend(b, queried, x, wanted)?;
        let sum = b.linear(&self.attention_output, &context, Some(queried))?;
        let (h, attention_norm) = self.normed(b, sum)?;
        let (sum, feed_forward) = self.feed_forward.forward(b, &h, &h)?;
        let (y, output_norm) = b.layer_norm(&self.output_norm, sum)?;
        Ok((y, Saved { attended, attention_norm, feed_forward, output_norm }))
    }

    fn vjp_norms_after(
        &self,
        b: &B,
        saved: &Saved<B>,
        wanted: &Wanted,
        grad: &B::Array,
    ) -> Result<Walked<B>, B::Error> {
        let sum = b.layer_norm_vjp(&self.output_norm, &saved.output_norm, grad)?;
        let h = self.feed_forward.vjp(b, &saved.feed_forward, &sum, Some(&sum))?;
        let sum = self.normed_vjp(b, saved, h)?;
        let context = b.linear_vjp(&self.attention_output, &sum, None)?;
        let input = self.attend_vjp(b, &saved.attended, wanted, &context, Some(&sum))?;
        Ok(Walked { input, context })
    }

    fn forward_norms_before(
        &self,
        b: &B,
        x: &B::Array,
        wanted: &Wanted,
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        let (normed, attention_norm) = self.normed(b, b.copy(x)?)?;
        let chosen = wanted.choose(b, &normed)?;
        let queried = chosen.as_ref().unwrap_or(&normed);
        let (context, attended) = self.attend(b, queried, &normed, wanted)?;
        let residual = wanted.choose(b, x)?;
        let h = b.linear(&self.attention_output, &context, Some(residual.as_ref().unwrap_or(x)))?;
        let (normed, output_norm) = b.layer_norm(&self.output_norm, b.copy(&h)?)?;
        let (y, feed_forward) = self.feed_forward.forward(b, &normed, &h)?;
        Ok((y, Saved { attended, attention_norm, feed_forward, output_norm }))
    }

    fn vjp_norms_before(
        &self,
        b: &B,
        saved: &Saved<B>,
        wanted: &Wanted,
        grad: &B::Array,
    ) -> Result<Walked<B>, B::Error> {
        let normed = self.feed_forward.vjp(b, &saved.feed_forward, grad, None)?;
        let through = b.layer_norm_vjp(&self.output_norm, &saved.output_norm, &normed)?;
        let h = b.plus(&through, grad)?;
        let context = b.linear_vjp(&self.attention_output, &h, None)?;
        let normed = self.attend_vjp(b, &saved.attended, wanted, &context, None)?;
        let x = self.normed_vjp(b, saved, normed)?;
        Ok(Walked { input: b.plus(&x, &wanted.spread(b, h)?)?, context })
    }

    /// Through the norm of the attention, if it has one.
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
