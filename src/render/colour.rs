//! Colours of scores. Orange and blue are distinguishable with colour blindness; unsigned scores
//! are violet.

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// The meaning of a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hue {
    For,
    Against,
    /// The magnitude, for unsigned methods.
    Amount,
}

impl Hue {
    pub const ALL: [Self; 3] = [Self::For, Self::Against, Self::Amount];
}

/// A score's colour: a hue and its depth from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shade {
    pub hue: Hue,
    pub depth: f64,
}

/// A light or dark colour theme.
pub struct Theme {
    pub surface: Rgb,
    pub ink: Rgb,
    /// Secondary text.
    pub soft: Rgb,
    pub line: Rgb,
    full: [Rgb; 3],
}

pub const LIGHT: Theme = Theme {
    surface: [255, 255, 255],
    ink: [26, 26, 26],
    soft: [85, 85, 85],
    line: [200, 200, 200],
    full: [[230, 130, 20], [70, 150, 230], [170, 120, 230]],
};

pub const DARK: Theme = Theme {
    surface: [18, 18, 18],
    ink: [244, 244, 244],
    soft: [190, 190, 190],
    line: [80, 80, 80],
    full: [[168, 84, 0], [25, 100, 190], [120, 70, 190]],
};

impl Theme {
    /// Interpolates from the surface at depth 0 to the full colour at depth 1.
    pub fn colour(&self, shade: Shade) -> Rgb {
        let full = self.full[shade.hue as usize];
        let depth = shade.depth.clamp(0., 1.);
        let mix = |channel: usize| {
            let (from, to) = (f64::from(self.surface[channel]), f64::from(full[channel]));
            (from + (to - from) * depth).round() as u8
        };
        [mix(0), mix(1), mix(2)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, as WCAG 2 defines it.
    fn luminance(colour: Rgb) -> f64 {
        let linear = |channel: u8| match f64::from(channel) / 255. {
            low if low <= 0.04045 => low / 12.92,
            high => ((high + 0.055) / 1.055).powf(2.4),
        };
        0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
    }

    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        (a / b).max(b / a)
    }

    #[test]
    fn text_has_enough_contrast_on_every_colour() {
        for theme in [LIGHT, DARK] {
            assert!(contrast(theme.soft, theme.surface) >= 4.5);
            for hue in Hue::ALL {
                for percent in 0..=100 {
                    let shade = Shade { hue, depth: f64::from(percent) / 100. };
                    let ratio = contrast(theme.ink, theme.colour(shade));
                    assert!(ratio >= 4.5, "{shade:?}: {ratio}");
                }
            }
        }
    }
}
