//! Parity with transformers + Captum on committed checkpoints; the values were
//! made in float64 by tests/golden/make.py. `cargo test golden -- --nocapture`
//! prints the rows of the table in docs/models.md.

mod answers;
mod methods;
pub mod sentences;
mod tasks;

use std::collections::BTreeMap;
use std::fs;

use candle_core::DType;
use explaind::attribution::Granularity;
use explaind::backend::candle::Candle;
use explaind::backend::cpu::Isa;
use explaind::checkpoint::Source;
use explaind::explainer::Explainer;
use explaind::explanation::{Border, Class, Explained, Question, Target, What};
use explaind::model::Placement;
use explaind::rows::Output;
use serde_json::{Value, json};

use crate::support::{
    explainer, golden_folder, input, load, long_form, method, question, relative_error,
};

/// The largest relative error by what was compared.
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

    /// The largest of some; none where nothing of that kind was compared.
    fn worst(&self, kinds: &[&str]) -> Option<f64> {
        kinds.iter().filter_map(|kind| self.0.get(*kind)).copied().reduce(f64::max)
    }
}

/// Numbers nested to any depth, in order.
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

/// Tokens of both texts, where they are read apart.
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
            let border = if position == "start" { Border::Start } else { Border::End };
            Target::Border { border, token }
        }
        (_, None, Value::Null) => Target::Predicted,
        (_, None, class) => Target::Class { token, class: index(class) },
    }
}

fn compare_explanation(explained: &Explained, golden: &Value, errors: &mut Errors) {
    let name = golden["method"].as_str().unwrap();
    let segment = golden["target"]["cosine"].as_str().map(|text| usize::from(text == "text_pair"));
    let wanted = |what: &What| segment.is_none_or(|segment| *what == What::Cosine(segment));
    let ours = explained.explanations.iter().find(|one| wanted(&one.target.what)).unwrap();
    if let Some(served) = answers::served(&explained.predicted, &ours.target, ours.output) {
        assert!((served - ours.output_value).abs() < 1e-12, "{name}: the served score is {served}");
    }
    let (unit, scores) = &ours.scores[0];
    assert_eq!(*unit, Granularity::Token);
    let own = |token: &usize| segment.is_none_or(|s| explained.tokens[*token].segment == s);
    let scores: Vec<f64> = (0..scores.len()).filter(own).map(|token| scores[token]).collect();
    // A gradient that a norm has all but cancelled is judged by what it is made of.
    match golden["scale"].as_f64() {
        Some(scale) => errors.worsen(name, largest_gap(&scores, &golden["token"]) / scale),
        None => errors.note(name, &scores, &golden["token"]),
    }
    if let Some(completeness) = ours.completeness {
        let values = [ours.output_value, completeness.baseline_value];
        let theirs = json!([golden["output_value"], golden["baseline_value"]]);
        errors.note("values", &values, &theirs);
        // A delta is a small difference of large sums: judge it by their size.
        let size = scores.iter().map(|score| score.abs()).sum::<f64>().max(values[0].abs());
        let gap = completeness.convergence_delta - golden["convergence_delta"].as_f64().unwrap();
        errors.worsen("delta", gap.abs() / size);
        // The reference's own numbers say whether they add up within the tolerance, 1 %,
        // unless they lie on its edge.
        let theirs: f64 = numbers(&golden["token"]).iter().map(|score| score.abs()).sum();
        let share = golden["convergence_delta"].as_f64().unwrap().abs() / theirs;
        if (share - 0.01).abs() > 1e-4 {
            assert_eq!(completeness.converged, share < 0.01, "{name}: {share} is left over");
        }
    }
}

fn largest_gap(ours: &[f64], theirs: &Value) -> f64 {
    let theirs = numbers(theirs);
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0., f64::max)
}

/// Every case of one checkpoint on one back end.
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
            let asked = Question {
                target: target(&golden["target"]),
                output: match golden["output"].as_str().unwrap() {
                    "probability" => Output::Probability,
                    _ => Output::Logit,
                },
                methods: vec![method(golden["method"].as_str().unwrap(), &golden["options"])],
                ..question(&model, vec![text.clone()])
            };
            let explained = explain(&explainer, asked).await;
            compare_explanation(&explained, golden, &mut errors);
        }
    }
    errors
}

/// The largest relative error allowed.
fn limit(placement: &Placement) -> f64 {
    match placement {
        Placement::Candle(Candle { dtype: DType::F64, .. }) => 1e-9,
        _ => 1e-4,
    }
}

/// The reference and the back end that serves; of `every_isa`, and in the long form,
/// with each set of instructions that this machine has. Block by block these are held
/// against the reference in explaind-compute, too.
fn placements(every_isa: bool) -> Vec<Placement> {
    let isas = match every_isa || long_form() {
        true => Isa::available(),
        false => vec![Isa::best()],
    };
    [Placement::reference().unwrap()]
        .into_iter()
        .chain(isas.into_iter().map(Placement::Cpu))
        .collect()
}

/// The table's columns, and what counts for each: what the model says, its
/// attention, and the methods.
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
        for (what, error) in errors_of(folder, &placement).await.0 {
            assert!(error <= limit, "{folder} on {placement}: {what} is {error:e} off");
            worst.worsen(&what, error);
        }
    }
    let cells = COLUMNS.map(|column| match (exact.worst(column), single.worst(column)) {
        (Some(exact), Some(single)) => format!("{exact:.0e} / {single:.0e}"),
        _ => String::new(),
    });
    println!("| {folder} | {} |", cells.join(" | "));
}

/// Every folder of golden values whose name begins so.
async fn check_all(prefix: &str) {
    let folders = fs::read_dir(golden_folder("")).expect("the folder of golden values");
    let names = folders.map(|entry| entry.expect("an entry").file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.starts_with(&format!("{prefix}-")))
        .filter(|name| golden_folder(name).join("golden.json").is_file())
        .collect();
    names.sort();
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
