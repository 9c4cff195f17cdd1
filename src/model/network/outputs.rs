//! Rows that need few outputs of a large vocabulary: the head computes only these, in the same way,
//! so that the result is the same to the last bit.

use std::collections::BTreeSet;

use super::Network;
use crate::backend::Backend;
use crate::rows::{Output, Row, RowOutput, Scalar};

/// With fewer outputs per token, all are computed: a product with so few columns costs next to
/// nothing.
const MIN_OUTPUTS: usize = 128;

/// What a row needs of the outputs of each token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needed {
    All,
    /// Nothing but the logits of the row's scalars.
    Few,
}

/// Returns what a row needs of `outputs` separable ones.
pub fn needed(row: &Row, outputs: Option<usize>) -> Needed {
    let is_logit = |scalar: &Scalar| matches!(scalar, Scalar::Sum { output: Output::Logit, .. });
    let scalars = row.scalars();
    match outputs {
        Some(MIN_OUTPUTS..) if !scalars.is_empty() && scalars.iter().all(is_logit) => Needed::Few,
        _ => Needed::All,
    }
}

impl<B: Backend> Network<B> {
    /// Like [`Self::run_layers`], for rows that need few outputs.
    pub(super) fn run_few_outputs(
        &self,
        b: &B,
        layers: (usize, Option<usize>),
        rows: &[&Row],
    ) -> Result<Vec<RowOutput>, B::Error> {
        let outputs = self.head.separable().unwrap_or(1);
        let indices = |row: &&Row| {
            let terms = row.scalars().iter().flat_map(terms);
            terms.map(|(index, _)| index % outputs).collect::<Vec<_>>()
        };
        let needed: BTreeSet<usize> = rows.iter().flat_map(indices).collect();
        let needed: Vec<usize> = needed.into_iter().collect();
        let renumbered = |&(index, weight): &(usize, f64)| {
            let own = needed.binary_search(&(index % outputs)).unwrap_or_default();
            (index / outputs * needed.len() + own, weight)
        };
        let scalar = |scalar: &Scalar| Scalar::Sum {
            output: Output::Logit,
            terms: terms(scalar).iter().map(renumbered).collect(),
        };
        let rows: Vec<Row> = rows.iter().map(|row| row.with_scalars(scalar)).collect();
        let head = self.head.some_outputs(b, &needed)?;
        self.run_layers(b, &head, layers, &rows.iter().collect::<Vec<_>>())
    }
}

fn terms(scalar: &Scalar) -> &[(usize, f64)] {
    match scalar {
        Scalar::Sum { terms, .. } => terms,
        Scalar::Highest(_) | Scalar::Cosine(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rows::{Norm, Reduce, Tokens, Want};

    #[test]
    fn only_logits_of_a_large_vocabulary_are_few() {
        let tokens = Tokens { input_ids: vec![], token_type_ids: vec![], position_ids: vec![] };
        let forward = Row::forward(Arc::new(tokens), [0].into());
        let (logit, probability) =
            (Scalar::one(Output::Logit, 300), Scalar::one(Output::Probability, 300));
        let reduce = Reduce::Norm(Norm::L2);
        let cases = [
            (Want::Outputs, Needed::All),
            (Want::Lens, Needed::All),
            (Want::Values(vec![]), Needed::All),
            (Want::Values(vec![logit.clone()]), Needed::Few),
            (Want::Values(vec![probability.clone()]), Needed::All),
            (Want::Values(vec![Scalar::Highest(Output::Logit)]), Needed::All),
            (Want::Gradients(reduce, vec![logit.clone()]), Needed::Few),
            (Want::Gradients(reduce, vec![logit.clone(), probability]), Needed::All),
            (Want::Layers(1..2, Some(logit)), Needed::Few),
            (Want::Layers(1..2, None), Needed::All),
        ];
        for (want, of_many) in cases {
            let row = Row { want, ..forward.clone() };
            assert_eq!(needed(&row, Some(30_000)), of_many, "{:?}", row.want);
            assert_eq!([Some(9), None].map(|outputs| needed(&row, outputs)), [Needed::All; 2]);
        }
    }
}
