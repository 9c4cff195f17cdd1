//! One pass: packed rows through encoder and head, and the gradients they ask
//! for.

use super::packed::{Packed, walks};
use crate::backend::Backend;
use crate::blocks;
use crate::checkpoint::{Checkpoint, LoadError};
use crate::encoder::place::Place;
use crate::encoder::{Classifier, Encoder, Saved, Wanted};
use crate::heads::Head;
use crate::heads::activation::OutputActivation;
use crate::rows::{AttentionMap, Layer, Row, RowOutput, Scalar};

/// A model's weights on one back end.
pub struct Network<B: Backend> {
    encoder: Encoder<B>,
    head: Classifier<B>,
    activation: OutputActivation,
}

/// What a forward pass gave, and what the gradients go on from.
struct Forwarded<B: Backend> {
    embedded: B::Embedded,
    layers: Vec<Saved<B>>,
    head: B::Slope,
    outputs: Vec<RowOutput>,
}

/// What one pass runs with.
struct Pass<'a, B> {
    b: &'a B,
    packed: Packed<'a>,
    /// The states that each layer gives.
    wanted: Vec<Wanted>,
    /// Called before each layer, in either direction.
    pause: &'a (dyn Fn() + Sync),
}

impl<B: Backend> Network<B> {
    pub fn place(
        encoder: &blocks::Encoder,
        head: &Head,
        backend: &B,
        checkpoint: &Checkpoint,
    ) -> Result<Self, LoadError> {
        let place = Place { backend, checkpoint };
        Ok(Self {
            encoder: Encoder::place(encoder, &place)?,
            head: Classifier::place(&head.classifier, &place)?,
            activation: head.activation,
        })
    }

    /// Runs rows of any lengths together, one output a row, in their order.
    pub fn run(
        &self,
        b: &B,
        rows: &[Row],
        pause: &(dyn Fn() + Sync),
    ) -> Result<Vec<RowOutput>, B::Error> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let packed = Packed::new(rows);
        let pass = Pass { b, wanted: self.wanted(&packed), packed, pause };
        let forwarded = self.forward(&pass)?;
        let outputs = self.backward(&pass, forwarded)?;
        let mut in_order: Vec<(usize, RowOutput)> =
            pass.packed.order.iter().copied().zip(outputs).collect();
        in_order.sort_by_key(|(place, _)| *place);
        Ok(in_order.into_iter().map(|(_, output)| output).collect())
    }

    /// The head reads each row's first token, so the last layer need give no
    /// other, unless its attention is asked for.
    fn wanted(&self, packed: &Packed<'_>) -> Vec<Wanted> {
        let last = self.encoder.layers.len() - 1;
        let attention = packed.rows.iter().any(|row| row.attention.contains(&last));
        let wanted = |layer| match layer == last && !attention {
            true => packed.firsts(),
            false => packed.all(),
        };
        (0..=last).map(wanted).collect()
    }

    /// Logits and attention of every row. What layers save is kept only where a
    /// gradient will need it.
    fn forward(&self, pass: &Pass<'_, B>) -> Result<Forwarded<B>, B::Error> {
        let (b, packed) = (pass.b, &pass.packed);
        let (mut hidden, embedded) = b.embed(&self.encoder.embeddings, &packed.rows)?;
        let mut maps: Vec<Vec<(usize, AttentionMap)>> = vec![Vec::new(); packed.rows.len()];
        let mut layers = Vec::new();
        for (number, layer) in self.encoder.layers.iter().enumerate() {
            (pass.pause)();
            let (output, saved) = layer.forward(b, &hidden, &pass.wanted[number])?;
            for (i, row) in packed.rows.iter().enumerate() {
                if row.attention.contains(&number) {
                    maps[i].push((number, b.attention_weights(&saved.attended, i)?));
                }
            }
            if packed.with_walk(0) > 0 {
                layers.push(saved);
            }
            hidden = output;
        }
        let firsts = match pass.wanted.last() {
            Some(Wanted::All(_)) => b.gather(&hidden, &packed.places())?,
            _ => hidden,
        };
        let (logits, head) = self.head.forward(b, &firsts)?;
        let logits = b.rows(&logits)?.into_iter();
        let outputs = logits.zip(maps).zip(&packed.rows).map(|((logits, maps), row)| RowOutput {
            probabilities: self.activation.probabilities(&logits),
            logits,
            attention: in_order(&row.attention, maps),
            token_scores: Vec::with_capacity(walks(row)),
        });
        Ok(Forwarded { embedded, layers, head, outputs: outputs.collect() })
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
            let at_block = self.walk_back(pass, &forwarded, k, count)?;
            let embedded = &forwarded.embedded;
            let at_words = pass.b.embed_vjp(&self.encoder.embeddings, embedded, &at_block)?;
            for (i, row) in packed.rows[..count].iter().enumerate() {
                let Some(want) = &row.gradient else { continue };
                let grad = match row.layer {
                    Layer::WordEmbeddings => &at_words,
                    Layer::Embeddings => &at_block,
                };
                let tokens = packed.tokens[i].clone();
                let scores = pass.b.reduce(embedded, i, tokens, grad, want.reduce)?;
                forwarded.outputs[i].token_scores.push(scores);
            }
        }
        Ok(forwarded.outputs)
    }

    /// The gradient of the `k`-th scalar of each of the first `count` rows at
    /// the embedding block's output, `[tokens of those rows, hidden]`.
    fn walk_back(
        &self,
        pass: &Pass<'_, B>,
        forwarded: &Forwarded<B>,
        k: usize,
        count: usize,
    ) -> Result<B::Array, B::Error> {
        let b = pass.b;
        let rows = pass.packed.rows[..count].iter().zip(&forwarded.outputs);
        let at_logits: Vec<Vec<f64>> = rows
            .filter_map(|(row, output)| Some((row.gradient.as_ref()?, output)))
            .map(|(want, output)| self.at_logits(&want.scalars[k], output))
            .collect();
        let mut grad = self.head.vjp(b, &forwarded.head, &b.array(&at_logits)?)?;
        for (number, layer) in self.encoder.layers.iter().enumerate().rev() {
            (pass.pause)();
            let wanted = pass.wanted[number].first(count);
            if number + 1 == self.encoder.layers.len() {
                grad = self.at_last_layer(pass, &wanted, grad, count)?;
            }
            grad = layer.vjp(b, &forwarded.layers[number], &wanted, &grad)?;
        }
        Ok(grad)
    }

    fn at_logits(&self, scalar: &Scalar, output: &RowOutput) -> Vec<f64> {
        self.activation.gradient(scalar, &output.probabilities)
    }

    /// The head's gradient, `[rows, hidden]`, as that of the last layer's
    /// states: zero at all but each row's first token.
    fn at_last_layer(
        &self,
        pass: &Pass<'_, B>,
        wanted: &Wanted,
        grad: B::Array,
        count: usize,
    ) -> Result<B::Array, B::Error> {
        match wanted {
            Wanted::Some(..) => Ok(grad),
            Wanted::All(_) => {
                let total = pass.packed.tokens[count - 1].end;
                pass.b.spread(&grad, &pass.packed.places()[..count], total)
            }
        }
    }
}

/// The maps in the order that the row asked for.
fn in_order(wanted: &[usize], mut maps: Vec<(usize, AttentionMap)>) -> Vec<AttentionMap> {
    maps.sort_by_key(|(layer, _)| wanted.iter().position(|number| number == layer));
    maps.into_iter().map(|(_, map)| map).collect()
}
