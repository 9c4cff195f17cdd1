//! The predictor whose model an explainer explains.

use std::time::Duration;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::check_id;
use super::named;
use crate::remote::{Protocol, Settings};

/// A model of another server, which is explained by its predictions, beside the models here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Predictor {
    /// Host of the server, HOST or HOST:PORT. Without one, there is no such model.
    #[garde(inner(custom(is_host)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Name of the model, there and here.
    #[garde(custom(is_id))]
    pub model: String,
    /// The protocol of the server: KServe's V1, or the Open Inference Protocol (V2) over REST.
    #[garde(skip)]
    #[serde(with = "named")]
    #[schemars(with = "String")]
    pub protocol: Protocol,
    /// Whether to connect with TLS.
    #[garde(skip)]
    pub tls: bool,
    /// Time limit of a call.
    #[garde(range(min = 1, max = 3_600_000))]
    pub timeout_ms: u64,
    /// Maximum number of texts per call.
    #[garde(range(min = 1, max = 10_000))]
    pub batch: usize,
    /// Maximum number of calls at a time.
    #[garde(range(min = 1, max = 256))]
    pub concurrency: usize,
    /// Names of the outputs, in the order of the scores. By default those of the answers, or
    /// `LABEL_0` and so on. Needed if the server answers with the predicted label only.
    #[garde(length(max = 10_000))]
    pub labels: Vec<String>,
    /// Field of an instance (V1; by default, an instance is the text itself) or name of the input
    /// tensor (V2; by default `text`) with the text.
    #[garde(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Name of the output tensor with the scores (V2). By default `probabilities`, or the first one
    /// with numbers.
    #[garde(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// What stands for an absent word with `replacement: mask`.
    #[garde(skip)]
    pub mask: String,
    /// Maximum number of words of an input.
    #[garde(range(min = 1, max = 100_000))]
    pub max_words: usize,
}

impl Default for Predictor {
    fn default() -> Self {
        Self {
            host: None,
            // The defaults of KServe's SDK.
            model: "model".to_owned(),
            protocol: Protocol::V1,
            tls: false,
            timeout_ms: 600_000,
            batch: 64,
            concurrency: 4,
            labels: Vec::new(),
            input: None,
            output: None,
            mask: "[MASK]".to_owned(),
            max_words: 512,
        }
    }
}

impl Predictor {
    /// Returns how to reach the server, if there is one.
    pub fn settings(&self) -> Option<Settings> {
        let host = self.host.as_ref()?;
        let scheme = if self.tls { "https" } else { "http" };
        Some(Settings {
            url: format!("{scheme}://{host}"),
            model: self.model.clone(),
            protocol: self.protocol,
            timeout: Duration::from_millis(self.timeout_ms),
            labels: self.labels.clone(),
            input: self.input.clone(),
            output: self.output.clone(),
            mask: self.mask.clone(),
            max_words: self.max_words,
            batch: self.batch,
            concurrency: self.concurrency,
        })
    }
}

fn is_host(host: &str, _: &()) -> garde::Result {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    match !host.is_empty() && host.chars().all(allowed) {
        true => Ok(()),
        false => Err(garde::Error::new("a host is HOST or HOST:PORT, such as model.default:8080")),
    }
}

fn is_id(id: &str, _: &()) -> garde::Result {
    check_id(id).map_err(garde::Error::new)
}
