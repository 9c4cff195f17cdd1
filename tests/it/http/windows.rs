//! Long texts that are split into windows.

use serde_json::{Value, json};

use super::{GREAT, numbers, serving};
use crate::support::service;

/// About 240 tokens; the model's maximum is 128.
pub fn long() -> String {
    let sentences = [
        "The film begins slowly, with a long walk through the rain.",
        "The cast is wonderful and the music is a joy.",
        "The last hour is a dull, tired and stupid mess.",
        "I left before the end.",
    ];
    sentences.iter().cycle().take(20).copied().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn values_are_weighted_sums_over_windows() {
    let service = service::start().await;
    for combine in ["mean", "max"] {
        let body = json!({
            "inputs": long(),
            "target": {"label": "POSITIVE"},
            "methods": ["integrated_gradients", {"name": "partition_shap", "max_evals": 60}],
            "window": {"stride": 16, "combine": combine},
            "attention": false,
        });
        let answer = service.explain(body).await;
        let result = &answer["results"][0];
        let tokens = result["tokens"].as_array().unwrap();
        assert!(tokens.len() > 200 && result["truncated"] == false);
        let windows = result["windows"].as_array().unwrap();
        assert!(windows.len() >= 2);
        // Every token is in a window, adjacent windows overlap, and none ends within a word.
        let ends: Vec<Vec<f64>> = windows.iter().map(|window| numbers(&window["tokens"])).collect();
        assert_eq!((ends[0][0], ends.last().unwrap()[1]), (1., tokens.len() as f64 - 1.));
        for pair in ends.windows(2) {
            assert!(pair[0][1] - pair[1][0] >= 16. && pair[1][0] > pair[0][0]);
            let (last, next) = (&tokens[pair[0][1] as usize - 1], &tokens[pair[0][1] as usize]);
            assert_ne!(last["word"], next["word"]);
        }
        let served = result["predictions"].as_array().unwrap();
        let positive = served.iter().find(|p| p["label"] == "POSITIVE").unwrap();
        for (number, one) in result["explanations"].as_array().unwrap().iter().enumerate() {
            assert_eq!(one["output_value"], positive["logit"], "the prediction is explained");
            let scores = numbers(&one["attributions"]["token"]);
            assert_eq!(scores.len(), tokens.len());
            let value = |name: &str| one[name].as_f64().unwrap();
            let gap =
                scores.iter().sum::<f64>() - (value("output_value") - value("baseline_value"));
            assert!((gap - value("convergence_delta")).abs() < 1e-4);
            let shares: Vec<&Value> = windows
                .iter()
                .flat_map(|window| window["explanations"].as_array().unwrap())
                .filter(|share| share["explanation"] == number)
                .collect();
            assert_eq!(shares.len(), if combine == "max" { 1 } else { windows.len() });
            let sum = |name: &str| {
                let weighted = |share: &&Value| {
                    share["weight"].as_f64().unwrap() * share[name].as_f64().unwrap()
                };
                shares.iter().map(weighted).sum::<f64>()
            };
            for name in ["output_value", "baseline_value", "convergence_delta"] {
                assert!((sum(name) - value(name)).abs() < 1e-4, "{combine} {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_short_text_is_not_split() {
    let service = service::start().await;
    let plain = service.explain(json!({"inputs": GREAT})).await;
    let windowed = service.explain(json!({"inputs": GREAT, "window": {"stride": 4}})).await;
    assert_eq!(plain["results"][0]["predictions"], windowed["results"][0]["predictions"]);
    assert!(windowed["results"][0]["windows"].is_null());
}

#[tokio::test]
async fn invalid_window_options_are_rejected() {
    let service = service::start().await;
    for (more, pointer) in [
        (json!({"window": {"stride": 126}}), "/window/stride"),
        (json!({"window": {"stride": 8}, "truncate": true}), "/truncate"),
        (json!({"window": {"stride": 8}, "evaluate": "all"}), "/evaluate"),
        (json!({"window": {"stride": 8, "combine": "sum"}}), "/window/combine"),
        (json!({"window": {"stride": -1}}), "/window/stride"),
        (json!({"window": {}}), "/window"),
    ] {
        let mut body = json!({"inputs": long()});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problem = service.post("/explain", body).await.problem(422, "invalid_field");
        assert_eq!(problem["pointer"], pointer, "{more}");
    }
}

#[tokio::test]
async fn the_number_of_windows_is_limited() {
    let service = service::start().await;
    let body = json!({"inputs": "good ".repeat(5_000), "window": {"stride": 120}});
    let problem = service.post("/explain", body).await.problem(422, "input_too_long");
    assert!(problem["detail"].as_str().unwrap().contains("64 windows"), "{problem}");
}

#[tokio::test]
async fn the_answer_is_the_best_of_all_windows() {
    let service = serving("bert-qa").await;
    let context = "The actor loved the story. The plot was dull and the music was bad. ".repeat(20);
    let body = json!({
        "inputs": {"text": "Who liked it?", "text_pair": context},
        "methods": ["saliency", {"name": "occlusion", "unit": "word"}],
        "window": {"stride": 8},
        "attention": false,
    });
    let answer = service.explain(body.clone()).await;
    let result = &answer["results"][0];
    let windows = result["windows"].as_array().unwrap();
    assert!(windows.len() > 1);
    let probability = |result: &Value| result["answer"]["probability"].as_f64().unwrap();
    let best = windows.iter().map(probability).fold(0., f64::max);
    assert_eq!(probability(result), best);
    let tokens = result["tokens"].as_array().unwrap();
    for one in result["explanations"].as_array().unwrap() {
        let token = one["target"]["token"].as_u64().unwrap() as usize;
        assert_eq!(tokens[token]["segment"], 1, "the index is of the whole context");
        assert_eq!(numbers(&one["attributions"]["token"]).len(), tokens.len());
    }
    // A requested token is explained in the window with the most context around it.
    let mut named = body;
    named["target"] = json!({"position": "start", "token": tokens.len() - 10});
    let answer = service.explain(named).await;
    assert_eq!(answer["results"][0]["explanations"][0]["target"]["token"], tokens.len() - 10);
}

#[tokio::test]
async fn the_null_score_is_the_minimum_over_all_windows() {
    let service = serving("bert-qa").await;
    let context = "The actor loved the story. The plot was dull and the music was bad. ".repeat(20);
    let body = json!({
        "inputs": {"text": "Who liked it?", "text_pair": context},
        "methods": ["saliency"],
        "window": {"stride": 8},
        "attention": false,
        "handle_impossible_answer": true,
        "top_k": 4,
    });
    let answer = service.explain(body).await;
    let result = &answer["results"][0];
    let windows = result["windows"].as_array().unwrap();
    let null = |result: &Value| result["answer"]["null_score"].as_f64().unwrap();
    let least = windows.iter().map(null).fold(1., f64::min);
    assert_eq!(null(result), least);
    let answers = result["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 4);
    let probability = |answer: &Value| answer["probability"].as_f64().unwrap();
    assert!(answers.windows(2).all(|pair| probability(&pair[0]) >= probability(&pair[1])));
    let texts: Vec<&str> = answers.iter().map(|answer| answer["text"].as_str().unwrap()).collect();
    assert!((1..4).all(|i| !texts[..i].contains(&texts[i])), "duplicates: {texts:?}");
    let of_windows = windows.iter().flat_map(|window| window["answers"].as_array().unwrap());
    let spans = of_windows.filter(|answer| answer["text"] != "");
    let best = spans.map(probability).fold(0., f64::max);
    assert_eq!(probability(&answers[0]), best.max(least));
    let tokens = result["tokens"].as_array().unwrap();
    for (number, one) in result["explanations"].as_array().unwrap().iter().enumerate() {
        let name = ["start_token", "end_token"][number];
        assert_eq!(one["target"]["token"], answers[0][name]);
        assert_eq!(numbers(&one["attributions"]["token"]).len(), tokens.len());
    }
}

#[tokio::test]
async fn each_token_is_classified_in_the_window_with_the_most_context() {
    let service = serving("bert-tokens").await;
    let text = "Anna met Paul in Paris and they went to the river. ".repeat(20);
    let body = json!({"inputs": text, "methods": ["saliency"], "window": {"stride": 10},
        "attention": false});
    let answer = service.explain(body).await;
    let result = &answer["results"][0];
    assert!(result["windows"].as_array().unwrap().len() > 1);
    let tokens = result["tokens"].as_array().unwrap();
    assert_eq!(result["predictions"].as_array().unwrap().len(), tokens.len());
    for one in result["explanations"].as_array().unwrap() {
        let token = one["target"]["token"].as_u64().unwrap() as usize;
        let scores = numbers(&one["attributions"]["token"]);
        assert!(scores[token] != 0., "the token's window is explained");
        let label = &one["target"]["label"];
        let served = result["predictions"][token].as_array().unwrap();
        let same = served.iter().find(|p| &p["label"] == label).unwrap();
        assert_eq!(one["output_value"], same["logit"]);
    }
}
