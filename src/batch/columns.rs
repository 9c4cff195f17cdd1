//! The lines of an output as a Parquet file.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::Deserialize;
use serde_json::Value;

/// `result` is the whole line, and `error` the code of its error.
const SCHEMA: &str = "message results {
    required binary id (STRING);
    optional binary error (STRING);
    required binary result (JSON);
}";

/// Bytes of lines per row group, which is in memory until it is written.
const GROUP_BYTES: usize = 32 << 20;

/// The fields of a line that have columns.
#[derive(Deserialize)]
struct Fields {
    id: String,
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

/// The values of a row group.
#[derive(Default)]
struct Group {
    ids: Vec<ByteArray>,
    /// Those that are not null.
    errors: Vec<ByteArray>,
    /// 1 for each error, 0 for each null.
    is_error: Vec<i16>,
    results: Vec<ByteArray>,
    bytes: usize,
}

/// Converts the lines of a file. Its metadata has what identifies the run.
pub fn write(lines: &Path, to: &Path, run: &Value) -> io::Result<()> {
    let about = KeyValue::new("explaind.run".to_owned(), run.to_string());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(vec![about]))
        // Ids and results are distinct.
        .set_dictionary_enabled(false);
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let file = File::create(to)?;
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build()))?;
    let mut reader = BufReader::new(File::open(lines)?);
    loop {
        let group = Group::read(&mut reader)?;
        if group.ids.is_empty() {
            break;
        }
        group.write(writer.next_row_group()?)?;
    }
    writer.into_inner()?.sync_all()
}

impl Group {
    /// Reads lines until a row group is full.
    fn read(lines: &mut impl BufRead) -> io::Result<Self> {
        let mut group = Self::default();
        while group.bytes < GROUP_BYTES {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            line.truncate(line.trim_ascii_end().len());
            let Fields { id, error } = serde_json::from_slice(&line)?;
            group.bytes += line.len();
            group.ids.push(id.into_bytes().into());
            group.is_error.push(i16::from(error.is_some()));
            group.errors.extend(error.map(|problem| problem.code.into_bytes().into()));
            group.results.push(line.into());
        }
        Ok(group)
    }

    fn write(self, mut group: SerializedRowGroupWriter<'_, File>) -> Result<(), ParquetError> {
        let columns = [(self.ids, None), (self.errors, Some(self.is_error)), (self.results, None)];
        for (values, levels) in columns {
            let Some(mut column) = group.next_column()? else { break };
            column.typed::<ByteArrayType>().write_batch(&values, levels.as_deref(), None)?;
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}
