//! Writes a result batch by batch in any format. Only the table format holds rows back: it needs
//! them all to know how wide its columns are.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc;
use datafusion::arrow::json;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited};
use datafusion::parquet::errors::ParquetError;

use super::parquet::ParquetWriter;
use super::{Format, markdown, table};
use crate::error::{Error, Result};

/// The room that the table format has, and the threads that Parquet has. Other formats take all rows on this thread.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Columns of the terminal, if the output goes to one.
    pub width: Option<u16>,
    /// Rows to show; more are for programs, and the caller says what is left out.
    pub rows: usize,
    /// Threads that encode Parquet, at most.
    pub threads: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            width: None,
            rows: 1000,
            threads: 1,
        }
    }
}

impl Shape {
    /// All rows, whatever their width: for a file.
    pub fn unlimited(threads: usize) -> Self {
        Self {
            width: None,
            rows: usize::MAX,
            threads,
        }
    }
}

/// Writes batches of one schema to `W`.
pub struct Writer<W: Write + Send>(Inner<W>);

enum Inner<W: Write + Send> {
    Table {
        out: W,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        shape: Shape,
    },
    Csv(Box<csv::Writer<W>>),
    Json(Box<json::Writer<W, JsonArray>>),
    JsonLines(Box<json::Writer<W, LineDelimited>>),
    Markdown(W),
    Parquet(Box<ParquetWriter<W>>),
    Arrow(Box<ipc::writer::FileWriter<W>>),
}

impl<W: Write + Send> Writer<W> {
    /// Starts writing; `shape` matters to the table format and to Parquet.
    ///
    /// # Errors
    /// When nothing can be written, or the format cannot hold a column's type.
    pub fn new(format: Format, schema: &SchemaRef, mut out: W, shape: Shape) -> Result<Self> {
        let inner = match format {
            Format::Table => {
                let schema = Arc::clone(schema);
                Inner::Table {
                    out,
                    schema,
                    batches: vec![],
                    shape,
                }
            }
            Format::Csv => {
                // The header is written with the first batch; without rows, with this empty one.
                let mut writer = csv::WriterBuilder::new().with_header(true).build(out);
                writer
                    .write(&RecordBatch::new_empty(Arc::clone(schema)))
                    .map_err(arrow)?;
                Inner::Csv(Box::new(writer))
            }
            Format::Json => Inner::Json(Box::new(
                json::WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .build(out),
            )),
            Format::JsonLines => Inner::JsonLines(Box::new(
                json::WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .build(out),
            )),
            Format::Markdown => {
                markdown::header(&mut out, schema).map_err(io)?;
                Inner::Markdown(out)
            }
            Format::Parquet => {
                let writer = ParquetWriter::new(out, schema, shape.threads);
                Inner::Parquet(Box::new(writer.map_err(parquet)?))
            }
            Format::Arrow => {
                let writer = ipc::writer::FileWriter::try_new(out, schema).map_err(arrow)?;
                Inner::Arrow(Box::new(writer))
            }
        };
        Ok(Self(inner))
    }

    /// Writes one batch. `false` means that rows were left out, and that no more will be taken.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<bool> {
        match &mut self.0 {
            Inner::Table { batches, shape, .. } => {
                let taken: usize = batches.iter().map(RecordBatch::num_rows).sum();
                let room = (shape.rows - taken).min(batch.num_rows());
                batches.push(batch.slice(0, room));
                return Ok(room == batch.num_rows());
            }
            Inner::Csv(writer) => writer.write(batch).map_err(arrow),
            Inner::Json(writer) => writer.write(batch).map_err(arrow),
            Inner::JsonLines(writer) => writer.write(batch).map_err(arrow),
            Inner::Markdown(out) => markdown::body(out, batch).map_err(io),
            Inner::Parquet(writer) => writer.write(batch).map_err(parquet),
            Inner::Arrow(writer) => writer.write(batch).map_err(arrow),
        }?;
        Ok(true)
    }

    /// Ends the output and gives the writer back.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(self) -> Result<W> {
        match self.0 {
            Inner::Table {
                mut out,
                schema,
                batches,
                shape,
            } => {
                let text = table(&schema, &batches, shape.width).map_err(arrow)?;
                writeln!(out, "{text}").map_err(io)?;
                Ok(out)
            }
            Inner::Csv(writer) => Ok(writer.into_inner()),
            Inner::Json(mut writer) => {
                writer.finish().map_err(arrow)?;
                let mut out = writer.into_inner();
                writeln!(out).map_err(io)?;
                Ok(out)
            }
            Inner::JsonLines(mut writer) => {
                writer.finish().map_err(arrow)?;
                Ok(writer.into_inner())
            }
            Inner::Markdown(out) => Ok(out),
            Inner::Parquet(writer) => writer.finish().map_err(parquet),
            Inner::Arrow(writer) => writer.into_inner().map_err(arrow),
        }
    }
}

/// Arrow wraps I/O errors; a closed pipe must stay recognisable.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn arrow(error: ArrowError) -> Error {
    match &error {
        ArrowError::IoError(_, source) => Error::output(source),
        ArrowError::CsvError(message) if message.contains("Broken pipe") => {
            Error::output(&std::io::ErrorKind::BrokenPipe.into())
        }
        other => Error::data(other.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn io(error: std::io::Error) -> Error {
    Error::output(&error)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn parquet(error: ParquetError) -> Error {
    if error.to_string().contains("Broken pipe") {
        return Error::output(&std::io::ErrorKind::BrokenPipe.into());
    }
    Error::data(format!("Parquet output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, StringArray};

    fn written(format: Format, rows: usize) -> String {
        let batch = RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(vec![Some(1), None])) as _),
            (
                "name",
                Arc::new(StringArray::from(vec![Some("a|b, \"c\""), None])) as _,
            ),
        ])
        .unwrap()
        .slice(0, rows);
        let mut writer =
            Writer::new(format, &batch.schema(), Vec::new(), Shape::default()).unwrap();
        if rows > 0 {
            writer.write(&batch).unwrap();
        }
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    #[test]
    fn every_text_format() {
        assert_eq!(
            written(Format::Csv, 2),
            "id,name\n1,\"a|b, \"\"c\"\"\"\n,\n"
        );
        assert_eq!(
            written(Format::Json, 2),
            "[{\"id\":1,\"name\":\"a|b, \\\"c\\\"\"},{\"id\":null,\"name\":null}]\n"
        );
        assert_eq!(
            written(Format::JsonLines, 2),
            "{\"id\":1,\"name\":\"a|b, \\\"c\\\"\"}\n{\"id\":null,\"name\":null}\n"
        );
        assert_eq!(
            written(Format::Markdown, 2),
            "| id | name |\n| ---: | --- |\n| 1 | a\\|b, \"c\" |\n| NULL | NULL |\n"
        );
    }

    #[test]
    fn an_empty_result_is_valid_in_every_text_format() {
        assert_eq!(written(Format::Csv, 0), "id,name\n");
        assert_eq!(written(Format::Json, 0), "[]\n");
        assert_eq!(written(Format::JsonLines, 0), "");
        assert_eq!(
            written(Format::Markdown, 0),
            "| id | name |\n| ---: | --- |\n"
        );
    }

    #[test]
    fn a_table_stops_at_its_limit() {
        let batch = RecordBatch::try_from_iter([(
            "n",
            Arc::new(Int64Array::from_iter_values(0..3000)) as _,
        )])
        .unwrap();
        let mut writer =
            Writer::new(Format::Table, &batch.schema(), Vec::new(), Shape::default()).unwrap();
        assert!(writer.write(&batch.slice(0, 1000)).unwrap());
        assert!(!writer.write(&batch.slice(1000, 2000)).unwrap());
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert!(text.contains("999") && !text.contains("1000"));
    }
}
