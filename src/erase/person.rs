//! Which rows are a person's.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, Scalar, StringArray, StringBuilder,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use crate::error::{Error, Result};
use crate::project::Naming;

/// The columns of a table that can name a person: see [`Naming`] for what each kind means.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    pub(super) person: Vec<String>,
    pub(super) referrer: Vec<String>,
    pub(super) visitor: Vec<String>,
}

/// Somebody to erase.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) id: String,
    /// The browsers that this person was seen in.
    pub(super) visitors: BTreeSet<String>,
}

/// The rows of a file that are about a person, counted from 0.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// Rows of the file in all.
    pub(super) rows: u64,
    /// Rows that go.
    pub(super) removed: Vec<u64>,
    /// Rows that stay, and lose the value of this column.
    pub(super) unlinked: Vec<(String, Vec<u64>)>,
}

impl Columns {
    /// Those among the columns of a table.
    pub(super) fn among<'a>(names: impl Iterator<Item = &'a String>, naming: &Naming) -> Self {
        let names: Vec<_> = names.collect();
        let named = |usual: &str, others: &[String]| -> Vec<String> {
            let wanted = |name| is(name, usual) || others.iter().any(|other| is(name, other));
            let found = names.iter().filter(|name| wanted(name));
            found.map(ToString::to_string).collect()
        };
        Self {
            person: named("person_id", &naming.person),
            referrer: named("referred_by", &naming.referrer),
            visitor: named("visitor_id", &naming.visitor),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.person
            .iter()
            .chain(&self.referrer)
            .chain(&self.visitor)
    }
}

/// Editors on Windows put an invisible mark in front of the first name.
pub(super) fn is(name: &str, wanted: &str) -> bool {
    name.trim_start_matches('\u{feff}')
        .eq_ignore_ascii_case(wanted)
}

impl Hits {
    pub(super) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.unlinked.iter().all(|(_, rows)| rows.is_empty())
    }
}

impl Person {
    /// Adds the visitors of the rows that name the person.
    pub(super) fn meet(&mut self, batch: &RecordBatch, columns: &Columns) -> Result<()> {
        let mine = any(batch, &columns.person, &self.id)?;
        for name in &columns.visitor {
            let visitors =
                cast(column(batch, name)?, &DataType::Utf8).map_err(|error| wrong(&error))?;
            let visitors = visitors.as_string::<i32>();
            let known = mine.set_indices().filter(|row| visitors.is_valid(*row));
            self.visitors
                .extend(known.map(|row| visitors.value(row).to_owned()));
        }
        Ok(())
    }

    /// Adds the rows of the batch, which starts at row `hits.rows`, that are about the person. Rows of the person's
    /// visitors are, unless they name somebody else.
    pub(super) fn mark(
        &self,
        batch: &RecordBatch,
        columns: &Columns,
        hits: &mut Hits,
    ) -> Result<()> {
        let mut removed = any(batch, &columns.person, &self.id)?;
        if !columns.visitor.is_empty() && !self.visitors.is_empty() {
            let mut theirs = BooleanBuffer::new_unset(batch.num_rows());
            for visitor in &self.visitors {
                theirs = &theirs | &any(batch, &columns.visitor, visitor)?;
            }
            for name in &columns.person {
                if let Some(nulls) = column(batch, name)?.logical_nulls() {
                    theirs = &theirs & &!nulls.inner();
                } else {
                    theirs = BooleanBuffer::new_unset(batch.num_rows());
                }
            }
            removed = &removed | &theirs;
        }
        let first = hits.rows;
        hits.removed
            .extend(removed.set_indices().map(|row| first + row as u64));
        let kept = !&removed;
        hits.unlinked
            .resize_with(columns.referrer.len(), Default::default);
        for (name, (column, rows)) in columns.referrer.iter().zip(&mut hits.unlinked) {
            let found = &any(batch, std::slice::from_ref(name), &self.id)? & &kept;
            rows.extend(found.set_indices().map(|row| first + row as u64));
            column.clone_from(name);
        }
        hits.rows += batch.num_rows() as u64;
        Ok(())
    }
}

/// Columns that are being read as text, until there are enough rows to look at.
pub(super) struct Texts {
    schema: SchemaRef,
    /// The place of each column in the file.
    places: Vec<usize>,
    builders: Vec<StringBuilder>,
    rows: usize,
}

impl Texts {
    /// For these columns of a file, which have the types that the table gives them.
    pub(super) fn new(columns: &Columns, schema: &Schema) -> Result<Self> {
        let places = columns
            .all()
            .map(|name| schema.index_of(name))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| wrong(&error))?;
        let schema = schema.project(&places).map_err(|error| wrong(&error))?;
        Ok(Self {
            builders: places.iter().map(|_| StringBuilder::new()).collect(),
            schema: Arc::new(schema),
            places,
            rows: 0,
        })
    }

    /// Adds a row; `text` gives the text of a field by its place.
    pub(super) fn push(&mut self, text: impl Fn(usize) -> Option<String>) {
        for (place, builder) in self.places.iter().zip(&mut self.builders) {
            builder.append_option(text(*place));
        }
        self.rows += 1;
    }

    /// Marks the rows that were added, when there are enough.
    pub(super) fn mark_when_full(
        &mut self,
        person: &Person,
        columns: &Columns,
        hits: &mut Hits,
    ) -> Result<()> {
        if self.rows < 8_192 {
            Ok(())
        } else {
            self.mark(person, columns, hits)
        }
    }

    /// Marks the rows that were added.
    pub(super) fn mark(
        &mut self,
        person: &Person,
        columns: &Columns,
        hits: &mut Hits,
    ) -> Result<()> {
        let arrays = self
            .builders
            .iter_mut()
            .zip(self.schema.fields())
            .map(|(builder, field)| cast(&builder.finish(), field.data_type()))
            .collect::<Result<Vec<_>, _>>();
        let batch = arrays.and_then(|arrays| {
            let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
        });
        self.rows = 0;
        person.mark(&batch.map_err(|error| wrong(&error))?, columns, hits)
    }
}

fn any(batch: &RecordBatch, names: &[String], id: &str) -> Result<BooleanBuffer> {
    let mut found = BooleanBuffer::new_unset(batch.num_rows());
    for name in names {
        found = &found | &equal(column(batch, name)?, id).map_err(|error| wrong(&error))?;
    }
    Ok(found)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch
        .column_by_name(name)
        .ok_or_else(|| Error::data(format!("the column '{name}' is missing")))
}

fn wrong(error: &ArrowError) -> Error {
    Error::data(error.to_string())
}

/// The values that are the id as a text shows it: `042` is not 42, but the floating 42.0 is, because ids with gaps are
/// often read so.
fn equal(values: &ArrayRef, id: &str) -> Result<BooleanBuffer, ArrowError> {
    let nobody = BooleanBuffer::new_unset(values.len());
    let data_type = values.data_type();
    let found = if data_type.is_integer() || data_type.is_floating() {
        if id
            .parse::<i128>()
            .ok()
            .is_none_or(|number| number.to_string() != id)
        {
            return Ok(nobody);
        }
        let text: ArrayRef = Arc::new(StringArray::from(vec![id]));
        let id = cast(&text, data_type)?;
        if id.null_count() > 0 {
            return Ok(nobody);
        }
        eq(values, &Scalar::new(id))?
    } else if data_type.is_null() {
        return Ok(nobody);
    } else {
        let texts = cast(values, &DataType::Utf8)?;
        eq(&texts, &StringArray::new_scalar(id))?
    };
    let (values, nulls) = found.into_parts();
    Ok(match nulls {
        Some(nulls) => &values & nulls.inner(),
        None => values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Float64Array, Int64Array, StringDictionaryBuilder};
    use datafusion::arrow::datatypes::Int8Type;

    fn rows(values: &ArrayRef, id: &str) -> Vec<usize> {
        equal(values, id).unwrap().set_indices().collect()
    }

    #[test]
    fn ids_are_equal_as_they_are_shown() {
        let whole: ArrayRef =
            Arc::new(Int64Array::from(vec![Some(42), None, Some(420), Some(-42)]));
        assert_eq!(rows(&whole, "42"), [0]);
        assert_eq!(rows(&whole, "-42"), [3]);
        for id in ["042", "+42", "42.0", " 42", "x", "", "99999999999999999999"] {
            assert!(rows(&whole, id).is_empty(), "{id}");
        }
        let gaps: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(42.0), Some(42.5)]));
        assert_eq!(rows(&gaps, "42"), [1]);
        let mut words = StringDictionaryBuilder::<Int8Type>::new();
        words.extend([Some("ann"), None, Some("bob"), Some("ann")]);
        let words: ArrayRef = Arc::new(words.finish());
        assert_eq!(rows(&words, "ann"), [0, 3]);
    }

    #[test]
    fn rows_of_the_persons_visitors_go_unless_they_name_another() {
        let batch = RecordBatch::try_from_iter([
            (
                "person_id",
                Arc::new(Int64Array::from(vec![Some(1), None, Some(2), None])) as ArrayRef,
            ),
            (
                "visitor_id",
                Arc::new(StringArray::from(vec!["a", "a", "a", "b"])) as ArrayRef,
            ),
            (
                "referred_by",
                Arc::new(Int64Array::from(vec![Some(1), None, Some(1), None])) as ArrayRef,
            ),
        ])
        .unwrap();
        let columns = Columns::among(
            batch.schema().fields().iter().map(|field| field.name()),
            &Naming::default(),
        );
        let mut person = Person {
            id: "1".to_owned(),
            visitors: BTreeSet::new(),
        };
        person.meet(&batch, &columns).unwrap();
        assert!(person.visitors.iter().eq(["a"]));
        let mut hits = Hits::default();
        person.mark(&batch, &columns, &mut hits).unwrap();
        person.mark(&batch, &columns, &mut hits).unwrap();
        assert_eq!(hits.rows, 8);
        assert_eq!(hits.removed, [0, 1, 4, 5]);
        assert_eq!(hits.unlinked, [("referred_by".to_owned(), vec![2, 6])]);
    }
}
