//! Scores of pairs of words.

use serde_json::{Value, json};

use super::{GREAT, serving};
use crate::support::service::start;

const PAIR: [&str; 2] = ["a really good movie", "it was great"];

fn body() -> Value {
    let [text, text_pair] = PAIR;
    let inputs = json!({"text": text, "text_pair": text_pair});
    json!({"inputs": inputs, "methods": ["pair_interactions"]})
}

fn explanations(answer: &Value) -> &[Value] {
    answer["results"][0]["explanations"].as_array().unwrap()
}

#[tokio::test]
async fn interactions_have_units_and_standard_errors() {
    let service = start().await;
    let body = json!({"inputs": GREAT, "methods": ["shapley_interactions"]});
    let answer = service.explain(body).await;
    let one = &explanations(&answer)[0];
    let words = answer["results"][0]["words"].as_array().unwrap().len();
    assert_eq!(one["interactions"]["unit"], "word");
    let pairs = one["interactions"]["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), words * (words - 1) / 2);
    let number = |value: &Value| value.as_f64().unwrap();
    let magnitude = |pair: &Value| number(&pair["score"]).abs();
    assert!(pairs.is_sorted_by(|a, b| magnitude(a) >= magnitude(b)));
    let main: f64 = one["attributions"]["word"].as_array().unwrap().iter().map(number).sum();
    let both: f64 = pairs.iter().map(|pair| number(&pair["score"])).sum();
    let change = number(&one["output_value"]) - number(&one["baseline_value"]);
    assert!((main + both - change).abs() < 1e-4, "{main} and {both} are not {change}");
    assert_eq!(one["converged"], true);
    assert!(pairs.iter().all(|pair| pair["standard_error"] == 0.));
}

/// Sentences are shown if pairs refer to them.
#[tokio::test]
async fn pairs_of_sentences_come_with_the_sentences() {
    let service = start().await;
    let text = "The plot is thin. The cast is great. I liked it.";
    let method = json!({"name": "shapley_interactions", "unit": "sentence"});
    let answer = service.explain(json!({"inputs": text, "methods": [method]})).await;
    assert_eq!(explanations(&answer)[0]["interactions"]["pairs"].as_array().unwrap().len(), 3);
    assert_eq!(answer["results"][0]["sentences"].as_array().unwrap().len(), 3);
}

/// A row for each word, not one for each pair, if the texts are embedded separately.
#[tokio::test]
async fn separate_texts_need_a_row_per_word() {
    let service = serving("bert-embed").await;
    let answer = service.explain(body()).await;
    let [first, second] = explanations(&answer) else { panic!("one per text") };
    assert_eq!(first["interactions"]["shape"], json!([4, 3]));
    assert_eq!(first["interactions"], second["interactions"]);
    assert_eq!(answer["usage"]["forward_rows"], 4 + 3 + 2);
    let estimate = service.post("/estimate", body()).await.json();
    assert!(estimate["forward_rows"].as_u64() >= Some(4 + 3 + 2), "{estimate}");
    // Each text's own scores, and zeros for the other.
    let scores = |one: &Value| {
        let words = one["attributions"]["word"].as_array().unwrap();
        words.iter().map(|score| *score != json!(0.)).collect::<Vec<_>>()
    };
    assert_eq!(scores(first), [true, true, true, true, false, false, false]);
    assert_eq!(scores(second), [false, false, false, false, true, true, true]);
}

#[tokio::test]
async fn texts_that_are_read_together_need_a_row_per_pair() {
    let service = serving("bert-nsp").await;
    let answer = service.explain(body()).await;
    let one = &explanations(&answer)[0];
    assert_eq!(one["interactions"]["shape"], json!([4, 3]));
    assert_eq!(answer["usage"]["forward_rows"], 4 * 3 + 4 + 3 + 1);
    let estimate = service.post("/estimate", body()).await.json();
    assert!(estimate["forward_rows"].as_u64() >= answer["usage"]["forward_rows"].as_u64());
    let mut sentences = body();
    sentences["methods"] = json!([{"name": "pair_interactions", "unit": "sentence"}]);
    let by_sentence = service.post("/estimate", sentences).await.json();
    let rows = |estimate: &Value| estimate["forward_rows"].as_u64().unwrap();
    assert_eq!(rows(&estimate) - rows(&by_sentence), 4 * 3 - 1, "a single pair of sentences");
    let page = service.render("text/html", body()).await;
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("Strongest pairs") && page.contains("first text by second"));
}

#[tokio::test]
async fn impossible_requests_say_what_to_change() {
    let service = start().await;
    let window = json!({"stride": 20});
    let span = json!({"name": "pair_interactions", "unit": "span"});
    for (body, word) in [
        (json!({"inputs": GREAT, "methods": ["pair_interactions"]}), "text_pair"),
        (json!({"inputs": GREAT, "methods": ["shapley_interactions"], "window": window}), "window"),
        (json!({"inputs": body()["inputs"], "methods": [span]}), "token, word or sentence"),
    ] {
        let reply = service.post("/explain", &body).await;
        let problem = reply.problem(422, "invalid_field");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
        let pointer = problem["pointer"].as_str().unwrap();
        assert!(pointer.starts_with("/methods/0"), "{problem}");
    }
}
