//! Comparison with PyTorch + Captum on the same weights and texts, in alternating runs. Prints
//! medians, the median of the ratios, and the largest difference of the results.
//!
//! `benches/run captum` installs everything and runs it. Arguments are the indices of the
//! workloads to run.

#[path = "common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{machine, median, model_folder, python_program};
use explaind::attribution::{self, Granularity};
use explaind::checkpoint::Source;
use explaind::config::Limits;
use explaind::engine::{self, Engine, ModelPool, PassLimits};
use explaind::explainer::Explainer;
use explaind::explanation::{Explanation, Question};
use explaind::model::{Model, Placement};
use explaind::rows::{Maps, Row};
use explaind::text::Input;
use explaind::text::tokenizer::Truncate;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A workload of one model, in rounds that alternate with the peer's.
struct Work {
    model: &'static str,
    tokens: usize,
    kind: Kind,
    rounds: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Integrated gradients with this number of steps.
    Gradients(usize),
    /// A forward pass with all attention weights.
    Attention,
    /// A forward pass that returns logits only.
    Plain,
}

const fn gradients(model: &'static str, tokens: usize, n_steps: usize, rounds: usize) -> Work {
    Work { model, tokens, kind: Kind::Gradients(n_steps), rounds }
}

const fn forward(model: &'static str, tokens: usize, rounds: usize) -> Work {
    Work { model, tokens, kind: Kind::Attention, rounds }
}

const fn plain(model: &'static str, tokens: usize, rounds: usize) -> Work {
    Work { model, tokens, kind: Kind::Plain, rounds }
}

/// The peers of a forward pass without attention: PyTorch's fused attention, and ONNX Runtime.
const PLAIN: [&str; 2] = ["sdpa", "onnx"];

const WORKS: [Work; 18] = [
    gradients("sentiment-en", 8, 50, 21),
    gradients("sentiment-en", 30, 50, 15),
    gradients("sentiment-en", 32, 50, 15),
    gradients("small", 16, 50, 21),
    gradients("minilm", 8, 50, 9),
    gradients("minilm", 30, 50, 7),
    gradients("minilm", 32, 50, 7),
    gradients("bert-base", 30, 50, 5),
    gradients("bert-base", 32, 50, 5),
    gradients("bert-base", 128, 20, 3),
    forward("sentiment-en", 32, 31),
    forward("minilm", 128, 15),
    forward("bert-base", 32, 9),
    forward("bert-base", 128, 9),
    plain("sentiment-en", 32, 31),
    plain("minilm", 32, 21),
    plain("minilm", 128, 15),
    plain("bert-base", 128, 9),
];

/// A process with PyTorch and Captum, driven by JSON lines.
struct Worker {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    versions: Value,
}

impl Worker {
    fn start(folder: &Path) -> Self {
        let mut process = python_program("worker.py", &[&folder.to_string_lossy()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut worker = Self { process, input, output, versions: Value::Null };
        worker.versions = worker.answer()["versions"].take();
        worker
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        let answer: Value = serde_json::from_str(&line).expect("JSON");
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.input, "{request}").expect("the worker reads");
        self.answer()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// explaind in this process, without HTTP.
struct Ours {
    runtime: Runtime,
    explainer: Explainer,
    model: Arc<Model>,
}

impl Ours {
    fn load(name: &str) -> Self {
        let source = Source::Directory(model_folder(name));
        let model = Model::load(name, &source, &Placement::default()).expect("the model loads");
        let model = Arc::new(model);
        let pool = Arc::new(ModelPool::default());
        pool.fill(vec![Arc::clone(&model)]);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let time = Duration::from_secs(3_600);
        let pass = PassLimits { tokens: 256, bytes: 256 << 20, workers, express: workers };
        let engine = Engine::start(engine::Limits { pass, queued_work: 1 << 27, time });
        let limits =
            Limits { attention_values: 1 << 30, request_ms: 3_600_000, ..Limits::default() };
        let engine = engine.expect("workers start");
        let explainer = Explainer::new(pool, engine, Arc::new(limits));
        Self { runtime: Runtime::new().expect("a runtime"), explainer, model }
    }

    fn input(text: &str) -> Input {
        Input { text: text.to_owned(), ..Input::default() }
    }

    fn explain(&self, text: &str, options: Value) -> (f64, Explanation) {
        let entry = attribution::find("integrated_gradients").expect("the method exists");
        let options = entry.options(options.as_object().expect("an object")).expect("valid");
        let question = Question {
            methods: vec![(entry, options)],
            granularity: vec![Granularity::Token],
            ..Question::prediction(Arc::clone(&self.model), vec![Self::input(text)])
        };
        let start = Instant::now();
        let answer = self.runtime.block_on(self.explainer.explain(question)).expect("an answer");
        let seconds = start.elapsed().as_secs_f64();
        let explained = answer.results.into_iter().next().expect("one").1.expect("explained");
        (seconds, explained.explanations.into_iter().next().expect("one"))
    }

    /// Runs a forward pass that returns the attention of `layers` layers.
    fn forward(&self, text: &str, layers: usize) -> (f64, Vec<f64>) {
        let encoding = self.model.encode(&Self::input(text), Truncate::No).expect("it fits");
        let row = Row {
            maps: Maps { layers: (0..layers).collect(), ..Maps::default() },
            ..Row::forward(encoding.ids, [].into())
        };
        let passes = self.explainer.engine.passes(&self.model, Arc::default());
        let start = Instant::now();
        let output = self.runtime.block_on(passes.run_one(row)).expect("an output");
        (start.elapsed().as_secs_f64(), output.logits)
    }
}

/// Returns a text with this number of tokens, including special tokens.
fn text(tokens: usize) -> String {
    let words = ["the", "film", "is", "good", "and", "the", "story", "was", "not", "bad"];
    let words: Vec<&str> = words.iter().copied().cycle().take(tokens - 2).collect();
    words.join(" ")
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn scores(explanation: &Explanation) -> &[f64] {
    &explanation.scores[0].1
}

/// Returns the largest difference, relative to the largest number.
fn difference(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let gap = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
    gap / theirs.iter().map(|b| b.abs()).fold(0., f64::max)
}

fn relative_l2(ours: &[f64], theirs: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b)) / norm(&mut theirs.iter().copied())
}

/// Seconds of the rounds of one workload.
#[derive(Default)]
struct Times {
    ours: Vec<f64>,
    auto: Vec<f64>,
    theirs: Vec<f64>,
}

impl Times {
    fn ratio(&self, ours: &[f64]) -> f64 {
        let ratios: Vec<f64> = self.theirs.iter().zip(ours).map(|(b, a)| b / a).collect();
        median(&ratios)
    }
}

fn ms(seconds: &[f64]) -> String {
    format!("{:.2} ms", median(seconds) * 1e3)
}

fn run_gradients(work: &Work, n_steps: usize, ours: &Ours, worker: &mut Worker) {
    let text = text(work.tokens);
    let ask = json!({"op": "integrated_gradients", "text": text, "n_steps": n_steps});
    worker.ask(&json!({"op": "tune", "text": text, "n_steps": n_steps}));
    let fixed = json!({"n_steps": n_steps});
    ours.explain(&text, fixed.clone());
    let (mut times, mut worst, mut steps) = (Times::default(), 0_f64, 0);
    for _ in 0..work.rounds {
        let answer = worker.ask(&ask);
        times.theirs.push(answer["seconds"].as_f64().expect("seconds"));
        let (seconds, explanation) = ours.explain(&text, fixed.clone());
        times.ours.push(seconds);
        worst = worst.max(difference(scores(&explanation), &numbers(&answer["token_scores"])));
        let (seconds, explanation) = ours.explain(&text, json!({}));
        times.auto.push(seconds);
        steps = explanation.completeness.and_then(|c| c.n_steps).unwrap_or_default();
    }
    // A step is a forward and a backward pass, with a multiplication and an addition per weight.
    let operations = 4 * n_steps as u64 * work.tokens as u64 * ours.model.token_work();
    let speed = 1e-9 * operations as f64 / median(&times.ours);
    let best = worker.ask(&json!({"op": "sgemm"}))["gflops"].as_f64().expect("a speed");
    println!(
        "| {} | {} | {n_steps} | {} | {} | {:.2}x | {worst:.1e} | {} ({steps} steps) | {:.1}x | \
         {:.0} % of {best:.0} |",
        work.model,
        work.tokens,
        ms(&times.theirs),
        ms(&times.ours),
        times.ratio(&times.ours),
        ms(&times.auto),
        times.ratio(&times.auto),
        100. * speed / best,
    );
}

/// Compares forward passes, ours with the attention of `layers` layers.
fn run_forward(
    work: &Work,
    what: &str,
    layers: usize,
    mut ask: Value,
    ours: &Ours,
    worker: &mut Worker,
) {
    let text = text(work.tokens);
    ask["text"] = text.as_str().into();
    for _ in 0..3 {
        worker.ask(&ask);
        ours.forward(&text, layers);
    }
    let (mut times, mut worst) = (Times::default(), 0_f64);
    for _ in 0..work.rounds {
        let answer = worker.ask(&ask);
        times.theirs.push(answer["seconds"].as_f64().expect("seconds"));
        let (seconds, logits) = ours.forward(&text, layers);
        times.ours.push(seconds);
        worst = worst.max(difference(&logits, &numbers(&answer["logits"])));
    }
    println!(
        "| {} | {} | {what} | {} | {} | {:.2}x | {worst:.1e} | | | |",
        work.model,
        work.tokens,
        ms(&times.theirs),
        ms(&times.ours),
        times.ratio(&times.ours),
    );
}

/// Compares automatic steps with 300 Gauss-Legendre nodes on a list of sentences.
fn run_errors(ours: &Ours) {
    let file = common::root().join("benches/python/sentences.txt");
    let sentences = std::fs::read_to_string(file).expect("sentences");
    let (mut errors, mut steps, mut converged) = (Vec::new(), Vec::new(), 0);
    for text in sentences.lines() {
        let (_, exact) = ours.explain(text, json!({"n_steps": 300}));
        let (_, auto) = ours.explain(text, json!({}));
        errors.push(relative_l2(scores(&auto), scores(&exact)));
        let completeness = auto.completeness.expect("completeness");
        steps.push(completeness.n_steps.unwrap_or_default() as f64);
        converged += usize::from(completeness.converged);
    }
    let mean = steps.iter().sum::<f64>() / steps.len() as f64;
    let largest = errors.iter().copied().fold(0., f64::max);
    println!(
        "\n{}: auto over {} sentences takes {mean:.1} steps (median {}), {converged} converged; \
         relative L2 error median {:.1e}, largest {largest:.1e}",
        ours.model.id,
        steps.len(),
        median(&steps),
        median(&errors),
    );
}

fn main() {
    let chosen: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let works = WORKS.iter().enumerate().filter(|(i, _)| chosen.is_empty() || chosen.contains(i));
    let works: Vec<&Work> = works.map(|(_, work)| work).collect();
    let models: Vec<&str> = works.iter().map(|work| work.model).collect();
    if !common::ready(&models) {
        return;
    }
    println!("{}\n", machine());
    println!(
        "| model | tokens | steps | Python | explaind | ratio | largest difference | explaind, \
         auto | ratio to Captum | of the best sgemm, GFLOP/s |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut versions = Value::Null;
    for group in works.chunk_by(|a, b| a.model == b.model) {
        let ours = Ours::load(group[0].model);
        let mut worker = Worker::start(&model_folder(group[0].model));
        for work in group {
            match work.kind {
                Kind::Gradients(n_steps) => run_gradients(work, n_steps, &ours, &mut worker),
                Kind::Attention => {
                    let ask = json!({"op": "forward", "attentions": true});
                    run_forward(work, "attention", ours.model.layers(), ask, &ours, &mut worker);
                }
                Kind::Plain => PLAIN.iter().for_each(|peer| {
                    let ask = json!({"op": "plain", "peer": peer});
                    run_forward(work, peer, 0, ask, &ours, &mut worker);
                }),
            }
        }
        versions = worker.versions.take();
    }
    for model in ["sentiment-en", "minilm"].iter().filter(|name| models.contains(name)) {
        run_errors(&Ours::load(model));
    }
    println!("\n{versions}");
}
