//! What the colours mean, in numbers.

use maud::{Markup, html};

use super::super::colour::{Hue, Shade};
use super::super::heat::Scale;
use super::super::sheet;

/// The legend of scores for or against a target.
pub fn legend(scale: Scale, target: &str) -> Markup {
    html! {
        p.xp-soft {
            @if scale.signed {
                "blue, dashed: against; orange: for " bdi { (target) }
            } @else {
                "how much, not which way"
            }
            (swatches(scale))
        }
    }
}

/// Numbers on their colours, from one end of the scale to the other.
pub fn swatches(scale: Scale) -> Markup {
    let shares: &[f64] = if scale.signed { &[-1., -0.5, 0., 0.5, 1.] } else { &[0., 0.5, 1.] };
    html! {
        @for share in shares {
            @let score = share * scale.largest;
            " " span class=(word_class(scale.shade(score))) { (scale.number(score)) }
        }
    }
}

/// The classes of what stands on a colour. What speaks against the target, and
/// enough to be seen, is dashed as well, for those who see no colours.
pub fn word_class(shade: Shade) -> String {
    let dashed = match shade {
        Shade { hue: Hue::Against, depth } if depth > 0.1 => " xp-dashed",
        _ => "",
    };
    format!("xp-w {}{dashed}", sheet::class(shade))
}
