//! The HTTP surface in-process, on the real built-in model.

use axum::body::Body;
use axum::http::{Request, header};
use explaind::config::Config;
use serde_json::{Value, json};

use crate::support::service::{self, start, start_with};

const GREAT: &str = "This movie is really great.";

/// The word with the highest score of an answer's first explanation.
fn top_word(answer: &Value) -> &str {
    let result = &answer["results"][0];
    let scores = result["explanations"][0]["attributions"]["word"].as_array().unwrap();
    let score = |i: &usize| scores[*i].as_f64().unwrap();
    let top = (0..scores.len()).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
    result["words"][top]["text"].as_str().unwrap()
}

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
        json!({"layer": "word_embeddings", "baseline": "pad", "n_steps": 50,
               "quadrature": "gausslegendre"})
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
    assert_eq!(answer["usage"]["forward_rows"], 2);
    assert_eq!(answer["usage"]["gradient_rows"], 50);
}

#[tokio::test]
async fn plain_sentences_are_understood() {
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
async fn chinese_is_explained_by_its_words() {
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
async fn auto_goes_by_the_script() {
    let service = start().await;
    let answer = service.explain(json!({"inputs": [GREAT, "Bad."], "model": "auto"})).await;
    assert_eq!(answer["model"]["id"], "sentiment-en");
    let mixed = json!({"inputs": [GREAT, {"text": "质量很差"}], "model": "auto"});
    let problem = service.post("/explain", mixed).await.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], "/inputs/1/text");
    let neither = json!({"inputs": "Привет", "model": "auto"});
    let problem = service.post("/explain", neither).await.problem(422, "invalid_field");
    assert_eq!(problem["pointer"], "/model");
    let mut config = Config::default();
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

/// Requests to both models at once are answered as they are alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn models_mixed_under_load_do_not_mix() {
    // However slow the machine, nothing is to be refused here.
    let mut config = Config::default();
    config.limits.request_ms = 3_600_000;
    let service = start_with(&config).await;
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

/// Asserts that two answers are the same up to rounding.
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

#[tokio::test]
async fn lists_keep_order_ids_and_good_neighbours_of_bad_inputs() {
    let long = "word ".repeat(400);
    let answer = start()
        .await
        .explain(json!({
            "inputs": [GREAT, {"text": "", "id": "empty"}, {"text": long, "id": "long"},
                       {"text": "Bad.", "text_pair": "Very bad.", "id": "pair"}],
            "methods": ["saliency"],
        }))
        .await;
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    assert_eq!(results[0]["id"], Value::Null);
    assert_eq!(results[1]["id"], "empty");
    assert_eq!(results[1]["error"]["code"], "input_empty");
    assert_eq!(results[1]["error"]["pointer"], "/inputs/1/text");
    assert_eq!(results[2]["error"]["code"], "input_too_long");
    let detail = results[2]["error"]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("inputs[2].text has 402 tokens; sentiment-en takes 128"),
        "{detail}"
    );
    assert_eq!(results[3]["id"], "pair");
    let segments: Vec<&Value> =
        results[3]["words"].as_array().unwrap().iter().map(|word| &word["segment"]).collect();
    assert_eq!(segments, [0, 0, 1, 1, 1]);
}

#[tokio::test]
async fn all_inputs_failing_is_the_requests_failure() {
    let service = start().await;
    let lone = service.post("/explain", json!({"inputs": "  "})).await;
    assert_eq!(lone.problem(422, "input_empty")["pointer"], "/inputs");
    let list = service.post("/explain", json!({"inputs": ["", {"text": "\n"}]})).await;
    let problem = list.problem(422, "input_empty");
    assert_eq!(problem["pointer"], "/inputs/0");
    assert_eq!(problem["errors"][0]["pointer"], "/inputs/1/text");
}

#[tokio::test]
async fn truncation_is_asked_for_and_said() {
    let text = "good ".repeat(400);
    let answer = start()
        .await
        .explain(json!({"inputs": text, "truncate": true, "methods": ["saliency"]}))
        .await;
    assert_eq!(answer["results"][0]["truncated"], true);
    assert_eq!(answer["results"][0]["tokens"].as_array().unwrap().len(), 128);
    // The model read 126 words and no more.
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
async fn bad_fields_are_named_by_their_pointer() {
    let service = start().await;
    let cases = [
        (json!({}), "invalid_field", None),
        (json!([GREAT]), "invalid_field", None),
        (json!({"inputs": GREAT, "target": ["POSITIVE"]}), "invalid_field", Some("/target")),
        (json!({"inputs": GREAT, "modle": "x"}), "invalid_field", Some("/modle")),
        (json!({"inputs": 3}), "invalid_field", Some("/inputs")),
        (json!({"inputs": []}), "input_empty", Some("/inputs")),
        (json!({"inputs": [GREAT, 3]}), "invalid_field", Some("/inputs/1")),
        (json!({"inputs": {"text": 1}}), "invalid_field", Some("/inputs/text")),
        (json!({"inputs": {"text": "a", "txet": "b"}}), "invalid_field", Some("/inputs/txet")),
        (json!({"inputs": vec!["a"; 65]}), "invalid_field", Some("/inputs")),
        (json!({"inputs": GREAT, "target": "best"}), "invalid_field", Some("/target")),
        (json!({"inputs": GREAT, "target": {}}), "invalid_field", Some("/target")),
        (
            json!({"inputs": GREAT, "target": {"label": "GOOD"}}),
            "target_not_found",
            Some("/target"),
        ),
        (json!({"inputs": GREAT, "target": {"index": 2}}), "target_not_found", Some("/target")),
        (json!({"inputs": GREAT, "target": {"index": -1}}), "invalid_field", Some("/target/index")),
        (
            json!({"inputs": GREAT, "target": {"contrast": [0, "x"]}}),
            "target_not_found",
            Some("/target/contrast/1"),
        ),
        (
            json!({"inputs": GREAT, "target": {"contrast": [0, 1, 1]}}),
            "invalid_field",
            Some("/target/contrast"),
        ),
        (json!({"inputs": GREAT, "output": "odds"}), "invalid_field", Some("/output")),
        (
            json!({"inputs": GREAT, "methods": ["magic"]}),
            "method_not_supported",
            Some("/methods/0"),
        ),
        (
            json!({"inputs": GREAT, "methods": ["saliency", {"name": "magic"}]}),
            "method_not_supported",
            Some("/methods/1/name"),
        ),
        (
            json!({"inputs": GREAT, "methods": [{"name": "saliency", "n_steps": 3}]}),
            "invalid_field",
            Some("/methods/0/n_steps"),
        ),
        (
            json!({"inputs": GREAT, "methods": [{"name": "integrated_gradients", "n_steps": 0}]}),
            "invalid_field",
            Some("/methods/0/n_steps"),
        ),
        (
            json!({"inputs": "a", "methods": [{"name": "integrated_gradients",
                   "baseline": {"text": "much longer than it"}}]}),
            "invalid_field",
            Some("/methods/0/baseline/text"),
        ),
        (json!({"inputs": GREAT, "attention": "yes"}), "invalid_field", Some("/attention")),
        (
            json!({"inputs": GREAT, "attention": {"head": 1}}),
            "invalid_field",
            Some("/attention/head"),
        ),
        (json!({"inputs": GREAT, "truncate": "no"}), "invalid_field", Some("/truncate")),
        (json!({"inputs": GREAT, "seed": -1}), "invalid_field", Some("/seed")),
        (json!({"inputs": GREAT, "budget_ms": 0}), "invalid_field", Some("/budget_ms")),
    ];
    for (body, code, pointer) in cases {
        let problem = service.post("/explain", &body).await.problem(422, code);
        assert_eq!(problem["pointer"].as_str(), pointer.or(Some("")), "{body}: {problem}");
    }
    let unknown = json!({"inputs": GREAT, "model": "gpt"});
    let problem = service.post("/explain", unknown).await.problem(404, "model_not_found");
    assert_eq!(problem["pointer"], "/model");
    // And the service goes on.
    service.explain(json!({"inputs": GREAT})).await;
}

#[tokio::test]
async fn protocol_errors() {
    let service = start().await;
    for text in [
        "",
        "{",
        "{\"inputs\": \"a\"} x",
        "{\"inputs\": [\"a\",",
        "\u{0}",
        "{\"inputs\": \"\\ud800\"}",
    ] {
        service.post("/explain", text).await.problem(400, "invalid_json");
    }
    service.get("/nothing").await.problem(404, "not_found");
    let reply = service.get("/explain").await;
    reply.problem(405, "method_not_allowed");
    assert_eq!(reply.headers[header::ALLOW], "POST");
    service.get("/models/%ff").await.problem(400, "bad_request");
    service.get("/models/none").await.problem(404, "model_not_found");
    let plain = Request::post("/explain").body(Body::from("{\"inputs\": \"a\"}")).unwrap();
    service.send(plain).await.problem(415, "unsupported_media_type");
    let picky = Request::post("/explain")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "image/png")
        .body(Body::from("{\"inputs\": \"a\"}"))
        .unwrap();
    service.send(picky).await.problem(406, "not_acceptable");
    let large = json!({"inputs": "a".repeat(2 << 20)});
    service.post("/explain", large).await.problem(413, "payload_too_large");
}

#[tokio::test]
async fn limits_of_cost_size_and_time() {
    let mut config = Config::default();
    config.engine.queued_tokens = 2_000;
    config.limits.attention_values = 500;
    let service = start_with(&config).await;
    let steps = |n: usize| json!({"inputs": GREAT, "methods": [{"name": "integrated_gradients", "n_steps": n}]});
    service.post("/explain", steps(1_000)).await.problem(422, "request_too_expensive");
    let everything = json!({"inputs": GREAT, "attention": true});
    service.post("/explain", everything).await.problem(422, "response_too_large");
    let held = service.service.explainer.engine.admission.admit(1_900).unwrap();
    let reply = service.post("/explain", steps(50)).await;
    reply.problem(429, "overloaded");
    let wait: u64 = reply.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!(wait >= 1);
    drop(held);
    service.explain(steps(50)).await;
    let config = Config::default();
    let service = start_with(&config).await;
    let mut slow = steps(2_000);
    slow["budget_ms"] = json!(1);
    service.post("/explain", slow).await.problem(408, "deadline_exceeded");
    service.explain(steps(5)).await;
}

#[tokio::test]
async fn predictions_alone() {
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

#[tokio::test]
async fn the_catalogue() {
    let service = start().await;
    let models = service.get("/models").await.json();
    let model = &models["models"][0];
    assert_eq!(model, &service.get("/models/sentiment-en").await.json());
    assert_eq!(model["labels"], json!(["NEGATIVE", "POSITIVE"]));
    assert_eq!(model["task"], "text-classification");
    assert_eq!(model["max_tokens"], 128);
    assert_eq!(model["state"], "ready");
    let methods = service.get("/methods").await.json();
    let names: Vec<&Value> =
        methods["methods"].as_array().unwrap().iter().map(|method| &method["name"]).collect();
    assert_eq!(names, ["integrated_gradients", "saliency", "input_x_gradient"]);
    assert_eq!(model["methods"].as_array().unwrap().len(), names.len());
    assert_eq!(methods["methods"][0]["options"][2]["default"], 50);
}

#[tokio::test]
async fn readiness_follows_loading_and_draining() {
    let service = service::unready(&Config::default());
    assert_eq!(service.get("/livez").await.status, 200);
    service.get("/readyz").await.problem(503, "not_ready");
    service.post("/explain", json!({"inputs": GREAT})).await.problem(503, "not_ready");
    service.get("/models").await.problem(503, "not_ready");
    let service = start().await;
    assert_eq!(service.get("/readyz").await.status, 200);
    service.service.drain();
    service.get("/readyz").await.problem(503, "draining");
    service.post("/explain", json!({"inputs": GREAT})).await.problem(503, "draining");
}

#[tokio::test]
async fn metrics_exist_before_traffic_and_count_once() {
    let service = start().await;
    let text = || async { String::from_utf8(service.get("/metrics").await.body).unwrap() };
    let zero = "explaind_requests_total{route=\"/openapi.json\",outcome=\"server_error\"} 0";
    assert!(text().await.contains(zero));
    for name in ["explaind_pass_failures_total", "explaind_queue_tokens", "explaind_models"] {
        assert!(text().await.contains(name), "{name}");
    }
    let odd = "/nothing/secret-words";
    service.get(odd).await;
    assert!(!text().await.contains("secret"), "a path that no route has must not become a label");
}

#[tokio::test]
async fn bodies_may_be_compressed_both_ways() {
    use flate2::read::GzDecoder;
    use flate2::write::GzEncoder;
    use std::io::{Read, Write};
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let post = |body: Vec<u8>, encoding: &str| {
        Request::post("/explain")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, encoding)
            .header(header::ACCEPT_ENCODING, "gzip")
            .body(Body::from(body))
            .unwrap()
    };
    let service = start().await;
    let body = json!({"inputs": GREAT, "attention": true}).to_string();
    let reply = service.send(post(gzip(&body), "gzip")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers[header::CONTENT_ENCODING], "gzip");
    let mut answer = String::new();
    GzDecoder::new(&reply.body[..]).read_to_string(&mut answer).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(top_word(&answer), "great");
    // A bomb: 64 MB out of 64 kB.
    let bomb = json!({"inputs": "a".repeat(64 << 20)}).to_string();
    assert_eq!(service.send(post(gzip(&bomb), "gzip")).await.status, 413);
    assert_eq!(service.send(post(body.clone().into(), "gzip")).await.status, 400);
    assert_eq!(service.send(post(body.into(), "lzma")).await.status, 415);
}

#[tokio::test]
async fn request_ids_are_echoed_if_they_are_plain() {
    let service = start().await;
    let get = |id: &str| Request::get("/livez").header("x-request-id", id).body(Body::empty());
    let reply = service.send(get("abc-123").unwrap()).await;
    assert_eq!(reply.headers["x-request-id"], "abc-123");
    let reply = service.send(get("a b<script>").unwrap()).await;
    assert_eq!(reply.headers["x-request-id"].len(), 32);
}

#[tokio::test]
async fn the_committed_description_is_the_generated_one() {
    let generated = explaind::http::openapi::yaml().unwrap();
    let committed = include_str!("../../openapi.yaml");
    assert!(generated == committed, "run: cargo run -- openapi > openapi.yaml");
    let served = start().await.get("/openapi.json").await.json();
    assert_eq!(served["openapi"], "3.1.0");
    let paths: Vec<&String> = served["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/explain",
            "/livez",
            "/methods",
            "/metrics",
            "/models",
            "/models/{id}",
            "/openapi.json",
            "/predict",
            "/readyz"
        ]
    );
}
