//! POST /rules: anchors and surrogate trees.

use std::collections::HashMap;
use std::time::Duration;

use explaind::config::ModelEntry;
use explaind::evidence::cart::{self, Node, Observation, Size};
use serde_json::{Value, json};

use super::{GREAT, serving, with};
use crate::support::service::{Running, start, start_single_threaded, start_with, untimed};
use crate::support::{Held, PausedClock, golden_folder};

async fn answered(service: &Running, body: &Value) -> Value {
    let reply = service.post("/rules", body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

/// Returns the predicted label of each text.
async fn labels(service: &Running, model: Option<&str>, texts: &[String]) -> Vec<String> {
    let mut labels = Vec::new();
    for texts in texts.chunks(64) {
        let mut body = json!({"inputs": texts});
        if let Some(model) = model {
            body["model"] = json!(model);
        }
        let answer = service.post("/predict", body).await.json();
        let results = answer["results"].as_array().expect("results");
        let label = |result: &Value| result["predictions"][0]["label"].as_str().unwrap().to_owned();
        labels.extend(results.iter().map(label));
    }
    labels
}

/// Joins the words into a text, with absent words masked.
fn masked(words: &[&str], present: impl Fn(usize) -> bool) -> String {
    let piece = |word: usize| if present(word) { words[word] } else { "[MASK]" };
    (0..words.len()).map(piece).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn an_anchor_matches_an_exhaustive_search() {
    let service = start().await;
    // Each word is a single token, so one [MASK] replaces one word.
    for text in ["the plot is not good", "a great and funny film", "great film", "bad"] {
        let answer = answered(&service, &json!({"inputs": text, "model": "sentiment-en"})).await;
        let result = &answer["results"][0];
        let rule = &result["rules"][0];
        assert_eq!(rule["kind"], "anchor");
        assert_eq!(rule["then"], result["prediction"]["label"]);
        let words: Vec<&str> = text.split(' ').collect();
        let texts: Vec<String> = (0..1_usize << words.len())
            .map(|bits| masked(&words, |word| bits >> word & 1 == 1))
            .collect();
        let kept: Vec<bool> = labels(&service, None, &texts)
            .await
            .iter()
            .map(|label| rule["then"] == json!(label))
            .collect();
        let precision = |held: usize| {
            let own: Vec<usize> = (0..texts.len()).filter(|bits| bits & held == held).collect();
            own.iter().filter(|&&bits| kept[bits]).count() as f64 / own.len() as f64
        };
        let anchor: Vec<&str> =
            rule["if"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let held = words.iter().enumerate().filter(|(_, word)| anchor.contains(word));
        let held = held.fold(0, |held, (index, _)| held | 1 << index);
        assert_eq!(rule["exact"], true, "{text}");
        let own = rule["precision"].as_f64().unwrap();
        assert!((own - precision(held)).abs() < 1e-6, "{text}: {own} is not {}", precision(held));
        assert_eq!(rule["met"], true);
        // No smaller set of words reaches the precision.
        let size = held.count_ones();
        let smaller = (0..texts.len()).filter(|set| set.count_ones() < size);
        for set in smaller {
            assert!(precision(set) < 0.95, "{text}: {set:b} does as well as {held:b}");
        }
        let coverage = rule["coverage"].as_f64().unwrap();
        assert!((coverage - 0.5_f64.powi(size as i32)).abs() < 0.02, "{coverage}");
    }
}

#[tokio::test]
async fn labels_of_examples_match_predictions() {
    let service = start().await;
    let text = "the acting is wooden and the plot is silly , but the music is quite good .";
    let body = json!({"inputs": text, "model": "sentiment-en"});
    let rule = answered(&service, &body).await["results"][0]["rules"][0].clone();
    let (low, high) = (
        rule["precision_bounds"][0].as_f64().unwrap(),
        rule["precision_bounds"][1].as_f64().unwrap(),
    );
    let precision = rule["precision"].as_f64().unwrap();
    assert!(low <= precision && precision <= high && low > 0. && high <= 1.);
    for list in ["fits", "breaks"] {
        let examples = rule[list].as_array().unwrap();
        let texts: Vec<String> =
            examples.iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect();
        let expected: Vec<&str> =
            examples.iter().map(|one| one["label"].as_str().unwrap()).collect();
        assert_eq!(labels(&service, None, &texts).await, expected);
        for text in &texts {
            let there = |word: &Value| text.contains(word.as_str().unwrap());
            assert!(rule["if"].as_array().unwrap().iter().all(there), "{text}");
        }
        assert!(expected.iter().all(|label| (rule["then"] == json!(label)) == (list == "fits")));
    }
    let again = answered(&service, &body).await;
    assert_eq!(again["results"][0]["rules"][0], rule, "the same seed gives the same answer");
}

#[tokio::test]
async fn a_tree_matches_the_model() {
    let service = start().await;
    let body = json!({"inputs": "The plot is not good.", "kind": "tree", "model": "sentiment-en"});
    let answer = answered(&service, &body).await;
    let tree = &answer["results"][0]["rules"][0];
    assert_eq!(tree["kind"], "tree");
    let paths = tree["paths"].as_array().unwrap();
    let shares: f64 = paths.iter().map(|path| path["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.).abs() < 1e-5);
    let fidelity = tree["fidelity"].as_f64().unwrap();
    assert!(fidelity >= tree["majority_fidelity"].as_f64().unwrap() && fidelity > 0.9, "{tree}");
    // Exactly one path matches the input itself, and it has the input's label.
    let own: Vec<&Value> = paths
        .iter()
        .filter(|path| path["if"].as_array().unwrap().iter().all(|one| one["present"] == true))
        .collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["then"], answer["results"][0]["prediction"]["label"]);
    for path in paths {
        let condition = |one: &Value| match one["present"].as_bool().unwrap() {
            true => one["word"].as_str().unwrap().to_owned(),
            false => format!("NOT {}", one["word"].as_str().unwrap()),
        };
        let all: Vec<String> = path["if"].as_array().unwrap().iter().map(condition).collect();
        let rule = format!("{} → {}", all.join(" AND "), path["then"].as_str().unwrap());
        assert!(all.is_empty() || path["rule"] == json!(rule));
    }
}

/// Parses a tree from its JSON form.
fn parse_tree(tree: &Value) -> Node {
    match tree.as_array() {
        Some(weights) => Node::Leaf(weights.iter().map(|one| one.as_f64().unwrap()).collect()),
        None => Node::Split {
            feature: tree["feature"].as_u64().unwrap() as usize,
            absent: Box::new(parse_tree(&tree["absent"])),
            present: Box::new(parse_tree(&tree["present"])),
        },
    }
}

fn same(ours: &Node, theirs: &Node) -> bool {
    match (ours, theirs) {
        (Node::Leaf(a), Node::Leaf(b)) => a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6),
        (
            Node::Split { feature: a, absent: a0, present: a1 },
            Node::Split { feature: b, absent: b0, present: b1 },
        ) => a == b && same(a0, b0) && same(a1, b1),
        _ => false,
    }
}

#[test]
fn trees_match_scikit_learn() {
    let path = golden_folder("trees.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for case in &cases {
        let list = |name: &str| case[name].as_array().unwrap().clone();
        let observations: Vec<Observation> = list("present")
            .iter()
            .zip(list("class"))
            .zip(list("weight"))
            .map(|((present, class), weight)| Observation {
                present: present.as_array().unwrap().iter().map(|one| *one == 1).collect(),
                class: class.as_u64().unwrap() as usize,
                weight: weight.as_f64().unwrap(),
            })
            .collect();
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let all: Vec<&Observation> = observations.iter().collect();
        let size = Size { depth: number("depth"), leaf: number("leaf") };
        let tree = cart::grow(&all, number("classes"), size);
        assert!(same(&tree, &parse_tree(&case["tree"])), "{tree:?}\n{}", case["tree"]);
        let simple = tree.clone().simplified();
        for (observation, class) in observations.iter().zip(list("predicted")) {
            let class = class.as_u64().unwrap() as usize;
            assert_eq!(tree.class(&observation.present), class);
            assert_eq!(simple.class(&observation.present), class);
        }
    }
}

#[tokio::test]
async fn absent_words_can_be_dropped_or_filled() {
    let service = start().await;
    let drop = json!({"inputs": "a great and funny film", "fill": "drop", "model": "sentiment-en"});
    let rule = answered(&service, &drop).await["results"][0]["rules"][0].clone();
    assert!(
        rule["fits"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| !one["text"].as_str().unwrap().contains("[MASK]"))
    );
    let refused = service.post("/rules", with(&drop, &json!({"fill": {"model": "sentiment-zh"}})));
    let problem = refused.await.problem(422, "method_not_supported");
    assert_eq!(problem["pointer"], "/fill/model");
}

/// The filler is a tiny model with random weights, so the test checks only that the labels of its
/// texts match predictions.
#[tokio::test]
async fn a_masked_language_model_can_fill_absent_words() {
    let filler = ModelEntry::new("filler", golden_folder("bert-mlm").display().to_string());
    let mut config = untimed();
    config.models.push(filler);
    let service = start_with(&config).await;
    let body = json!({
        "inputs": "the movie is good", "model": "sentiment-en", "fill": {"model": "filler"},
        "max_rows": 1000,
    });
    let rule = answered(&service, &body).await["results"][0]["rules"][0].clone();
    assert_eq!(rule["exact"], false);
    for list in ["fits", "breaks"] {
        for example in rule[list].as_array().unwrap() {
            let text = example["text"].as_str().unwrap().to_owned();
            assert!(!text.contains("[MASK]"));
            let there = |word: &Value| text.contains(word.as_str().unwrap());
            assert!(rule["if"].as_array().unwrap().iter().all(there), "{text}");
            assert_eq!(
                json!(labels(&service, Some("sentiment-en"), &[text]).await[0]),
                example["label"]
            );
        }
    }
    let again = answered(&service, &body).await;
    assert_eq!(again["results"][0]["rules"][0], rule);
    let body = json!({
        "inputs": "the movie is good", "model": "sentiment-en", "fill": {"model": "filler"},
    });
    let flips = service.post("/counterfactuals", &body).await;
    assert_eq!(flips.status, 200, "{}", String::from_utf8_lossy(&flips.body));
}

#[tokio::test]
async fn invalid_fields_are_rejected_with_a_pointer() {
    let service = start().await;
    let body = json!({"inputs": GREAT});
    for (fields, code, pointer) in [
        (json!({"precision": 0.3}), "invalid_field", "/precision"),
        (json!({"kind": "list"}), "invalid_field", "/kind"),
        (json!({"kind": "tree", "precision": 0.9}), "invalid_field", "/precision"),
        (json!({"n_samples": 100}), "invalid_field", "/n_samples"),
        (json!({"max_rows": 1}), "invalid_field", "/max_rows"),
        (json!({"fill": "pad"}), "invalid_field", "/fill"),
        (json!({"anchor": 1}), "invalid_field", "/anchor"),
        (json!({"inputs": " "}), "input_empty", "/inputs"),
    ] {
        let request = with(&body, &fields);
        for route in ["/rules", "/estimate/rules"] {
            let problem = service.post(route, &request).await.problem(422, code);
            assert_eq!(problem["pointer"], pointer, "{request}");
        }
    }
    let service = serving("bert-tokens").await;
    let problem = service.post("/rules", &body).await.problem(422, "method_not_supported");
    assert_eq!(problem["pointer"], "/model");
}

#[tokio::test]
async fn an_estimate_is_an_upper_bound_of_the_usage() {
    let service = start().await;
    for fields in [json!({}), json!({"kind": "tree"}), json!({"order": "text"})] {
        let body = with(
            &json!({"inputs": [GREAT, "The plot is not good, and the end is silly."]}),
            &fields,
        );
        let price = service.post("/estimate/rules", &body).await.json();
        let usage = answered(&service, &body).await["usage"].clone();
        for rows in ["forward_rows", "gradient_rows"] {
            assert!(usage[rows].as_u64() <= price[rows].as_u64(), "{rows}: {usage} of {price}");
        }
    }
}

#[tokio::test]
async fn an_invalid_input_does_not_affect_the_others() {
    let service = start().await;
    let answer = answered(&service, &json!({"inputs": ["", GREAT]})).await;
    assert_eq!(answer["results"][0]["error"]["code"], "input_empty");
    assert_eq!(answer["results"][0]["error"]["pointer"], "/inputs/0");
    assert!(answer["results"][1]["rules"][0]["if"].is_array());
}

/// HTML pages show the rules, with escaped texts.
#[tokio::test]
async fn pages_hold_the_rule() {
    let service = start().await;
    let mut pages = HashMap::new();
    for kind in ["anchor", "tree"] {
        let body = json!({"inputs": "<b>great</b> film", "kind": kind, "model": "sentiment-en"});
        let reply = service.request("POST", "/rules", &[("accept", "text/html")], &body).await;
        assert_eq!(reply.status, 200);
        pages.insert(kind, String::from_utf8(reply.body).unwrap());
    }
    assert!(pages["anchor"].contains("POSITIVE") && !pages["anchor"].contains("<b>"));
    assert!(pages["tree"].contains("Surrogate tree"));
}

/// If the time limit is reached, the response has the best result so far, with `finished: false`.
#[tokio::test]
async fn partial_results_are_returned_at_the_time_limit() {
    let service = start_single_threaded().await;
    let clock = PausedClock::new();
    let text = "a wolf in a film is a very fine thing to see , they say";
    for (route, fields, free) in [
        ("/rules", json!({}), 8),
        // Enough rows for a small tree to be trained.
        ("/rules", json!({"kind": "tree"}), 14),
        ("/counterfactuals", json!({"max_edits": 12}), 8),
    ] {
        let held = Held::after(free, "wolf");
        let body =
            with(&json!({"inputs": text, "budget_ms": 1_000, "model": "sentiment-en"}), &fields);
        let request = service.post(route, &body);
        let reply = held.advance_while_held(&clock, Duration::from_millis(900), request).await;
        held.open();
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let result = reply.json()["results"][0].clone();
        assert_eq!(result["finished"], false, "{result}");
    }
}
