//! One output of a run: a Parquet file that every reader of Parquet takes.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::util::display::FormatOptions;

use crate::error::{Error, Result};
use crate::render::{Format, Shape, Writer};

/// A value that the output's type cannot hold is an error, never a silent NULL.
const EXACT: CastOptions<'_> = CastOptions {
    safe: false,
    format_options: FormatOptions::new(),
};

/// A file that is being written.
pub(super) struct Output {
    path: PathBuf,
    schema: SchemaRef,
    writer: Writer<BufWriter<File>>,
    rows: usize,
}

impl Output {
    /// Starts the file, which at most so many threads encode.
    pub(super) fn create(path: &Path, schema: &SchemaRef, threads: usize) -> Result<Self> {
        let schema = output_schema(schema);
        let file = File::create(path).map_err(|error| Error::io(path.display(), &error))?;
        let writer = Writer::new(
            Format::Parquet,
            &schema,
            BufWriter::new(file),
            Shape::unlimited(threads),
        )?;
        Ok(Self {
            path: path.to_owned(),
            schema,
            writer,
            rows: 0,
        })
    }

    /// Adds rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| cast_with_options(column, field.data_type(), &EXACT))
            .collect::<Result<Vec<_>, _>>()
            .and_then(|columns| RecordBatch::try_new(Arc::clone(&self.schema), columns))
            .map_err(|error| {
                Error::data(error.to_string()).hint(
                    "outputs have signed integers; CAST larger ones to VARCHAR or DECIMAL(20, 0)",
                )
            })?;
        self.rows += columns.num_rows();
        self.writer.write(&columns)?;
        Ok(())
    }

    /// Ends the file and waits until the disk has it: a rename must not overtake the rows.
    pub(super) fn finish(self) -> Result<usize> {
        let io = |error| Error::io(self.path.display(), &error);
        let file = self
            .writer
            .finish()?
            .into_inner()
            .map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(io)?;
        Ok(self.rows)
    }
}

/// The schema that readers of the output can all take: signed integers, microseconds, every column
/// nullable.
pub(super) fn output_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let data_type = match field.data_type() {
            DataType::UInt64 => DataType::Int64,
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            DataType::Null => DataType::Utf8,
            other => other.clone(),
        };
        Field::new(field.name(), data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
