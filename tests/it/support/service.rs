//! Runs the service in-process with the built-in models.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use std::sync::{Arc, LazyLock};

use explaind::checkpoint::Source;
use explaind::config::{AdminKey, Config, Limits, ModelEntry};
use explaind::corpus;
use explaind::engine::Corpora;
use explaind::explainer::Explainer;
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

    /// Asserts that it is a problem with this status and code, and returns it.
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

/// Starts a service without loading its models.
pub fn unready(config: &Config) -> Running {
    serve(app::explainer(config).expect("an explainer"), config)
}

fn serve(explainer: Explainer, config: &Config) -> Running {
    let metrics = telemetry::metrics().expect("metrics");
    let service = Service::new(explainer, Work::here(), metrics, config);
    Running { router: http::router(service.clone()), service }
}

/// Starts a service with its models. The built-in ones are loaded once per process: models are
/// immutable.
pub async fn start_with(config: &Config) -> Running {
    let running = unready(config);
    let explainer = &running.service.explainer;
    let sources = |config: &Config| config.models.iter().map(|m| m.source.clone()).collect();
    let (own, builtin): (Vec<String>, Vec<String>) = (sources(config), sources(&Config::default()));
    if own == builtin {
        explainer.pool.fill(BUILTINS.clone());
    } else {
        app::load(explainer, &config.models).await.expect("models load");
    }
    running
}

/// Starts a service with the model of the configured predictor.
pub async fn serve_remote(config: &Config) -> Running {
    config.check().expect("a valid configuration");
    let running = unready(config);
    app::begin(&running.service, config).await.expect("the predictor answers");
    running
}

static BUILTINS: LazyLock<Vec<Arc<Model>>> = LazyLock::new(|| {
    let load = |entry: &ModelEntry| {
        let source: Source = entry.source.parse().expect("a source");
        Arc::new(Model::load(&entry.id, &source, &Placement::default()).expect("it loads"))
    };
    Config::default().models.iter().map(load).collect()
});

/// The header with the admin key of [`untimed`].
const ADMIN: [(&str, &str); 1] = [("authorization", "Bearer the-admin-key-of-all-tests")];

/// The default configuration with an admin key and a time limit of an hour, so that slow machines do
/// not cause rejections or timeouts.
pub fn untimed() -> Config {
    let mut config = Config::default();
    config.limits.request_ms = 3_600_000;
    config.server.admin_key = Some(AdminKey::new("the-admin-key-of-all-tests").unwrap());
    config
}

pub async fn start() -> Running {
    start_with(&untimed()).await
}

/// Starts a service whose corpora are embedded once per process. For tests that do not change them.
pub fn start_with_shared_corpora() -> Running {
    let config = untimed();
    let mut explainer = app::explainer(&config).expect("an explainer");
    explainer.pool.fill(BUILTINS.clone());
    explainer.corpora = Arc::clone(&CORPORA);
    serve(explainer, &config)
}

static CORPORA: LazyLock<Arc<Corpora>> = LazyLock::new(|| {
    let Limits { corpus_rows, corpus_bytes, .. } = Config::default().limits;
    Arc::new(Corpora::new(corpus::Limits { rows: corpus_rows, bytes: corpus_bytes }))
});

/// Starts a service with one worker, so that passes are sequential.
pub async fn start_single_threaded() -> Running {
    let mut config = untimed();
    config.engine.threads = 1;
    start_with(&config).await
}

impl Running {
    /// Returns the response with its body unread. Adds `Host: localhost` if the request has none.
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

    /// Sends a request with headers and a JSON body or none.
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

    /// Sends the admin key, as do the methods below up to `explain`.
    pub async fn get_as_admin(&self, path: &str) -> Reply {
        self.request("GET", path, &ADMIN, "").await
    }

    pub async fn post_as_admin(&self, path: &str, body: impl ToString) -> Reply {
        self.request("POST", path, &ADMIN, body).await
    }

    pub async fn put(&self, path: &str, body: impl ToString) -> Reply {
        self.request("PUT", path, &ADMIN, body).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path, &ADMIN, "").await
    }

    /// Returns the response of POST /explain, which must succeed.
    pub async fn explain(&self, body: Value) -> Value {
        let reply = self.post("/explain", &body).await;
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        reply.json()
    }
}
