//! Pieces of a text in rows, where there are columns and no fonts to measure.

use super::clean::clean;
use super::columns::{split, width};
use super::heat::Piece;

/// A piece, or a part of one, in its place in a row.
pub struct Placed<'a> {
    pub text: String,
    pub column: usize,
    pub columns: usize,
    pub piece: &'a Piece<'a>,
}

/// Pieces in rows of at most so many columns. What is longer than a row is cut.
pub fn rows<'a>(pieces: &'a [Piece<'a>], columns: usize) -> Vec<Vec<Placed<'a>>> {
    let mut rows: Vec<Vec<Placed<'a>>> = Vec::new();
    for piece in pieces {
        let text = clean(piece.text);
        for (number, part) in split(&text, columns).enumerate() {
            let space = usize::from(piece.apart && number == 0);
            let placed = |column| Placed {
                text: part.to_owned(),
                column,
                columns: width(part).max(1),
                piece,
            };
            let end = rows.last().and_then(|row| row.last()).map(|last| last.column + last.columns);
            match (rows.last_mut(), end) {
                (Some(row), Some(end)) if end + space + width(part).max(1) <= columns => {
                    row.push(placed(end + space));
                }
                _ => rows.push(vec![placed(0)]),
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str, apart: bool) -> Piece<'_> {
        Piece { text, segment: 0, apart, score: 0. }
    }

    #[test]
    fn rows_wrap_and_know_wide_characters() {
        let pieces = [piece("很好", true), piece("ok", false), piece("fine", true)];
        let rows = rows(&pieces, 8);
        let places: Vec<Vec<(usize, usize)>> =
            rows.iter().map(|row| row.iter().map(|p| (p.column, p.columns)).collect()).collect();
        assert_eq!(places, [vec![(0, 4), (4, 2)], vec![(0, 4)]]);
    }
}
