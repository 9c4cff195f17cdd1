//! The threads that wait for the answers of a server. There are as many as calls may run at a time.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

type Call = Box<dyn FnOnce() + Send>;

/// Runs calls in the order in which they come. The threads end when it is dropped.
pub struct Calls(Sender<Call>);

impl Calls {
    pub fn start(threads: usize) -> io::Result<Self> {
        let (calls, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new().name(format!("explaind-predictor-{number}"));
            thread.spawn(move || {
                while let Some(call) = next(&waiting) {
                    // A panic is a bug, and costs only its call.
                    let _ = catch_unwind(AssertUnwindSafe(call));
                }
            })?;
        }
        Ok(Self(calls))
    }

    /// Runs `call` on one of the threads.
    pub fn run(&self, call: impl FnOnce() + Send + 'static) {
        // The threads live as long as the sender. If they were gone, the call would be dropped.
        let _ = self.0.send(Box::new(call));
    }
}

fn next(waiting: &Mutex<Receiver<Call>>) -> Option<Call> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
