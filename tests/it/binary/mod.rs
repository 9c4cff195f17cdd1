//! Tests of the binary: as a service on a free port, and on the command line.

mod accounts;
mod batch;
mod capacity;
mod corpora;
mod environment;
mod heads;
mod life;
mod people;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

fn explaind() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_explaind"));
    // Tests do not access the network.
    command.env_remove("RUST_LOG").env("NO_COLOR", "1").env("HF_HUB_OFFLINE", "1");
    command
}

fn run(arguments: &[&str]) -> Output {
    explaind().args(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A running service. Killed on drop, also if the test fails.
struct Served {
    child: Child,
    url: String,
    log: NamedTempFile,
}

impl Served {
    fn start() -> Self {
        let mut command = explaind();
        command.args(["--listen", "127.0.0.1:0"]);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let log = NamedTempFile::new().expect("a file for the log");
        // A folder without a configuration file.
        let mut child = command
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("the log opens"))
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the line").to_owned();
        Self { child, url, log }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serves_on_a_free_port_and_stops_on_sigterm() {
    let mut served = Served::start();
    // The service is ready before it prints its address.
    assert_eq!(ureq::get(format!("{}/readyz", served.url)).call().unwrap().status(), 200);
    let body = json!({"inputs": "This movie is really great."});
    let mut reply = ureq::post(format!("{}/explain", served.url)).send_json(&body).unwrap();
    let answer: Value = reply.body_mut().read_json().unwrap();
    assert_eq!(answer["results"][0]["predictions"][0]["label"], "POSITIVE");
    let log = served.log();
    assert!(log.contains("/explain") && !log.contains("really"), "a text is logged: {log}");
    let address = served.url.trim_start_matches("http://");
    assert!(run(&["healthcheck", "--address", address]).status.success());
    let stopped = Command::new("kill").arg(served.child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    assert!(served.child.wait().unwrap().success(), "the exit status is 0");
    assert!(!run(&["healthcheck", "--address", address]).status.success());
}

/// Returns the line of the longest bar of a heat map without colours.
fn first_bar(out: &str) -> &str {
    out.lines().find(|line| line.contains(&"+".repeat(24))).expect("a bar")
}

#[test]
fn explains_in_the_terminal() {
    let output = run(&["explain", "This movie is really great."]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    assert!(out.starts_with("POSITIVE"), "{out}");
    assert!(out.contains("This movie is really great."), "{out}");
    assert!(!out.contains('\u{1b}'), "NO_COLOR is ignored");
    assert!(out.contains("\n  +          +  +      +++++\n"), "marks are below: {out}");
    assert!(first_bar(&out).ends_with("great"), "{out}");
}

#[test]
fn a_chinese_text_is_explained_with_the_chinese_model() {
    let output = run(&["explain", "这部电影真的很棒"]);
    let out = text(&output.stdout);
    assert!(out.starts_with("POSITIVE") && first_bar(&out).ends_with('棒'), "{out}");
    assert!(out.contains("\n  这部电影真的很棒\n          +   + ++\n"), "{out}");
}

#[test]
fn colours_depend_on_the_environment_and_the_option() {
    let explain = |variables: &[(&str, &str)], color: &str| {
        let mut command = explaind();
        for name in ["NO_COLOR", "COLORTERM", "TERM", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        let text = "Good\u{1b}[2Jness";
        let arguments = ["explain", "--method", "saliency", "--color", color, text];
        let output = command.envs(variables.iter().copied()).args(arguments).output().unwrap();
        let out = self::text(&output.stdout);
        assert!(out.starts_with("POSITIVE") || out.starts_with('\u{1b}'), "{out}");
        assert!(!out.contains("\u{1b}[2J"), "escape sequences of the text are printed");
        out
    };
    let full = [("COLORTERM", "truecolor"), ("TERM", "xterm-256color")];
    assert!(explain(&full, "always").contains("\u{1b}[48;2;"));
    assert!(explain(&full[1..], "always").contains("\u{1b}[48;5;"));
    assert!(explain(&[("NO_COLOR", "1")], "always").contains("\u{1b}[45m"));
    assert!(explain(&[("CLICOLOR_FORCE", "1"), full[0]], "auto").contains("\u{1b}[48;2;"));
    for (variables, color) in [(&full[..], "auto"), (&full, "never"), (&[], "auto")] {
        assert!(!explain(variables, color).contains('\u{1b}'), "a pipe has colours");
    }
}

#[test]
fn prints_the_evaluation_as_a_table() {
    let methods = ["saliency", "occlusion", "attention_rollout", "smooth_grad"];
    let mut arguments = vec!["explain", "--evaluate"];
    arguments.extend(methods.iter().flat_map(|method| ["--method", method]));
    arguments.push("The plot is not good, but this movie is really great.");
    let out = text(&run(&arguments).stdout);
    let (_, table) = out.split_once("Evaluation of the methods").expect("a table");
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert!(rows.iter().all(|row| row.chars().count() <= 78), "{table}");
    let heads: Vec<&&str> = rows.iter().filter(|row| row.contains("saliency")).collect();
    assert_eq!(heads.len(), 1, "{table}");
    let names = rows.iter().flat_map(|row| row.split_whitespace()).filter(|n| methods.contains(n));
    assert_eq!(names.count(), methods.len(), "each has a column: {table}");
    let lines: Vec<&&str> = rows.iter().filter(|row| row.contains("comprehensiveness ↑")).collect();
    assert!(lines.len() > 1, "wide tables are split: {table}");
    assert!(!rows.last().unwrap().contains("gini"), "lines have numbers: {table}");
    assert_eq!(lines.iter().filter(|row| row.contains('*')).count(), 1, "{table}");
    assert!(table.contains("\n  baseline_sensitivity\n    relative_change ↓ "), "{table}");
}

#[test]
fn splits_a_long_text_into_windows() {
    let long = "It was slow and dull. I left. ".repeat(10) + &"I loved it. ".repeat(16);
    let output = run(&["explain", &long]);
    assert!(text(&output.stderr).contains("128"));
    let out = text(&run(&["explain", "--window", "4", "--method", "lime", &long]).stdout);
    assert!(out.contains("\n1000 samples; standard error "), "{out}");
    let windows: Vec<&str> =
        out.split("\nSplit into 2 windows:\n").nth(1).expect("windows").lines().collect();
    assert!(windows[0].starts_with("  1  characters 0 to "), "{out}");
    assert!(windows[0].contains("“It was slow … loved it.”: NEGATIVE"), "{out}");
    assert!(windows[1].contains("; weight 0.500, value "), "{out}");
    assert!(!out.contains("attention"), "not requested: {out}");
}

#[test]
fn writes_a_page() {
    let file = NamedTempFile::new().expect("a file");
    let path = file.path().to_str().unwrap();
    assert!(run(&["explain", "--html", path, "<b>Great</b>"]).status.success());
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("&lt;"), "{page}");
    assert!(!page.contains("<b>"), "{page}");
}

#[test]
fn prints_the_json_of_the_service() {
    let output = run(&["explain", "--json", "--method", "input_x_gradient", "Not bad."]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["results"][0]["explanations"][0]["method"], "input_x_gradient");
}

#[test]
fn errors_name_the_cause() {
    for (arguments, words) in [
        (&["explain", ""][..], "empty"),
        (&["explain", "--method", "magic", "x"], "saliency"),
        (&["explain", "--model", "builtin:x", "x"], "sentiment-en"),
        (&["explain", "--model", "/nowhere", "x"], "/nowhere"),
        (&["explain", "--model", "hf:a/b", "x"], "HF_HUB_OFFLINE"),
        (&["--listen", "here"], "127.0.0.1:8080"),
        (&["explain", "--model", "owner/name", "x"], "hf:owner/name"),
        (&["--model", "owner/name"], "hf:owner/name"),
        (&["explain", "--method", "magic", "x"], "--method"),
        (&["explain", &"long ".repeat(500)], "--window"),
        (&["--config", "/no/file.toml"], "/no/file.toml"),
    ] {
        let output = run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let error = text(&output.stderr);
        assert!(error.contains(words), "{arguments:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}

/// Runs the binary with this standard input.
fn piped(arguments: &[&str], input: &str) -> Output {
    let mut command = explaind();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn reads_standard_input() {
    let expected = run(&["explain", "--method", "saliency,occlusion", "Not bad."]).stdout;
    for arguments in [&["explain", "--method", "saliency,occlusion"][..], &["explain", "-"]] {
        let output = piped(arguments, "Not bad.\n");
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(arguments.contains(&"-") || output.stdout == expected);
    }
    assert!(text(&piped(&["explain"], "\n").stderr).contains("empty"));
}

#[test]
fn lists_methods_and_models() {
    let methods = text(&run(&["methods"]).stdout);
    assert!(methods.contains("\nocclusion\n") && methods.contains("\n  unit: one of token, word"));
    let models = text(&run(&["models"]).stdout);
    assert!(models.contains("sentiment-zh  builtin:sentiment-zh"), "{models}");
    assert!(text(&run(&["completions", "bash"]).stdout).contains("healthcheck"));
}

#[test]
fn a_closed_stdout_is_not_an_error() {
    let mut child = explaind().arg("openapi").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(error, "");
}

#[test]
fn a_configuration_file_of_another_program_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("config")).unwrap();
    let file = folder.path().join("config/default.toml");
    std::fs::write(&file, "[database]\nurl = \"x\"\n").unwrap();
    let check = || explaind().current_dir(&folder).arg("check-config").output().unwrap();
    let output = check();
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("database"));
    std::fs::write(&file, "[limits]\ninptus = 1\n").unwrap();
    assert!(!check().status.success(), "unknown fields of own sections are errors");
}

#[test]
fn check_config_reports_all_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[server]\nlisten = \"x\"\nport = 1\n").unwrap();
    let path = file.to_str().unwrap();
    let output = run(&["check-config", "--config", path]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("server.listen") && error.contains("server.port"), "{error}");
    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    assert!(run(&["check-config", "--config", path]).status.success());
    let output = explaind().env("EXPLAIND_LIMITS__INPUTS", "0").arg("check-config").output();
    assert!(text(&output.unwrap().stderr).contains("limits.inputs"));
    let with_key = |key: &str| {
        explaind().env("EXPLAIND_SERVER__ADMIN_KEY", key).arg("check-config").output().unwrap()
    };
    // The variable is a plain string, not TOML.
    for key in ["0123456789012345", "[0123456789012345]", "\"012345678901234"] {
        assert!(with_key(key).status.success(), "{key}");
    }
    let error = text(&with_key("4711").stderr);
    assert!(error.contains("server.admin_key") && !error.contains("4711"), "{error}");
    std::fs::write(&file, "[server]\nadmin_key = 4711\n").unwrap();
    let error = text(&run(&["check-config", "--config", path]).stderr);
    assert!(error.contains("server.admin_key") && !error.contains("4711"), "{error}");
}

#[test]
fn prints_the_list_of_settings() {
    let printed = text(&run(&["settings"]).stdout);
    let committed = include_str!("../../../docs/reference/configuration.md");
    assert!(printed == committed, "run: cargo run -- settings > docs/reference/configuration.md");
}

#[test]
fn prints_openapi_yaml() {
    let output = run(&["openapi"]);
    assert_eq!(text(&output.stdout), include_str!("../../../openapi.yaml"));
}

#[test]
fn evaluate_compares_methods_from_twenty_texts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("reviews.jsonl");
    let line = |i: usize| format!("{{\"text\": \"film {i} is good\", \"label\": 1}}\n");
    std::fs::write(&data, (0..20).map(line).collect::<String>()).unwrap();
    let arguments = ["evaluate", "--model", "builtin:sentiment-en", "--methods"];
    let output = explaind()
        .args(arguments)
        .arg("saliency,occlusion")
        .args(["--data".as_ref(), data.as_os_str(), "--out".as_ref(), folder.path().as_os_str()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary = text(&output.stdout);
    assert!(summary.contains("is the most faithful here"), "{summary}");
}

#[test]
fn evaluate_writes_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("reviews.tsv");
    let rows = [
        "sentence\tlabel",
        "a wonderful film with a great cast\t1",
        "dull , tired and far too long\t0",
        "<script>alert(1)</script> is not a good film | at all\t0",
    ];
    std::fs::write(&data, rows.join("\n")).unwrap();
    let out = folder.path().join("report");
    let methods = "saliency,occlusion,integrated_gradients,attention_rollout";
    let arguments = ["evaluate", "--model", "builtin:sentiment-en", "--methods", methods];
    let output = explaind()
        .args(arguments)
        .args(["--data".as_ref(), data.as_os_str(), "--out".as_ref(), out.as_os_str()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary = text(&output.stdout);
    assert!(summary.contains("3 texts are too few to compare methods"), "{summary}");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let markdown = read("report.md");
    for name in methods.split(',').chain(["random"]) {
        assert!(markdown.contains(&format!("| {name} |")), "{markdown}");
    }
    assert!(markdown.contains("3 texts of reviews.tsv"));
    assert_eq!(read("records.jsonl").lines().count(), 3);
    let page = read("report.html");
    assert!(page.contains("<svg") && !page.contains("<script"));
    for plot in ["comprehensiveness", "sufficiency", "infidelity", "agreement", "time"] {
        let svg = read(&format!("{plot}.svg"));
        assert!(roxmltree::Document::parse(&svg).is_ok(), "{plot}");
    }
    for (arguments, message) in [
        (["--methods", "magic", "--data", "x.tsv"], "no method is called"),
        (["--methods", "lime", "--data", "missing.tsv"], "missing.tsv"),
    ] {
        let model = &["evaluate", "--model", "builtin:sentiment-en"];
        let output = run(&[model, &arguments[..]].concat());
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}
