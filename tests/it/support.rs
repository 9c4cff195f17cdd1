//! What the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use explaind::attribution::{self, Granularity, Options};
use explaind::checkpoint::Source;
use explaind::config::Tls;
use explaind::engine::{self, Engine, ModelPool, PassLimits};
use explaind::explainer::{Explainer, Limits};
use explaind::explanation::{AttentionKind, AttentionSelection, Heads, Question, Selection};
use explaind::model::{Model, Placement};
use explaind::text::Input;
use serde_json::Value;
use tokio_rustls::rustls::pki_types::CertificateDer;

pub fn golden_folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

pub fn load(source: Source, placement: &Placement) -> Arc<Model> {
    Arc::new(Model::load("tested", &source, placement).expect("the model loads"))
}

pub fn explainer(model: &Arc<Model>) -> Explainer {
    let pool = Arc::new(ModelPool::default());
    pool.fill(vec![Arc::clone(model)]);
    let time = Duration::from_secs(600);
    let pass = PassLimits { tokens: 256, bytes: 1 << 28, workers: 2 };
    let limits = engine::Limits { pass, queued_work: 1 << 27, time };
    Explainer {
        pool,
        engine: Engine::start(limits).expect("the worker starts"),
        limits: Limits { inputs: 64, attention_values: 1 << 27, time: Duration::from_secs(600) },
    }
}

pub fn input(text: &str, text_pair: Option<&str>) -> Input {
    Input {
        text: text.to_owned(),
        text_pair: text_pair.map(str::to_owned),
        pointer: "/inputs".to_owned(),
        spans_pointer: "/spans".to_owned(),
        ..Input::default()
    }
}

/// A question with every attention and no method, to build on.
pub fn question(model: &Arc<Model>, inputs: Vec<Input>) -> Question {
    let attention = AttentionSelection {
        kind: AttentionKind::Weights,
        layers: Selection::All,
        heads: Heads::Each(Selection::All),
        patterns: false,
    };
    Question {
        attention: Some(attention),
        granularity: vec![Granularity::Token, Granularity::Word],
        ..Question::prediction(Arc::clone(model), inputs)
    }
}

pub fn method(name: &str, options: &Value) -> (&'static attribution::MethodEntry, Options) {
    let entry = attribution::find(name).expect("the method is there");
    let given = options.as_object().cloned().unwrap_or_default();
    (entry, entry.options(&given).expect("the options are good"))
}

/// `max |a - b| / max |b|`
pub fn relative_error(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let gap = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
    let size = theirs.iter().map(|b| b.abs()).fold(0., f64::max);
    if size == 0. { gap } else { gap / size }
}

/// The service in-process, on the built-in models.
pub mod service {
    use axum::Router;
    use axum::body::Body;
    use axum::http::{HeaderMap, Request, StatusCode, header};
    use explaind::config::Config;
    use explaind::http::Service;
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
        let service = Service::new(explainer, metrics, config);
        Running { router: http::router(service.clone()), service }
    }

    pub async fn start_with(config: &Config) -> Running {
        let running = unready(config);
        app::load(&running.service.explainer, &config.models).await.expect("models load");
        running
    }

    pub async fn start() -> Running {
        start_with(&Config::default()).await
    }

    impl Running {
        pub async fn send(&self, request: Request<Body>) -> Reply {
            let response = self.router.clone().oneshot(request).await.expect("an answer");
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

        pub async fn put(&self, path: &str, body: impl ToString) -> Reply {
            self.request("PUT", path, &[], body).await
        }

        pub async fn delete(&self, path: &str) -> Reply {
            self.request("DELETE", path, &[], "").await
        }

        /// The answer of POST /explain, which must be good.
        pub async fn explain(&self, body: Value) -> Value {
            let reply = self.post("/explain", &body).await;
            assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
            reply.json()
        }
    }
}

/// A certificate of itself and its key, in files of this folder.
pub fn certify(folder: &Path) -> (Tls, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = Tls { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}
