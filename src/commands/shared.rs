//! What the commands share.

use std::io;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::checkpoint::Source;
use crate::config::{Config, ModelEntry};

pub type Failure = Box<dyn std::error::Error>;

/// Log filter of single commands: warnings and downloads. A failed load is reported as the
/// command's own error instead.
pub const FILTER: &str = "warn,explaind::engine::loading=off,explaind::checkpoint::hub=info";

pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Lifts the limits that protect a service from its clients: work may take an hour, the most that
/// can be configured.
pub fn without_client(config: &mut Config) {
    config.limits.request_ms = 3_600_000;
    config.engine.queued_work = u32::MAX as usize;
}

/// Parses `[ID=]SOURCE`.
pub fn model_entry(text: &str) -> Result<ModelEntry, Failure> {
    let (id, source) = match text.split_once('=') {
        Some((id, source)) => (Some(id.to_owned()), source),
        None => (None, text),
    };
    let parsed: Source = source.parse()?;
    parsed.check_exists()?;
    let id = id.unwrap_or_else(|| parsed.default_id());
    Ok(ModelEntry::new(id, source))
}

/// Returns a progress bar over this many texts.
pub fn bar(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    let look = "{wide_bar} {pos} of {len} texts, {eta} left";
    bar.set_style(
        ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

/// Completes at the first SIGTERM or SIGINT; the second ends the process.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(130);
        });
    })
}
