//! One transformer layer with its weights in place.

use super::place::{Place, PlaceError};
use crate::backend::{Backend, Heads, Span};
use crate::blocks::{self, Activation};

/// A [`blocks::Layer`] on a back end.
pub struct Layer<B: Backend> {
    pub heads: Heads,
    query: B::Linear,
    key: B::Linear,
    value: B::Linear,
    attention_output: B::Linear,
    attention_norm: B::LayerNorm,
    up: B::Linear,
    activation: Activation,
    down: B::Linear,
    output_norm: B::LayerNorm,
}

/// What a forward pass leaves for the gradient.
pub struct Saved<B: Backend> {
    pub attended: B::Attended,
    attention_norm: B::Normalized,
    slope: B::Slope,
    output_norm: B::Normalized,
}

/// Which tokens' states a layer gives. A head that reads only each row's first
/// token spares the last layer all others; their keys and values still count.
pub enum Wanted {
    All(Vec<Span>),
    /// The packed places of the tokens, and their spans: one query each.
    Some(Vec<usize>, Vec<Span>),
}

impl Wanted {
    fn spans(&self) -> &[Span] {
        match self {
            Self::All(spans) | Self::Some(_, spans) => spans,
        }
    }

    /// The same of the first `rows` rows.
    pub fn first(&self, rows: usize) -> Self {
        match self {
            Self::All(spans) => Self::All(spans[..rows].to_vec()),
            Self::Some(places, spans) => {
                Self::Some(places[..rows].to_vec(), spans[..rows].to_vec())
            }
        }
    }
}

impl<B: Backend> Layer<B> {
    pub fn place(block: &blocks::Layer, place: &Place<'_, B>) -> Result<Self, PlaceError> {
        Ok(Self {
            heads: Heads { count: block.heads, size: block.head_size },
            query: place.linear(&block.query)?,
            key: place.linear(&block.key)?,
            value: place.linear(&block.value)?,
            attention_output: place.linear(&block.attention_output)?,
            attention_norm: place.layer_norm(&block.attention_norm)?,
            up: place.linear(&block.up)?,
            activation: block.activation,
            down: place.linear(&block.down)?,
            output_norm: place.layer_norm(&block.output_norm)?,
        })
    }

    /// `[total, hidden]` → the states of the tokens that are wanted.
    pub fn forward(
        &self,
        b: &B,
        x: &B::Array,
        wanted: &Wanted,
    ) -> Result<(B::Array, Saved<B>), B::Error> {
        let chosen = match wanted {
            Wanted::All(_) => None,
            Wanted::Some(places, _) => Some(b.gather(x, places)?),
        };
        let queried = chosen.as_ref().unwrap_or(x);
        let query = b.linear(&self.query, queried, None)?;
        let key = b.linear(&self.key, x, None)?;
        let value = b.linear(&self.value, x, None)?;
        let (context, attended) = b.attention(self.heads, [query, key, value], wanted.spans())?;
        let sum = b.linear(&self.attention_output, &context, Some(queried))?;
        let (h, attention_norm) = b.layer_norm(&self.attention_norm, sum)?;
        let (active, slope) = b.linear_activated(&self.up, self.activation, &h)?;
        let sum = b.linear(&self.down, &active, Some(&h))?;
        let (y, output_norm) = b.layer_norm(&self.output_norm, sum)?;
        Ok((y, Saved { attended, attention_norm, slope, output_norm }))
    }

    /// Gradient at the output of the wanted tokens → at the input of all,
    /// `[total, hidden]`.
    pub fn vjp(
        &self,
        b: &B,
        saved: &Saved<B>,
        wanted: &Wanted,
        grad: &B::Array,
    ) -> Result<B::Array, B::Error> {
        let sum = b.layer_norm_vjp(&self.output_norm, &saved.output_norm, grad)?;
        let up = b.linear_vjp_activated(&self.down, &saved.slope, &sum)?;
        let h = b.linear_vjp(&self.up, &up, Some(&sum))?;
        let sum = b.layer_norm_vjp(&self.attention_norm, &saved.attention_norm, &h)?;
        let context = b.linear_vjp(&self.attention_output, &sum, None)?;
        let [query, key, value] =
            b.attention_vjp(self.heads, &saved.attended, wanted.spans(), &context)?;
        let queried = b.linear_vjp(&self.query, &query, Some(&sum))?;
        // The sum is built up in one order for either kind of `wanted`, so that
        // its last bit does not tell which it was.
        let queried = match wanted {
            Wanted::All(_) => queried,
            Wanted::Some(places, spans) => {
                b.spread(&queried, places, spans.last().map_or(0, |span| span.keys.end))?
            }
        };
        let x = b.linear_vjp(&self.key, &key, Some(&queried))?;
        b.linear_vjp(&self.value, &value, Some(&x))
    }
}
