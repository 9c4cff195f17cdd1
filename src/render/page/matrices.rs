//! Which matrices of an answer are drawn: attention, and how alike tokens are.

use maud::{Markup, html};

use super::super::heat::Scale;
use super::super::room::{CELLS, Room};
use super::super::wording;
use super::legend::swatches;
use super::matrix::{Matrix, Size, labels, strongest, svg};
use super::patterns;
use crate::explanation::{Attention, AttentionKind, Explained, PairSimilarity, Predicted};

/// The attention asked for, a heat map a head.
pub fn attention(explained: &Explained, room: &mut Room) -> Markup {
    let Some(attention) = &explained.attention else { return html! {} };
    html! {
        @if !attention.weights.is_empty() { (maps(explained, attention, room)) }
        (patterns::part(explained, attention, room))
    }
}

fn maps(explained: &Explained, attention: &Attention, room: &mut Room) -> Markup {
    let read = explained.tokens.iter().take(attention.tokens);
    let tokens = labels(read.map(|token| token.text.as_str()));
    let cells = attention.tokens * attention.tokens;
    let all: Vec<&[f64]> = attention.weights.chunks(cells).collect();
    let drawn: Vec<&&[f64]> = all.iter().take_while(|_| room.cells(cells)).collect();
    let (size, signed) = (Size::of(drawn.len()), attention.kind == AttentionKind::Gradient);
    html! {
        h3 { "Attention" }
        p.xp-soft { (kind(explained, attention)) }
        p.xp-soft { "Rows look at columns. The deepest colour is each map's own largest number." }
        div.xp-maps role="group" aria-label="Attention heat maps" tabindex="0" {
            @for (place, values) in drawn.iter().enumerate() {
                @let scale = Scale::of(values, signed);
                @let matrix = Matrix { rows: &tokens, columns: &tokens, values, scale, size };
                (figure(&matrix, &name(attention, place), "Each token looks most at: "))
            }
        }
        @if drawn.len() < all.len() { (left_out(drawn.len(), all.len())) }
    }
}

/// What its numbers are.
fn kind(explained: &Explained, attention: &Attention) -> Markup {
    let target = attention.target.as_ref();
    let target = target.map(|target| wording::target(target, &explained.tokens));
    html! {
        strong { (attention.kind.name()) } ": "
        @match (attention.kind, target) {
            (AttentionKind::Weights, _) => "what the softmax gave.",
            (AttentionKind::Norm, _) => "weights times the length of what they move.",
            (AttentionKind::Rollout, _) => {
                "the share of each input token in each token after a layer."
            }
            (AttentionKind::Gradient, target) => {
                "weights times the gradient of " bdi { (target.unwrap_or_default()) }
                " at them; blue: against, orange: for it."
            }
        }
    }
}

fn figure(matrix: &Matrix<'_>, name: &str, strongly: &str) -> Markup {
    html! {
        figure {
            (svg(matrix, name))
            figcaption.xp-soft {
                (name) (swatches(matrix.scale))
                span.xp-num { ". " (strongly) (strongest(matrix)) }
            }
        }
    }
}

/// The layer and head of a matrix.
fn name(attention: &Attention, place: usize) -> String {
    match &attention.heads {
        Some(heads) => {
            let (layer, head) = (place / heads.len(), place % heads.len());
            format!("layer {}, head {}", attention.layers[layer], heads[head])
        }
        None => format!("layer {}, {}", attention.layers[place], together(attention.kind)),
    }
}

/// How heads become one: the norm of what all of them move is no mean.
fn together(kind: AttentionKind) -> &'static str {
    match kind {
        AttentionKind::Norm => "heads together",
        AttentionKind::Weights | AttentionKind::Rollout | AttentionKind::Gradient => {
            "mean of heads"
        }
    }
}

fn left_out(drawn: usize, all: usize) -> Markup {
    html! {
        p {
            (drawn) " of " (all) " matrices are drawn: a page holds " (CELLS) " cells. Others are \
             chosen in the request, as in "
            code { "\"attention\": {\"layers\": [0], \"heads\": [0, 1]}" }
            "; application/json and application/x-safetensors hold all."
        }
    }
}

/// What pairs of tokens add to a cosine, where there is such a matrix.
pub fn similarity(explained: &Explained, room: &mut Room) -> Markup {
    let Predicted::Similarity(similarity) = &explained.predicted else { return html! {} };
    let matrix = |pair: &PairSimilarity| pair.matrix.as_ref().map(|rows| rows.concat());
    match similarity.pair.as_ref().and_then(matrix) {
        Some(values) if room.cells(values.len()) => alike(explained, &values),
        Some(_) => html! { (left_out(0, 1)) },
        None => html! {},
    }
}

fn alike(explained: &Explained, values: &[f64]) -> Markup {
    let of_text = |segment: usize| {
        let tokens = explained.tokens.iter().filter(move |token| token.segment == segment);
        labels(tokens.map(|token| token.text.as_str()))
    };
    let (rows, columns) = (of_text(0), of_text(1));
    let (scale, size) = (Scale::of(values, true), Size::of(1));
    let matrix = Matrix { rows: &rows, columns: &columns, values, scale, size };
    html! {
        h3 { "What pairs of tokens add to the cosine" }
        p.xp-soft { "blue: less alike, orange: more" }
        div.xp-maps role="group" aria-label="Similarity heat map" tabindex="0" {
            (figure(&matrix, "first text by second", "Each token has most to do with: "))
        }
    }
}
