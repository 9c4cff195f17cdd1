//! One pass: packed rows through the model, and the gradients they ask for.

use candle_core::{DType, Result, Tensor};

use super::Model;
use crate::encoder::{Embedded, Saved};
use crate::heads::sequence_classification::Pooled;
use crate::kernels::attention::Group;
use crate::rows::{AttentionMap, Layer, Row, RowOutput};

/// Rows of one pass, sorted by length so that equal ones lie together.
struct Packed<'a> {
    rows: Vec<&'a Row>,
    /// Where each packed row stands in the caller's order.
    order: Vec<usize>,
    groups: Vec<Group>,
}

impl<'a> Packed<'a> {
    fn new(rows: &'a [Row], wanted: impl Fn(&Row) -> bool) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).filter(|&i| wanted(&rows[i])).collect();
        order.sort_by_key(|&i| rows[i].tokens.len());
        let mut groups: Vec<Group> = Vec::new();
        let mut start = 0;
        for &i in &order {
            let tokens = rows[i].tokens.len();
            match groups.last_mut() {
                Some(group) if group.tokens == tokens => group.rows += 1,
                _ => groups.push(Group { start, rows: 1, tokens }),
            }
            start += tokens;
        }
        Self { rows: order.iter().map(|&i| &rows[i]).collect(), order, groups }
    }

    /// For each packed row: its group, and its place in the group.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let places = |(number, group): (usize, &Group)| (0..group.rows).map(move |i| (number, i));
        self.groups.iter().enumerate().flat_map(places)
    }

    /// The packed position of each row's first token.
    fn firsts(&self) -> Vec<u32> {
        self.places().map(|(group, i)| self.groups[group].row(i).start as u32).collect()
    }
}

/// What a forward pass gave, and what a gradient pass goes on from besides what
/// the layers saved.
struct Forwarded {
    embedded: Embedded,
    pooled: Pooled,
    outputs: Vec<RowOutput>,
}

impl Model {
    /// Runs rows of any lengths together, one output a row, in their order.
    /// Rows that want no gradient keep nothing of their forward pass.
    pub fn run(&self, rows: &[Row]) -> Result<Vec<RowOutput>> {
        let mut outputs: Vec<Option<RowOutput>> = rows.iter().map(|_| None).collect();
        let forward = Packed::new(rows, |row| row.gradient.is_none());
        let gradient = Packed::new(rows, |row| row.gradient.is_some());
        for (packed, done) in
            [(&forward, self.run_forward(&forward)?), (&gradient, self.run_gradient(&gradient)?)]
        {
            for (&i, output) in packed.order.iter().zip(done) {
                outputs[i] = Some(output);
            }
        }
        Ok(outputs.into_iter().flatten().collect())
    }

    fn run_forward(&self, packed: &Packed) -> Result<Vec<RowOutput>> {
        if packed.rows.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.forward(packed, |_| {})?.outputs)
    }

    fn run_gradient(&self, packed: &Packed) -> Result<Vec<RowOutput>> {
        if packed.rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut saved = Vec::with_capacity(self.encoder.layers.len());
        let forwarded = self.forward(packed, |layer| saved.push(layer))?;
        self.backward(packed, forwarded, &saved)
    }

    /// Logits and attention of every row; `keep` takes what the layers saved.
    fn forward(&self, packed: &Packed, mut keep: impl FnMut(Saved)) -> Result<Forwarded> {
        let embedded = self.encoder.embeddings.forward(&packed.rows)?;
        let mut attention: Vec<Vec<(usize, AttentionMap)>> = vec![Vec::new(); packed.rows.len()];
        let hidden = self.encoder.forward(&embedded.output, &packed.groups, |layer, saved| {
            for (row, (group, i)) in packed.places().enumerate() {
                if packed.rows[row].attention.contains(&layer) {
                    attention[row].push((layer, attention_map(&saved, group, i)?));
                }
            }
            keep(saved);
            Ok(())
        })?;
        let firsts = Tensor::new(packed.firsts(), &self.device)?;
        let (logits, pooled) = self.head.forward(&hidden.index_select(&firsts, 0)?)?;
        let outputs = logits
            .to_dtype(DType::F64)?
            .to_vec2::<f64>()?
            .into_iter()
            .zip(attention)
            .zip(&packed.rows)
            .map(|((logits, maps), row)| RowOutput {
                probabilities: self.head.activation.probabilities(&logits),
                logits,
                attention: in_order(&row.attention, maps),
                token_scores: Vec::new(),
            })
            .collect();
        Ok(Forwarded { embedded, pooled, outputs })
    }

    /// One walk back a scalar, over all rows at once: the k-th walk carries the
    /// k-th scalar of each row that has one.
    fn backward(
        &self,
        packed: &Packed,
        mut forwarded: Forwarded,
        saved: &[Saved],
    ) -> Result<Vec<RowOutput>> {
        let scalars = |row: &Row| row.gradient.as_ref().map_or(0, |want| want.scalars.len());
        let walks = packed.rows.iter().map(|row| scalars(row)).max().unwrap_or_default();
        for k in 0..walks {
            let at_block = self.walk_back(packed, &forwarded, saved, k)?;
            let at_words = self.encoder.embeddings.vjp(&forwarded.embedded, &at_block)?;
            for (number, (group, i)) in packed.places().enumerate() {
                let row = packed.rows[number];
                let Some(want) = row.gradient.as_ref().filter(|want| k < want.scalars.len()) else {
                    continue;
                };
                let whole = match row.layer {
                    Layer::WordEmbeddings => &at_words,
                    Layer::Embeddings => &at_block,
                };
                let range = packed.groups[group].row(i);
                let gradient = whole.narrow(0, range.start, range.len())?;
                let scores = forwarded.embedded.reduce(number, &gradient, want.reduce)?;
                forwarded.outputs[number].token_scores.push(scores);
            }
        }
        Ok(forwarded.outputs)
    }

    /// The gradient of each row's `k`-th scalar at the embedding block's output,
    /// `[total, hidden]`.
    fn walk_back(
        &self,
        packed: &Packed,
        forwarded: &Forwarded,
        saved: &[Saved],
        k: usize,
    ) -> Result<Tensor> {
        let mut grad_logits = Vec::new();
        for (row, output) in packed.rows.iter().zip(&forwarded.outputs) {
            let scalar = row.gradient.as_ref().and_then(|want| want.scalars.get(k));
            grad_logits.extend(match scalar {
                Some(scalar) => self.head.activation.gradient(scalar, &output.probabilities),
                None => vec![0.; output.logits.len()],
            });
        }
        let shape = (packed.rows.len(), self.head.labels.len());
        let grad_logits =
            Tensor::from_vec(grad_logits, shape, &self.device)?.to_dtype(self.dtype)?;
        let first = self.head.vjp(&forwarded.pooled, &grad_logits)?;
        let firsts = Tensor::new(packed.firsts(), &self.device)?;
        let hidden = forwarded.embedded.output.zeros_like()?.index_add(&firsts, &first, 0)?;
        self.encoder.vjp(saved, &packed.groups, &hidden)
    }
}

/// One row's attention out of its group's, `[heads, tokens, tokens]`.
fn attention_map(saved: &Saved, group: usize, row: usize) -> Result<AttentionMap> {
    let weights = saved.attended[group].weights.get(row)?;
    let (heads, tokens, _) = weights.dims3()?;
    let weights = weights.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    Ok(AttentionMap { heads, tokens, weights })
}

/// The maps in the order that the row asked for.
fn in_order(wanted: &[usize], mut maps: Vec<(usize, AttentionMap)>) -> Vec<AttentionMap> {
    maps.sort_by_key(|(layer, _)| wanted.iter().position(|number| number == layer));
    maps.into_iter().map(|(_, map)| map).collect()
}
