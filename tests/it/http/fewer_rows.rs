//! Rows that need not run: the first pass is a method's row, and targets compute only the outputs
//! that they depend on. Scores are the same, bit for bit.

use serde_json::{Value, json};

use super::{GREAT, serving, with};
use crate::support::service::{Running, start};

const METHODS: [&str; 3] = ["integrated_gradients", "saliency", "input_x_gradient"];

/// Returns the explanations without what the method ran, and the rows of the whole request.
async fn explained(service: &Running, body: &Value) -> (Vec<Value>, [u64; 2]) {
    let answer = service.explain(with(&json!({"attention": false}), body)).await;
    let usage =
        ["forward_rows", "gradient_rows"].map(|rows| answer["usage"][rows].as_u64().unwrap());
    (answer["results"][0]["explanations"].as_array().unwrap().clone(), usage)
}

#[tokio::test]
async fn the_first_pass_is_the_first_gradient() {
    let service = start().await;
    for method in METHODS {
        let alone = json!({"inputs": GREAT, "methods": method});
        let (explanations, [forward, gradient]) = explained(&service, &alone).await;
        let steps = explanations[0]["n_steps"].as_u64().unwrap_or(1);
        assert_eq!([forward, gradient], [0, steps], "{method}");
        let body = json!({"inputs": GREAT});
        let predicted = service.post("/predict", &body).await.json();
        let logit = &predicted["results"][0]["predictions"][0]["logit"];
        assert_eq!(explanations[0]["output_value"], *logit, "{method}");
        // Occlusion before or after it changes nothing; its own rows are forward rows.
        for order in [json!(["occlusion", method]), json!([method, "occlusion"])] {
            let (both, [_, gradient]) =
                explained(&service, &with(&alone, &json!({"methods": order}))).await;
            let own = both.iter().find(|one| one["method"] == method).unwrap();
            assert_eq!(own["attributions"], explanations[0]["attributions"], "{method}");
            assert_eq!(gradient, steps, "{method}");
        }
        // Several targets are unknown before a pass.
        let (all, [forward, _]) =
            explained(&service, &with(&alone, &json!({"target": "all"}))).await;
        assert_eq!(forward, 1);
        let same = |one: &&Value| one["target"] == explanations[0]["target"];
        let own = all.iter().find(same).unwrap();
        assert_eq!(own["attributions"], explanations[0]["attributions"], "{method}");
        // A named class is known.
        let label = json!({"target": {"label": "NEGATIVE"}});
        let (named, [forward, _]) = explained(&service, &with(&alone, &label)).await;
        assert_eq!(forward, 0);
        let negative = all.iter().find(|one| one["target"]["label"] == "NEGATIVE").unwrap();
        assert_eq!(named[0]["attributions"], negative["attributions"], "{method}");
    }
}

#[tokio::test]
async fn shared_rows_are_counted_and_estimated_once() {
    let service = start().await;
    let body = json!({"inputs": GREAT, "methods": METHODS, "attention": {"layers": "all"}});
    let answer = service.explain(body.clone()).await;
    let own = |method: usize| answer["usage"]["methods"][method]["gradient_rows"].as_u64().unwrap();
    let steps = answer["results"][0]["explanations"][0]["n_steps"].as_u64().unwrap();
    assert_eq!([own(0), own(1), own(2)], [steps, 1, 1]);
    assert_eq!(answer["usage"]["gradient_rows"], steps + 2);
    assert_eq!(answer["usage"]["forward_rows"], 0);
    let price = service.post("/estimate", &body).await.json();
    assert_eq!(price["forward_rows"], 0);
    assert_eq!(price["gradient_rows"], 17 + 2, "automatic steps are priced at 17");
}

#[tokio::test]
async fn a_token_is_explained_by_its_own_output() {
    let service = serving("bert-tokens").await;
    let methods = json!(["saliency", "integrated_gradients", "occlusion", "kernel_shap"]);
    let body = json!({"inputs": "The actor made it. I saw the film twice.", "methods": methods});
    let (all, _) = explained(&service, &with(&body, &json!({"target": "all"}))).await;
    let mut compared = 0;
    for one in all.iter().filter(|one| one["method"] != "kernel_shap") {
        let (token, index) = (&one["target"]["token"], &one["target"]["index"]);
        let target = json!({"target": {"token": token, "index": index}});
        let (own, _) = explained(&service, &with(&body, &target)).await;
        let own = own.iter().find(|own| own["method"] == one["method"]).unwrap();
        assert_eq!(own["attributions"], one["attributions"], "{}", one["target"]);
        assert_eq!(own["output_value"], one["output_value"]);
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[tokio::test]
async fn the_start_of_an_answer_is_explained_by_its_own_logit() {
    let service = serving("bert-qa").await;
    let pair = json!({"text": "What was good?", "text_pair": "The film was very good."});
    let methods = json!(["saliency", "integrated_gradients", "occlusion"]);
    let body = json!({"inputs": pair, "methods": methods});
    let (own, _) = explained(&service, &body).await;
    // Measures are about the probability, which depends on all tokens.
    let measured = json!({"evaluate": ["comprehensiveness"], "target": own[0]["target"]});
    let (by_all, _) = explained(&service, &with(&body, &measured)).await;
    assert_eq!(by_all.len(), 3);
    for measured in &by_all {
        let same = |one: &&Value| {
            one["method"] == measured["method"] && one["target"] == measured["target"]
        };
        let own = own.iter().find(same).unwrap();
        assert_eq!(own["attributions"], measured["attributions"]);
        assert_eq!(own["output_value"], measured["output_value"]);
    }
}
