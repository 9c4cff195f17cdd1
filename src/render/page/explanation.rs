//! One method's scores for one target.

use maud::{Markup, html};

use super::super::heat::{Heat, Piece, Scale};
use super::super::room::{Room, WORDS};
use super::super::wording;
use super::language;
use super::legend::{legend, word_class};
use crate::explanation::{Explained, Explanation};
use crate::model::Model;

/// The text in the colours of its scores, and what they rest on.
pub fn part(
    model: &Model,
    explained: &Explained,
    explanation: &Explanation,
    room: &mut Room,
) -> Markup {
    let target = wording::target(&explanation.target, &explained.tokens);
    html! {
        h3 { (explanation.method.name) " of " bdi { (target) } }
        p.xp-soft { (explained_value(explanation)) bdi { (wording::options(explanation)) } }
        (heats(model, &Heat::all(explained, explanation), &target, room))
        @if let Some(completeness) = explanation.completeness {
            p.xp-soft { (wording::completeness(completeness)) }
        }
        @if let Some(sampling) = explanation.sampling {
            p.xp-soft { (wording::sampling(sampling)) }
        }
        p.xp-soft { (wording::cost(explanation.usage)) }
    }
}

fn explained_value(explanation: &Explanation) -> String {
    let output = wording::output(explanation);
    let stop = if wording::options(explanation).is_empty() { "" } else { "; " };
    format!("{output} {:+.3}{stop}", explanation.output_value)
}

/// The first kind of unit in sight, the others where they are asked for.
fn heats(model: &Model, heats: &[Heat<'_>], target: &str, room: &mut Room) -> Markup {
    html! {
        @for (place, heat) in heats.iter().enumerate() {
            @if place == 0 {
                (coloured(model, heat, target, room))
            } @else {
                details { summary { "by " (heat.name()) } (coloured(model, heat, target, room)) }
            }
        }
    }
}

fn coloured(model: &Model, heat: &Heat<'_>, target: &str, room: &mut Room) -> Markup {
    if !room.words(heat.pieces.len()) {
        return html! {
            p.xp-soft {
                "Not drawn: a page holds " (WORDS) " scores. Ask for fewer inputs, targets or \
                 methods, or for application/json."
            }
        };
    }
    html! {
        @for text in heat.texts() {
            bdi.xp-text lang=(language(model)) {
                @for piece in text { (word(piece, heat.scale)) }
            }
        }
        (legend(heat.scale, target))
    }
}

/// A piece of the text on its colour. The number is there for the pointer and
/// for those who hear the page.
fn word(piece: &Piece<'_>, scale: Scale) -> Markup {
    let number = scale.number(piece.score);
    html! {
        @if piece.apart { " " }
        span class=(word_class(scale.shade(piece.score))) title=(number) { (piece.text) }
        // Beside the word and not in it, where a text from right to left would
        // tear the word's colour in two.
        span.xp-num lang="en" { " " (number) " " }
    }
}
