//! Text widths in monospace columns: a character takes one column, or two.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Returns the width of `text` in columns.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Truncates the text to `columns`, with `…` at the end if it was cut.
pub fn fitted(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let first = split(text, columns.saturating_sub(1)).next().unwrap_or_default();
    format!("{first}…")
}

/// Splits the text into parts of at most `columns`, at grapheme boundaries. A grapheme that is
/// wider than that is a part of its own.
pub fn split(text: &str, columns: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = fitting_bytes(rest, columns);
        let (part, after) = rest.split_at(end);
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// Wraps the text into lines of at most `columns`, after a space if there is one.
pub fn lines(text: &str, columns: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let max = fitting_bytes(rest, columns);
        let space = || rest[..max].rfind(' ').map_or(max, |space| space + 1);
        let end = if max < rest.len() { space() } else { max };
        let (line, after) = rest.split_at(end);
        rest = after;
        (!line.is_empty()).then_some(line.trim_end())
    })
}

/// Returns how many bytes fit into `columns`, at least one grapheme.
fn fitting_bytes(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (start, character) in text.grapheme_indices(true) {
        used += width(character);
        if used > columns && start > 0 {
            return start;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_characters_take_two_columns() {
        assert_eq!(width("很好 ok"), 7);
        assert_eq!(fitted("这部电影", 8), "这部电影");
        assert_eq!(fitted("这部电影", 6), "这部…");
    }

    #[test]
    fn split_keeps_graphemes_whole() {
        let parts = |text, columns| split(text, columns).collect::<Vec<_>>();
        assert_eq!(parts("这部电影", 5), ["这部", "电影"]);
        assert_eq!(parts("e\u{301}e\u{301}", 1), ["e\u{301}", "e\u{301}"]);
        assert_eq!(parts("很好", 1), ["很", "好"]);
        assert!(parts("", 5).is_empty());
    }

    #[test]
    fn lines_break_after_spaces() {
        let wrap = |text, columns| lines(text, columns).collect::<Vec<_>>();
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("这部电影 很好", 10), ["这部电影", "很好"]);
        assert_eq!(wrap("endless", 3), ["end", "les", "s"]);
    }
}
