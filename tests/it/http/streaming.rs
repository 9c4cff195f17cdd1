//! Streaming responses as JSON lines.

use axum::http::header;
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{Running, start};

/// Returns the parsed lines of a response.
async fn lines(service: &Running, body: Value) -> Vec<Value> {
    let headers = [("accept", "application/x-ndjson"), ("accept-encoding", "gzip, zstd")];
    let reply = service.request("POST", "/explain", &headers, body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/x-ndjson");
    assert_eq!(reply.headers.get(header::CONTENT_ENCODING), None, "compression would delay lines");
    assert!(reply.headers.get_all(header::VARY).iter().any(|value| value == "accept"));
    let text = String::from_utf8(reply.body).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Returns the results in the order of the inputs, and the last line.
fn sorted(mut lines: Vec<Value>) -> (Vec<Value>, Value) {
    let end = lines.pop().unwrap();
    lines.sort_by_key(|line| line["index"].as_u64().unwrap());
    (lines, end)
}

#[tokio::test]
async fn each_input_has_a_line_and_the_last_line_has_model_and_usage() {
    let service = start().await;
    let body = json!({
        "inputs": [GREAT, {"text": "So so.", "id": "second"}, "Bad."],
        "methods": ["saliency", "occlusion"], "target": "all",
    });
    let (results, end) = sorted(lines(&service, body.clone()).await);
    let whole = service.explain(body).await;
    assert_eq!(end["model"], whole["model"]);
    for count in ["tokens", "forward_rows", "gradient_rows"] {
        assert_eq!(end["usage"][count], whole["usage"][count], "{count}");
    }
    assert_eq!(results.len(), 3);
    for (index, mut result) in results.into_iter().enumerate() {
        assert_eq!(result["index"], index);
        result.as_object_mut().unwrap().remove("index");
        assert_eq!(result, whole["results"][index]);
    }
}

#[tokio::test]
async fn a_failed_input_has_a_line() {
    let service = start().await;
    let endless = "good ".repeat(400);
    let inputs = json!([GREAT, {"text": "", "id": "empty"}, endless]);
    let body = json!({"inputs": inputs, "methods": ["saliency"], "attention": false});
    let (results, _) = sorted(lines(&service, body).await);
    assert_eq!(results[0]["predictions"][0]["label"], "POSITIVE");
    assert_eq!(
        (&results[1]["id"], &results[1]["error"]["code"]),
        (&json!("empty"), &json!("input_empty"))
    );
    assert_eq!(results[2]["error"]["code"], "input_too_long");
    assert_eq!(results[2]["error"]["pointer"], "/inputs/2");
    // An error before the first line is the response of the whole request.
    let accept = [("accept", "application/x-ndjson")];
    let alone = service.request("POST", "/explain", &accept, json!({"inputs": ""})).await;
    alone.problem(422, "input_empty");
    let unknown = json!({"inputs": GREAT, "methods": ["magic"]});
    let reply = service.request("POST", "/explain", &accept, unknown).await;
    reply.problem(422, "method_not_supported");
}

#[tokio::test]
async fn a_single_input_has_progress_lines() {
    let service = start().await;
    let body = json!({
        "inputs": {"text": GREAT, "spans": [[0, 4]]}, "target": "all", "attention": false,
        "methods": ["integrated_gradients", {"name": "lime", "max_evals": 50, "tolerance": 0}],
    });
    let lines = lines(&service, body).await;
    let shape = |line: &Value| (line["progress"].is_object(), line["usage"].is_object());
    let shapes: Vec<(bool, bool)> = lines.iter().map(shape).collect();
    let [progress @ .., (false, false), (false, true)] = &shapes[..] else {
        panic!("expected progress lines, the result, then the end: {shapes:?}")
    };
    assert!(!progress.is_empty() && progress.iter().all(|(progress, _)| *progress));
    let (progress, rest): (Vec<&Value>, Vec<&Value>) =
        lines.iter().partition(|line| line["progress"].is_object());
    let [result, _] = rest[..] else { panic!("one result and the end: {rest:?}") };
    let length = |list: &Value| list.as_array().map(Vec::len);
    for method in ["integrated_gradients", "lime"] {
        let mut before = 0;
        for line in progress.iter().filter(|line| line["progress"]["method"] == method) {
            let (progress, done) = (&line["progress"], line["progress"]["done"].as_u64().unwrap());
            assert_eq!(line["index"], 0);
            assert!(before < done && done <= progress["of"].as_u64().unwrap(), "{progress}");
            before = done;
            let targets = progress["explanations"].as_array().unwrap();
            assert_eq!(targets.len(), 2);
            for (target, label) in targets.iter().zip([0, 1]) {
                assert_eq!(target["target"]["index"], label);
                let scores = &target["attributions"];
                assert_eq!(length(&scores["token"]), length(&result["tokens"]));
                assert_eq!(length(&scores["word"]), length(&result["words"]));
                assert_eq!(length(&scores["span"]), Some(1));
            }
        }
        assert!(before > 0, "{method} has no progress");
    }
}

#[tokio::test]
async fn several_inputs_have_no_progress_lines() {
    let methods = json!(["integrated_gradients"]);
    let body = json!({"inputs": [GREAT, "Bad."], "methods": methods, "attention": false});
    let lines = lines(&start().await, body).await;
    assert_eq!(lines.len(), 3);
}
