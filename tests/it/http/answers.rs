//! Successful responses of /explain and /predict.

use serde_json::{Value, json};

use super::{GREAT, top_word};
use crate::support::service::start;

#[tokio::test]
async fn the_first_example() {
    let answer = start().await.explain(json!({"inputs": GREAT})).await;
    let result = &answer["results"][0];
    assert_eq!(result["predictions"][0]["label"], "POSITIVE");
    assert_eq!(top_word(&answer), "great");
    assert_eq!(answer["model"]["id"], "sentiment-en");
    assert!(answer["model"]["revision"].as_str().unwrap().starts_with("sha256:"));
    let words: Vec<&str> =
        result["words"].as_array().unwrap().iter().map(|w| w["text"].as_str().unwrap()).collect();
    assert_eq!(words, ["This", "movie", "is", "really", "great", "."]);
    let explanation = &result["explanations"][0];
    assert_eq!(explanation["method"], "integrated_gradients");
    assert_eq!(
        explanation["options"],
        json!({"layer": "word_embeddings", "baseline": "pad", "n_steps": "auto",
               "tolerance": 0.01, "max_steps": 135})
    );
    assert_eq!(explanation["target"], json!({"label": "POSITIVE", "index": 1}));
    assert_eq!(explanation["output_value"], result["predictions"][0]["logit"]);
    let number = |name: &str| explanation[name].as_f64().unwrap();
    let scores = explanation["attributions"]["token"].as_array().unwrap();
    let sum: f64 = scores.iter().map(|score| score.as_f64().unwrap()).sum();
    let change = number("output_value") - number("baseline_value");
    assert!((sum - change - number("convergence_delta")).abs() < 1e-5);
    assert_eq!(explanation["converged"], true);
    let tokens = result["tokens"].as_array().unwrap().len();
    let attention = &result["attention"];
    assert_eq!(attention["heads"], json!(["mean"]));
    assert_eq!(attention["shape"], json!([1, 1, tokens, tokens]));
    let n_steps = explanation["n_steps"].as_u64().unwrap();
    assert!([9, 17, 33].contains(&n_steps), "{n_steps}");
    // The first point of the path is the pass that predicts.
    assert_eq!(answer["usage"]["forward_rows"], 0);
    assert_eq!(answer["usage"]["gradient_rows"], n_steps);
}

#[tokio::test]
async fn simple_sentences_are_classified_correctly() {
    let service = start().await;
    for (text, label) in [
        (GREAT, "POSITIVE"),
        ("The food was terrible and the staff was rude.", "NEGATIVE"),
        ("The plot is not good.", "NEGATIVE"),
        ("I love this place, everything was wonderful!", "POSITIVE"),
    ] {
        let answer = service.explain(json!({"inputs": text})).await;
        assert_eq!(answer["results"][0]["predictions"][0]["label"], label, "{text}");
    }
}

#[tokio::test]
async fn truncation_is_reported() {
    let text = "good ".repeat(400);
    let answer = start()
        .await
        .explain(json!({"inputs": text, "truncate": true, "methods": ["saliency"]}))
        .await;
    assert_eq!(answer["results"][0]["truncated"], true);
    assert_eq!(answer["results"][0]["tokens"].as_array().unwrap().len(), 128);
    // 128 tokens, of which two are special.
    assert_eq!(answer["results"][0]["words"].as_array().unwrap().len(), 126);
}

#[tokio::test]
async fn targets_outputs_and_options() {
    let service = start().await;
    let answer = service
        .explain(json!({
            "inputs": GREAT, "target": "all", "output": "probability",
            "methods": ["saliency", {"name": "integrated_gradients", "n_steps": 5, "baseline": "mask"}],
        }))
        .await;
    let explanations = answer["results"][0]["explanations"].as_array().unwrap();
    let labels: Vec<&Value> = explanations.iter().map(|e| &e["target"]["label"]).collect();
    assert_eq!(labels, ["NEGATIVE", "POSITIVE", "NEGATIVE", "POSITIVE"]);
    assert!(explanations.iter().all(|e| e["output"] == "probability"));
    assert!(explanations[0].get("convergence_delta").is_none());
    let contrast = json!({"contrast": ["POSITIVE", 0]});
    let answer = service.explain(json!({"inputs": GREAT, "target": contrast})).await;
    let target = &answer["results"][0]["explanations"][0]["target"];
    assert_eq!(target["contrast"][1], json!({"label": "NEGATIVE", "index": 0}));
    let answer =
        service.explain(json!({"inputs": GREAT, "granularity": ["word"], "normalize": "l1"})).await;
    let scores = &answer["results"][0]["explanations"][0]["attributions"];
    assert!(scores.get("token").is_none());
    let sum: f64 =
        scores["word"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap().abs()).sum();
    assert!((sum - 1.).abs() < 1e-5);
}

#[tokio::test]
async fn attention_is_selected_by_layer_and_head() {
    let service = start().await;
    let info = service.get("/models/sentiment-en").await.json();
    let (layers, heads) = (info["layers"].as_u64().unwrap(), info["heads"].as_u64().unwrap());
    let ask = async |attention: Value| {
        let body = json!({"inputs": GREAT, "methods": [], "attention": attention});
        service.explain(body).await["results"][0]["attention"].clone()
    };
    let all = ask(json!(true)).await;
    assert_eq!(all["shape"][0], layers);
    assert_eq!(all["shape"][1], heads);
    let one = ask(json!({"layers": [0, -1], "heads": [-1]})).await;
    assert_eq!(one["layers"], json!([0, layers - 1]));
    assert_eq!(one["heads"], json!([heads - 1]));
    let last = heads as usize - 1;
    assert_eq!(one["weights"][0][0], all["weights"][0][last]);
    assert_eq!(ask(json!(false)).await, Value::Null);
    for bad in [json!({"layers": [9]}), json!({"heads": [-99]}), json!({"layers": [0, 0]})] {
        let body = json!({"inputs": GREAT, "attention": bad});
        service.post("/explain", body).await.problem(422, "invalid_field");
    }
}

#[tokio::test]
async fn predict_returns_only_predictions() {
    let service = start().await;
    let reply = service.post("/predict", json!({"inputs": [GREAT, ""]})).await;
    let answer = reply.json();
    assert_eq!(answer["results"][0]["predictions"][0]["label"], "POSITIVE");
    assert_eq!(answer["results"][1]["error"]["code"], "input_empty");
    let explained = service.explain(json!({"inputs": GREAT})).await;
    assert_eq!(answer["results"][0]["predictions"], explained["results"][0]["predictions"]);
    service
        .post("/predict", json!({"inputs": GREAT, "methods": []}))
        .await
        .problem(422, "invalid_field");
}
