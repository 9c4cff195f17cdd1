//! What layers prepare for a bucket of spans.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Result, Tensor};

use crate::blocks::{Angles, Distances};

/// What depends on positions only: made for a bucket by the first layer that needs it.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// Cosines and sines of the queries, then of the keys, `[groups, 1, tokens, half]`.
    Rotation(Arc<Angles>, [[Tensor; 2]; 2]),
    /// The distance bucket of each pair, `[groups, 1, queries, keys]`.
    Distances(Arc<Distances>, Tensor),
    /// -inf at pairs that are farther apart than this, else 0, `[groups, 1, queries, keys]`.
    Window(usize, Tensor),
}

/// All that has been prepared for a bucket.
#[derive(Debug, Default)]
pub struct AllPrepared(Mutex<Vec<Prepared>>);

impl AllPrepared {
    /// Returns what `find` finds, or adds what `make` makes.
    pub fn get<T>(
        &self,
        find: impl Fn(&Prepared) -> Option<T>,
        make: impl FnOnce() -> Result<(Prepared, T)>,
    ) -> Result<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.iter().find_map(find) {
            return Ok(found);
        }
        let (new, value) = make()?;
        all.push(new);
        Ok(value)
    }
}
