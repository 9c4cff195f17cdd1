//! Texts over a model's limit, read in parts.

use serde_json::{Value, json};

use super::{GREAT, numbers, serving};
use crate::support::service;

/// Some 240 tokens; the model takes 128.
fn long() -> String {
    let sentences = [
        "The film begins slowly, with a long walk through the rain.",
        "The cast is wonderful and the music is a joy.",
        "The last hour is a dull, tired and stupid mess.",
        "I left before the end.",
    ];
    sentences.iter().cycle().take(20).copied().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn parts_add_up_to_the_whole() {
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
        // Every token is in one, neighbours overlap, and none ends within a word.
        let ends: Vec<Vec<f64>> = windows.iter().map(|window| numbers(&window["tokens"])).collect();
        assert_eq!((ends[0][0], ends.last().unwrap()[1]), (1., tokens.len() as f64 - 1.));
        for pair in ends.windows(2) {
            assert!(pair[0][1] - pair[1][0] >= 16. && pair[1][0] > pair[0][0]);
            let (before, at) = (&tokens[pair[0][1] as usize - 1], &tokens[pair[0][1] as usize]);
            assert_ne!(before["word"], at["word"]);
        }
        let served = result["predictions"].as_array().unwrap();
        let positive = served.iter().find(|p| p["label"] == "POSITIVE").unwrap();
        for (number, one) in result["explanations"].as_array().unwrap().iter().enumerate() {
            assert_eq!(one["output_value"], positive["logit"], "what is explained is served");
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
                let of = |share: &&Value| {
                    share["weight"].as_f64().unwrap() * share[name].as_f64().unwrap()
                };
                shares.iter().map(of).sum::<f64>()
            };
            for name in ["output_value", "baseline_value", "convergence_delta"] {
                assert!((sum(name) - value(name)).abs() < 1e-4, "{combine} {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_text_that_fits_is_read_whole() {
    let service = service::start().await;
    let plain = service.explain(json!({"inputs": GREAT})).await;
    let windowed = service.explain(json!({"inputs": GREAT, "window": {"stride": 4}})).await;
    assert_eq!(plain["results"][0]["predictions"], windowed["results"][0]["predictions"]);
    assert!(windowed["results"][0]["windows"].is_null());
}

#[tokio::test]
async fn windows_that_make_no_sense_are_refused() {
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

/// However many windows a caller's stride would make, there are only so many.
#[tokio::test]
async fn windows_are_bounded() {
    let service = service::start().await;
    let body = json!({"inputs": "good ".repeat(5_000), "window": {"stride": 120}});
    let problem = service.post("/explain", body).await.problem(422, "input_too_long");
    assert!(problem["detail"].as_str().unwrap().contains("64 windows"), "{problem}");
}

#[tokio::test]
async fn an_answer_is_found_wherever_it_is() {
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
    let sure = |result: &Value| result["answer"]["probability"].as_f64().unwrap();
    let best = windows.iter().map(sure).fold(0., f64::max);
    assert_eq!(sure(result), best, "the surest part answers");
    let tokens = result["tokens"].as_array().unwrap();
    for one in result["explanations"].as_array().unwrap() {
        let token = one["target"]["token"].as_u64().unwrap() as usize;
        assert_eq!(tokens[token]["segment"], 1, "a token of the context, by its own number");
        assert_eq!(numbers(&one["attributions"]["token"]).len(), tokens.len());
    }
    // A token that a caller names is looked for where most is around it.
    let mut named = body;
    named["target"] = json!({"position": "start", "token": tokens.len() - 10});
    let answer = service.explain(named).await;
    assert_eq!(answer["results"][0]["explanations"][0]["target"]["token"], tokens.len() - 10);
}

/// That there is no answer is as sure as the window that is least sure of it.
#[tokio::test]
async fn no_answer_counts_over_all_windows() {
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
    let sure = |answer: &Value| answer["probability"].as_f64().unwrap();
    assert!(answers.windows(2).all(|two| sure(&two[0]) >= sure(&two[1])), "best first");
    let texts: Vec<&str> = answers.iter().map(|answer| answer["text"].as_str().unwrap()).collect();
    assert!((1..4).all(|i| !texts[..i].contains(&texts[i])), "none twice: {texts:?}");
    let of_windows = windows.iter().flat_map(|window| window["answers"].as_array().unwrap());
    let spans = of_windows.filter(|answer| answer["text"] != "");
    let surest = spans.map(sure).fold(0., f64::max);
    assert_eq!(sure(&answers[0]), surest.max(least));
    let tokens = result["tokens"].as_array().unwrap();
    for (place, one) in result["explanations"].as_array().unwrap().iter().enumerate() {
        let name = ["start_token", "end_token"][place];
        assert_eq!(one["target"]["token"], answers[0][name]);
        assert_eq!(numbers(&one["attributions"]["token"]).len(), tokens.len());
    }
}

#[tokio::test]
async fn each_token_is_named_where_most_is_around_it() {
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
        assert!(scores[token] != 0., "its own window is explained");
        let label = &one["target"]["label"];
        let served = result["predictions"][token].as_array().unwrap();
        let same = served.iter().find(|p| &p["label"] == label).unwrap();
        assert_eq!(one["output_value"], same["logit"]);
    }
}
