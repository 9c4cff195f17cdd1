//! The outputs that targets need, of a head with outputs per token. Rows that explain the targets
//! compute only these, and the last layer only their states.

use std::borrow::Cow;
use std::sync::Arc;

use crate::blocks::Pooling;
use crate::explanation::{Question, Resolved};
use crate::heads::activation::OutputActivation;
use crate::rows::{Output, RowOutput, Scalar};

/// What an input is explained by.
pub struct Needed<'a> {
    pub reads: Arc<[usize]>,
    /// The outputs of `reads` for the input.
    pub output: Cow<'a, RowOutput>,
    /// Their scalars are outputs of `reads`.
    pub targets: Vec<Resolved>,
}

impl<'a> Needed<'a> {
    /// Leaves out the reads that the targets do not depend on.
    pub fn of(
        question: &Question,
        reads: &Arc<[usize]>,
        output: &'a RowOutput,
        targets: Vec<Resolved>,
    ) -> Self {
        let all = reads.len();
        let mut needed: Vec<usize> =
            targets.iter().flat_map(|target| positions(question, &target.scalar, all)).collect();
        needed.sort_unstable();
        needed.dedup();
        if *question.model.pooling() != Pooling::Tokens || targets.is_empty() || needed.len() == all
        {
            let output = Cow::Borrowed(output);
            return Self { reads: Arc::clone(reads), output, targets };
        }
        let width = question.model.outputs();
        let of_reads = |numbers: &[f64]| -> Vec<f64> {
            needed.iter().flat_map(|&read| numbers[read * width..][..width].to_vec()).collect()
        };
        let renumbered = |target: Resolved| match target.scalar {
            Scalar::Sum { output, terms } => {
                let index = |read: usize| needed.binary_search(&read).unwrap_or_default();
                let term = |(i, weight)| (index(i / width) * width + i % width, weight);
                let terms = terms.into_iter().map(term).collect();
                Resolved { scalar: Scalar::Sum { output, terms }, ..target }
            }
            Scalar::Highest(_) | Scalar::Cosine(_) => target,
        };
        Self {
            output: Cow::Owned(RowOutput {
                logits: of_reads(&output.logits),
                probabilities: of_reads(&output.probabilities),
                ..RowOutput::default()
            }),
            targets: targets.into_iter().map(renumbered).collect(),
            reads: needed.iter().map(|&read| reads[read]).collect(),
        }
    }
}

/// Returns the positions in all reads of those that a scalar depends on, for methods and measures.
fn positions(question: &Question, scalar: &Scalar, all: usize) -> Vec<usize> {
    let competes = question.model.activation() == OutputActivation::SoftmaxOverTokens;
    match scalar {
        // Measures are about probabilities.
        Scalar::Sum { output, .. }
            if competes && (*output == Output::Probability || question.evaluate.is_some()) =>
        {
            (0..all).collect()
        }
        Scalar::Sum { terms, .. } => {
            terms.iter().map(|(index, _)| index / question.model.outputs()).collect()
        }
        Scalar::Highest(_) | Scalar::Cosine(_) => (0..all).collect(),
    }
}
