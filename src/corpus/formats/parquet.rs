//! Apache Parquet: columns `text`, `label` and an optional `id`, of strings or integers.

use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field as Cell, Row as Record};
use parquet::schema::types::{Type, TypePtr};
use serde_json::{Map, Value};

use super::{Columns, CorpusError, Data, Field, Format, Reading, Row, Rows, columns};
use crate::error::{Code, Error};

pub static FORMAT: Format = Format { endings: &["parquet"], unit: "row", rows };

fn rows(reading: Reading<'_>) -> Result<Rows, CorpusError> {
    let Reading { source, data, fields, bytes } = reading;
    match data {
        Data::Memory(content) => rows_of(source, content, fields, bytes),
        Data::Disk(file) => rows_of(source, file, fields, bytes),
    }
}

fn rows_of(
    source: String,
    content: impl ChunkReader + 'static,
    fields: &[Field],
    bytes: usize,
) -> Result<Rows, CorpusError> {
    let broken = |error: ParquetError| CorpusError::of(&source, error);
    let reader = SerializedFileReader::new(content).map_err(broken)?;
    let schema = reader.metadata().file_metadata().schema();
    let names = schema.get_fields().iter().map(|column| column.name());
    let mut columns =
        columns(fields, names).map_err(|reason| CorpusError::at(&source, "row", 1, reason))?;
    // The order in which the values of a row are read.
    columns.sort_unstable_by_key(|(index, _)| *index);
    let kept: Vec<TypePtr> =
        columns.iter().map(|(index, _)| schema.get_fields()[*index].clone()).collect();
    let groups = reader.metadata().row_groups();
    if groups.iter().any(|group| text_bytes(group, &kept) > bytes) {
        let detail = format!("the texts exceed {bytes} bytes (limits.corpus_bytes)");
        return Err(CorpusError::of(&source, detail));
    }
    let projection = Type::group_type_builder(schema.name()).with_fields(kept).build();
    let projection = projection.map_err(broken)?;
    let rows = RowIter::from_file_into(Box::new(reader)).project(Some(projection));
    Ok(Box::new(rows.map_err(broken)?.enumerate().map(move |(index, record)| {
        let number = index + 1;
        let record = record.map_err(|error| CorpusError::at(&source, "row", number, error))?;
        Ok(Row { number, object: object(&record, &columns) })
    })))
}

/// Returns the values of a row that are not null.
fn object(record: &Record, columns: &Columns) -> Result<Map<String, Value>, Error> {
    let mut object = Map::new();
    for ((_, value), (_, field)) in record.get_column_iter().zip(columns) {
        let name = field.names[0];
        let invalid = |reason| Error::new(Code::InvalidField, format!("{name} {reason}"));
        if let Some(text) = as_text(value).map_err(invalid)? {
            object.insert(name.to_owned(), text.into());
        }
    }
    Ok(object)
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
fn as_text(value: &Cell) -> Result<Option<String>, String> {
    match value {
        Cell::Null => Ok(None),
        Cell::Str(text) => Ok(Some(text.clone())),
        Cell::Bool(flag) => Ok(Some(u8::from(*flag).to_string())),
        Cell::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err("is not UTF-8".to_owned()),
        },
        Cell::Byte(_)
        | Cell::Short(_)
        | Cell::Int(_)
        | Cell::Long(_)
        | Cell::UByte(_)
        | Cell::UShort(_)
        | Cell::UInt(_)
        | Cell::ULong(_) => Ok(Some(value.to_string())),
        _ => Err("is neither a string nor an integer".to_owned()),
    }
}
