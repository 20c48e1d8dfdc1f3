//! A bordered table for a terminal: numbers to the right, NULL spelled out, cells wrapped to fit.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// Draws the rows of `batches`. With a `width`, cells wrap so that no line is longer.
///
/// # Errors
/// When a value cannot be shown as text.
pub fn table(
    schema: &Schema,
    batches: &[RecordBatch],
    width: Option<u16>,
) -> Result<String, ArrowError> {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header(schema.fields().iter().map(|field| field.name().as_str()));
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    for batch in batches {
        for row in rows(batch)? {
            table.add_row(row?);
        }
    }
    for (index, field) in schema.fields().iter().enumerate() {
        if is_number(field.data_type())
            && let Some(column) = table.column_mut(index)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Ok(table.to_string())
}

/// The cells of a batch as text, row by row.
pub(super) fn rows(
    batch: &RecordBatch,
) -> Result<impl Iterator<Item = Result<Vec<String>, ArrowError>>, ArrowError> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    let rows = batch.num_rows();
    Ok((0..rows).map(move |row| {
        columns
            .iter()
            .map(|column| column.value(row).try_to_string())
            .collect()
    }))
}

/// Whether values of this type read best aligned to the right.
pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Decimal128Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn numbers_to_the_right_and_null_spelled_out() {
        let cost = Decimal128Array::from(vec![Some(500), None]).with_precision_and_scale(18, 6);
        let batch = RecordBatch::try_from_iter([
            (
                "channel",
                Arc::new(StringArray::from(vec![Some("email"), None])) as _,
            ),
            ("cost", Arc::new(cost.unwrap()) as _),
        ])
        .unwrap();
        let text = table(&batch.schema(), &[batch], None).unwrap();
        insta::assert_snapshot!(text, @r"
        ┌─────────┬──────────┐
        │ channel ┆     cost │
        ╞═════════╪══════════╡
        │ email   ┆ 0.000500 │
        │ NULL    ┆     NULL │
        └─────────┴──────────┘
        ");
    }

    #[test]
    fn an_empty_result_keeps_its_header() {
        let schema = Schema::new(vec![datafusion::arrow::datatypes::Field::new(
            "n",
            DataType::Int64,
            true,
        )]);
        assert!(table(&schema, &[], None).unwrap().contains('n'));
    }
}
