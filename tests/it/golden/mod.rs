//! Parity with transformers and Captum on committed checkpoints. tests/golden/make.py computed the
//! values in float64. `cargo test golden -- --nocapture` prints the rows of the table in
//! docs/reference/models.md.

mod answers;
mod concepts;
mod inside;
mod interactions;
mod methods;
mod mixing;
pub mod sentences;
mod tasks;

use std::collections::BTreeMap;
use std::fs;

use explaind::attribution::Granularity;
use explaind::backend::cpu::Isa;
use explaind::checkpoint::Source;
use explaind::explainer::Explainer;
use explaind::explanation::{Class, Explained, Question, ScalarName, SpanBoundary, Target};
use explaind::model::Placement;
use explaind::rows::Output;
use serde_json::{Value, json};

use crate::support::{
    devices, explainer, golden_folder, input, load, long_tests, method, question, relative_error,
};

/// The largest relative error per compared quantity.
#[derive(Default)]
struct Errors(BTreeMap<String, f64>);

impl Errors {
    fn note(&mut self, what: &str, ours: &[f64], theirs: &Value) {
        self.worsen(what, relative_error(ours, &numbers(theirs)));
    }

    fn worsen(&mut self, what: &str, error: f64) {
        let worst = self.0.entry(what.to_owned()).or_default();
        *worst = worst.max(error);
    }

    /// Returns the largest error of these quantities; `None` if none was compared.
    fn worst(&self, kinds: &[&str]) -> Option<f64> {
        kinds.iter().filter_map(|kind| self.0.get(*kind)).copied().reduce(f64::max)
    }
}

/// Flattens nested arrays of numbers.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().expect("a number")],
    }
}

fn integers(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|number| number as usize).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

async fn explain(explainer: &Explainer, question: Question) -> Explained {
    let mut answer = explainer.explain(question).await.expect("an answer");
    answer.results.pop().expect("one result").1.expect("no error")
}

/// Compares the tokens, of both texts if they are encoded separately.
fn compare_tokens(explained: &Explained, case: &Value) {
    let both = |name: &str| {
        let pair = &case[format!("{name}_pair")];
        let pair = pair.as_array().map_or(&[][..], Vec::as_slice);
        Value::Array(list(&case[name]).iter().chain(pair).cloned().collect())
    };
    let ids: Vec<usize> = explained.tokens.iter().map(|token| token.id as usize).collect();
    assert_eq!(ids, integers(&both("input_ids")));
    let offsets: Vec<usize> =
        explained.tokens.iter().flat_map(|token| [token.start, token.end]).collect();
    assert_eq!(offsets, integers(&both("offsets")));
    for (token, theirs) in explained.tokens.iter().zip(list(&both("tokens"))) {
        assert_eq!(token.text, theirs.as_str().unwrap());
    }
}

fn target(value: &Value) -> Target {
    let index = |value: &Value| Class::Index(value.as_u64().unwrap() as usize);
    let token = value["token"].as_u64().map(|token| token as usize);
    match (&value["contrast"], value["position"].as_str(), &value["index"]) {
        (Value::Array(pair), ..) => {
            Target::Contrast { token, classes: [index(&pair[0]), index(&pair[1])] }
        }
        (_, Some(position), _) => {
            let border = if position == "start" { SpanBoundary::Start } else { SpanBoundary::End };
            Target::SpanBoundary { border, token }
        }
        (_, None, Value::Null) => Target::Predicted,
        (_, None, class) => Target::Class { token, class: index(class) },
    }
}

fn compare_explanation(explained: &Explained, golden: &Value, errors: &mut Errors) {
    let name = golden["method"].as_str().unwrap();
    let segment = golden["target"]["cosine"].as_str().map(|text| usize::from(text == "text_pair"));
    let matches =
        |what: &ScalarName| segment.is_none_or(|segment| *what == ScalarName::Cosine(segment));
    let ours = explained.explanations.iter().find(|e| matches(&e.target.what)).unwrap();
    if let Some(served) = answers::served(&explained.predicted, &ours.target, ours.output) {
        assert!((served - ours.output_value).abs() < 1e-12, "{name}: the served score is {served}");
    }
    let (unit, scores) = &ours.scores[0];
    assert_eq!(*unit, Granularity::Token);
    let own = |token: &usize| segment.is_none_or(|s| explained.tokens[*token].segment == s);
    let scores: Vec<f64> = (0..scores.len()).filter(own).map(|token| scores[token]).collect();
    // A normalization almost cancels some gradients: their error is relative to a given scale.
    match golden["scale"].as_f64() {
        Some(scale) => errors.worsen(name, largest_gap(&scores, &golden["token"]) / scale),
        None => errors.note(name, &scores, &golden["token"]),
    }
    if let Some(completeness) = ours.completeness {
        let values = [ours.output_value, completeness.baseline_value];
        let theirs = json!([golden["output_value"], golden["baseline_value"]]);
        errors.note("values", &values, &theirs);
        // A delta is a small difference of large sums, so that its error is relative to these.
        let size = scores.iter().map(|score| score.abs()).sum::<f64>().max(values[0].abs());
        let gap = completeness.convergence_delta - golden["convergence_delta"].as_f64().unwrap();
        errors.worsen("delta", gap.abs() / size);
        // Whether it converged follows from the reference's delta, unless that is close to the
        // tolerance of 1 %.
        let theirs: f64 = numbers(&golden["token"]).iter().map(|score| score.abs()).sum();
        let share = golden["convergence_delta"].as_f64().unwrap().abs() / theirs;
        if (share - 0.01).abs() > 1e-4 {
            assert_eq!(completeness.converged, share < 0.01, "{name}: the gap is {share}");
        }
    }
}

fn largest_gap(ours: &[f64], theirs: &Value) -> f64 {
    let theirs = numbers(theirs);
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0., f64::max)
}

/// Compares every case of one checkpoint on one back end.
async fn errors_of(folder: &str, placement: &Placement) -> Errors {
    let folder = golden_folder(folder);
    let golden = fs::read(folder.join("golden.json")).expect("golden.json");
    let golden: Value = serde_json::from_slice(&golden).expect("JSON");
    let model = load(Source::Directory(folder), placement);
    let explainer = explainer(&model);
    let mut errors = Errors::default();
    for case in list(&golden["cases"]) {
        let text = input(case["text"].as_str().unwrap(), case["text_pair"].as_str());
        let explained = explain(&explainer, question(&model, vec![text.clone()])).await;
        compare_tokens(&explained, case);
        answers::compare(&explained, case, &mut errors);
        if !case["attentions"].is_null() {
            let attention = &explained.attention.as_ref().expect("attention").weights;
            errors.note("attention", attention, &case["attentions"]);
        }
        answers::compare_entities(&explainer, &model, &text, case, &mut errors).await;
        for golden in list(&case["explanations"]) {
            let question = Question {
                target: target(&golden["target"]),
                output: match golden["output"].as_str().unwrap() {
                    "probability" => Output::Probability,
                    _ => Output::Logit,
                },
                methods: vec![method(golden["method"].as_str().unwrap(), &golden["options"])],
                ..question(&model, vec![text.clone()])
            };
            let explained = explain(&explainer, question).await;
            compare_explanation(&explained, golden, &mut errors);
        }
    }
    errors
}

/// Returns the largest relative error allowed.
fn limit(placement: &Placement) -> f64 {
    match placement {
        _ if placement.dtype() == "f64" => 1e-9,
        _ => 1e-4,
    }
}

/// Returns the reference and the CPU back end; for `every` also what runs on a GPU, and all instruction
/// sets of this machine, as in long tests. explaind-compute also compares each block
/// with the reference.
fn placements(every: bool) -> Vec<Placement> {
    let isas = match every || long_tests() {
        true => Isa::available(),
        false => vec![Isa::best()],
    };
    let devices = (every || long_tests()).then(devices);
    [Placement::reference().unwrap()]
        .into_iter()
        .chain(devices.into_iter().flatten())
        .chain(isas.into_iter().map(Placement::Cpu))
        .collect()
}

/// The table's columns and the quantities of each: predictions, attention and methods.
const COLUMNS: [&[&str]; 6] = [
    &["logits", "probabilities", "values", "entities", "answer", "embedding", "cosine", "matrix"],
    &["attention"],
    &["integrated_gradients", "delta"],
    &["saliency"],
    &["input_x_gradient"],
    &["occlusion"],
];

async fn check(folder: &str) {
    let (mut exact, mut single) = (Errors::default(), Errors::default());
    // One folder of each architecture.
    for placement in placements(folder.ends_with("-sequence") || folder == "bert-tiny") {
        let limit = limit(&placement);
        let worst = if limit < 1e-6 { &mut exact } else { &mut single };
        for (quantity, error) in errors_of(folder, &placement).await.0 {
            assert!(error <= limit, "{folder} on {placement}: {quantity} is {error:e} off");
            worst.worsen(&quantity, error);
        }
    }
    let cells = COLUMNS.map(|column| match (exact.worst(column), single.worst(column)) {
        (Some(exact), Some(single)) => format!("{exact:.0e} / {single:.0e}"),
        _ => String::new(),
    });
    println!("| {folder} | {} |", cells.join(" | "));
}

/// Returns the sorted names of the golden folders that have this file.
fn folders_with(file: &str) -> Vec<String> {
    let folders = fs::read_dir(golden_folder("")).expect("the folder of golden values");
    let names = folders.map(|entry| entry.expect("an entry").file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| golden_folder(name).join(file).is_file()).collect();
    names.sort();
    names
}

/// Checks every folder of golden values with this prefix.
async fn check_all(prefix: &str) {
    let mut names = folders_with("golden.json");
    names.retain(|name| name.starts_with(&format!("{prefix}-")));
    assert!(!names.is_empty(), "no golden values for {prefix}");
    for name in names {
        check(&name).await;
    }
}

macro_rules! architectures {
    ($($test:ident $prefix:literal)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                check_all($prefix).await;
            }
        )*
    };
}

architectures! {
    albert "albert"
    bert "bert"
    camembert "camembert"
    deberta "deberta"
    distilbert "distilbert"
    electra "electra"
    modernbert "modernbert"
    mpnet "mpnet"
    roberta "roberta"
    xlm_roberta "xlm-roberta"
}
