//! A change of a text to try, and lists of them.

use super::super::words::Edit;
use super::MOST;
use crate::model::Model;
use crate::text::Encoding;

/// A change to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub property: &'static str,
    pub variant: Option<&'static str>,
    pub from: String,
    pub to: String,
    /// In text order.
    pub edits: Vec<Edit>,
}

impl Plan {
    /// Returns a bound on the tokens of the changed text. No tokenizer makes more tokens of a
    /// replacement than it has bytes.
    pub fn most_tokens(&self, model: &Model, encoding: &Encoding) -> usize {
        let added: usize = self.edits.iter().map(|edit| edit.to.len()).sum();
        (encoding.len() + added).min(model.text.max_tokens)
    }
}

/// The plans of one change, at most [`MOST`].
#[derive(Debug, Default)]
pub struct Plans {
    pub plans: Vec<Plan>,
    pub left_out: usize,
}

impl Plans {
    /// Adds a plan, unless there is one with the same edits. Only counts those beyond the limit.
    pub fn push(&mut self, plan: Plan) {
        if plan.edits.is_empty() || self.plans.iter().any(|known| known.edits == plan.edits) {
            return;
        }
        match self.plans.len() < MOST {
            true => self.plans.push(plan),
            false => self.left_out += 1,
        }
    }
}
