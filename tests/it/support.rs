//! What the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use explaind::attribution::{self, Granularity, Options};
use explaind::checkpoint::Source;
use explaind::config::Limits;
use explaind::config::Tls;
use explaind::engine::{self, Engine, ModelPool, PassLimits};
use explaind::explainer::Explainer;
use explaind::explanation::{AttentionKind, AttentionSelection, Heads, Question, Selection};
use explaind::model::faults::{self, Fault, Gate};
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
        limits: Arc::new(Limits {
            attention_values: 1 << 27,
            request_ms: 600_000,
            ..Limits::default()
        }),
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
    use axum::http::{HeaderMap, Request, Response, StatusCode, header};
    use std::sync::{Arc, LazyLock};

    use explaind::checkpoint::Source;
    use explaind::config::{Config, ModelEntry};
    use explaind::http::Service;
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
        let service = Service::new(explainer, metrics, config);
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

    /// The defaults, but for time: however slow the machine, nothing is to be refused
    /// or given up for it where a test is about something else.
    pub fn patient() -> Config {
        let mut config = Config::default();
        config.limits.request_ms = 3_600_000;
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
        pub async fn send(&self, request: Request<Body>) -> Reply {
            let response = self.unread(request).await;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.expect("a body").to_bytes().to_vec();
            Reply { status: parts.status, headers: parts.headers, body }
        }

        /// An answer of which nothing has been read.
        pub async fn unread(&self, request: Request<Body>) -> Response<Body> {
            self.router.clone().oneshot(request).await.expect("an answer")
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

/// Whether `EXPLAIND_TESTS=long` asks for all that is not needed on every change:
/// scripts/long-tests.
pub fn long_form() -> bool {
    std::env::var("EXPLAIND_TESTS").is_ok_and(|value| value == "long")
}

/// Random cases of a property.
pub fn cases(short: u32, long: u32) -> u32 {
    if long_form() { long } else { short }
}

/// How long a test waits for what must come: a guard against hanging, not a bound.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until `what` is so.
pub async fn until(what: impl Fn() -> bool) {
    until_async(async || what()).await;
}

/// The same where finding out takes waiting too. By the machine's clock: the runtime's
/// may stand still.
pub async fn until_async(what: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !what().await {
        assert!(start.elapsed() < PATIENCE, "it must come");
        let pause = || std::thread::sleep(Duration::from_millis(2));
        tokio::task::spawn_blocking(pause).await.unwrap();
    }
}

/// The same, for tests outside of a runtime.
pub fn blocking_until(what: impl FnMut() -> bool) {
    let start = Instant::now();
    let mut what = what;
    while !what() {
        assert!(start.elapsed() < PATIENCE, "it must come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The runtime's clock, standing still but for [`Self::advance`]: what takes long on
/// a slow machine takes no time. For tests on one thread.
pub struct StoppedClock {
    /// A blocking task waits for the other end. While it does, the runtime does not
    /// move its clock by itself when it has nothing to do.
    _waiting: std::sync::mpsc::Sender<()>,
}

impl StoppedClock {
    pub fn new() -> Self {
        tokio::time::pause();
        let (waiting, dropped) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || dropped.recv());
        Self { _waiting: waiting }
    }

    /// Moves it on by `time`, and a little: timers are of whole milliseconds, and go off
    /// in the one after.
    pub async fn advance(&self, time: Duration) {
        tokio::time::advance(time + Duration::from_millis(2)).await;
    }
}

/// Holds the passes with a piece of the vocabulary that come after the first few.
pub struct Held {
    piece: &'static str,
    gate: Arc<Gate>,
    passes: Arc<AtomicUsize>,
}

impl Held {
    pub fn after(free: usize, piece: &'static str) -> Self {
        let gate = Gate::after(free);
        let passes = faults::inject(piece, Fault::Hold(Arc::clone(&gate)));
        Self { piece, gate, passes }
    }

    /// Completes when a pass is held.
    pub async fn reached(&self) {
        let gate = Arc::clone(&self.gate);
        tokio::task::spawn_blocking(move || gate.wait_until_held()).await.unwrap();
    }

    /// The output of `request`; `time` goes by while one of its passes is held.
    pub async fn while_time_goes_by<T>(
        &self,
        clock: &StoppedClock,
        time: Duration,
        request: impl Future<Output = T>,
    ) -> T {
        let mut request = std::pin::pin!(request);
        tokio::select! {
            _ = &mut request => panic!("it was done after {} passes", self.passes()),
            () = self.reached() => clock.advance(time).await,
        }
        request.await
    }

    /// Passes with the piece so far, held ones among them.
    pub fn passes(&self) -> usize {
        self.passes.load(Ordering::Relaxed)
    }

    pub fn open(&self) {
        self.gate.open();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        faults::heal(self.piece);
        self.gate.open();
    }
}
