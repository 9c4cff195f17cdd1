//! POST /probe: swaps of terms and their effects.

use serde_json::{Value, json};

use super::with;
use crate::support::service::{Running, start};

const PROPERTIES: [&str; 6] = ["identity", "case", "typos", "punctuation", "synonyms", "places"];

async fn answered(service: &Running, body: &Value) -> Value {
    let reply = service.post("/probe", body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

fn probability(prediction: &Value, label: &Value) -> f64 {
    let list = prediction.as_array().unwrap();
    let found = list.iter().find(|one| one["label"] == *label).unwrap();
    found["probability"].as_f64().unwrap()
}

#[tokio::test]
async fn swaps_match_predictions() {
    let service = start().await;
    for (text, model, swap) in [
        ("He is a brilliant young actor, and he knows it.", "sentiment-en", ("He", "she")),
        ("这位先生的服务很好", "sentiment-zh", ("先生", "女士")),
    ] {
        let body = json!({"inputs": text, "model": model, "properties": PROPERTIES});
        let answer = answered(&service, &body).await;
        let result = &answer["results"][0];
        let own = &result["prediction"]["label"];
        let swaps = result["swaps"].as_array().unwrap();
        let has = |one: &Value| one["from"] == swap.0 && one["to"] == swap.1;
        assert!(swaps.iter().any(has), "{result}");
        let mut last = (1, f64::INFINITY);
        for one in swaps {
            let predictions =
                |text: &Value| json!({"inputs": [text, result["text"]], "model": model});
            let body = with(&predictions(&one["text"]), &json!({"inputs": [one["text"], text]}));
            let both = service.post("/predict", body).await.json();
            let of = |i: usize| &both["results"][i]["predictions"];
            assert_eq!(of(0)[0]["label"], one["prediction"]["label"]);
            let shift = probability(of(0), own) - probability(of(1), own);
            assert!((shift - one["probability_shift"].as_f64().unwrap()).abs() < 1e-5, "{one}");
            assert_eq!(one["flipped"], json!(of(0)[0]["label"] != *own));
            let rank = (u8::from(one["flipped"] == true), shift.abs());
            assert!(
                rank.0 < last.0 || (rank.0 == last.0 && rank.1 <= last.1 + 1e-6),
                "flips first"
            );
            last = rank;
        }
    }
}

/// Compares with POST /explain scores before and after, with the same number of steps.
#[tokio::test]
async fn attribution_shifts_match_explanations() {
    let service = start().await;
    let text = "The film is great.";
    let body = json!({"inputs": text, "pairs": [["great", "awful"]], "model": "sentiment-en"});
    let swap = answered(&service, &body).await["results"][0]["swaps"][0].clone();
    assert_eq!(swap["text"], "The film is awful.");
    assert_eq!(swap["flipped"], true);
    let method = json!([{"name": "integrated_gradients", "n_steps": 16}]);
    let explained = service
        .explain(json!({"inputs": [text, swap["text"]], "methods": method, "target": {"label": "POSITIVE"}}))
        .await;
    let score = |i: usize| {
        explained["results"][i]["explanations"][0]["attributions"]["word"][3].as_f64().unwrap()
    };
    let shift = swap["attribution_shift"].as_f64().unwrap();
    assert!((shift - (score(1) - score(0))).abs() < 1e-4, "{shift} {} {}", score(0), score(1));
}

#[tokio::test]
async fn pairs_swap_all_occurrences_in_both_directions() {
    let service = start().await;
    let pairs = json!([["cat", "big dog"]]);
    for (text, expected) in
        [("A cat is a cat. Cats", "A big dog is a big dog. Cats"), ("Big dog here", "Cat here")]
    {
        let answer = answered(&service, &json!({"inputs": text, "pairs": pairs})).await;
        let swaps = answer["results"][0]["swaps"].as_array().unwrap().clone();
        assert_eq!(swaps.len(), 1);
        assert_eq!(swaps[0]["text"], expected);
    }
    let none = answered(&service, &json!({"inputs": "nothing of it", "pairs": pairs})).await;
    assert_eq!(none["results"][0]["swaps"], json!([]));
    assert!(none["results"][0]["reason"].is_string());
}

#[tokio::test]
async fn invalid_fields_are_rejected_with_a_pointer() {
    let service = start().await;
    let body = json!({"inputs": "He is great."});
    for (fields, pointer) in [
        (json!({"pairs": [["he", "he"]]}), "/pairs/0"),
        (json!({"pairs": [["he", "she"], ["", "x"]]}), "/pairs/1"),
        (json!({"pairs": [["he"]]}), "/pairs/0"),
        (json!({"groups": ["gender", "gender"]}), "/groups/1"),
        (json!({"groups": ["colour"]}), "/groups/0"),
        (json!({"pairs": vec![["a", "b"]; 300]}), "/pairs"),
        (json!({"properties": ["case", "typos", "case"]}), "/properties/2"),
        (json!({"properties": ["identity", "spelling"]}), "/properties/1"),
        (json!({"properties": "case"}), "/properties"),
    ] {
        let request = with(&body, &fields);
        for route in ["/probe", "/estimate/probe"] {
            let problem = service.post(route, &request).await.problem(422, "invalid_field");
            assert_eq!(problem["pointer"], pointer, "{request}");
        }
    }
}

/// Returns the swaps of one text for some properties.
async fn swaps(service: &Running, text: &str, properties: &[&str], seed: u64) -> Vec<Value> {
    let body = json!({"inputs": text, "properties": properties, "seed": seed, "model": "auto"});
    answered(service, &body).await["results"][0]["swaps"].as_array().unwrap().clone()
}

fn sorted(swaps: &[Value], field: &str) -> Vec<String> {
    let mut values: Vec<String> =
        swaps.iter().map(|swap| swap[field].as_str().unwrap().to_owned()).collect();
    values.sort();
    values
}

#[tokio::test]
async fn properties_change_texts_as_documented() {
    let service = start().await;
    for (property, text, expected) in [
        (
            "case",
            "A Film I don't like",
            &["A FILM I DON'T LIKE", "A Film I Don't Like", "a film i don't like"][..],
        ),
        ("case", "这部电影很好", &[]),
        ("punctuation", "so dull .", &["so dull", "so dull .."]),
        ("punctuation", "dull\n", &["dull.\n"]),
        ("punctuation", "很好！", &["很好", "很好！！"]),
        ("punctuation", "很好", &["很好。"]),
        ("synonyms", "A film, this Film", &["A movie, this Movie"]),
        ("synonyms", "这部电影很好", &["这部影片很好"]),
        ("typos", "it is so bad, cannot", &[]),
        ("places", "nothing here", &[]),
    ] {
        let found = swaps(&service, text, &[property], 0).await;
        assert_eq!(sorted(&found, "text"), expected, "{property} of {text}");
        assert!(found.iter().all(|swap| swap["property"] == property), "{found:?}");
    }
    // Marks alone have no script, so that the model is named.
    let body = json!({"inputs": "...", "properties": ["punctuation"], "model": "sentiment-en"});
    assert_eq!(answered(&service, &body).await["results"][0]["swaps"], json!([]));
}

/// Whether two neighbouring letters differ, and are each other's.
fn is_one_typo(before: &str, after: &str) -> bool {
    let (before, after): (Vec<char>, Vec<char>) =
        (before.chars().collect(), after.chars().collect());
    let differing: Vec<usize> =
        (0..before.len()).filter(|&at| before.get(at) != after.get(at)).collect();
    before.len() == after.len()
        && matches!(differing[..], [a, b] if b == a + 1 && before[a] == after[b] && before[b] == after[a])
}

#[tokio::test]
async fn typos_and_places_depend_on_the_seed_alone() {
    let service = start().await;
    let text = "A brilliant performance in New York and London, without wonderful surprises.";
    let found = swaps(&service, text, &["typos", "places"], 1).await;
    assert_eq!(found, swaps(&service, text, &["typos", "places"], 1).await);
    assert_ne!(found, swaps(&service, text, &["typos", "places"], 2).await);
    let of = |property: &str| -> Vec<Value> {
        found.iter().filter(|swap| swap["property"] == property).cloned().collect()
    };
    let (typos, places) = (of("typos"), of("places"));
    assert_eq!(
        sorted(&typos, "from"),
        ["London", "brilliant", "performance", "surprises", "wonderful"]
    );
    for typo in &typos {
        assert!(is_one_typo(text, typo["text"].as_str().unwrap()), "{typo}");
    }
    assert_eq!(
        sorted(&places, "from"),
        ["London", "London", "London", "New York", "New York", "New York"]
    );
    for place in &places {
        let changed = text.replace(place["from"].as_str().unwrap(), place["to"].as_str().unwrap());
        assert_eq!(place["text"], changed);
    }
}

#[tokio::test]
async fn only_what_is_asked_for_is_changed() {
    let service = start().await;
    let text = "He saw a film in Paris.";
    for (fields, expected) in [
        (json!({}), &["identity"][..]),
        (json!({"pairs": [["saw", "watched"]]}), &["pairs"]),
        (json!({"groups": ["gender"]}), &["identity"]),
        (json!({"properties": ["synonyms"]}), &["synonyms"]),
        (json!({"properties": ["synonyms"], "groups": ["gender"]}), &["identity", "synonyms"]),
        (
            json!({"properties": ["identity", "places"], "pairs": [["saw", "watched"]]}),
            &["identity", "pairs", "places"],
        ),
        (json!({"properties": []}), &[]),
    ] {
        let answer = answered(&service, &with(&json!({"inputs": text}), &fields)).await;
        let result = &answer["results"][0];
        let mut found = sorted(result["swaps"].as_array().unwrap(), "property");
        found.dedup();
        assert_eq!(found, expected, "{fields}");
        assert_eq!(result["reason"].is_string(), expected.is_empty());
    }
}

#[tokio::test]
async fn properties_take_turns_within_the_limit() {
    let service = start().await;
    let nations = "American British Chinese French German Indian Iranian Japanese";
    let text = format!("{nations} film in Paris wonderful.");
    let body = json!({"inputs": text, "properties": PROPERTIES, "model": "sentiment-en"});
    let result = answered(&service, &body).await["results"][0].clone();
    let found = result["swaps"].as_array().unwrap();
    assert_eq!(found.len(), 64);
    // 8 nationalities have 11 counterparts each.
    assert!(result["left_out"].as_u64().unwrap() >= 88 - 64, "{}", result["left_out"]);
    let mut properties = sorted(found, "property");
    properties.dedup();
    assert_eq!(properties.len(), PROPERTIES.len(), "{properties:?}");
}

#[tokio::test]
async fn estimates_are_not_exceeded() {
    let service = start().await;
    let text = "He saw a wonderful film in Paris, and she knew it.";
    let body = json!({"inputs": text, "properties": PROPERTIES, "model": "sentiment-en"});
    let used = answered(&service, &body).await["usage"].clone();
    let estimate = service.post("/estimate/probe", &body).await.json();
    for rows in ["forward_rows", "gradient_rows"] {
        let (used, most) = (used[rows].as_u64().unwrap(), estimate[rows].as_u64().unwrap());
        assert!(used <= most, "{rows}: {used} of {most}");
    }
}
