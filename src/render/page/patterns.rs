//! What each head of the model does with an input.

use maud::{Markup, html};

use super::super::colour::{Hue, Shade};
use super::super::room::Room;
use super::super::sheet;
use super::matrix::labels;
use super::too_much;
use crate::explanation::{Attention, Explained, HeadPattern};

/// What the names of patterns mean.
const MEANING: &str = "previous, next and self: the head looks at the token before, after or at \
                       the query itself; cls and sep: at the first token or the others that the \
                       tokenizer adds; punctuation: at punctuation; repeated: at the same token \
                       elsewhere; broad: everywhere; mixed: none of these mostly. The number is \
                       the share of its attention that follows the pattern; of broad, its entropy \
                       as a share of the highest.";

/// A grid of layers by heads, where it was asked for.
pub fn part(explained: &Explained, attention: &Attention, room: &mut Room) -> Markup {
    let Some(patterns) = &attention.patterns else { return html! {} };
    let read = explained.tokens.iter().take(attention.tokens);
    let tokens = labels(read.map(|token| token.text.as_str()));
    html! {
        h3 { "What each attention head does" }
        p.xp-soft { (MEANING) }
        @if room.cells(patterns.len()) {
            (grid(patterns, &tokens))
            details {
                summary { "where each head looks most" }
                ul.xp-soft {
                    @for head in patterns {
                        li {
                            "layer " (head.layer) ", head " (head.head) ": "
                            bdi { (pairs(head, &tokens)) }
                        }
                    }
                }
            }
        } @else { (too_much()) }
    }
}

/// Heads lie layer by layer.
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

/// Where it looks most, in words.
fn pairs(head: &HeadPattern, tokens: &[String]) -> String {
    let name = |token: usize| tokens.get(token).map_or("", String::as_str);
    let pairs = head
        .pairs
        .iter()
        .map(|pair| format!("{} to {} {:.2}", name(pair.query), name(pair.key), pair.weight));
    pairs.collect::<Vec<_>>().join("; ")
}
