//! The scores of one method for one target.

use maud::{Markup, html};

use super::super::heat::{Heat, Piece, Scale};
use super::super::room::{Room, WORDS};
use super::super::wording;
use super::language;
use super::legend::{legend, word_class};
use super::{pairs, strongest};
use crate::explanation::{Explained, Explanation};
use crate::model::Model;

/// Renders the heat maps, with options, convergence, samples and cost.
pub fn part(
    model: &Model,
    explained: &Explained,
    explanation: &Explanation,
    room: &mut Room,
) -> Markup {
    let target = wording::target(&explanation.target, &explained.tokens);
    html! {
        h3 { (explanation.method.name) " of " bdi { (target) } }
        (heats(model, &Heat::all(explained, explanation), &target, room))
        (pairs::part(explained, explanation, room))
        details { summary { "how it was computed" } (computation(explanation)) }
    }
}

fn computation(explanation: &Explanation) -> Markup {
    html! {
        p.xp-soft { (explained_value(explanation)) bdi { (wording::options(explanation)) } }
        @for text in wording::certainty(explanation) {
            p.xp-soft { (text) }
        }
        p.xp-soft { (wording::cost(explanation.usage)) }
    }
}

fn explained_value(explanation: &Explanation) -> String {
    let output = wording::output(explanation);
    let separator = if wording::options(explanation).is_empty() { "" } else { "; " };
    format!("{output} {:+.3}{separator}", explanation.output_value)
}

/// Renders the first granularity visibly and the others collapsed.
fn heats(model: &Model, heats: &[Heat<'_>], target: &str, room: &mut Room) -> Markup {
    html! {
        @for (index, heat) in heats.iter().enumerate() {
            @if index == 0 {
                (coloured(model, heat, target, room))
                (strongest::part(heat))
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
                "Not shown: a page is limited to " (WORDS) " scores. Request fewer inputs, \
                 targets or methods, or application/json."
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

/// A piece of the text on its colour, and its number.
fn word(piece: &Piece<'_>, scale: Scale) -> Markup {
    let number = scale.number(piece.score);
    html! {
        @if piece.spaced { " " }
        span class=(word_class(scale.shade(piece.score))) title=(number) { (piece.text) }
        // Outside of the word's element: inside, it would split the colour of right-to-left text.
        sub.xp-s lang="en" dir="ltr" { (number) }
    }
}
