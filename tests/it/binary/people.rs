//! `explaind evaluate` on texts whose reasons people marked.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Served, explaind, text};

const METHODS: [&str; 2] = ["integrated_gradients", "saliency"];

/// Runs the command and returns the report as Markdown.
fn report(data: &Path, language: &str, out: &Path) -> String {
    let model = format!("builtin:sentiment-{language}");
    let paths = ["--data".as_ref(), data.as_os_str(), "--out".as_ref(), out.as_os_str()];
    let methods = METHODS.join(",");
    let output = explaind()
        .args(["evaluate", "--model", &model, "--methods", &methods])
        .args(paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    fs::read_to_string(out.join("report.md")).unwrap()
}

/// Returns the cells of the rows that begin with `name`, of the tables of agreement.
fn rows<'a>(markdown: &'a str, name: &str) -> Vec<Vec<&'a str>> {
    let (_, part) = markdown.split_once("## Agreement with people").unwrap();
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect();
    let rows: Vec<Vec<&str>> = part.lines().map(cells).collect();
    rows.into_iter().filter(|row| row[0].replace('\\', "") == name).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Compares a cell, whose mean has two decimals.
fn assert_cell(cell: &str, values: &[f64]) {
    let shown: f64 = cell.split(' ').next().unwrap().parse().unwrap();
    assert!((shown - mean(values)).abs() < 0.0051, "{cell} is not {}", mean(values));
}

/// Compares with the measures of POST /explain.
#[test]
fn plausibility_over_a_data_set_is_the_mean_of_its_texts() {
    let served = Served::start();
    for (language, least) in [("en", 10), ("zh", 5)] {
        let data = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("examples/rationales-{language}.jsonl"));
        let out = tempfile::tempdir().unwrap();
        let markdown = report(&data, language, out.path());
        let lines = fs::read_to_string(&data).unwrap();
        let examples: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(examples.len() >= least);
        let inputs: Vec<Value> = examples
            .iter()
            .map(|one| json!({"text": one["text"], "rationale": one["rationale"]}))
            .collect();
        let body = json!({"inputs": inputs, "methods": METHODS, "evaluate": ["plausibility"],
            "model": format!("sentiment-{language}")});
        let mut reply = ureq::post(format!("{}/explain", served.url)).send_json(&body).unwrap();
        let answer: Value = reply.body_mut().read_json().unwrap();
        let results = answer["results"].as_array().unwrap();
        let is_right: Vec<bool> = results
            .iter()
            .zip(&examples)
            .map(|(result, one)| result["predictions"][0]["label"] == one["label"])
            .collect();
        let right = is_right.iter().filter(|right| **right).count();
        let header = format!("token F1, right (n = {right})");
        assert!(right > 0 && right < examples.len() && markdown.contains(&header), "{markdown}");
        for method in METHODS {
            let [all, split] = &rows(&markdown, method)[..] else { panic!("{markdown}") };
            for (index, part) in ["token_f1", "iou_f1", "auprc"].iter().enumerate() {
                let value = |result: &Value| {
                    result["evaluation"][method]["plausibility"][part].as_f64().unwrap()
                };
                let values: Vec<f64> = results.iter().map(value).collect();
                let of = |wanted: bool| -> Vec<f64> {
                    let own = values.iter().zip(&is_right).filter(|(_, right)| **right == wanted);
                    own.map(|(value, _)| *value).collect()
                };
                assert_cell(all[3 + index], &values);
                assert_cell(split[1 + 2 * index], &of(true));
                assert_cell(split[2 + 2 * index], &of(false));
            }
        }
        // What random rankings reach.
        let random = &rows(&markdown, "random")[0];
        let chance: f64 = random[3].split(' ').next().unwrap().parse().unwrap();
        assert!((0.2..0.6).contains(&chance), "{chance}");
        let svg = fs::read_to_string(out.path().join("plausibility.svg")).unwrap();
        assert!(roxmltree::Document::parse(&svg).is_ok());
    }
}

/// The marked word is one that no prediction rests on.
#[test]
fn texts_that_are_right_for_other_reasons_are_listed_without_their_markup() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("texts.jsonl");
    let rows = [
        json!({"text": "<b>a</b> wonderful | great film", "label": 1, "rationale": [[3, 4]]}),
        json!({"text": "a great film", "label": "POSITIVE", "rationale": [[2, 7]]}),
        json!({"text": "a dull film"}),
    ];
    fs::write(&data, rows.map(|row| row.to_string()).join("\n")).unwrap();
    let markdown = report(&data, "en", folder.path());
    assert!(
        markdown.contains("Of 2 right predictions with marked words, 1 are right"),
        "{markdown}"
    );
    let listed = markdown.lines().find(|line| line.contains("wonderful \\|")).unwrap();
    assert!(listed.starts_with("| &lt;b&gt;a&lt;/b&gt;") && listed.contains("| a |"), "{listed}");
    assert!(listed.ends_with("| 0.00 |"), "{listed}");
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("&lt;b&gt;a") && !page.contains("<b>"));
}
