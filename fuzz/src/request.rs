//! Request bodies, sent to every route that takes one, with models of every task.

use std::fs;
use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use explaind::config::{Config, ModelEntry};
use explaind::http::{self, Service, Work};
use explaind::{app, telemetry};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use super::checkpoint::File;

macro_rules! folder {
    ($name:literal, $($file:literal),*) => {
        ($name, &[$((
            $file,
            include_bytes!(concat!("../../tests/golden/", $name, "/", $file)),
        )),*])
    };
    ($name:literal) => {
        folder!($name, "config.json", "model.safetensors", "tokenizer.json")
    };
}

/// The first one is the default.
const MODELS: [(&str, &[File<'static>]); 6] = [
    folder!("bert-tiny"),
    folder!("bert-tokens"),
    folder!("bert-qa"),
    folder!("bert-mlm"),
    folder!("bert-nsp"),
    folder!("bert-embed"),
];

/// Maximum cost, in tokens times rows, of requests that are executed and not only estimated.
const MAX_COST: u64 = 1_500;

struct Running {
    runtime: Runtime,
    router: Router,
}

pub fn run(data: &[u8]) -> bool {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    let running = RUNNING.get_or_init(start);
    let estimate = running.post("/estimate", data);
    running.post("/predict", data);
    // The built-in models are a hundred times larger.
    let tiny = estimate["model"].as_str().is_some_and(|model| !model.starts_with("sentiment"));
    if tiny && estimate["cost"].as_u64().is_some_and(|cost| cost <= MAX_COST) {
        running.post("/explain", data);
        // Without "methods", every method is compared.
        if data.windows(9).any(|part| part == b"\"methods\"") {
            running.post("/explain/compare", data);
        }
    }
    !estimate["cost"].is_null()
}

fn start() -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    config.engine.threads = 1;
    config.limits.inputs = 8;
    config.limits.request_ms = 2_000;
    config.limits.attention_values = 1 << 16;
    let tiny = MODELS.map(|(id, files)| {
        let source = folder.path().join(id);
        fs::create_dir(&source).expect("a folder");
        for (name, data) in files {
            fs::write(source.join(name), data).expect("the file is written");
        }
        ModelEntry::new(id, source.display().to_string())
    });
    config.models.splice(0..0, tiny);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let router = runtime.block_on(async {
        let explainer = app::explainer(&config).expect("an explainer");
        app::load(&explainer, &config.models).await.expect("models");
        let metrics = telemetry::metrics().expect("metrics");
        http::router(Service::new(explainer, Work::here(), metrics, &config))
    });
    Running { runtime, router }
}

impl Running {
    /// Returns the JSON response, or null. The status must not be 500.
    fn post(&self, path: &str, body: &[u8]) -> Value {
        let request = Request::post(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_vec())).expect("a request");
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("an answer");
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            assert_ne!(status, 500, "{path}: {}", String::from_utf8_lossy(&body));
            serde_json::from_slice(&body).unwrap_or_default()
        })
    }
}
