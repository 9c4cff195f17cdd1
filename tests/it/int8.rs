//! Models whose perturbed inputs are computed in 8-bit integers.

use std::collections::BTreeMap;
use std::sync::Arc;

use explaind::backend::cpu::{Int8, Isa};
use explaind::checkpoint::Source;
use explaind::config::{Config, DtypeName, ModelEntry};
use explaind::evaluation::statistics::spearman;
use explaind::model::{Dtype, Model, Placement};
use explaind::rows::{Output, Precision, Row, RowOutput, Scalar, Tokens, Want};
use rayon::ThreadPoolBuilder;
use serde_json::{Value, json};

use crate::support::service::{Running, start_with, untimed};
use crate::support::{CLASSIFIERS, golden_folder, load};

const ENGLISH: [&str; 8] = [
    "This movie is really great.",
    "The plot was dull and the acting was worse.",
    "A warm, funny and moving film.",
    "I did not like the ending at all.",
    "It is not bad, but far too long.",
    "An utterly charming story with a brilliant cast.",
    "Nothing about this mess works.",
    "The book was better than the film.",
];

const CHINESE: [&str; 4] = [
    "这部电影真的很好看。",
    "快递太慢了，质量也很差。",
    "房间干净，服务也不错。",
    "味道一般，不会再买了。",
];

/// Returns placements of models with 8-bit layers: on any processor, and with instructions for them
/// where it has some.
fn reduced() -> Vec<Placement> {
    let portable = Placement::Int8(Isa::best(), Int8::Portable);
    let fast = Placement::default().with(Dtype::Int8);
    [portable, fast]
        .into_iter()
        .filter(|placement| matches!(placement, Placement::Int8(..)))
        .collect()
}

fn builtin(placement: &Placement) -> Arc<Model> {
    load("builtin:sentiment-en".parse().unwrap(), placement)
}

/// Returns rows of several lengths that ask for two logits, every third in full precision.
fn rows() -> Vec<Row> {
    let row = |i: usize| {
        let tokens = 1 + i * 7 % 40;
        let input_ids = (0..tokens).map(|j| 5 + ((i * 131 + j * 37) % 900) as u32).collect();
        let position_ids = (0..tokens as u32).collect();
        let tokens = Tokens { input_ids, token_type_ids: vec![0; tokens], position_ids };
        let want = Want::Values((0..2).map(|k| Scalar::one(Output::Logit, k)).collect());
        let precision = if i.is_multiple_of(3) { Precision::Full } else { Precision::Reduced };
        Row { want, precision, ..Row::forward(Arc::new(tokens), [].into()) }
    };
    (0..30).map(row).collect()
}

fn bits(output: &RowOutput) -> Vec<u64> {
    output.values.iter().map(|value| value.to_bits()).collect()
}

fn assert_same(ours: &[RowOutput], theirs: &[RowOutput]) {
    assert_eq!(
        ours.iter().map(bits).collect::<Vec<_>>(),
        theirs.iter().map(bits).collect::<Vec<_>>()
    );
}

#[test]
fn outputs_depend_neither_on_the_batch_nor_on_the_number_of_threads() {
    let (rows, placements) = (rows(), reduced());
    let all: Vec<_> = placements.iter().map(|place| builtin(place).run(&rows).unwrap()).collect();
    for (placement, together) in placements.iter().zip(&all) {
        // What multiplies integers does not matter either.
        assert_same(together, &all[0]);
        let model = builtin(placement);
        let alone = |row: &Row| model.run(std::slice::from_ref(row)).unwrap().remove(0);
        assert_same(together, &rows.iter().map(alone).collect::<Vec<_>>());
        let mut rotated = rows.clone();
        rotated.rotate_left(7);
        let mut outputs = model.run(&rotated).unwrap();
        outputs.rotate_right(7);
        assert_same(together, &outputs);
        for threads in [2, 3] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_same(together, &pool.install(|| model.run_with(&rows, threads)).unwrap());
        }
    }
}

#[test]
fn only_rows_of_reduced_precision_differ_from_a_model_in_f32() {
    let rows = rows();
    let exact = builtin(&Placement::default()).run(&rows).unwrap();
    for placement in reduced() {
        let ours = builtin(&placement).run(&rows).unwrap();
        for ((row, ours), exact) in rows.iter().zip(&ours).zip(&exact) {
            assert_eq!(bits(ours) == bits(exact), row.precision == Precision::Full);
        }
    }
}

/// A processor without the instructions computes everything in f32.
#[test]
fn other_instruction_sets_fall_back_to_f32() {
    for isa in Isa::available() {
        let placement = Placement::Cpu(isa).with(Dtype::Int8);
        if let Placement::Int8(..) = placement {
            continue;
        }
        let (plain, model) = (builtin(&Placement::Cpu(isa)), builtin(&placement));
        assert_eq!((model.dtype(), model.memory_bytes()), ("f32", plain.memory_bytes()));
        assert_same(&plain.run(&rows()).unwrap(), &model.run(&rows()).unwrap());
    }
}

/// The checkpoints are tiny and random. Their logits may all be near 0, so differences are absolute
/// below 1.
#[test]
fn values_of_every_architecture_are_near_those_in_f32() {
    let placement = reduced().pop().expect("the portable one");
    for folder in CLASSIFIERS {
        let source = || Source::Directory(golden_folder(folder));
        let model = load(source(), &placement);
        let exact = load(source(), &Placement::default());
        let input_ids = (5..17).collect();
        let tokens =
            Tokens { input_ids, token_type_ids: vec![0; 12], position_ids: (2..14).collect() };
        let row = Row::forward(Arc::new(tokens), [].into());
        let row = Row { precision: Precision::Reduced, ..row };
        let ours = model.run(std::slice::from_ref(&row)).unwrap().remove(0).logits;
        let exact = exact.run(&[row]).unwrap().remove(0).logits;
        let size = exact.iter().fold(1., |max: f64, logit| max.max(logit.abs()));
        let gap = ours.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0., f64::max) / size;
        println!("{folder}: {gap:.4}");
        assert!(gap > 0. && gap < 0.2, "{folder} is {gap} off");
    }
}

/// Starts a service with a built-in model in f32, called `full`, and with 8-bit layers.
async fn both(name: &str) -> Running {
    let full = ModelEntry::new("full", format!("builtin:{name}"));
    let reduced = ModelEntry { id: "reduced".to_owned(), dtype: DtypeName::Int8, ..full.clone() };
    start_with(&Config { models: vec![full, reduced], ..untimed() }).await
}

async fn explain(service: &Running, model: &str, text: &str) -> Value {
    let methods = json!(["occlusion", "lime", "kernel_shap", "integrated_gradients"]);
    let body = json!({"model": model, "inputs": text, "methods": methods});
    service.explain(body).await["results"][0].clone()
}

fn words(explanation: &Value) -> Vec<f64> {
    let scores = explanation["attributions"]["word"].as_array().unwrap();
    scores.iter().map(|score| score.as_f64().unwrap()).collect()
}

/// Where the processor has no instructions for them, `reduced` is `full`.
#[tokio::test]
async fn predictions_are_those_of_f32_and_words_rank_alike() {
    let fast = matches!(Placement::default().with(Dtype::Int8), Placement::Int8(..));
    let dtype = if fast { "f32+int8" } else { "f32" };
    for (name, texts) in [("sentiment-en", &ENGLISH[..]), ("sentiment-zh", &CHINESE)] {
        let service = both(name).await;
        let info = async |id: &str| service.get(&format!("/models/{id}")).await.json();
        let (full, reduced) = (info("full").await, info("reduced").await);
        assert_eq!((&full["dtype"], &reduced["dtype"]), (&json!("f32"), &json!(dtype)));
        let bytes = |info: &Value| info["memory_bytes"].as_u64().unwrap();
        assert_eq!(bytes(&reduced) > bytes(&full), fast);
        let mut alike: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for text in texts {
            let full = explain(&service, "full", text).await;
            let reduced = explain(&service, "reduced", text).await;
            assert_eq!(full["prediction"], reduced["prediction"]);
            let explanations = |result: &Value| result["explanations"].as_array().unwrap().clone();
            for (full, reduced) in explanations(&full).iter().zip(&explanations(&reduced)) {
                for field in ["output_value", "baseline_value"] {
                    assert_eq!(full[field], reduced[field], "{text}");
                }
                let (a, b) = (words(full), words(reduced));
                let method = full["method"].as_str().unwrap();
                assert_eq!(a != b, fast && method != "integrated_gradients", "{method}");
                alike.entry(method.to_owned()).or_default().push(spearman(&a, &b).unwrap());
            }
        }
        for (method, ranks) in alike {
            let mean = ranks.iter().sum::<f64>() / ranks.len() as f64;
            println!("{name} {method}: {mean:.4}");
            assert!(mean > 0.95, "{name} {method}: {mean}");
        }
    }
}
