//! The tables of a project that name a person, and the files behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::sql::sqlparser::ast::Ident;

use super::person::{Columns, Hits, Person, is};
use super::{Touched, scan};
use crate::engine::{DataFiles, Engine, Params, parse, tables_read};
use crate::error::{Error, Result, did_you_mean};
use crate::project::{Format, Naming, Project};
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
            read(engine, &source.table, &source.columns, |batch| {
                person.meet(batch, &source.columns)
            })
            .await?;
        }
    }
    let mut targets: BTreeMap<PathBuf, Target> = BTreeMap::new();
    for source in &sources {
        let files = match rewritable(source) {
            Ok(files) => files,
            Err(reason) => {
                let mut hits = Hits::default();
                read(engine, &source.table, &source.columns, |batch| {
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
    refuse_hidden(engine, project, &person, &sources, &targets).await?;
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
    let mut known = BTreeSet::new();
    for (name, table) in &project.tables {
        if name == "opposition" {
            continue;
        }
        let data = engine.data_files(name, table).await.map_err(|error| {
            error.context("nothing was changed, because not every table can be read")
        })?;
        let inside = data.schema.fields().iter().map(|field| field.name());
        let inside = inside.chain(&data.partitions);
        known.extend(inside.clone().cloned());
        let columns = Columns::among(inside, &project.naming);
        if columns.all().next().is_some() {
            sources.push(Source {
                table: name.clone(),
                data: Arc::new(data),
                columns,
            });
        }
    }
    refuse_unknown(&project.naming, &known)?;
    Ok(sources)
}

/// A name that no table has is misspelt: what it stands for would stay in the files.
fn refuse_unknown(naming: &Naming, known: &BTreeSet<String>) -> Result<()> {
    let lists = [
        ("person_columns", &naming.person),
        ("referrer_columns", &naming.referrer),
        ("visitor_columns", &naming.visitor),
    ];
    for (list, names) in lists {
        for name in names {
            if !known.iter().any(|known| is(known, name)) {
                let error = Error::usage(format!(
                    "privacy: {list} names '{name}', and no table of the project has such a column"
                ));
                let cure = did_you_mean(name, known.iter().map(String::as_str));
                return Err(error.hint(cure.unwrap_or_else(|| {
                    "columns are named as the files do, not as views do; nothing was changed"
                        .to_owned()
                })));
            }
        }
    }
    Ok(())
}

/// A view can name people by a column that its files call something else: then they would stay there.
async fn refuse_hidden(
    engine: &Engine,
    project: &Project,
    person: &Person,
    sources: &[Source],
    targets: &BTreeMap<PathBuf, Target>,
) -> Result<()> {
    for view in project.views.keys() {
        let below = below(project, view);
        let mut files = sources
            .iter()
            .filter(|source| below.contains(&source.table))
            .flat_map(|source| source.data.local.iter().flatten());
        if files.any(|file| targets.contains_key(file)) {
            continue;
        }
        let mut columns = Columns::default();
        for statement in parse(&format!("SELECT * FROM {}", quoted(view)))? {
            // A view that does not even plan shows nobody.
            if let Ok(plan) = engine.plan(statement, &Params::new()).await {
                let names = plan.schema().fields().iter().map(|field| field.name());
                columns.person = Columns::among(names, &Naming::default()).person;
            }
        }
        if columns.person.is_empty() {
            continue;
        }
        let mut hits = Hits::default();
        let read = read(engine, view, &columns, |batch| {
            person.mark(batch, &columns, &mut hits)
        });
        read.await.map_err(|error| {
            error.context(format_args!(
                "nothing was changed, because view '{view}' cannot be read"
            ))
        })?;
        if !hits.is_empty() {
            return Err(Error::data(format!(
                "view '{view}' names the person, and no file below it does by a column that is known"
            ))
            .hint(
                "nothing was changed; say what the files call it, in jumeau.toml: \
                 [privacy] person_columns = [\"customer_id\"]",
            ));
        }
    }
    Ok(())
}

/// The tables that a view reads, those of other views that it reads too.
fn below(project: &Project, view: &str) -> BTreeSet<String> {
    let (mut found, mut open) = (BTreeSet::new(), vec![view.to_owned()]);
    while let Some(name) = open.pop() {
        let Some(file) = project.views.get(&name) else {
            continue;
        };
        let text = std::fs::read_to_string(project.resolve(file)).unwrap_or_default();
        for statement in parse(&text).unwrap_or_default() {
            for table in tables_read(&statement).unwrap_or_default() {
                if found.insert(table.clone()) {
                    open.push(table);
                }
            }
        }
    }
    found
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

fn quoted(name: &str) -> String {
    Ident::with_quote('"', name).to_string()
}

/// Reads the columns that matter, through the engine: any format, from anywhere.
async fn read(
    engine: &Engine,
    table: &str,
    columns: &Columns,
    mut on_batch: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let names: Vec<String> = columns.all().map(|name| quoted(name)).collect();
    let sql = format!("SELECT {} FROM {}", names.join(", "), quoted(table));
    for statement in parse(&sql)? {
        let mut query = engine.query(statement, &Params::new()).await?;
        while let Some(batch) = query.next().await? {
            on_batch(&batch)?;
        }
    }
    Ok(())
}
