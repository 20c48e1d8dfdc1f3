//! One Parquet file: rows go in, batches go out, memory stays small.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Decimal128Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::schema::types::ColumnPath;
use tempfile::{NamedTempFile, TempPath};

use super::tables::Table;
use super::{Error, Written};

/// Rows that are collected before they are encoded.
const BATCH_ROWS: usize = 8_192;
/// Rows of a row group: enough to compress well, few enough to stay small in memory.
const GROUP_ROWS: usize = 131_072;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// BIGINT
    Integer,
    /// VARCHAR
    Text,
    /// TIMESTAMP, microseconds, no time zone
    Time,
    /// DECIMAL(18,6), given in millionths
    Money,
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Integer => DataType::Int64,
            Self::Text => DataType::Utf8,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Money => DataType::Decimal128(18, 6),
        }
    }
}

/// One value of a row. `Integer` also carries times and money.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
}

/// A table that is being written under a temporary name in its final folder.
pub(super) struct TableFile {
    table: &'static str,
    path: PathBuf,
    temporary: TempPath,
    schema: SchemaRef,
    builders: Vec<Builder>,
    buffered: usize,
    rows: u64,
    writer: ArrowWriter<BufWriter<File>>,
}

/// A table that is complete, but has not got its name yet.
pub(super) struct Closed {
    table: &'static str,
    path: PathBuf,
    temporary: TempPath,
    rows: u64,
}

impl TableFile {
    /// Starts `<table>.parquet` in a folder.
    pub(super) fn create(dir: &Path, table: &Table) -> Result<Self, Error> {
        let path = dir.join(format!("{}.parquet", table.name));
        let (file, temporary) = temporary_file(dir, table.name)?.into_parts();
        let fields = table
            .columns
            .iter()
            .map(|(name, kind, optional)| Field::new(*name, kind.data_type(), *optional));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let builders = table
            .columns
            .iter()
            .map(|(_, kind, _)| Builder::new(*kind))
            .collect();
        let writer = ArrowWriter::try_new(
            BufWriter::new(file),
            Arc::clone(&schema),
            Some(properties(table)?),
        )?;
        let table = table.name;
        Ok(Self {
            table,
            path,
            temporary,
            schema,
            builders,
            buffered: 0,
            rows: 0,
            writer,
        })
    }

    /// Adds a row, in the order of the table's columns.
    pub(super) fn push<const N: usize>(&mut self, cells: [Cell<'_>; N]) -> Result<(), Error> {
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            builder.push(cell);
        }
        self.buffered += 1;
        self.rows += 1;
        if self.buffered == BATCH_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let arrays = self
            .builders
            .iter_mut()
            .map(Builder::finish)
            .collect::<Result<_, _>>()?;
        // A NULL in a required column is refused here.
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| Error::Parquet(error.into()))?;
        self.buffered = 0;
        Ok(self.writer.write(&batch)?)
    }

    /// Writes what is left and the footer.
    pub(super) fn close(mut self) -> Result<Closed, Error> {
        self.flush()?;
        self.writer.close()?;
        let Self {
            table,
            path,
            temporary,
            rows,
            ..
        } = self;
        Ok(Closed {
            table,
            path,
            temporary,
            rows,
        })
    }
}

impl Closed {
    /// Gives the file its name.
    pub(super) fn publish(self) -> Result<Written, Error> {
        let Self {
            table,
            path,
            temporary,
            rows,
        } = self;
        let io = |source| Error::Io {
            path: path.clone(),
            source,
        };
        let bytes = std::fs::metadata(&temporary).map_err(io)?.len();
        temporary.persist(&path).map_err(|error| io(error.error))?;
        Ok(Written {
            table,
            path,
            rows,
            bytes,
        })
    }
}

/// A file that vanishes when dropped, with the permissions of an ordinary file.
pub(super) fn temporary_file(dir: &Path, name: &str) -> Result<NamedTempFile, Error> {
    tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".tmp")
        .make_in(dir, |path| File::create_new(path))
        .map_err(|source| Error::Io {
            path: dir.to_owned(),
            source,
        })
}

fn properties(table: &Table) -> Result<WriterProperties, Error> {
    let sorting = table.sorted_by.iter().filter_map(|name| {
        let index = table
            .columns
            .iter()
            .position(|(column, ..)| column == name)?;
        Some(SortingColumn {
            column_idx: index as i32,
            descending: false,
            nulls_first: false,
        })
    });
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("jumeau version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_sorting_columns(Some(sorting.collect()));
    for (name, kind, _) in table.columns {
        let column = ColumnPath::from(*name);
        // Times and growing ids hardly ever repeat: a dictionary would only cost.
        if *kind == Kind::Time || table.sorted_by.first() == Some(name) {
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    Ok(properties.build())
}

/// The values of one column that are not encoded yet.
enum Builder {
    Integer(Int64Builder),
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Money(Decimal128Builder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Integer => Self::Integer(Int64Builder::with_capacity(BATCH_ROWS)),
            Kind::Text => Self::Text(StringBuilder::with_capacity(BATCH_ROWS, 16 * BATCH_ROWS)),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::with_capacity(BATCH_ROWS)),
            Kind::Money => Self::Money(Decimal128Builder::with_capacity(BATCH_ROWS)),
        }
    }

    /// A value of another type counts as NULL, which no required column accepts.
    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Integer(builder), Cell::Integer(value)) => builder.append_value(value),
            (Self::Text(builder), Cell::Text(value)) => builder.append_value(value),
            (Self::Time(builder), Cell::Integer(value)) => builder.append_value(value),
            (Self::Money(builder), Cell::Integer(value)) => builder.append_value(value.into()),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Time(builder), _) => builder.append_null(),
            (Self::Money(builder), _) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> Result<ArrayRef, Error> {
        Ok(match self {
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Money(builder) => {
                let array = builder.finish().with_precision_and_scale(18, 6);
                Arc::new(array.map_err(|error| Error::Parquet(error.into()))?)
            }
        })
    }
}
