//! A task head with its weights in place.

use super::place::Place;
use crate::backend::Backend;
use crate::blocks::{self, Activation, Pooling};
use crate::checkpoint::LoadError;

/// A [`blocks::Head`] on a back end.
pub struct Head<B: Backend> {
    pub pooling: Pooling,
    transform: Option<Transform<B>>,
    output: Option<B::Linear>,
}

/// `norm(act(dense(x)))`
struct Transform<B: Backend> {
    dense: B::Linear,
    activation: Activation,
    norm: Option<B::LayerNorm>,
}

/// What a forward pass leaves for the gradient.
pub struct Saved<B: Backend> {
    slope: Option<B::Array>,
    norm: Option<B::Normalized>,
}

impl<B: Backend> Head<B> {
    pub fn place(block: &blocks::Head, place: &Place<'_, B>) -> Result<Self, LoadError> {
        let transform = |block: &blocks::Transform| {
            Ok(Transform {
                dense: place.linear(&block.dense)?,
                activation: block.activation,
                norm: block.norm.as_ref().map(|norm| place.layer_norm(norm)).transpose()?,
            })
        };
        Ok(Self {
            pooling: block.pooling,
            transform: block.transform.as_ref().map(transform).transpose()?,
            output: block.output.as_ref().map(|map| place.linear(map)).transpose()?,
        })
    }

    /// The states that it reads, `[reads, hidden]` → outputs `[reads, labels]`.
    pub fn forward(&self, b: &B, mut x: B::Array) -> Result<(B::Array, Saved<B>), B::Error> {
        let mut saved = Saved { slope: None, norm: None };
        if let Some(Transform { dense, activation, norm }) = &self.transform {
            let (active, slope) = b.linear_activated(dense, *activation, &x)?;
            (x, saved.slope) = (active, Some(slope));
            if let Some(norm) = norm {
                let (normed, kept) = b.layer_norm(norm, x)?;
                (x, saved.norm) = (normed, Some(kept));
            }
        }
        if let Some(output) = &self.output {
            x = b.linear(output, &x, None)?;
        }
        Ok((x, saved))
    }

    /// Gradient at the outputs → at the states.
    pub fn vjp(&self, b: &B, saved: &Saved<B>, mut grad: B::Array) -> Result<B::Array, B::Error> {
        if let Some(output) = &self.output {
            grad = b.linear_vjp(output, &grad, None)?;
        }
        if let Some(Transform { dense, norm, .. }) = &self.transform {
            if let Some((norm, kept)) = norm.as_ref().zip(saved.norm.as_ref()) {
                grad = b.layer_norm_vjp(norm, kept, &grad)?;
            }
            if let Some(slope) = &saved.slope {
                grad = b.times(&grad, slope)?;
            }
            grad = b.linear_vjp(dense, &grad, None)?;
        }
        Ok(grad)
    }
}
