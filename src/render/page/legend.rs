//! Legends of the colours.

use maud::{Markup, html};

use super::super::colour::{Hue, Shade};
use super::super::heat::Scale;
use super::super::sheet;

/// Renders the legend of scores for or against a target.
pub fn legend(scale: Scale, target: &str) -> Markup {
    html! {
        p.xp-soft {
            @if scale.signed {
                "blue, dashed: against; orange: for " bdi { (target) }
            } @else {
                "magnitude only, no direction"
            }
            (swatches(scale))
        }
    }
}

/// Renders numbers on their colours, from one end of the scale to the other.
pub fn swatches(scale: Scale) -> Markup {
    let shares: &[f64] = if scale.signed { &[-1., -0.5, 0., 0.5, 1.] } else { &[0., 0.5, 1.] };
    html! {
        @for share in shares {
            @let score = share * scale.largest;
            " " span class=(word_class(scale.shade(score))) { (scale.number(score)) }
        }
    }
}

/// Returns the CSS classes of a coloured word. Visible scores against the target also get a dashed
/// line, for readers who cannot tell the colours apart.
pub fn word_class(shade: Shade) -> String {
    let dashed = match shade {
        Shade { hue: Hue::Against, depth } if depth > 0.1 => " xp-dashed",
        _ => "",
    };
    format!("xp-w {}{dashed}", sheet::class(shade))
}
