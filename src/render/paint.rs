//! Mapping of colours to the capabilities of the terminal.

use std::fmt::{Arguments, Write};

use anstyle::{Ansi256Color, AnsiColor, Color, RgbColor, Style};

use super::colour::{Hue, LIGHT, Rgb, Shade};

/// The colours that a terminal supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    None,
    Sixteen,
    /// The 256 colours of xterm.
    Palette,
    /// 24-bit colours.
    Full,
}

impl Colours {
    /// Detects the colours of the terminal from its environment variables; at least sixteen.
    pub fn most(variable: impl Fn(&str) -> Option<String>) -> Self {
        let term = variable("TERM").unwrap_or_default();
        match variable("COLORTERM").as_deref() {
            Some("truecolor" | "24bit") => Self::Full,
            _ if term.ends_with("-direct") => Self::Full,
            _ if term.contains("256color") => Self::Palette,
            _ => Self::Sixteen,
        }
    }

    /// The default: colours on a terminal that has some, unless NO_COLOR is set. CLICOLOR_FORCE
    /// enables them also if the output is not a terminal.
    pub fn fitting(variable: impl Fn(&str) -> Option<String>, terminal: bool) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let forced = variable("CLICOLOR_FORCE").is_some_and(|value| !["", "0"].contains(&&*value));
        let supported = terminal && is_set("TERM") && variable("TERM").as_deref() != Some("dumb");
        match !is_set("NO_COLOR") && (forced || supported) {
            true => Self::most(variable),
            false => Self::None,
        }
    }

    pub fn bold(self) -> Style {
        match self {
            Self::None => Style::new(),
            _ => Style::new().bold(),
        }
    }

    /// Returns the style of a word.
    pub fn word(self, shade: Shade) -> Style {
        let black = |background: Color| {
            Style::new().bg_color(Some(background)).fg_color(Some(AnsiColor::Black.into()))
        };
        match self {
            Self::None => Style::new(),
            // Two shades: a coloured foreground, and a coloured background for high scores.
            Self::Sixteen if shade.depth < 0.15 => Style::new(),
            Self::Sixteen if shade.depth < 0.5 => self.bar(shade),
            Self::Sixteen => black(nearest_of_16(shade.hue).into()),
            Self::Palette => black(nearest_of_256(LIGHT.colour(shade)).into()),
            Self::Full => {
                let ink = Some(Color::Rgb(RgbColor(0, 0, 0)));
                Style::new().bg_color(Some(full(LIGHT.colour(shade)))).fg_color(ink)
            }
        }
    }

    /// Returns the style of a bar, in the full colour of the hue.
    pub fn bar(self, shade: Shade) -> Style {
        let colour = LIGHT.colour(Shade { depth: 1., ..shade });
        let foreground = match self {
            Self::None => return Style::new(),
            Self::Sixteen => nearest_of_16(shade.hue).into(),
            Self::Palette => nearest_of_256(colour).into(),
            Self::Full => full(colour),
        };
        Style::new().fg_color(Some(foreground))
    }
}

fn full([red, green, blue]: Rgb) -> Color {
    Color::Rgb(RgbColor(red, green, blue))
}

/// The 16 colours have no orange, and their blue is too dark for black text.
fn nearest_of_16(hue: Hue) -> AnsiColor {
    match hue {
        Hue::For => AnsiColor::Yellow,
        Hue::Against => AnsiColor::Cyan,
        Hue::Amount => AnsiColor::Magenta,
    }
}

/// Returns the nearest colour of xterm's 6 × 6 × 6 cube.
fn nearest_of_256(colour: Rgb) -> Ansi256Color {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |channel: u8| {
        let closest = (0..6_u8).min_by_key(|&i| LEVELS[usize::from(i)].abs_diff(channel));
        closest.unwrap_or_default()
    };
    let [red, green, blue] = colour.map(nearest);
    Ansi256Color(16 + 36 * red + 6 * green + blue)
}

/// Appends a line of text.
pub fn line(out: &mut String, text: Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| list.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn colours_are_detected_from_the_environment() {
        for (list, colours) in [
            (&[("COLORTERM", "truecolor"), ("TERM", "xterm-256color")][..], Colours::Full),
            (&[("COLORTERM", "24bit"), ("TERM", "xterm")], Colours::Full),
            (&[("TERM", "screen-256color")], Colours::Palette),
            (&[("TERM", "xterm-direct")], Colours::Full),
            (&[("TERM", "linux")], Colours::Sixteen),
            (&[("TERM", "dumb")], Colours::None),
            (&[], Colours::None),
            (&[("TERM", "xterm"), ("NO_COLOR", "1")], Colours::None),
            (&[("TERM", "xterm"), ("NO_COLOR", "")], Colours::Sixteen),
        ] {
            assert_eq!(Colours::fitting(variables(list), true), colours, "{list:?}");
        }
    }

    #[test]
    fn a_pipe_has_no_colours_unless_they_are_forced() {
        let piped = |list| Colours::fitting(variables(list), false);
        assert_eq!(piped(&[("COLORTERM", "truecolor"), ("TERM", "xterm")]), Colours::None);
        assert_eq!(piped(&[("CLICOLOR_FORCE", "0"), ("TERM", "xterm")]), Colours::None);
        assert_eq!(piped(&[("CLICOLOR_FORCE", "1")]), Colours::Sixteen);
        assert_eq!(piped(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), Colours::None);
    }

    #[test]
    fn nearest_colour_of_the_cube() {
        assert_eq!(nearest_of_256([255, 255, 255]), Ansi256Color(231));
        assert_eq!(nearest_of_256([230, 130, 20]), Ansi256Color(172));
        assert_eq!(nearest_of_256([70, 150, 230]), Ansi256Color(68));
    }
}
