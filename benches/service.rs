//! Comparison with a server of FastAPI, transformers and Captum on the same weights and sentences
//! of mixed length. 1, 4 and 16 clients send requests in closed loops. Both sides use their
//! defaults: Captum 50 steps, explaind automatic steps.
//!
//! `benches/run service` installs everything and runs it. Arguments are the models to run.

#[path = "common/mod.rs"]
mod common;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{machine, median, model_folder, python_program};
use serde_json::{Value, json};

const CALLERS: [usize; 3] = [1, 4, 16];

/// Number of turns per server; the servers alternate.
const TURNS: usize = 2;

/// Returns the duration of a turn for this model.
fn turn(model: &str) -> Duration {
    Duration::from_secs(match model {
        "sentiment-en" => 8,
        "minilm" => 12,
        _ => 40,
    })
}

/// A server process.
struct Server {
    name: &'static str,
    process: Child,
    url: String,
}

impl Server {
    fn start(name: &'static str, mut command: Command, port: u16, health: &str) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("the server starts");
        let server = Self { name, process, url: format!("http://127.0.0.1:{port}") };
        let deadline = Instant::now() + Duration::from_secs(120);
        while ureq::get(format!("{}{health}", server.url)).call().is_err() {
            assert!(Instant::now() < deadline, "{name} is not ready after two minutes");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Returns the peak resident memory in MB.
    fn peak_memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kibibytes.unwrap_or(f64::NAN) * 1024. / 1e6
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn explaind(model: &str) -> Server {
    let port = free_port();
    let binary = option_env!("CARGO_BIN_EXE_explaind").map_or_else(PathBuf::new, PathBuf::from);
    let mut command = Command::new(binary);
    let source = format!("bench={}", model_folder(model).display());
    command.args(["serve", "--model", &source, "--listen", &format!("127.0.0.1:{port}")]);
    Server::start("explaind", command, port, "/readyz")
}

fn fastapi(model: &str) -> Server {
    let port = free_port();
    let (folder, port_text) = (model_folder(model), port.to_string());
    let arguments = [&*folder.to_string_lossy(), "--port", &port_text, "--one-at-a-time"];
    let command = python_program("server.py", &arguments);
    Server::start("FastAPI + Captum", command, port, "/health")
}

/// Results of a turn.
#[derive(Default)]
struct Load {
    /// Seconds of each successful request.
    latencies: Vec<f64>,
    failures: usize,
    seconds: f64,
}

impl Load {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failures += other.failures;
        self.seconds += other.seconds;
    }

    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_by(f64::total_cmp);
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Sends requests from concurrent callers for `duration`. Requests in flight at the end are
/// completed and counted, including their time.
fn load(server: &Server, sentences: &[String], callers: usize, duration: Duration) -> Load {
    let load = Mutex::new(Load::default());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for caller in 0..callers {
            let load = &load;
            scope.spawn(move || {
                let agent = ureq::Agent::new_with_defaults();
                let mut next = caller * sentences.len() / callers;
                while start.elapsed() < duration {
                    let body = json!({"inputs": sentences[next % sentences.len()]});
                    next += 1;
                    let sent = Instant::now();
                    let answer = agent.post(format!("{}/explain", server.url)).send_json(&body);
                    let read = answer.and_then(|mut answer| answer.body_mut().read_json::<Value>());
                    let mut load = load.lock().expect("no caller panics");
                    match read {
                        Ok(_) => load.latencies.push(sent.elapsed().as_secs_f64()),
                        Err(_) => load.failures += 1,
                    }
                }
            });
        }
    });
    let mut load = load.into_inner().expect("no caller panics");
    load.seconds = start.elapsed().as_secs_f64();
    load
}

fn report(model: &str, callers: usize, server: &Server, load: &Load, ratio: Option<f64>) {
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}x"));
    println!(
        "| {model} | {callers} | {} | {:.2} | {:.0} ms | {:.0} ms | {} | {:.0} MB | {ratio} |",
        server.name,
        load.rate(),
        load.quantile(0.5) * 1e3,
        load.quantile(0.99) * 1e3,
        load.failures,
        server.peak_memory(),
    );
}

fn run(model: &str, sentences: &[String]) {
    let servers = [fastapi(model), explaind(model)];
    for server in &servers {
        load(server, sentences, 2, Duration::from_secs(2));
    }
    for callers in CALLERS {
        let mut loads = [Load::default(), Load::default()];
        let mut ratios = Vec::new();
        for _ in 0..TURNS {
            let [theirs, ours] =
                [&servers[0], &servers[1]].map(|s| load(s, sentences, callers, turn(model)));
            ratios.push(ours.rate() / theirs.rate());
            loads[0].add(theirs);
            loads[1].add(ours);
        }
        report(model, callers, &servers[0], &loads[0], None);
        report(model, callers, &servers[1], &loads[1], Some(median(&ratios)));
    }
}

/// Light requests alone and beside a heavy one.
struct Fairness {
    alone: Load,
    beside: Load,
}

/// Sends short saliency requests one after the other.
fn light(server: &Server, duration: Duration, go_on: impl Fn() -> bool) -> Load {
    let agent = ureq::Agent::new_with_defaults();
    let body = json!({"inputs": "This movie is really great.", "methods": ["saliency"]});
    let (mut load, start) = (Load::default(), Instant::now());
    while start.elapsed() < duration && go_on() {
        let sent = Instant::now();
        match agent.post(format!("{}/explain", server.url)).send_json(&body) {
            Ok(_) => load.latencies.push(sent.elapsed().as_secs_f64()),
            Err(_) => load.failures += 1,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    load
}

/// Measures saliency of 8 tokens alone and beside one request of 5,001 rows.
fn fairness(server: &Server) -> Fairness {
    light(server, Duration::from_secs(1), || true);
    let alone = light(server, Duration::from_secs(3), || true);
    let text = "the film is good and the story was not bad ".repeat(6);
    let heavy = json!({
        "inputs": [text, text, text],
        "methods": [{"name": "integrated_gradients", "n_steps": 1666}],
        "attention": false,
    });
    let done = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        scope.spawn(|| {
            let answer = ureq::post(format!("{}/explain", server.url)).send_json(&heavy);
            assert!(answer.is_ok(), "the heavy request failed: {answer:?}");
            done.store(true, Ordering::Relaxed);
        });
        std::thread::sleep(Duration::from_millis(200));
        light(server, Duration::from_secs(60), || !done.load(Ordering::Relaxed))
    });
    Fairness { alone, beside }
}

fn report_fairness() {
    let Fairness { alone, beside } = fairness(&explaind("sentiment-en"));
    let ms = |load: &Load, share| load.quantile(share) * 1e3;
    println!(
        "\nsaliency of 8 tokens: alone median {:.2} ms, p95 {:.2} ms; beside a request of 5,001 \
         rows median {:.2} ms, p95 {:.2} ms ({} requests, {} failed): {:.1}x",
        ms(&alone, 0.5),
        ms(&alone, 0.95),
        ms(&beside, 0.5),
        ms(&beside, 0.95),
        beside.latencies.len(),
        beside.failures,
        ms(&beside, 0.5) / ms(&alone, 0.5),
    );
}

/// Measures the time from the start of the process until it is ready, with a warm file cache.
fn report_start_up(model: &str) {
    let times: Vec<f64> = (0..4)
        .map(|_| {
            let start = Instant::now();
            let _server = explaind(model);
            start.elapsed().as_secs_f64()
        })
        .collect();
    let memory = explaind(model).peak_memory();
    println!("\nstart-up with {model}: {:.2} s, {memory:.0} MB", median(&times[1..]));
}

fn main() {
    let known = ["sentiment-en", "minilm", "bert-base"];
    let arguments: Vec<String> = std::env::args().collect();
    let mut models: Vec<&str> =
        known.into_iter().filter(|model| arguments.iter().any(|name| name == model)).collect();
    if models.is_empty() {
        models = known.to_vec();
    }
    if !common::ready(&models) {
        return;
    }
    let file = common::root().join("benches/python/sentences.txt");
    let sentences = std::fs::read_to_string(file).expect("sentences");
    let sentences: Vec<String> = sentences.lines().map(str::to_owned).collect();
    println!("{}\n", machine());
    println!(
        "| model | callers | server | requests/s | p50 | p99 | failed | peak memory | ratio |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    for model in &models {
        run(model, &sentences);
    }
    if models.contains(&"sentiment-en") {
        report_fairness();
    }
    if models.contains(&"bert-base") {
        report_start_up("bert-base");
    }
}
