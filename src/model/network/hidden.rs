//! The states after layers, and the gradients there, for the rows that request them.

use super::{Network, Pass, states};
use crate::backend::Backend;
use crate::encoder::OutputTokens;
use crate::model::packed::{Packed, needs_all_states};
use crate::rows::{LayerOutput, RowOutput, Want};

/// The states of one row after one layer, `[tokens, hidden]`, or their mean, `[1, hidden]`.
type States = Vec<Vec<f64>>;

/// The states of every row after its kept layers.
pub struct Kept {
    /// `[rows][kept layers]`
    states: Vec<Vec<States>>,
}

/// The gradient of one row after a layer.
#[derive(Clone)]
pub struct Gradient {
    layer: usize,
    /// `[tokens, hidden]`, or their sum, `[1, hidden]`.
    gradient: States,
}

impl<B: Backend> Network<B> {
    /// Runs rows that need only states, at most those after `last` layers.
    pub(super) fn states(
        &self,
        pass: &Pass<'_, B>,
        last: usize,
    ) -> Result<Vec<RowOutput>, B::Error> {
        let (b, packed) = (pass.b, &pass.packed);
        let (mut hidden, _) = self.start(pass)?;
        let mut kept = Kept::new(packed);
        for (number, layer) in self.encoder.running().enumerate().take(last).skip(pass.first_layer)
        {
            kept.keep(pass, &hidden, number)?;
            let (output, _) = layer.forward(&pass.layer(number, b), &hidden)?;
            hidden = self.convolved(pass, number, &hidden, output)?.0;
        }
        kept.keep(pass, &hidden, last)?;
        Ok(kept.without_gradients())
    }
}

impl Kept {
    pub fn new(packed: &Packed<'_>) -> Self {
        Self { states: vec![Vec::new(); packed.rows.len()] }
    }

    /// Keeps the states after `layer`, from 1, of the rows that need them.
    pub fn keep<B: Backend>(
        &mut self,
        pass: &Pass<'_, B>,
        hidden: &B::Array,
        layer: usize,
    ) -> Result<(), B::Error> {
        for ((i, row), kept) in pass.packed.rows.iter().enumerate().zip(&mut self.states) {
            if row.kept_layers().contains(&layer) {
                let states = of_row(pass, hidden, i, layer)?;
                kept.push(match &row.want {
                    Want::Means(means) => vec![states::mean_by(&states, means.weights.as_deref())],
                    _ => states,
                });
            }
        }
        Ok(())
    }

    /// Returns the outputs of rows that request only the states.
    fn without_gradients(&self) -> Vec<RowOutput> {
        let layer = |states: &States| LayerOutput { states: states.concat(), gradient: Vec::new() };
        let output = |kept: &Vec<States>| RowOutput {
            layers: kept.iter().map(layer).collect(),
            ..RowOutput::default()
        };
        self.states.iter().map(output).collect()
    }

    /// Adds the gradients of one scalar, `[rows][kept layers]`, to the outputs of the first rows.
    pub fn settle(
        &self,
        packed: &Packed<'_>,
        gradients: Vec<Vec<Gradient>>,
        outputs: &mut [RowOutput],
    ) {
        for (i, gradients) in gradients.into_iter().enumerate() {
            let (row, kept) = (packed.rows[i], &self.states[i]);
            let first = row.kept_layers().start;
            // The last layer comes first.
            for Gradient { layer, gradient } in gradients.into_iter().rev() {
                let states = &kept[layer - first];
                match row.want {
                    Want::Gradients(reduce, _) => {
                        let scores = reduce.hidden(&gradient, states, row.path.as_ref());
                        outputs[i].token_scores.push(scores);
                    }
                    _ => outputs[i]
                        .layers
                        .push(LayerOutput { states: states.concat(), gradient: gradient.concat() }),
                }
            }
        }
    }
}

/// Adds the gradient after `layer`, from 1, of the rows that request it. `gradient` covers the
/// first rows, as many as `all` has.
pub fn gradients<B: Backend>(
    pass: &Pass<'_, B>,
    gradient: &B::Array,
    layer: usize,
    all: &mut [Vec<Gradient>],
) -> Result<(), B::Error> {
    for ((i, row), own) in pass.packed.rows.iter().enumerate().zip(all) {
        if row.kept_layers().contains(&layer) {
            let gradient = of_row(pass, gradient, i, layer)?;
            let gradient = match row.want {
                Want::Means(..) => vec![states::sum(&gradient)],
                _ => gradient,
            };
            own.push(Gradient { layer, gradient });
        }
    }
    Ok(())
}

/// Returns the vectors of row `i` after `layer`, `[tokens, hidden]`. After the last layer, a row that
/// does not need all of them gets those that the head reads, and zeros for the others, whatever
/// shares the pass.
fn of_row<B: Backend>(
    pass: &Pass<'_, B>,
    array: &B::Array,
    i: usize,
    layer: usize,
) -> Result<States, B::Error> {
    let (packed, last) = (&pass.packed, pass.output_tokens.len());
    let tokens = packed.tokens[i].clone();
    if layer < last || pass.first_layer == last || needs_all_states(packed.rows[i], last - 1) {
        return pass.b.rows(&pass.b.gather(array, &tokens.collect::<Vec<_>>())?);
    }
    let indices: Vec<usize> = match &pass.output_tokens[last - 1] {
        OutputTokens::All(_) => packed.reads(i).iter().map(|read| tokens.start + read).collect(),
        OutputTokens::Some(..) => packed.read_ranges[i].clone().collect(),
    };
    let read = pass.b.rows(&pass.b.gather(array, &indices)?)?;
    let width = read.first().map_or(0, Vec::len);
    let mut vectors = vec![vec![0.; width]; tokens.len()];
    for (&position, vector) in packed.reads(i).iter().zip(read) {
        vectors[position] = vector;
    }
    Ok(vectors)
}
