//! The commands that report over the texts of a corpus.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Served, explaind, text};

pub const ROWS: [&str; 6] = [
    "a wonderful film with a great cast, a film",
    "He is great in this film.",
    "dull , tired and far too long",
    "a dull film",
    "<script>alert(1)</script> is not a good film | at all [x](javascript:y)",
    "<script>alert(2)</script> was `great` | in Paris",
];

/// Writes the rows as a file and returns its folder.
pub fn data(name: &str, rows: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), rows.join("\n")).unwrap();
    folder
}

pub fn report(command: &str, folder: &Path, name: &str, flags: &[&str]) -> Output {
    let (data, out) = (folder.join(name), folder.join("out"));
    let paths = ["--data".as_ref(), data.as_os_str(), "--out".as_ref(), out.as_os_str()];
    explaind().arg(command).args(flags).args(paths).output().unwrap()
}

pub fn reported(command: &str, folder: &Path, flags: &[&str]) -> Value {
    let output = report(command, folder, "texts.tsv", &[flags, &["--json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join("out").join(name)).unwrap()
}

/// Asserts that a report has no markup of the texts, and that its plots are well-formed.
pub fn assert_escaped(folder: &Path, plots: &[&str]) {
    let (markdown, page) = (read(folder, "report.md"), read(folder, "report.html"));
    for hostile in ["<script", "[x](javascript", "`great`"] {
        assert!(!markdown.contains(hostile), "{hostile}: {markdown}");
    }
    assert!(!page.contains("<script"), "{page}");
    assert_eq!(page.matches("<svg").count(), plots.len());
    for plot in plots {
        let svg = read(folder, plot);
        assert!(roxmltree::Document::parse(&svg).is_ok(), "{plot}");
        assert!(markdown.contains(&format!("]({plot})")), "{markdown}");
    }
}

/// Compares with the scores of POST /explain.
#[test]
fn effects_of_words_are_the_means_of_their_scores() {
    let folder = data("texts.tsv", &ROWS);
    let found = reported("words", folder.path(), &["--method", "input_x_gradient"]);
    assert_eq!((&found["texts"], &found["finished"]), (&json!(6), &json!(true)));
    let served = Served::start();
    let body = json!({"inputs": ROWS, "methods": ["input_x_gradient"], "target": "all",
        "model": "sentiment-en"});
    let mut reply = ureq::post(format!("{}/explain", served.url)).send_json(&body).unwrap();
    let answer: Value = reply.body_mut().read_json().unwrap();
    for (index, class) in found["classes"].as_array().unwrap().iter().enumerate() {
        // "film" is twice in the first text.
        let words = class["words"].as_array().unwrap();
        let film = words.iter().find(|word| word["word"] == "film").unwrap();
        assert_eq!((&film["texts"], &film["occurrences"]), (&json!(4), &json!(5)));
        let score = |result: &Value| {
            let words = result["words"].as_array().unwrap().iter();
            let explanations = result["explanations"].as_array().unwrap();
            let own = explanations.iter().find(|one| one["target"]["index"] == index).unwrap();
            let scores = own["attributions"]["word"].as_array().unwrap();
            let own: Vec<f64> = words
                .zip(scores)
                .filter(|(word, _)| word["text"] == "film")
                .map(|(_, score)| score.as_f64().unwrap())
                .collect();
            (!own.is_empty()).then(|| own.iter().sum::<f64>() / own.len() as f64)
        };
        let scores: Vec<f64> =
            answer["results"].as_array().unwrap().iter().filter_map(score).collect();
        assert_eq!(scores.len(), 4);
        let mean = scores.iter().sum::<f64>() / 4.;
        assert!((film["mean"].as_f64().unwrap() - mean).abs() < 1e-5, "{film} {mean}");
        assert!((film["total"].as_f64().unwrap() - 5. * mean).abs() < 1e-4, "{film} {mean}");
        let [low, high] = [0, 1].map(|end| film["interval"][end].as_f64().unwrap());
        assert!(low < mean && mean < high, "{film}");
    }
}

/// Compares with the lexicon of POST /explain.
#[test]
fn scores_of_groups_are_the_means_of_their_sums() {
    let folder = data("texts.tsv", &ROWS);
    let lexicon = folder.path().join("lexicon.toml");
    let groups = "[lexicon]\nnouns = [\"Film\", \"cast\"]\n\"<b>\" = [\"absent\"]\n";
    fs::write(&lexicon, format!("{groups}[limits]\ninputs = 3\n")).unwrap();
    let flags = ["--method", "input_x_gradient", "--lexicon", lexicon.to_str().unwrap()];
    let found = reported("words", folder.path(), &flags);
    let served = Served::start();
    let body = json!({"inputs": ROWS, "methods": ["input_x_gradient"], "target": "all",
        "model": "sentiment-en", "lexicon": {"nouns": ["film", "cast"]}});
    let mut reply = ureq::post(format!("{}/explain", served.url)).send_json(&body).unwrap();
    let answer: Value = reply.body_mut().read_json().unwrap();
    for (index, class) in found["classes"].as_array().unwrap().iter().enumerate() {
        let [none, nouns] = &class["groups"].as_array().unwrap()[..] else { panic!("{class}") };
        assert_eq!(
            (&none["name"], &none["texts"], &none["mean"]),
            (&json!("<b>"), &json!(0), &json!(null))
        );
        assert_eq!((&nouns["texts"], &nouns["occurrences"]), (&json!(4), &json!(6)));
        let score = |result: &Value| {
            let explanations = result["explanations"].as_array().unwrap();
            let own = explanations.iter().find(|one| one["target"]["index"] == index).unwrap();
            own["attributions"]["lexicon"]["nouns"].as_f64().unwrap()
        };
        let sum: f64 = answer["results"].as_array().unwrap().iter().map(score).sum();
        assert!((nouns["total"].as_f64().unwrap() - sum).abs() < 1e-5, "{nouns} {sum}");
        assert!((nouns["mean"].as_f64().unwrap() - sum / 4.).abs() < 1e-5, "{nouns} {sum}");
        let [low, high] = [0, 1].map(|end| nouns["interval"][end].as_f64().unwrap());
        assert!(low < sum / 4. && sum / 4. < high, "{nouns}");
    }
    let markdown = read(folder.path(), "report.md");
    assert!(markdown.contains("## Groups of the lexicon\n"), "{markdown}");
    let plots = ["groups-0", "groups-1", "effects-0", "frequency-0", "effects-1", "frequency-1"];
    assert_escaped(
        folder.path(),
        &plots.map(|plot| format!("{plot}.svg")).each_ref().map(String::as_str),
    );
    // Groups are added up from the records, so that another lexicon needs no new run.
    let output = report("words", folder.path(), "texts.tsv", &["--method", "input_x_gradient"]);
    assert!(text(&output.stderr).contains("6 of 6 texts are already done"));
}

#[test]
fn words_are_reported_without_their_markup() {
    let rows = ROWS.map(|row| format!("{row} <b>* _so_ &amp;"));
    let folder = data("texts.tsv", &rows.each_ref().map(String::as_str));
    let output = report("words", folder.path(), "texts.tsv", &["--min-texts", "2"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    assert!(out.contains("POSITIVE") && out.contains("report.html"), "{out}");
    assert_escaped(
        folder.path(),
        &["effects-0.svg", "frequency-0.svg", "effects-1.svg", "frequency-1.svg"],
    );
    let found: Value = serde_json::from_str(&read(folder.path(), "report.json")).unwrap();
    let words = found["classes"][0]["words"].as_array().unwrap();
    assert!(words.iter().any(|word| word["word"] == "<"), "{words:?}");
    let sizes: Vec<f64> = words.iter().map(|word| word["certain"].as_f64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
}

#[test]
fn chinese_words_are_those_of_the_segmentation() {
    let folder = data("texts.tsv", &["这部电影真的很棒", "电影很棒", "电影不好，很差"]);
    let found = reported("words", folder.path(), &["--method", "occlusion"]);
    assert_eq!(found["model"], "sentiment-zh");
    let words = found["classes"][0]["words"].as_array().unwrap();
    let film = words.iter().find(|word| word["word"] == "电影").unwrap();
    assert_eq!(film["texts"], 3);
    assert!(words.iter().any(|word| word["word"] == "很"), "{words:?}");
}

#[test]
fn an_interrupted_run_continues() {
    let folder = data("texts.tsv", &ROWS);
    for (command, flags) in [
        ("words", &["--method", "input_x_gradient"][..]),
        ("probe", &["--properties", "case,places"]),
        ("heads", &["--ablate", "3"]),
    ] {
        let late = reported(command, folder.path(), &[flags, &["--budget-ms", "0"]].concat());
        assert_eq!(
            (&late["texts"], &late["left"], &late["finished"]),
            (&json!(0), &json!(6), &json!(false))
        );
        assert!(read(folder.path(), "report.md").contains("run the command again to continue"));
        let whole = reported(command, folder.path(), flags);
        assert_eq!((&whole["texts"], &whole["left"]), (&json!(6), &json!(0)));
        let (report_md, records) =
            (read(folder.path(), "report.md"), read(folder.path(), "records.jsonl"));
        assert_eq!(records.lines().count(), 7);
        // As if the process had ended while it wrote the third text.
        let third = records.match_indices('\n').nth(3).unwrap().0;
        let path = folder.path().join("out/records.jsonl");
        fs::write(&path, &records[..third - 10]).unwrap();
        let output = report(command, folder.path(), "texts.tsv", flags);
        assert!(text(&output.stderr).contains("2 of 6 texts are already done"));
        assert_eq!(read(folder.path(), "report.md"), report_md);
        // Another model starts anew.
        let output = report(command, folder.path(), "texts.tsv", &[flags, &ANOTHER_MODEL].concat());
        assert!(output.status.success() && !text(&output.stderr).contains("already done"));
    }
}

const ANOTHER_MODEL: [&str; 2] = ["--model", "other=builtin:sentiment-en"];

#[test]
fn a_probe_reports_each_property() {
    let folder = data("texts.tsv", &ROWS);
    let found = reported("probe", folder.path(), &["--pair", "great=awful"]);
    let pairs = &found["properties"][0];
    assert_eq!(found["properties"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&pairs["property"], &pairs["affected"], &pairs["variants"]),
        (&json!("pairs"), &json!(3), &json!(3))
    );
    let worst = &pairs["worst"][0];
    assert_eq!((&worst["flipped"], &worst["change"]), (&json!(true), &json!("great → awful")));
    let failed = pairs["failed"].as_u64().unwrap();
    assert!(
        failed > 0
            && (pairs["fail_rate"]["mean"].as_f64().unwrap() - failed as f64 / 3.).abs() < 1e-9
    );
    let change = &found["changes"][0];
    assert_eq!(
        (&change["change"], &change["texts"], &change["flips"]),
        (&json!("great → awful"), &json!(3), &pairs["failed"])
    );
    let shift = |label: usize| change["shifts"][label]["mean"].as_f64().unwrap();
    assert!((shift(0) + shift(1)).abs() < 1e-5, "probabilities add up to 1: {change}");

    let output = report("probe", folder.path(), "texts.tsv", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    for property in ["identity", "case", "typos", "punctuation", "synonyms", "places"] {
        assert!(out.contains(&format!("{property}: ")), "{out}");
    }
    assert!(!out.contains("no text has anything to change"), "{out}");
    let markdown = read(folder.path(), "report.md");
    assert!(markdown.contains("| case | 6 |"), "{markdown}");
    let found: Value = serde_json::from_str(&read(folder.path(), "report.json")).unwrap();
    let mut plots = vec!["fail-rate.svg", "shift.svg"];
    if found["changes"].as_array().is_some_and(|changes| !changes.is_empty()) {
        plots.extend(["changes-0.svg", "changes-1.svg"]);
    }
    assert_escaped(folder.path(), &plots);
}

#[test]
fn corpora_need_no_labels() {
    for (name, rows) in [
        (
            "texts.jsonl",
            &["{\"text\": \"a dull film\"}", "{\"text\": \"great\", \"label\": 1}"][..],
        ),
        ("texts.csv", &["id,review", "1,\"a dull, long film\"", "2,great"]),
        ("texts.tsv", &["a dull film", "great", "great"]),
    ] {
        let folder = data(name, rows);
        let output = report("words", folder.path(), name, &["--method", "input_x_gradient"]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains("2 of the 2 distinct texts"), "{name}");
    }
}

#[test]
fn errors_of_corpora_name_the_flag_or_the_line() {
    let folder = data("texts.jsonl", &["{\"text\": \"good\"}", "{\"txt\": 1}"]);
    fs::write(folder.path().join("texts.tsv"), "good\n").unwrap();
    let untabled = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    fs::write(folder.path().join("unlisted.toml"), "[lexicon]\na = 3\n").unwrap();
    let unlisted = &folder.path().join("unlisted.toml").display().to_string();
    let masked = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/bert-mlm");
    let answering = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/bert-qa");
    for (command, name, flags, message) in [
        ("words", "texts.jsonl", &[][..], "line 2"),
        ("words", "missing.tsv", &[], "missing.tsv"),
        ("words", "texts.txt", &[], ".parquet"),
        ("words", "texts.tsv", &["--method", "magic"], "no method is called"),
        (
            "words",
            "texts.tsv",
            &["--method", "saliency"],
            "--method: scores of saliency have no sign",
        ),
        ("words", "texts.tsv", &["--lexicon", "none.toml"], "--lexicon: none.toml: no such file"),
        ("words", "texts.tsv", &["--lexicon", untabled], "no table [lexicon]"),
        ("words", "texts.tsv", &["--lexicon", unlisted], "lexicon.a: must be a list"),
        ("heads", "texts.jsonl", &[], "line 2"),
        ("heads", "texts.tsv", &["--ablate", "1001"], "from 0 to 1000"),
        ("heads", "texts.tsv", &["--model", answering], "question answering needs text_pair"),
        ("heads", "texts.tsv", &["--model", masked], "the text has no [MASK]"),
        ("probe", "texts.tsv", &["--properties", "spelling"], "punctuation"),
        ("probe", "texts.tsv", &["--groups", "colour"], "--groups"),
        ("probe", "texts.tsv", &["--pair", "great"], "A=B"),
        ("probe", "texts.tsv", &["--pair", "great=great"], "--pair"),
    ] {
        let output = report(command, folder.path(), name, flags);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(message), "{flags:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}
