//! Where the input lies along concepts.

use maud::{Markup, html};

use super::super::room::Room;
use super::{fold, omitted};
use crate::explanation::Explained;

pub fn part(explained: &Explained, room: &mut Room) -> Markup {
    match explained.concepts.is_empty() {
        true => html! {},
        false => fold("Concepts", &table(explained, room)),
    }
}

fn table(explained: &Explained, room: &mut Room) -> Markup {
    html! {
        p.xp-soft {
            "Position: 1 is the mean of the texts with the concept, -1 that of the contrast. Sensitivity: how the explained "
            "output changes per step of length 1, when the states of all tokens move along the concept."
        }
        @if room.cells(4 * explained.concepts.len()) {
            table.xp-grid {
                thead {
                    tr {
                        th scope="col" { "concept" }
                        th scope="col" { "layer" }
                        th scope="col" { "position" }
                        th scope="col" { "sensitivity" }
                    }
                }
                tbody {
                    @for located in &explained.concepts {
                        tr {
                            th scope="row" { (located.concept.name) }
                            td.xp-num { (located.own.layer) }
                            td.xp-num { (format!("{:+.2}", located.own.position)) }
                            td.xp-num { (format!("{:+.3}", located.own.sensitivity)) }
                        }
                    }
                }
            }
        } @else { (omitted()) }
    }
}
