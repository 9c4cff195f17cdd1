//! What people know: rationales and lexicons on POST /explain.

use explaind::config::Config;
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{Running, start, start_with};

async fn result(service: &Running, body: &Value) -> Value {
    let reply = service.post("/explain", body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["results"][0].clone()
}

/// Every other value follows from the scores and the marked tokens, which are checked by hand in
/// the measure's own tests.
#[tokio::test]
async fn plausibility_compares_scores_with_a_rationale() {
    let service = start().await;
    let start = GREAT.find("great").unwrap();
    let input = json!({"text": GREAT, "rationale": [[start, start + 5]]});
    let methods = json!(["integrated_gradients", "saliency"]);
    let body = json!({"inputs": input, "methods": methods, "evaluate": ["plausibility"]});
    let found = result(&service, &body).await;
    for explanation in found["explanations"].as_array().unwrap() {
        let method = explanation["method"].as_str().unwrap();
        let scores = explanation["attributions"]["token"].as_array().unwrap();
        let tokens = found["tokens"].as_array().unwrap();
        let content: Vec<(f64, bool)> = tokens
            .iter()
            .zip(scores)
            .filter(|(token, _)| token["special"] == false)
            .map(|(token, score)| (score.as_f64().unwrap(), token["text"] == "great"))
            .collect();
        let best = content.iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let measured = &found["evaluation"][method]["plausibility"];
        let expected = if best.1 { 1. } else { 0. };
        assert_eq!(measured["token_f1"], expected, "{method}: {measured}");
        assert_eq!(measured["iou_f1"], expected, "{method}: {measured}");
        assert!(measured["auprc"].as_f64().unwrap() > 0., "{measured}");
    }
    // Random rankings of these few tokens find the marked one now and then.
    let names = json!(["plausibility", "random_reference"]);
    let body = json!({"inputs": input, "methods": methods, "evaluate": names});
    let random = result(&service, &body).await["evaluation"]["random"]["plausibility"].clone();
    let chance = random["auprc"].as_f64().unwrap();
    assert!((0.05..0.6).contains(&chance), "{random}");
    // Without a rationale it is not defined.
    let body = json!({"inputs": GREAT, "methods": methods, "evaluate": "all"});
    let found = result(&service, &body).await;
    assert!(found["evaluation"]["saliency"]["complexity"].is_object());
    assert!(found["evaluation"]["saliency"]["plausibility"].is_null());
    assert!(found["evaluation"]["random"]["plausibility"].is_null());
}

#[tokio::test]
async fn rationales_outside_of_the_text_are_refused() {
    let service = start().await;
    for (span, pointer) in [([2, 2], "/inputs/rationale/0"), ([0, 999], "/inputs/rationale/0")] {
        let body = json!({"inputs": {"text": GREAT, "rationale": [span]}});
        let reply = service.post("/explain", &body).await;
        assert_eq!(reply.status, 422);
        assert_eq!(reply.json()["pointer"], pointer);
    }
}

#[tokio::test]
async fn a_lexicon_adds_up_the_scores_of_its_words() {
    let service = start().await;
    let text = "The plot is not good, but the music is not bad.";
    let lexicon = json!({"negation": ["NOT", "never"], "none": [], "judgement": ["good", "bad"]});
    let body = json!({"inputs": text, "lexicon": lexicon, "normalize": "l1"});
    let body_plain = json!({"inputs": text, "lexicon": lexicon});
    for (body, is_plain) in [(&body, false), (&body_plain, true)] {
        let found = result(&service, body).await;
        let attributions = &found["explanations"][0]["attributions"];
        let groups = &attributions["lexicon"];
        assert_eq!(groups["none"], 0.);
        if is_plain {
            let sum = |words: &[&str]| -> f64 {
                let own = found["words"].as_array().unwrap().iter();
                let own = own.zip(attributions["word"].as_array().unwrap());
                let own = own.filter(|(word, _)| words.contains(&word["text"].as_str().unwrap()));
                own.map(|(_, score)| score.as_f64().unwrap()).sum()
            };
            for (name, words) in [("negation", &["not"][..]), ("judgement", &["good", "bad"])] {
                let group = groups[name].as_f64().unwrap();
                assert!((group - sum(words)).abs() < 1e-5 && group != 0., "{name}: {groups}");
            }
        }
    }
    let many: Vec<String> = (0..999).map(|word| format!("w{word}")).collect();
    let reply = service.post("/explain", json!({"inputs": text, "lexicon": {"a": many}})).await;
    assert_eq!((reply.status.as_u16(), reply.json()["pointer"].clone()), (422, json!("/lexicon")));
}

#[tokio::test]
async fn the_configured_lexicon_is_for_requests_without_one() {
    let praise = ("praise".to_owned(), vec!["Great".to_owned(), "good".to_owned()]);
    let config = Config { lexicon: [praise].into(), ..Config::default() };
    let service = start_with(&config).await;
    let groups = async |body: Value| {
        result(&service, &body).await["explanations"][0]["attributions"]["lexicon"].clone()
    };
    let own = json!({"inputs": GREAT, "lexicon": {"praise": ["great"]}});
    let configured = groups(json!({"inputs": GREAT})).await;
    assert!(configured["praise"].as_f64().unwrap() != 0., "{configured}");
    assert_eq!(configured, groups(own).await);
    let other = groups(json!({"inputs": GREAT, "lexicon": {"other": ["great"]}})).await;
    assert_eq!(other["other"], configured["praise"]);
    assert!(other["praise"].is_null());
    assert!(groups(json!({"inputs": GREAT, "lexicon": {}})).await.is_null());
}
