//! Warnings about a result.

use maud::{Markup, html};

use crate::evaluation::Warning;

/// Renders a note for the top of the result.
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
