//! What a reader should know before believing an answer.

use maud::{Markup, html};

use crate::evaluation::Warning;

/// A note that stands before all else.
pub fn part(warnings: &[Warning]) -> Markup {
    if warnings.is_empty() {
        return html! {};
    }
    html! {
        div.xp-note role="note" {
            p { strong { "⚠ Read with care" } }
            ul { @for warning in warnings { li { (warning.detail) "." } } }
        }
    }
}
