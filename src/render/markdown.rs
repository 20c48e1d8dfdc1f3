//! A Markdown table, written as the rows come.

use std::io::{self, Write};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;

use super::table::{is_number, rows};

/// The header and the line below it, which aligns numbers to the right.
pub(super) fn header(out: &mut dyn Write, schema: &Schema) -> io::Result<()> {
    line(
        out,
        schema.fields().iter().map(|field| field.name().as_str()),
    )?;
    let rules = schema.fields().iter().map(|field| {
        if is_number(field.data_type()) {
            "---:"
        } else {
            "---"
        }
    });
    line(out, rules)
}

/// The rows of one batch.
pub(super) fn body(out: &mut dyn Write, batch: &RecordBatch) -> io::Result<()> {
    for row in rows(batch).map_err(io::Error::other)? {
        let row = row.map_err(io::Error::other)?;
        line(out, row.iter().map(String::as_str))?;
    }
    Ok(())
}

fn line<'a>(out: &mut dyn Write, cells: impl Iterator<Item = &'a str>) -> io::Result<()> {
    write!(out, "|")?;
    for cell in cells {
        write!(out, " {} |", cell.replace('|', "\\|").replace('\n', "<br>"))?;
    }
    writeln!(out)
}
