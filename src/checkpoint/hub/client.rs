//! The HTTP client for the hub. It follows redirects itself: the hub's own responses have the
//! metadata of a file, the last one its bytes, and only the hub may receive the token.

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
    /// Cancels the load that the requests belong to.
    pub cancellation: Cancellation,
}

/// The metadata of a model at a revision.
#[derive(Debug, Deserialize)]
pub struct Info {
    /// The commit hash.
    pub sha: String,
    pub siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
pub struct Sibling {
    #[serde(rename = "rfilename")]
    pub name: String,
}

/// The metadata of a file.
#[derive(Debug)]
pub struct Metadata {
    /// SHA-256 for large files, another hash for small ones.
    pub etag: String,
    pub bytes: Option<u64>,
    /// Where to download it.
    pub url: Uri,
}

/// Whether to follow redirects to other hosts, which store the content of large files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OtherHosts {
    Follow,
    Stop,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout for the start of a response, and for each read of its body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: usize = 10;
/// For a request that fails before its response starts.
const ATTEMPTS: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// Maximum bytes of a model's metadata.
const MAX_INFO: u64 = 16 << 20;

/// Returns the exponential backoff after `failures` failures.
pub fn backoff(failures: u32) -> Duration {
    FIRST_DELAY * 2_u32.pow(failures.min(6))
}

impl Client {
    pub fn new(settings: &Settings, cancellation: &Cancellation) -> Result<Self, Failure> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(READ_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            // So that lengths and etags are those of the file.
            .accept_encoding("identity")
            .user_agent(concat!("explaind/", env!("CARGO_PKG_VERSION")))
            .build();
        let endpoint = settings.endpoint.parse::<Uri>().ok();
        let endpoint = endpoint.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let bad = || Failure::Refused(format!("HF_ENDPOINT {:?} is not a URL", settings.endpoint));
        let endpoint = endpoint.ok_or_else(bad)?;
        let token = settings.token.clone().filter(|_| may_have_token(&endpoint));
        if settings.token.is_some() && token.is_none() {
            warn!("the token is not sent to {endpoint}, because the connection is not encrypted");
        }
        Ok(Self { agent: config.into(), endpoint, token, cancellation: cancellation.clone() })
    }

    /// Requests the commit of a revision and the list of its files.
    pub fn info(&self, repository: &Repository) -> Result<Info, Failure> {
        let revision = repository.revision().replace('/', "%2F");
        let url = self.url(&format!("api/models/{}/revision/{revision}", repository.id()))?;
        let (_, response) = self.follow(Method::GET, url, None, OtherHosts::Stop)?;
        self.expect_success(&response, repository)?;
        let mut body = Vec::new();
        let mut reader = self.read(response).take(MAX_INFO);
        reader.read_to_end(&mut body).map_err(|error| self.unreachable(error))?;
        serde_json::from_slice(&body).map_err(|error| {
            Failure::Refused(format!("{} sent an invalid response: {error}", self.endpoint))
        })
    }

    /// Requests the metadata of a file at a commit.
    pub fn metadata(
        &self,
        repository: &Repository,
        commit: &str,
        name: &str,
    ) -> Result<Metadata, Failure> {
        let url = self.url(&format!("{}/resolve/{commit}/{name}", repository.id()))?;
        let (url, response) = self.follow(Method::HEAD, url, None, OtherHosts::Stop)?;
        let redirect = location(&url, &response)?;
        if redirect.is_none() {
            self.expect_success(&response, repository)?;
        }
        let text = |header: &str| response.headers().get(header)?.to_str().ok();
        let etag = text("x-linked-etag").or_else(|| text("etag")).and_then(plain_etag);
        let etag = etag.ok_or_else(|| {
            Failure::Refused(format!("{} sent no usable etag for {name}", self.endpoint))
        })?;
        // The length of a redirect is not that of the file.
        let length = redirect.is_none().then(|| text("content-length")).flatten();
        let bytes = text("x-linked-size").or(length).and_then(|bytes| bytes.parse().ok());
        Ok(Metadata { etag, bytes, url: redirect.unwrap_or(url) })
    }

    /// Requests the bytes at `url`, from `start` if the server supports ranges.
    pub fn bytes(&self, url: &Uri, start: u64) -> Result<Response<Body>, Failure> {
        let range = (start > 0).then(|| format!("bytes={start}-"));
        let (_, response) =
            self.follow(Method::GET, url.clone(), range.as_deref(), OtherHosts::Follow)?;
        Ok(response)
    }

    /// Returns a reader of the body, which fails once the load is cancelled.
    pub fn read(&self, response: Response<Body>) -> impl Read + use<> {
        self.cancellation.reader(response.into_body().into_reader())
    }

    fn url(&self, path: &str) -> Result<Uri, Failure> {
        let base = self.endpoint.to_string();
        let url = format!("{}/{path}", base.trim_end_matches('/'));
        url.parse().map_err(|_| Failure::Refused(format!("{url} is not a URL")))
    }

    fn follow(
        &self,
        method: Method,
        mut url: Uri,
        range: Option<&str>,
        other_hosts: OtherHosts,
    ) -> Result<(Uri, Response<Body>), Failure> {
        for _ in 0..MAX_REDIRECTS {
            let response = self.send(&method, &url, range)?;
            match location(&url, &response)? {
                Some(next) if other_hosts == OtherHosts::Follow || self.is_own(&next) => url = next,
                _ => return Ok((url, response)),
            }
        }
        Err(Failure::Refused(format!("{url} redirects more than {MAX_REDIRECTS} times")))
    }

    /// Sends one request; retries it on connection errors and temporary failures.
    fn send(
        &self,
        method: &Method,
        url: &Uri,
        range: Option<&str>,
    ) -> Result<Response<Body>, Failure> {
        let mut failures = 0;
        loop {
            self.cancellation.check().map_err(Failure::Refused)?;
            let failure = match self.send_once(method, url, range) {
                Ok(response) if is_temporary(response.status()) => {
                    self.unreachable(format!("status {}", response.status()))
                }
                Ok(response) => return Ok(response),
                Err(error) => self.unreachable(error),
            };
            failures += 1;
            if failures == ATTEMPTS {
                return Err(failure);
            }
            debug!(%method, ?failure, "retrying");
            sleep(backoff(failures - 1));
        }
    }

    fn send_once(
        &self,
        method: &Method,
        url: &Uri,
        range: Option<&str>,
    ) -> Result<Response<Body>, ureq::Error> {
        let mut request = Request::builder().method(method.clone()).uri(url.clone());
        if let Some(token) = self.token.as_ref().filter(|_| self.is_own(url)) {
            request = request.header("authorization", token.header());
        }
        if let Some(range) = range {
            request = request.header("range", range);
        }
        self.agent.run(request.body(())?)
    }

    /// Whether `url` has the scheme, host and port of the hub.
    fn is_own(&self, url: &Uri) -> bool {
        url.scheme() == self.endpoint.scheme() && url.authority() == self.endpoint.authority()
    }

    fn unreachable(&self, error: impl ToString) -> Failure {
        Failure::Unreachable(format!("{} cannot be reached ({})", self.endpoint, error.to_string()))
    }

    /// Converts an error status to an error that says what to do.
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
                format!("the hub has no such model, or it is private: check {page}, and {token}")
            }
            (_, status) => format!("{base} responded with status {status}"),
        }))
    }
}

/// Whether a token may be sent to `endpoint`: over HTTPS, or to this machine.
fn may_have_token(endpoint: &Uri) -> bool {
    let host = endpoint.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    endpoint.scheme_str() == Some("https")
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

/// Whether a retry may succeed.
fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Returns the target of a redirect; `None` if the response is not one.
fn location(url: &Uri, response: &Response<Body>) -> Result<Option<Uri>, Failure> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let header = response.headers().get("location").and_then(|value| value.to_str().ok());
    let next = header.and_then(|text| match text.starts_with('/') && !text.starts_with("//") {
        true => {
            let (scheme, authority) = (url.scheme_str()?, url.authority()?);
            format!("{scheme}://{authority}{text}").parse::<Uri>().ok()
        }
        false => text.parse::<Uri>().ok(),
    });
    match next.filter(|next| next.authority().is_some()) {
        Some(next) if url.scheme_str() == Some("https") && next.scheme_str() != Some("https") => {
            Err(Failure::Refused(format!("{url} redirects to an unencrypted URL")))
        }
        Some(next) => Ok(Some(next)),
        None => Err(Failure::Refused(format!("{url} redirects to an invalid URL"))),
    }
}

/// Returns an etag without its quotes, if it is a safe file name.
fn plain_etag(header: &str) -> Option<String> {
    let etag = header.trim_start_matches("W/").trim_matches('"');
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let valid = !etag.is_empty() && etag.len() <= 128 && !etag.starts_with('.');
    (valid && etag.chars().all(allowed)).then(|| etag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_never_sent_unencrypted() {
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
        for exposed in ["http://huggingface.co", "http://10.0.0.1", "http://localhost.example"] {
            assert!(token(exposed).is_none(), "{exposed}");
        }
    }
}
