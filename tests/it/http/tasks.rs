//! Responses and errors of each task.

use explaind::config::{Config, ModelEntry};
use serde_json::{Value, json};

use super::{serving, with};
use crate::support::golden_folder;
use crate::support::service::{Running, start_with, untimed};

/// Starts a service with one tiny model per task.
pub async fn start() -> Running {
    let entry = |(id, folder): (&str, &str)| {
        ModelEntry::new(id, golden_folder(folder).display().to_string())
    };
    let models = [
        ("tokens", "bert-tokens"),
        ("answer", "roberta-qa"),
        ("masks", "xlm-roberta-mlm"),
        ("next", "bert-nsp"),
        ("similar", "mpnet-embed"),
    ];
    start_with(&Config { models: models.map(entry).to_vec(), ..untimed() }).await
}

fn result(answer: &Value) -> &Value {
    &answer["results"][0]
}

#[tokio::test]
async fn each_task_has_its_response_fields() {
    let running = start().await;
    let answer = running.explain(json!({"model": "tokens", "inputs": "The actor made it."})).await;
    let tokens = result(&answer)["tokens"].as_array().unwrap().len();
    assert_eq!(result(&answer)["predictions"].as_array().unwrap().len(), tokens);
    let entity = &result(&answer)["entities"][0];
    let explained = &result(&answer)["explanations"][0]["target"];
    assert_eq!(explained["token"], entity["tokens"][0]);

    let pair = json!({"text": "What was good?", "text_pair": "The film was very good."});
    let answer = running.explain(json!({"model": "answer", "inputs": pair})).await;
    let (span, all) = (&result(&answer)["answer"], &result(&answer)["explanations"]);
    assert_eq!(all[0]["target"], json!({"position": "start", "token": span["start_token"]}));
    assert_eq!(all[1]["target"], json!({"position": "end", "token": span["end_token"]}));
    let starts = result(&answer)["start"].as_array().unwrap();
    let start = starts.iter().find(|score| score["token"] == span["start_token"]).unwrap();
    assert_eq!(all[0]["output_value"], start["logit"]);

    let answer = running.explain(json!({"model": "masks", "inputs": "It is <mask> good."})).await;
    let mask = &result(&answer)["masks"][0];
    let target = &result(&answer)["explanations"][0]["target"];
    assert_eq!(target["token"], mask["token"]);
    assert_eq!(target["label"], mask["predictions"][0]["label"]);

    let pair = json!({"text": "I saw a movie.", "text_pair": "It was good."});
    let answer = running.explain(json!({"model": "next", "inputs": pair.clone()})).await;
    let labels = result(&answer)["predictions"].as_array().unwrap();
    assert!(labels.iter().any(|prediction| prediction["label"] == "IS_NEXT"));

    let answer = running.explain(json!({"model": "similar", "inputs": pair})).await;
    let both = &result(&answer)["explanations"];
    assert_eq!(both[0]["target"], json!({"cosine": "text"}));
    assert_eq!(both[1]["target"], json!({"cosine": "text_pair"}));
    assert_eq!(both[0]["output_value"], result(&answer)["similarity"]["cosine"]);
    let body = json!({"model": "similar", "inputs": "alone"});
    let single = running.post("/predict", body).await.json();
    assert_eq!(result(&single)["similarity"]["embedding"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn handle_impossible_answer_allows_an_empty_answer() {
    let service = serving("bert-qa").await;
    let body = json!({
        "inputs": {"text": "who made very?", "text_pair": "she love from not but"},
        "methods": ["saliency"],
    });
    let plain = service.explain(body.clone()).await;
    assert_eq!(result(&plain)["answer"]["text"], "love from not but");
    assert!(result(&plain)["answer"]["null_score"].is_null());
    let none = service.explain(with(&body, &json!({"handle_impossible_answer": true}))).await;
    let answer = &result(&none)["answer"];
    assert_eq!((&answer["text"], &answer["end"]), (&json!(""), &json!(0)));
    assert_eq!(answer["probability"], answer["null_score"]);
    assert_eq!(result(&none)["answers"].as_array().unwrap().len(), 1);
    let targets: Vec<&Value> =
        result(&none)["explanations"].as_array().unwrap().iter().map(|e| &e["target"]).collect();
    let at_first = |position: &str| json!({"position": position, "token": 0});
    assert_eq!(targets, [&at_first("start"), &at_first("end")]);
    let predicted = with(&body, &json!({"handle_impossible_answer": true, "top_k": 2}));
    let predicted = json!({"inputs": predicted["inputs"], "top_k": 2,
        "handle_impossible_answer": true});
    let predicted = service.post("/predict", predicted).await.json();
    let texts = &result(&predicted)["answers"];
    assert_eq!((&texts[0]["text"], &texts[1]["text"]), (&json!(""), &json!("love from not but")));
}

#[tokio::test]
async fn options_of_other_tasks_are_rejected() {
    let service = start().await;
    let text = "It <mask> good.";
    for (model, more, pointer) in [
        ("tokens", json!({"top_k": 2}), "/top_k"),
        ("masks", json!({"handle_impossible_answer": false}), "/handle_impossible_answer"),
        ("next", json!({"max_answer_len": 3}), "/max_answer_len"),
        ("answer", json!({"max_answer_len": 0}), "/max_answer_len"),
        ("answer", json!({"top_k": 101}), "/top_k"),
        ("answer", json!({"top_k": -1}), "/top_k"),
        ("answer", json!({"candidate_labels": ["a", "b"]}), "/candidate_labels"),
        ("next", json!({"candidate_labels": ["a", "b"]}), "/candidate_labels"),
    ] {
        let body = with(&json!({"model": model, "inputs": text}), &more);
        let problem = service.post("/explain", body).await.problem(422, "invalid_field");
        assert_eq!(problem["pointer"], pointer, "{more}");
    }
}

#[tokio::test]
async fn incomplete_inputs_and_invalid_targets_are_rejected_with_a_pointer() {
    let running = start().await;
    for (model, word) in [
        ("answer", "text_pair"),
        ("masks", "<mask>"),
        ("next", "text_pair"),
        ("similar", "text_pair"),
    ] {
        let body = json!({"model": model, "inputs": [{"text": "alone"}]});
        let problem = running.post("/explain", body).await.problem(422, "input_empty");
        assert_eq!(problem["pointer"], "/inputs/0/text", "{model}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    for (model, target, pointer) in [
        ("tokens", json!({"label": "B-PER"}), "/target"),
        ("tokens", json!({"token": 1, "label": "B-MISC"}), "/target"),
        ("tokens", json!({"token": 99, "label": "B-PER"}), "/target/token"),
        ("tokens", json!({"position": "start"}), "/target/position"),
        ("answer", json!({"index": 0}), "/target"),
        ("answer", json!({"position": "end", "token": 1}), "/target/token"),
        ("masks", json!({"token": 1, "index": 5}), "/target/token"),
        ("next", json!({"token": 1, "index": 0}), "/target/token"),
        ("similar", json!({"index": 0}), "/target"),
    ] {
        let inputs = json!({"text": "It <mask> good.", "text_pair": "It was good."});
        let body = json!({"model": model, "inputs": inputs, "target": target});
        let problem = running.post("/explain", body).await.problem(422, "target_not_found");
        assert_eq!(problem["pointer"], pointer, "{model} {target}");
    }
}
