//! How wide a text is where every character has one width, or two.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns that the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, or what fits of it and `…`.
pub fn fitted(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let first = split(text, columns.saturating_sub(1)).next().unwrap_or_default();
    format!("{first}…")
}

/// The text in parts of at most so many columns, cut where no character is. One
/// that is wider than that is a part of its own.
pub fn split(text: &str, columns: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = text_end(rest, columns);
        let (part, after) = rest.split_at(end);
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// The text in lines of at most so many columns, cut after a space where there is
/// one.
pub fn lines(text: &str, columns: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let most = text_end(rest, columns);
        let space = || rest[..most].rfind(' ').map_or(most, |space| space + 1);
        let end = if most < rest.len() { space() } else { most };
        let (line, after) = rest.split_at(end);
        rest = after;
        (!line.is_empty()).then_some(line.trim_end())
    })
}

/// Where the first part ends, in bytes.
fn text_end(text: &str, columns: usize) -> usize {
    let mut taken = 0;
    for (start, character) in text.grapheme_indices(true) {
        taken += width(character);
        if taken > columns && start > 0 {
            return start;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_two_wide() {
        assert_eq!(width("很好 ok"), 7);
        assert_eq!(fitted("这部电影", 8), "这部电影");
        assert_eq!(fitted("这部电影", 6), "这部…");
    }

    #[test]
    fn parts_cut_no_character() {
        let parts = |text, columns| split(text, columns).collect::<Vec<_>>();
        assert_eq!(parts("这部电影", 5), ["这部", "电影"]);
        assert_eq!(parts("e\u{301}e\u{301}", 1), ["e\u{301}", "e\u{301}"]);
        assert_eq!(parts("很好", 1), ["很", "好"]);
        assert!(parts("", 5).is_empty());
    }

    #[test]
    fn lines_end_after_words() {
        let cut = |text, columns| lines(text, columns).collect::<Vec<_>>();
        assert_eq!(cut("one two three", 8), ["one two", "three"]);
        assert_eq!(cut("这部电影 很好", 10), ["这部电影", "很好"]);
        assert_eq!(cut("endless", 3), ["end", "les", "s"]);
    }
}
