//! CSV files: lines are kept or left out as they are, byte by byte.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use super::person::{Columns, Hits, Person, Texts};
use crate::engine::DataFiles;
use crate::error::{Error, Result};

/// The rows that are about the person.
pub(super) fn scan(
    path: &Path,
    data: &DataFiles,
    columns: &Columns,
    person: &Person,
) -> Result<Hits> {
    let mut records = Records::open(path, data)?;
    let mut texts = Texts::new(columns, &data.schema)?;
    let mut hits = Hits::default();
    while records.next()? {
        if records.is_row() {
            texts.push(|index| records.field(index));
            texts.mark_when_full(person, columns, &mut hits)?;
        }
    }
    texts.mark(person, columns, &mut hits)?;
    Ok(hits)
}

/// Writes the file without those rows.
pub(super) fn rewrite(path: &Path, data: &DataFiles, hits: &Hits, out: File) -> Result<File> {
    let io = |error| Error::io("file", &error);
    let mut records = Records::open(path, data)?;
    let mut out = BufWriter::new(out);
    let mut row = 0;
    while records.next()? {
        if records.is_row() {
            row += 1;
            if hits.removed.binary_search(&(row - 1)).is_ok() {
                continue;
            }
            // From the last column to the first, so that places stay right.
            let mut emptied: Vec<usize> = hits
                .unlinked
                .iter()
                .filter(|(_, rows)| rows.binary_search(&(row - 1)).is_ok())
                .filter_map(|(name, _)| data.schema.index_of(name).ok())
                .collect();
            emptied.sort_unstable_by(|one, other| other.cmp(one));
            for index in emptied {
                if let Some(place) = records.fields.get(index) {
                    records.raw.drain(place.clone());
                }
            }
        }
        out.write_all(&records.raw).map_err(io)?;
    }
    out.into_inner().map_err(|error| io(error.into_error()))
}

/// Reads record by record; a field in quotes may go on over lines.
struct Records {
    input: BufReader<File>,
    delimiter: u8,
    header: bool,
    count: u64,
    /// The record with its line break, as it stands in the file.
    raw: Vec<u8>,
    /// Where its fields are, quotes included.
    fields: Vec<Range<usize>>,
}

impl Records {
    fn open(path: &Path, data: &DataFiles) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("file", &error))?;
        Ok(Self {
            input: BufReader::with_capacity(1 << 16, file),
            delimiter: data.delimiter,
            header: data.header,
            count: 0,
            raw: Vec::new(),
            fields: Vec::new(),
        })
    }

    fn next(&mut self) -> Result<bool> {
        self.raw.clear();
        loop {
            let read = self
                .input
                .read_until(b'\n', &mut self.raw)
                .map_err(|error| Error::io("file", &error))?;
            match split(&self.raw, self.delimiter, &mut self.fields) {
                End::Whole => break,
                End::Quoted if read > 0 => {}
                End::Quoted => {
                    return Err(Error::data(format!(
                        "record {} opens a quote and does not close it",
                        self.count + 1
                    )));
                }
                End::Foreign => {
                    return Err(Error::data(format!(
                        "record {} has a line break that is neither \\n nor \\r\\n",
                        self.count + 1
                    ))
                    .hint("nothing was changed; write the file again with plain line breaks"));
                }
            }
        }
        // Empty lines are no records.
        if !self.is_blank() {
            self.count += 1;
        }
        Ok(!self.raw.is_empty())
    }

    fn is_blank(&self) -> bool {
        self.raw.iter().all(|byte| matches!(byte, b'\n' | b'\r'))
    }

    fn is_row(&self) -> bool {
        !(self.is_blank() || self.header && self.count == 1)
    }

    /// The text of a field; an empty one is NULL.
    fn field(&self, index: usize) -> Option<String> {
        let raw = self.raw.get(self.fields.get(index)?.clone())?;
        let text = String::from_utf8_lossy(raw);
        let text = match text.strip_prefix('"') {
            Some(quoted) => quoted
                .strip_suffix('"')
                .unwrap_or(quoted)
                .replace("\"\"", "\""),
            None => text.into_owned(),
        };
        (!text.is_empty()).then_some(text)
    }
}

enum End {
    /// The record is complete.
    Whole,
    /// It goes on: a quote is open.
    Quoted,
    /// A line break inside that does not end a line here.
    Foreign,
}

fn split(raw: &[u8], delimiter: u8, fields: &mut Vec<Range<usize>>) -> End {
    fields.clear();
    let line = raw.strip_suffix(b"\n").unwrap_or(raw);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in raw.iter().enumerate() {
        // A quote opens at the start of a field only; a doubled one closes and opens again.
        let opens = at == start || quoted || raw[start] == b'"';
        match *byte {
            b'"' if opens => quoted = !quoted,
            _ if quoted => {}
            b'\n' | b'\r' if at >= line.len() => {}
            b'\n' | b'\r' => return End::Foreign,
            byte if byte == delimiter => {
                fields.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return End::Quoted;
    }
    fields.push(start..line.len());
    End::Whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(record: &str) -> Vec<&str> {
        let mut places = Vec::new();
        assert!(
            matches!(split(record.as_bytes(), b',', &mut places), End::Whole),
            "{record}"
        );
        places.into_iter().map(|place| &record[place]).collect()
    }

    #[test]
    fn fields_are_found_as_readers_of_csv_find_them() {
        assert_eq!(fields("1,a b,\n"), ["1", "a b", ""]);
        assert_eq!(
            fields("1,\"a,\"\"b\"\"\nc\",x\r\n"),
            ["1", "\"a,\"\"b\"\"\nc\"", "x"]
        );
        assert_eq!(fields("5\" pipe,2"), ["5\" pipe", "2"]);
        assert_eq!(fields("\"\",\"\"\"\"\n"), ["\"\"", "\"\"\"\""]);
    }

    #[test]
    fn what_is_not_whole_is_seen() {
        let mut places = Vec::new();
        assert!(matches!(split(b"1,\"a\n", b',', &mut places), End::Quoted));
        assert!(matches!(
            split(b"1,a\r2,b\r", b',', &mut places),
            End::Foreign
        ));
    }
}
