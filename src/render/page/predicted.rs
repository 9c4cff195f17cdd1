//! The prediction, by task.

use maud::{Markup, html};

use super::super::wording;
use crate::explanation::{
    Entity, Explained, FoundAnswer, MaskPrediction, Predicted, Prediction, Similarity,
};
use crate::text::Token;

/// Maximum number of labels listed: some models have thousands.
const LISTED: usize = 10;

/// Renders the prediction for one input.
pub fn part(explained: &Explained) -> Markup {
    match &explained.predicted {
        Predicted::Labels(predictions) => labels(predictions, "Prediction"),
        Predicted::Tokens { entities, .. } => entity_table(entities),
        Predicted::Answer { answer, .. } => best_answer(answer),
        Predicted::Masks(masks) => html! {
            @for mask in masks { (mask_labels(mask, &explained.tokens)) }
        },
        Predicted::Similarity(similarity) => cosine(similarity),
    }
}

fn labels(predictions: &[Prediction], caption: &str) -> Markup {
    html! {
        table {
            caption.xp-num { (caption) }
            (columns(&["label", "probability", "logit"]))
            tbody {
                @for prediction in predictions.iter().take(LISTED) {
                    tr {
                        th scope="row" { bdi { (prediction.label) } }
                        td.xp-n { (format!("{:.3}", prediction.probability)) }
                        td.xp-n { (format!("{:+.3}", prediction.logit)) }
                    }
                }
            }
        }
        @if predictions.len() > LISTED {
            p.xp-soft { (LISTED) " of " (predictions.len()) " labels" }
        }
    }
}

fn columns(names: &[&str]) -> Markup {
    html! {
        thead { tr { @for name in names { th scope="col" { (name) } } } }
    }
}

fn entity_table(entities: &[Entity]) -> Markup {
    if entities.is_empty() {
        return html! { p { "The model found no entities." } };
    }
    html! {
        table {
            caption.xp-num { "Entities" }
            (columns(&["text", "label", "probability"]))
            tbody {
                @for entity in entities {
                    tr {
                        th scope="row" { bdi { (entity.text) } }
                        td { bdi { (entity.label) } }
                        td.xp-n { (format!("{:.3}", entity.probability)) }
                    }
                }
            }
        }
    }
}

fn best_answer(answer: &FoundAnswer) -> Markup {
    html! {
        p {
            "Answer: " strong { bdi { (wording::answer_text(answer)) } }
            (format!(", probability {:.3}", answer.probability))
        }
    }
}

fn mask_labels(mask: &MaskPrediction, tokens: &[Token]) -> Markup {
    let name = wording::token_name(mask.token, tokens);
    html! {
        h3 { bdi { (name) } }
        (labels(&mask.predictions, &format!("Predictions for {name}")))
    }
}

fn cosine(similarity: &Similarity) -> Markup {
    let size = similarity.embedding.len();
    html! {
        @match &similarity.pair {
            Some(pair) => p {
                "Cosine of the two texts: " strong { (format!("{:+.3}", pair.cosine)) }
            },
            None => p { "The text is embedded as a vector of " (size) " numbers." },
        }
    }
}
