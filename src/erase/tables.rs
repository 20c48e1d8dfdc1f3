//! The tables of a project that name a person, and the files behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::sql::sqlparser::ast::Ident;

use super::person::{Columns, Hits, Person};
use super::{Touched, scan};
use crate::engine::{DataFiles, Engine, Params, parse};
use crate::error::{Error, Result};
use crate::project::{Format, Project};
use crate::transaction::Stamp;

/// A file to rewrite.
pub(super) struct Target {
    pub(super) table: String,
    pub(super) file: PathBuf,
    pub(super) data: Arc<DataFiles>,
    pub(super) columns: Columns,
    pub(super) hits: Hits,
    /// Taken before the file was read.
    pub(super) stamp: Stamp,
}

impl Target {
    pub(super) fn touched(&self) -> Touched {
        Touched {
            table: self.table.clone(),
            file: self.file.clone(),
            removed: self.hits.removed.len(),
            unlinked: self.hits.unlinked.iter().map(|(_, rows)| rows.len()).sum(),
        }
    }
}

/// A table with columns that can name a person.
struct Source {
    table: String,
    data: Arc<DataFiles>,
    columns: Columns,
}

/// Finds the person and every file that names them.
///
/// # Errors
/// When no table does, one of them cannot be read, or one that does cannot be rewritten.
pub(super) async fn find(
    engine: &Engine,
    project: &Project,
    id: &str,
) -> Result<(Person, Vec<Target>)> {
    let sources = sources(engine, project).await?;
    let mut person = Person {
        id: id.to_owned(),
        visitors: BTreeSet::new(),
    };
    for source in &sources {
        if !source.columns.person.is_empty() && !source.columns.visitor.is_empty() {
            read(engine, source, |batch| person.meet(batch, &source.columns)).await?;
        }
    }
    let mut targets: BTreeMap<PathBuf, Target> = BTreeMap::new();
    for source in &sources {
        let files = match rewritable(source) {
            Ok(files) => files,
            Err(reason) => {
                let mut hits = Hits::default();
                read(engine, source, |batch| {
                    person.mark(batch, &source.columns, &mut hits)
                })
                .await?;
                if hits.is_empty() {
                    continue;
                }
                return Err(reason);
            }
        };
        for file in files {
            // Two names may stand for one file.
            if targets.contains_key(file) {
                continue;
            }
            let stamp = Stamp::of(file);
            let hits = scan(file, &source.data, &source.columns, &person)?;
            if !hits.is_empty() {
                let target = Target {
                    table: source.table.clone(),
                    file: file.clone(),
                    data: Arc::clone(&source.data),
                    columns: source.columns.clone(),
                    hits,
                    stamp,
                };
                targets.insert(file.clone(), target);
            }
        }
    }
    if targets.is_empty() {
        return Err(
            Error::data(format!("no table of the project names the person '{id}'"))
                .hint("an id is given as the tables show it; nothing was changed"),
        );
    }
    let mut targets: Vec<Target> = targets.into_values().collect();
    targets.sort_by(|one, other| (&one.table, &one.file).cmp(&(&other.table, &other.file)));
    refuse_to_empty(&targets)?;
    Ok((person, targets))
}

async fn sources(engine: &Engine, project: &Project) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (name, table) in &project.tables {
        if name == "opposition" {
            continue;
        }
        let data = engine.data_files(name, table).await.map_err(|error| {
            error.context("nothing was changed, because not every table can be read")
        })?;
        let inside = Columns::of(&data.schema);
        let mut columns = inside.clone();
        for partition in &data.partitions {
            let field = datafusion::arrow::datatypes::Field::new(
                partition,
                datafusion::arrow::datatypes::DataType::Utf8,
                true,
            );
            let extra = Columns::of(&datafusion::arrow::datatypes::Schema::new(vec![field]));
            columns.person.extend(extra.person);
            columns.referrer.extend(extra.referrer);
            columns.visitor.extend(extra.visitor);
        }
        if columns.all().next().is_some() {
            sources.push(Source {
                table: name.clone(),
                data: Arc::new(data),
                columns,
            });
        }
    }
    Ok(sources)
}

/// The files of a table, or why they must stay as they are.
fn rewritable(source: &Source) -> Result<&[PathBuf]> {
    let (table, data) = (&source.table, &source.data);
    let Some(files) = &data.local else {
        return Err(Error::data(format!(
            "table '{table}' names the person, and its files are not on this machine"
        ))
        .hint("nothing was changed; remove the person there first, or copy the files here"));
    };
    if data.compressed {
        return Err(Error::data(format!(
            "table '{table}' names the person, and its files are compressed as a whole"
        ))
        .hint("nothing was changed; unpack them, or keep the table as Parquet"));
    }
    if let Some(name) = source
        .columns
        .all()
        .find(|name| data.partitions.contains(name))
    {
        return Err(Error::data(format!(
            "table '{table}' names the person in its folders, {name}=…"
        ))
        .hint("nothing was changed; remove that folder yourself, then erase the rest"));
    }
    Ok(files)
}

/// Without a row, and without a header or footer that names the columns, a table cannot be read any more.
fn refuse_to_empty(targets: &[Target]) -> Result<()> {
    for target in targets {
        let data = &target.data;
        let nameless = data.format == Format::Json || (data.format == Format::Csv && !data.header);
        let of_table = |one: &&Target| Arc::ptr_eq(&one.data, data);
        let emptied = |one: &Target| one.hits.removed.len() as u64 == one.hits.rows;
        let touched = targets.iter().filter(of_table).count();
        if nameless
            && data
                .local
                .as_ref()
                .is_some_and(|files| files.len() == touched)
            && targets.iter().filter(of_table).all(emptied)
        {
            return Err(Error::data(format!("table '{}' would have no row left, nor the names of its columns", target.table))
                .hint("nothing was changed; remove its files and the table from jumeau.toml, then erase the rest"));
        }
    }
    Ok(())
}

/// Reads the columns that matter, through the engine: any format, from anywhere.
async fn read(
    engine: &Engine,
    source: &Source,
    mut on_batch: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let quoted = |name: &str| Ident::with_quote('"', name).to_string();
    let names: Vec<String> = source.columns.all().map(|name| quoted(name)).collect();
    let sql = format!("SELECT {} FROM {}", names.join(", "), quoted(&source.table));
    for statement in parse(&sql)? {
        let mut query = engine.query(statement, &Params::new()).await?;
        while let Some(batch) = query.next().await? {
            on_batch(&batch)?;
        }
    }
    Ok(())
}
