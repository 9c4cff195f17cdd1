//! SVG elements, drawn from top to bottom.

use maud::{Markup, PreEscaped, html};

use super::super::clean::clean;
use super::super::columns::lines;
use super::super::heat::{Piece, Scale};
use super::super::rows::{Placed, rows};
use super::super::sheet;

/// Columns of words in a row.
const COLUMNS: usize = 80;
/// Width of a column in tenths of a pixel: 0.6 times the font size, as in most monospace fonts.
const COLUMN: usize = 84;
const MARGIN: usize = 16;
/// Gap between adjacent words in tenths of a pixel.
const GAP: usize = 8;
/// Height of a row of words.
const ROW: usize = 28;
/// Height of a line of other text.
const LINE: usize = 20;
/// Columns of a line in the smaller font.
const SMALL_COLUMNS: usize = 92;
/// Width of the legend's bar, and its colours per sign.
const BAR: usize = 240;
const STEPS: i32 = 8;
/// Maximum number of lines per text.
const LINES: usize = 4;

/// Width of a picture in pixels.
pub const WIDTH: usize = 2 * MARGIN + COLUMNS * COLUMN / 10;

/// Layout styles. Colours are in the sheet that pictures share with pages.
pub const LAYOUT: &str = "\
.xp text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
white-space:pre}\
.xp text.xp-h{font-weight:bold}\
.xp text.xp-soft{font-size:12px}";

/// The elements drawn so far and the vertical position of the last one.
#[derive(Default)]
pub struct Drawing {
    body: String,
    y: usize,
}

impl Drawing {
    pub fn height(&self) -> usize {
        self.y + MARGIN
    }

    pub fn body(&self) -> Markup {
        PreEscaped(self.body.clone())
    }

    /// Draws the heading of a section.
    pub fn heading(&mut self, text: &str) {
        self.y += MARGIN;
        self.text(text, "xp-ink xp-h", COLUMNS);
    }

    /// Draws a line of secondary text.
    pub fn line(&mut self, text: &str) {
        self.text(text, "xp-soft", SMALL_COLUMNS);
    }

    /// Draws the scale of the colours as a bar with numbers below. It is thin and small, so that it
    /// does not look like a part of the text.
    pub fn scale_bar(&mut self, scale: Scale) {
        let (first, center) = if scale.signed { (-STEPS, 0.) } else { (0, scale.largest / 2.) };
        let (from, steps) = (scale.largest * f64::from(first) / f64::from(STEPS), STEPS - first);
        let width = BAR / steps as usize;
        self.y += LINE;
        for step in first..STEPS {
            let middle = (f64::from(step) + 0.5) / f64::from(STEPS);
            let x = MARGIN + (step - first) as usize * width;
            self.push(&html! {
                rect class=(sheet::class(scale.shade(middle * scale.largest))) x=(x) y=(self.y - 8)
                    width=(width) height="8" {}
            });
        }
        self.y += LINE;
        let ends = [(from, 0, "start"), (center, BAR / 2, "middle"), (scale.largest, BAR, "end")];
        for (score, x, anchor) in ends {
            self.push(&html! {
                text.xp-soft x=(MARGIN + x) y=(self.y - 6) text-anchor=(anchor) { (scale.number(score)) }
            });
        }
    }

    /// Draws a text on the colours of its scores, wrapped into rows.
    pub fn words(&mut self, pieces: &[Piece<'_>], scale: Scale) {
        let side = Side::of(pieces);
        for row in rows(pieces, COLUMNS) {
            self.y += ROW;
            for placed in &row {
                self.push(&word(placed, scale, self.y, side));
            }
        }
    }

    /// Wraps the text into at most [`LINES`] lines: labels can be of any length.
    fn text(&mut self, text: &str, class: &str, columns: usize) {
        for part in lines(&clean(text), columns).take(LINES) {
            self.y += LINE;
            self.push(&html! { text class=(class) x=(MARGIN) y=(self.y) { (part) } });
        }
    }

    fn push(&mut self, markup: &Markup) {
        self.body.push_str(&markup.0);
    }
}

/// The side at which a text begins.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl Side {
    /// Returns the side by the first letter with a direction, as for Unicode paragraphs (UAX #9).
    fn of(pieces: &[Piece<'_>]) -> Self {
        let mut letters = pieces.iter().flat_map(|piece| piece.text.chars());
        match letters.find(|c| c.is_alphabetic()) {
            Some(
                '\u{590}'..='\u{8ff}'
                | '\u{fb1d}'..='\u{fdff}'
                | '\u{fe70}'..='\u{feff}'
                | '\u{10800}'..='\u{10fff}'
                | '\u{1e800}'..='\u{1efff}',
            ) => Self::Right,
            _ => Self::Left,
        }
    }

    /// Returns the column of the left edge.
    fn column(self, placed: &Placed<'_>) -> usize {
        match self {
            Self::Left => placed.column,
            Self::Right => COLUMNS.saturating_sub(placed.column + placed.columns),
        }
    }
}

/// A word on its colour, with its number as a tooltip.
fn word(placed: &Placed<'_>, scale: Scale, y: usize, side: Side) -> Markup {
    let x = pixels(side.column(placed));
    let width = placed.columns * COLUMN;
    html! {
        g {
            title { (placed.piece.text) " " (scale.number(placed.piece.score)) }
            rect class=(sheet::class(scale.shade(placed.piece.score))) x=(x) y=(y - 18)
                width=(tenths(width - GAP)) height="25" rx="3" {}
            text.xp-ink x=(x) y=(y) textLength=(tenths(width)) lengthAdjust="spacingAndGlyphs" {
                (placed.text)
            }
        }
    }
}

/// Returns the horizontal position of a column in pixels.
fn pixels(column: usize) -> String {
    tenths(MARGIN * 10 + column * COLUMN)
}

fn tenths(tenths: usize) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
