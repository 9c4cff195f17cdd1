//! A task head with its weights in place.

use super::place::Place;
use crate::backend::Backend;
use crate::blocks::{self, Activation, Pooling};
use crate::checkpoint::LoadError;
use crate::rows::{dot, norm};

/// A [`blocks::Head`] on a back end.
pub struct Head<B: Backend> {
    pub pooling: Pooling,
    steps: Vec<Step<B>>,
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

/// What a step leaves for the gradient.
pub enum Saved<B: Backend> {
    Nothing,
    Slope(B::Array),
    Norm(B::Normalized),
    /// Vectors of length 1, and how long they were.
    Unit(Vec<(Vec<f64>, f64)>),
}

/// Outputs, and what each step left.
type Forwarded<B> = (<B as Backend>::Array, Vec<Saved<B>>);

/// A shorter vector is divided by this, as torch does.
const SHORTEST: f64 = 1e-12;

impl<B: Backend> Head<B> {
    pub fn place(block: &blocks::Head, place: &Place<'_, B>) -> Result<Self, LoadError> {
        let step = |step: &blocks::Step| {
            Ok(match step {
                blocks::Step::Dense(dense) => Step::Dense(Dense::place(dense, place)?),
                blocks::Step::Norm(norm) => Step::Norm(place.layer_norm(norm)?),
                blocks::Step::Unit => Step::Unit,
                blocks::Step::Binary => Step::Binary,
            })
        };
        let steps = block.steps.iter().map(step).collect::<Result<_, _>>()?;
        Ok(Self { pooling: block.pooling.clone(), steps })
    }

    /// What is read, `[reads, hidden · ways]` → outputs `[reads, labels]`.
    pub fn forward(&self, b: &B, mut x: B::Array) -> Result<Forwarded<B>, B::Error> {
        let mut kept = Vec::new();
        for step in &self.steps {
            let (y, saved) = step.forward(b, x)?;
            x = y;
            kept.push(saved);
        }
        Ok((x, kept))
    }

    /// Gradient at the outputs → at what is read.
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

/// `x / |x|`, and `|x|`.
fn unit(x: Vec<f64>) -> (Vec<f64>, f64) {
    let size = norm(&x).max(SHORTEST);
    (x.into_iter().map(|x| x / size).collect(), size)
}

/// With y the unit vector: `(g - y (y g)) / |x|`.
fn unit_vjp(grad: Vec<f64>, (unit, size): &(Vec<f64>, f64)) -> Vec<f64> {
    // Where x is too short it is divided by a constant.
    let along = if *size > SHORTEST { dot(&grad, unit) } else { 0. };
    grad.iter().zip(unit).map(|(grad, y)| (grad - y * along) / size).collect()
}

impl<B: Backend> Dense<B> {
    fn place(block: &blocks::Dense, place: &Place<'_, B>) -> Result<Self, LoadError> {
        Ok(Self {
            map: place.linear(&block.map)?,
            activation: block.activation,
            residual: match &block.residual {
                blocks::Residual::None => Residual::None,
                blocks::Residual::Input => Residual::Input,
                blocks::Residual::Map(map) => Residual::Map(place.linear(map)?),
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
        let (active, slope) = b.linear_activated(&self.map, activation, x)?;
        let y = match onto {
            Some(onto) => b.plus(&active, onto)?,
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
            Saved::Slope(slope) => b.linear_vjp(&self.map, &b.times(grad, slope)?, onto),
            Saved::Nothing | Saved::Norm(_) | Saved::Unit(_) => b.linear_vjp(&self.map, grad, onto),
        }
    }
}
