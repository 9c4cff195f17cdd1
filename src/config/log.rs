//! The configuration of logs and traces.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Log lines for people or for programs.
    #[garde(skip)]
    pub format: LogFormat,
    /// In the syntax of tracing, such as `info` or `explaind=debug`.
    #[garde(custom(log_filter))]
    pub filter: String,
    /// URL of an OTLP/HTTP collector for traces. Can also be set by the variable
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[garde(inner(custom(collector)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned(), otlp: None }
    }
}

fn collector(url: &str, _: &()) -> garde::Result {
    match (url.starts_with("http://") || url.starts_with("https://"), cfg!(feature = "otlp")) {
        (true, true) => Ok(()),
        (false, _) => Err(garde::Error::new("must be a URL such as http://127.0.0.1:4318")),
        (_, false) => Err(garde::Error::new("this build cannot send traces (feature otlp)")),
    }
}

fn log_filter(filter: &str, _: &()) -> garde::Result {
    let parsed = tracing_subscriber::EnvFilter::try_new(filter);
    parsed.map(|_| ()).map_err(|error| garde::Error::new(error.to_string()))
}
