//! POST /counterfactuals: predictions of the texts are correct, and every edit is necessary.

use serde_json::{Value, json};

use super::{GREAT, serving, with};
use crate::support::service::{Running, start};

async fn answered(service: &Running, body: &Value) -> Value {
    let reply = service.post("/counterfactuals", body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

async fn predicted(service: &Running, model: &str, text: &str) -> Value {
    let answer = service.post("/predict", json!({"inputs": text, "model": model})).await.json();
    answer["results"][0]["predictions"][0].clone()
}

/// Applies edits to a text.
fn edited(text: &str, edits: &[&Value]) -> String {
    let chars: Vec<char> = text.chars().collect();
    let offset = |edit: &Value, name: &str| edit[name].as_u64().unwrap() as usize;
    let (mut result, mut at) = (String::new(), 0);
    for edit in edits {
        let (start, end) = (offset(edit, "start"), offset(edit, "end"));
        result.extend(&chars[at..start]);
        assert_eq!(json!(chars[start..end].iter().collect::<String>()), edit["from"]);
        result.push_str(edit["to"].as_str().unwrap());
        at = end;
    }
    result.extend(&chars[at..]);
    result
}

#[tokio::test]
async fn edits_give_the_text_and_flip_the_prediction() {
    let service = start().await;
    for (text, model) in [
        (GREAT, "sentiment-en"),
        ("The plot is not good.", "sentiment-en"),
        ("a gorgeous , witty , seductive movie .", "sentiment-en"),
        ("it's slow -- very , very slow .", "sentiment-en"),
        ("这部电影真的很棒，演员演得很好。", "sentiment-zh"),
        ("质量太差了，再也不会买了", "sentiment-zh"),
    ] {
        let answer = answered(&service, &json!({"inputs": text, "model": model})).await;
        let result = &answer["results"][0];
        let list = result["counterfactuals"].as_array().unwrap();
        assert!(!list.is_empty(), "{text}: {result}");
        assert_eq!(result["finished"], true);
        let mut fewest = 0;
        for one in list {
            let edits: Vec<&Value> = one["edits"].as_array().unwrap().iter().collect();
            assert!(edits.len() >= fewest, "fewest edits first");
            fewest = edits.len();
            let whole = edited(text, &edits);
            assert_eq!(json!(whole), one["text"]);
            let now = predicted(&service, model, &whole).await;
            assert_eq!(now["label"], one["prediction"]["label"]);
            assert!(
                (now["probability"].as_f64().unwrap()
                    - one["prediction"]["probability"].as_f64().unwrap())
                .abs()
                    < 1e-6
            );
            assert_ne!(now["label"], result["prediction"]["label"]);
            assert!(edits.len() <= 4, "{text}");
            for bits in 1..(1_usize << edits.len()) - 1 {
                let part: Vec<&Value> =
                    (0..edits.len()).filter(|i| bits >> i & 1 == 1).map(|i| edits[i]).collect();
                let label = predicted(&service, model, &edited(text, &part)).await["label"].clone();
                assert_eq!(label, result["prediction"]["label"], "{part:?} of {edits:?}");
            }
        }
    }
}

#[tokio::test]
async fn equal_requests_have_equal_results() {
    let service = start().await;
    let body = json!({"inputs": GREAT, "model": "sentiment-en"});
    let first = answered(&service, &body).await;
    assert_eq!(answered(&service, &body).await["results"], first["results"]);
}

/// Compares with an exhaustive search over deletions of words.
#[tokio::test]
async fn no_more_edits_than_the_fewest_deletions() {
    let service = start().await;
    let text = "the plot is not good but fine";
    let body = json!({"inputs": text, "model": "sentiment-en", "n": 20, "max_edits": 3});
    let result = answered(&service, &body).await["results"][0].clone();
    let words: Vec<&str> = text.split(' ').collect();
    let own = result["prediction"]["label"].clone();
    let mut fewest = usize::MAX;
    for bits in 1..(1_u32 << words.len()) - 1 {
        let rest: Vec<&str> =
            (0..words.len()).filter(|i| bits >> i & 1 == 0).map(|i| words[i]).collect();
        if (bits.count_ones() as usize) < fewest
            && predicted(&service, "sentiment-en", &rest.join(" ")).await["label"] != own
        {
            fewest = bits.count_ones() as usize;
        }
    }
    let found = result["counterfactuals"][0]["edits"].as_array().unwrap().len();
    assert!(found <= fewest, "{found} edits, and {fewest} deletions would do: {result}");
}

/// No replacement that the gradient at the input proposes flips these texts alone; one that the
/// gradient at a changed text proposes does.
#[tokio::test]
async fn words_are_chosen_again_at_the_changed_text() {
    let service = start().await;
    for (text, model) in [
        ("a tedious mess from start to finish", "sentiment-en"),
        ("a warm and witty film about growing up", "sentiment-en"),
        ("差评！少发了一个杯子，也没人管！", "sentiment-zh"),
        ("手机很卡，电池不行，后悔买了。", "sentiment-zh"),
    ] {
        let body = json!({"inputs": text, "model": model});
        let answer = answered(&service, &body).await;
        let result = &answer["results"][0];
        let first = &result["counterfactuals"][0];
        assert_eq!(first["edits"].as_array().unwrap().len(), 1, "{text}: {result}");
        let now = predicted(&service, model, first["text"].as_str().unwrap()).await;
        assert_ne!(now["label"], result["prediction"]["label"]);
        let estimate = service.post("/estimate/counterfactuals", &body).await.json();
        for rows in ["forward_rows", "gradient_rows"] {
            let [most, used] = [&estimate, &answer["usage"]].map(|of| of[rows].as_u64().unwrap());
            assert!(used <= most, "{text}: {used} of {most} {rows}");
        }
    }
}

#[tokio::test]
async fn keep_and_to_are_respected() {
    let service = start().await;
    let body = json!({"inputs": GREAT, "model": "sentiment-en", "n": 5});
    let free = answered(&service, &body).await["results"][0].clone();
    let touched = |result: &Value, word: &str| {
        let list = result["counterfactuals"].as_array().unwrap();
        let edits = list.iter().flat_map(|one| one["edits"].as_array().unwrap());
        edits.clone().any(|edit| edit["from"].as_str().unwrap().trim() == word)
    };
    assert!(touched(&free, "great"), "{free}");
    let kept = with(&body, &json!({"keep": ["GREAT", "really"]}));
    let kept = answered(&service, &kept).await["results"][0].clone();
    assert!(!touched(&kept, "great") && !touched(&kept, "really"), "{kept}");
    let all = with(&body, &json!({"keep": ["this movie is really great"]}));
    let none = answered(&service, &all).await["results"][0].clone();
    assert_eq!(none["counterfactuals"], json!([]));
    assert!(!none["reason"].as_str().unwrap().is_empty());
    let already = with(&body, &json!({"to": "POSITIVE"}));
    let already = answered(&service, &already).await["results"][0].clone();
    assert_eq!(already["counterfactuals"], json!([]));
    let problem = service.post("/counterfactuals", with(&body, &json!({"to": "GOOD"}))).await;
    assert_eq!(problem.problem(422, "target_not_found")["pointer"], "/to");
}

/// With three labels, the target label is reached.
#[tokio::test]
async fn a_target_among_several_labels() {
    let service = serving("bert-tiny").await;
    let text = "this movie is not good , the plot is bad";
    let own = predicted(&service, "bert-tiny", text).await["label"].as_str().unwrap().to_owned();
    let targets = ["negative", "neutral", "positive"].into_iter().filter(|label| *label != own);
    for target in targets {
        let body = json!({"inputs": text, "to": target, "max_edits": 8});
        let result = answered(&service, &body).await["results"][0].clone();
        for one in result["counterfactuals"].as_array().unwrap() {
            assert_eq!(one["prediction"]["label"], target);
            let now = predicted(&service, "bert-tiny", one["text"].as_str().unwrap()).await;
            assert_eq!(now["label"], target);
        }
    }
}

#[tokio::test]
async fn invalid_fields_are_rejected_with_a_pointer() {
    let service = start().await;
    let body = json!({"inputs": GREAT});
    for (fields, pointer) in [
        (json!({"n": 0}), "/n"),
        (json!({"n": 21}), "/n"),
        (json!({"keep": ["a", " "]}), "/keep/1"),
        (json!({"keep": vec!["a"; 300]}), "/keep"),
        (json!({"max_edits": 0}), "/max_edits"),
        (json!({"fill": "mask"}), "/fill"),
        (json!({"word": 1}), "/word"),
    ] {
        let request = with(&body, &fields);
        for route in ["/counterfactuals", "/estimate/counterfactuals"] {
            let problem = service.post(route, &request).await.problem(422, "invalid_field");
            assert_eq!(problem["pointer"], pointer, "{request}");
        }
    }
}
