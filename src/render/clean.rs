//! Text that others wrote, made inert.

/// The text without characters that move a cursor, colour a screen, turn the
/// writing direction or are no text at all: each comes out as `�`. What is left
/// is allowed in XML 1.0, which forbids some of them even when escaped.
pub fn clean(text: &str) -> String {
    text.chars().map(shown).collect()
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\t' => ' ',
        c if c.is_control() || turns(c) || is_no_text(c) => '\u{fffd}',
        c => c,
    }
}

/// Whether it sets the direction of what follows. Paragraph separators end such
/// a setting, and so do their own to what surrounds them.
fn turns(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
    )
}

/// Noncharacters, annotations that hide text, and tags, which nobody sees.
fn is_no_text(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e001f}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn hostile_text_comes_out_inert() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\r\n\u{9b}d\0"), "a�[31mb�c� �d�");
        assert_eq!(clean("\u{200f}\u{2067}\u{2029}\u{ffff}\u{1fffe}\u{feff}"), "������");
    }

    #[test]
    fn text_stays_text() {
        for text in ["很好 😀 👩‍👩‍👧", "می‌خواهم", "שלום", "e\u{301}", "<b>&amp;"]
        {
            assert_eq!(clean(text), text);
        }
    }
}
