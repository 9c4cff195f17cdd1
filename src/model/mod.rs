//! A model loaded from one checkpoint: encoder, head, tokenizer and labels.
//!
//! The reasons for the design: docs/concepts/compute.md.

mod described;
#[cfg(feature = "faults")]
pub mod faults;
mod memory;
mod network;
mod packed;
mod placement;
mod remote;
mod running;

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::blocks::{self, Pooling, Step};
use crate::checkpoint::{Allowed, Cancellation, Drift, LoadError, OnDisk, Source};
use crate::error::Error;
use crate::flow;
use crate::heads::activation::OutputActivation;
use crate::heads::{Head, Labels, Task};
use crate::pace::Pace;
use crate::remote::Remote;
use crate::rows::{MapKind, Precision, Row, RowOutput, Want};
use crate::script::Script;
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input, TextEncoder};
pub use described::ModelDescription;
pub use memory::{Budget, Full, Room};
pub use placement::{Dtype, Placement};
pub use running::PassError;
use running::Run;

/// A loaded model with an id. Several ids can share one loaded model.
pub struct Model {
    pub id: String,
    loaded: Arc<Loaded>,
}

/// The parts of a loaded model, with frozen weights.
pub struct Loaded {
    /// Digest of the files that the model was loaded from.
    pub revision: String,
    on_disk: OnDisk,
    /// `model_type` in config.json.
    pub architecture: &'static str,
    pub task: Task,
    /// The writing system that a built-in model reads.
    pub script: Option<Script>,
    pub text: TextEncoder,
    placement: Placement,
    encoder: blocks::Encoder,
    head: Head,
    /// For a classifier with an entailment label, the index of that output.
    pub entailment: Option<usize>,
    runner: Box<dyn Run>,
    /// The server that predicts the model instead of `runner`.
    remote: Option<Arc<Remote>>,
    /// Measured speed of forward passes, per token.
    pace: Pace,
    /// The tokens of a pass for which a device has had memory.
    most_tokens: AtomicUsize,
    /// The memory reservation. Declared last, so that it is released after the weights.
    room: Room,
}

impl Deref for Model {
    type Target = Loaded;

    fn deref(&self) -> &Loaded {
        &self.loaded
    }
}

/// A table `[vocabulary, width]`.
pub struct WordEmbeddings<'a> {
    pub width: usize,
    table: Cow<'a, [f32]>,
}

impl WordEmbeddings<'_> {
    /// Returns the number of tokens.
    pub fn len(&self) -> usize {
        self.table.len() / self.width.max(1)
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Returns the embedding of a token, `[width]`; empty for an id outside the table.
    pub fn of(&self, id: u32) -> &[f32] {
        self.table
            .get(id as usize * self.width..)
            .and_then(|rest| rest.get(..self.width))
            .unwrap_or_default()
    }
}

/// How many times as long as in a product of matrices a multiply-add takes elsewhere.
const PLAIN: u64 = 8;

impl Model {
    /// Loads a model from a checkpoint; blocking.
    pub fn load(id: &str, source: &Source, placement: &Placement) -> Result<Self, LoadError> {
        let described =
            ModelDescription::read(source, None, &Allowed::default(), &Cancellation::default())?;
        let bytes = described.memory_bytes(placement);
        let room = Arc::new(Budget::default()).take(bytes);
        let room = room.map_err(|_| LoadError {
            origin: source.to_string(),
            file: crate::checkpoint::WEIGHTS.to_owned(),
            reason: "the weights are larger than any memory".to_owned(),
        })?;
        described.load(id, placement, room)
    }

    /// Returns the same model under another id.
    pub fn under_id(&self, id: &str) -> Self {
        Self { id: id.to_owned(), loaded: Arc::clone(&self.loaded) }
    }

    /// Whether both models share their weights in memory.
    pub fn shares_weights_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.loaded, &other.loaded)
    }

    /// Tokenises one input for the task: the texts of a pair together, except for embeddings.
    pub fn encode(&self, input: &Input, truncate: Truncate) -> Result<Encoding, Error> {
        match self.task {
            _ if self.is_remote() => self.text.encode_words(&self.id, input, truncate),
            Task::Embedding => self.text.encode_apart(&self.id, input, truncate),
            _ => self.text.encode(&self.id, input, truncate),
        }
    }
}

impl Loaded {
    /// Returns the bytes that the weights take.
    pub fn memory_bytes(&self) -> usize {
        self.room.bytes
    }

    /// Returns how the files on disk differ from those that the model was loaded from.
    pub fn drift(&self) -> Option<Drift> {
        self.on_disk.drift(&self.revision)
    }

    /// Returns the data type of the weights.
    pub fn dtype(&self) -> &'static str {
        // JSON has numbers of double precision.
        if self.is_remote() { "f64" } else { self.placement.dtype() }
    }

    /// Returns by how much rounding changes scores of gradients, as a share of their size.
    pub fn rounding(&self) -> f64 {
        self.placement.rounding()
    }

    /// Whether every row runs in full precision. Only such passes measure the speed.
    pub fn is_full(&self, rows: &[Row]) -> bool {
        let reduces = matches!(self.placement, Placement::Int8(..));
        !reduces || rows.iter().all(|row| row.precision == Precision::Full)
    }

    /// Returns the device: `cpu`, `cuda:` and a number, or `remote` for another server.
    pub fn device(&self) -> &'static str {
        if self.is_remote() { "remote" } else { self.placement.device() }
    }

    /// Runs rows of any lengths together on this thread; returns one output per row, in the same
    /// order.
    pub fn run(&self, rows: &[Row]) -> Result<Vec<RowOutput>, PassError> {
        self.run_with(rows, 1)
    }

    /// Like [`Self::run`]; each matrix product may use `threads` of the calling rayon pool.
    pub fn run_with(&self, rows: &[Row], threads: usize) -> Result<Vec<RowOutput>, PassError> {
        let pass = || self.runner.run(rows, threads);
        #[cfg(feature = "faults")]
        let pass = || faults::run(self, rows, pass);
        pass()
    }

    /// Returns the table of word embeddings.
    pub fn word_embeddings(&self) -> Result<WordEmbeddings<'_>, PassError> {
        let table = self.runner.words()?;
        Ok(WordEmbeddings { width: self.encoder.embeddings.width, table })
    }

    /// Whether outputs are a smooth function of the input, which ReLU and max pooling are not.
    pub fn is_smooth(&self) -> bool {
        let mut layers = self.encoder.layers.iter();
        layers.all(|layer| layer.feed_forward.activation.is_smooth()) && self.head.block.is_smooth()
    }

    /// Returns a row's multiply-adds. A backward pass costs about as much as a forward pass.
    pub fn row_work(&self, row: &Row) -> u64 {
        self.row_load(row) as u64 * (1 + packed::backward_passes(row) as u64) * self.token_work()
    }

    /// Returns the cost of a row's forward pass, in tokens.
    pub fn row_load(&self, row: &Row) -> usize {
        let (tokens, layers) = (row.tokens.len(), self.layers().max(1));
        let run = row.last_layer().unwrap_or(layers).saturating_sub(row.first_layer()).max(1);
        let flow = if matches!(row.want, Want::Flow(_)) { self.flow_load(tokens) } else { 0 };
        let maps = row.maps.layers.len() * self.map_load(row.maps.kind, tokens);
        (tokens * run).div_ceil(layers) + flow + maps
    }

    /// Returns the cost of one layer's map, in tokens of a forward pass. Maps of contributions take
    /// the heads' vectors of every key, and what becomes of them for every query: norms their
    /// products, at most, and mixing their sums.
    pub fn map_load(&self, kind: MapKind, tokens: usize) -> usize {
        let (heads, width) = (self.heads() as u64, self.width() as u64);
        let per_pair = match kind {
            MapKind::Norms => heads * heads,
            MapKind::BlockNorms | MapKind::Alti => heads * width,
            MapKind::Weights | MapKind::Gradients | MapKind::PositiveGradients => return 0,
        };
        let vectors = tokens as u64 * heads * width * width;
        let pairs = PLAIN * (tokens * tokens) as u64 * per_pair;
        (vectors + pairs).div_ceil(self.token_work().max(1)) as usize
    }

    /// Returns the cost of the flows from one query to each of `tokens`, in tokens of a forward
    /// pass.
    pub fn flow_load(&self, tokens: usize) -> usize {
        (flow::work(self.layers(), tokens) / self.token_work().max(1)) as usize
    }

    /// Returns the multiply-adds per token of a forward or backward pass.
    pub fn token_work(&self) -> u64 {
        self.encoder.work_per_token() as u64
    }

    /// Records that rows ran in `seconds`.
    pub fn note_pass(&self, rows: &[Row], seconds: f64) {
        let passes = |row: &Row| self.row_load(row) * (1 + packed::backward_passes(row));
        self.pace.note(rows.iter().map(passes).sum(), seconds);
    }

    /// Returns the recent time per token of a forward pass, which a backward pass takes again;
    /// `None` before the first pass.
    pub fn seconds_per_token(&self) -> Option<f64> {
        self.pace.seconds_for(1)
    }

    /// Returns the most tokens of a pass, as far as memory has shown.
    pub fn most_tokens(&self) -> usize {
        self.most_tokens.load(Ordering::Relaxed)
    }

    /// Records that there is no memory for passes of more than this many tokens.
    pub fn limit_tokens(&self, tokens: usize) {
        self.most_tokens.fetch_min(tokens.max(1), Ordering::Relaxed);
    }

    /// Returns where the model computes.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Returns the bytes that a row of `tokens` keeps in memory until its gradient is computed.
    pub fn row_bytes(&self, tokens: usize) -> usize {
        self.encoder.saved_per_row(tokens) * size_of::<f32>()
    }

    /// Returns the names of the outputs.
    pub fn labels(&self) -> &Labels {
        &self.head.labels
    }

    /// Returns the name of one output, empty if it has none.
    pub fn label(&self, index: usize) -> String {
        match &self.head.labels {
            Labels::Named(names) => names[index].clone(),
            Labels::Pieces(_) => self.text.piece(index as u32),
            Labels::Dimensions(_) => String::new(),
        }
    }

    /// Returns the vocabulary piece of one output as text; `None` for other outputs.
    pub fn decoded(&self, index: usize) -> Option<String> {
        match &self.head.labels {
            Labels::Pieces(_) => Some(self.text.decoded(index as u32)),
            Labels::Named(_) | Labels::Dimensions(_) => None,
        }
    }

    /// Returns the index of the output called `label`.
    pub fn output_called(&self, label: &str) -> Option<usize> {
        match &self.head.labels {
            Labels::Named(names) => names.iter().position(|name| name == label),
            // A token may have been added to the vocabulary but not to the model.
            Labels::Pieces(count) => {
                self.text.piece_id(label).map(|id| id as usize).filter(|id| id < count)
            }
            Labels::Dimensions(_) => None,
        }
    }

    /// Returns the number of outputs per state that the head reads.
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

    /// Returns the weight of each of `tokens` final states, if the output is their weighted mean
    /// up to normalisation to length 1.
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

    /// Returns the size of a hidden state.
    pub fn width(&self) -> usize {
        self.encoder.layers.first().map_or(0, |layer| layer.output_norm.size)
    }

    pub fn heads(&self) -> usize {
        self.encoder.layers.first().map_or(0, |layer| layer.attention.heads)
    }
}
