//! One pass: runs packed rows through encoder and head, and computes the requested gradients.

mod backward;
mod hidden;
mod lens;
mod outputs;
mod states;

use std::borrow::Cow;
use std::collections::BTreeMap;

use self::outputs::Needed;
use super::packed::Packed;
use crate::backend::{Backend, Repeats};
use crate::blocks::{self, Pooling};
use crate::checkpoint::{Checkpoint, LoadError};
use crate::encoder::loader::Loader;
use crate::encoder::{Encoder, Forward, Head, OutputTokens, convolution, head, layer};
use crate::flow;
use crate::heads::activation::OutputActivation;
use crate::rows::{
    AttentionMap, LensOutput, MapHeads, MapKind, Maps, Row, RowOutput, Scalar, Want,
};

/// A model's weights on one back end.
pub struct Network<B: Backend> {
    pub(super) encoder: Encoder<B>,
    head: Head<B>,
    activation: OutputActivation,
}

/// The results of a forward pass, and what it saved for the gradients.
struct Forwarded<B: Backend> {
    /// `None` if the rows start after a layer.
    embedded: Option<B::Embedded>,
    /// From the first layer that was run.
    layers: Vec<layer::Saved<B>>,
    convolution: Option<convolution::Saved<B>>,
    final_norm: Option<B::Normalized>,
    pooled: Option<B::Pooled>,
    head: Vec<head::Saved<B>>,
    /// Per row, the logits `[reads, labels]` and their probabilities; and the number of labels.
    logits: Vec<Vec<f64>>,
    probabilities: Vec<Vec<f64>>,
    labels: usize,
    outputs: Vec<RowOutput>,
    kept: hidden::Kept,
}

/// The states before the first layer, and what the embedding block saved.
type Started<B> = (<B as Backend>::Array, Option<<B as Backend>::Embedded>);

/// The states after a layer, and what a convolution beside it saved.
type Convolved<B> = (<B as Backend>::Array, Option<convolution::Saved<B>>);

/// The pooled states, and what pooling saved.
type Pooled<B> = (<B as Backend>::Array, Option<<B as Backend>::Pooled>);

/// The inputs of one pass.
struct Pass<'a, B: Backend> {
    b: &'a B,
    packed: Packed<'a>,
    /// Per layer, the tokens whose output states are computed.
    output_tokens: Vec<OutputTokens>,
    /// The number of layers that the rows skip.
    first_layer: usize,
    /// Which embeddings of the tokens are equal.
    repeats: Option<Repeats>,
    /// The model's head, or a part of it.
    head: &'a Head<B>,
}

impl<B: Backend> Pass<'_, B> {
    /// Returns how a layer runs, whose output tokens' states `states` computes.
    fn layer<'a>(&'a self, number: usize, states: &'a B) -> Forward<'a, B> {
        Forward {
            keys: self.b,
            states,
            outputs: &self.output_tokens[number],
            removed: self.packed.removed(number),
            repeats: self.repeats.as_ref().filter(|_| number == 0),
            differentiated: self.packed.with_backward(0),
        }
    }
}

impl<B: Backend> Network<B> {
    pub fn load(
        encoder: &blocks::Encoder,
        head: &blocks::Head,
        activation: OutputActivation,
        backend: &B,
        checkpoint: &Checkpoint,
    ) -> Result<Self, LoadError> {
        let loader = Loader { backend, checkpoint };
        let encoder = Encoder::load(encoder, &loader)?;
        Ok(Self { encoder, head: Head::load(head, &loader)?, activation })
    }

    /// Runs rows of any lengths together; returns one output per row, in the same order.
    pub fn run(&self, b: &B, rows: &[&Row]) -> Result<Vec<RowOutput>, B::Error> {
        let mut parts: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            let needed = outputs::needed(row, self.head.separable());
            let layers = (row.first_layer(), row.last_layer());
            parts.entry((layers, needed)).or_default().push(index);
        }
        let mut outputs = vec![RowOutput::default(); rows.len()];
        for ((layers, needed), indices) in parts {
            let own: Vec<&Row> = indices.iter().map(|&index| rows[index]).collect();
            let run = match needed {
                Needed::Few => self.run_few_outputs(b, layers, &own)?,
                Needed::All => self.run_layers(b, &self.head, layers, &own)?,
            };
            indices.into_iter().zip(run).for_each(|(index, output)| outputs[index] = output);
        }
        Ok(outputs)
    }

    /// Runs rows that all start after `first_layer` layers. If there is a `last_layer`, they need
    /// only states up to there.
    fn run_layers(
        &self,
        b: &B,
        head: &Head<B>,
        (first_layer, last_layer): (usize, Option<usize>),
        rows: &[&Row],
    ) -> Result<Vec<RowOutput>, B::Error> {
        let packed = Packed::new(rows, &head.pooling);
        let pass = Pass {
            b,
            output_tokens: self.output_tokens(&packed, first_layer),
            repeats: (first_layer == 0).then(|| b.repeats(&packed.rows)).flatten(),
            packed,
            first_layer,
            head,
        };
        let outputs = match last_layer {
            Some(last) => self.states(&pass, last)?,
            None => self.backward(&pass, self.forward(&pass)?)?,
        };
        let mut in_order: Vec<(usize, RowOutput)> =
            pass.packed.order.iter().copied().zip(outputs).collect();
        in_order.sort_by_key(|(index, _)| *index);
        Ok(in_order.into_iter().map(|(_, output)| output).collect())
    }

    /// Returns the output tokens of each layer. The last layer computes only the states that the
    /// head reads, unless its attention or all states are requested, or rows start after it.
    fn output_tokens(&self, packed: &Packed<'_>, first_layer: usize) -> Vec<OutputTokens> {
        let last = self.encoder.running().len() - 1;
        // The convolution parallel to the first layer needs all of its states.
        let all = packed.needs_all(last)
            || first_layer > last
            || (last == 0 && self.encoder.convolution.is_some());
        let of_layer = |layer| match layer == last && !all {
            true => packed.read_tokens(),
            false => packed.all(),
        };
        (0..=last).map(of_layer).collect()
    }

    /// Computes the outputs and attention maps of all rows. Keeps what the layers save only if a
    /// gradient needs it.
    fn forward(&self, pass: &Pass<'_, B>) -> Result<Forwarded<B>, B::Error> {
        let (b, packed) = (pass.b, &pass.packed);
        let (mut hidden, embedded) = self.start(pass)?;
        let mut kept = hidden::Kept::new(packed);
        let mut lens = vec![Vec::new(); packed.rows.len()];
        let mut maps: Vec<Vec<(usize, AttentionMap)>> = vec![Vec::new(); packed.rows.len()];
        let mut states = vec![Vec::new(); packed.rows.len()];
        let last = self.encoder.running().len() - 1;
        let (mut layers, mut convolution) = (Vec::new(), None);
        for (number, layer) in self.encoder.running().enumerate().skip(pass.first_layer) {
            states::pooled(pass, &hidden, number, &mut states)?;
            kept.keep(pass, &hidden, number)?;
            self.look(pass, &hidden, &mut lens)?;
            let tokens = &pass.output_tokens[number];
            let own = if number == last { self.of_last_layer(b) } else { Cow::Borrowed(b) };
            let (output, saved) = layer.forward(&pass.layer(number, &own), &hidden)?;
            for (i, row) in packed.rows.iter().enumerate() {
                if row.maps.layers.contains(&number) && !row.maps.kind.needs_gradient() {
                    let map = forward_map(b, layer, &hidden, &saved, tokens, i, &row.maps)?;
                    maps[i].push((number, map));
                }
            }
            if packed.with_backward(0) > 0 {
                layers.push(saved);
            }
            let (output, convolved) = self.convolved(pass, number, &hidden, output)?;
            hidden = output;
            convolution = convolution.or(convolved);
        }
        kept.keep(pass, &hidden, last + 1)?;
        let mut final_norm = None;
        if let Some(norm) = &self.encoder.final_norm {
            let (output, saved) = b.layer_norm(norm, hidden)?;
            (hidden, final_norm) = (output, Some(saved));
        }
        states::last(pass, &hidden, &mut states)?;
        states::pooled(pass, &hidden, last + 1, &mut states)?;
        let (read, pooled) = self.read(pass, hidden)?;
        let (outputs, head) = pass.head.forward(b, read)?;
        let outputs = b.rows(&outputs)?;
        let labels = outputs.first().map_or(0, Vec::len);
        let logits = match &self.head.pooling {
            Pooling::Whole(_) => outputs,
            Pooling::Tokens => {
                packed.read_ranges.iter().map(|read| outputs[read.clone()].concat()).collect()
            }
        };
        let activated = |logits: &Vec<f64>| self.activation.probabilities(logits, labels);
        let probabilities: Vec<Vec<f64>> = logits.iter().map(activated).collect();
        let rows = packed.rows.iter().zip(logits.iter().zip(&probabilities));
        let rows = rows.zip(maps).zip(states).zip(lens);
        let outputs = rows.map(|((((row, (logits, probabilities)), maps), states), mut lens)| {
            let attention = in_order(&row.maps.layers, maps);
            match row.want {
                Want::Lens => {
                    let output = self.output(row, logits, probabilities);
                    let RowOutput { logits, probabilities, .. } = output.clone();
                    lens.push(LensOutput { logits, probabilities });
                    RowOutput { attention, lens, ..output }
                }
                Want::Flow(query) => RowOutput {
                    token_scores: vec![flow::from_query(&attention, query)],
                    ..RowOutput::default()
                },
                _ => RowOutput { attention, states, ..self.output(row, logits, probabilities) },
            }
        });
        let outputs: Vec<RowOutput> = outputs.collect();
        Ok(Forwarded {
            embedded,
            layers,
            convolution,
            final_norm,
            pooled,
            head,
            logits,
            probabilities,
            labels,
            outputs,
            kept,
        })
    }

    /// Returns what computes the last layer's states from its keys and values. If the head reads
    /// single tokens these are few, and what they lack in precision nothing evens out.
    fn of_last_layer<'b>(&self, b: &'b B) -> Cow<'b, B> {
        match &self.head.pooling {
            Pooling::Whole(pool) if !pool.is_one_state() => Cow::Borrowed(b),
            Pooling::Whole(_) | Pooling::Tokens => b.exact(),
        }
    }

    /// Adds the convolution of `input`, which runs beside the first layer, to its `output`.
    fn convolved(
        &self,
        pass: &Pass<'_, B>,
        number: usize,
        input: &B::Array,
        output: B::Array,
    ) -> Result<Convolved<B>, B::Error> {
        match self.encoder.convolution.as_ref().filter(|_| number == 0) {
            None => Ok((output, None)),
            Some(block) => {
                let convolved = block.forward(pass.b, input, &output, &pass.packed.tokens)?;
                Ok((convolved.0, Some(convolved.1)))
            }
        }
    }

    /// Returns the states that the first layer of the pass reads, and what the embedding block
    /// saved.
    fn start(&self, pass: &Pass<'_, B>) -> Result<Started<B>, B::Error> {
        let (b, rows) = (pass.b, &pass.packed.rows);
        if pass.first_layer > 0 {
            let states = rows.iter().filter_map(|row| row.start()).flatten().collect::<Vec<_>>();
            return Ok((b.array(&states)?, None));
        }
        let (hidden, embedded) = b.embed(&self.encoder.embeddings, rows)?;
        match &self.encoder.projection {
            Some(projection) => Ok((b.linear(projection, &hidden, None)?, Some(embedded))),
            None => Ok((hidden, Some(embedded))),
        }
    }

    /// Returns what the row requests of its logits and probabilities.
    fn output(&self, row: &Row, logits: &[f64], probabilities: &[f64]) -> RowOutput {
        let all = || RowOutput {
            logits: logits.to_vec(),
            probabilities: probabilities.to_vec(),
            ..RowOutput::default()
        };
        let values = || {
            let value = |scalar: &Scalar| scalar.value(logits, probabilities);
            row.scalars().iter().map(value).collect()
        };
        match (&row.want, &self.head.pooling) {
            (Want::Outputs | Want::States | Want::Pooled(_) | Want::Lens, _) => all(),
            (Want::Gradients(..), Pooling::Whole(_)) => RowOutput { values: values(), ..all() },
            (Want::Values(_) | Want::Gradients(..) | Want::Layers(..) | Want::Means(..), _) => {
                RowOutput { values: values(), ..RowOutput::default() }
            }
            (Want::Flow(_), _) => RowOutput::default(),
        }
    }

    /// Gathers and pools the last layer's states for the head.
    fn read(&self, pass: &Pass<'_, B>, hidden: B::Array) -> Result<Pooled<B>, B::Error> {
        let states = match pass.output_tokens.last() {
            Some(OutputTokens::All(_)) if !pass.packed.reads_all() => {
                pass.b.gather(&hidden, &pass.packed.read_indices())?
            }
            Some(OutputTokens::All(_) | OutputTokens::Some(..)) | None => hidden,
        };
        match &self.head.pooling {
            Pooling::Whole(pool) if !pool.is_one_state() => {
                let (pooled, saved) = pass.b.pool(pool, &states, &pass.packed.read_ranges)?;
                Ok((pooled, Some(saved)))
            }
            Pooling::Whole(_) | Pooling::Tokens => Ok((states, None)),
        }
    }
}

/// Computes a map that needs no gradient.
fn forward_map<B: Backend>(
    b: &B,
    layer: &layer::Layer<B>,
    x: &B::Array,
    saved: &layer::Saved<B>,
    tokens: &OutputTokens,
    row: usize,
    maps: &Maps,
) -> Result<AttentionMap, B::Error> {
    match maps.kind {
        MapKind::BlockNorms | MapKind::Alti => layer.mixing(b, x, saved, tokens, row, maps.kind),
        MapKind::Norms => layer.norms(b, saved, tokens, row, maps.heads),
        _ => Ok(merge_heads(b.attention_weights(&saved.attended, row)?, maps.heads)),
    }
}

fn merge_heads(map: AttentionMap, heads: MapHeads) -> AttentionMap {
    match heads {
        MapHeads::Each => map,
        MapHeads::Together => map.mean(),
        MapHeads::Sums => map.sums(),
    }
}

/// Returns the maps in the requested order of layers.
fn in_order(layers: &[usize], mut maps: Vec<(usize, AttentionMap)>) -> Vec<AttentionMap> {
    maps.sort_by_key(|(layer, _)| layers.iter().position(|number| number == layer));
    maps.into_iter().map(|(_, map)| map).collect()
}

#[cfg(test)]
#[cfg(feature = "candle")]
mod tests;
