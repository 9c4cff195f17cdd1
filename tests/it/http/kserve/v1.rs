//! KServe's V1 protocol.

use axum::http::header::ALLOW;
use serde_json::{Value, json};

use crate::http::{GREAT, serving};
use crate::support::service::{start, start_with, unready, untimed};

const PREDICT: &str = "/v1/models/sentiment-en:predict";
const EXPLAIN: &str = "/v1/models/sentiment-en:explain";

#[tokio::test]
async fn predictions_and_explanations_are_those_of_the_service() {
    let service = start().await;
    let inputs = json!([GREAT, {"text": "Terrible.", "id": 7}]);
    let predicted = service.post(PREDICT, json!({"instances": inputs})).await;
    assert_eq!(predicted.status, 200);
    let own = service.post("/predict", json!({"inputs": inputs})).await.json();
    assert_eq!(predicted.json(), json!({"predictions": own["results"]}));

    let options =
        json!({"methods": [{"name": "lime", "max_evals": 60}], "target": "NEGATIVE", "seed": 3});
    let explained =
        service.post(EXPLAIN, json!({"instances": inputs, "parameters": options})).await;
    assert_eq!(explained.status, 200);
    let mut body = options.clone();
    body["inputs"] = inputs;
    let own = service.explain(body).await;
    assert_eq!(explained.json(), json!({"explanations": own["results"]}));
}

#[tokio::test]
async fn models_are_listed_and_ready() {
    let service = start().await;
    let models = service.get("/v1/models").await.json();
    assert_eq!(models, json!({"models": ["sentiment-en", "sentiment-zh"]}));
    let ready = service.get("/v1/models/sentiment-zh").await.json();
    assert_eq!(ready, json!({"name": "sentiment-zh", "ready": true}));
    service.get("/v1/models/other").await.problem(404, "model_not_found");
    service.service.retire();
    service.get("/v1/models/sentiment-en").await.problem(503, "draining");
    let loading = unready(&untimed());
    loading.get("/v1/models/sentiment-en").await.problem(503, "not_ready");
}

#[tokio::test]
async fn errors_point_into_the_body() {
    let service = start().await;
    let explain = async |body: Value| service.post(EXPLAIN, body).await;
    for (body, status, code, pointer) in [
        (json!({}), 422, "invalid_field", ""),
        (json!({"instances": GREAT}), 422, "invalid_field", "/instances"),
        (json!({"instances": []}), 422, "input_empty", "/instances"),
        (json!({"instances": [GREAT], "inputs": 1}), 422, "invalid_field", "/inputs"),
        (json!({"instances": [1]}), 422, "invalid_field", "/instances/0"),
        (
            json!({"instances": [{"text": GREAT, "spans": [[0, 1, 2]]}]}),
            422,
            "invalid_field",
            "/instances/0/spans/0",
        ),
        (json!({"instances": [""]}), 422, "input_empty", "/instances/0"),
        (
            json!({"instances": [GREAT], "parameters": {"model": "x"}}),
            422,
            "invalid_field",
            "/parameters/model",
        ),
        (
            json!({"instances": [GREAT], "parameters": {"color": 1}}),
            422,
            "invalid_field",
            "/parameters/color",
        ),
        (
            json!({"instances": [GREAT], "parameters": {"seed": "a"}}),
            422,
            "invalid_field",
            "/parameters/seed",
        ),
        (
            json!({"instances": [GREAT], "parameters": {"target": "X"}}),
            422,
            "target_not_found",
            "/parameters/target",
        ),
        (
            json!({"instances": [GREAT], "parameters": {"methods": ["x"]}}),
            422,
            "method_not_supported",
            "/parameters/methods/0",
        ),
    ] {
        let problem = explain(body.clone()).await.problem(status, code);
        assert_eq!(problem["pointer"].as_str().unwrap_or_default(), pointer, "{body}: {problem}");
    }
    let long = explain(json!({"instances": ["word ".repeat(300)]})).await;
    let long = long.problem(422, "input_too_long");
    assert!(long["detail"].as_str().unwrap().starts_with("instances[0] has"), "{long}");
    let some = explain(json!({"instances": [GREAT, ""]})).await;
    assert_eq!(some.status, 200);
    assert_eq!(some.json()["explanations"][1]["error"]["pointer"], "/instances/1");
    let all = explain(json!({"instances": ["", " "]})).await.problem(422, "input_empty");
    assert_eq!(all["errors"][0]["pointer"], "/instances/1");
    let unknown = service.post("/v1/models/x:explain", json!({"instances": [GREAT]})).await;
    let unknown = unknown.problem(404, "model_not_found");
    assert_eq!(unknown.get("pointer"), None);
}

#[tokio::test]
async fn each_verb_has_its_method() {
    let service = start().await;
    for (method, path, allow) in [
        ("POST", "/v1/models/sentiment-en", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/models/sentiment-en:train", "GET, HEAD, OPTIONS"),
        ("GET", PREDICT, "POST, OPTIONS"),
        ("PUT", EXPLAIN, "POST, OPTIONS"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
    ] {
        let reply = service.request(method, path, &[], "{}").await;
        reply.problem(405, "method_not_allowed");
        assert_eq!(reply.headers[ALLOW], allow, "{method} {path}");
    }
    let asked = service.request("OPTIONS", PREDICT, &[], "").await;
    assert_eq!(
        (asked.status.as_u16(), &asked.headers[ALLOW]),
        (204, &"POST, OPTIONS".parse().unwrap())
    );
}

#[tokio::test]
async fn repeated_requests_are_cached() {
    let mut config = untimed();
    config.cache.mebibytes = 1;
    let service = start_with(&config).await;
    let status = async |path: &str, body: Value| {
        service.post(path, body).await.headers["cache-status"].to_str().unwrap().to_owned()
    };
    let body = json!({"instances": [GREAT]});
    assert!(status(PREDICT, body.clone()).await.contains("miss"));
    assert!(status(PREDICT, body.clone()).await.contains("hit"));
    assert!(status(EXPLAIN, body).await.contains("miss"));
}

#[tokio::test]
async fn a_colon_in_a_text_is_no_verb() {
    let tokens = serving("bert-tokens").await;
    let path = "/v1/models/bert-tokens:predict";
    let reply = tokens.post(path, json!({"instances": ["the castle: predict"]})).await;
    assert_eq!(reply.status, 200);
    assert!(reply.json()["predictions"][0]["entities"].is_array());
}
