//! Evidence that is found for an input in addition to its explanations.

use std::any::Any;
use std::sync::Arc;

use crate::attribution::Cost;
use crate::model::Model;

/// The evidence of one kind for one input.
pub trait Found: Any + Send + Sync {
    /// Whether the search completed within the time limit.
    fn is_finished(&self) -> bool;

    /// Whether the result may be cached: the same request would give it again.
    fn is_lasting(&self) -> bool {
        self.is_finished()
    }
}

/// Returns the evidence of type `F`, if it was asked for.
pub fn found<F: Found>(all: &[Box<dyn Found>]) -> Option<&F> {
    all.iter().find_map(|one| (&**one as &dyn Any).downcast_ref())
}

/// Rows of one model over one sequence of so many tokens.
pub struct Load {
    pub model: Arc<Model>,
    pub tokens: usize,
    pub cost: Cost,
}

impl Load {
    /// Forward passes.
    pub fn forward(model: &Arc<Model>, tokens: usize, forward_rows: usize) -> Self {
        let cost = Cost { forward_rows, ..Cost::default() };
        Self { model: Arc::clone(model), tokens, cost }
    }

    /// The same with gradients.
    pub fn gradients(model: &Arc<Model>, tokens: usize, gradient_rows: usize) -> Self {
        let cost = Cost { gradient_rows, ..Cost::default() };
        Self { model: Arc::clone(model), tokens, cost }
    }
}
