//! Removes a person from the files of a project: from all tables, or from none.
//!
//! `tables` finds the files that name the person, `person` decides which rows are theirs, `parquet`, `csv` and `json`
//! rewrite a file without them, `list` keeps the opposition list. [`crate::transaction`] replaces the files.

mod csv;
mod json;
mod list;
mod parquet;
mod person;
mod tables;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::engine::{DataFiles, Engine};
use crate::error::{Error, Result};
use crate::project::{Format, Project};
use crate::transaction::{Lock, Transaction};
use person::{Columns, Hits, Person};
use tables::Target;

/// What was changed, or would be.
#[derive(Debug)]
pub struct Report {
    /// The files that named the person.
    pub files: Vec<Touched>,
    /// Visitors whose events went with the person.
    pub visitors: usize,
    /// The opposition list.
    pub list: PathBuf,
    /// Fingerprints that came onto it; those that stood there already do not count.
    pub fingerprints: usize,
}

/// What was changed in one file.
#[derive(Debug)]
pub struct Touched {
    /// The table.
    pub table: String,
    /// The file.
    pub file: PathBuf,
    /// Rows that went.
    pub removed: usize,
    /// Rows of others that no longer name this person as the one who sent them.
    pub unlinked: usize,
}

/// Removes a person, and keeps a fingerprint of each address on the opposition list.
///
/// # Errors
/// When no table names the person, a file that does cannot be rewritten, there is no key for the fingerprints, or
/// another erasure is at work. Nothing is changed then.
pub async fn erase(
    engine: &Engine,
    project: &Project,
    person: &str,
    dry_run: bool,
) -> Result<Report> {
    if project.tables.is_empty() {
        return Err(
            Error::usage("there is no project here: nothing to erase from")
                .hint("go to the folder of a jumeau.toml, or name one: --project FILE"),
        );
    }
    // Before anything is read: what is read under the lock stays as it is, as far as others keep to it.
    let lock = if dry_run {
        None
    } else {
        Some(lock(&project.folder)?)
    };
    let list = project.opposition_list().ok_or_else(|| {
        Error::data("the opposition list is not on this machine")
            .hint("give the table 'opposition' a local path")
    })?;
    let list = absolute(&list)?;
    let key_check = engine.opposition_key(&list)?;
    let (person, targets) = tables::find(engine, project, person).await?;
    let kept = list::Additions::new(&list, engine.fingerprints(&person.id).await?)?;

    let report = Report {
        files: targets.iter().map(Target::touched).collect(),
        visitors: person.visitors.len(),
        list: list.clone(),
        fingerprints: kept.len(),
    };
    let Some(lock) = lock else {
        return Ok(report);
    };
    let mut files: Vec<_> = targets
        .iter()
        .map(|one| (one.file.clone(), one.stamp.clone()))
        .collect();
    if kept.len() > 0 {
        files.push((list, kept.stamp.clone()));
    }
    let transaction = Transaction::begin(lock, files)?;
    for (index, target) in targets.iter().enumerate() {
        transaction.stage(index, |out| rewrite(target, out))?;
        verify(&transaction.staged(index), target, &person)?;
    }
    if kept.len() > 0 {
        transaction.stage(targets.len(), |out| kept.write(&key_check, out))?;
    }
    transaction.commit()?;
    Ok(report)
}

fn lock(folder: &Path) -> Result<Lock> {
    Lock::take(folder)?.ok_or_else(|| {
        Error::data("another erasure is at work on this project")
            .hint("wait until it is done, and try again")
    })
}

/// The real place of a file that may not exist yet.
fn absolute(file: &Path) -> Result<PathBuf> {
    if let Ok(real) = file.canonicalize() {
        return Ok(real);
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder
        .canonicalize()
        .map_err(|error| Error::io(folder.display(), &error))?;
    Ok(folder.join(file.file_name().unwrap_or_default()))
}

/// The rows of a file that are the person's.
fn scan(file: &Path, data: &DataFiles, columns: &Columns, person: &Person) -> Result<Hits> {
    let hits = match data.format {
        Format::Parquet => parquet::scan(file, columns, person),
        Format::Csv => csv::scan(file, data, columns, person),
        Format::Json => json::scan(file, data, columns, person),
    };
    hits.map_err(|error| error.context(file.display()))
}

fn rewrite(target: &Target, out: File) -> Result<File> {
    let (file, data, hits) = (&target.file, &target.data, &target.hits);
    let written = match data.format {
        Format::Parquet => parquet::rewrite(file, hits, out),
        Format::Csv => csv::rewrite(file, data, hits, out),
        Format::Json => json::rewrite(file, hits, out),
    };
    written.map_err(|error| error.context(file.display()))
}

/// Reads a new file once more: it must hold all other rows, and nobody must be left in it.
fn verify(staged: &Path, target: &Target, person: &Person) -> Result<()> {
    let hits = scan(staged, &target.data, &target.columns, person)?;
    if hits.is_empty() && hits.rows + target.hits.removed.len() as u64 == target.hits.rows {
        return Ok(());
    }
    Err(Error::data(format!(
        "{} could not be rewritten faithfully",
        target.file.display()
    ))
    .hint("nothing was changed"))
}
