//! The head's outputs from the states after any layer (nostalgebraist 2020, the logit lens).

use std::ops::Range;

use super::{Network, Pass};
use crate::backend::Backend;
use crate::blocks::Pooling;
use crate::rows::{LensOutput, Want};

impl<B: Backend> Network<B> {
    /// Adds what the head computes from `hidden`, the states before the last layer, for each row
    /// that requests it. A final layer norm is applied first.
    pub(super) fn look(
        &self,
        pass: &Pass<'_, B>,
        hidden: &B::Array,
        lens: &mut [Vec<LensOutput>],
    ) -> Result<(), B::Error> {
        let (b, packed) = (pass.b, &pass.packed);
        let all = packed.read_indices();
        for ((row, reads), own) in packed.rows.iter().zip(&packed.read_ranges).zip(lens) {
            if !matches!(row.want, Want::Lens) {
                continue;
            }
            let mut states = b.gather(hidden, &all[reads.clone()])?;
            if let Some(norm) = &self.encoder.final_norm {
                states = b.layer_norm(norm, states)?.0;
            }
            let pooled = match &self.head.pooling {
                Pooling::Whole(pool) if !pool.is_one_state() => {
                    let whole: Range<usize> = 0..reads.len();
                    b.pool(pool, &states, &[whole])?.0
                }
                Pooling::Whole(_) | Pooling::Tokens => states,
            };
            let outputs = b.rows(&self.head.forward(b, pooled)?.0)?;
            let labels = outputs.first().map_or(0, Vec::len);
            let logits = outputs.concat();
            let probabilities = self.activation.probabilities(&logits, labels);
            own.push(LensOutput { logits, probabilities });
        }
        Ok(())
    }
}
