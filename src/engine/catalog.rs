//! The schema that statements see: the tables and views of the project, tables that a session
//! creates, and files and URLs by their path.
//!
//! A table is opened when a statement first names it, so that one missing file does not stand in
//! the way of the others, and no footer is read in vain.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::TableType;
use jumeau_udfs::Tariff;
use parking_lot::RwLock;

use super::{diagnose, files, opposition, parse, tables_read};
use crate::error::Error;
use crate::project::{Project, Table};

/// The table of the session's prices.
const TARIFF: &str = "tariff";

/// What a name stands for.
#[derive(Clone)]
enum Entry {
    /// Files, opened on first use.
    Files(Table),
    /// The opposition list of the project, which may not be there yet.
    Opposition(Table),
    /// A view of the project: the file and its text.
    View(PathBuf, String),
    /// A view whose file could not be read: why.
    Broken(Error),
    /// An open table.
    Open(Arc<dyn TableProvider>),
}

/// The names of one session.
pub(super) struct ProjectSchema {
    folder: PathBuf,
    /// Where the opposition list is, when it is on this machine.
    opposition: Option<PathBuf>,
    entries: RwLock<BTreeMap<String, Entry>>,
    state: Weak<RwLock<SessionState>>,
}

impl ProjectSchema {
    pub(super) fn new(project: &Project, state: Weak<RwLock<SessionState>>) -> Result<Self, Error> {
        let mut entries = BTreeMap::new();
        for (name, table) in &project.tables {
            let entry = match name.as_str() {
                opposition::LIST => Entry::Opposition(table.clone()),
                _ => Entry::Files(table.clone()),
            };
            entries.insert(name.clone(), entry);
        }
        for (name, file) in &project.views {
            let file = project.resolve(file);
            let entry = match std::fs::read_to_string(&file) {
                Ok(sql) => Entry::View(file, sql),
                Err(error) => Entry::Broken(Error::io(
                    format_args!("view '{name}', file {}", file.display()),
                    &error,
                )),
            };
            entries.insert(name.clone(), entry);
        }
        refuse_cycles(&entries)?;
        Ok(Self {
            folder: project.folder.clone(),
            opposition: project.opposition_list(),
            entries: RwLock::new(entries),
            state,
        })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.entries.read().keys().cloned().collect()
    }

    /// The names that lists of tables show: those of the session and the tariff.
    pub(super) fn listed(&self) -> Vec<String> {
        let mut names = self.names();
        if let Err(place) = names.binary_search_by(|name| name.as_str().cmp(TARIFF)) {
            names.insert(place, TARIFF.to_owned());
        }
        names
    }

    pub(super) fn add(&self, name: &str, table: Table) {
        self.entries
            .write()
            .insert(name.to_owned(), Entry::Files(table));
    }

    pub(super) fn add_empty(&self, name: &str, schema: SchemaRef) {
        let table = Arc::new(EmptyTable::new(schema));
        self.entries
            .write()
            .insert(name.to_owned(), Entry::Open(table));
    }

    fn state(&self) -> Result<SessionState> {
        let state = self
            .state
            .upgrade()
            .ok_or_else(|| DataFusionError::Internal("the session has ended".to_owned()))?;
        let state = state.read().clone();
        Ok(state)
    }

    /// What the built-in names mean when neither project nor session says anything else.
    fn builtin(&self, name: &str) -> Result<Entry> {
        if name == TARIFF {
            // Made anew for each statement: SET changes it.
            let tariff = Tariff::of(self.state()?.config_options()).table()?;
            let table = MemTable::try_new(tariff.schema(), vec![vec![tariff]])?;
            return Ok(Entry::Open(Arc::new(table)));
        }
        let list = self.opposition.as_deref();
        if name == opposition::OPPOSED {
            let sql =
                opposition::opposed(list, self.state()?.config_options()).map_err(external)?;
            return Ok(Entry::View(PathBuf::from("built in"), sql.to_owned()));
        }
        let path = list.map(|list| list.to_string_lossy().into_owned());
        Ok(Entry::Opposition(Table {
            path: path.unwrap_or_default(),
            ..Table::default()
        }))
    }

    async fn open(&self, name: &str, entry: Entry) -> Result<Arc<dyn TableProvider>> {
        match entry {
            Entry::Open(table) => Ok(table),
            Entry::Broken(error) => Err(external(error)),
            Entry::Opposition(_) if self.opposition.as_ref().is_some_and(|list| !list.exists()) => {
                Ok(Arc::new(EmptyTable::new(opposition::schema())))
            }
            Entry::Files(table) | Entry::Opposition(table) => {
                files::open(&self.state()?, &self.folder, &table)
                    .await
                    .map_err(|error| external(error.context(format_args!("table '{name}'"))))
            }
            Entry::View(file, sql) => {
                let place = format!("view '{name}' ({})", file.display());
                let wrong = |error: Error| external(error.context(&place));
                let mut statements = parse(&sql).map_err(wrong)?;
                let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
                    return Err(wrong(Error::usage("a view is one statement")));
                };
                let plan = self
                    .state()?
                    .statement_to_plan(statement)
                    .await
                    .map_err(|error| wrong(diagnose::explain(error, &self.names())))?;
                Ok(Arc::new(ViewTable::new(plan, Some(sql))))
            }
        }
    }
}

#[async_trait]
impl SchemaProvider for ProjectSchema {
    fn table_names(&self) -> Vec<String> {
        self.listed()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let entry = self.entries.read().get(name).cloned();
        match entry {
            Some(entry) => self.open(name, entry).await.map(Some),
            None if [TARIFF, opposition::LIST, opposition::OPPOSED].contains(&name) => {
                self.open(name, self.builtin(name)?).await.map(Some)
            }
            None => match files::table_from_path(name) {
                Some(table) => files::open(&self.state()?, std::path::Path::new(""), &table)
                    .await
                    .map(Some)
                    .map_err(external),
                None => Ok(None),
            },
        }
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(match self.entries.read().get(name) {
            Some(Entry::Files(_) | Entry::Opposition(_)) => Some(TableType::Base),
            Some(Entry::View(..) | Entry::Broken(_)) => Some(TableType::View),
            Some(Entry::Open(table)) => Some(table.table_type()),
            None => (name == TARIFF).then_some(TableType::Base),
        })
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        self.entries.write().insert(name, Entry::Open(table));
        Ok(None)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.entries.write().remove(name).map(|entry| match entry {
            Entry::Open(table) => table,
            _ => Arc::new(EmptyTable::new(Arc::new(Schema::empty()))),
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.entries.read().contains_key(name)
    }
}

impl fmt::Debug for ProjectSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProjectSchema").field(&self.names()).finish()
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A view that reads itself would be planned without end.
fn refuse_cycles(entries: &BTreeMap<String, Entry>) -> Result<(), Error> {
    let mut reads: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, entry) in entries {
        let Entry::View(_, sql) = entry else { continue };
        // What does not parse is reported when the view is used.
        if let Ok(statements) = parse(sql) {
            let tables = statements
                .iter()
                .filter_map(|one| tables_read(one).ok())
                .flatten();
            reads.insert(name, tables.collect());
        }
    }
    for start in reads.keys() {
        let mut path = vec![*start];
        if let Some(cycle) = cycle_from(&mut path, &reads) {
            return Err(Error::usage(format!("a view reads itself: {cycle}"))
                .hint("give the table that it reads another name"));
        }
    }
    Ok(())
}

fn cycle_from<'a>(
    path: &mut Vec<&'a str>,
    reads: &'a BTreeMap<&str, Vec<String>>,
) -> Option<String> {
    let last = *path.last()?;
    for next in reads.get(last)? {
        if path.contains(&next.as_str()) {
            return Some(format!("{} → {next}", path.join(" → ")));
        }
        path.push(next);
        let found = cycle_from(path, reads);
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(sql: &str) -> Entry {
        Entry::View(PathBuf::from("x.sql"), sql.to_owned())
    }

    #[test]
    fn views_may_not_read_themselves() {
        let entries = BTreeMap::from([
            ("a".to_owned(), view("SELECT * FROM b")),
            ("b".to_owned(), view("SELECT * FROM (SELECT 1) x, a")),
        ]);
        let error = refuse_cycles(&entries).unwrap_err().to_string();
        assert!(error.contains("a → b → a"), "{error}");
    }

    #[test]
    fn views_may_read_each_other() {
        let entries = BTreeMap::from([
            ("a".to_owned(), view("SELECT * FROM b JOIN c USING (id)")),
            ("b".to_owned(), view("SELECT * FROM c")),
        ]);
        assert!(refuse_cycles(&entries).is_ok());
    }
}
