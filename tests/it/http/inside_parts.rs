//! `inside` and `concepts` on POST /explain for texts in several windows and for candidate labels.

use serde_json::{Value, json};

use super::windows::long;
use super::{GREAT, numbers, serving, with};
use crate::support::service::{Running, start};

const ALL: [&str; 4] = ["lens", "conductance", "head_importance", "ablation"];

fn windowed(combine: &str) -> Value {
    json!({"inputs": long(), "target": "POSITIVE", "methods": [], "attention": false, "inside": ALL,
           "window": {"stride": 16, "combine": combine}})
}

/// Returns the texts of the result's windows, each with the range of its tokens.
fn parts(result: &Value) -> Vec<(String, [usize; 2])> {
    let tokens = result["tokens"].as_array().unwrap();
    let text: Vec<char> = long().chars().collect();
    let part = |window: &Value| {
        let [from, to] = [0, 1].map(|end| window["tokens"][end].as_u64().unwrap() as usize);
        let offset = |token: usize, end: &str| tokens[token][end].as_u64().unwrap() as usize;
        let text = &text[offset(from, "start")..offset(to - 1, "end")];
        (text.iter().collect(), [from, to])
    };
    result["windows"].as_array().unwrap().iter().map(part).collect()
}

async fn alone(service: &Running, text: &str) -> Value {
    let body = json!({"inputs": text, "target": "POSITIVE", "methods": [], "attention": false,
                      "inside": ALL});
    service.explain(body).await["results"][0].clone()
}

/// The best window is explained like its text alone, to the last bit.
#[tokio::test]
async fn the_highest_window_is_a_text_of_its_own() {
    let service = start().await;
    let answer = service.explain(windowed("max")).await;
    let result = &answer["results"][0];
    let inside = &result["inside"];
    let mut equal = 0;
    for (text, [from, to]) in parts(result) {
        let own = alone(&service, &text).await["inside"].clone();
        if own["head_importance"] != inside["head_importance"] {
            continue;
        }
        equal += 1;
        assert_eq!(own["ablation"], inside["ablation"]);
        for field in ["convergence_delta", "converged", "n_steps"] {
            assert_eq!(own["conductance"][field], inside["conductance"][field]);
        }
        let layers = inside["conductance"]["token"].as_array().unwrap();
        for (layer, scores) in layers.iter().enumerate() {
            let (whole, own) = (numbers(scores), numbers(&own["conductance"]["token"][layer]));
            let (first, last) = (own[0], *own.last().unwrap());
            assert_eq!(whole[from..to], own[1..own.len() - 1]);
            assert_eq!((whole[0], *whole.last().unwrap()), (first, last));
            let others = whole.iter().enumerate().skip(1).take(whole.len() - 2);
            let mut others = others.filter(|(token, _)| !(from..to).contains(token));
            assert!(others.all(|(_, score)| *score == 0.));
        }
    }
    assert_eq!(equal, 1, "one window is the explained one");
}

#[tokio::test]
async fn means_over_windows_are_means_of_their_texts() {
    let service = start().await;
    let answer = service.explain(windowed("mean")).await;
    let result = &answer["results"][0];
    let inside = &result["inside"];
    let parts = parts(result);
    let count = parts.len() as f64;
    let mut sums = vec![vec![0.; result["tokens"].as_array().unwrap().len()]; 4];
    let (mut heads, mut steps) = (vec![0.; 20], 0);
    for (text, [from, to]) in parts {
        let own = alone(&service, &text).await["inside"].clone();
        for (layer, sums) in sums.iter_mut().enumerate() {
            let scores = numbers(&own["conductance"]["token"][layer]);
            let positions = std::iter::once(0).chain(from..to).chain([sums.len() - 1]);
            positions.zip(scores).for_each(|(position, score)| sums[position] += score / count);
        }
        let scores = own["head_importance"]["scores"].as_array().unwrap();
        let scores = scores.iter().flat_map(numbers);
        heads.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score / count);
        steps += own["conductance"]["n_steps"].as_u64().unwrap();
    }
    assert_eq!(inside["conductance"]["n_steps"], steps);
    let near = |ours: &[f64], theirs: &[f64]| {
        let gap = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
        assert!(gap < 1e-5 && ours.len() == theirs.len(), "{gap}");
    };
    for (layer, sums) in sums.iter().enumerate() {
        near(&numbers(&inside["conductance"]["token"][layer]), sums);
        let words = numbers(&inside["conductance"]["word"][layer]);
        assert_eq!(words.len(), result["words"].as_array().unwrap().len());
    }
    let own = inside["head_importance"]["scores"].as_array().unwrap();
    near(&own.iter().flat_map(numbers).collect::<Vec<_>>(), &heads);
    assert_eq!(inside["lens"]["predictions"][4], result["predictions"]);
}

#[tokio::test]
async fn tokens_and_answers_in_windows_have_views() {
    for (folder, inputs, field) in [
        (
            "bert-tokens",
            json!("Anna met Paul in Paris and they went to the river. ".repeat(20)),
            "predictions",
        ),
        (
            "bert-qa",
            json!({"text": "Who liked it?", "text_pair":
                "The actor loved the story. The plot was dull and the music was bad. ".repeat(20)}),
            "answer",
        ),
    ] {
        let service = serving(folder).await;
        let body = json!({"inputs": inputs, "methods": ["integrated_gradients"], "inside": ALL,
                          "window": {"stride": 8}, "attention": false});
        let answer = service.explain(body).await;
        let result = &answer["results"][0];
        let inside = &result["inside"];
        assert!(result["windows"].as_array().unwrap().len() > 1);
        let lens = inside["lens"]["predictions"].as_array().unwrap();
        assert_eq!(lens.last(), Some(&result[field]), "{folder}");
        let ig = &result["explanations"][0];
        assert_eq!(inside["conductance"]["target"], ig["target"]);
        let change = ig["output_value"].as_f64().unwrap() - ig["baseline_value"].as_f64().unwrap();
        for layer in inside["conductance"]["token"].as_array().unwrap() {
            let scores = numbers(layer);
            assert_eq!(scores.len(), result["tokens"].as_array().unwrap().len());
            let size: f64 = scores.iter().map(|score| score.abs()).sum();
            assert!((scores.iter().sum::<f64>() - change).abs() < 0.01 * size, "{folder}");
        }
    }
}

fn zero_shot() -> Value {
    json!({"inputs": "The actor made the best film.", "methods": [], "attention": false,
           "candidate_labels": ["movies", "music", "the weather"], "output": "probability"})
}

#[tokio::test]
async fn what_shares_the_batch_changes_nothing() {
    let service = serving("bert-nli").await;
    let texts = ["The actor made the best film.", GREAT, "The music was so sad."];
    let ask = |inputs: Value| with(&zero_shot(), &json!({"inputs": inputs, "inside": ALL}));
    let together = service.explain(ask(json!(texts))).await;
    for (index, text) in texts.iter().enumerate() {
        let alone = service.explain(ask(json!(text))).await;
        assert_eq!(together["results"][index]["inside"], alone["results"][0]["inside"]);
    }
    let service = start().await;
    let both = with(&windowed("mean"), &json!({"inputs": [long(), GREAT, long()]}));
    let (both, alone) = (service.explain(both).await, service.explain(windowed("mean")).await);
    for index in [0, 2] {
        assert_eq!(both["results"][index]["inside"], alone["results"][0]["inside"]);
    }
}

#[tokio::test]
async fn views_of_parts_are_priced() {
    let service = serving("bert-nli").await;
    for more in [
        json!({}),
        json!({"output": "logit"}),
        json!({"target": {"contrast": ["music", "movies"]}, "output": "logit"}),
        json!({"multi_label": true}),
    ] {
        for views in [json!("lens"), json!("head_importance"), json!("ablation"), json!(ALL)] {
            let body = with(&with(&zero_shot(), &more), &json!({"inside": views}));
            let price = service.post("/estimate", body.clone()).await.json();
            let used = service.explain(body).await["usage"].clone();
            assert_eq!(price["forward_rows"], used["forward_rows"], "{more} {views}");
            // Those of the path are an assumption.
            if views != json!(ALL) {
                assert_eq!(price["gradient_rows"], used["gradient_rows"], "{more} {views}");
            }
        }
    }
    let service = start().await;
    let body = with(&windowed("mean"), &json!({"inside": ["lens", "ablation"]}));
    let price = service.post("/estimate", body.clone()).await.json();
    let used = service.explain(body).await["usage"].clone();
    for rows in ["forward_rows", "gradient_rows"] {
        assert_eq!(price[rows], used[rows]);
    }
}

#[tokio::test]
async fn views_of_parts_are_shown_in_every_format() {
    let nli = serving("bert-nli").await;
    let sentiment = start().await;
    let zero_shot = with(&zero_shot(), &json!({"inside": ALL}));
    for (service, body) in [(&nli, zero_shot), (&sentiment, windowed("mean"))] {
        let page = service.render("text/html", body.clone()).await;
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        for heading in [
            "Prediction after each layer",
            "Scores of the words",
            "Importance of the",
            "Without an",
        ] {
            assert!(page.contains(heading), "{heading}");
        }
        let result = service.explain(body.clone()).await["results"][0].clone();
        let tensors = service.render("application/x-safetensors", body.clone()).await;
        let tensors = safetensors::SafeTensors::deserialize(&tensors.body).unwrap();
        let scores = tensors.tensor("results.0.inside.conductance.token").unwrap();
        assert_eq!(scores.shape()[1], result["tokens"].as_array().unwrap().len());
        assert!(tensors.tensor("results.0.inside.head_importance.scores").is_ok());
        let lines =
            service.request("POST", "/explain", &[("accept", "application/x-ndjson")], body);
        let lines = String::from_utf8(lines.await.body).unwrap();
        let line: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(line["inside"], result["inside"]);
    }
}
