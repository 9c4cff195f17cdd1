//! The memory that weights take, and the budget for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Placement;
use crate::blocks::{Attention, Encoder, Head, Layer, LayerNorm, Linear, Relation, Stored};

/// Returns the bytes that the weights will take on `placement`, from the sizes of the blocks.
pub fn of(encoder: &Encoder, head: &Head, placement: &Placement) -> usize {
    let (numbers, maps) = numbers(encoder, head);
    // Each linear map is packed once per direction.
    let packed = size_of::<f32>() * (numbers + 2 * maps);
    match placement {
        Placement::Cpu(_) => packed,
        Placement::Int8(..) => packed + encoder.layers.iter().map(Layer::weights).sum::<usize>(),
        #[cfg(feature = "candle")]
        Placement::Candle(candle) => {
            candle.dtype.size_in_bytes() * numbers + candle.weight_bytes() * maps
        }
    }
}

/// Returns the number of weights in tables, norms and biases, and the number in linear maps.
fn numbers(encoder: &Encoder, head: &Head) -> (usize, usize) {
    let mut maps: Vec<&Linear> = encoder.projection.iter().chain(head.maps()).collect();
    let mut norms: Vec<&LayerNorm> =
        encoder.final_norm.iter().chain([&encoder.embeddings.norm]).collect();
    norms.extend(head.norms());
    let tables = [&encoder.embeddings.word].into_iter();
    let tables = tables.chain(&encoder.embeddings.position).chain(&encoder.embeddings.token_type);
    let mut others: usize = tables.map(stored).sum();
    for layer in &encoder.layers {
        let (attention, forward) = (&layer.attention, &layer.feed_forward);
        maps.extend([&attention.query, &attention.key, &attention.value, &attention.output]);
        maps.extend([&forward.up, &forward.down].into_iter().chain(&forward.gate));
        norms.extend(layer.attention_norm.iter().chain([&layer.output_norm]));
        others += relation(attention);
    }
    others += norms.iter().map(|norm| 2 * norm.size).sum::<usize>();
    others += maps.iter().map(|map| map.out).sum::<usize>();
    (others, maps.iter().map(|map| map.input * map.out).sum())
}

/// Returns the number of weights for relative positions. Disentangled embeddings are stored
/// projected, without their maps.
fn relation(attention: &Attention) -> usize {
    match &attention.relation {
        // All layers share the angles.
        Relation::None | Relation::Rotary(_) => 0,
        Relation::Bias { table, .. } => stored(table),
        Relation::Disentangled(parts) => {
            let buckets = stored(&parts.embeddings) / parts.width.max(1);
            parts.key.iter().chain(&parts.query).map(|map| buckets * map.out).sum()
        }
    }
}

fn stored(tensor: &Stored) -> usize {
    8 * tensor.bytes / tensor.dtype.bitsize()
}

/// A budget for the weights of all models.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// A reservation of a [`Budget`], released on drop.
#[derive(Debug)]
pub struct Room {
    budget: Arc<Budget>,
    pub bytes: usize,
}

/// A budget without enough room, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Full {
    pub used: usize,
    pub limit: usize,
}

impl Default for Budget {
    /// A budget without a limit.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Budget {
    pub fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub fn take(self: &Arc<Self>, bytes: usize) -> Result<Room, Full> {
        let reserve = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve) {
            Ok(_) => Ok(Room { budget: Arc::clone(self), bytes }),
            Err(used) => Err(Full { used, limit: self.limit }),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_reservations_are_released() {
        let budget = Arc::new(Budget::new(10));
        let six = budget.take(6).unwrap();
        assert_eq!(budget.take(5).unwrap_err(), Full { used: 6, limit: 10 });
        assert!(budget.take(usize::MAX).is_err());
        let four = budget.take(4).unwrap();
        drop(six);
        assert_eq!(budget.used(), 4);
        drop(four);
        assert_eq!(budget.used(), 0);
    }
}
