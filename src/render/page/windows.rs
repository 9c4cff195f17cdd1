//! The windows of a long text.

use maud::{Markup, html};

use super::super::room::Room;
use super::super::wording;
use super::{fold, omitted};
use crate::explanation::{Explained, Explanation, WindowPart, WindowShare};

const COLUMNS: [&str; 8] = [
    "window",
    "text",
    "prediction",
    "explanation",
    "weight",
    "value",
    "convergence delta",
    "converged",
];

/// Renders each window and its contribution to each explanation.
pub fn part(explained: &Explained, room: &mut Room) -> Markup {
    let Some(parts) = &explained.windows else { return html! {} };
    let rows = parts.len() * explained.explanations.len().max(1);
    let body = html! {
        p.xp-soft {
            "The text exceeds the model's maximum length. The prediction and each score are \
             weighted sums over its windows."
        }
        @if room.cells(rows * COLUMNS.len()) { (table(explained, parts)) }
        @else { (omitted()) }
    };
    fold(&format!("Split into {} windows", parts.len()), &body)
}

fn table(explained: &Explained, parts: &[WindowPart]) -> Markup {
    html! {
        div.xp-wide role="group" aria-label="Windows of the text" tabindex="0" {
            table {
                caption.xp-num { "Windows of the text" }
                thead { tr { @for name in COLUMNS { th scope="col" { (name) } } } }
                @for (number, part) in parts.iter().enumerate() {
                    (rows(explained, number, part))
                }
            }
        }
    }
}

/// One row per explanation, or a single row if there is none.
fn rows(explained: &Explained, number: usize, part: &WindowPart) -> Markup {
    let shares: Vec<_> = explained.explanations.iter().zip(&part.shares).collect();
    let span = shares.len().max(1);
    html! {
        tbody {
            tr {
                th scope="rowgroup" rowspan=(span) { (number + 1) }
                td rowspan=(span) { bdi { (wording::part(explained, part)) } }
                td rowspan=(span) { bdi { (wording::prediction(&part.predicted)) } }
                @if let Some(first) = shares.first() { (share(explained, *first)) }
            }
            @for other in shares.iter().skip(1) { tr { (share(explained, *other)) } }
        }
    }
}

fn share(explained: &Explained, (explanation, share): (&Explanation, &WindowShare)) -> Markup {
    let target = wording::target(&explanation.target, &explained.tokens);
    let completeness = share.completeness;
    html! {
        td { (explanation.method.name) " of " bdi { (target) } }
        td.xp-n { (format!("{:.3}", share.weight)) }
        td.xp-n { (format!("{:+.3}", share.output_value)) }
        td.xp-n {
            (completeness.map_or_else(|| "–".to_owned(), |c| format!("{:+.5}", c.convergence_delta)))
        }
        td { (completeness.map_or("–", |c| if c.converged { "yes" } else { "no" })) }
    }
}
