//! A drawing that grows downwards, a row of text at a time.

use maud::{Markup, PreEscaped, html};

use super::super::clean::clean;
use super::super::columns::lines;
use super::super::heat::{Piece, Scale};
use super::super::rows::{Placed, rows};
use super::super::sheet;

/// Columns of text in a row.
const COLUMNS: usize = 80;
/// Tenths of a pixel that a column is wide: six tenths of the font's size, as in
/// most fonts of one width.
const COLUMN: usize = 84;
const MARGIN: usize = 16;
/// Tenths of a pixel between words that touch.
const GAP: usize = 8;
/// From one row of words to the next.
const ROW: usize = 28;
/// From one line of what is said beside them to the next.
const LINE: usize = 20;
/// Columns of such a line, whose font is smaller.
const SMALL_COLUMNS: usize = 92;
/// Lines that one such text may take.
const LINES: usize = 4;

/// Pixels.
pub const WIDTH: usize = 2 * MARGIN + COLUMNS * COLUMN / 10;

/// How it looks. Colours are in the sheet that pictures share with pages.
pub const LAYOUT: &str = "\
.xp text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
white-space:pre}\
.xp text.xp-h{font-weight:bold}\
.xp text.xp-soft{font-size:12px}";

/// What has been drawn, and where the next row goes.
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

    /// A line that begins a part.
    pub fn heading(&mut self, text: &str) {
        self.y += MARGIN;
        self.text(text, "xp-ink xp-h", COLUMNS);
    }

    /// A line of what is said beside the words.
    pub fn line(&mut self, text: &str) {
        self.text(text, "xp-soft", SMALL_COLUMNS);
    }

    /// Scores on their colours.
    pub fn swatches(&mut self, scale: Scale, shares: &[f64]) {
        let scores = shares.iter().map(|share| share * scale.largest);
        let numbers: Vec<_> = scores.map(|score| (score, scale.number(score))).collect();
        let pieces: Vec<_> = numbers
            .iter()
            .map(|(score, text)| Piece { text, segment: 0, apart: true, score: *score })
            .collect();
        self.words(&pieces, scale);
    }

    /// A text on the colours of its scores, in as many rows as it takes.
    pub fn words(&mut self, pieces: &[Piece<'_>], scale: Scale) {
        let side = Side::of(pieces);
        for row in rows(pieces, COLUMNS) {
            self.y += ROW;
            for placed in &row {
                self.push(&word(placed, scale, self.y, side));
            }
        }
    }

    /// In as many lines as it takes, up to a few: labels can be of any length.
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

/// Where a text begins.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl Side {
    /// By its first letter that has a direction, as Unicode has it for
    /// paragraphs (UAX #9).
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

    /// The column of the left edge.
    fn column(self, placed: &Placed<'_>) -> usize {
        match self {
            Self::Left => placed.column,
            Self::Right => COLUMNS.saturating_sub(placed.column + placed.columns),
        }
    }
}

/// A word on its colour. Those who point at it see its number.
fn word(placed: &Placed<'_>, scale: Scale, y: usize, side: Side) -> Markup {
    let x = pixels(side.column(placed));
    let wide = placed.columns * COLUMN;
    html! {
        g {
            title { (placed.piece.text) " " (scale.number(placed.piece.score)) }
            rect class=(sheet::class(scale.shade(placed.piece.score))) x=(x) y=(y - 18)
                width=(tenths(wide - GAP)) height="25" rx="3" {}
            text.xp-ink x=(x) y=(y) textLength=(tenths(wide)) lengthAdjust="spacingAndGlyphs" {
                (placed.text)
            }
        }
    }
}

/// Where a column begins.
fn pixels(column: usize) -> String {
    tenths(MARGIN * 10 + column * COLUMN)
}

fn tenths(tenths: usize) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
