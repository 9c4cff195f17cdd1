//! A task head with loaded weights.

use std::sync::Arc;

use super::loader::Loader;
use crate::backend::Backend;
use crate::blocks::{self, Activation, Pooling};
use crate::checkpoint::LoadError;
use crate::rows::{dot, norm};

/// A [`blocks::Head`] on a back end.
pub struct Head<B: Backend> {
    pub pooling: Pooling,
    steps: Vec<Arc<Step<B>>>,
    /// The number of outputs that the last step maps to, if it is nothing but a map.
    mapped: Option<usize>,
}

/// A [`blocks::Step`] on a back end.
enum Step<B: Backend> {
    Dense(Dense<B>),
    Norm(B::LayerNorm),
    Unit,
    Binary,
}

/// `act(map(x)) + residual(x)`
struct Dense<B: Backend> {
    map: B::Linear,
    activation: Option<Activation>,
    residual: Residual<B>,
}

enum Residual<B: Backend> {
    None,
    Input,
    Map(B::Linear),
}

/// What a step saves for the gradient.
pub enum Saved<B: Backend> {
    Nothing,
    Slope(B::Array),
    Norm(B::Normalized),
    /// The unit vectors and the original norms.
    Unit(Vec<(Vec<f64>, f64)>),
}

/// The outputs, and what each step saved.
type Forwarded<B> = (<B as Backend>::Array, Vec<Saved<B>>);

/// The minimum norm to divide by, as in torch.
const MIN_NORM: f64 = 1e-12;

impl<B: Backend> Head<B> {
    pub fn load(block: &blocks::Head, loader: &Loader<'_, B>) -> Result<Self, LoadError> {
        let step = |step: &blocks::Step| {
            Ok(Arc::new(match step {
                blocks::Step::Dense(dense) => Step::Dense(Dense::load(dense, loader)?),
                blocks::Step::Norm(norm) => Step::Norm(loader.layer_norm(norm)?),
                blocks::Step::Unit => Step::Unit,
                blocks::Step::Binary => Step::Binary,
            }))
        };
        let steps = block.steps.iter().map(step).collect::<Result<_, _>>()?;
        let mapped = match block.steps.last() {
            Some(blocks::Step::Dense(dense)) if dense.is_map() => Some(dense.map.out),
            _ => None,
        };
        Ok(Self { pooling: block.pooling.clone(), steps, mapped })
    }

    /// Returns the number of outputs per token of which single ones can be computed.
    pub fn separable(&self) -> Option<usize> {
        self.mapped.filter(|_| self.pooling == Pooling::Tokens)
    }

    /// Returns the head with some of its separable outputs.
    pub fn some_outputs(&self, b: &B, outputs: &[usize]) -> Result<Self, B::Error> {
        let mut steps = self.steps.clone();
        if let Some(last) = steps.last_mut()
            && let Step::Dense(Dense { map, .. }) = &**last
        {
            let map = b.some_outputs(map, outputs)?;
            *last =
                Arc::new(Step::Dense(Dense { map, activation: None, residual: Residual::None }));
        }
        Ok(Self { pooling: self.pooling.clone(), steps, mapped: Some(outputs.len()) })
    }

    /// Pooled states `[reads, hidden · modes]` → outputs `[reads, labels]`.
    pub fn forward(&self, b: &B, mut x: B::Array) -> Result<Forwarded<B>, B::Error> {
        let mut all_saved = Vec::new();
        for step in &self.steps {
            let (y, saved) = step.forward(b, x)?;
            x = y;
            all_saved.push(saved);
        }
        Ok((x, all_saved))
    }

    /// Gradient at the outputs → at the pooled states.
    pub fn vjp(&self, b: &B, saved: &[Saved<B>], grad: B::Array) -> Result<B::Array, B::Error> {
        let steps = self.steps.iter().zip(saved).rev();
        steps.into_iter().try_fold(grad, |grad, (step, saved)| step.vjp(b, saved, grad))
    }
}

impl<B: Backend> Step<B> {
    fn forward(&self, b: &B, x: B::Array) -> Result<(B::Array, Saved<B>), B::Error> {
        Ok(match self {
            Self::Dense(dense) => dense.forward(b, &x)?,
            Self::Norm(norm) => {
                let (y, saved) = b.layer_norm(norm, x)?;
                (y, Saved::Norm(saved))
            }
            Self::Unit => {
                let units: Vec<(Vec<f64>, f64)> = b.rows(&x)?.into_iter().map(unit).collect();
                let rows: Vec<Vec<f64>> = units.iter().map(|(unit, _)| unit.clone()).collect();
                (b.array(&rows)?, Saved::Unit(units))
            }
            Self::Binary => {
                let rows: Vec<Vec<f64>> =
                    b.rows(&x)?.iter().map(|logits| vec![0., logits[0]]).collect();
                (b.array(&rows)?, Saved::Nothing)
            }
        })
    }

    /// Gradient at the output → at the input.
    fn vjp(&self, b: &B, saved: &Saved<B>, grad: B::Array) -> Result<B::Array, B::Error> {
        match (self, saved) {
            (Self::Dense(dense), _) => dense.vjp(b, saved, &grad),
            (Self::Norm(norm), Saved::Norm(saved)) => b.layer_norm_vjp(norm, saved, &grad),
            (Self::Unit, Saved::Unit(units)) => {
                let rows = b.rows(&grad)?.into_iter().zip(units);
                let rows: Vec<Vec<f64>> = rows.map(|(grad, saved)| unit_vjp(grad, saved)).collect();
                b.array(&rows)
            }
            (Self::Binary, _) => {
                let rows: Vec<Vec<f64>> = b.rows(&grad)?.iter().map(|grad| vec![grad[1]]).collect();
                b.array(&rows)
            }
            (Self::Norm(_) | Self::Unit, _) => Ok(grad),
        }
    }
}

/// Returns `x / |x|` and `|x|`.
fn unit(x: Vec<f64>) -> (Vec<f64>, f64) {
    let length = norm(&x).max(MIN_NORM);
    (x.into_iter().map(|x| x / length).collect(), length)
}

/// Gradient at the unit vector y → at x: `(g - y (y g)) / |x|`.
fn unit_vjp(grad: Vec<f64>, (unit, length): &(Vec<f64>, f64)) -> Vec<f64> {
    // A vector below the minimum norm was divided by a constant.
    let along = if *length > MIN_NORM { dot(&grad, unit) } else { 0. };
    grad.iter().zip(unit).map(|(grad, y)| (grad - y * along) / length).collect()
}

impl<B: Backend> Dense<B> {
    fn load(block: &blocks::Dense, loader: &Loader<'_, B>) -> Result<Self, LoadError> {
        Ok(Self {
            map: loader.linear(&block.map)?,
            activation: block.activation,
            residual: match &block.residual {
                blocks::Residual::None => Residual::None,
                blocks::Residual::Input => Residual::Input,
                blocks::Residual::Map(map) => Residual::Map(loader.linear(map)?),
            },
        })
    }

    fn forward(&self, b: &B, x: &B::Array) -> Result<(B::Array, Saved<B>), B::Error> {
        let mapped = match &self.residual {
            Residual::Map(map) => Some(b.linear(map, x, None)?),
            Residual::None | Residual::Input => None,
        };
        let onto = match &self.residual {
            Residual::Input => Some(x),
            Residual::None | Residual::Map(_) => mapped.as_ref(),
        };
        let Some(activation) = self.activation else {
            return Ok((b.linear(&self.map, x, onto)?, Saved::Nothing));
        };
        let (active, slope) = b.linear_activated(&self.map, activation, x, usize::MAX)?;
        let y = match onto {
            Some(onto) => b.add(&active, onto)?,
            None => active,
        };
        Ok((y, Saved::Slope(slope)))
    }

    fn vjp(&self, b: &B, saved: &Saved<B>, grad: &B::Array) -> Result<B::Array, B::Error> {
        let mapped = match &self.residual {
            Residual::Map(map) => Some(b.linear_vjp(map, grad, None)?),
            Residual::None | Residual::Input => None,
        };
        let onto = match &self.residual {
            Residual::Input => Some(grad),
            Residual::None | Residual::Map(_) => mapped.as_ref(),
        };
        match saved {
            Saved::Slope(slope) => b.linear_vjp(&self.map, &b.mul(grad, slope)?, onto),
            Saved::Nothing | Saved::Norm(_) | Saved::Unit(_) => b.linear_vjp(&self.map, grad, onto),
        }
    }
}
