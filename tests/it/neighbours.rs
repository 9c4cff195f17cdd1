//! Neighbours against numpy's, and the states that they are found by against transformers'.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use explaind::backend::cpu::Isa;
use explaind::checkpoint::Source;
use explaind::model::Placement;
use explaind::nearest::{Codes, nearest};
use explaind::rows::{PooledState, Row, StatePooling, Want};
use serde_json::Value;

use crate::support::{golden_folder, input, load, relative_error};

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().expect("a number")],
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn neighbours_are_numpys() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpora");
    let golden = read(&folder.join("neighbours.json"));
    let single = |value: &Value| numbers(value).iter().map(|x| *x as f32).collect::<Vec<f32>>();
    let rows = single(&golden["rows"]);
    let found = golden["found"].as_array().unwrap();
    let width = numbers(&found[0]["query"]).len();
    let codes = Codes::new(&rows, width);
    for found in found {
        let query = single(&found["query"]);
        let expected: Vec<usize> =
            numbers(&found["rows"]).iter().map(|row| *row as usize).collect();
        let similarities = numbers(&found["similarity"]);
        for k in [1, 5, 60, 100] {
            let scan = codes.scan(&query);
            let ours = nearest(&scan, &query, k, |_| true, rows.as_slice()).unwrap();
            let places: Vec<usize> = ours.iter().map(|one| one.row).collect();
            assert_eq!(places, expected[..k.min(expected.len())]);
            for (one, theirs) in ours.iter().zip(&similarities) {
                assert!((one.similarity - theirs).abs() < 1e-12);
            }
        }
    }
}

/// Every layer's states of several architectures, in f64 and as served, alone and together.
#[test]
fn pooled_states_are_transformers() {
    let reference = Placement::reference().unwrap();
    let placements = [(reference, 1e-9), (Placement::Cpu(Isa::best()), 2e-5)];
    for name in [
        "albert-sequence",
        "bert-tiny",
        "deberta-conv-sequence",
        "electra-sequence",
        "modernbert-sequence",
    ] {
        let folder = golden_folder(name);
        let golden = read(&folder.join("states.json"));
        for (placement, tolerance) in &placements {
            let model = load(Source::Directory(folder.clone()), placement);
            let (mut rows, mut expected) = (Vec::new(), Vec::new());
            for case in golden["cases"].as_array().unwrap() {
                let input = input(case["text"].as_str().unwrap(), case["text_pair"].as_str());
                let encoding = model.encode(&input, explaind::text::tokenizer::Truncate::No);
                let ids = encoding.expect("an encoding").ids;
                for (pooling, field) in
                    [(StatePooling::Mean, "mean"), (StatePooling::First, "first")]
                {
                    for (layer, state) in case[field].as_array().unwrap().iter().enumerate() {
                        let want = Want::Pooled(PooledState { layer, pooling });
                        let row = Row::forward(Arc::clone(&ids), [].into());
                        rows.push(Row { want, ..row });
                        expected.push((layer, numbers(state)));
                    }
                }
                assert_eq!(expected.last().unwrap().0, model.layers(), "{name}");
            }
            // Beside rows that want no states, and each by itself.
            let plain = Row { want: Want::Outputs, ..rows[0].clone() };
            let beside: Vec<Row> = rows.iter().cloned().chain([plain.clone()]).collect();
            let together = model.run(&beside).unwrap();
            let outputs = model.run(std::slice::from_ref(&plain)).unwrap().remove(0);
            if matches!(placement, Placement::Cpu(_)) {
                assert_eq!(together.last().unwrap().logits, outputs.logits);
            }
            for ((row, (layer, expected)), output) in rows.iter().zip(&expected).zip(&together) {
                let error = relative_error(&output.states, expected);
                assert!(error < *tolerance, "{name}, layer {layer}: {error}");
                let alone = model.run(std::slice::from_ref(row)).unwrap().remove(0);
                if matches!(placement, Placement::Cpu(_)) {
                    assert_eq!(alone.states, output.states, "{name}, layer {layer}");
                }
                assert!(!output.logits.is_empty());
            }
        }
    }
}
