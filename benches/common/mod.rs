//! Shared code of the benchmarks.

use std::path::PathBuf;
use std::process::Command;

/// Returns the folder of a checkpoint written by `make_models.py`, or of the built-in model.
pub fn model_folder(name: &str) -> PathBuf {
    match name {
        "sentiment-en" => root().join("models").join(name),
        _ => setting("BENCH_MODELS", "target/bench-models").join(name),
    }
}

pub fn python() -> PathBuf {
    setting("BENCH_PYTHON", "benches/python/.venv/bin/python")
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn setting(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| root().join(default), PathBuf::from)
}

/// Whether the Python environment and the models exist. Prints what is missing.
pub fn ready(models: &[&str]) -> bool {
    let folders = models.iter().map(|name| model_folder(name).join("config.json"));
    let missing: Vec<PathBuf> = folders.chain([python()]).filter(|path| !path.exists()).collect();
    for path in &missing {
        println!("{} is missing; benches/run creates it", path.display());
    }
    missing.is_empty()
}

/// Returns a command for a program in `benches/python`. OpenMP threads wait passively: spinning
/// would slow down both sides on shared cores.
pub fn python_program(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg(root().join("benches/python").join(script)).args(arguments);
    command.env("OMP_WAIT_POLICY", "PASSIVE").env("TOKENIZERS_PARALLELISM", "false");
    command
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.,
    }
}

/// Describes the processor.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name"));
    let name = name.map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let isa = explaind::backend::cpu::Isa::best().name();
    format!("{name}, {cores} cores, {isa}")
}
