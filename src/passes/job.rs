//! What goes through the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use super::requester::Requester;
use crate::error::Result;
use crate::model::Model;
use crate::rows::{Row, RowOutput};

/// Rows of one model that a caller waits for.
pub struct Job {
    pub model: Arc<Model>,
    pub rows: Vec<Row>,
    pub requester: Arc<Requester>,
    /// Closed if the caller has gone away; the rows need not run then.
    pub reply: oneshot::Sender<Result<Finished>>,
    pub queued: Instant,
    /// The span under which its passes are logged and traced.
    pub span: Span,
}

/// A job's outputs, and the time it took.
pub struct Finished {
    /// One per row, in the job's order.
    pub outputs: Vec<RowOutput>,
    /// Time from queueing until the first row ran.
    pub waited: Duration,
    /// Its share, by tokens, of the passes that contained its rows.
    pub computed: Duration,
}
