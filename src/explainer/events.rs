//! What happens while a question is answered, for clients that follow it.

use tokio::sync::mpsc;

use crate::error::Result;
use crate::explanation::{Explained, Resolved, UnitScores, Used};

/// A part of a streamed answer.
pub enum Event {
    /// The progress of a method on one input.
    Progress(Progress),
    /// The result of the input with this index.
    Result { index: usize, id: Option<String>, result: Box<Result<Explained>> },
    /// The last event.
    End(Used),
}

/// The progress of a method, with the scores so far.
pub struct Progress {
    pub index: usize,
    pub method: &'static str,
    pub done: usize,
    pub of: usize,
    pub explanations: Vec<(Resolved, UnitScores)>,
}

/// Where the progress on an input is reported, if anywhere.
#[derive(Clone, Default)]
pub struct Follow {
    pub to: Option<(usize, mpsc::UnboundedSender<Event>)>,
}
