//! Pretokenized inputs: `words` instead of `text`.

use explaind::config::{Config, ModelEntry};
use serde_json::{Value, json};

use super::{numbers, serving, with};
use crate::golden::sentences::with_files;
use crate::support::service::{start, start_with, untimed};

fn words(result: &Value) -> Vec<&str> {
    result["words"].as_array().unwrap().iter().map(|word| word["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn words_of_the_response_are_those_of_the_request() {
    let service = start().await;
    let input_words = ["It's", "not bad", "!?", "真的很好"];
    let body = json!({
        "inputs": {"words": input_words, "spans": [[5, 12]], "id": "mine"},
        "methods": ["integrated_gradients", "occlusion", "lime", "partition_shap"],
        "granularity": ["token", "word", "sentence"],
    });
    let answer = service.explain(body).await;
    let result = &answer["results"][0];
    assert_eq!(result["id"], "mine");
    assert_eq!(words(result), input_words);
    let text = input_words.join(" ");
    let tokens = result["tokens"].as_array().unwrap();
    for (number, word) in result["words"].as_array().unwrap().iter().enumerate() {
        let [start, end] = ["start", "end"].map(|name| word[name].as_u64().unwrap() as usize);
        let own: String = text.chars().skip(start).take(end - start).collect();
        assert_eq!(own, input_words[number]);
        for token in numbers(&word["tokens"]) {
            let token = &tokens[token as usize];
            assert_eq!(token["word"], number);
            let inside =
                |name: &str| (start..=end).contains(&(token[name].as_u64().unwrap() as usize));
            assert!(inside("start") && inside("end"), "{token}");
        }
    }
    assert_eq!(result["spans"][0]["text"], "not bad");
    assert_eq!(result["spans"][0]["rounded"], false);
    for one in result["explanations"].as_array().unwrap() {
        let scores = &one["attributions"];
        assert_eq!(numbers(&scores["word"]).len(), input_words.len());
        let second = numbers(&scores["word"])[1];
        assert!((numbers(&scores["span"])[0] - second).abs() < 1e-6);
    }
}

/// Every route accepts words, also in a list with texts.
#[tokio::test]
async fn every_route_accepts_words() {
    let service = start().await;
    let inputs = json!([{"words": ["so", "great"]}, "so great", {"words": []}]);
    let body = json!({"inputs": inputs, "methods": ["saliency"], "attention": false});
    let explained = service.explain(body.clone()).await;
    let results = explained["results"].as_array().unwrap();
    assert_eq!(results[0]["predictions"], results[1]["predictions"], "WordPiece splits at spaces");
    assert_eq!(results[2]["error"]["pointer"], "/inputs/2/words");
    let predicted = service.post("/predict", json!({"inputs": inputs})).await.json();
    assert_eq!(predicted["results"][0]["predictions"], results[0]["predictions"]);
    let single = json!({"inputs": {"words": ["so", "great"]}, "methods": ["saliency"]});
    let estimated = service.post("/estimate", single.clone()).await.json();
    assert_eq!(estimated["tokens"].as_u64().unwrap() as usize, 4);
    let compared = with(&single, &json!({"evaluate": "comprehensiveness"}));
    let compared = service.post("/explain/compare", compared).await.json();
    assert_eq!(words(&compared["results"][0]), ["so", "great"]);
    let headers = [("accept", "application/x-ndjson")];
    let lines = service.request("POST", "/explain", &headers, single).await;
    let first = String::from_utf8(lines.body).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(words(&first), ["so", "great"]);
}

#[tokio::test]
async fn invalid_words_are_rejected_with_a_pointer() {
    let service = start().await;
    for (input, code, pointer) in [
        (json!({"words": []}), "input_empty", "/inputs/words"),
        (json!({"words": ["a", " "]}), "input_empty", "/inputs/words/1"),
        (json!({"words": ["a", ""]}), "input_empty", "/inputs/words/1"),
        (json!({"words": ["\u{200b}"]}), "input_empty", "/inputs/words"),
        (json!({"words": ["a", 3]}), "invalid_field", "/inputs/words/1"),
        (json!({"words": ["a", ["b"]]}), "invalid_field", "/inputs/words/1"),
        (json!({"words": "a b"}), "invalid_field", "/inputs/words"),
        (json!({"text": "a b", "words": ["a", "b"]}), "invalid_field", "/inputs/words"),
        (json!({"id": "none"}), "invalid_field", "/inputs"),
        (json!({"words": vec!["a"; 16_385]}), "invalid_field", "/inputs/words"),
        (json!({"words": vec!["good"; 200]}), "input_too_long", "/inputs/words"),
        (json!({"words": ["a"], "text_pair": " "}), "input_empty", "/inputs/text_pair"),
    ] {
        let problem = service.post("/explain", json!({"inputs": input})).await.problem(422, code);
        assert_eq!(problem["pointer"], pointer, "{input}");
    }
}

#[tokio::test]
async fn words_can_be_truncated_and_split_into_windows() {
    let service = start().await;
    let all: Vec<&str> = "a dull , tired film !".split(' ').cycle().take(240).collect();
    let body = json!({"inputs": {"words": all}, "methods": ["saliency"], "attention": false});
    let truncated = service.explain(with(&body, &json!({"truncate": true}))).await;
    let result = &truncated["results"][0];
    assert_eq!(result["truncated"], true);
    let kept = words(result);
    assert!(kept.len() > 60 && kept[..] == all[..kept.len()], "{} words", kept.len());
    let windows = service.explain(with(&body, &json!({"window": {"stride": 8}}))).await;
    let result = &windows["results"][0];
    assert!(result["windows"].as_array().unwrap().len() > 1);
    assert_eq!(words(result), all);
}

#[tokio::test]
async fn a_pair_may_combine_words_and_a_text() {
    let service = serving("bert-nli").await;
    let pair = json!({"words": ["is", "it", "good?"], "text_pair": "It was the best film."});
    let by_words = service.explain(json!({"inputs": pair, "methods": ["saliency"]})).await;
    let pair = json!({"text": "is it good?", "text_pair": "It was the best film."});
    let by_text = service.explain(json!({"inputs": pair, "methods": ["saliency"]})).await;
    let result = |answer: &'_ Value| answer["results"][0].clone();
    assert_eq!(result(&by_words)["tokens"][1], result(&by_text)["tokens"][1]);
    assert_eq!(result(&by_words)["predictions"], result(&by_text)["predictions"]);
    let words = |answer: &Value| result(answer)["words"].as_array().unwrap().len();
    assert_eq!(words(&by_text), words(&by_words) + 1, "the question mark is part of its word");
}

#[tokio::test]
async fn a_prompt_is_not_one_of_the_words() {
    let files = json!({"config_sentence_transformers.json": {
        "prompts": {"query": "the film: "}, "default_prompt_name": "query"}});
    let folder = with_files("bert-embed-dense", &files);
    let source = folder.path().display().to_string();
    let model = ModelEntry::new("prompted", source);
    let service = start_with(&Config { models: vec![model], ..untimed() }).await;
    let inputs = json!([{"words": ["a", "good", "film"]}, "a good film"]);
    let body = json!({"inputs": inputs, "methods": [], "attention": false});
    let answer = service.explain(body).await;
    let [by_words, by_text] = [0, 1].map(|number| &answer["results"][number]);
    assert_eq!(words(by_words), ["a", "good", "film"]);
    for field in ["tokens", "words", "similarity"] {
        assert_eq!(by_words[field], by_text[field], "WordPiece splits at spaces");
    }
    assert!(by_words["tokens"].as_array().unwrap().len() > 5, "the prompt has tokens");
}
