//! The interactions of an explanation.

use maud::{Markup, html};

use super::super::heat::Scale;
use super::super::pairs::{NamedPair, number, strongest, text};
use super::super::room::Room;
use super::matrices::{figure, omitted};
use super::matrix::{Matrix, Size, labels};
use crate::attribution::{Interactions, Pairs};
use crate::explanation::{Explained, Explanation};

/// Renders a table of the strongest pairs, and the heat map of pairs between two texts; nothing if
/// there are none.
pub fn part(explained: &Explained, explanation: &Explanation, room: &mut Room) -> Markup {
    let Some(interactions) = &explanation.interactions else { return html! {} };
    let pairs = strongest(explained, explanation);
    html! {
        @if !pairs.is_empty() {
            table.xp-bars {
                caption.xp-num { "Strongest pairs: what both do beyond what each does alone" }
                tbody { @for pair in &pairs { (row(pair)) } }
            }
        }
        (map(explained, interactions, room))
    }
}

fn row(NamedPair { texts: [one, other], pair }: &NamedPair<'_>) -> Markup {
    html! {
        tr {
            th scope="row" { bdi { (one) } " with " bdi { (other) } }
            td.xp-n { (number(pair)) }
        }
    }
}

fn map(explained: &Explained, interactions: &Interactions, room: &mut Room) -> Markup {
    let Pairs::Between { units, scores } = &interactions.pairs else { return html! {} };
    let values = scores.concat();
    if !room.cells(values.len()) {
        return omitted(0, 1);
    }
    let [rows, columns] = units
        .each_ref()
        .map(|units| labels(units.iter().map(|&unit| text(explained, interactions.unit, unit))));
    let (scale, size) = (Scale::of(&values, true), Size::of(1));
    let matrix = Matrix { rows: &rows, columns: &columns, values: &values, scale, size };
    html! {
        div.xp-maps role="group" aria-label="Interactions heat map" tabindex="0" {
            (figure(&matrix, "first text by second", "Largest interaction of each: "))
        }
    }
}
