//! Layout of pieces in rows of monospace columns.

use super::clean::clean;
use super::columns::{split, width};
use super::heat::Piece;

/// A piece, or a part of one, and its columns in a row.
pub struct Placed<'a> {
    pub text: String,
    pub column: usize,
    pub columns: usize,
    pub piece: &'a Piece<'a>,
}

/// Lays out pieces in rows of at most `columns`. Pieces that are longer than a row are split.
pub fn rows<'a>(pieces: &'a [Piece<'a>], columns: usize) -> Vec<Vec<Placed<'a>>> {
    let mut rows: Vec<Vec<Placed<'a>>> = Vec::new();
    for piece in pieces {
        let text = clean(piece.text);
        for (number, part) in split(&text, columns).enumerate() {
            let space = usize::from(piece.spaced && number == 0);
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

    fn piece(text: &str, spaced: bool) -> Piece<'_> {
        Piece { text, segment: 0, spaced, score: 0. }
    }

    #[test]
    fn rows_wrap_and_count_wide_characters_twice() {
        let pieces = [piece("很好", true), piece("ok", false), piece("fine", true)];
        let rows = rows(&pieces, 8);
        let layout: Vec<Vec<(usize, usize)>> =
            rows.iter().map(|row| row.iter().map(|p| (p.column, p.columns)).collect()).collect();
        assert_eq!(layout, [vec![(0, 4), (4, 2)], vec![(0, 4)]]);
    }
}
