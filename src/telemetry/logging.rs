//! Logs, and traces if a collector is configured.

use std::io::IsTerminal;

use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

#[cfg(feature = "otlp")]
use super::otlp;
use crate::config::{Log, LogFormat};

/// Sends the remaining spans when dropped.
#[derive(Default)]
pub struct Logging {
    #[cfg(feature = "otlp")]
    _traces: Option<otlp::Traces>,
}

/// Starts logging to standard error, and tracing. Later calls have no effect.
pub fn start_logging(log: &Log) -> Result<Logging, String> {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let use_colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt::layer().with_ansi(use_colours).with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otlp")]
    {
        let traces = otlp::Traces::start(log.otlp.as_deref())?;
        let started = registry.with(traces.as_ref().map(otlp::Traces::layer)).try_init();
        // An error means that logging has already been started.
        Ok(Logging { _traces: traces.filter(|_| started.is_ok()) })
    }
    #[cfg(not(feature = "otlp"))]
    {
        let _ = registry.try_init();
        Ok(Logging::default())
    }
}
