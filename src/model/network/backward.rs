//! Backward passes of packed rows.

use super::{Forwarded, Network, Pass, hidden, in_order, merge_heads};
use crate::backend::{Backend, ToReduce};
use crate::blocks::Pooling;
use crate::encoder::{OutputTokens, layer};
use crate::model::packed::{Packed, backward_passes};
use crate::rows::{AttentionMap, Layer, MapKind, Row, RowOutput, Want};

/// Observes a backward pass.
pub(super) trait Observer<B: Backend> {
    /// Called with the gradient at the states after each layer, from 1; last layer first.
    fn after(&mut self, layer: usize, gradient: &B::Array) -> Result<(), B::Error>;

    /// Called with each layer's index, from 0, and its gradients.
    fn within(&mut self, index: usize, grads: &layer::LayerGradients<B>) -> Result<(), B::Error>;
}

impl<B: Backend> Network<B> {
    /// Runs one backward pass per scalar over all rows: the k-th pass handles the k-th scalar of
    /// each row that has one.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_, B>,
        mut forwarded: Forwarded<B>,
    ) -> Result<Vec<RowOutput>, B::Error> {
        let packed = &pass.packed;
        let mut scores = Vec::new();
        for k in 0..packed.rows.first().map_or(0, |row| backward_passes(row)) {
            let count = packed.with_backward(k);
            let mut observed = Observed {
                network: self,
                pass,
                forwarded: &forwarded,
                k,
                maps: vec![Vec::new(); count],
                hidden: vec![Vec::new(); count],
            };
            let start_grad = self.backward_layers(pass, &forwarded, k, count, &mut observed)?;
            let Observed { maps, hidden, .. } = observed;
            for (i, maps) in maps.into_iter().enumerate().filter(|(_, maps)| !maps.is_empty()) {
                forwarded.outputs[i].attention = in_order(&packed.rows[i].maps.layers, maps);
            }
            forwarded.kept.settle(packed, hidden, &mut forwarded.outputs);
            let Some(embedded) = &forwarded.embedded else { continue };
            let (rows, wanted) = at_layer(packed, count, Layer::Embeddings);
            if !rows.is_empty() {
                let layer = Layer::Embeddings;
                scores.push((rows, pass.b.reduce(embedded, layer, &start_grad, &wanted)?));
            }
            let (rows, wanted) = at_layer(packed, count, Layer::WordEmbeddings);
            if !rows.is_empty() {
                let grad = pass.b.embed_vjp(&self.encoder.embeddings, embedded, &start_grad)?;
                scores
                    .push((rows, pass.b.reduce(embedded, Layer::WordEmbeddings, &grad, &wanted)?));
            }
        }
        let (rows, scores): (Vec<_>, Vec<_>) = scores.into_iter().unzip();
        for (rows, scores) in rows.into_iter().zip(pass.b.scores(scores)?) {
            for (i, scores) in rows.into_iter().zip(scores) {
                forwarded.outputs[i].token_scores.push(scores);
            }
        }
        Ok(forwarded.outputs)
    }

    /// Adds one layer's gradient-based maps of the rows that request them.
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
            let saved = &forwarded.layers[number - pass.first_layer];
            let tokens = &pass.output_tokens[number];
            let weights = pass.b.attention_weights(&saved.attended, i)?.weights;
            let gradient = layer.weights_vjp(pass.b, saved, tokens, i, context)?;
            let min = match row.maps.kind {
                MapKind::PositiveGradients => 0.,
                _ => f64::NEG_INFINITY,
            };
            let map = gradient.map(|i, gradient| (weights[i] * gradient).max(min));
            maps[i].push((number, merge_heads(map, row.maps.heads)));
        }
        Ok(())
    }

    /// Returns the gradient of the `k`-th scalar of each of the first `count` rows where the rows
    /// start: at the embedding block's output, or after the first layer that was not run; `[tokens
    /// of those rows, width]`.
    pub(super) fn backward_layers(
        &self,
        pass: &Pass<'_, B>,
        forwarded: &Forwarded<B>,
        k: usize,
        count: usize,
        observer: &mut impl Observer<B>,
    ) -> Result<B::Array, B::Error> {
        let b = pass.b;
        let logit_grads = self.logit_gradients(pass, forwarded, k, count);
        let mut grad = pass.head.vjp(b, &forwarded.head, b.array(&logit_grads)?)?;
        grad = self.read_vjp(pass, forwarded.pooled.as_ref(), grad, count)?;
        if let Some((norm, saved)) =
            self.encoder.final_norm.as_ref().zip(forwarded.final_norm.as_ref())
        {
            grad = b.layer_norm_vjp(norm, saved, &grad)?;
        }
        let layers: Vec<_> = self.encoder.running().enumerate().skip(pass.first_layer).collect();
        for (&(number, layer), saved) in layers.iter().zip(&forwarded.layers).rev() {
            observer.after(number + 1, &grad)?;
            let tokens = pass.output_tokens[number].first(count);
            let parallel = self.encoder.convolution.as_ref().zip(forwarded.convolution.as_ref());
            let grads = match parallel.filter(|_| number == 0) {
                None => layer.vjp(b, saved, &tokens, &grad)?,
                Some((block, convolved)) => {
                    let rows = &pass.packed.tokens[..count];
                    let (layer_grad, input_grad) = block.vjp(b, convolved, rows, &grad)?;
                    let grads = layer.vjp(b, saved, &tokens, &layer_grad)?;
                    layer::LayerGradients { input: b.add(&grads.input, &input_grad)?, ..grads }
                }
            };
            observer.within(number, &grads)?;
            grad = grads.input;
        }
        if pass.first_layer > 0 {
            observer.after(pass.first_layer, &grad)?;
            return Ok(grad);
        }
        match &self.encoder.projection {
            Some(projection) => b.linear_vjp(projection, &grad, None),
            None => Ok(grad),
        }
    }

    /// Returns the gradients at the logits, one vector per read.
    fn logit_gradients(
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

    /// Gradient at the pooled states of the first `count` rows → at the last layer's states.
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
                pass.b.pool_vjp(pool, saved, &grad, &packed.read_ranges[..count])?
            }
            (Pooling::Whole(_) | Pooling::Tokens, _) => grad,
        };
        match pass.output_tokens.last() {
            Some(OutputTokens::All(_)) if !packed.reads_all() => {
                let indices = &packed.read_indices()[..packed.read_ranges[count - 1].end];
                pass.b.scatter(&grad, indices, packed.tokens[count - 1].end)
            }
            Some(OutputTokens::All(_) | OutputTokens::Some(..)) | None => Ok(grad),
        }
    }
}

/// Returns which of the first `count` rows request reduced gradients at `layer`, and how.
fn at_layer(packed: &Packed<'_>, count: usize, layer: Layer) -> (Vec<usize>, Vec<ToReduce>) {
    let rows = packed.rows[..count].iter().zip(&packed.tokens).enumerate();
    let wanted = rows.filter_map(|(i, (row, tokens))| match row.want {
        Want::Gradients(reduce, _) if row.layer == layer => {
            Some((i, ToReduce { tokens: tokens.clone(), reduce }))
        }
        _ => None,
    });
    wanted.unzip()
}

/// What rows request of one backward pass.
struct Observed<'a, B: Backend> {
    network: &'a Network<B>,
    pass: &'a Pass<'a, B>,
    forwarded: &'a Forwarded<B>,
    /// Index of the scalar.
    k: usize,
    /// Per row, the layers' gradient-based maps.
    maps: Vec<Vec<(usize, AttentionMap)>>,
    /// Per row, the gradients after kept layers.
    hidden: Vec<Vec<hidden::Gradient>>,
}

impl<B: Backend> Observer<B> for Observed<'_, B> {
    fn after(&mut self, layer: usize, gradient: &B::Array) -> Result<(), B::Error> {
        hidden::gradients(self.pass, gradient, layer, &mut self.hidden)
    }

    fn within(&mut self, index: usize, grads: &layer::LayerGradients<B>) -> Result<(), B::Error> {
        // Maps are of the first scalar.
        match self.k {
            0 => {
                let Self { network, pass, forwarded, maps, .. } = self;
                network.gradient_maps(pass, forwarded, index, &grads.context, maps)
            }
            _ => Ok(()),
        }
    }
}
