//! Comparison of predictions with transformers' pipelines, by task.

use std::sync::Arc;

use explaind::explainer::Explainer;
use explaind::explanation::{
    Aggregation, Entity, Explained, Predicted, Prediction, Question, Resolved, ScalarName,
    SpanBoundary, TokenScore,
};
use explaind::model::Model;
use explaind::rows::Output;
use explaind::text::Input;
use serde_json::Value;

use super::{Errors, explain, integers, list, numbers};
use crate::support::question;

/// Returns logits and probabilities in the order of the labels.
pub fn by_index(predictions: &[Prediction]) -> (Vec<f64>, Vec<f64>) {
    let mut sorted: Vec<&Prediction> = predictions.iter().collect();
    sorted.sort_by_key(|prediction| prediction.index);
    sorted.iter().map(|p| (p.logit, p.probability)).unzip()
}

pub fn compare(explained: &Explained, case: &Value, errors: &mut Errors) {
    match &explained.predicted {
        Predicted::Labels(predictions) => {
            let (logits, probabilities) = by_index(predictions);
            errors.note("logits", &logits, &case["logits"]);
            errors.note("probabilities", &probabilities, &case["probabilities"]);
        }
        Predicted::Tokens { predictions, .. } => {
            let (logits, probabilities): (Vec<_>, Vec<_>) =
                predictions.iter().map(|list| by_index(list)).unzip();
            errors.note("logits", &logits.concat(), &case["logits"]);
            errors.note("probabilities", &probabilities.concat(), &case["probabilities"]);
        }
        Predicted::Answer { answer, start, end, .. } => {
            compare_boundaries(start, "start", case, errors);
            compare_boundaries(end, "end", case, errors);
            let theirs = &case["answer"];
            assert_eq!(answer.text, theirs["text"].as_str().unwrap());
            let ours = [answer.start, answer.end, answer.start_token, answer.end_token];
            let names = ["start", "end", "start_token", "end_token"];
            assert_eq!(ours.to_vec(), names.map(|name| integers(&theirs[name])[0]).to_vec());
            errors.note("answer", &[answer.probability], &theirs["score"]);
        }
        Predicted::Masks(masks) => {
            assert_eq!(masks.len(), list(&case["masks"]).len());
            for (ours, theirs) in masks.iter().zip(list(&case["masks"])) {
                assert_eq!(ours.token, integers(&theirs["token"])[0]);
                let logits = numbers(&theirs["logits"]);
                let best = ours.predictions.iter().map(|p| p.logit).collect::<Vec<_>>();
                let same: Vec<f64> = ours.predictions.iter().map(|p| logits[p.index]).collect();
                errors.note("logits", &best, &Value::from(same));
                for (ours, theirs) in ours.predictions.iter().zip(list(&theirs["fill"])) {
                    assert_eq!(ours.index, integers(&theirs["token"])[0]);
                    assert_eq!(ours.decoded.as_deref(), theirs["token_str"].as_str());
                    errors.note("probabilities", &[ours.probability], &theirs["score"]);
                }
            }
        }
        Predicted::Similarity(similarity) => {
            let pair = similarity.pair.as_ref().expect("two texts");
            errors.note("embedding", &similarity.embedding, &case["embedding"]);
            errors.note("embedding", &pair.embedding, &case["embedding_pair"]);
            errors.note("cosine", &[pair.cosine], &case["cosine"]);
            match (&pair.matrix, &case["similarity_matrix"]) {
                (Some(ours), theirs) => errors.note("matrix", &ours.concat(), theirs),
                (None, theirs) => assert!(theirs.is_null()),
            }
        }
    }
}

/// Returns the number in a prediction that a target refers to. For masks, `None` if the token is
/// not among the predictions listed.
pub fn served(predicted: &Predicted, target: &Resolved, output: Output) -> Option<f64> {
    let score = |logit: f64, probability: f64| match output {
        Output::Logit => logit,
        Output::Probability => probability,
    };
    let of_class = |predictions: &[Prediction]| {
        let by_index = |index: usize| {
            let prediction = predictions.iter().find(|prediction| prediction.index == index)?;
            Some(score(prediction.logit, prediction.probability))
        };
        match &target.what {
            ScalarName::Class(class) => by_index(class.index),
            ScalarName::Contrast(a, b) => Some(by_index(a.index)? - by_index(b.index)?),
            ScalarName::SpanBoundary(_) | ScalarName::Cosine(_) => None,
        }
    };
    match predicted {
        Predicted::Labels(predictions) => of_class(predictions),
        Predicted::Tokens { predictions, .. } => of_class(&predictions[target.token?]),
        Predicted::Masks(masks) => {
            of_class(&masks.iter().find(|mask| Some(mask.token) == target.token)?.predictions)
        }
        Predicted::Answer { start, end, .. } => {
            let scores = if target.what == ScalarName::SpanBoundary(SpanBoundary::Start) {
                start
            } else {
                end
            };
            let token = scores.iter().find(|score| Some(score.token) == target.token)?;
            Some(score(token.logit, token.probability))
        }
        Predicted::Similarity(similarity) => Some(similarity.pair.as_ref()?.cosine),
    }
}

/// Compares the scores of candidate tokens; all others have the probability 0.
fn compare_boundaries(ours: &[TokenScore], name: &str, case: &Value, errors: &mut Errors) {
    let logits = numbers(&case[format!("{name}_logits")]);
    let probabilities = numbers(&case[format!("{name}_probabilities")]);
    let at = |values: &[f64]| Value::from(ours.iter().map(|s| values[s.token]).collect::<Vec<_>>());
    let values = |value: fn(&TokenScore) -> f64| ours.iter().map(value).collect::<Vec<_>>();
    errors.note("logits", &values(|score| score.logit), &at(&logits));
    errors.note("probabilities", &values(|score| score.probability), &at(&probabilities));
    let excluded = |(token, _): &(usize, &f64)| ours.iter().all(|score| score.token != *token);
    assert!(probabilities.iter().enumerate().filter(excluded).all(|(_, p)| *p == 0.));
}

/// Compares entities for every aggregation.
pub async fn compare_entities(
    explainer: &Explainer,
    model: &Arc<Model>,
    text: &Input,
    case: &Value,
    errors: &mut Errors,
) {
    let Some(entities) = case["entities"].as_object() else { return };
    let aggregations = [
        ("none", Aggregation::None),
        ("simple", Aggregation::Simple),
        ("first", Aggregation::First),
        ("average", Aggregation::Average),
        ("max", Aggregation::Max),
    ];
    for (name, aggregation) in aggregations {
        let question = Question { aggregation, ..question(model, vec![text.clone()]) };
        let explained = explain(explainer, question).await;
        let Predicted::Tokens { entities: ours, .. } = explained.predicted else {
            panic!("no entities")
        };
        let theirs = list(&entities[name]);
        let shown = |entity: &Entity| (entity.label.clone(), entity.start, entity.end);
        let ours_shown: Vec<_> = ours.iter().map(shown).collect();
        let label = |theirs: &Value| {
            let group = theirs["entity_group"].as_str().or(theirs["entity"].as_str());
            group.unwrap().to_owned()
        };
        let offset = |theirs: &Value, name: &str| integers(&theirs[name])[0];
        let theirs_shown: Vec<_> =
            theirs.iter().map(|t| (label(t), offset(t, "start"), offset(t, "end"))).collect();
        assert_eq!(ours_shown, theirs_shown, "{name}: {}", text.text);
        for (ours, theirs) in ours.iter().zip(theirs) {
            errors.note("entities", &[ours.probability], &theirs["score"]);
        }
    }
}
