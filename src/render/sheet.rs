//! The style sheet that pages and pictures share. Every class begins with `xp`,
//! and nothing is said of elements outside of them: a page can stand in another.

use std::fmt::Write;

use super::colour::{DARK, Hue, LIGHT, Rgb, Shade, Theme};

/// Colours between none and the full one. Themes are exchanged by class, which
/// needs a number of them; no eye tells more apart.
const STEPS: u8 = 16;

/// The class of a score's colour.
pub fn class(shade: Shade) -> String {
    let step = (shade.depth.clamp(0., 1.) * f64::from(STEPS)).round() as u8;
    step_class(shade.hue, step)
}

fn step_class(hue: Hue, step: u8) -> String {
    let letter = match hue {
        Hue::For => 'f',
        Hue::Against => 'a',
        Hue::Amount => 'm',
    };
    format!("xp-{letter}{step}")
}

/// The colours by class, for either theme.
pub fn colours() -> String {
    let (light, dark) = (theme(&LIGHT), theme(&DARK));
    format!("{light}@media (prefers-color-scheme:dark){{{dark}}}")
}

fn theme(theme: &Theme) -> String {
    let [surface, ink, soft, line] = [theme.surface, theme.ink, theme.soft, theme.line].map(hex);
    // No custom properties: renderers of pictures that are no browsers lack them.
    let mut css = format!(
        ".xp{{background:{surface}}}.xp,.xp-w{{color:{ink}}}.xp-ground{{fill:{surface}}}\
         .xp-ink{{fill:{ink}}}.xp-soft{{color:{soft};fill:{soft}}}.xp-line{{border-color:{line}}}"
    );
    for hue in Hue::ALL {
        for step in 0..=STEPS {
            let depth = f64::from(step) / f64::from(STEPS);
            let (class, colour) = (step_class(hue, step), hex(theme.colour(Shade { hue, depth })));
            // Writing to a String cannot fail.
            let _ = write!(css, ".{class}{{background:{colour};fill:{colour}}}");
        }
    }
    css
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
