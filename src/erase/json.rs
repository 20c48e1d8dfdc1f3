//! JSON lines: lines are kept or left out as they are, byte by byte.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};

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
    let mut texts = Texts::new(columns, &data.schema)?;
    let mut hits = Hits::default();
    let mut number = 0;
    each_line(path, |line| {
        number += 1;
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let object: Map<String, Value> = serde_json::from_slice(line).map_err(|error| {
            Error::data(format!("line {number} is not one JSON object: {error}"))
                .hint("nothing was changed; write one object a line")
        })?;
        texts.push(|index| match object.get(data.schema.field(index).name()) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        });
        texts.mark_when_full(person, columns, &mut hits)
    })?;
    texts.mark(person, columns, &mut hits)?;
    Ok(hits)
}

/// Writes the file without those rows.
pub(super) fn rewrite(path: &Path, hits: &Hits, out: File) -> Result<File> {
    let io = |error| Error::io("file", &error);
    let mut out = BufWriter::new(out);
    let mut row = 0;
    each_line(path, |line| {
        if line.trim_ascii().is_empty() {
            return out.write_all(line).map_err(io);
        }
        row += 1;
        if hits.removed.binary_search(&(row - 1)).is_ok() {
            return Ok(());
        }
        let mut line = line.to_owned();
        for (name, rows) in &hits.unlinked {
            if rows.binary_search(&(row - 1)).is_ok() {
                for place in values(&line, name).into_iter().rev() {
                    line.splice(place, *b"null");
                }
            }
        }
        out.write_all(&line).map_err(io)
    })?;
    out.into_inner().map_err(|error| io(error.into_error()))
}

fn each_line(path: &Path, mut on_line: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let io = |error| Error::io("file", &error);
    let mut input = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).map_err(io)? > 0 {
        on_line(&line)?;
        line.clear();
    }
    Ok(())
}

/// Where the values of a key of the object are. The line is known to be one object.
fn values(line: &[u8], key: &str) -> Vec<Range<usize>> {
    let (mut depth, mut at) = (0, 0);
    let mut name: Option<bool> = None;
    let mut start = None;
    let mut found = Vec::new();
    while at < line.len() {
        match line[at] {
            b'"' => {
                let end = end_of_text(line, at);
                if depth == 1 && name.is_none() {
                    let text = serde_json::from_slice::<String>(&line[at..end]);
                    name = Some(text.is_ok_and(|text| text == key));
                }
                at = end;
                continue;
            }
            b':' if depth == 1 => start = Some(at + 1),
            b',' | b'}' if depth == 1 => {
                if let (Some(true), Some(start)) = (name, start) {
                    let value = line[start..at].trim_ascii_start();
                    found.push(at - value.len()..at - value.len() + value.trim_ascii_end().len());
                }
                (name, start) = (None, None);
            }
            _ => {}
        }
        match line[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    found
}

/// Behind the closing quote of the text that starts here.
fn end_of_text(line: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < line.len() && line[at] != b'"' {
        at += if line[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_of_the_key_itself_is_found() {
        let line =
            br#" {"a": {"k": 1}, "x\"k": "k", "k" : 42 , "l": [{"k": 2}], "\u006b":"a,}\"b"}"#;
        let found = values(line, "k");
        let texts: Vec<&[u8]> = found.into_iter().map(|place| &line[place]).collect();
        assert_eq!(texts, [&b"42"[..], br#""a,}\"b""#]);
        assert!(values(b"{}", "k").is_empty());
    }
}
