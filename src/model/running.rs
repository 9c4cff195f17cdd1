//! A network on its back end, and passes of it.

use std::borrow::Cow;

use super::network::Network;
use super::placement::Placement;
use crate::backend::Backend;
#[cfg(feature = "candle")]
use crate::backend::candle::{self, Candle, Fault};
use crate::backend::cpu::Cpu;
use crate::blocks;
use crate::checkpoint::{Checkpoint, LoadError};
use crate::heads::Head;
use crate::rows::{Precision, Row, RowOutput};

/// Why a pass failed, for the log.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The device has not enough memory for these rows together.
    #[error("out of memory on the device: {0}")]
    OutOfMemory(String),
    /// Nothing works on the device any more.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
    #[error("{0}")]
    Other(String),
}

#[cfg(feature = "candle")]
impl From<candle::Error> for PassError {
    fn from(error: candle::Error) -> Self {
        let text = error.to_string();
        match Fault::of(&error) {
            Fault::OutOfMemory => Self::OutOfMemory(text),
            Fault::Lost => Self::DeviceLost(text),
            Fault::Other => Self::Other(text),
        }
    }
}

/// A network with its back end's type erased.
pub trait Run: Send + Sync {
    fn run(&self, rows: &[Row], threads: usize) -> Result<Vec<RowOutput>, PassError>;

    /// The table of word embeddings, `[vocabulary, width]`.
    fn words(&self) -> Result<Cow<'_, [f32]>, PassError>;
}

/// A network and its back end.
struct LoadedNetwork<B: Backend> {
    network: Network<B>,
    backend: B,
}

impl Run for LoadedNetwork<Cpu> {
    fn run(&self, rows: &[Row], threads: usize) -> Result<Vec<RowOutput>, PassError> {
        let backend = self.backend.with_threads(threads);
        let mut outputs = vec![RowOutput::default(); rows.len()];
        for precision in [Precision::Full, Precision::Reduced] {
            let chosen = |&index: &usize| backend.precision_of(&rows[index]) == precision;
            let indices: Vec<usize> = (0..rows.len()).filter(chosen).collect();
            let own: Vec<&Row> = indices.iter().map(|&index| &rows[index]).collect();
            let Ok(run) = self.network.run(&backend.with_precision(precision), &own);
            indices.into_iter().zip(run).for_each(|(index, output)| outputs[index] = output);
        }
        Ok(outputs)
    }

    fn words(&self) -> Result<Cow<'_, [f32]>, PassError> {
        let Ok(table) = self.backend.words(&self.network.encoder.embeddings);
        Ok(table)
    }
}

#[cfg(feature = "candle")]
impl Run for LoadedNetwork<Candle> {
    fn run(&self, rows: &[Row], _threads: usize) -> Result<Vec<RowOutput>, PassError> {
        let rows: Vec<&Row> = rows.iter().collect();
        let _precision = self.backend.begin();
        Ok(self.network.run(&self.backend, &rows)?)
    }

    fn words(&self) -> Result<Cow<'_, [f32]>, PassError> {
        Ok(self.backend.words(&self.network.encoder.embeddings)?)
    }
}

/// Loads the weights of a model.
pub fn load(
    placement: &Placement,
    encoder: &blocks::Encoder,
    head: &Head,
    checkpoint: &Checkpoint,
) -> Result<Box<dyn Run>, LoadError> {
    let on_cpu = |backend: Cpu| {
        let network = Network::load(encoder, &head.block, head.activation, &backend, checkpoint)?;
        Ok::<_, LoadError>(Box::new(LoadedNetwork { network, backend }))
    };
    Ok(match placement {
        Placement::Cpu(isa) => on_cpu(Cpu::new(*isa))?,
        Placement::Int8(isa, int8) => on_cpu(Cpu::new(*isa).with_int8(*int8))?,
        #[cfg(feature = "candle")]
        Placement::Candle(backend) => {
            let backend = backend.clone();
            let network =
                Network::load(encoder, &head.block, head.activation, &backend, checkpoint)?;
            Box::new(LoadedNetwork { network, backend })
        }
    })
}
