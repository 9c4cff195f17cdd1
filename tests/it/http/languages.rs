//! The English and Chinese built-in models, words, sentences and spans.

use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{start, start_with, untimed};

#[tokio::test]
async fn chinese_is_segmented_into_words() {
    let service = start().await;
    for model in ["sentiment-zh", "auto"] {
        let answer = service.explain(json!({"inputs": "这部电影真的很棒", "model": model})).await;
        assert_eq!(answer["model"]["id"], "sentiment-zh");
        let result = &answer["results"][0];
        assert_eq!(result["predictions"][0]["label"], "POSITIVE");
        let words = result["words"].as_array().unwrap();
        let words: Vec<&str> = words.iter().map(|word| word["text"].as_str().unwrap()).collect();
        assert_eq!(words, ["这部", "电影", "真的", "很", "棒"]);
        let scores = result["explanations"][0]["attributions"]["word"].as_array().unwrap();
        let mut order: Vec<usize> = (0..words.len()).collect();
        order.sort_by(|&a, &b| scores[b].as_f64().unwrap().total_cmp(&scores[a].as_f64().unwrap()));
        assert_eq!((words[order[0]], words[order[1]]), ("棒", "很"));
    }
}

#[tokio::test]
async fn auto_selects_the_model_by_script() {
    let service = start().await;
    let answer = service.explain(json!({"inputs": [GREAT, "Bad."], "model": "auto"})).await;
    assert_eq!(answer["model"]["id"], "sentiment-en");
    let mixed = json!({"inputs": [GREAT, {"text": "质量很差"}], "model": "auto"});
    let problem = service.post("/explain", mixed).await.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], "/inputs/1/text");
    let neither = json!({"inputs": "Привет", "model": "auto"});
    let problem = service.post("/explain", neither).await.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], "/model");
    let mut config = untimed();
    config.models.retain(|model| model.id == "sentiment-en");
    let service = start_with(&config).await;
    let chinese = json!({"inputs": "质量很差", "model": "auto"});
    service.post("/explain", chinese).await.problem(404, "model_not_found");
}

#[tokio::test]
async fn sentences_and_spans_are_scored() {
    let service = start().await;
    let text = "The food was great. The room was dirty!";
    let answer = service
        .explain(json!({"inputs": text, "granularity": ["word", "sentence"],
                        "spans": [[20, 39], [4, 8], [13, 16]]}))
        .await;
    let result = &answer["results"][0];
    let texts = |name: &str| -> Vec<String> {
        let list = result[name].as_array().unwrap().iter();
        list.map(|unit| unit["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts("sentences"), ["The food was great.", "The room was dirty!"]);
    assert_eq!(texts("spans"), ["The room was dirty!", "food", "great"]);
    assert_eq!(result["spans"][2]["rounded"], true);
    assert_eq!(result["spans"][1]["rounded"], false);
    let scores = &result["explanations"][0]["attributions"];
    let sum = |name: &str, range: std::ops::Range<usize>| -> f64 {
        let list = scores[name].as_array().unwrap();
        list[range].iter().map(|score| score.as_f64().unwrap()).sum()
    };
    assert!((sum("word", 0..5) - sum("sentence", 0..1)).abs() < 1e-5);
    assert!((sum("word", 5..10) - sum("span", 0..1)).abs() < 1e-5);
    assert!((sum("word", 3..4) - sum("span", 2..3)).abs() < 1e-6);
    for (spans, pointer) in [
        (json!([[0, 4], [3, 8]]), "/spans/1"),
        (json!([[0, 99]]), "/spans/0"),
        (json!([[5, 5]]), "/spans/0"),
        (json!([[-1, 5]]), "/spans/0/0"),
        (json!([[1, 2, 3]]), "/spans/0"),
    ] {
        let body = json!({"inputs": text, "spans": spans});
        let problem = service.post("/explain", &body).await.problem(422, "invalid_field");
        assert_eq!(problem["pointer"], pointer, "{body}");
    }
    let list =
        json!({"inputs": [{"text": text, "spans": [[0, 3]]}, {"text": text, "spans": [[9, 1]]}]});
    let results = service.explain(list).await["results"].clone();
    assert_eq!(results[0]["spans"][0]["text"], "The");
    assert_eq!(results[1]["error"]["pointer"], "/inputs/1/spans/0");
    let both = json!({"inputs": [text], "spans": [[0, 3]]});
    service.post("/explain", both).await.problem(422, "invalid_field");
}

/// Concurrent requests to both models have the same responses as sequential ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_requests_to_different_models() {
    // Long time limits, so that no request is rejected on a slow machine.
    let service = start_with(&untimed()).await;
    let cases = [
        ("sentiment-en", GREAT),
        ("sentiment-zh", "这部电影真的很棒"),
        ("sentiment-en", "The plot is not good."),
        ("sentiment-zh", "太难吃了，再也不买了"),
        ("sentiment-zh", "Not bad 不错"),
        ("sentiment-en", "no"),
    ];
    let body = |(model, text): (&str, &str)| {
        json!({"model": model, "inputs": text, "target": "all",
               "methods": ["saliency", {"name": "integrated_gradients", "n_steps": 6}]})
    };
    let mut alone = Vec::new();
    for case in cases {
        alone.push(service.explain(body(case)).await);
    }
    let requests = (0..60).map(|i| service.explain(body(cases[i % cases.len()])));
    for (i, answer) in futures_util::future::join_all(requests).await.into_iter().enumerate() {
        let expected = &alone[i % cases.len()];
        assert_eq!(answer["model"], expected["model"]);
        close(&answer["results"], &expected["results"]);
    }
}

/// Asserts that two responses are the same up to rounding.
fn close(a: &Value, b: &Value) {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| close(a, b));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()));
            a.values().zip(b.values()).for_each(|(a, b)| close(a, b));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-4 * (1. + b.abs()), "{a} is not {b}");
        }
        _ => assert_eq!(a, b),
    }
}
