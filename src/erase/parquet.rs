//! Parquet files: only the row groups that name the person are encoded again, the others are copied byte by byte.
//!
//! Values are moved as Parquet holds them, level by level, so that every physical type and nested column keeps its
//! exact schema. What the format does not record, such as the level of a compression, is the writer's default.

use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::Encoding;
use datafusion::parquet::bloom_filter::Sbbf;
use datafusion::parquet::column::reader::{ColumnReader as R, ColumnReaderImpl};
use datafusion::parquet::column::writer::{ColumnCloseResult, ColumnWriter as W, ColumnWriterImpl};
use datafusion::parquet::data_type::DataType;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader,
};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use datafusion::parquet::file::reader::{FileReader, RowGroupReader};
use datafusion::parquet::file::serialized_reader::SerializedFileReader;
use datafusion::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use super::person::{Columns, Hits, Person};
use crate::error::{Error, Result};

/// Rows that are moved at a time.
const BATCH_ROWS: usize = 8_192;

/// The rows that are about the person.
pub(super) fn scan(path: &Path, columns: &Columns, person: &Person) -> Result<Hits> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(open(path)?).map_err(wrong)?;
    let names = columns.all().map(String::as_str);
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let rows = builder.metadata().file_metadata().num_rows();
    let mut hits = Hits::default();
    for batch in builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(wrong)?
    {
        let batch = batch.map_err(|error| Error::data(error.to_string()))?;
        person.mark(&batch, &columns.within(&batch.schema()), &mut hits)?;
    }
    hits.rows = rows as u64;
    Ok(hits)
}

/// Writes the file without those rows.
pub(super) fn rewrite(path: &Path, hits: &Hits, out: File) -> Result<File> {
    let source = open(path)?;
    let footer = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Optional)
        .parse_and_finish(&source)
        .map_err(wrong)?;
    takes_null(&footer, hits)?;
    let reader = SerializedFileReader::new(
        source
            .try_clone()
            .map_err(|error| Error::io("file", &error))?,
    )
    .map_err(wrong)?;
    let schema = footer.file_metadata().schema_descr().root_schema_ptr();
    let mut writer =
        SerializedFileWriter::new(BufWriter::new(out), schema, Arc::new(properties(&footer)))
            .map_err(wrong)?;
    let mut first = 0;
    for (index, group) in footer.row_groups().iter().enumerate() {
        let rows = first..first + group.num_rows() as u64;
        first = rows.end;
        let inside = hits.within(&rows);
        if inside.removed.len() as u64 == inside.rows && inside.rows > 0 {
            continue;
        }
        let mut to = writer.next_row_group().map_err(wrong)?;
        if inside.is_empty() {
            copy(&source, &footer, index, &mut to).map_err(wrong)?;
        } else {
            let group = reader.get_row_group(index).map_err(wrong)?;
            encode(group.as_ref(), &inside, &mut to).map_err(wrong)?;
        }
        to.close().map_err(wrong)?;
    }
    let out = writer.into_inner().map_err(wrong)?;
    out.into_inner()
        .map_err(|error| Error::io("file", error.error()))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::io("file", &error))
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn wrong(error: ParquetError) -> Error {
    Error::data(error.to_string())
}

impl Columns {
    /// Those of a file that lacks some: another file of the table may have them.
    fn within(&self, schema: &datafusion::arrow::datatypes::Schema) -> Self {
        let there = |names: &[String]| -> Vec<String> {
            let found = names
                .iter()
                .filter(|name| schema.column_with_name(name).is_some());
            found.cloned().collect()
        };
        Self {
            person: there(&self.person),
            referrer: there(&self.referrer),
            visitor: there(&self.visitor),
        }
    }
}

impl Hits {
    /// The hits among these rows, counted from the first of them.
    fn within(&self, rows: &Range<u64>) -> Self {
        let cut = |all: &[u64]| -> Vec<u64> {
            let inside = all.partition_point(|row| *row < rows.start)
                ..all.partition_point(|row| *row < rows.end);
            all[inside].iter().map(|row| row - rows.start).collect()
        };
        Self {
            rows: rows.end - rows.start,
            removed: cut(&self.removed),
            unlinked: self
                .unlinked
                .iter()
                .map(|(name, all)| (name.clone(), cut(all)))
                .collect(),
        }
    }
}

fn takes_null(footer: &ParquetMetaData, hits: &Hits) -> Result<()> {
    for column in footer.file_metadata().schema_descr().columns() {
        let path = column.path().string();
        let named = hits
            .unlinked
            .iter()
            .any(|(name, rows)| *name == path && !rows.is_empty());
        if named && (column.max_def_level(), column.max_rep_level()) != (1, 0) {
            return Err(Error::data(format!(
                "the column '{path}' names the person, and takes no NULL"
            ))
            .hint("nothing was changed; write the file again with that column nullable"));
        }
    }
    Ok(())
}

/// The file's own way of writing, as far as its footer tells.
fn properties(footer: &ParquetMetaData) -> WriterProperties {
    let file = footer.file_metadata();
    let version = if file.version() >= 2 {
        WriterVersion::PARQUET_2_0
    } else {
        WriterVersion::PARQUET_1_0
    };
    let mut properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_created_by(concat!("jumeau version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(file.key_value_metadata().cloned());
    let Some(group) = footer.row_groups().first() else {
        return properties.build();
    };
    properties = properties.set_sorting_columns(group.sorting_columns().cloned());
    for column in group.columns() {
        let path = column.column_path().clone();
        let dictionary = column.dictionary_page_offset().is_some();
        let statistics = match (column.statistics(), column.column_index_offset()) {
            (_, Some(_)) => EnabledStatistics::Page,
            (Some(_), None) => EnabledStatistics::Chunk,
            (None, None) => EnabledStatistics::None,
        };
        properties = properties
            .set_column_compression(path.clone(), column.compression())
            .set_column_dictionary_enabled(path.clone(), dictionary)
            .set_column_statistics_enabled(path.clone(), statistics)
            .set_column_bloom_filter_enabled(path.clone(), column.bloom_filter_offset().is_some());
        // Levels are RLE, dictionaries are PLAIN: neither says how the values are written.
        let own = |encoding: &Encoding| {
            matches!(
                encoding,
                Encoding::DELTA_BINARY_PACKED
                    | Encoding::DELTA_LENGTH_BYTE_ARRAY
                    | Encoding::DELTA_BYTE_ARRAY
                    | Encoding::BYTE_STREAM_SPLIT
            )
        };
        if let Some(encoding) = column.encodings().find(own) {
            properties = properties.set_column_encoding(path, encoding);
        }
    }
    properties.build()
}

type Group<'a> = SerializedRowGroupWriter<'a, BufWriter<File>>;

/// Copies a row group as it is, with its indexes and filters.
fn copy(
    source: &File,
    footer: &ParquetMetaData,
    index: usize,
    to: &mut Group<'_>,
) -> Result<(), ParquetError> {
    let group = footer.row_group(index);
    let pages = footer.column_index().and_then(|all| all.get(index));
    let offsets = footer.offset_index().and_then(|all| all.get(index));
    for (number, column) in group.columns().iter().enumerate() {
        let chunk = ColumnCloseResult {
            bytes_written: column.compressed_size() as u64,
            rows_written: group.num_rows() as u64,
            metadata: column.clone(),
            bloom_filter: Sbbf::read_from_column_chunk(column, source)?,
            column_index: pages.and_then(|all| all.get(number)).cloned(),
            offset_index: offsets.and_then(|all| all.get(number)).cloned(),
        };
        to.append_column(source, chunk)?;
    }
    Ok(())
}

/// Encodes a row group again, without the rows that go.
fn encode(group: &dyn RowGroupReader, hits: &Hits, to: &mut Group<'_>) -> Result<(), ParquetError> {
    for number in 0..group.num_columns() {
        let column = group.metadata().column(number).column_descr();
        let levels = (column.max_def_level(), column.max_rep_level());
        let name = column.path().string();
        let unlinked = hits.unlinked.iter().find(|(column, _)| *column == name);
        let rows = Rows {
            removed: &hits.removed,
            unlinked: unlinked.map_or(&[], |(_, rows)| rows),
        };
        let reader = group.get_column_reader(number)?;
        let Some(mut writer) = to.next_column()? else {
            return Err(ParquetError::General(
                "the schema has fewer columns than the file".to_owned(),
            ));
        };
        match (reader, writer.untyped()) {
            (R::BoolColumnReader(from), W::BoolColumnWriter(to)) => {
                values(from, to, levels, &rows)?;
            }
            (R::Int32ColumnReader(from), W::Int32ColumnWriter(to)) => {
                values(from, to, levels, &rows)?;
            }
            (R::Int64ColumnReader(from), W::Int64ColumnWriter(to)) => {
                values(from, to, levels, &rows)?;
            }
            (R::Int96ColumnReader(from), W::Int96ColumnWriter(to)) => {
                values(from, to, levels, &rows)?;
            }
            (R::FloatColumnReader(from), W::FloatColumnWriter(to)) => {
                values(from, to, levels, &rows)?;
            }
            (R::DoubleColumnReader(from), W::DoubleColumnWriter(to)) => {
                values(from, to, levels, &rows)?;
            }
            (R::ByteArrayColumnReader(from), W::ByteArrayColumnWriter(to)) => {
                values(from, to, levels, &rows)?;
            }
            (R::FixedLenByteArrayColumnReader(from), W::FixedLenByteArrayColumnWriter(to)) => {
                values(from, to, levels, &rows)?;
            }
            _ => {
                return Err(ParquetError::General(format!(
                    "column '{name}' changes its type"
                )));
            }
        }
        writer.close()?;
    }
    Ok(())
}

/// What happens to the rows of one column; ascending.
struct Rows<'a> {
    removed: &'a [u64],
    unlinked: &'a [u64],
}

/// Moves the values of a column, row by row.
fn values<T: DataType>(
    mut from: ColumnReaderImpl<T>,
    to: &mut ColumnWriterImpl<'_, T>,
    (max_def, max_rep): (i16, i16),
    rows: &Rows<'_>,
) -> Result<(), ParquetError> {
    let mut row = 0;
    let (mut removed, mut unlinked) = (
        rows.removed.iter().peekable(),
        rows.unlinked.iter().peekable(),
    );
    loop {
        let (mut found, mut def, mut rep) = (Vec::new(), Vec::new(), Vec::new());
        let (records, _, levels) = from.read_records(
            BATCH_ROWS,
            (max_def > 0).then_some(&mut def),
            (max_rep > 0).then_some(&mut rep),
            &mut found,
        )?;
        if records == 0 {
            return Ok(());
        }
        let (mut kept, mut kept_def, mut kept_rep) =
            (Vec::with_capacity(found.len()), Vec::new(), Vec::new());
        let mut found = found.into_iter();
        let levels = if max_def > 0 || max_rep > 0 {
            levels
        } else {
            records
        };
        let (mut goes, mut loses) = (false, false);
        for level in 0..levels {
            // Repetition level 0 starts a row.
            if rep.get(level).is_none_or(|rep| *rep == 0) {
                goes = removed.next_if_eq(&&row).is_some();
                loses = unlinked.next_if_eq(&&row).is_some();
                row += 1;
            }
            let depth = def.get(level).copied().unwrap_or(max_def);
            let value = if depth == max_def { found.next() } else { None };
            if goes {
                continue;
            }
            if max_rep > 0 {
                kept_rep.push(rep[level]);
            }
            if max_def > 0 {
                kept_def.push(if loses { 0 } else { depth });
            }
            if !loses {
                kept.extend(value);
            }
        }
        to.write_batch(
            &kept,
            (max_def > 0).then_some(&kept_def),
            (max_rep > 0).then_some(&kept_rep),
        )?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{
        Array, ArrayRef, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray, UInt64Array,
    };
    use datafusion::arrow::compute::{concat_batches, take_record_batch};
    use datafusion::parquet::arrow::ArrowWriter;
    use datafusion::parquet::basic::{Compression, ZstdLevel};
    use datafusion::parquet::file::metadata::{ColumnChunkMetaData, KeyValue, SortingColumn};
    use datafusion::parquet::schema::types::ColumnPath;

    const ROWS: i64 = 10_000;

    /// Every seventh row is somebody's; lists have no, one or two entries, some of them NULL.
    fn table() -> RecordBatch {
        let mut tags = ListBuilder::new(StringBuilder::new());
        for row in 0..ROWS {
            for tag in 0..row % 3 {
                tags.values()
                    .append_option((row % 5 != tag).then(|| format!("tag {}", row % 11)));
            }
            tags.append(row % 4 != 0);
        }
        let columns: [(&str, ArrayRef); 5] = [
            ("id", Arc::new(Int64Array::from_iter_values(0..ROWS))),
            (
                "time",
                Arc::new(TimestampMicrosecondArray::from_iter_values(
                    (0..ROWS).map(|row| row * 1000),
                )),
            ),
            (
                "name",
                Arc::new(
                    (0..ROWS)
                        .map(|row| (row % 7 != 1).then(|| format!("name {}", row % 50)))
                        .collect::<StringArray>(),
                ),
            ),
            (
                "referred_by",
                Arc::new(
                    (0..ROWS)
                        .map(|row| (row % 2 == 0).then_some(row % 100))
                        .collect::<Int64Array>(),
                ),
            ),
            ("tags", Arc::new(tags.finish())),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn write(path: &Path, batch: &RecordBatch) {
        let time = ColumnPath::from("time");
        let sorted = SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: false,
        };
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_column_compression(time.clone(), Compression::SNAPPY)
            .set_column_dictionary_enabled(time.clone(), false)
            .set_column_encoding(time, Encoding::DELTA_BINARY_PACKED)
            .set_column_bloom_filter_enabled(ColumnPath::from("name"), true)
            .set_max_row_group_row_count(Some(2_500))
            .set_sorting_columns(Some(vec![sorted]))
            .set_key_value_metadata(Some(vec![KeyValue::new(
                "origin".to_owned(),
                "a test".to_owned(),
            )]))
            .build();
        let mut writer = ArrowWriter::try_new(
            File::create(path).unwrap(),
            batch.schema(),
            Some(properties),
        )
        .unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    }

    fn read(path: &Path) -> (RecordBatch, Arc<ParquetMetaData>) {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let (schema, footer) = (Arc::clone(builder.schema()), Arc::clone(builder.metadata()));
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        let all = concat_batches(&schema, &batches).unwrap();
        // Without the metadata of the file, which are compared apart.
        let all = RecordBatch::try_new(table().schema(), all.columns().to_vec()).unwrap();
        (all, footer)
    }

    /// Rewrites a file and reads it again, with the old footer.
    fn rewritten(hits: &Hits) -> (RecordBatch, Arc<ParquetMetaData>, Arc<ParquetMetaData>) {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        write(&old, &table());
        rewrite(&old, hits, File::create(&new).unwrap()).unwrap();
        let (batch, footer) = read(&new);
        (batch, read(&old).1, footer)
    }

    fn without(removed: impl Fn(u64) -> bool) -> RecordBatch {
        let kept: UInt64Array = (0..ROWS as u64).filter(|row| !removed(*row)).collect();
        take_record_batch(&table(), &kept).unwrap()
    }

    #[test]
    fn only_the_rows_and_values_of_the_person_go() {
        let hits = Hits {
            rows: ROWS as u64,
            removed: vec![0, 1, 2_499, 7_600],
            unlinked: vec![("referred_by".to_owned(), vec![2, 7_602])],
        };
        let (found, old, new) = rewritten(&hits);
        let kept = without(|row| hits.removed.contains(&row));
        // What is unlinked was the value of rows 2 and 7602, which are rows 0 and 7598 now.
        let senders = kept
            .column(3)
            .as_any()
            .downcast_ref::<Int64Array>()
            .unwrap();
        let mut expected: Vec<Option<i64>> = senders.iter().collect();
        for row in [0, 7_598] {
            assert!(expected[row].is_some());
            expected[row] = None;
        }
        for column in [0, 1, 2, 4] {
            assert_eq!(found.column(column), kept.column(column), "column {column}");
        }
        let senders: ArrayRef = Arc::new(Int64Array::from(expected));
        assert_eq!(found.column(3), &senders);

        let (file, was) = (new.file_metadata(), old.file_metadata());
        assert_eq!(
            file.schema_descr().root_schema(),
            was.schema_descr().root_schema()
        );
        assert_eq!(file.key_value_metadata(), was.key_value_metadata());
        assert_eq!(new.num_row_groups(), old.num_row_groups());
        for (group, was) in new.row_groups().iter().zip(old.row_groups()) {
            assert_eq!(group.sorting_columns(), was.sorting_columns());
            for (column, was) in group.columns().iter().zip(was.columns()) {
                assert_eq!(column.compression(), was.compression());
                assert_eq!(
                    column.dictionary_page_offset().is_some(),
                    was.dictionary_page_offset().is_some()
                );
                assert_eq!(column.encodings_mask(), was.encodings_mask());
                assert_eq!(
                    column.bloom_filter_offset().is_some(),
                    was.bloom_filter_offset().is_some()
                );
                assert!(
                    column.column_index_offset().is_some()
                        && column.offset_index_offset().is_some()
                );
            }
        }
        // The second and third row group name nobody.
        for index in [1, 2] {
            let sizes = |footer: &ParquetMetaData| -> Vec<i64> {
                footer
                    .row_group(index)
                    .columns()
                    .iter()
                    .map(ColumnChunkMetaData::compressed_size)
                    .collect()
            };
            assert_eq!(sizes(&new), sizes(&old));
            assert_eq!(
                new.row_group(index).column(0).statistics(),
                old.row_group(index).column(0).statistics()
            );
        }
    }

    #[test]
    fn what_is_left_of_a_row_group_does_not_remember_the_person() {
        // Everybody but "name 3" leaves the first row group, and all of the second goes.
        let goes = |row: u64| row < 5_000 && !(row < 2_500 && row % 50 == 3);
        let hits = Hits {
            rows: ROWS as u64,
            removed: (0..ROWS as u64).filter(|row| goes(*row)).collect(),
            unlinked: vec![],
        };
        let (found, _, new) = rewritten(&hits);
        assert_eq!(found, without(goes));
        assert_eq!(new.num_row_groups(), 3);
        let names = new.row_group(0).column(2).statistics().unwrap();
        assert_eq!(names.min_bytes_opt(), Some(&b"name 3"[..]));
        assert_eq!(names.max_bytes_opt(), Some(&b"name 3"[..]));
    }

    #[test]
    fn a_file_of_one_person_becomes_an_empty_file() {
        let hits = Hits {
            rows: ROWS as u64,
            removed: (0..ROWS as u64).collect(),
            unlinked: vec![],
        };
        let (found, _, new) = rewritten(&hits);
        assert_eq!((found.num_rows(), new.num_row_groups()), (0, 0));
        assert_eq!(found.schema(), table().schema());
    }

    #[test]
    fn a_column_that_takes_no_null_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let senders: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        write(
            &file,
            &RecordBatch::try_from_iter_with_nullable([("referred_by", senders, false)]).unwrap(),
        );
        let hits = Hits {
            rows: 1,
            removed: vec![],
            unlinked: vec![("referred_by".to_owned(), vec![0])],
        };
        let error = rewrite(&file, &hits, tempfile::tempfile().unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains("takes no NULL"), "{error}");
    }
}
