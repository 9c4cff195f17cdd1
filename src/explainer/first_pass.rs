//! The first pass of an input, which gives its prediction. If a method takes a gradient at the input
//! itself, its row is the first pass: the pass determines the target and explains it.

use std::sync::Arc;

use crate::attribution::{MaskValues, MethodEntry, Options, Subject};
use crate::error::Result;
use crate::explanation::{Question, Resolved};
use crate::passes::Passes;
use crate::rows::{Maps, Row, RowOutput, Want};
use crate::tasks;
use crate::text::Encoding;

pub struct FirstPass {
    pub reads: Arc<[usize]>,
    pub output: RowOutput,
    /// The gradient row that was run.
    explained: Option<Row>,
}

/// Runs one forward pass over `encoding`.
pub async fn forward(
    question: &Question,
    passes: &Passes,
    maps: Maps,
    encoding: &Encoding,
) -> Result<FirstPass> {
    let reads = tasks::of(question.model.task).reads(encoding, &question.model)?;
    let row = Row::forward(Arc::clone(&encoding.ids), Arc::clone(&reads));
    let output = passes.run_one(Row { maps, ..row }).await?;
    Ok(FirstPass::of(reads, output))
}

/// Runs one pass over `encoding`, with the gradient that a method begins with, if there is one.
pub async fn explained(
    question: &Question,
    passes: &Passes,
    maps: Maps,
    encoding: &Encoding,
) -> Result<FirstPass> {
    let Some(row) = gradient_row(question, encoding) else {
        return forward(question, passes, maps, encoding).await;
    };
    let output = passes.run_one(Row { maps, ..row.clone() }).await?;
    Ok(FirstPass { reads: Arc::clone(&row.reads), output, explained: Some(row) })
}

/// Returns the gradient row that is the first pass, of the first method that begins with one.
pub fn gradient_row(question: &Question, encoding: &Encoding) -> Option<Row> {
    let task = tasks::of(question.model.task);
    let scalar = task.before_pass(question)?;
    let subject = Subject {
        encoding,
        reads: &task.reads(encoding, &question.model).ok()?,
        scalars: &[scalar],
        values: &[],
        mask_values: &MaskValues::default(),
        seed: question.seed,
    };
    let of_method = |(method, options): &(&'static MethodEntry, Options)| {
        (method.row_at_input)(&question.model, subject, options)
    };
    question.methods.iter().find_map(of_method)
}

impl FirstPass {
    /// A forward pass that has run.
    pub fn of(reads: Arc<[usize]>, output: RowOutput) -> Self {
        Self { reads, output, explained: None }
    }

    /// Returns a handle for methods that explain `targets`, which need not run the first pass again.
    pub fn known_to(&self, passes: &Passes, targets: &[Resolved]) -> Passes {
        let ([target], Some(row)) = (targets, &self.explained) else { return passes.clone() };
        let Want::Gradients(reduce, _) = row.want else { return passes.clone() };
        let want = Want::Gradients(reduce, vec![target.scalar.clone()]);
        passes.knowing(Row { want, ..row.clone() }, self.output.clone())
    }
}
