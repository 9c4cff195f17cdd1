//! The service in-process, on the built-in models.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use std::sync::{Arc, LazyLock};

use explaind::checkpoint::Source;
use explaind::config::{AdminKey, Config, ModelEntry};
use explaind::http::{Service, Work};
use explaind::model::{Model, Placement};
use explaind::{app, http, telemetry};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// A running service and its routes.
pub struct Running {
    pub service: Service,
    router: Router,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// Asserts that it is a problem of this status and code, and returns it.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert_eq!(problem["request_id"], self.headers["x-request-id"].to_str().unwrap());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem
    }
}

/// Starts a service whose models are still loading.
pub fn unready(config: &Config) -> Running {
    let explainer = app::explainer(config).expect("an explainer");
    let metrics = telemetry::metrics().expect("metrics");
    let service = Service::new(explainer, Work::here(), metrics, config);
    Running { router: http::router(service.clone()), service }
}

/// A service with its models. The built-in ones are loaded once for all tests of a
/// process: a service does not change a model.
pub async fn start_with(config: &Config) -> Running {
    let running = unready(config);
    let explainer = &running.service.explainer;
    let names = |config: &Config| config.models.iter().map(|m| m.source.clone()).collect();
    let (named, usual): (Vec<String>, Vec<String>) = (names(config), names(&Config::default()));
    if named == usual {
        explainer.pool.fill(BUILTINS.clone());
    } else {
        app::load(explainer, &config.models).await.expect("models load");
    }
    running
}

static BUILTINS: LazyLock<Vec<Arc<Model>>> = LazyLock::new(|| {
    let load = |entry: &ModelEntry| {
        let source: Source = entry.source.parse().expect("a source");
        Arc::new(Model::load(&entry.id, &source, &Placement::default()).expect("it loads"))
    };
    Config::default().models.iter().map(load).collect()
});

/// The admin key of [`patient`], as it is sent.
const ADMIN: [(&str, &str); 1] = [("authorization", "Bearer the-admin-key-of-all-tests")];

/// The defaults, but for time: however slow the machine, nothing is to be refused
/// or given up for it where a test is about something else. With an admin key.
pub fn patient() -> Config {
    let mut config = Config::default();
    config.limits.request_ms = 3_600_000;
    config.server.admin_key = Some(AdminKey::new("the-admin-key-of-all-tests").unwrap());
    config
}

pub async fn start() -> Running {
    start_with(&patient()).await
}

/// With one worker, so that passes come one after the other.
pub async fn single_file() -> Running {
    let mut config = patient();
    config.engine.threads = 1;
    start_with(&config).await
}

impl Running {
    /// The answer with its body still to be read. To this machine, where the request
    /// does not say otherwise.
    pub async fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        let local = HeaderValue::from_static("localhost");
        request.headers_mut().entry(header::HOST).or_insert(local);
        self.router.clone().oneshot(request).await.expect("an answer")
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.answer(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes().to_vec();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: impl ToString) -> Reply {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A request with a JSON body, or none, and headers.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl ToString,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// By who has the admin key, as the two below.
    pub async fn get_as_admin(&self, path: &str) -> Reply {
        self.request("GET", path, &ADMIN, "").await
    }

    pub async fn put(&self, path: &str, body: impl ToString) -> Reply {
        self.request("PUT", path, &ADMIN, body).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path, &ADMIN, "").await
    }

    /// The answer of POST /explain, which must be good.
    pub async fn explain(&self, body: Value) -> Value {
        let reply = self.post("/explain", &body).await;
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        reply.json()
    }
}
