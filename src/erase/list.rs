//! What comes onto the opposition list.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::array::{
    ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::WriterProperties;

use crate::engine::opposition::{KEY_CHECK, schema};
use crate::error::{Error, Result};
use crate::transaction::Stamp;

/// A fingerprint, and the channel that its address was for.
type Entry = (String, Option<String>);

/// The list as it is, and what is new.
pub(super) struct Additions {
    /// Taken before the list was read.
    pub(super) stamp: Stamp,
    known: Vec<RecordBatch>,
    new: Vec<Entry>,
}

impl Additions {
    /// Reads the list, which may not be there yet.
    ///
    /// # Errors
    /// When it is no Parquet file with the columns of the list.
    pub(super) fn new(list: &Path, entries: Vec<Entry>) -> Result<Self> {
        let stamp = Stamp::of(list);
        let known = if list.exists() {
            read(list).map_err(|error| error.context(list.display()))?
        } else {
            Vec::new()
        };
        let mut seen: BTreeSet<Entry> = BTreeSet::new();
        for batch in &known {
            let (codes, channels) = (
                batch.column(0).as_string::<i32>(),
                batch.column(1).as_string::<i32>(),
            );
            let pairs = codes.iter().zip(channels.iter());
            seen.extend(pairs.filter_map(|(code, channel)| {
                Some((code?.to_owned(), channel.map(str::to_owned)))
            }));
        }
        let new = entries
            .into_iter()
            .filter(|entry| !seen.contains(entry))
            .collect();
        Ok(Self { stamp, known, new })
    }

    pub(super) fn len(&self) -> usize {
        self.new.len()
    }

    /// Writes the list with what is new.
    pub(super) fn write(&self, key_check: &str, out: File) -> Result<File> {
        let wrong =
            |error: &dyn std::fmt::Display| Error::data(format!("opposition list: {error}"));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(vec![KeyValue::new(
                KEY_CHECK.to_owned(),
                key_check.to_owned(),
            )]))
            .build();
        let now = vec![Utc::now().timestamp_micros(); self.new.len()];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(
                self.new.iter().map(|(code, _)| code),
            )),
            Arc::new(
                self.new
                    .iter()
                    .map(|(_, channel)| channel.as_deref())
                    .collect::<StringArray>(),
            ),
            Arc::new(TimestampMicrosecondArray::from(now)),
        ];
        let new = RecordBatch::try_new(schema(), columns).map_err(|error| wrong(&error))?;
        let mut writer =
            ArrowWriter::try_new(out, schema(), Some(properties)).map_err(|error| wrong(&error))?;
        for batch in self.known.iter().chain([&new]) {
            writer.write(batch).map_err(|error| wrong(&error))?;
        }
        writer.into_inner().map_err(|error| wrong(&error))
    }
}

fn read(list: &Path) -> Result<Vec<RecordBatch>> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::data(format!("the opposition list cannot be read: {error}"))
            .hint("it is a Parquet file with the columns fingerprint, channel, opposed_at")
    };
    let file = File::open(list).map_err(|error| wrong(&error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|error| wrong(&error))?;
    let mut batches = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| wrong(&error))?;
        let columns = schema()
            .fields()
            .iter()
            .map(|field| match batch.column_by_name(field.name()) {
                Some(column) => cast(column, field.data_type()).map_err(|error| wrong(&error)),
                None => Err(wrong(&format_args!(
                    "there is no column '{}'",
                    field.name()
                ))),
            })
            .collect::<Result<Vec<_>>>()?;
        batches.push(RecordBatch::try_new(schema(), columns).map_err(|error| wrong(&error))?);
    }
    Ok(batches)
}
