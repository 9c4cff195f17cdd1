//! `inside` on POST /explain: shapes, sums, prices and refusals.

use serde_json::{Value, json};

use super::{GREAT, numbers, serving, with};
use crate::support::service::{Running, start};

const ALL: [&str; 4] = ["lens", "conductance", "head_importance", "ablation"];

async fn explained(service: &Running, body: &Value) -> Value {
    let reply = service.post("/explain", body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["results"][0].clone()
}

#[tokio::test]
async fn every_layer_adds_up_and_the_lens_ends_with_the_prediction() {
    let service = start().await;
    for (text, model) in [(GREAT, "sentiment-en"), ("这部电影真的很棒", "sentiment-zh")] {
        let body = json!({"inputs": text, "model": model, "inside": ALL});
        let result = explained(&service, &body).await;
        let inside = &result["inside"];
        let ig = &result["explanations"][0];
        let change = ig["output_value"].as_f64().unwrap() - ig["baseline_value"].as_f64().unwrap();
        let conductance = &inside["conductance"];
        assert_eq!(conductance["converged"], true);
        assert_eq!(conductance["target"], ig["target"]);
        let layers = conductance["layers"].as_array().unwrap().len();
        assert_eq!(conductance["layers"], json!((1..=layers).collect::<Vec<_>>()));
        for (tokens, words) in conductance["token"]
            .as_array()
            .unwrap()
            .iter()
            .zip(conductance["word"].as_array().unwrap())
        {
            let tokens = numbers(tokens);
            let size: f64 = tokens.iter().map(|score| score.abs()).sum();
            assert!((tokens.iter().sum::<f64>() - change).abs() < 0.01 * size, "{conductance}");
            assert_eq!(words.as_array().unwrap().len(), result["words"].as_array().unwrap().len());
        }
        let lens = &inside["lens"];
        assert_eq!(lens["predictions"].as_array().unwrap().len(), layers + 1);
        assert_eq!(lens["predictions"][layers], result["predictions"]);
        let decided_at = lens["decided_at"].as_u64().unwrap() as usize;
        let label = |layer: usize| lens["predictions"][layer][0]["label"].clone();
        assert!((decided_at..=layers).all(|layer| label(layer) == label(layers)));
        assert!(decided_at == 0 || label(decided_at - 1) != label(layers));
        let heads = &inside["head_importance"];
        assert_eq!(heads["shape"][0], layers);
        assert!(numbers(&heads["scores"][layers - 1]).iter().any(|score| *score != 0.));
        let size = |one: &Value| {
            let [layer, head] = ["layer", "head"].map(|part| one[part].as_u64().unwrap() as usize);
            heads["scores"][layer][head].as_f64().unwrap().abs()
        };
        let sizes: Vec<f64> =
            inside["ablation"]["heads"].as_array().unwrap().iter().map(size).collect();
        assert!(sizes.len() == 10 && sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    }
}

#[tokio::test]
async fn a_head_matters_as_much_as_its_gradient_maps_say() {
    let service = serving("bert-tiny").await;
    let attention = json!({"layers": "all", "heads": "all", "kind": "gradient"});
    let body = json!({"inputs": GREAT, "inside": "head_importance", "attention": attention});
    let result = explained(&service, &body).await;
    let maps = result["attention"]["weights"].as_array().unwrap();
    for (layer, heads) in maps.iter().enumerate() {
        let scores = numbers(&result["inside"]["head_importance"]["scores"][layer]);
        for (head, map) in heads.as_array().unwrap().iter().enumerate() {
            let sum: f64 = map.as_array().unwrap().iter().flat_map(numbers).sum();
            assert!((sum - scores[head]).abs() < 1e-5, "{layer}, {head}: {sum} {scores:?}");
        }
    }
}

#[tokio::test]
async fn what_shares_the_batch_changes_nothing() {
    let service = start().await;
    let texts = [GREAT, "The plot is not good.", "it's slow -- very , very slow ."];
    let ask = |inputs: Value| json!({"inputs": inputs, "inside": ALL, "methods": []});
    let together = service.post("/explain", &ask(json!(texts))).await.json();
    for (index, text) in texts.iter().enumerate() {
        let alone = explained(&service, &ask(json!(text))).await;
        assert_eq!(together["results"][index]["inside"], alone["inside"]);
    }
}

#[tokio::test]
async fn views_do_not_change_each_other() {
    let service = start().await;
    let body = json!({"inputs": GREAT, "methods": []});
    let all = explained(&service, &with(&body, &json!({"inside": ALL}))).await["inside"].clone();
    for view in ALL {
        let alone = explained(&service, &with(&body, &json!({"inside": view}))).await;
        assert_eq!(alone["inside"][view], all[view], "{view}");
    }
}

#[tokio::test]
async fn views_are_priced_and_shown_in_every_format() {
    let service = start().await;
    let plain = json!({"inputs": GREAT, "methods": []});
    let inside = json!({"inputs": GREAT, "methods": [], "inside": ALL});
    let rows = async |body: &Value| {
        service.post("/estimate", body).await.json()["gradient_rows"].as_u64().unwrap()
    };
    assert!(rows(&inside).await > rows(&plain).await + 9);
    // Heads are switched off only where that is asked for, and both views share the gradient row.
    let used = async |views: Value| {
        let usage = service.explain(with(&plain, &json!({"inside": views}))).await["usage"].clone();
        ["forward_rows", "gradient_rows"].map(|rows| usage[rows].as_u64().unwrap())
    };
    assert_eq!(used(json!("head_importance")).await, [1, 1]);
    assert_eq!(used(json!("ablation")).await, [11, 1]);
    assert_eq!(used(json!(["ablation", "head_importance"])).await, [11, 1]);
    // The path of the conductance ends at the input, where the importance is.
    let both = used(json!(["conductance", "head_importance"])).await;
    assert_eq!(both, used(json!("conductance")).await);
    for views in [json!("head_importance"), json!("ablation"), json!(ALL)] {
        let body = with(&plain, &json!({"inside": views}));
        let price = service.post("/estimate", &body).await.json();
        assert_eq!(price["forward_rows"], used(views).await[0]);
    }
    let page = service.render("text/html", inside.clone()).await;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    let headings =
        ["Prediction after each layer", "Scores of the words", "Importance of the", "Without an"];
    for heading in headings {
        assert!(page.contains(heading), "{heading}");
    }
    let tensors = service.render("application/x-safetensors", inside.clone()).await;
    let tensors = safetensors::SafeTensors::deserialize(&tensors.body).unwrap();
    for name in ["conductance.token", "conductance.word", "head_importance.scores"] {
        assert!(tensors.tensor(&format!("results.0.inside.{name}")).is_ok(), "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused_with_a_pointer() {
    let service = start().await;
    for (body, pointer) in [
        (json!({"inputs": GREAT, "inside": ["lens", "lens"]}), "/inside/1"),
        (json!({"inputs": GREAT, "inside": ["lense"]}), "/inside/0"),
        (
            json!({"inputs": GREAT, "methods": [{"name": "saliency", "layer": 99}]}),
            "/methods/0/layer",
        ),
        (
            json!({"inputs": GREAT, "methods": [{"name": "saliency", "layer": 0}]}),
            "/methods/0/layer",
        ),
    ] {
        let reply = service.post("/explain", &body).await;
        assert_eq!(reply.status, 422, "{body}");
        assert_eq!(reply.json()["pointer"], pointer, "{body}");
    }
    let service = serving("bert-embed").await;
    let body = json!({"inputs": "a man", "inside": "lens"});
    let reply = service.post("/explain", &body).await;
    assert_eq!(reply.json()["pointer"], "/inputs");
}

/// The lens of two embeddings is their cosine, of the states after each layer.
#[tokio::test]
async fn embedding_models_compare_the_texts_after_each_layer() {
    for folder in ["bert-embed", "bert-embed-dense", "electra-embed-chain", "mpnet-embed"] {
        let service = serving(folder).await;
        let body = json!({"inputs": {"text": "a man", "text_pair": "the best film"},
                          "inside": ALL, "methods": []});
        let result = explained(&service, &body).await;
        let inside = &result["inside"];
        assert!(inside["lens"].is_null());
        let cosines = numbers(&inside["similarity"]["cosine"]);
        let layers = inside["conductance"]["layers"].as_array().unwrap().len();
        assert_eq!(inside["similarity"]["layers"], json!((0..=layers).collect::<Vec<_>>()));
        assert_eq!(cosines.last(), result["similarity"]["cosine"].as_f64().as_ref(), "{folder}");
        assert!(cosines[0] != cosines[layers] && cosines.iter().all(|x| x.abs() <= 1. + 1e-6));
        let scores = &inside["conductance"]["token"][0];
        assert_eq!(scores.as_array().unwrap().len(), result["tokens"].as_array().unwrap().len());
        let page = service.render("text/html", body).await;
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(page.contains("Similarity after each layer"));
    }
}

/// Inputs of one request reserve memory one after the other, and all are answered.
#[tokio::test]
async fn many_inputs_share_the_memory() {
    let service = start().await;
    let text = "wonderful ".repeat(40);
    let body = json!({"inputs": vec![text; 9], "inside": "conductance", "methods": [],
                      "attention": false});
    let reply = service.post("/explain", &body).await;
    assert_eq!(reply.status, 200);
    let answer = reply.json();
    let results = answer["results"].as_array().unwrap();
    assert!(results.iter().all(|one| one["inside"] == results[0]["inside"]));
    assert!(!results[0]["inside"]["conductance"].is_null(), "{}", results[0]);
}
