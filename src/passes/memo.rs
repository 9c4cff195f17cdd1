//! Values of rows that several computations need. Each is run once, also if they are requested at
//! the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;

use tokio::sync::watch;

use super::{Passes, lock};
use crate::error::{Error, Result};
use crate::rows::Row;

/// The values of rows by key.
pub struct Memo<K> {
    /// `None` while the row runs.
    known: Mutex<HashMap<K, Option<Vec<f64>>>>,
    /// Notified when rows have run or are abandoned.
    changes: watch::Sender<()>,
}

impl<K> Default for Memo<K> {
    fn default() -> Self {
        Self { known: Mutex::default(), changes: watch::Sender::new(()) }
    }
}

impl<K: Clone + Eq + Hash> Memo<K> {
    /// Returns the scalars of the row of each key, `[keys][scalars]`. Runs the rows of keys that
    /// are not known, and waits for those that are already being run.
    pub async fn values(
        &self,
        passes: &Passes,
        keys: &[K],
        row: impl Fn(&K) -> Row,
    ) -> Result<Vec<Vec<f64>>> {
        let mut changes = self.changes.subscribe();
        loop {
            let claim = self.claim(keys);
            let outputs = passes.run(claim.keys.iter().map(&row).collect()).await?;
            claim.settle(outputs.into_iter().map(|output| output.values));
            match self.get(keys) {
                Some(values) => return Ok(values),
                None => changes.changed().await.map_err(Error::internal)?,
            }
        }
    }

    /// Returns how many of the keys are not known yet.
    pub fn missing(&self, keys: &[K]) -> usize {
        let known = lock(&self.known);
        keys.iter().filter(|key| known.get(key).is_none_or(Option::is_none)).count()
    }

    fn get(&self, keys: &[K]) -> Option<Vec<Vec<f64>>> {
        let known = lock(&self.known);
        keys.iter().map(|key| known.get(key).cloned().flatten()).collect()
    }

    /// Takes the keys that are neither known nor being run.
    fn claim(&self, keys: &[K]) -> Claim<'_, K> {
        let mut known = lock(&self.known);
        let mut claim = Claim { memo: self, keys: Vec::new() };
        for key in keys {
            if !known.contains_key(key) {
                known.insert(key.clone(), None);
                claim.keys.push(key.clone());
            }
        }
        claim
    }
}

/// Keys whose rows are being run. Dropping it lets others run those without values.
struct Claim<'a, K: Eq + Hash> {
    memo: &'a Memo<K>,
    keys: Vec<K>,
}

impl<K: Clone + Eq + Hash> Claim<'_, K> {
    fn settle(self, values: impl Iterator<Item = Vec<f64>>) {
        lock(&self.memo.known).extend(self.keys.iter().cloned().zip(values.map(Some)));
    }
}

impl<K: Eq + Hash> Drop for Claim<'_, K> {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let mut known = lock(&self.memo.known);
        for key in &self.keys {
            if known.get(key).is_some_and(Option::is_none) {
                known.remove(key);
            }
        }
        drop(known);
        self.memo.changes.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_claimed_once_until_it_is_abandoned() {
        let memo = Memo::default();
        let first = memo.claim(&[1, 2, 1]);
        assert_eq!(first.keys, [1, 2]);
        assert_eq!(memo.claim(&[2, 3]).keys, [3]);
        assert_eq!((memo.missing(&[1, 3]), memo.get(&[1])), (2, None), "3 was abandoned");
        first.settle([vec![0.1], vec![0.2]].into_iter());
        assert!(memo.claim(&[1, 2]).keys.is_empty());
        assert_eq!(memo.get(&[2, 1]), Some(vec![vec![0.2], vec![0.1]]));
        drop(memo.claim(&[3]));
        assert_eq!(memo.claim(&[3]).keys, [3]);
    }
}
