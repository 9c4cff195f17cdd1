//! A model that another server predicts. It has words for tokens, outputs with names, and no network:
//! its rows are texts without some words, which `passes` sends to the server.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::running::Run;
use super::{Budget, Loaded, Model, PassError, Placement};
use crate::backend::cpu::Isa;
use crate::blocks::{Encoder, Head as HeadBlock, Pooling, PoolingMode};
use crate::checkpoint::OnDisk;
use crate::error::{Error, Result};
use crate::heads::activation::OutputActivation;
use crate::heads::{Head, Labels, Task};
use crate::pace::Pace;
use crate::remote::Remote;
use crate::rows::{Row, RowOutput};
use crate::text::TextEncoder;

impl Model {
    /// Creates a model with this id whose predictions `remote` makes.
    pub fn remote(id: &str, remote: Remote) -> Result<Self> {
        let settings = &remote.settings;
        let block = HeadBlock { pooling: Pooling::by(PoolingMode::First), steps: Vec::new() };
        let loaded = Loaded {
            // The server's model may change without notice.
            revision: "remote".to_owned(),
            on_disk: OnDisk::default(),
            architecture: "remote",
            task: Task::TextClassification,
            script: None,
            text: TextEncoder::of_words(&settings.mask, settings.max_words)?,
            placement: Placement::Cpu(Isa::best()),
            encoder: Encoder::empty(),
            head: Head {
                block,
                labels: Labels::Named(remote.labels.clone()),
                // What it answers is explained as it is.
                activation: OutputActivation::None,
            },
            entailment: None,
            runner: Box::new(NoNetwork),
            pace: Pace::new(0.9),
            most_tokens: AtomicUsize::new(usize::MAX),
            room: Arc::new(Budget::default())
                .take(0)
                .map_err(|_| Error::internal("no room for nothing"))?,
            remote: Some(Arc::new(remote)),
        };
        Ok(Self { id: id.to_owned(), loaded: Arc::new(loaded) })
    }
}

impl Loaded {
    /// Returns the server that predicts the model, if it has no network of its own.
    pub fn elsewhere(&self) -> Option<&Arc<Remote>> {
        self.remote.as_ref()
    }

    /// Whether only predictions can be had of the model: neither gradients nor attention.
    pub fn is_remote(&self) -> bool {
        self.remote.is_some()
    }
}

struct NoNetwork;

impl Run for NoNetwork {
    fn run(&self, _: &[Row], _: usize) -> Result<Vec<RowOutput>, PassError> {
        Err(PassError::Other("a remote model has no network".to_owned()))
    }

    fn words(&self) -> Result<Cow<'_, [f32]>, PassError> {
        Err(PassError::Other("a remote model has no embeddings".to_owned()))
    }
}
