//! Sentences about answers.

use serde_json::{Value, json};

use super::{GREAT, tasks};
use crate::support::service::start;

fn sentences(answer: &Value) -> [&str; 2] {
    let summary = &answer["results"][0]["summary"];
    ["en", "zh"].map(|language| summary[language].as_str().unwrap())
}

/// The words with at least a quarter of the largest magnitude, strongest first.
fn strongest(answer: &Value, sign: f64) -> Vec<String> {
    let result = &answer["results"][0];
    let scores = result["explanations"][0]["attributions"]["word"].as_array().unwrap();
    let scores = scores.iter().map(|score| score.as_f64().unwrap());
    let words = result["words"].as_array().unwrap().iter();
    let mut pairs: Vec<_> =
        words.map(|word| word["text"].as_str().unwrap().to_owned()).zip(scores).collect();
    let largest = pairs.iter().fold(0_f64, |most, (_, score)| most.max(score.abs()));
    pairs.retain(|(_, score)| score * sign > 0. && score.abs() >= largest / 4.);
    pairs.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    pairs.into_iter().take(3).map(|(word, _)| format!("“{word}”")).collect()
}

#[tokio::test]
async fn they_name_the_prediction_and_the_strongest_words() {
    let service = start().await;
    let text = "The plot was thin, but the music is wonderful.";
    let answer = service.explain(json!({"inputs": text, "attention": false})).await;
    let best = &answer["results"][0]["predictions"][0];
    let probability = format!("{:.3}", best["probability"].as_f64().unwrap());
    let (supporting, opposing) = (strongest(&answer, 1.), strongest(&answer, -1.));
    assert_eq!((supporting.len(), opposing.len()), (2, 1));
    assert_eq!(
        sentences(&answer),
        [
            format!(
                "The model predicts POSITIVE with probability {probability}. By \
                 integrated_gradients, {} speak most for POSITIVE, and {} against it.",
                supporting.join(" and "),
                opposing[0]
            ),
            format!(
                "模型预测为 POSITIVE，概率 {probability}。根据 integrated_gradients，{}最支持 \
                 POSITIVE，{}最反对。",
                supporting.concat(),
                opposing[0]
            ),
        ]
    );
}

#[tokio::test]
async fn they_claim_no_direction_and_no_exactness_that_is_not_there() {
    let service = start().await;
    let ask = async |methods: Value| {
        let answer =
            service.explain(json!({"inputs": GREAT, "methods": methods, "attention": false})).await;
        sentences(&answer).map(str::to_owned)
    };
    let [en, zh] = ask(json!(["saliency"])).await;
    assert!(en.contains("The highest scores of saliency for POSITIVE are of “"), "{en}");
    assert!(!en.contains("against") && !zh.contains("反对"), "{en} {zh}");
    let [en, zh] = ask(json!([{"name": "integrated_gradients", "n_steps": 1}])).await;
    assert!(en.contains("These scores are not exact."), "{en}");
    assert!(zh.contains("这些分数不精确。"), "{zh}");
    let [en, _] = ask(json!([])).await;
    assert!(en.starts_with("The model predicts POSITIVE with probability 0.951."), "{en}");
    assert!(!en.contains("By ") && !en.contains("scores"), "{en}");
}

#[tokio::test]
async fn every_task_has_its_sentences() {
    let running = tasks::start().await;
    let pair = json!({"text": "What was good?", "text_pair": "The film was very good."});
    for (model, inputs, en, zh) in [
        ("tokens", json!("The actor made it."), "The model finds ", "模型找到"),
        ("answer", pair.clone(), "The model answers “", "模型的答案是“"),
        (
            "masks",
            json!("It is <mask> good."),
            "The model fills the mask with “",
            "模型在空位填入“",
        ),
        ("similar", pair, "The cosine of the two texts is ", "两段文本的余弦相似度为 "),
        ("similar", json!("alone"), "The text is embedded as a vector of 20", "文本被表示为 20 维"),
    ] {
        let methods = if inputs == "alone" { json!([]) } else { json!(["saliency"]) };
        let body =
            json!({"model": model, "inputs": inputs, "methods": methods, "attention": false});
        let answer = running.explain(body).await;
        let [first, second] = sentences(&answer);
        assert!(first.starts_with(en), "{model}: {first}");
        assert!(second.starts_with(zh), "{model}: {second}");
    }
}
