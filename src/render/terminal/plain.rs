//! Heat maps without colours.

use super::super::colour::Hue;
use super::super::heat::{Piece, Scale};
use super::super::paint::{Colours, line};
use super::super::rows::{Placed, rows};

/// Columns of a row. The terminal must not wrap it, so that marks are below their words.
pub const COLUMNS: usize = 76;

/// Returns the character of bars and marks. Without colours, it shows the sign.
pub fn stroke(colours: Colours, hue: Hue) -> &'static str {
    match (colours, hue) {
        (Colours::None, Hue::For) => "+",
        (Colours::None, Hue::Against) => "-",
        _ => "█",
    }
}

/// Writes the text in rows, with marks below each word: one mark from 1/7 of the largest score on,
/// and a full underline from 1/2 on.
pub fn heat_map(out: &mut String, pieces: &[Piece<'_>], scale: Scale) {
    for row in rows(pieces, COLUMNS) {
        let words = align(&row, |placed| placed.text.clone());
        let marks = align(&row, |placed| marks(placed, scale));
        line(out, format_args!("  {words}"));
        line(out, format_args!("  {}", marks.trim_end()));
    }
}

/// Writes each part of a row at its column.
fn align(row: &[Placed<'_>], part: impl Fn(&Placed<'_>) -> String) -> String {
    let mut line = String::new();
    let mut column = 0;
    for placed in row {
        line.extend(std::iter::repeat_n(' ', placed.column - column));
        line.push_str(&part(placed));
        column = placed.column + placed.columns;
    }
    line
}

fn marks(placed: &Placed<'_>, scale: Scale) -> String {
    let shade = scale.shade(placed.piece.score);
    let count = match shade.depth {
        weak if weak < 1. / 7. => 0,
        middle if middle < 0.5 => 1,
        _ => placed.columns,
    };
    let marks = stroke(Colours::None, shade.hue).repeat(count);
    format!("{marks:<width$}", width = placed.columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_below_their_words() {
        let pieces = [("这部", 0.2), ("电影", -0.9), ("很", 0.05), ("bad", -0.3)]
            .map(|(text, score)| Piece { text, segment: 0, spaced: text == "bad", score });
        let mut out = String::new();
        heat_map(&mut out, &pieces, Scale { largest: 0.9, signed: true });
        assert_eq!(out, "  这部电影很 bad\n  +   ----   -\n");
    }
}
