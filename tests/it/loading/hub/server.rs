//! A mock of the Hugging Face Hub with one model and the redirects and headers of the real one.
//! Small files are redirected within the host, large ones to a storage server with another name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The simulated fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// The next responses have the status 503.
    Busy(usize),
    /// The repository is gated.
    Gated,
    /// Large downloads are cut off at a byte, this many times.
    Cut {
        at: usize,
        times: usize,
    },
    /// The first download is cut off, and the server ignores ranges.
    CutWithoutRanges {
        at: usize,
    },
    /// Large downloads stop without an end.
    Stall,
    /// Large downloads are sent byte by byte over minutes.
    Drip,
    Shorter,
    Longer,
    Different,
    EvilTag,
    EvilCommit,
    /// A redirect loop.
    Circle,
}

#[derive(Debug)]
struct Inner {
    port: u16,
    files: BTreeMap<String, Vec<u8>>,
    requests: Vec<String>,
    trouble: Trouble,
}

type Shared = Arc<Mutex<Inner>>;

pub struct Hub {
    inner: Shared,
    _runtime: Runtime,
}

impl Hub {
    pub fn start(files: Vec<(String, Vec<u8>)>) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let files = files.into_iter().collect();
        let inner = Inner { port, files, requests: Vec::new(), trouble: Trouble::None };
        let inner = Arc::new(Mutex::new(inner));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { inner, _runtime: runtime }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.inner().port)
    }

    /// Returns method, path, range and authorization of each request.
    pub fn requests(&self) -> Vec<String> {
        self.inner().requests.clone()
    }

    pub fn clear_requests(&self) {
        self.inner().requests.clear();
    }

    pub fn set_trouble(&self, trouble: Trouble) {
        self.inner().trouble = trouble;
    }

    pub fn add(&self, name: &str, data: &[u8]) {
        self.inner().files.insert(name.to_owned(), data.to_vec());
    }

    pub fn rename(&self, name: &str, to: &str) {
        let mut inner = self.inner();
        let data = inner.files.remove(name).unwrap();
        inner.files.insert(to.to_owned(), data);
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let mut inner = shared.lock().unwrap();
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let (path, range) = (request.uri().path(), header("range"));
    let line = format!("{} {path} {range} {}", request.method(), header("authorization"));
    inner.requests.push(line);
    if let Trouble::Busy(times @ 1..) = inner.trouble {
        inner.trouble = Trouble::Busy(times - 1);
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if let Some(rest) = path.strip_prefix("/api/models/owner/tiny/revision/") {
        return inner.info(rest);
    }
    if let Some(rest) = path.strip_prefix("/owner/tiny/resolve/") {
        return inner.resolve(rest.strip_prefix(COMMIT).unwrap().trim_start_matches('/'));
    }
    if let Some(name) = path.strip_prefix("/api/resolve-cache/") {
        return inner.small(name);
    }
    if let Some(name) = path.strip_prefix("/storage/") {
        return inner.large(name, range);
    }
    error(StatusCode::UNAUTHORIZED, "RepoNotFound")
}

fn error(status: StatusCode, code: &str) -> Response {
    (status, [("x-error-code", code)]).into_response()
}

fn hex(data: &[u8], digits: usize) -> String {
    let digest = Sha256::digest(data);
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..digits].to_owned()
}

impl Inner {
    fn info(&self, revision: &str) -> Response {
        if !["main", "v1", "refs%2Fpr%2F1", COMMIT].contains(&revision) {
            return error(StatusCode::NOT_FOUND, "RevisionNotFound");
        }
        let names: Vec<_> = self.files.keys().map(|name| json!({"rfilename": name})).collect();
        let sha = if self.trouble == Trouble::EvilCommit { "../../x" } else { COMMIT };
        let body = json!({"id": "owner/tiny", "sha": sha, "siblings": names});
        body.to_string().into_response()
    }

    /// The first response for a file: its location, and the size and digest of large files.
    fn resolve(&self, name: &str) -> Response {
        if self.trouble == Trouble::Gated {
            return error(StatusCode::FORBIDDEN, "GatedRepo");
        }
        let Some(data) = self.files.get(name) else {
            return error(StatusCode::NOT_FOUND, "EntryNotFound");
        };
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: String| {
            headers.insert(name, value.parse().unwrap());
        };
        set("x-repo-commit", COMMIT.to_owned());
        if name.ends_with(".json") {
            let location = match self.trouble {
                Trouble::Circle => format!("/owner/tiny/resolve/{COMMIT}/{name}"),
                _ => format!("/api/resolve-cache/{name}"),
            };
            set("location", location);
            return (StatusCode::TEMPORARY_REDIRECT, headers).into_response();
        }
        set("location", format!("http://localhost:{}/storage/{name}", self.port));
        set("x-linked-size", data.len().to_string());
        set("x-linked-etag", format!("\"{}\"", hex(data, 64)));
        (StatusCode::FOUND, headers).into_response()
    }

    fn small(&self, name: &str) -> Response {
        let data = self.files[name].clone();
        let etag = match self.trouble {
            Trouble::EvilTag => "\"../../x\"".to_owned(),
            _ => format!("W/\"{}\"", hex(&data, 40)),
        };
        ([(header::ETAG, etag)], data).into_response()
    }

    fn large(&mut self, name: &str, range: &str) -> Response {
        let mut data = self.files[name].clone();
        let start = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap_or(0);
        match self.trouble {
            Trouble::Shorter => data.truncate(data.len() - 5),
            Trouble::Longer => data.extend(b"more"),
            Trouble::Different => data[9] ^= 1,
            Trouble::Stall => {
                return incomplete(&data[..1000], data.len(), StatusCode::OK, Ending::Never);
            }
            Trouble::Drip => return dripping(data),
            Trouble::Cut { at, times: times @ 1.. } => {
                self.trouble = Trouble::Cut { at, times: times - 1 };
                // After `at`, nothing more is sent.
                let end = if start < at { at } else { start };
                let response =
                    incomplete(&data[start..end], data.len() - start, status(start), Ending::Abort);
                return ranged(response, start, data.len());
            }
            Trouble::CutWithoutRanges { at } if start == 0 => {
                return incomplete(&data[..at], data.len(), StatusCode::OK, Ending::Abort);
            }
            Trouble::CutWithoutRanges { .. } => return data.into_response(),
            _ => {}
        }
        if start >= data.len() {
            return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        }
        let length = data.len();
        ranged((status(start), data[start..].to_vec()).into_response(), start, length)
    }
}

fn status(start: usize) -> StatusCode {
    match start {
        0 => StatusCode::OK,
        _ => StatusCode::PARTIAL_CONTENT,
    }
}

fn ranged(mut response: Response, start: usize, length: usize) -> Response {
    if start > 0 {
        let range = format!("bytes {start}-{}/{length}", length - 1);
        response.headers_mut().insert(header::CONTENT_RANGE, range.parse().unwrap());
    }
    response
}

enum Ending {
    Abort,
    Never,
}

fn dripping(data: Vec<u8>) -> Response {
    let length = data.len().to_string();
    let bytes = stream::iter(data).then(async |byte| {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Ok::<_, std::io::Error>(Bytes::copy_from_slice(&[byte]))
    });
    ([(header::CONTENT_LENGTH, length)], Body::from_stream(bytes)).into_response()
}

/// A response whose body is shorter than its Content-Length.
fn incomplete(part: &[u8], length: usize, status: StatusCode, ending: Ending) -> Response {
    let part = stream::iter([Ok(Bytes::copy_from_slice(part))]);
    let body = match ending {
        Ending::Abort => {
            // The part must be sent before the connection is closed.
            let error = async {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                Err(std::io::Error::other("cut"))
            };
            Body::from_stream(part.chain(stream::once(error)))
        }
        Ending::Never => Body::from_stream(part.chain(stream::pending())),
    };
    (status, [(header::CONTENT_LENGTH, length.to_string())], body).into_response()
}
