//! Apache Parquet: columns `text`, `label` and an optional `id`, all of strings. `label` and `id`
//! may also be integers.

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::{Type, TypePtr};

use super::{Columns, Format};
use crate::corpus::{Collector, CorpusError, Labels};

pub static FORMAT: Format = Format { endings: &["parquet"], read };

fn read(content: &[u8], into: &mut Collector) -> Result<(), CorpusError> {
    let content = Bytes::copy_from_slice(content);
    let broken = |error: ParquetError| CorpusError(format!("{}: {error}", into.source()));
    let reader = SerializedFileReader::new(content).map_err(broken)?;
    let metadata = reader.metadata().file_metadata();
    let schema = metadata.schema();
    let names = schema.get_fields().iter().map(|column| column.name());
    let columns =
        Columns::named(names, into.labels).map_err(|reason| into.wrong("row", 1, reason))?;
    into.expect(usize::try_from(metadata.num_rows()).unwrap_or(usize::MAX))?;
    let mut projected: Vec<usize> =
        [Some(columns.text), columns.label, columns.id].into_iter().flatten().collect();
    projected.sort_unstable();
    let kept: Vec<TypePtr> =
        projected.iter().map(|column| schema.get_fields()[*column].clone()).collect();
    for group in reader.metadata().row_groups() {
        into.expect_bytes(text_bytes(group, &kept))?;
    }
    let projection = Type::group_type_builder(schema.name()).with_fields(kept).build();
    let rows = reader.get_row_iter(Some(projection.map_err(broken)?)).map_err(broken)?;
    let of = |column: usize| projected.iter().position(|c| *c == column).unwrap_or_default();
    for (number, row) in rows.enumerate() {
        let row = row.map_err(|error| into.wrong("row", number + 1, error.to_string()))?;
        let fields: Vec<(&String, &Field)> = row.get_column_iter().collect();
        let field = |column: usize| {
            let (name, field) = fields[of(column)];
            as_text(field)
                .map_err(|reason| into.wrong("row", number + 1, format!("{name} {reason}")))
        };
        let required = |column: usize| {
            let missing =
                || into.wrong("row", number + 1, format!("{} is null", fields[of(column)].0));
            field(column)?.ok_or_else(missing)
        };
        let text = required(columns.text)?;
        let label = match into.labels {
            Labels::Required => columns.label.map(required).transpose()?,
            Labels::Optional => columns.label.map(field).transpose()?.flatten(),
        };
        let id = columns.id.map(field).transpose()?.flatten();
        into.push("row", number + 1, text, label, id)?;
    }
    Ok(())
}

/// Returns the bytes of the largest of these columns, uncompressed and without the lengths of its
/// values. A page, which may be a whole column, is decompressed at once.
fn text_bytes(group: &RowGroupMetaData, columns: &[TypePtr]) -> usize {
    const PER_PAGE: i64 = 1 << 16;
    const PER_VALUE: i64 = 16;
    let read = |name: &str| columns.iter().any(|column| column.name() == name);
    let column_name = |path: &[String]| path.first().is_some_and(|name| read(name));
    let chunks = group.columns().iter().filter(|chunk| column_name(chunk.column_path().parts()));
    let bytes = chunks.map(|chunk| {
        let lengths = chunk.num_values().saturating_mul(PER_VALUE).saturating_add(PER_PAGE);
        usize::try_from(chunk.uncompressed_size().saturating_sub(lengths)).unwrap_or_default()
    });
    bytes.max().unwrap_or_default()
}

/// Returns a value as text; `None` if it is null.
fn as_text(field: &Field) -> Result<Option<String>, String> {
    match field {
        Field::Null => Ok(None),
        Field::Str(text) => Ok(Some(text.clone())),
        Field::Bool(flag) => Ok(Some(u8::from(*flag).to_string())),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err("is not UTF-8".to_owned()),
        },
        Field::Byte(_)
        | Field::Short(_)
        | Field::Int(_)
        | Field::Long(_)
        | Field::UByte(_)
        | Field::UShort(_)
        | Field::UInt(_)
        | Field::ULong(_) => Ok(Some(field.to_string())),
        _ => Err("is neither a string nor an integer".to_owned()),
    }
}
