//! Tab-separated columns without quoting. The header line is optional; without it, the columns
//! are `text`, `label` and `id` in this order.

use serde_json::Map;

use super::lines::{Line, Lines};
use super::{
    Columns, CorpusError, Field, Format, ID, LABEL, Reading, Row, Rows, TEXT, columns, insert,
};

pub static FORMAT: Format = Format { endings: &["tsv", "tab"], unit: "line", rows };

fn rows(reading: Reading<'_>) -> Result<Rows, CorpusError> {
    let (source, fields) = (reading.source.clone(), reading.fields.to_vec());
    let mut lines = Lines::of(reading).peekable();
    let header = lines.next_if(|line| line.as_ref().is_ok_and(is_header));
    let columns = match header {
        Some(Ok((_, Ok(header)))) => columns(&fields, header.split('\t'))
            .map_err(|reason| CorpusError::at(&source, "line", 1, reason))?,
        _ => without_header(&fields),
    };
    Ok(Box::new(lines.map(move |line| {
        let (number, text) = line?;
        let object = text.map(|text| {
            let (values, mut object) = (text.split('\t').collect::<Vec<_>>(), Map::new());
            for (index, field) in &columns {
                if let Some(value) = values.get(*index) {
                    insert(&mut object, *field, value.trim());
                }
            }
            object
        });
        Ok(Row { number, object })
    })))
}

fn without_header(fields: &[Field]) -> Columns {
    let wanted = |name| fields.iter().find(|field| field.names[0] == name).copied();
    let columns = [TEXT, LABEL, ID].into_iter().enumerate();
    columns.filter_map(|(index, column)| Some((index, wanted(column.names[0])?))).collect()
}

/// Returns whether a first line is a header: a field is a known name of the text or the label.
fn is_header((number, line): &Line) -> bool {
    let Ok(text) = line else { return false };
    let known = |name: &str| {
        let mut names = TEXT.names.iter().chain(LABEL.names);
        names.any(|one| name.trim().eq_ignore_ascii_case(one))
    };
    *number == 1 && text.split('\t').any(known)
}
