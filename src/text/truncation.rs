//! Which end of a text is cut where it is over the model's limit.

use super::borders::Span;

/// An end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// What of a text is tokenised: all of it, or as much as can matter of one far over the limit.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    pub text: &'a str,
    /// Code points of the whole text before it.
    pub skipped: usize,
}

impl<'a> Part<'a> {
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

    /// `most` code points at the other end of a text, which are whole words if they can be.
    pub fn cut(self, text: &str, most: usize) -> Part<'_> {
        match self {
            Self::Right => {
                let Some((end, _)) = text.char_indices().nth(most) else {
                    return Part::whole(text);
                };
                let kept = &text[..end];
                let word = kept.rfind(char::is_whitespace).filter(|&at| !is_blank(&kept[..at]));
                Part::whole(&kept[..word.unwrap_or(end)])
            }
            Self::Left => {
                let mut from_end = text.char_indices().rev();
                let start = most.checked_sub(1).and_then(|last| from_end.nth(last));
                let Some((start, _)) = start.filter(|(start, _)| *start > 0) else {
                    return Part::whole(text);
                };
                let kept = &text[start..];
                let word = kept.find(char::is_whitespace).filter(|&at| !is_blank(&kept[at..]));
                let start = start + word.unwrap_or_default();
                Part { text: &text[start..], skipped: text[..start].chars().count() }
            }
        }
    }

    /// Whether a unit of a text that was cut here lies in what was `read`, or reaches into it.
    pub fn keeps(self, unit: Span, read: Option<Span>) -> bool {
        read.is_some_and(|read| match self {
            Self::Right => unit.0 < read.1,
            Self::Left => read.0 < unit.1,
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
    fn either_end_is_cut_between_words() {
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
    fn nothing_but_what_was_read_is_kept() {
        assert!(Side::Right.keeps((0, 2), Some((3, 5))) && !Side::Left.keeps((0, 2), Some((3, 5))));
        assert!(!Side::Right.keeps((5, 6), Some((3, 5))) && Side::Left.keeps((5, 6), Some((3, 5))));
        assert!(!Side::Right.keeps((0, 2), None) && !Side::Left.keeps((0, 2), None));
    }
}
