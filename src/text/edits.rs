//! Replaces and deletes words of a text.

use super::Unit;

/// A replacement of `start..end` in a text, in code points, by `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub start: usize,
    pub end: usize,
    pub from: String,
    pub to: String,
}

/// A word and its replacement; `None` deletes the word.
pub type Change<'a> = (&'a Unit, Option<&'a str>);

/// Converts changes, which must be in text order, to edits. Deleting a word also deletes the space
/// after it or else the one before it.
pub fn edits(text: &str, changes: &[Change<'_>]) -> Vec<Edit> {
    let chars: Vec<char> = text.chars().collect();
    let is_space = |at: usize| chars.get(at).is_some_and(|c| c.is_whitespace());
    let mut taken = 0;
    let edit = |&(word, to): &Change<'_>| {
        let (mut start, mut end) = (word.start, word.end);
        match to {
            None if is_space(end) => end += 1,
            None if start > taken && is_space(start - 1) => start -= 1,
            _ => {}
        }
        taken = end;
        let from = chars[start..end].iter().collect();
        Edit { start, end, from, to: to.unwrap_or_default().to_owned() }
    };
    changes.iter().map(edit).collect()
}

/// Applies edits, which must be in text order.
pub fn edited(text: &str, edits: &[Edit]) -> String {
    let mut rest = text.chars();
    let (mut result, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        result.extend(rest.by_ref().take(edit.start - at));
        result.push_str(&edit.to);
        rest.by_ref().take(edit.end - edit.start).for_each(drop);
        at = edit.end;
    }
    result.extend(rest);
    result
}
