//! The Open Inference Protocol over REST.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::http::{GREAT, numbers, serving, with};
use crate::support::service::{Reply, Running, start, unready, untimed};

const INFER: &str = "/v2/models/sentiment-en/infer";
const LENGTH: &str = "inference-header-content-length";

fn text(texts: &[&str]) -> Value {
    json!({"name": "text", "shape": [texts.len()], "datatype": "BYTES", "data": texts})
}

fn output<'a>(reply: &'a Value, name: &str) -> &'a Value {
    let outputs = reply["outputs"].as_array().unwrap();
    outputs.iter().find(|output| output["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

async fn infer(service: &Running, body: Value) -> Value {
    let reply = service.post(INFER, &body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

/// Sends JSON followed by tensors.
async fn post_binary(service: &Running, json: &Value, binary: &[u8]) -> Reply {
    let json = json.to_string();
    let request = Request::post(INFER)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(LENGTH, json.len());
    let body = [json.as_bytes(), binary].concat();
    service.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn predictions_are_those_of_the_service() {
    let service = start().await;
    let texts = [GREAT, "Terrible."];
    let own = service.post("/predict", json!({"inputs": texts})).await.json();
    let reply = infer(&service, json!({"id": "42", "inputs": [text(&texts)]})).await;
    assert_eq!((&reply["id"], &reply["model_name"]), (&json!("42"), &json!("sentiment-en")));
    assert_eq!(reply["model_version"], own["model"]["revision"]);
    let names: Vec<&Value> =
        reply["outputs"].as_array().unwrap().iter().map(|o| &o["name"]).collect();
    assert_eq!(names, ["label", "score", "logits", "probabilities"]);
    let best = |row: usize, field: &str| own["results"][row]["predictions"][0][field].clone();
    let label = output(&reply, "label");
    assert_eq!((&label["datatype"], &label["shape"]), (&json!("BYTES"), &json!([2])));
    assert_eq!(label["data"], json!([best(0, "label"), best(1, "label")]));
    assert_eq!(
        output(&reply, "score")["data"],
        json!([best(0, "probability"), best(1, "probability")])
    );
    let logits = output(&reply, "logits");
    assert_eq!(logits["shape"], json!([2, 2]));
    for (row, of_row) in numbers(&logits["data"]).chunks(2).enumerate() {
        for prediction in own["results"][row]["predictions"].as_array().unwrap() {
            let index = prediction["index"].as_u64().unwrap() as usize;
            assert_eq!(json!(of_row[index]), json!(prediction["logit"].as_f64().unwrap()));
        }
    }
}

#[tokio::test]
async fn explanations_are_those_of_the_service() {
    let service = start().await;
    let texts = [GREAT, "Terrible, terrible film with a plot."];
    let outputs = ["tokens", "words", "attributions", "word_attributions"];
    let outputs: Vec<Value> = outputs.iter().map(|name| json!({"name": name})).collect();
    let parameters = json!({"method": "integrated_gradients", "n_steps": 7, "target": "NEGATIVE"});
    let body = json!({"inputs": [text(&texts)], "outputs": outputs, "parameters": parameters});
    let reply = infer(&service, body).await;
    let methods = json!([{"name": "integrated_gradients", "n_steps": 7}]);
    let own =
        service.explain(json!({"inputs": texts, "methods": methods, "target": "NEGATIVE"})).await;
    for (name, unit) in [("attributions", "token"), ("word_attributions", "word")] {
        let tensor = output(&reply, name);
        let shape = numbers(&tensor["shape"]);
        for (row, padded) in numbers(&tensor["data"]).chunks(shape[1] as usize).enumerate() {
            let scores = numbers(&own["results"][row]["explanations"][0]["attributions"][unit]);
            assert_eq!(padded[..scores.len()], scores, "{name}");
            assert!(padded[scores.len()..].iter().all(|padding| *padding == 0.));
        }
    }
    let words = output(&reply, "words");
    assert_eq!(words["shape"], output(&reply, "word_attributions")["shape"]);
    assert_eq!(words["data"][0], "This");
}

#[tokio::test]
async fn attention_is_binary() {
    let service = start().await;
    let parameters = json!({"binary_data": true, "layers": "all", "heads": "all"});
    let outputs = json!([{"name": "label"}, {"name": "attention", "parameters": parameters}]);
    let body = json!({"inputs": [text(&[GREAT])], "outputs": outputs});
    let reply = service.post(INFER, body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers[CONTENT_TYPE], "application/octet-stream");
    let length: usize = reply.headers[LENGTH].to_str().unwrap().parse().unwrap();
    let (head, tensor) = reply.body.split_at(length);
    let head: Value = serde_json::from_slice(head).unwrap();
    assert_eq!(output(&head, "label")["data"], json!(["POSITIVE"]));
    let described = output(&head, "attention");
    assert_eq!(described["parameters"]["binary_data_size"], tensor.len());
    assert_eq!(described.get("data"), None);
    let own = service.explain(json!({"inputs": GREAT, "methods": [], "attention": true})).await;
    let attention = &own["results"][0]["attention"];
    assert_eq!(
        described["shape"].as_array().unwrap()[1..],
        attention["shape"].as_array().unwrap()[..]
    );
    let values = tensor.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    let nested = attention["weights"].to_string();
    let nested = nested.split(['[', ']', ',']).filter(|part| !part.is_empty());
    let expected: Vec<f32> = nested.map(|number| number.parse().unwrap()).collect();
    assert_eq!(values.collect::<Vec<f32>>(), expected);
}

#[tokio::test]
async fn texts_may_be_binary_or_nested() {
    let service = start().await;
    let flat = infer(&service, json!({"inputs": [text(&[GREAT, "Bad."])]})).await;
    let mut nested = text(&[]);
    nested["shape"] = json!([2, 1]);
    nested["data"] = json!([[GREAT], ["Bad."]]);
    assert_eq!(infer(&service, json!({"inputs": [nested]})).await, flat);
    let mut bytes = Vec::new();
    for text in [GREAT, "Bad."] {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let parameters = json!({"binary_data_size": bytes.len()});
    let input =
        json!({"name": "text", "shape": [2], "datatype": "BYTES", "parameters": parameters});
    let reply = post_binary(&service, &json!({"inputs": [input]}), &bytes).await;
    assert_eq!(reply.json(), flat);
}

#[tokio::test]
async fn pairs_and_other_tasks_have_their_outputs() {
    let answers = serving("bert-qa").await;
    let pair = json!([
        {"name": "text_pair", "shape": [1], "datatype": "BYTES", "data": ["it is in the castle"]},
        text(&["where is it?"]),
    ]);
    let reply = answers.post("/v2/models/bert-qa/infer", json!({"inputs": pair})).await.json();
    let input = json!({"text": "where is it?", "text_pair": "it is in the castle"});
    let own = answers.post("/predict", json!({"inputs": input})).await.json();
    let answer = &own["results"][0]["answer"];
    assert_eq!(output(&reply, "answer")["data"][0], answer["text"]);
    assert_eq!(output(&reply, "answer_span")["data"], json!([answer["start"], answer["end"]]));
    for (folder, texts, name) in [
        ("bert-tokens", "the castle", "token_labels"),
        ("bert-mlm", "the [MASK]", "mask_tokens"),
        ("bert-embed", "the castle", "embedding"),
    ] {
        let service = serving(folder).await;
        let reply = service
            .post(&format!("/v2/models/{folder}/infer"), json!({"inputs": [text(&[texts])]}))
            .await;
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let shape = numbers(&output(&reply.json(), name)["shape"]);
        assert!(shape[0] == 1. && shape[1] >= 1., "{folder}: {shape:?}");
    }
}

#[tokio::test]
async fn metadata_lists_what_infer_returns() {
    let service = start().await;
    let server = service.get("/v2").await.json();
    assert_eq!(
        (&server["name"], &server["extensions"]),
        (&json!("explaind"), &json!(["binary_tensor_data"]))
    );
    let model = service.get("/v2/models/sentiment-en").await.json();
    assert_eq!(
        model["inputs"][1],
        json!({"name": "text_pair", "datatype": "BYTES", "shape": [-1]})
    );
    let outputs: Vec<Value> = model["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|output| json!({"name": output["name"]}))
        .collect();
    let reply =
        infer(&service, json!({"inputs": [text(&[GREAT, "Bad."])], "outputs": outputs})).await;
    for (listed, returned) in
        model["outputs"].as_array().unwrap().iter().zip(reply["outputs"].as_array().unwrap())
    {
        assert_eq!(
            (&listed["name"], &listed["datatype"]),
            (&returned["name"], &returned["datatype"])
        );
        let sizes = numbers(&listed["shape"]).into_iter().zip(numbers(&returned["shape"]));
        assert_eq!(
            listed["shape"].as_array().unwrap().len(),
            returned["shape"].as_array().unwrap().len()
        );
        assert!(sizes.clone().all(|(listed, own)| listed == -1. || listed == own), "{listed}");
    }
    let version = model["versions"][0].as_str().unwrap();
    let path = format!("/v2/models/sentiment-en/versions/{version}");
    assert_eq!(service.get(&path).await.json(), model);
    assert_eq!(service.get(&format!("{path}/ready")).await.json()["ready"], true);
    let versioned =
        service.post(&format!("{path}/infer"), json!({"inputs": [text(&[GREAT])]})).await;
    assert_eq!(versioned.json(), infer(&service, json!({"inputs": [text(&[GREAT])]})).await);
    for path in ["", "/ready"] {
        let reply = service.get(&format!("/v2/models/sentiment-en/versions/1{path}")).await;
        reply.problem(404, "model_not_found");
        service.get(&format!("/v2/models/other{path}")).await.problem(404, "model_not_found");
    }
}

#[tokio::test]
async fn health_is_that_of_the_service() {
    let service = start().await;
    assert_eq!(service.get("/v2/health/live").await.json(), json!({"live": true}));
    assert_eq!(service.get("/v2/health/ready").await.json(), json!({"ready": true}));
    assert_eq!(service.get("/v2/models/sentiment-en/ready").await.json()["ready"], true);
    service.service.retire();
    service.get("/v2/health/ready").await.problem(503, "draining");
    service.get("/v2/models/sentiment-en/ready").await.problem(503, "draining");
    assert_eq!(service.get("/v2/health/live").await.status, 200);
    unready(&untimed()).get("/v2/health/ready").await.problem(503, "not_ready");
}

#[tokio::test]
async fn errors_point_into_the_request() {
    let service = start().await;
    let valid = json!({"inputs": [text(&[GREAT])]});
    let input = |more: Value| json!({"inputs": [with(&text(&[GREAT]), &more)]});
    for (body, code, pointer) in [
        (json!({}), "invalid_field", ""),
        (json!({"inputs": []}), "invalid_field", "/inputs"),
        (json!({"inputs": [text(&[])]}), "input_empty", "/inputs"),
        (input(json!({"shape": [2]})), "invalid_field", "/inputs/0/shape"),
        (input(json!({"shape": []})), "invalid_field", "/inputs/0/shape"),
        (input(json!({"shape": [u64::MAX, u64::MAX]})), "invalid_field", "/inputs/0/shape"),
        (input(json!({"shape": [-1]})), "invalid_field", "/inputs/0/shape/0"),
        (input(json!({"datatype": "INT64"})), "invalid_field", "/inputs/0/datatype"),
        (input(json!({"name": "input-0"})), "invalid_field", "/inputs/0/name"),
        (input(json!({"data": [1]})), "invalid_field", "/inputs/0/data/0"),
        (input(json!({"data": [[[GREAT]]]})), "invalid_field", "/inputs/0/data/0/0"),
        (input(json!({"data": ""})), "invalid_field", "/inputs/0/data"),
        (input(json!({"data": null})), "invalid_field", "/inputs/0"),
        (input(json!({"parameters": {"binary_data_size": 3}})), "invalid_field", "/inputs/0/data"),
        (input(json!({"data": [" "]})), "input_empty", "/inputs/0/data/0"),
        (json!({"inputs": [text(&[GREAT]), text(&[GREAT])]}), "invalid_field", "/inputs/1/name"),
        (with(&valid, &json!({"outputs": [{"name": "x"}]})), "invalid_field", "/outputs/0/name"),
        (
            with(&valid, &json!({"outputs": [{"name": "label"}, {"name": "label"}]})),
            "invalid_field",
            "/outputs/1/name",
        ),
        (
            with(
                &valid,
                &json!({"outputs": [{"name": "label", "parameters": {"binary_data": 1}}]}),
            ),
            "invalid_field",
            "/outputs/0/parameters/binary_data",
        ),
        (
            with(
                &valid,
                &json!({"outputs": [{"name": "attention", "parameters": {"layers": 99}}]}),
            ),
            "invalid_field",
            "/outputs/0/parameters/layers",
        ),
        (
            with(&valid, &json!({"parameters": {"method": "lime"}})),
            "invalid_field",
            "/parameters/method",
        ),
        (
            with(&valid, &json!({"parameters": {"truncate": 1}})),
            "invalid_field",
            "/parameters/truncate",
        ),
        (
            with(
                &valid,
                &json!({"outputs": [{"name": "attributions"}], "parameters": {"method": "x"}}),
            ),
            "method_not_supported",
            "/parameters/method",
        ),
        (
            with(
                &valid,
                &json!({"outputs": [{"name": "attributions"}], "parameters": {"n_steps": 0}}),
            ),
            "invalid_field",
            "/parameters/n_steps",
        ),
        (
            with(
                &valid,
                &json!({"outputs": [{"name": "attributions"}], "parameters": {"target": "all"}}),
            ),
            "invalid_field",
            "/parameters/target",
        ),
    ] {
        let problem = service.post(INFER, &body).await.problem(422, code);
        let found = problem["pointer"].as_str().unwrap_or_default();
        assert!(
            found == pointer || pointer.starts_with(found) && found.len() > 8,
            "{body}: {problem}"
        );
    }
    let pair = json!({"name": "text_pair", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]});
    let uneven = service.post(INFER, json!({"inputs": [text(&[GREAT]), pair]})).await;
    assert_eq!(uneven.problem(422, "invalid_field")["pointer"], "/inputs/1/shape");
    let long = service.post(INFER, json!({"inputs": [text(&[GREAT, &"word ".repeat(300)])]})).await;
    let long = long.problem(422, "input_too_long");
    assert_eq!(long["pointer"], "/inputs/0/data/1");
    assert!(long["detail"].as_str().unwrap().starts_with("inputs[0].data[1] has"), "{long}");
}

#[tokio::test]
async fn hostile_binary_tensors_are_refused() {
    let service = start().await;
    let input = |size: Value| {
        let parameters = json!({"binary_data_size": size});
        json!({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "parameters": parameters}]})
    };
    for (size, binary) in [
        (json!(8), &[1, 0, 0, 0, 0xff, 0, 0, 0][..]),
        (json!(5), &[1, 0, 0, 0, 0xff]),
        (json!(8), &[0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1]),
        (json!(3), &[1, 0, 0]),
        (json!(9), &[1, 0, 0, 0, 65]),
        (json!(4), &[1, 0, 0, 0, 65]),
        (json!(-1), &[]),
        (json!(u64::MAX), &[]),
        (json!("5"), &[1, 0, 0, 0, 65]),
        (json!(0), &[]),
    ] {
        let reply = post_binary(&service, &input(size.clone()), binary).await;
        assert_eq!(reply.status, 422, "{size}: {}", String::from_utf8_lossy(&reply.body));
    }
    for length in ["x", "-1", "100000", "99999999999999999999999"] {
        let request = Request::post(INFER).header(LENGTH, length);
        let reply = service.send(request.body(Body::from("{}")).unwrap()).await;
        reply.problem(400, "bad_request");
    }
    let plain = Request::post(INFER).header(CONTENT_TYPE, "application/octet-stream");
    let reply = service.send(plain.body(Body::from("{}")).unwrap()).await;
    reply.problem(415, "unsupported_media_type");
}
