//! Sanitizing of untrusted text for terminals, HTML and SVG.

/// Replaces control characters, directional formatting characters and noncharacters with `�`,
/// and newlines and tabs with spaces. The result is allowed in XML 1.0, which forbids some of
/// these characters even when escaped.
pub fn clean(text: &str) -> String {
    text.chars().map(sanitize).collect()
}

fn sanitize(c: char) -> char {
    match c {
        '\n' | '\t' => ' ',
        c if c.is_control() || is_directional(c) || is_not_text(c) => '\u{fffd}',
        c => c,
    }
}

/// Whether the character changes the writing direction of the text around it. Line and paragraph
/// separators count because they end an embedding, also one of the surrounding text.
fn is_directional(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
    )
}

/// Whether it is a noncharacter, an interlinear annotation (hides text) or a tag (invisible).
fn is_not_text(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e001f}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn unsafe_characters_are_replaced() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\r\n\u{9b}d\0"), "a�[31mb�c� �d�");
        assert_eq!(clean("\u{200f}\u{2067}\u{2029}\u{ffff}\u{1fffe}\u{feff}"), "������");
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in ["很好 😀 👩‍👩‍👧", "می‌خواهم", "שלום", "e\u{301}", "<b>&amp;"]
        {
            assert_eq!(clean(text), text);
        }
    }
}
