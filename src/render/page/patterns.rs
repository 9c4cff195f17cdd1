//! Attention patterns of the heads.

use maud::{Markup, html};

use super::super::colour::{Hue, Shade};
use super::super::room::Room;
use super::super::sheet;
use super::matrix::labels;
use super::{fold, omitted};
use crate::choice::Choice;
use crate::explanation::{Attention, Explained, HeadPattern};

/// The meaning of the pattern names.
const MEANING: &str = "previous, next and self: the head attends to the token before the query, \
                       after it, or to the query itself; cls and sep: to the first token or to the \
                       other tokens that the tokenizer adds; punctuation: to punctuation; \
                       repeated: to other occurrences of the same token; broad: to all tokens; \
                       mixed: mostly none of these. The number is the share of its attention that \
                       follows the pattern; for broad, its entropy divided by the maximum.";

/// Renders a grid of layers by heads, if it was requested.
pub fn part(explained: &Explained, attention: &Attention, room: &mut Room) -> Markup {
    let Some(patterns) = &attention.patterns else { return html! {} };
    let tokens = explained.tokens.iter().take(attention.tokens);
    let tokens = labels(tokens.map(|token| token.text.as_str()));
    let body = html! {
        p.xp-soft { (MEANING) }
        @if room.cells(patterns.len()) {
            (grid(patterns, &tokens))
            details {
                summary { "largest weights of each head" }
                ul.xp-soft {
                    @for head in patterns {
                        li {
                            "layer " (head.layer) ", head " (head.head) ": "
                            bdi { (pairs(head, &tokens)) }
                        }
                    }
                }
            }
        } @else { (omitted()) }
    };
    fold("Patterns of the attention heads", &body)
}

/// `patterns` is ordered by layer.
fn grid(patterns: &[HeadPattern], tokens: &[String]) -> Markup {
    let layers: Vec<&[HeadPattern]> = patterns.chunk_by(|a, b| a.layer == b.layer).collect();
    let heads = layers.first().map_or(0, |heads| heads.len());
    html! {
        div.xp-wide role="group" aria-label="Patterns of the attention heads" tabindex="0" {
            table.xp-grid {
                caption.xp-num { "The pattern of each attention head" }
                thead {
                    tr { td {} @for head in 0..heads { th scope="col" { "head " (head) } } }
                }
                tbody {
                    @for heads in layers {
                        tr {
                            th scope="row" { "layer " (heads[0].layer) }
                            @for head in heads { (cell(head, tokens)) }
                        }
                    }
                }
            }
        }
    }
}

fn cell(head: &HeadPattern, tokens: &[String]) -> Markup {
    let shade = Shade { hue: Hue::Amount, depth: head.score };
    html! {
        td {
            span class={ "xp-w " (sheet::class(shade)) } title=(pairs(head, tokens)) {
                (head.pattern.name()) " " (format!("{:.2}", head.score))
            }
        }
    }
}

/// Lists the pairs of tokens with the largest weights.
fn pairs(head: &HeadPattern, tokens: &[String]) -> String {
    let name = |token: usize| tokens.get(token).map_or("", String::as_str);
    let pairs = head
        .pairs
        .iter()
        .map(|pair| format!("{} to {} {:.2}", name(pair.query), name(pair.key), pair.weight));
    pairs.collect::<Vec<_>>().join("; ")
}
