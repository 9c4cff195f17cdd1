//! Views inside the model: the lens, conductance and the importance of heads.

use maud::{Markup, html};

use super::super::heat::Scale;
use super::super::room::Room;
use super::super::sheet;
use super::matrix::labels;
use super::{fold, omitted};
use crate::explanation::{Ablation, Conductance, Explained, HeadImportance, Lens, Predicted};

pub fn part(explained: &Explained, room: &mut Room) -> Markup {
    let Some(inside) = &explained.inside else { return html! {} };
    html! {
        @match &inside.lens {
            Some(Lens::Predictions { predictions, decided_at }) => {
                (fold("Prediction after each layer", &lens_table(predictions, *decided_at, room)))
            }
            Some(Lens::Similarity(cosines)) => {
                (fold("Similarity after each layer", &similarity_table(cosines, room)))
            }
            None => {}
        }
        @if let Some(conductance) = &inside.conductance {
            (fold("Scores of the words at each layer", &words(explained, conductance, room)))
        }
        @if let Some(heads) = &inside.head_importance {
            (fold("Importance of the attention heads", &heads_table(heads, room)))
        }
        @if let Some(ablation) = &inside.ablation {
            (fold("Without an attention head", &without_heads(ablation, room)))
        }
    }
}

fn similarity_table(cosines: &[f64], room: &mut Room) -> Markup {
    html! {
        p.xp-soft { "The cosine of the texts, both embedded from the states after each layer. Layer 0 is the embeddings." }
        @if room.cells(cosines.len()) {
            table.xp-grid {
                thead { tr { th scope="col" { "layer" } th scope="col" { "cosine" } } }
                tbody {
                    @for (layer, cosine) in cosines.iter().enumerate() {
                        tr {
                            th scope="row" { (layer) }
                            td.xp-num { (format!("{cosine:.3}")) }
                        }
                    }
                }
            }
        } @else { (omitted()) }
    }
}

fn lens_table(predictions: &[Predicted], decided_at: usize, room: &mut Room) -> Markup {
    let rows: Vec<(String, String)> = predictions.iter().map(best).collect();
    html! {
        p.xp-soft {
            "What the head predicts from the states after each layer. Layer 0 is the embeddings. From layer "
            (decided_at) " on, the prediction is that of the whole model."
        }
        @if room.cells(2 * rows.len()) {
            table.xp-grid {
                thead { tr { th scope="col" { "layer" } th scope="col" { "prediction" } th scope="col" { "probability" } } }
                tbody {
                    @for (layer, (label, probability)) in rows.iter().enumerate() {
                        tr {
                            th scope="row" { (layer) }
                            td { bdi { (label) } }
                            td.xp-num { (probability) }
                        }
                    }
                }
            }
        } @else { (omitted()) }
    }
}

/// Returns the best label, or those of all tokens or masks, and its probability.
fn best(predicted: &Predicted) -> (String, String) {
    let number = |probability: f64| format!("{probability:.3}");
    let one = |list: &[crate::explanation::Prediction]| {
        list.first().map_or_else(String::new, |best| best.label.clone())
    };
    match predicted {
        Predicted::Labels(list) => {
            (one(list), list.first().map_or_else(String::new, |best| number(best.probability)))
        }
        Predicted::Tokens { predictions, .. } => {
            let labels: Vec<String> = predictions.iter().map(|list| one(list)).collect();
            (labels.join(" "), String::new())
        }
        Predicted::Masks(masks) => {
            let labels: Vec<String> = masks.iter().map(|mask| one(&mask.predictions)).collect();
            (labels.join(" "), String::new())
        }
        Predicted::Answer { answer, .. } => (answer.text.clone(), number(answer.probability)),
        Predicted::Similarity(_) => (String::new(), String::new()),
    }
}

fn words(explained: &Explained, conductance: &Conductance, room: &mut Room) -> Markup {
    let names = labels(explained.words.iter().map(|word| word.text.as_str()));
    html! {
        p.xp-soft {
            "Conductance: the scores of all tokens after a layer, special tokens included, add up to the change of the explained "
            "output from the baseline. "
            (conductance.n_steps) " steps"
            @if !conductance.converged { ", not converged" }
            "."
        }
        @if room.cells(names.len() * conductance.words.len()) {
            @let columns = names.iter().map(|name| html! { bdi { (name) } });
            (grid("The score of each word after each layer", columns, 1, &conductance.words))
        } @else { (omitted()) }
    }
}

fn heads_table(heads: &HeadImportance, room: &mut Room) -> Markup {
    let count = heads.scores.first().map_or(0, Vec::len);
    html! {
        p.xp-soft {
            "How the explained output would change with a factor on the head: positive heads support it. "
            "Layers and heads are counted from 0, as in the attention."
        }
        @if room.cells(heads.scores.len() * count) {
            @let columns = (0..count).map(|head| html! { "head " (head) });
            (grid("The importance of each attention head", columns, 0, &heads.scores))
        } @else { (omitted()) }
    }
}

fn without_heads(ablation: &Ablation, room: &mut Room) -> Markup {
    html! {
        p.xp-soft { "Change of the explained output without one head, for the most important ones." }
        @if room.cells(2 * ablation.heads.len()) {
            table.xp-grid {
                thead { tr { th scope="col" { "without" } th scope="col" { "change" } } }
                tbody {
                    @for (head, change) in &ablation.heads {
                        tr {
                            th scope="row" { "layer " (head.layer) ", head " (head.head) }
                            td.xp-num { (format!("{change:+.3}")) }
                        }
                    }
                }
            }
        } @else { (omitted()) }
    }
}

/// Renders signed scores as a table with one row per layer, from `first`.
fn grid(
    caption: &str,
    columns: impl Iterator<Item = Markup>,
    first: usize,
    scores: &[Vec<f64>],
) -> Markup {
    let scale = Scale::of(&scores.concat(), true);
    html! {
        div.xp-wide role="group" aria-label=(caption) tabindex="0" {
            table.xp-grid {
                caption.xp-num { (caption) }
                thead { tr { th scope="col" { "layer" } @for column in columns { th scope="col" { (column) } } } }
                tbody {
                    @for (index, scores) in scores.iter().enumerate() {
                        tr {
                            th scope="row" { (first + index) }
                            @for score in scores {
                                td { span class={ "xp-w " (sheet::class(scale.shade(*score))) } { (scale.number(*score)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
