//! Evidence in POST /explain, and the kinds of evidence in GET /methods.

use explaind::config::{Cache, Config};
use explaind::http;
use explaind::render::paint::Colours;
use explaind::render::terminal;
use serde_json::{Value, json};

use super::{GREAT, serving, with};
use crate::support::service::{Running, start, start_with, start_with_shared_corpora, untimed};

/// Returns the result of POST /examples without the fields that every result of /explain has.
async fn by_route(service: &Running, body: &Value) -> Vec<Value> {
    let reply = service.post("/examples", body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let mut results = reply.json()["results"].as_array().unwrap().clone();
    for result in &mut results {
        let fields = result.as_object_mut().unwrap();
        ["id", "prediction", "truncated"]
            .iter()
            .for_each(|name| drop(fields.remove(*name).unwrap()));
    }
    results
}

#[tokio::test]
async fn examples_are_those_of_their_route() {
    let service = start_with_shared_corpora();
    for (model, inputs) in [
        ("sentiment-en", json!([{"text": GREAT, "id": "x"}, "The food was not bad at all."])),
        ("sentiment-zh", json!(["这部电影真的很棒"])),
    ] {
        for options in [json!({}), json!({"k": 3, "similarity": "gradient"})] {
            let body = json!({"model": model, "inputs": inputs});
            let expected = by_route(&service, &with(&body, &options)).await;
            let evidence = json!({"methods": ["saliency"], "evidence": {"examples": options}});
            let answer = service.explain(with(&body, &evidence)).await;
            let results = answer["results"].as_array().unwrap();
            assert_eq!(results.len(), expected.len());
            for (result, expected) in results.iter().zip(&expected) {
                assert_eq!(result["evidence"]["examples"], *expected);
                assert_eq!(result["explanations"][0]["method"], "saliency");
            }
        }
    }
    let none = service.explain(json!({"inputs": GREAT, "evidence": {}})).await;
    assert_eq!(none["results"][0].get("evidence"), None);
}

#[tokio::test]
async fn all_formats_show_the_evidence() {
    let service = start_with_shared_corpora();
    let body = json!({"inputs": GREAT, "methods": [], "evidence": {"examples": {"k": 2}}});
    let expected = service.explain(body.clone()).await["results"][0]["evidence"].clone();
    assert_eq!(expected["examples"]["neighbours"].as_array().unwrap().len(), 2);
    let accept = async |form| service.request("POST", "/explain", &[("accept", form)], &body).await;
    let lines = accept("application/x-ndjson").await.body;
    let line = lines.split(|byte| *byte == b'\n').next().unwrap();
    let line: Value = serde_json::from_slice(line).unwrap();
    assert_eq!(line["evidence"], expected);
    let page = String::from_utf8(accept("text/html").await.body).unwrap();
    assert!(page.contains("The 2 nearest of 500 samples of sentiment-en"), "{page}");
    let explainer = &service.service.explainer;
    let question = http::question(explainer, body.to_string().as_bytes()).unwrap();
    let shown = terminal::render(&explainer.explain(question).await.unwrap(), Colours::None);
    assert!(shown.contains("The 2 nearest of 500 samples of sentiment-en"), "{shown}");
    let text = expected["examples"]["dissent"]["text"].as_str().unwrap();
    assert!(shown.contains(text), "{shown}");
}

#[tokio::test]
async fn invalid_evidence_is_rejected_with_a_pointer() {
    let service = start().await;
    let fine = json!({"inputs": GREAT, "model": "sentiment-en"});
    for (evidence, status, code, pointer) in [
        (json!({"examples": {"k": 0}}), 422, "invalid_field", "/evidence/examples/k"),
        (
            json!({"examples": {"similarity": "dot"}}),
            422,
            "invalid_field",
            "/evidence/examples/similarity",
        ),
        (
            json!({"examples": {"corpus": "nowhere"}}),
            404,
            "corpus_not_found",
            "/evidence/examples/corpus",
        ),
        (
            json!({"examples": {"corpus": "sentiment-zh"}}),
            422,
            "invalid_field",
            "/evidence/examples/corpus",
        ),
        (json!({"examples": {"inputs": GREAT}}), 422, "invalid_field", "/evidence/examples/inputs"),
        (json!({"words": {}}), 422, "invalid_field", "/evidence/words"),
    ] {
        for route in ["/explain", "/estimate"] {
            let body = with(&fine, &json!({"evidence": evidence}));
            let problem = service.post(route, &body).await.problem(status, code);
            assert_eq!(problem["pointer"], pointer, "{problem}");
        }
    }
    let body = with(&fine, &json!({"evidence": {"examples": {}}, "window": {"stride": 8}}));
    let problem = service.post("/explain", &body).await.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], "/evidence");
    let other = serving("bert-tokens").await;
    let body = json!({"inputs": "a", "evidence": {"examples": {}}});
    let problem = other.post("/explain", &body).await.problem(422, "method_not_supported");
    assert_eq!(problem["pointer"], "/evidence/examples");
}

/// Each input without evidence, because its corpus cannot be read, is an error of its own.
#[tokio::test]
async fn a_corpus_that_cannot_be_read_fails_the_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.tsv");
    std::fs::write(&path, "good\tsplendid\n").unwrap();
    let service = start().await;
    assert_eq!(service.put("/corpora/broken", json!({"path": path})).await.status, 202);
    let body = json!({"inputs": [GREAT, "bad"], "evidence": {"examples": {"corpus": "broken"}}});
    service.post("/explain", &body).await.problem(503, "not_ready");
    let body = json!({"inputs": [GREAT, ""], "evidence": {"examples": {"corpus": "sentiment-en"}}});
    let answer = service.explain(body).await;
    assert!(answer["results"][0]["evidence"]["examples"].is_object());
    assert_eq!(answer["results"][1]["error"]["code"], "input_empty");
}

#[tokio::test]
async fn evidence_is_priced() {
    let service = start_with_shared_corpora();
    for (similarity, rows) in [("cosine", [2, 0]), ("gradient", [1, 1])] {
        let body = json!({"inputs": [GREAT, "bad"], "methods": ["occlusion"]});
        let plain = service.post("/estimate", &body).await.json();
        assert_eq!(plain.get("evidence"), None);
        let plain_used = service.explain(body.clone()).await["usage"].clone();
        let body = with(&body, &json!({"evidence": {"examples": {"similarity": similarity}}}));
        let price = service.post("/estimate", &body).await.json();
        let used = service.explain(body).await["usage"].clone();
        for (name, rows) in ["forward_rows", "gradient_rows"].into_iter().zip(rows) {
            let more = price[name].as_u64().unwrap() - plain[name].as_u64().unwrap();
            assert_eq!(more, 2 * rows, "{name} of two inputs");
            assert_eq!(price["evidence"][0][name], more);
            let used = used[name].as_u64().unwrap() - plain_used[name].as_u64().unwrap();
            assert_eq!(used, more, "{name}");
        }
        assert_eq!(price["evidence"][0]["kind"], "examples");
        assert!(price["cost"].as_u64() > plain["cost"].as_u64());
    }
}

/// The first corpus of a model may change between equal requests.
#[tokio::test]
async fn cached_responses_depend_on_the_corpus() {
    let service = start_with(&Config { cache: Cache { mebibytes: 8 }, ..untimed() }).await;
    let samples = json!({"samples": [{"text": "so good", "label": "POSITIVE"}]});
    let body = json!({"inputs": GREAT, "model": "sentiment-en"});
    let explained = with(&body, &json!({"evidence": {"examples": {}}}));
    let outcome = async |route, body: &Value| {
        let reply = service.post(route, body).await;
        let hit = reply.headers["cache-status"].to_str().unwrap().ends_with("hit");
        let result = reply.json()["results"][0].clone();
        let corpus =
            result.pointer("/evidence/examples/corpus/id").or(result.pointer("/corpus/id"));
        (hit, corpus.unwrap().as_str().unwrap().to_owned())
    };
    for (route, body) in [("/explain", &explained), ("/examples", &body)] {
        assert_eq!(outcome(route, body).await, (false, "sentiment-en".to_owned()));
        assert_eq!(outcome(route, body).await, (true, "sentiment-en".to_owned()));
        assert_eq!(service.put("/corpora/mine", &samples).await.status, 202);
        // One that may be replaced is not cached.
        assert_eq!(outcome(route, body).await, (false, "mine".to_owned()));
        assert_eq!(outcome(route, body).await, (false, "mine".to_owned()));
        assert_eq!(service.delete("/corpora/mine").await.status, 204);
        assert_eq!(outcome(route, body).await, (true, "sentiment-en".to_owned()));
    }
}

/// The listed defaults are those in force, and the listed ranges those that are accepted.
#[tokio::test]
async fn kinds_are_listed_with_the_options_in_force() {
    let service = start_with_shared_corpora();
    let listed = service.get("/methods").await.json();
    let kinds = listed["evidence"].as_array().unwrap();
    let names: Vec<&str> = kinds.iter().map(|kind| kind["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["anchors", "surrogate_tree", "counterfactuals", "probe", "examples"]);
    let mut checked = 0;
    for kind in kinds {
        let route = kind["route"].as_str().unwrap();
        let options = kind["options"].as_array().unwrap();
        let rule = options.iter().find(|option| option["name"] == "kind");
        let plain = match rule {
            Some(rule) => json!({"inputs": GREAT, "kind": rule["choices"][0]}),
            None => json!({"inputs": GREAT}),
        };
        let results = async |body: &Value| {
            let reply = service.post(route, body).await;
            assert_eq!(reply.status, 200, "{body} {}", String::from_utf8_lossy(&reply.body));
            reply.json()["results"].clone()
        };
        let expected = results(&plain).await;
        for option in options {
            let name = option["name"].as_str().unwrap();
            if !option["default"].is_null() {
                let body = with(&plain, &json!({name: option["default"]}));
                assert_eq!(results(&body).await, expected, "{route} {name}");
                checked += 1;
            }
            let takes = option["takes"].as_str().unwrap();
            let range =
                takes.strip_prefix("an integer from ").and_then(|all| all.split_once(" to "));
            let Some((low, high)) = range else { continue };
            let (low, Ok(high)) = (low.parse::<u64>().unwrap(), high.parse::<u64>()) else {
                continue;
            };
            for value in [low - 1, high + 1] {
                let body = with(&plain, &json!({name: value}));
                let problem = service.post(route, &body).await.problem(422, "invalid_field");
                assert_eq!(problem["pointer"], format!("/{name}"));
                assert!(problem["detail"].as_str().unwrap().contains(takes), "{problem}");
                checked += 1;
            }
        }
    }
    assert!(checked > 15, "{checked}");
}
