//! The strongest interactions of an explanation.

use maud::{Markup, html};

use super::super::pairs::{NamedPair, number, strongest};
use crate::explanation::{Explained, Explanation};

/// Renders a table of the strongest pairs; nothing if there are none.
pub fn part(explained: &Explained, explanation: &Explanation) -> Markup {
    let pairs = strongest(explained, explanation);
    html! {
        @if !pairs.is_empty() {
            table.xp-bars {
                caption.xp-num { "Strongest pairs: what both do beyond what each does alone" }
                tbody { @for pair in &pairs { (row(pair)) } }
            }
        }
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
