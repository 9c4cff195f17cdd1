//! Faults on demand, for tests of what becomes of the rows beside them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use super::{Loaded, PassError};
use crate::rows::{Row, RowOutput};

/// What a pass does that a chosen piece of the vocabulary is in.
#[derive(Debug, Clone)]
pub enum Fault {
    Panic,
    Error,
    NotANumber,
    /// Waits at the gate.
    Hold(Arc<Gate>),
}

/// Lets some passes through and holds those after them until it is opened: tests
/// know how far the work has come, however fast the machine is.
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
    /// One that `free` passes may go through.
    pub fn after(free: usize) -> Arc<Self> {
        Arc::new(Self { free, state: Mutex::default(), changed: Condvar::new() })
    }

    pub fn open(&self) {
        self.update(|state| state.open = true);
    }

    /// Blocks until a pass is held, or the gate is opened.
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

    fn wait_until(&self, what: impl Fn(&GateState) -> bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_while(state, |state| !what(state));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
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
            Fault::Hold(gate) => gate.pass(),
        }
    }
    let mut outputs = pass()?;
    spoilt.into_iter().for_each(|place| outputs[place].logits.fill(f64::NAN));
    Ok(outputs)
}
