//! The hub's HTTP interface. Redirects are followed here, hop by hop: the
//! hub's own answers say what a file is, the last one has its bytes, and the
//! token is for the hub alone.

use std::io::Read;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use serde::Deserialize;
use tracing::{debug, warn};
use ureq::http::{Method, Request, Response, StatusCode, Uri};
use ureq::{Agent, Body};

use super::Failure;
use super::repository::Repository;
use super::settings::{Settings, Token};
use crate::checkpoint::Cancellation;

#[derive(Debug)]
pub struct Client {
    agent: Agent,
    endpoint: Uri,
    token: Option<Token>,
    /// Of the load that this is for.
    pub cancellation: Cancellation,
}

/// What the hub says of a model at a revision.
#[derive(Debug, Deserialize)]
pub struct Info {
    /// The commit.
    pub sha: String,
    pub siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
pub struct Sibling {
    #[serde(rename = "rfilename")]
    pub name: String,
}

/// What the hub says of a file.
#[derive(Debug)]
pub struct Metadata {
    /// The digest of large files, some hash of small ones.
    pub etag: String,
    pub bytes: Option<u64>,
    /// Where its bytes are.
    pub place: Uri,
}

/// Redirects to other hosts: a file's own place is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OtherHosts {
    Follow,
    Stop,
}

const CONNECT: Duration = Duration::from_secs(10);
/// For an answer to begin, and then between two pieces of it.
const SILENCE: Duration = Duration::from_secs(30);
const REDIRECTS: usize = 10;
/// Of a request that fails before its answer.
const ATTEMPTS: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A model's list of files.
const LONGEST_INFO: u64 = 16 << 20;

/// The pause after a number of failures.
pub fn pause(failures: u32) -> Duration {
    FIRST_WAIT * 2_u32.pow(failures.min(6))
}

impl Client {
    pub fn new(settings: &Settings, cancellation: &Cancellation) -> Result<Self, Failure> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            // Lengths and etags are those of the file itself.
            .accept_encoding("identity")
            .user_agent(concat!("explaind/", env!("CARGO_PKG_VERSION")))
            .build();
        let endpoint = settings.endpoint.parse::<Uri>().ok();
        let endpoint = endpoint.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let odd = || Failure::Refused(format!("HF_ENDPOINT {:?} is no URL", settings.endpoint));
        let endpoint = endpoint.ok_or_else(odd)?;
        let token = settings.token.clone().filter(|_| may_have_token(&endpoint));
        if settings.token.is_some() && token.is_none() {
            warn!("{endpoint} is asked without the token: it would be sent without encryption");
        }
        Ok(Self { agent: config.into(), endpoint, token, cancellation: cancellation.clone() })
    }

    /// The commit of a revision and the files that it has.
    pub fn info(&self, repository: &Repository) -> Result<Info, Failure> {
        let revision = repository.revision().replace('/', "%2F");
        let url = self.url(&format!("api/models/{}/revision/{revision}", repository.id()))?;
        let (_, response) = self.follow(Method::GET, url, None, OtherHosts::Stop)?;
        self.expect_success(&response, repository)?;
        let mut body = Vec::new();
        let mut reader = self.read(response).take(LONGEST_INFO);
        reader.read_to_end(&mut body).map_err(|error| self.unreachable(error))?;
        serde_json::from_slice(&body)
            .map_err(|error| Failure::Refused(format!("{} answers oddly: {error}", self.endpoint)))
    }

    /// What a file of a commit is and where.
    pub fn metadata(
        &self,
        repository: &Repository,
        commit: &str,
        name: &str,
    ) -> Result<Metadata, Failure> {
        let url = self.url(&format!("{}/resolve/{commit}/{name}", repository.id()))?;
        let (at, response) = self.follow(Method::HEAD, url, None, OtherHosts::Stop)?;
        let place = location(&at, &response)?;
        if place.is_none() {
            self.expect_success(&response, repository)?;
        }
        let text = |header: &str| response.headers().get(header)?.to_str().ok();
        let etag = text("x-linked-etag").or_else(|| text("etag")).and_then(plain_etag);
        let etag = etag.ok_or_else(|| {
            Failure::Refused(format!("{} gives no usable etag for {name}", self.endpoint))
        })?;
        // A redirect's own length is not the file's.
        let length = place.is_none().then(|| text("content-length")).flatten();
        let bytes = text("x-linked-size").or(length).and_then(|bytes| bytes.parse().ok());
        Ok(Metadata { etag, bytes, place: place.unwrap_or(at) })
    }

    /// The bytes at `place`, from `start` on if the server can do that.
    pub fn bytes(&self, place: &Uri, start: u64) -> Result<Response<Body>, Failure> {
        let range = (start > 0).then(|| format!("bytes={start}-"));
        let (_, response) =
            self.follow(Method::GET, place.clone(), range.as_deref(), OtherHosts::Follow)?;
        Ok(response)
    }

    /// The body, for as long as the load goes on.
    pub fn read(&self, response: Response<Body>) -> impl Read + use<> {
        self.cancellation.reader(response.into_body().into_reader())
    }

    fn url(&self, path: &str) -> Result<Uri, Failure> {
        let base = self.endpoint.to_string();
        let url = format!("{}/{path}", base.trim_end_matches('/'));
        url.parse().map_err(|_| Failure::Refused(format!("{url} is no URL")))
    }

    fn follow(
        &self,
        method: Method,
        mut at: Uri,
        range: Option<&str>,
        other_hosts: OtherHosts,
    ) -> Result<(Uri, Response<Body>), Failure> {
        for _ in 0..REDIRECTS {
            let response = self.send(&method, &at, range)?;
            match location(&at, &response)? {
                Some(next) if other_hosts == OtherHosts::Follow || self.is_own(&next) => at = next,
                _ => return Ok((at, response)),
            }
        }
        Err(Failure::Refused(format!("{at} is redirected more than {REDIRECTS} times")))
    }

    /// One request; a hub that is out of order is asked again.
    fn send(
        &self,
        method: &Method,
        at: &Uri,
        range: Option<&str>,
    ) -> Result<Response<Body>, Failure> {
        let mut failures = 0;
        loop {
            self.cancellation.check().map_err(Failure::Refused)?;
            let failure = match self.send_once(method, at, range) {
                Ok(response) if is_passing(response.status()) => {
                    self.unreachable(format!("status {}", response.status()))
                }
                Ok(response) => return Ok(response),
                Err(error) => self.unreachable(error),
            };
            failures += 1;
            if failures == ATTEMPTS {
                return Err(failure);
            }
            debug!(%method, ?failure, "asking again");
            sleep(pause(failures - 1));
        }
    }

    fn send_once(
        &self,
        method: &Method,
        at: &Uri,
        range: Option<&str>,
    ) -> Result<Response<Body>, ureq::Error> {
        let mut request = Request::builder().method(method.clone()).uri(at.clone());
        if let Some(token) = self.token.as_ref().filter(|_| self.is_own(at)) {
            request = request.header("authorization", token.header());
        }
        if let Some(range) = range {
            request = request.header("range", range);
        }
        self.agent.run(request.body(())?)
    }

    /// Whether the hub itself is there, on the same port and as safely.
    fn is_own(&self, at: &Uri) -> bool {
        at.scheme() == self.endpoint.scheme() && at.authority() == self.endpoint.authority()
    }

    fn unreachable(&self, error: impl ToString) -> Failure {
        Failure::Unreachable(format!("{} cannot be reached ({})", self.endpoint, error.to_string()))
    }

    /// The hub's refusals, and what to do about them.
    fn expect_success(
        &self,
        response: &Response<Body>,
        repository: &Repository,
    ) -> Result<(), Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok());
        let (id, revision) = (repository.id(), repository.revision());
        let token = match self.token {
            Some(_) => "check that the token's owner may read it",
            None => "set HF_TOKEN to a token that may read it",
        };
        let base = self.endpoint.to_string();
        let page = format!("{}/{id}", base.trim_end_matches('/'));
        Err(Failure::Refused(match (code, status.as_u16()) {
            (Some("GatedRepo"), _) => {
                format!("the model is gated: accept its terms at {page}, then {token}")
            }
            (Some("RevisionNotFound"), _) => format!("the model has no revision {revision:?}"),
            (Some("EntryNotFound"), _) => "the hub has no such file".to_owned(),
            (_, 401 | 403 | 404) => {
                format!("the hub knows no such model, or it is private: check {page}, and {token}")
            }
            (_, status) => format!("{base} answers with status {status}"),
        }))
    }
}

/// Whether a token may be sent there: encrypted, or within this machine.
fn may_have_token(endpoint: &Uri) -> bool {
    let host = endpoint.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    endpoint.scheme_str() == Some("https")
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

/// Whether it may be another status in a moment.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Where a redirect leads.
fn location(at: &Uri, response: &Response<Body>) -> Result<Option<Uri>, Failure> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let header = response.headers().get("location").and_then(|value| value.to_str().ok());
    let next = header.and_then(|text| match text.starts_with('/') && !text.starts_with("//") {
        true => {
            let (scheme, authority) = (at.scheme_str()?, at.authority()?);
            format!("{scheme}://{authority}{text}").parse::<Uri>().ok()
        }
        false => text.parse::<Uri>().ok(),
    });
    match next.filter(|next| next.authority().is_some()) {
        Some(next) if at.scheme_str() == Some("https") && next.scheme_str() != Some("https") => {
            Err(Failure::Refused(format!("{at} is redirected to a place without encryption")))
        }
        Some(next) => Ok(Some(next)),
        None => Err(Failure::Refused(format!("{at} is redirected to nowhere"))),
    }
}

/// An etag without its quotes, if it can be a file's name.
fn plain_etag(header: &str) -> Option<String> {
    let etag = header.trim_start_matches("W/").trim_matches('"');
    let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = !etag.is_empty() && etag.len() <= 128 && !etag.starts_with('.');
    (good && etag.chars().all(known)).then(|| etag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_encrypted_or_not_at_all() {
        let token = |endpoint: &str| {
            let token = Some("hf_secret".parse().unwrap());
            let (endpoint, cache) = (endpoint.to_owned(), std::path::PathBuf::new());
            let access = super::super::Access::Online;
            let settings = Settings { cache, endpoint, token, access };
            Client::new(&settings, &Cancellation::default()).unwrap().token
        };
        for safe in ["https://huggingface.co", "http://localhost:80", "http://127.1.2.3:8080"] {
            assert!(token(safe).is_some(), "{safe}");
        }
        assert!(token("http://[::1]:8080").is_some());
        for open in ["http://huggingface.co", "http://10.0.0.1", "http://localhost.example"] {
            assert!(token(open).is_none(), "{open}");
        }
    }
}
