//! The style sheet that pages and pictures share. Every class begins with `xp` and no rule applies
//! outside of these classes, so a page can be embedded in another.

use std::fmt::Write;

use super::colour::{DARK, Hue, LIGHT, Rgb, Shade, Theme};

/// Colour steps from none to full. Each step is a class, so that both themes can define it; more
/// steps would be indistinguishable.
const STEPS: u8 = 16;

/// Returns the CSS class of a score's colour.
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

/// Returns the CSS rules of the colour classes for both themes.
pub fn colours() -> String {
    let (light, dark) = (theme(&LIGHT), theme(&DARK));
    format!("{light}@media (prefers-color-scheme:dark){{{dark}}}")
}

fn theme(theme: &Theme) -> String {
    let [surface, ink, soft, line] = [theme.surface, theme.ink, theme.soft, theme.line].map(hex);
    // No custom properties: SVG renderers other than browsers do not support them.
    let mut css = format!(
        ".xp{{background:{surface}}}.xp,.xp-w{{color:{ink}}}.xp-ground{{fill:{surface}}}\
         .xp-ink{{fill:{ink}}}.xp-soft{{color:{soft};fill:{soft}}}.xp-line{{border-color:{line}}}\
         .xp-wide,.xp-maps{{background:linear-gradient(to right,{surface} 30%,transparent) 0/3em 100% no-repeat local,\
         linear-gradient(to left,{surface} 30%,transparent) 100%/3em 100% no-repeat local,\
         linear-gradient(to right,{line},transparent) 0/.8em 100% no-repeat scroll,\
         linear-gradient(to left,{line},transparent) 100%/.8em 100% no-repeat scroll}}"
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
