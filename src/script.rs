//! Detects the script of a text, among those of the built-in models.

use unicode_segmentation::UnicodeSegmentation;

/// The script of a built-in model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Script {
    Latin,
    Han,
}

impl Script {
    pub fn name(self) -> &'static str {
        match self {
            Self::Latin => "Latin",
            Self::Han => "Chinese",
        }
    }

    /// Returns the script of most words of a text; two Chinese characters count as a word. In a
    /// tie, the script that occurs first. `None` if the text has neither.
    pub fn of(text: &str) -> Option<Self> {
        let han = text.chars().filter(|&c| is_han(c)).count().div_ceil(2);
        let latin = text.unicode_words().filter(|word| word.chars().any(is_latin)).count();
        let first = text.chars().find_map(Self::of_char);
        match han.cmp(&latin) {
            std::cmp::Ordering::Greater => Some(Self::Han),
            std::cmp::Ordering::Less => Some(Self::Latin),
            std::cmp::Ordering::Equal => first,
        }
    }

    fn of_char(c: char) -> Option<Self> {
        match c {
            c if is_han(c) => Some(Self::Han),
            c if is_latin(c) => Some(Self::Latin),
            _ => None,
        }
    }
}

/// Whether `c` is a Chinese character: in Unicode's ideograph blocks, 〇 or 々.
pub fn is_han(c: char) -> bool {
    matches!(
        c,
        '\u{3005}' | '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}'
    )
}

fn is_latin(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_of_most_words() {
        for (text, script) in [
            ("这部电影真的很棒", Some(Script::Han)),
            ("This movie is really great.", Some(Script::Latin)),
            ("iPhone 很好用", Some(Script::Han)),
            ("I watched 霸王别姬 yesterday and loved it", Some(Script::Latin)),
            ("华为 good", Some(Script::Han)),
            ("good 华为", Some(Script::Latin)),
            ("Привет!", None),
            ("123 😀", None),
            ("", None),
        ] {
            assert_eq!(Script::of(text), script, "{text}");
        }
    }
}
