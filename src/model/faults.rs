//! Faults on demand, for tests of what becomes of the rows beside them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use super::{Loaded, PassError};
use crate::rows::{Row, RowOutput};

/// What a pass does that a chosen piece of the vocabulary is in.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    Panic,
    Error,
    NotANumber,
    Slow(Duration),
}

/// A piece, its fault, and the passes that it struck.
type Injected = (String, Fault, Arc<AtomicUsize>);

/// In all models.
static INJECTED: RwLock<Vec<Injected>> = RwLock::new(Vec::new());

/// From now on, passes with this piece go wrong; they are counted.
pub fn inject(piece: &str, fault: Fault) -> Arc<AtomicUsize> {
    let struck = Arc::<AtomicUsize>::default();
    let mut injected = INJECTED.write().unwrap_or_else(PoisonError::into_inner);
    injected.push((piece.to_owned(), fault, Arc::clone(&struck)));
    struck
}

/// No fault goes on.
pub fn heal(piece: &str) {
    let mut injected = INJECTED.write().unwrap_or_else(PoisonError::into_inner);
    injected.retain(|(other, ..)| other != piece);
}

/// Runs a pass with the faults that its rows ask for.
#[allow(clippy::panic)] // which is what is asked for
pub(super) fn run(
    model: &Loaded,
    rows: &[Row],
    pass: impl FnOnce() -> Result<Vec<RowOutput>, PassError>,
) -> Result<Vec<RowOutput>, PassError> {
    let injected = INJECTED.read().unwrap_or_else(PoisonError::into_inner).clone();
    let mut spoilt = Vec::new();
    for (piece, fault, struck) in injected {
        let Some(id) = model.text.piece_id(&piece) else { continue };
        let has = |(_, row): &(usize, &Row)| row.tokens.input_ids.contains(&id);
        let hit: Vec<usize> = rows.iter().enumerate().filter(has).map(|(place, _)| place).collect();
        if hit.is_empty() {
            continue;
        }
        struck.fetch_add(1, Ordering::Relaxed);
        match fault {
            Fault::Panic => std::panic::panic_any(format!("injected by {piece}")),
            Fault::Error => return Err(PassError(format!("injected by {piece}"))),
            Fault::NotANumber => spoilt.extend(hit),
            Fault::Slow(time) => thread::sleep(time),
        }
    }
    let mut outputs = pass()?;
    spoilt.into_iter().for_each(|place| outputs[place].logits.fill(f64::NAN));
    Ok(outputs)
}
