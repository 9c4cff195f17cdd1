//! Shared test helpers.

pub mod log;
pub mod service;

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use explaind::attribution::{self, Granularity, Options};
use explaind::checkpoint::Source;
use explaind::config::{DeviceName, Limits, Tls};
use explaind::engine::{self, Engine, ModelPool, PassLimits};
use explaind::explainer::Explainer;
use explaind::explanation::{AttentionKind, AttentionSelection, Heads, Question, Selection};
use explaind::model::faults::{self, Fault, Gate};
use explaind::model::{Model, Placement};
use explaind::text::Input;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use tokio_rustls::rustls::pki_types::CertificateDer;

pub fn golden_folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Folders with a classifier of each architecture.
pub const CLASSIFIERS: [&str; 12] = [
    "albert-sequence",
    "bert-tiny",
    "camembert-sequence",
    "deberta-conv-sequence",
    "deberta-v2-sequence",
    "deberta-v3-sequence",
    "distilbert-sequence",
    "electra-sequence",
    "modernbert-sequence",
    "mpnet-sequence",
    "roberta-sequence",
    "xlm-roberta-sequence",
];

pub fn load(source: Source, placement: &Placement) -> Arc<Model> {
    Arc::new(Model::load("tested", &source, placement).expect("the model loads"))
}

/// Returns the devices for what runs on GPUs: the CPU, and the GPU that `EXPLAIND_TEST_DEVICE` names,
/// such as `cuda:0`, if it is set.
pub fn devices() -> Vec<Placement> {
    let portable = Placement::portable().expect("the feature candle");
    let named = std::env::var("EXPLAIND_TEST_DEVICE").ok().map(|name| {
        let device: DeviceName = name.parse().expect("a device");
        device.placement().expect("the device works").0
    });
    [portable].into_iter().chain(named).collect()
}

pub fn explainer(model: &Arc<Model>) -> Explainer {
    explainer_admitting(model, 1 << 27)
}

/// Returns an explainer that admits this many tokens × rows × layers.
pub fn explainer_admitting(model: &Arc<Model>, queued_work: usize) -> Explainer {
    let pool = Arc::new(ModelPool::default());
    pool.fill(vec![Arc::clone(model)]);
    let time = Duration::from_secs(600);
    let pass = PassLimits { tokens: 256, bytes: 1 << 28, workers: 2, express: 2 };
    let limits = engine::Limits { pass, queued_work, time };
    let engine = Engine::start(limits).expect("the worker starts");
    let limits = Limits { attention_values: 1 << 27, request_ms: 600_000, ..Limits::default() };
    Explainer::new(pool, engine, Arc::new(limits))
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

/// Returns a question with all attention weights and no method.
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
    let entry = attribution::find(name).expect("the method exists");
    let options = options.as_object().cloned().unwrap_or_default();
    (entry, entry.options(&options).expect("the options are valid"))
}

/// `max |a - b| / max |b|`
pub fn relative_error(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let gap = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
    let size = theirs.iter().map(|b| b.abs()).fold(0., f64::max);
    if size == 0. { gap } else { gap / size }
}

/// Writes a self-signed certificate and its key to files in this folder.
pub fn self_signed(folder: &Path) -> (Tls, CertificateDer<'static>) {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = Tls { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.certificate, pair.cert.pem()).unwrap();
    std::fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
    (files, pair.cert.der().clone())
}

/// Whether `EXPLAIND_TESTS=long` enables the tests that are too slow for every change: see
/// scripts/long-tests.
pub fn long_tests() -> bool {
    std::env::var("EXPLAIND_TESTS").is_ok_and(|value| value == "long")
}

/// Returns the number of random cases of a property test.
pub fn cases(short: u32, long: u32) -> u32 {
    if long_tests() { long } else { short }
}

/// Returns a runner with a seed, which a failing test prints. Setting `EXPLAIND_SEED` to it repeats
/// the cases.
pub fn seeded(cases: u32) -> TestRunner {
    let seed = std::env::var("EXPLAIND_SEED").map(|seed| seed.parse().expect("a number"));
    let seed: u64 = seed.unwrap_or_else(|_| RandomState::new().hash_one(0));
    println!("EXPLAIND_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Maximum time that a test waits. Only a guard against hanging.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until `condition` is true.
pub async fn wait_until(condition: impl Fn() -> bool) {
    wait_until_async(async || condition()).await;
}

/// Like [`wait_until`] for an async condition. Uses the real clock, as the runtime's may be paused.
pub async fn wait_until_async(condition: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "timed out");
        let pause = || std::thread::sleep(Duration::from_millis(2));
        tokio::task::spawn_blocking(pause).await.unwrap();
    }
}

/// Like [`wait_until`], for tests outside of a runtime.
pub fn wait_until_blocking(condition: impl FnMut() -> bool) {
    let start = Instant::now();
    let mut condition = condition;
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "timed out");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Pauses the clock of a single-threaded runtime, so that tests do not depend on the speed of the
/// machine. Only [`Self::advance`] moves it.
pub struct PausedClock {
    /// A blocking task waits for the receiver. Meanwhile, tokio does not advance the paused clock
    /// automatically when idle.
    _waiting: std::sync::mpsc::Sender<()>,
}

impl PausedClock {
    pub fn new() -> Self {
        tokio::time::pause();
        let (waiting, dropped) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || dropped.recv());
        Self { _waiting: waiting }
    }

    /// Advances by `time` and 2 ms: timers have a resolution of 1 ms and fire in the next one.
    pub async fn advance(&self, time: Duration) {
        tokio::time::advance(time + Duration::from_millis(2)).await;
    }
}

/// Holds the passes that contain a vocabulary token, after the first few.
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

    /// Waits until a pass is held.
    pub async fn reached(&self) {
        let gate = Arc::clone(&self.gate);
        tokio::task::spawn_blocking(move || gate.wait_until_held()).await.unwrap();
    }

    /// Returns the output of `request`, after advancing the clock while one of its passes is held.
    pub async fn advance_while_held<T>(
        &self,
        clock: &PausedClock,
        time: Duration,
        request: impl Future<Output = T>,
    ) -> T {
        let mut request = std::pin::pin!(request);
        tokio::select! {
            _ = &mut request => panic!("finished after {} passes", self.passes()),
            () = self.reached() => clock.advance(time).await,
        }
        request.await
    }

    /// Returns the number of passes with the token so far, including held ones.
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
