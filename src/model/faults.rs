//! Fault injection, for tests of how other rows of a pass fare.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use super::{Loaded, PassError};
use crate::rows::{Row, RowOutput};

/// What happens to a pass with a chosen piece of the vocabulary.
#[derive(Debug, Clone)]
pub enum Fault {
    Panic,
    Error,
    /// A device without memory for passes of more tokens than this. Only for models on a device.
    OutOfMemory(usize),
    /// A device that has stopped working. Only for models on a device.
    DeviceLost,
    NotANumber,
    /// Blocks at the gate.
    Hold(Arc<Gate>),
}

/// A gate that lets some passes through and blocks later ones until it is opened. So tests can
/// control progress on machines of any speed.
#[derive(Debug)]
pub struct Gate {
    free: usize,
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    arrived: usize,
    open: bool,
}

impl Gate {
    /// Creates a gate that lets `free` passes through.
    pub fn after(free: usize) -> Arc<Self> {
        Arc::new(Self { free, state: Mutex::default(), changed: Condvar::new() })
    }

    pub fn open(&self) {
        self.update(|state| state.open = true);
    }

    /// Blocks until a pass waits at the gate, or the gate is opened.
    pub fn wait_until_held(&self) {
        self.wait_until(|state| state.open || state.arrived > self.free);
    }

    fn pass(&self) {
        let mut number = 0;
        self.update(|state| {
            state.arrived += 1;
            number = state.arrived;
        });
        self.wait_until(|state| state.open || number <= self.free);
    }

    fn update(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait_until(&self, ready: impl Fn(&GateState) -> bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_while(state, |state| !ready(state));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// A piece, its fault, and the number of passes with it.
type Injected = (String, Fault, Arc<AtomicUsize>);

/// The injected faults, which apply to all models.
static INJECTED: RwLock<Vec<Injected>> = RwLock::new(Vec::new());

/// Injects a fault into passes with this piece. Returns the counter of such passes.
pub fn inject(piece: &str, fault: Fault) -> Arc<AtomicUsize> {
    let count = Arc::<AtomicUsize>::default();
    let mut injected = INJECTED.write().unwrap_or_else(PoisonError::into_inner);
    injected.push((piece.to_owned(), fault, Arc::clone(&count)));
    count
}

/// Removes the fault of this piece.
pub fn heal(piece: &str) {
    let mut injected = INJECTED.write().unwrap_or_else(PoisonError::into_inner);
    injected.retain(|(other, ..)| other != piece);
}

/// Runs a pass with the faults of its rows.
#[allow(clippy::panic)] // as requested by the test
pub(super) fn run(
    model: &Loaded,
    rows: &[Row],
    pass: impl FnOnce() -> Result<Vec<RowOutput>, PassError>,
) -> Result<Vec<RowOutput>, PassError> {
    let injected = INJECTED.read().unwrap_or_else(PoisonError::into_inner).clone();
    let mut poisoned = Vec::new();
    for (piece, fault, count) in injected {
        let Some(id) = model.text.piece_id(&piece) else { continue };
        let of_device = matches!(fault, Fault::OutOfMemory(_) | Fault::DeviceLost);
        if of_device && !model.placement.is_device() {
            continue;
        }
        let has = |(_, row): &(usize, &Row)| row.tokens.input_ids.contains(&id);
        let hits: Vec<usize> = rows.iter().enumerate().filter(has).map(|(i, _)| i).collect();
        if hits.is_empty() {
            continue;
        }
        count.fetch_add(1, Ordering::Relaxed);
        match fault {
            Fault::Panic => std::panic::panic_any(format!("injected by {piece}")),
            Fault::Error => return Err(PassError::Other(format!("injected by {piece}"))),
            Fault::OutOfMemory(tokens) => {
                if rows.iter().map(|row| row.tokens.len()).sum::<usize>() > tokens {
                    return Err(PassError::OutOfMemory(format!("injected by {piece}")));
                }
            }
            Fault::DeviceLost => {
                return Err(PassError::DeviceLost(format!("injected by {piece}")));
            }
            Fault::NotANumber => poisoned.extend(hits),
            Fault::Hold(gate) => gate.pass(),
        }
    }
    let mut outputs = pass()?;
    poisoned.into_iter().for_each(|index| outputs[index].logits.fill(f64::NAN));
    Ok(outputs)
}
