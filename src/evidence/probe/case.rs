//! Changes the case of the whole text.

use super::super::words::{self, Edit};
use super::Property;
use super::plan::{Plan, Plans};
use crate::choice::Choice;
use crate::text::Encoding;

/// The name of a case, and its function of a word.
type Cased = (&'static str, fn(&str) -> String);

const CASES: [Cased; 3] =
    [("lower", str::to_lowercase), ("upper", str::to_uppercase), ("title", title)];

/// Plans each case that differs from the text's own.
pub fn plan(text: &str, encoding: &Encoding, into: &mut Plans) {
    let words = words::changeable(encoding);
    for (name, cased) in CASES {
        let edits: Vec<Edit> = words
            .iter()
            .map(|word| Edit {
                start: word.start,
                end: word.end,
                from: word.text.clone(),
                to: cased(&word.text),
            })
            .filter(|edit| edit.from != edit.to)
            .collect();
        into.push(Plan {
            property: Property::Case.name(),
            variant: Some(name),
            from: text.to_owned(),
            to: words::edited(text, &edits),
            edits,
        });
    }
}

fn title(word: &str) -> String {
    words::cased(&word.to_lowercase(), "A")
}
