//! Truncation of texts that exceed the model's limit.

use super::borders::Span;

/// The side of a text that is cut or padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// The part of a text that is tokenized: all of it, or as much as can fit the limit.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt<'a> {
    pub text: &'a str,
    /// Number of code points of the text before it.
    pub skipped: usize,
}

impl<'a> Excerpt<'a> {
    pub fn whole(text: &'a str) -> Self {
        Self { text, skipped: 0 }
    }
}

impl Side {
    pub fn of(name: &str) -> Option<Self> {
        [Self::Left, Self::Right].into_iter().find(|side| side.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    /// Cuts this side of a text to `max` code points or less, between words if possible.
    pub fn cut(self, text: &str, max: usize) -> Excerpt<'_> {
        match self {
            Self::Right => {
                let Some((end, _)) = text.char_indices().nth(max) else {
                    return Excerpt::whole(text);
                };
                let kept = &text[..end];
                let word = kept.rfind(char::is_whitespace).filter(|&at| !is_blank(&kept[..at]));
                Excerpt::whole(&kept[..word.unwrap_or(end)])
            }
            Self::Left => {
                let mut from_end = text.char_indices().rev();
                let start = max.checked_sub(1).and_then(|last| from_end.nth(last));
                let Some((start, _)) = start.filter(|(start, _)| *start > 0) else {
                    return Excerpt::whole(text);
                };
                let kept = &text[start..];
                let word = kept.find(char::is_whitespace).filter(|&at| !is_blank(&kept[at..]));
                let start = start + word.unwrap_or_default();
                Excerpt { text: &text[start..], skipped: text[..start].chars().count() }
            }
        }
    }

    /// Whether a unit is not entirely in the part that was cut off at this side.
    pub fn keeps(self, unit: Span, covered: Option<Span>) -> bool {
        covered.is_some_and(|covered| match self {
            Self::Right => unit.0 < covered.1,
            Self::Left => covered.0 < unit.1,
        })
    }
}

pub fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_cut_between_words() {
        let text = "één two three";
        let cut = |side: Side, most| {
            let part = side.cut(text, most);
            (part.text, part.skipped)
        };
        assert_eq!(cut(Side::Right, 13), (text, 0));
        assert_eq!(cut(Side::Right, 9), ("één two", 0));
        assert_eq!(cut(Side::Right, 2), ("éé", 0));
        assert_eq!(cut(Side::Left, 13), (text, 0));
        assert_eq!(cut(Side::Left, 10), (" two three", 3));
        assert_eq!(cut(Side::Left, 9), (" three", 7));
        assert_eq!(cut(Side::Left, 3), ("ree", 10));
    }

    #[test]
    fn units_outside_the_covered_part_are_dropped() {
        assert!(Side::Right.keeps((0, 2), Some((3, 5))) && !Side::Left.keeps((0, 2), Some((3, 5))));
        assert!(!Side::Right.keeps((5, 6), Some((3, 5))) && Side::Left.keeps((5, 6), Some((3, 5))));
        assert!(!Side::Right.keeps((0, 2), None) && !Side::Left.keeps((0, 2), None));
    }
}
