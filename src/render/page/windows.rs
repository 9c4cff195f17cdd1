//! A text that was read in parts.

use maud::{Markup, html};

use super::super::room::Room;
use super::super::wording;
use super::too_much;
use crate::explanation::{Explained, Explanation, WindowPart, WindowShare};

const COLUMNS: [&str; 8] = [
    "part",
    "text",
    "what the model says of it",
    "explanation",
    "weight",
    "value",
    "scores miss their sum by",
    "converged",
];

/// Each part, and what it adds to each explanation.
pub fn part(explained: &Explained, room: &mut Room) -> Markup {
    let Some(parts) = &explained.windows else { return html! {} };
    let rows = parts.len() * explained.explanations.len().max(1);
    html! {
        h3 { "Read in " (parts.len()) " parts" }
        p.xp-soft {
            "The text is longer than the model takes. What is said of it, and each score, is the \
             sum over its parts, each times its weight."
        }
        @if room.cells(rows * COLUMNS.len()) { (table(explained, parts)) }
        @else { (too_much()) }
    }
}

fn table(explained: &Explained, parts: &[WindowPart]) -> Markup {
    html! {
        div.xp-wide role="group" aria-label="Parts of the text" tabindex="0" {
            table {
                caption.xp-num { "Parts of the text" }
                thead { tr { @for name in COLUMNS { th scope="col" { (name) } } } }
                @for (number, part) in parts.iter().enumerate() {
                    (rows(explained, number, part))
                }
            }
        }
    }
}

/// A row for each explanation, or one without.
fn rows(explained: &Explained, number: usize, part: &WindowPart) -> Markup {
    let shares: Vec<_> = explained.explanations.iter().zip(&part.shares).collect();
    let span = shares.len().max(1);
    html! {
        tbody {
            tr {
                th scope="rowgroup" rowspan=(span) { (number + 1) }
                td rowspan=(span) { bdi { (wording::part(explained, part)) } }
                td rowspan=(span) { bdi { (wording::answer(&part.predicted)) } }
                @if let Some(first) = shares.first() { (share(explained, *first)) }
            }
            @for other in shares.iter().skip(1) { tr { (share(explained, *other)) } }
        }
    }
}

fn share(explained: &Explained, (explanation, share): (&Explanation, &WindowShare)) -> Markup {
    let target = wording::target(&explanation.target, &explained.tokens);
    let whole = share.completeness;
    html! {
        td { (explanation.method.name) " of " bdi { (target) } }
        td.xp-n { (format!("{:.3}", share.weight)) }
        td.xp-n { (format!("{:+.3}", share.output_value)) }
        td.xp-n {
            (whole.map_or_else(|| "–".to_owned(), |whole| format!("{:+.5}", whole.convergence_delta)))
        }
        td { (whole.map_or("–", |whole| if whole.converged { "yes" } else { "no" })) }
    }
}
