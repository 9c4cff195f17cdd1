//! Heat maps of attention and of token similarity.

use maud::{Markup, html};

use super::super::heat::Scale;
use super::super::room::{CELLS, Room};
use super::super::wording;
use super::legend::swatches;
use super::matrix::{Matrix, Size, labels, strongest, svg};
use super::{fold, patterns};
use crate::choice::Choice;
use crate::explanation::{Attention, AttentionKind, Explained, PairSimilarity, Predicted};

/// Renders the requested attention, one heat map per head.
pub fn attention(explained: &Explained, room: &mut Room) -> Markup {
    let Some(attention) = &explained.attention else { return html! {} };
    html! {
        @if !attention.weights.is_empty() { (maps(explained, attention, room)) }
        (patterns::part(explained, attention, room))
    }
}

fn maps(explained: &Explained, attention: &Attention, room: &mut Room) -> Markup {
    let tokens = explained.tokens.iter().take(attention.tokens);
    let tokens = labels(tokens.map(|token| token.text.as_str()));
    let cells = attention.tokens * attention.tokens;
    let all: Vec<&[f64]> = attention.weights.chunks(cells).collect();
    let drawn: Vec<&&[f64]> = all.iter().take_while(|_| room.cells(cells)).collect();
    let (size, signed) = (Size::of(drawn.len()), attention.kind == AttentionKind::Gradient);
    let body = html! {
        p.xp-soft { (kind(explained, attention)) }
        p.xp-soft { "Rows attend to columns. Each map is scaled to its own largest value." }
        div.xp-maps role="group" aria-label="Attention heat maps" tabindex="0" {
            @for (index, values) in drawn.iter().enumerate() {
                @let scale = Scale::of(values, signed);
                @let matrix = Matrix { rows: &tokens, columns: &tokens, values, scale, size };
                (figure(&matrix, &name(attention, index), "Strongest attention of each token: "))
            }
        }
        @if drawn.len() < all.len() { (omitted(drawn.len(), all.len())) }
    };
    fold("Attention", &body)
}

/// Explains the attention values.
fn kind(explained: &Explained, attention: &Attention) -> Markup {
    let target = attention.target.as_ref();
    let target = target.map(|target| wording::target(target, &explained.tokens));
    html! {
        strong { (attention.kind.name()) } ": "
        @match (attention.kind, target) {
            (AttentionKind::Weights, _) => "output of the softmax.",
            (AttentionKind::Norm, _) => "norm of the weighted, transformed value vectors.",
            (AttentionKind::Rollout, _) => {
                "share of each input token in each output token of a layer."
            }
            (AttentionKind::BlockNorm, _) => {
                "norm of what each token contributes to another through attention, residual \
                 connection and layer norm."
            }
            (AttentionKind::Alti, _) => {
                "share of each token in the output of the attention block (ALTI)."
            }
            (AttentionKind::ValueZeroing, _) => {
                "how much a layer's output changes without the value vectors of a token, as a \
                 share of all tokens' changes."
            }
            (AttentionKind::Gradient, target) => {
                "weights times the gradient of " bdi { (target.unwrap_or_default()) }
                " with respect to them; blue: against, orange: for it."
            }
        }
    }
}

/// Renders a matrix with its name and what is strongest in it.
pub fn figure(matrix: &Matrix<'_>, name: &str, summary: &str) -> Markup {
    html! {
        figure {
            (svg(matrix, name))
            figcaption.xp-soft {
                (name) (swatches(matrix.scale))
                span.xp-num { ". " (summary) (strongest(matrix)) }
            }
        }
    }
}

/// Returns the layer and head of the matrix at `index`.
fn name(attention: &Attention, index: usize) -> String {
    match &attention.heads {
        Some(heads) => {
            let (layer, head) = (index / heads.len(), index % heads.len());
            format!("layer {}, head {}", attention.layers[layer], heads[head])
        }
        None => format!("layer {}, {}", attention.layers[index], combined_heads(attention.kind)),
    }
}

/// Describes how heads are combined: the norm is of the sum over all heads, not a mean of norms.
fn combined_heads(kind: AttentionKind) -> &'static str {
    match kind {
        AttentionKind::Norm
        | AttentionKind::BlockNorm
        | AttentionKind::Alti
        | AttentionKind::ValueZeroing => "all heads",
        AttentionKind::Weights | AttentionKind::Rollout | AttentionKind::Gradient => {
            "mean of heads"
        }
    }
}

/// Says that some matrices are left out.
pub fn omitted(drawn: usize, all: usize) -> Markup {
    html! {
        p {
            (drawn) " of " (all) " matrices are shown: a page is limited to " (CELLS) " cells. \
             Select others in the request, as in "
            code { "\"attention\": {\"layers\": [0], \"heads\": [0, 1]}" }
            "; application/json and application/x-safetensors contain all."
        }
    }
}

/// Renders the contributions of token pairs to the cosine, if there is such a matrix.
pub fn similarity(explained: &Explained, room: &mut Room) -> Markup {
    let Predicted::Similarity(similarity) = &explained.predicted else { return html! {} };
    let matrix = |pair: &PairSimilarity| pair.matrix.as_ref().map(|rows| rows.concat());
    match similarity.pair.as_ref().and_then(matrix) {
        Some(values) if room.cells(values.len()) => similarity_map(explained, &values),
        Some(_) => html! { (omitted(0, 1)) },
        None => html! {},
    }
}

fn similarity_map(explained: &Explained, values: &[f64]) -> Markup {
    let segment_labels = |segment: usize| {
        let tokens = explained.tokens.iter().filter(move |token| token.segment == segment);
        labels(tokens.map(|token| token.text.as_str()))
    };
    let (rows, columns) = (segment_labels(0), segment_labels(1));
    let (scale, size) = (Scale::of(values, true), Size::of(1));
    let matrix = Matrix { rows: &rows, columns: &columns, values, scale, size };
    let body = html! {
        p.xp-soft { "blue: lowers the cosine, orange: raises it" }
        div.xp-maps role="group" aria-label="Similarity heat map" tabindex="0" {
            (figure(&matrix, "first text by second", "Largest contribution of each token: "))
        }
    };
    fold("Contribution of token pairs to the cosine", &body)
}
