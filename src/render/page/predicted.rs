//! What the model says, by its task.

use maud::{Markup, html};

use super::super::wording;
use crate::explanation::{
    Entity, Explained, FoundAnswer, MaskPrediction, Predicted, Prediction, Similarity,
};
use crate::text::Token;

/// Labels that are listed: some models have thousands.
const LISTED: usize = 10;

/// The model's answer to one input.
pub fn part(explained: &Explained) -> Markup {
    match &explained.predicted {
        Predicted::Labels(predictions) => labels(predictions, "What the model says"),
        Predicted::Tokens { entities, .. } => found(entities),
        Predicted::Answer { answer, .. } => answered(answer),
        Predicted::Masks(masks) => html! {
            @for mask in masks { (filled(mask, &explained.tokens)) }
        },
        Predicted::Similarity(similarity) => similar(similarity),
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

fn found(entities: &[Entity]) -> Markup {
    if entities.is_empty() {
        return html! { p { "The model finds nothing in it." } };
    }
    html! {
        table {
            caption.xp-num { "What the model finds" }
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

fn answered(answer: &FoundAnswer) -> Markup {
    html! {
        p {
            "Answer: " strong { bdi { (wording::found(answer)) } }
            (format!(", probability {:.3}", answer.probability))
        }
    }
}

fn filled(mask: &MaskPrediction, tokens: &[Token]) -> Markup {
    let name = wording::token_name(mask.token, tokens);
    html! {
        h3 { bdi { (name) } }
        (labels(&mask.predictions, &format!("What may stand at {name}")))
    }
}

fn similar(similarity: &Similarity) -> Markup {
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
