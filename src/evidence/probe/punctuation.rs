//! Changes the punctuation at the end of the text.

use super::super::words::Edit;
use super::Property;
use super::plan::{Plan, Plans};
use crate::choice::Choice;
use crate::script::is_han;
use crate::text::Encoding;

/// Marks that end a sentence.
const FINAL: [char; 9] = ['.', '!', '?', '…', '。', '！', '？', '．', '｡'];

/// Plans to remove and to double the final punctuation, or to add some if there is none. A text
/// that is truncated has its end outside of what the model reads.
pub fn plan(text: &str, encoding: &Encoding, into: &mut Plans) {
    if encoding.truncated {
        return;
    }
    let chars: Vec<char> = text.chars().collect();
    let end = without(&chars, char::is_whitespace);
    let mark = without(&chars[..end], |c| FINAL.contains(&c));
    let before = without(&chars[..mark], char::is_whitespace);
    let Some(&last) = chars[..before].last() else { return };
    let mut push = |variant, start, to: String| {
        let from: String = chars[start..end].iter().collect();
        into.push(Plan {
            property: Property::Punctuation.name(),
            variant: Some(variant),
            from: from.clone(),
            to: to.clone(),
            edits: vec![Edit { start, end, from, to }],
        });
    };
    if mark == end {
        push("added", end, if is_han(last) { "。" } else { "." }.to_owned());
    } else {
        let own = chars[mark..end].iter().copied();
        push("removed", before, String::new());
        push("doubled", mark, own.chain([chars[end - 1]]).collect());
    }
}

/// Returns the length without the characters at the end that `is_left_out` accepts.
fn without(chars: &[char], is_left_out: impl Fn(char) -> bool) -> usize {
    chars.iter().rposition(|&c| !is_left_out(c)).map_or(0, |last| last + 1)
}
