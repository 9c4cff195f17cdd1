//! A model: encoder, head, tokenizer and labels, as loaded from one checkpoint.

mod described;
#[cfg(feature = "faults")]
pub mod faults;
mod memory;
mod network;
mod packed;
mod placement;

use std::ops::Deref;
use std::sync::Arc;

use crate::backend::Backend;
#[cfg(feature = "candle")]
use crate::backend::candle::Candle;
use crate::backend::cpu::Cpu;
use crate::blocks::{self, Pooling, Step};
use crate::checkpoint::{Allowed, Cancellation, Checkpoint, Drift, LoadError, OnDisk, Source};
use crate::error::Error;
use crate::flow;
use crate::heads::activation::OutputActivation;
use crate::heads::{Head, Labels, Task};
use crate::pace::Pace;
use crate::rows::{Row, RowOutput, Want};
use crate::script::Script;
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input, TextEncoder};
pub use described::Described;
pub use memory::{Budget, Full, Room};
use network::Network;
pub use placement::Placement;

/// A loaded model under an id. Another id for the same one costs nothing.
pub struct Model {
    pub id: String,
    loaded: Arc<Loaded>,
}

/// What was loaded, with frozen weights.
pub struct Loaded {
    /// Digest of the files that it was loaded from.
    pub revision: String,
    on_disk: OnDisk,
    /// config.json's `model_type`.
    pub architecture: &'static str,
    pub task: Task,
    /// The writing that a built-in model reads.
    pub script: Option<Script>,
    pub text: TextEncoder,
    placement: Placement,
    encoder: blocks::Encoder,
    head: Head,
    /// The output that says a text entails another, of a classifier that has one.
    pub entailment: Option<usize>,
    runner: Box<dyn Run>,
    /// Of tokens through forward passes.
    pace: Pace,
    /// Given back after the weights above.
    room: Room,
}

impl Deref for Model {
    type Target = Loaded;

    fn deref(&self) -> &Loaded {
        &self.loaded
    }
}

/// Why a pass failed, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PassError(String);

/// A network whose back end is not of interest any more.
trait Run: Send + Sync {
    fn run(&self, rows: &[Row], threads: usize) -> Result<Vec<RowOutput>, PassError>;
}

/// A network and what it was placed on.
struct Placed<B: Backend> {
    network: Network<B>,
    backend: B,
}

impl Run for Placed<Cpu> {
    fn run(&self, rows: &[Row], threads: usize) -> Result<Vec<RowOutput>, PassError> {
        let Ok(outputs) = self.network.run(&self.backend.with_threads(threads), rows);
        Ok(outputs)
    }
}

#[cfg(feature = "candle")]
impl Run for Placed<Candle> {
    fn run(&self, rows: &[Row], _threads: usize) -> Result<Vec<RowOutput>, PassError> {
        self.network.run(&self.backend, rows).map_err(|error| PassError(error.to_string()))
    }
}

fn place(
    placement: &Placement,
    encoder: &blocks::Encoder,
    head: &Head,
    checkpoint: &Checkpoint,
) -> Result<Box<dyn Run>, LoadError> {
    Ok(match placement {
        Placement::Cpu(isa) => {
            let backend = Cpu::new(*isa);
            let network =
                Network::place(encoder, &head.block, head.activation, &backend, checkpoint)?;
            Box::new(Placed { network, backend })
        }
        #[cfg(feature = "candle")]
        Placement::Candle(backend) => {
            let backend = backend.clone();
            let network =
                Network::place(encoder, &head.block, head.activation, &backend, checkpoint)?;
            Box::new(Placed { network, backend })
        }
    })
}

impl Model {
    /// Reads and checks a checkpoint. Blocks for as long as that takes.
    pub fn load(id: &str, source: &Source, placement: &Placement) -> Result<Self, LoadError> {
        let described =
            Described::read(source, None, &Allowed::default(), &Cancellation::default())?;
        let bytes = described.memory_bytes(placement);
        let room = Arc::new(Budget::default()).take(bytes);
        let room = room.map_err(|_| LoadError {
            origin: source.to_string(),
            file: crate::checkpoint::WEIGHTS.to_owned(),
            reason: "the weights are larger than any memory".to_owned(),
        })?;
        described.place(id, placement, room)
    }

    /// The same model under another id.
    pub fn under_id(&self, id: &str) -> Self {
        Self { id: id.to_owned(), loaded: Arc::clone(&self.loaded) }
    }

    /// Whether both are one in memory.
    pub fn shares_weights_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.loaded, &other.loaded)
    }

    /// Tokenises one input as the task wants it: the texts of a pair together,
    /// or each by itself to be embedded.
    pub fn encode(&self, input: &Input, truncate: Truncate) -> Result<Encoding, Error> {
        match self.task {
            Task::Embedding => self.text.encode_apart(&self.id, input, truncate),
            _ => self.text.encode(&self.id, input, truncate),
        }
    }
}

impl Loaded {
    /// What its weights take in memory.
    pub fn memory_bytes(&self) -> usize {
        self.room.bytes
    }

    /// How the files on disk are not what it was loaded from.
    pub fn drift(&self) -> Option<Drift> {
        self.on_disk.drift(&self.revision)
    }

    /// The type of its numbers.
    pub fn dtype(&self) -> &'static str {
        self.placement.dtype()
    }

    /// `cpu` or `cuda`.
    pub fn device(&self) -> &'static str {
        self.placement.device()
    }

    /// Runs rows of any lengths together on this thread, one output a row, in
    /// their order.
    pub fn run(&self, rows: &[Row]) -> Result<Vec<RowOutput>, PassError> {
        self.run_with(rows, 1)
    }

    /// The same; each product may use `threads` of the rayon pool that this is
    /// called in.
    pub fn run_with(&self, rows: &[Row], threads: usize) -> Result<Vec<RowOutput>, PassError> {
        let pass = || self.runner.run(rows, threads);
        #[cfg(feature = "faults")]
        let pass = || faults::run(self, rows, pass);
        pass()
    }

    /// Whether outputs change smoothly with the input: ReLU's slope jumps, and so does that
    /// of a largest number.
    pub fn is_smooth(&self) -> bool {
        let mut layers = self.encoder.layers.iter();
        layers.all(|layer| layer.feed_forward.activation.is_smooth()) && self.head.block.is_smooth()
    }

    /// Multiply-adds that a row costs: a walk back is about a forward pass.
    pub fn row_work(&self, row: &Row) -> u64 {
        self.row_load(row) as u64 * (1 + packed::walks(row) as u64) * self.token_work()
    }

    /// Tokens of a forward pass that take as long as that of the row.
    pub fn row_load(&self, row: &Row) -> usize {
        let tokens = row.tokens.len();
        match row.want {
            Want::Flow(_) => tokens + self.flow_load(tokens),
            Want::Outputs | Want::States | Want::Values(_) | Want::Gradients(..) => tokens,
        }
    }

    /// Tokens of a forward pass that take as long as the flows from one query to each of
    /// so many tokens.
    pub fn flow_load(&self, tokens: usize) -> usize {
        (flow::work(self.layers(), tokens) / self.token_work().max(1)) as usize
    }

    /// Multiply-adds of one token's way through the model, in either direction.
    pub fn token_work(&self) -> u64 {
        self.encoder.work_per_token() as u64
    }

    /// Notes rows that were run in `seconds`.
    pub fn note_pass(&self, rows: &[Row], seconds: f64) {
        let passes = |row: &Row| self.row_load(row) * (1 + packed::walks(row));
        self.pace.note(rows.iter().map(passes).sum(), seconds);
    }

    /// What a token of a forward pass took of late; a walk back takes as much
    /// again. None before the first pass.
    pub fn seconds_per_token(&self) -> Option<f64> {
        self.pace.seconds_for(1)
    }

    /// Bytes that a row of `tokens` keeps in memory until its gradient is done.
    pub fn row_bytes(&self, tokens: usize) -> usize {
        self.encoder.kept_per_row(tokens) * size_of::<f32>()
    }

    /// What the outputs are called.
    pub fn labels(&self) -> &Labels {
        &self.head.labels
    }

    /// The name of one output; empty where it has none.
    pub fn label(&self, index: usize) -> String {
        match &self.head.labels {
            Labels::Named(names) => names[index].clone(),
            Labels::Pieces(_) => self.text.piece(index as u32),
            Labels::Dimensions(_) => String::new(),
        }
    }

    /// The piece that one output stands for, as text; of labels, none.
    pub fn decoded(&self, index: usize) -> Option<String> {
        match &self.head.labels {
            Labels::Pieces(_) => Some(self.text.decoded(index as u32)),
            Labels::Named(_) | Labels::Dimensions(_) => None,
        }
    }

    /// The output called `label`.
    pub fn output_called(&self, label: &str) -> Option<usize> {
        match &self.head.labels {
            Labels::Named(names) => names.iter().position(|name| name == label),
            // A token may have been added to the vocabulary and not to the model.
            Labels::Pieces(count) => {
                self.text.piece_id(label).map(|id| id as usize).filter(|id| id < count)
            }
            Labels::Dimensions(_) => None,
        }
    }

    /// Outputs for each state that the head reads.
    pub fn outputs(&self) -> usize {
        match &self.head.labels {
            Labels::Named(names) => names.len(),
            Labels::Pieces(count) | Labels::Dimensions(count) => *count,
        }
    }

    pub fn activation(&self) -> OutputActivation {
        self.head.activation
    }

    pub fn pooling(&self) -> &Pooling {
        &self.head.block.pooling
    }

    /// How much each of `tokens` final states counts in the output, where that is
    /// their weighted mean but for its length.
    pub fn mean_weights(&self, tokens: usize) -> Option<Vec<f64>> {
        let head = &self.head.block;
        match &head.pooling {
            Pooling::Whole(pool) if head.steps.iter().all(|step| matches!(step, Step::Unit)) => {
                pool.mean_weights(tokens)
            }
            Pooling::Whole(_) | Pooling::Tokens => None,
        }
    }

    pub fn layers(&self) -> usize {
        self.encoder.sequence.len()
    }

    pub fn heads(&self) -> usize {
        self.encoder.layers.first().map_or(0, |layer| layer.attention.heads)
    }
}
