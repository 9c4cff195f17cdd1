//! Models that another server predicts, over KServe's V1 protocol or the Open Inference Protocol
//! (V2): what an explainer of KServe explains.
//!
//! The server's answers are not trusted: their size, number and values are checked.

mod calls;
mod scores;
mod v1;
mod v2;

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;
use ureq::Agent;
use ureq::http::StatusCode;

use crate::choice::choices;
use crate::error::{Code, Error, Result};
use calls::Calls;
use scores::Answered;

choices! {
    /// The protocol of the predictor.
    pub enum Protocol { V1 = "v1", V2 = "v2" }
}

/// How to reach a predictor, and how it takes texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Such as `http://sentiment-predictor.default`.
    pub url: String,
    /// The name of the model there.
    pub model: String,
    pub protocol: Protocol,
    /// Time limit of a call.
    pub timeout: Duration,
    /// The names of its outputs, in their order; empty for those that it answers with.
    pub labels: Vec<String>,
    /// The field of an instance, or the input tensor, that has the text.
    pub input: Option<String>,
    /// The output tensor that has the scores.
    pub output: Option<String>,
    /// What stands for an absent word.
    pub mask: String,
    /// Maximum number of words of an input.
    pub max_words: usize,
    /// Texts of one call.
    pub batch: usize,
    /// Calls at a time.
    pub concurrency: usize,
}

/// The longest answer that is read.
const MAX_ANSWER: u64 = 16 << 20;

/// The text of the first call, which finds out the outputs.
const PROBE: &str = "This is a text.";

/// The texts of one input: one, or a pair.
pub type Texts = Vec<String>;

/// Header fields of a request that are sent on with its calls.
#[derive(Debug, Clone, Default)]
pub struct Forwarded(pub Arc<[(&'static str, String)]>);

/// A model that another server predicts.
pub struct Remote {
    pub settings: Settings,
    /// The names of the outputs.
    pub labels: Vec<String>,
    agent: Agent,
    /// Makes the calls.
    pub calls: Calls,
}

impl Remote {
    /// Predicts a text to find out the outputs; blocking.
    pub fn connect(settings: Settings) -> Result<Self> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("explaind/", env!("CARGO_PKG_VERSION")))
            // The predictor is near, and other hosts may not see the texts.
            .proxy(None)
            .build();
        let calls = Calls::start(settings.concurrency).map_err(Error::internal)?;
        let labels = settings.labels.clone();
        let mut remote = Self { settings, labels, agent: agent.into(), calls };
        if remote.labels.is_empty() {
            let timeout = remote.settings.timeout;
            let probe = [vec![PROBE.to_owned()]];
            let answered = remote.answered(&probe, &Forwarded::default(), timeout)?;
            let first = answered.first().ok_or_else(|| failed("has no prediction"))?;
            remote.labels = first.labels()?;
        }
        Ok(remote)
    }

    /// Predicts texts, at most a batch of them; blocking. Returns `[texts][labels]`.
    ///
    /// # Errors
    /// `predictor_failed`, or `deadline_exceeded` after `timeout`.
    pub fn predict(
        &self,
        texts: &[Texts],
        forwarded: &Forwarded,
        timeout: Duration,
    ) -> Result<Vec<Vec<f64>>> {
        let answered = self.answered(texts, forwarded, timeout.min(self.settings.timeout))?;
        answered.iter().map(|answered| answered.scores(&self.labels)).collect()
    }

    fn answered(
        &self,
        texts: &[Texts],
        forwarded: &Forwarded,
        timeout: Duration,
    ) -> Result<Vec<Answered>> {
        let Settings { url, model, protocol, .. } = &self.settings;
        let (path, body) = match protocol {
            Protocol::V1 => (v1::path(model), v1::body(&self.settings, texts)),
            Protocol::V2 => (v2::path(model), v2::body(&self.settings, texts)),
        };
        let answer = self.post(&format!("{url}{path}"), &body.to_string(), forwarded, timeout)?;
        let value = serde_json::from_slice(&answer).map_err(|_| failed("is not JSON"))?;
        let answered = match protocol {
            Protocol::V1 => v1::answered(value)?,
            Protocol::V2 => v2::answered(&self.settings, value)?,
        };
        match answered.len() == texts.len() {
            true => Ok(answered),
            false => {
                let (found, asked) = (answered.len(), texts.len());
                Err(failed(format!("has {found} predictions for {asked} texts")))
            }
        }
    }

    fn post(
        &self,
        url: &str,
        body: &str,
        Forwarded(fields): &Forwarded,
        timeout: Duration,
    ) -> Result<Vec<u8>> {
        let request = self.agent.post(url).config().timeout_global(Some(timeout)).build();
        let request = request.header("content-type", "application/json");
        let request =
            fields.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let mut response = request.send(body).map_err(|error| unreachable(error, timeout))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => return Err(late(timeout)),
            status => {
                let detail = format!("the predictor answered with the status {status}");
                return Err(Error::new(Code::PredictorFailed, detail));
            }
        }
        let body = response.body_mut().with_config().limit(MAX_ANSWER);
        body.read_to_vec().map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(limit) => failed(format!("has more than {limit} bytes")),
            other => unreachable(other, timeout),
        })
    }
}

/// The error of a call that got no answer.
fn unreachable(error: ureq::Error, timeout: Duration) -> Error {
    if let ureq::Error::Timeout(_) = error {
        return late(timeout);
    }
    warn!(%error, "the predictor cannot be reached");
    Error::new(Code::PredictorFailed, "the predictor cannot be reached; the log says why")
}

fn late(timeout: Duration) -> Error {
    let detail = format!("the predictor did not answer within {} ms", timeout.as_millis());
    Error::new(Code::DeadlineExceeded, detail)
}

/// The error of an answer that cannot be used.
fn failed(what: impl std::fmt::Display) -> Error {
    Error::new(Code::PredictorFailed, format!("the predictor's answer {what}"))
}
