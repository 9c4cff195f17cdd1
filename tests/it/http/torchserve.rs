//! Routes for clients of TorchServe. The expected numbers are those of its handler for
//! transformers, computed with Captum 0.9 and transformers 5.24 (scripts/migrating-test).

use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::{GREAT, numbers, serving};
use crate::support::service::{Reply, Running, start};

/// Sends a body with this media type; with none for `""`.
async fn post(service: &Running, path: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let mut request = Request::post(path);
    if !media_type.is_empty() {
        request = request.header(CONTENT_TYPE, media_type);
    }
    service.send(request.body(Body::from(body.into())).unwrap()).await
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

/// The result of POST /predict for the same input.
async fn predicted(service: &Running, input: Value) -> Value {
    service.post("/predict", json!({"inputs": input})).await.json()["results"][0].clone()
}

#[tokio::test]
async fn explanations_are_those_of_the_handler() {
    let service = start().await;
    let positive = [0., 0.303671, 0.014939, 0.198604, 0.165531, 0.914618, 0.064738, 0.];
    let negative = [0., -0.316146, -0.041792, -0.210499, -0.187727, -0.901019, -0.083178, 0.];
    for (target, expected) in
        [(json!(1), positive), (json!("NEGATIVE"), negative), (Value::Null, positive)]
    {
        let body = json!({"text": GREAT, "target": target}).to_string();
        let reply = post(&service, "/explanations/sentiment-en", "application/json", body).await;
        assert_eq!(reply.status, 200, "{}", text(&reply));
        let answer = reply.json();
        let words = ["[CLS]", "this", "movie", "is", "really", "great", ".", "[SEP]"];
        assert_eq!(answer["words"], json!(words));
        for (ours, theirs) in numbers(&answer["importances"]).iter().zip(expected) {
            assert!((ours - theirs).abs() < 2e-6, "{ours} {theirs}");
        }
        assert!(answer["delta"].as_f64().unwrap().abs() < 1e-5);
    }
}

#[tokio::test]
async fn bodies_are_json_or_the_text() {
    let service = start().await;
    let json = json!({"text": GREAT}).to_string();
    let path = "/predictions/sentiment-en";
    for (media_type, body) in [
        ("application/json", json.as_str()),
        ("application/octet-stream", &json),
        ("", &json),
        ("", GREAT),
        ("text/plain; charset=utf-8", GREAT),
    ] {
        let reply = post(&service, path, media_type, body).await;
        assert_eq!((reply.status.as_u16(), text(&reply).as_str()), (200, "POSITIVE"), "{body}");
        assert_eq!(reply.headers[CONTENT_TYPE], "text/plain; charset=utf-8");
    }
    // A text may look like JSON.
    let braces = post(&service, path, "text/plain", "{terrible}").await;
    assert_eq!(text(&braces), "NEGATIVE");
    post(&service, path, "", "{terrible}").await.problem(400, "invalid_json");
    post(&service, path, "", [0xff]).await.problem(400, "bad_request");
    let form = post(&service, path, "application/x-www-form-urlencoded", "data=Great").await;
    form.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn problems_name_the_field() {
    let service = start().await;
    let explain = async |body: Value| {
        post(&service, "/explanations/sentiment-en", "application/json", body.to_string()).await
    };
    let pointer = |problem: Value| problem["pointer"].as_str().unwrap_or_default().to_owned();
    let unknown = explain(json!({"text": GREAT, "instances": []})).await;
    assert_eq!(pointer(unknown.problem(422, "invalid_field")), "/instances");
    let missing = explain(json!({"text": GREAT, "target": 2})).await;
    assert_eq!(pointer(missing.problem(422, "target_not_found")), "/target");
    let all = explain(json!({"text": GREAT, "target": "all"})).await;
    assert_eq!(pointer(all.problem(422, "invalid_field")), "/target");
    let long = json!({"text": "word ".repeat(300)});
    assert_eq!(pointer(explain(long.clone()).await.problem(422, "input_too_long")), "/text");
    let mut cut = long;
    cut["truncate"] = json!(true);
    assert_eq!(explain(cut).await.status, 200);
    explain(json!({"text": ""})).await.problem(422, "input_empty");
    post(&service, "/explanations/nothing", "", GREAT).await.problem(404, "model_not_found");
}

#[tokio::test]
async fn other_tasks_have_the_predictions_of_the_handler() {
    let tokens = serving("bert-tokens").await;
    let reply = post(&tokens, "/predictions/bert-tokens", "", "the castle").await;
    let expected = predicted(&tokens, json!("the castle")).await;
    let labels = expected["predictions"].as_array().unwrap();
    let labels: Vec<&Value> = labels.iter().map(|best_first| &best_first[0]["label"]).collect();
    let pairs = reply.json();
    let of_pairs: Vec<&Value> = pairs.as_array().unwrap().iter().map(|pair| &pair[1]).collect();
    assert_eq!(of_pairs, labels);
    assert_eq!(pairs[0][0], "[CLS]");
    let refused = post(&tokens, "/explanations/bert-tokens", "", "the castle").await;
    refused.problem(422, "method_not_supported");

    let answers = serving("bert-qa").await;
    let body = json!({"question": "where is it?", "context": "it is in the castle"}).to_string();
    let reply = post(&answers, "/predictions/bert-qa", "", body).await;
    let inputs = json!({"text": "where is it?", "text_pair": "it is in the castle"});
    let expected = predicted(&answers, inputs).await;
    assert_eq!(json!(text(&reply)), expected["answer"]["text"]);

    let masks = serving("bert-mlm").await;
    let refused = post(&masks, "/predictions/bert-mlm", "", "the [MASK]").await;
    refused.problem(422, "method_not_supported");
}

#[tokio::test]
async fn ping_is_readiness() {
    let service = start().await;
    assert_eq!(service.get("/ping").await.json(), json!({"status": "Healthy"}));
    service.service.retire();
    service.get("/ping").await.problem(503, "draining");
}
