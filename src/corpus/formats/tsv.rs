//! Tab-separated columns without quoting. The header line is optional; without it, the columns
//! are `text`, `label` and `id` in this order.

use super::{Columns, Format, LABEL, TEXT, text};
use crate::corpus::{Collector, CorpusError, Labels};

pub static FORMAT: Format = Format { endings: &["tsv", "tab"], read };

fn read(content: &[u8], into: &mut Collector) -> Result<(), CorpusError> {
    let content = text(content).map_err(|(line, reason)| into.wrong("line", line, reason))?;
    let mut columns = Columns { text: 0, label: Some(1), id: Some(2) };
    for (number, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let wrong = |reason| into.wrong("line", number + 1, reason);
        if number == 0 && is_header(&fields) {
            columns = Columns::named(fields.iter().copied(), into.labels).map_err(wrong)?;
            continue;
        }
        let field = |column: usize| fields.get(column).map(|field| field.trim().to_owned());
        let required = |name: &str, column| {
            let count = fields.len();
            field(column)
                .ok_or_else(|| wrong(format!("no {name}: found {count} tab-separated column(s)")))
        };
        let text = required("text", columns.text)?;
        let label = match into.labels {
            Labels::Required => {
                columns.label.map(|column| required("label", column)).transpose()?
            }
            Labels::Optional => columns.label.and_then(field),
        };
        into.push("line", number + 1, text, label, columns.id.and_then(field))?;
    }
    Ok(())
}

/// Returns whether a first line is a header: a field is a known name of the text or the label.
fn is_header(fields: &[&str]) -> bool {
    let known =
        |name: &&str| TEXT.iter().chain(&LABEL).any(|one| name.trim().eq_ignore_ascii_case(one));
    fields.iter().any(known)
}
