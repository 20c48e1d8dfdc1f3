//! Parquet, encoded by several threads.
//!
//! To encode and compress a result takes as long as a fast query that made it. The columns of a row group are shared
//! out among threads; the file gets them in their order once the row group is full.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowLeafColumn, ArrowRowGroupWriterFactory,
    compute_leaves,
};
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::file::writer::SerializedFileWriter;

/// Rows of a row group.
const GROUP: usize = 1 << 20;
/// Bytes of different values up to which a column keeps a dictionary. A column of ids outgrows any dictionary, and by
/// default only after a mebibyte of them has been hashed in vain, in each row group.
const DICTIONARY: usize = 128 << 10;
/// Batches that wait for a thread; more would only take memory.
const WAITING: usize = 4;

/// Writes one Parquet file.
pub(super) struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    threads: usize,
    groups: usize,
    group: Option<RowGroup>,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// With at most so many threads that encode.
    pub(super) fn new(out: W, schema: &SchemaRef, threads: usize) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP))
            .set_dictionary_page_size_limit(DICTIONARY)
            .build();
        let schema = readable(schema);
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?;
        let (file, factory) = writer.into_serialized_writer()?;
        Ok(Self {
            file,
            factory,
            schema,
            threads,
            groups: 0,
            group: None,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                cast(column, field.data_type())
            }
        });
        let columns = columns.collect::<std::result::Result<_, _>>()?;
        let batch = &RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let mut start = 0;
        while start < batch.num_rows() {
            let group = if let Some(group) = self.group.take() {
                group
            } else {
                let columns = self.factory.create_column_writers(self.groups)?;
                RowGroup::start(columns, self.threads)?
            };
            let group = self.group.insert(group);
            let rows = (GROUP - group.rows).min(batch.num_rows() - start);
            let goes_on = group.write(&self.schema, &batch.slice(start, rows))?;
            start += rows;
            if !goes_on || group.rows == GROUP {
                self.end_group()?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<W> {
        self.end_group()?;
        self.file.into_inner()
    }

    fn end_group(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        let chunks = group.finish()?;
        let mut written = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut written)?;
        }
        written.close()?;
        self.groups += 1;
        Ok(())
    }
}

/// The schema that is written: texts inside lists, maps and structs as plain strings, since pandas reads the views that
/// the engine works with at the top only.
fn readable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(nested);
    Arc::new(Schema::new_with_metadata(
        fields.collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}

fn nested(field: &FieldRef) -> FieldRef {
    let within = |field: &FieldRef| -> FieldRef {
        let plain = match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            _ => return nested(field),
        };
        Arc::new(Field::clone(field).with_data_type(plain))
    };
    let data_type = match field.data_type() {
        DataType::List(of) => DataType::List(within(of)),
        DataType::LargeList(of) => DataType::LargeList(within(of)),
        DataType::FixedSizeList(of, size) => DataType::FixedSizeList(within(of), *size),
        DataType::Map(of, sorted) => DataType::Map(within(of), *sorted),
        DataType::Struct(of) => DataType::Struct(of.iter().map(within).collect()),
        _ => return Arc::clone(field),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

/// A row group that is being encoded.
struct RowGroup {
    lanes: Vec<Lane>,
    rows: usize,
}

/// A thread with its share of the columns.
struct Lane {
    batches: SyncSender<Vec<ArrowLeafColumn>>,
    thread: JoinHandle<Result<Vec<ArrowColumnChunk>>>,
}

impl RowGroup {
    /// Column i goes to the thread i modulo their number.
    fn start(columns: Vec<ArrowColumnWriter>, threads: usize) -> Result<Self> {
        let threads = threads.clamp(1, columns.len().max(1));
        let mut shares: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
        for (column, writer) in columns.into_iter().enumerate() {
            shares[column % threads].push(writer);
        }
        let lanes = shares.into_iter().map(|mut columns| {
            let (batches, waiting) = sync_channel::<Vec<ArrowLeafColumn>>(WAITING);
            let thread = thread::Builder::new().name("parquet".to_owned());
            let thread = thread.spawn(move || {
                for batch in waiting {
                    for (writer, leaf) in columns.iter_mut().zip(&batch) {
                        writer.write(leaf)?;
                    }
                }
                columns.into_iter().map(ArrowColumnWriter::close).collect()
            });
            Ok(Lane {
                batches,
                thread: thread.map_err(|error| ParquetError::External(Box::new(error)))?,
            })
        });
        Ok(Self {
            lanes: lanes.collect::<Result<_>>()?,
            rows: 0,
        })
    }

    /// Hands the columns to the threads. `false` means that one has ended; `finish` tells why.
    fn write(&mut self, schema: &SchemaRef, batch: &RecordBatch) -> Result<bool> {
        let mut shares: Vec<Vec<_>> = self.lanes.iter().map(|_| Vec::new()).collect();
        let fields = schema.fields().iter().zip(batch.columns());
        let mut column = 0;
        for (field, array) in fields {
            for leaf in compute_leaves(field, array)? {
                shares[column % self.lanes.len()].push(leaf);
                column += 1;
            }
        }
        self.rows += batch.num_rows();
        let mut lanes = self.lanes.iter().zip(shares);
        Ok(lanes.all(|(lane, share)| lane.batches.send(share).is_ok()))
    }

    /// The encoded columns in their order.
    fn finish(self) -> Result<Vec<ArrowColumnChunk>> {
        let threads: Vec<_> = self.lanes.into_iter().map(|lane| lane.thread).collect();
        let shares = threads.into_iter().map(|thread| match thread.join() {
            Ok(chunks) => Ok(chunks?.into_iter()),
            Err(_) => Err(ParquetError::General("a thread broke off".to_owned())),
        });
        let mut shares = shares.collect::<Result<Vec<_>>>()?;
        let mut chunks = Vec::new();
        loop {
            let before = chunks.len();
            chunks.extend(shares.iter_mut().filter_map(Iterator::next));
            if chunks.len() == before {
                return Ok(chunks);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use datafusion::arrow::array::{
        Array, ArrayRef, Int64Array, ListArray, StringArray, StructArray,
    };
    use datafusion::arrow::buffer::OffsetBuffer;
    use datafusion::arrow::compute::concat_batches;
    use datafusion::arrow::datatypes::Int64Type;
    use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use datafusion::parquet::file::metadata::RowGroupMetaData;

    use super::*;

    #[test]
    fn texts_inside_lists_and_structs_are_plain_strings() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b")]));
        let list = |of| DataType::new_list(of, true);
        let given = |of: DataType| {
            let inner = DataType::Struct(vec![Field::new("texts", list(of), true)].into());
            list(inner)
        };
        let lengths = OffsetBuffer::from_lengths([2, 1]);
        let lists = ListArray::try_new(
            Arc::new(Field::new_list_field(DataType::Utf8, true)),
            lengths.clone(),
            texts,
            None,
        );
        let structs = StructArray::from(vec![(
            Arc::new(Field::new("texts", list(DataType::Utf8), true)),
            Arc::new(lists.unwrap()) as ArrayRef,
        )]);
        let item = Field::new_list_field(structs.data_type().clone(), true);
        let expected = ListArray::try_new(
            Arc::new(item),
            OffsetBuffer::from_lengths([2]),
            Arc::new(structs),
            None,
        );
        let expected: ArrayRef = Arc::new(expected.unwrap());
        let views = cast(&expected, &given(DataType::Utf8View)).unwrap();
        let batch = RecordBatch::try_from_iter([("column", views)]).unwrap();

        let mut writer = writer(&batch.schema(), 2);
        writer.write(&batch).unwrap();
        let read = reader(writer).build().unwrap().next().unwrap().unwrap();
        assert_eq!(read.column(0), &expected);
    }

    fn writer(schema: &SchemaRef, threads: usize) -> ParquetWriter<File> {
        ParquetWriter::new(tempfile::tempfile().unwrap(), schema, threads).unwrap()
    }

    fn reader(writer: ParquetWriter<File>) -> ParquetRecordBatchReaderBuilder<File> {
        ParquetRecordBatchReaderBuilder::try_new(writer.finish().unwrap()).unwrap()
    }

    /// Numbers, texts, lists and structs: five columns in the file.
    fn batch(rows: i64) -> RecordBatch {
        let ids = (0..rows).map(|id| (id % 7 != 0).then_some(id));
        let ids: ArrayRef = Arc::new(ids.collect::<Int64Array>());
        let names = (0..rows).map(|id| Some(format!("name {}", id % 100)));
        let names: ArrayRef = Arc::new(names.collect::<StringArray>());
        let lists = (0..rows).map(|id| Some((0..id % 3).map(Some)));
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
        let field = |name, data_type| Arc::new(Field::new(name, data_type, true));
        let both = StructArray::from(vec![
            (field("id", DataType::Int64), Arc::clone(&ids)),
            (field("name", DataType::Utf8), Arc::clone(&names)),
        ]);
        RecordBatch::try_from_iter_with_nullable([
            ("id", ids, true),
            ("name", names, true),
            ("list", Arc::new(lists), true),
            ("both", Arc::new(both), true),
        ])
        .unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_whatever_the_threads() {
        let batch = batch(100_000);
        for threads in 1..6 {
            let mut writer = writer(&batch.schema(), threads);
            for start in (0..batch.num_rows()).step_by(33_000) {
                let rows = 33_000.min(batch.num_rows() - start);
                writer.write(&batch.slice(start, rows)).unwrap();
            }
            let read: Vec<_> = reader(writer)
                .build()
                .unwrap()
                .map(std::result::Result::unwrap)
                .collect();
            assert_eq!(concat_batches(&batch.schema(), &read).unwrap(), batch);
        }
    }

    #[test]
    fn a_full_row_group_is_followed_by_another() {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..3 << 19));
        let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
        let mut writer = writer(&batch.schema(), 2);
        writer.write(&batch).unwrap();
        let reader = reader(writer);
        let groups = reader.metadata().row_groups().iter();
        let rows: Vec<_> = groups.map(RowGroupMetaData::num_rows).collect();
        assert_eq!(rows, [1 << 20, 1 << 19]);
    }

    #[test]
    fn an_empty_file_has_its_columns() {
        let batch = batch(0);
        let writer = writer(&batch.schema(), 2);
        assert_eq!(reader(writer).schema(), &batch.schema());
    }
}
