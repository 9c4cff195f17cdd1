//! One pass: packed rows through encoder and head, and the gradients they ask
//! for.

use std::ops::Range;

use super::packed::{Packed, walks};
use crate::backend::Backend;
use crate::blocks::{self, Pooling};
use crate::checkpoint::{Checkpoint, LoadError};
use crate::encoder::place::Place;
use crate::encoder::{Encoder, Head, Wanted, convolution, head, layer};
use crate::flow;
use crate::heads::activation::OutputActivation;
use crate::rows::{AttentionMap, Layer, MapHeads, MapKind, Maps, Row, RowOutput, Scalar, Want};

/// A model's weights on one back end.
pub struct Network<B: Backend> {
    encoder: Encoder<B>,
    head: Head<B>,
    activation: OutputActivation,
}

/// What a forward pass gave, and what the gradients go on from.
struct Forwarded<B: Backend> {
    embedded: B::Embedded,
    layers: Vec<layer::Saved<B>>,
    convolution: Option<convolution::Saved<B>>,
    final_norm: Option<B::Normalized>,
    pooled: Option<B::Pooled>,
    head: Vec<head::Saved<B>>,
    /// The logits of each row, `[reads, labels]`, what they are served as, and the
    /// number of labels.
    logits: Vec<Vec<f64>>,
    probabilities: Vec<Vec<f64>>,
    labels: usize,
    outputs: Vec<RowOutput>,
}

/// Is shown the gradients that a walk back through each layer leaves, with the
/// layer's number.
type Watch<'a, B> = dyn FnMut(usize, &layer::Walked<B>) -> Result<(), <B as Backend>::Error> + 'a;

/// What the head reads, and what pooling left.
type Pooled<B> = (<B as Backend>::Array, Option<<B as Backend>::Pooled>);

/// What one pass runs with.
struct Pass<'a, B> {
    b: &'a B,
    packed: Packed<'a>,
    /// The states that each layer gives.
    wanted: Vec<Wanted>,
}

impl<B: Backend> Network<B> {
    pub fn place(
        encoder: &blocks::Encoder,
        head: &blocks::Head,
        activation: OutputActivation,
        backend: &B,
        checkpoint: &Checkpoint,
    ) -> Result<Self, LoadError> {
        let place = Place { backend, checkpoint };
        let encoder = Encoder::place(encoder, &place)?;
        Ok(Self { encoder, head: Head::place(head, &place)?, activation })
    }

    /// Runs rows of any lengths together, one output a row, in their order.
    pub fn run(&self, b: &B, rows: &[Row]) -> Result<Vec<RowOutput>, B::Error> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let packed = Packed::new(rows, &self.head.pooling);
        let pass = Pass { b, wanted: self.wanted(&packed), packed };
        let forwarded = self.forward(&pass)?;
        let outputs = self.backward(&pass, forwarded)?;
        let mut in_order: Vec<(usize, RowOutput)> =
            pass.packed.order.iter().copied().zip(outputs).collect();
        in_order.sort_by_key(|(place, _)| *place);
        Ok(in_order.into_iter().map(|(_, output)| output).collect())
    }

    /// The last layer need give no states but those that the head reads, unless
    /// its attention or its states are asked for.
    fn wanted(&self, packed: &Packed<'_>) -> Vec<Wanted> {
        let last = self.encoder.running().len() - 1;
        // The convolution beside the first layer looks at every state of it.
        let all = packed.needs_all(last) || (last == 0 && self.encoder.convolution.is_some());
        let wanted = |layer| match layer == last && !all {
            true => packed.read(),
            false => packed.all(),
        };
        (0..=last).map(wanted).collect()
    }

    /// Outputs and attention of every row. What layers save is kept only where a
    /// gradient will need it.
    fn forward(&self, pass: &Pass<'_, B>) -> Result<Forwarded<B>, B::Error> {
        let (b, packed) = (pass.b, &pass.packed);
        let (mut hidden, embedded) = b.embed(&self.encoder.embeddings, &packed.rows)?;
        if let Some(projection) = &self.encoder.projection {
            hidden = b.linear(projection, &hidden, None)?;
        }
        let mut maps: Vec<Vec<(usize, AttentionMap)>> = vec![Vec::new(); packed.rows.len()];
        let (mut layers, mut convolution) = (Vec::new(), None);
        for (number, layer) in self.encoder.running().enumerate() {
            let (output, saved) = layer.forward(b, &hidden, &pass.wanted[number])?;
            for (i, row) in packed.rows.iter().enumerate() {
                if row.maps.layers.contains(&number) && !row.maps.kind.needs_gradient() {
                    let map = forward_map(b, layer, &saved, &pass.wanted[number], i, &row.maps)?;
                    maps[i].push((number, map));
                }
            }
            if packed.with_walk(0) > 0 {
                layers.push(saved);
            }
            hidden = match self.encoder.convolution.as_ref().filter(|_| number == 0) {
                None => output,
                Some(block) => {
                    let (output, saved) = block.forward(b, &hidden, &output, &packed.tokens)?;
                    convolution = Some(saved);
                    output
                }
            };
        }
        let mut final_norm = None;
        if let Some(norm) = &self.encoder.final_norm {
            let (output, saved) = b.layer_norm(norm, hidden)?;
            (hidden, final_norm) = (output, Some(saved));
        }
        let states = self.states(pass, &hidden)?;
        let (read, pooled) = self.read(pass, hidden)?;
        let (outputs, head) = self.head.forward(b, read)?;
        let outputs = b.rows(&outputs)?;
        let labels = outputs.first().map_or(0, Vec::len);
        let logits = match &self.head.pooling {
            Pooling::Whole(_) => outputs,
            Pooling::Tokens => {
                packed.read.iter().map(|read| outputs[read.clone()].concat()).collect()
            }
        };
        let activated = |logits: &Vec<f64>| self.activation.probabilities(logits, labels);
        let probabilities: Vec<Vec<f64>> = logits.iter().map(activated).collect();
        let rows = packed.rows.iter().zip(logits.iter().zip(&probabilities)).zip(maps).zip(states);
        let outputs = rows.map(|(((row, (logits, probabilities)), maps), states)| {
            let attention = in_order(&row.maps.layers, maps);
            match row.want {
                Want::Flow(query) => RowOutput {
                    token_scores: vec![flow::from_query(&attention, query)],
                    ..RowOutput::default()
                },
                _ => RowOutput { attention, states, ..Self::output(row, logits, probabilities) },
            }
        });
        let outputs = outputs.collect();
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
        })
    }

    /// What a row asked for of its logits and probabilities.
    fn output(row: &Row, logits: &[f64], probabilities: &[f64]) -> RowOutput {
        match &row.want {
            Want::Outputs | Want::States => RowOutput {
                logits: logits.to_vec(),
                probabilities: probabilities.to_vec(),
                ..RowOutput::default()
            },
            Want::Values(scalars) | Want::Gradients(_, scalars) => {
                let value = |scalar: &Scalar| scalar.value(logits, probabilities);
                let values = scalars.iter().map(value).collect();
                RowOutput { values, ..RowOutput::default() }
            }
            Want::Flow(_) => RowOutput::default(),
        }
    }

    /// The final states of the rows that want them.
    fn states(&self, pass: &Pass<'_, B>, hidden: &B::Array) -> Result<Vec<Vec<f64>>, B::Error> {
        let rows = pass.packed.rows.iter().zip(&pass.packed.tokens);
        let states = |(row, tokens): (&&Row, &Range<usize>)| match row.want {
            Want::States => {
                let places: Vec<usize> = tokens.clone().collect();
                Ok(pass.b.rows(&pass.b.gather(hidden, &places)?)?.concat())
            }
            Want::Outputs | Want::Values(_) | Want::Gradients(..) | Want::Flow(_) => Ok(Vec::new()),
        };
        rows.map(states).collect()
    }

    /// What the head reads of the last layer's states.
    fn read(&self, pass: &Pass<'_, B>, hidden: B::Array) -> Result<Pooled<B>, B::Error> {
        let states = match pass.wanted.last() {
            Some(Wanted::All(_)) if !pass.packed.reads_all() => {
                pass.b.gather(&hidden, &pass.packed.places())?
            }
            Some(Wanted::All(_) | Wanted::Some(..)) | None => hidden,
        };
        match &self.head.pooling {
            Pooling::Whole(pool) if !pool.is_one_state() => {
                let (pooled, saved) = pass.b.pool(pool, &states, &pass.packed.read)?;
                Ok((pooled, Some(saved)))
            }
            Pooling::Whole(_) | Pooling::Tokens => Ok((states, None)),
        }
    }

    /// The gradient at what the head reads of the first `count` rows as that of
    /// the last layer's states.
    fn read_vjp(
        &self,
        pass: &Pass<'_, B>,
        pooled: Option<&B::Pooled>,
        grad: B::Array,
        count: usize,
    ) -> Result<B::Array, B::Error> {
        let packed = &pass.packed;
        let grad = match (&self.head.pooling, pooled) {
            (Pooling::Whole(pool), Some(saved)) => {
                pass.b.pool_vjp(pool, saved, &grad, &packed.read[..count])?
            }
            (Pooling::Whole(_) | Pooling::Tokens, _) => grad,
        };
        match pass.wanted.last() {
            Some(Wanted::All(_)) if !packed.reads_all() => {
                let places = &packed.places()[..packed.read[count - 1].end];
                pass.b.spread(&grad, places, packed.tokens[count - 1].end)
            }
            Some(Wanted::All(_) | Wanted::Some(..)) | None => Ok(grad),
        }
    }

    /// One walk back a scalar, over all rows at once: the k-th walk carries the
    /// k-th scalar of each row that has one.
    fn backward(
        &self,
        pass: &Pass<'_, B>,
        mut forwarded: Forwarded<B>,
    ) -> Result<Vec<RowOutput>, B::Error> {
        let packed = &pass.packed;
        for k in 0..packed.rows.first().map_or(0, |row| walks(row)) {
            let count = packed.with_walk(k);
            let mut maps: Vec<Vec<(usize, AttentionMap)>> = vec![Vec::new(); count];
            let mut watch = |layer: usize, walked: &layer::Walked<B>| match k {
                0 => self.gradient_maps(pass, &forwarded, layer, &walked.context, &mut maps),
                _ => Ok(()),
            };
            let at_block = self.walk_back(pass, &forwarded, k, count, &mut watch)?;
            for (i, maps) in maps.into_iter().enumerate().filter(|(_, maps)| !maps.is_empty()) {
                forwarded.outputs[i].attention = in_order(&packed.rows[i].maps.layers, maps);
            }
            let embedded = &forwarded.embedded;
            let at_words = pass.b.embed_vjp(&self.encoder.embeddings, embedded, &at_block)?;
            for (i, row) in packed.rows[..count].iter().enumerate() {
                let Want::Gradients(reduce, _) = row.want else { continue };
                let grad = match row.layer {
                    Layer::WordEmbeddings => &at_words,
                    Layer::Embeddings => &at_block,
                };
                let tokens = packed.tokens[i].clone();
                let scores = pass.b.reduce(embedded, i, tokens, grad, reduce)?;
                forwarded.outputs[i].token_scores.push(scores);
            }
        }
        Ok(forwarded.outputs)
    }

    /// Adds the maps of one layer of the rows that want them of a gradient.
    fn gradient_maps(
        &self,
        pass: &Pass<'_, B>,
        forwarded: &Forwarded<B>,
        number: usize,
        context: &B::Array,
        maps: &mut [Vec<(usize, AttentionMap)>],
    ) -> Result<(), B::Error> {
        let wants = |row: &Row| row.maps.kind.needs_gradient() && row.maps.layers.contains(&number);
        let rows = pass.packed.rows[..maps.len()].iter().enumerate();
        for (i, row) in rows.filter(|(_, row)| wants(row)) {
            let Some(layer) = self.encoder.running().nth(number) else { continue };
            let (saved, wanted) = (&forwarded.layers[number], &pass.wanted[number]);
            let weights = pass.b.attention_weights(&saved.attended, i)?.weights;
            let gradient = layer.weights_vjp(pass.b, saved, wanted, i, context)?;
            let lowest = match row.maps.kind {
                MapKind::PositiveGradients => 0.,
                _ => f64::NEG_INFINITY,
            };
            let map = gradient.map(|i, gradient| (weights[i] * gradient).max(lowest));
            maps[i].push((number, together(map, row.maps.heads)));
        }
        Ok(())
    }

    /// The gradient of the `k`-th scalar of each of the first `count` rows at
    /// the embedding block's output, `[tokens of those rows, width]`. `watch` is
    /// shown each layer's gradients on the way.
    fn walk_back(
        &self,
        pass: &Pass<'_, B>,
        forwarded: &Forwarded<B>,
        k: usize,
        count: usize,
        watch: &mut Watch<'_, B>,
    ) -> Result<B::Array, B::Error> {
        let b = pass.b;
        let at_logits = self.at_logits(pass, forwarded, k, count);
        let mut grad = self.head.vjp(b, &forwarded.head, b.array(&at_logits)?)?;
        grad = self.read_vjp(pass, forwarded.pooled.as_ref(), grad, count)?;
        if let Some((norm, saved)) =
            self.encoder.final_norm.as_ref().zip(forwarded.final_norm.as_ref())
        {
            grad = b.layer_norm_vjp(norm, saved, &grad)?;
        }
        for (number, layer) in self.encoder.running().enumerate().rev() {
            let wanted = pass.wanted[number].first(count);
            let saved = &forwarded.layers[number];
            let beside = self.encoder.convolution.as_ref().zip(forwarded.convolution.as_ref());
            let walked = match beside.filter(|_| number == 0) {
                None => layer.vjp(b, saved, &wanted, &grad)?,
                Some((block, convolved)) => {
                    let rows = &pass.packed.tokens[..count];
                    let (at_layer, past) = block.vjp(b, convolved, rows, &grad)?;
                    let through = layer.vjp(b, saved, &wanted, &at_layer)?;
                    layer::Walked { input: b.plus(&through.input, &past)?, ..through }
                }
            };
            watch(number, &walked)?;
            grad = walked.input;
        }
        match &self.encoder.projection {
            Some(projection) => b.linear_vjp(projection, &grad, None),
            None => Ok(grad),
        }
    }

    /// The gradients at the logits, one list a read.
    fn at_logits(
        &self,
        pass: &Pass<'_, B>,
        forwarded: &Forwarded<B>,
        k: usize,
        count: usize,
    ) -> Vec<Vec<f64>> {
        let labels = forwarded.labels;
        let gradient = |i: usize| {
            let scalar = &pass.packed.rows[i].differentiated()[k];
            let (logits, probabilities) = (&forwarded.logits[i], &forwarded.probabilities[i]);
            self.activation.gradient(scalar, logits, probabilities, labels)
        };
        let gradients = (0..count).map(gradient);
        gradients
            .flat_map(|row| row.chunks(labels).map(<[f64]>::to_vec).collect::<Vec<_>>())
            .collect()
    }
}

/// A map that needs no gradient.
fn forward_map<B: Backend>(
    b: &B,
    layer: &layer::Layer<B>,
    saved: &layer::Saved<B>,
    wanted: &Wanted,
    row: usize,
    maps: &Maps,
) -> Result<AttentionMap, B::Error> {
    match maps.kind {
        MapKind::Norms => layer.norms(b, saved, wanted, row, maps.heads),
        _ => Ok(together(b.attention_weights(&saved.attended, row)?, maps.heads)),
    }
}

fn together(map: AttentionMap, heads: MapHeads) -> AttentionMap {
    match heads {
        MapHeads::Each => map,
        MapHeads::Together => map.mean(),
    }
}

/// The maps in the order that the row asked for.
fn in_order(wanted: &[usize], mut maps: Vec<(usize, AttentionMap)>) -> Vec<AttentionMap> {
    maps.sort_by_key(|(layer, _)| wanted.iter().position(|number| number == layer));
    maps.into_iter().map(|(_, map)| map).collect()
}

#[cfg(test)]
#[cfg(feature = "candle")]
mod tests;
