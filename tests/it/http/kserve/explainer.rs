//! The service as the explainer of another server's model.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use explaind::config::{Config, NamedKey, Predictor};
use explaind::remote::Protocol;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::http::numbers;
use crate::support::service::{Running, serve_remote, untimed};

/// What the predictor does with a call.
type Behaviour = Arc<dyn Fn(&[String]) -> Result<Value, StatusCode> + Send + Sync>;

/// The texts of a call, and its header fields.
type Call = (Vec<String>, HashMap<String, String>);

/// A predictor on loopback. It records the texts and the header fields of every call.
#[derive(Clone)]
struct Predicting {
    behaviour: Behaviour,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Predicting {
    fn texts(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().flat_map(|(texts, _)| texts.clone()).collect()
    }
}

async fn predict(
    State(server): State<Predicting>,
    request: Request,
) -> Result<Json<Value>, StatusCode> {
    let (parts, body) = request.into_parts();
    let body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    let data = body.pointer("/inputs/0/data").or_else(|| body.get("instances")).unwrap();
    let texts: Vec<String> = data
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap_or_default().to_owned())
        .collect();
    let field = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let fields = parts.headers.iter().map(field).collect();
    server.calls.lock().unwrap().push((texts.clone(), fields));
    match (server.behaviour)(&texts) {
        Err(SILENCE) => std::future::pending().await,
        answer => answer.map(Json),
    }
}

/// Stands for no answer at all.
const SILENCE: StatusCode = StatusCode::IM_A_TEAPOT;

/// Starts a predictor, and the service as its explainer.
async fn explaining(
    behaviour: impl Fn(&[String]) -> Result<Value, StatusCode> + Send + Sync + 'static,
    change: impl FnOnce(&mut Config),
) -> (Running, Predicting) {
    let server = Predicting { behaviour: Arc::new(behaviour), calls: Arc::default() };
    let router = Router::new()
        .route("/v1/models/film:predict", post(predict))
        .route("/v2/models/film/infer", post(predict))
        .with_state(server.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut config = untimed();
    config.models.clear();
    config.predictor =
        Predictor { host: Some(host), model: "film".to_owned(), ..Predictor::default() };
    change(&mut config);
    let running = serve_remote(&config).await;
    server.calls.lock().unwrap().clear();
    (running, server)
}

/// A model with interactions: the probability that a text is good.
fn goodness(text: &str) -> f64 {
    let has = |word: &str| f64::from(u8::from(text.contains(word)));
    0.2 + 0.3 * has("great") - 0.1 * has("not") * has("great") + 0.05 * has("film") * has("really")
}

fn v1(texts: &[String]) -> Result<Value, StatusCode> {
    let row = |text: &String| json!({"BAD": 1. - goodness(text), "GOOD": goodness(text)});
    Ok(json!({"predictions": texts.iter().map(row).collect::<Vec<Value>>()}))
}

fn v2(texts: &[String]) -> Result<Value, StatusCode> {
    let row = |text: &String| [1. - goodness(text), goodness(text)];
    let data: Vec<f64> = texts.iter().flat_map(row).collect();
    Ok(json!({"model_name": "film", "outputs": [
        {"name": "scores", "datatype": "FP64", "shape": [texts.len(), 2], "data": data},
    ]}))
}

const TEXT: &str = "not a really great film";

/// Shapley values by their definition: the mean over all orders of the words.
fn shapley(mask: Option<&str>) -> Vec<f64> {
    let words: Vec<&str> = TEXT.split(' ').collect();
    let value = |present: usize| {
        let kept = words.iter().enumerate().filter_map(|(i, word)| match present >> i & 1 {
            1 => Some(*word),
            _ => mask,
        });
        goodness(&kept.collect::<Vec<&str>>().join(" "))
    };
    let mut totals = vec![0.; words.len()];
    let mut count = 0.;
    orders(&mut (0..words.len()).collect(), 0, &mut |order| {
        let mut present = 0;
        for &word in order {
            totals[word] += value(present | 1 << word) - value(present);
            present |= 1 << word;
        }
        count += 1.;
    });
    totals.into_iter().map(|total| total / count).collect()
}

fn orders(items: &mut Vec<usize>, fixed: usize, visit: &mut impl FnMut(&[usize])) {
    if fixed == items.len() {
        return visit(items);
    }
    for next in fixed..items.len() {
        items.swap(fixed, next);
        orders(items, fixed + 1, visit);
        items.swap(fixed, next);
    }
}

fn close(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6)
}

async fn explain(service: &Running, parameters: Value) -> Value {
    let body = json!({"instances": [TEXT], "parameters": parameters});
    let reply = service.post("/v1/models/film:explain", body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["explanations"][0].clone()
}

#[tokio::test]
async fn scores_are_exact_shapley_values_of_the_other_model() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let behaviour = if protocol == Protocol::V1 { v1 } else { v2 };
        let (service, server) =
            explaining(behaviour, |config| config.predictor.protocol = protocol).await;
        let label = if protocol == Protocol::V1 { "GOOD" } else { "LABEL_1" };
        for method in ["kernel_shap", "partition_shap"] {
            for (replacement, mask) in [("mask", Some("[MASK]")), ("remove", None)] {
                let methods = json!([{"name": method, "replacement": replacement}]);
                let one = explain(&service, json!({"methods": methods, "target": label})).await;
                let explanation = &one["explanations"][0];
                let scores = numbers(&explanation["attributions"]["word"]);
                assert!(close(&scores, &shapley(mask)), "{method} {replacement}: {scores:?}");
                let output = explanation["output_value"].as_f64().unwrap();
                assert!((output - goodness(TEXT)).abs() < 1e-6);
            }
        }
        let texts = server.texts();
        for text in [TEXT, "[MASK] a really great film", "a really great film", "film", ""] {
            assert!(texts.iter().any(|sent| sent == text), "{text:?} was not sent");
        }
    }
}

#[tokio::test]
async fn occlusion_lime_and_rules_use_predictions_only() {
    let (service, server) = explaining(v1, |_| {}).await;
    let one = explain(&service, json!({"methods": ["occlusion", "lime"], "target": "GOOD"})).await;
    let words: Vec<&str> =
        one["words"].as_array().unwrap().iter().map(|w| w["text"].as_str().unwrap()).collect();
    assert_eq!(words, ["not", "a", "really", "great", "film"]);
    let full = goodness(TEXT);
    let drops: Vec<f64> =
        words.iter().map(|word| full - goodness(&TEXT.replacen(word, "[MASK]", 1))).collect();
    assert!(close(&numbers(&one["explanations"][0]["attributions"]["word"]), &drops));
    let lime = numbers(&one["explanations"][1]["attributions"]["word"]);
    assert!(
        lime[3]
            > lime
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != 3)
                .map(|(_, x)| x.abs())
                .fold(0., f64::max)
    );
    // The same combinations are not asked for twice.
    let mut texts = server.texts();
    let count = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), count, "a text was predicted twice");

    let rules =
        service.post("/rules", json!({"model": "film", "inputs": "great great film"})).await;
    assert_eq!(rules.status, 200, "{}", String::from_utf8_lossy(&rules.body));
    let predicted =
        service.post("/v1/models/film:predict", json!({"instances": [TEXT]})).await.json();
    let best = &predicted["predictions"][0]["predictions"][0];
    assert_eq!(best["label"], "BAD");
    assert!((best["probability"].as_f64().unwrap() - (1. - goodness(TEXT))).abs() < 1e-6);
}

#[tokio::test]
async fn what_needs_the_model_itself_is_refused() {
    let (service, _) = explaining(v1, |_| {}).await;
    for (parameters, pointer) in [
        (json!({"methods": ["lime", "integrated_gradients"]}), "/parameters/methods/1"),
        (json!({"methods": ["attention_rollout"]}), "/parameters/methods/0"),
        (json!({"attention": true}), "/parameters/attention"),
        (json!({"inside": ["lens"]}), "/parameters/inside"),
        (json!({"window": {"stride": 4}}), "/parameters/window"),
        (json!({"candidate_labels": ["a", "b"]}), "/parameters/candidate_labels"),
    ] {
        let body = json!({"instances": [TEXT], "parameters": parameters});
        let reply = service.post("/v1/models/film:explain", body).await;
        assert_eq!(reply.problem(422, "method_not_supported")["pointer"], pointer);
    }
    for (path, body, pointer) in [
        ("/counterfactuals", json!({"inputs": TEXT}), "/model"),
        ("/probe", json!({"inputs": TEXT}), "/model"),
        ("/rules", json!({"inputs": TEXT, "order": "gradient"}), "/order"),
    ] {
        let problem = service.post(path, &body).await.problem(422, "method_not_supported");
        assert_eq!(problem["pointer"], pointer, "{path}");
    }
    let models = service.get("/models").await.json();
    let methods = models["models"][0]["methods"].as_array().unwrap();
    assert!(methods.contains(&json!("lime")) && !methods.contains(&json!("saliency")));
    assert_eq!(models["models"][0]["device"], "remote");
}

#[tokio::test]
async fn calls_are_batches_and_carry_ids_and_authorization() {
    let (service, server) = explaining(v1, |config| config.predictor.batch = 5).await;
    let body = json!({"instances": [TEXT]}).to_string();
    let headers = [
        ("authorization", "Bearer other"),
        ("x-request-id", "abc"),
        ("x-b3-traceid", "7"),
        ("cookie", "c"),
    ];
    let reply = service.request("POST", "/v1/models/film:explain", &headers, body).await;
    assert_eq!(reply.status, 200);
    let calls = server.calls.lock().unwrap().clone();
    assert!(calls.len() >= 7 && calls.iter().all(|(texts, _)| texts.len() <= 5));
    for (_, fields) in &calls {
        assert_eq!((&*fields["authorization"], &*fields["x-request-id"]), ("Bearer other", "abc"));
        assert_eq!(fields["x-b3-traceid"], "7");
        assert!(!fields.contains_key("cookie"));
    }
}

#[tokio::test]
async fn a_key_of_this_service_is_not_sent_on() {
    let with_key = |config: &mut Config| {
        let key = format!("a:{}", explaind::config::keys::digest("a-secret-of-some-length"));
        config.server.keys = vec![NamedKey::try_from(key).unwrap()];
    };
    let (service, server) = explaining(v1, with_key).await;
    let body = json!({"instances": [TEXT]}).to_string();
    let headers = [("authorization", "Bearer a-secret-of-some-length")];
    assert_eq!(
        service.request("POST", "/v1/models/film:explain", &headers, body).await.status,
        200
    );
    let calls = server.calls.lock().unwrap();
    assert!(
        !calls.is_empty() && calls.iter().all(|(_, fields)| !fields.contains_key("authorization"))
    );
}

#[tokio::test]
async fn failures_and_garbage_of_the_predictor_are_502() {
    let row = || json!([0.1, 0.9]);
    let answers: Vec<(Value, &str)> = vec![
        (json!({"predictions": []}), "has 0 predictions for 1 texts"),
        (json!({"predictions": [row(), row()]}), "has 2 predictions for 1 texts"),
        (json!({"predictions": [[0.1]]}), "has 1 scores"),
        (json!({"predictions": [[0.1, null]]}), "without scores"),
        (json!({"predictions": [["NaN", 0.1]]}), "without scores"),
        (json!({"error": "x"}), "no list of predictions"),
        (json!("x".repeat(17 << 20)), "more than"),
    ];
    for (answer, detail) in answers {
        let probed = Mutex::new(false);
        let behaviour = move |_: &[String]| {
            let first = !std::mem::replace(&mut *probed.lock().unwrap(), true);
            Ok(if first { json!({"predictions": [[0.1, 0.9]]}) } else { answer.clone() })
        };
        let (service, _) = explaining(behaviour, |_| {}).await;
        let reply = service.post("/v1/models/film:predict", json!({"instances": [TEXT]})).await;
        let problem = reply.problem(502, "predictor_failed");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
    }
    for (status, expected, code) in [
        (500, 502, "predictor_failed"),
        (401, 502, "predictor_failed"),
        (302, 502, "predictor_failed"),
        (504, 504, "deadline_exceeded"),
    ] {
        let behaviour = move |texts: &[String]| match texts[0].contains("This is a text.") {
            true => Ok(json!({"predictions": [[0.1, 0.9]]})),
            false => Err(StatusCode::from_u16(status).unwrap()),
        };
        let (service, _) = explaining(behaviour, |_| {}).await;
        let reply = service.post("/v1/models/film:explain", json!({"instances": [TEXT]})).await;
        reply.problem(expected, code);
    }
}

#[tokio::test]
async fn a_silent_predictor_is_504() {
    let behaviour = |texts: &[String]| match texts[0].contains("This is a text.") {
        true => Ok(json!({"predictions": [[0.5, 0.5]]})),
        false => Err(SILENCE),
    };
    let (service, _) = explaining(behaviour, |config| config.predictor.timeout_ms = 50).await;
    let reply = service.post("/v1/models/film:predict", json!({"instances": [TEXT]})).await;
    let problem = reply.problem(504, "deadline_exceeded");
    assert!(problem["detail"].as_str().unwrap().contains("predictor"), "{problem}");
}

#[tokio::test]
async fn long_chinese_and_paired_texts() {
    let behaviour = |texts: &[String]| {
        let length = |text: &String| json!([text.chars().count() as f64]);
        Ok(json!({"predictions": texts.iter().map(length).collect::<Vec<_>>()}))
    };
    let (service, server) = explaining(behaviour, |config| config.predictor.max_words = 6).await;
    let explain = async |input: Value, more: Value| {
        let mut parameters = json!({"methods": [{"name": "occlusion", "replacement": "remove"}]});
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service
            .post(
                "/v1/models/film:explain",
                json!({"instances": [input], "parameters": parameters}),
            )
            .await
    };
    let chinese = explain(json!("这部电影很好"), json!({})).await.json();
    let scores = numbers(&chinese["explanations"][0]["explanations"][0]["attributions"]["word"]);
    assert_eq!(scores.iter().sum::<f64>(), 6., "each word's length");
    explain(json!("one two three four five six seven"), json!({}))
        .await
        .problem(422, "input_too_long");
    let cut =
        explain(json!("one two three four five six seven"), json!({"truncate": true})).await.json();
    assert_eq!(cut["explanations"][0]["truncated"], true);
    assert!(server.texts().contains(&"one two three four five six".to_owned()));
    let spans = json!({"text": "good film, bad plot", "spans": [[0, 9]]});
    let one = explain(
        spans,
        json!({"methods": [{"name": "occlusion", "unit": "span", "replacement": "remove"}]}),
    )
    .await;
    let scores = numbers(&one.json()["explanations"][0]["explanations"][0]["attributions"]["span"]);
    assert_eq!(scores, [9.], "a space goes with a word");
}
