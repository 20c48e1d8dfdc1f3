//! The files behind a table of the project, for whoever changes the files themselves.

use std::path::PathBuf;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::SchemaProvider;
use datafusion::datasource::listing::{ListingTable, ListingTableUrl};
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;

use super::{Engine, files};
use crate::error::{Error, Result};
use crate::project::{Format, Table};

/// The files of one table, and how they are written.
#[derive(Debug)]
pub struct DataFiles {
    /// Their format.
    pub format: Format,
    /// Whether they are compressed as a whole, as in `.csv.gz`.
    pub compressed: bool,
    /// CSV: the character between two fields.
    pub delimiter: u8,
    /// CSV: whether the first line names the columns.
    pub header: bool,
    /// The columns that stand in the files.
    pub schema: SchemaRef,
    /// The columns that stand in the names of folders.
    pub partitions: Vec<String>,
    /// The files, sorted; `None` when they are not on this machine.
    pub local: Option<Vec<PathBuf>>,
}

impl Engine {
    /// Finds the files of a table of the project.
    ///
    /// # Errors
    /// When the table cannot be opened.
    pub async fn data_files(&self, name: &str, table: &Table) -> Result<DataFiles> {
        let provider = self
            .tables
            .table(name)
            .await
            .map_err(|error| self.explain(error))?;
        let listing = provider
            .as_deref()
            .and_then(|table| table.downcast_ref::<ListingTable>());
        let Some(listing) = listing else {
            return Err(Error::data(format!("table '{name}' is not made of files")));
        };
        let partitions: Vec<String> = listing
            .options()
            .table_partition_cols
            .iter()
            .map(|(column, _)| column.clone())
            .collect();
        let all = datafusion::catalog::TableProvider::schema(listing);
        let inside: Vec<usize> = (0..all.fields().len())
            .filter(|index| !partitions.contains(all.field(*index).name()))
            .collect();
        let schema = all
            .project(&inside)
            .map_err(|error| Error::data(error.to_string()))?;

        let mut local = Some(Vec::new());
        let mut sample = None;
        for url in listing.table_paths() {
            let found = self.list(url, &listing.options().file_extension).await?;
            sample = sample.or_else(|| found.first().map(ToString::to_string));
            if url.object_store() == ObjectStoreUrl::local_filesystem() {
                let disk = LocalFileSystem::new();
                for location in found {
                    let path = disk
                        .path_to_filesystem(&location)
                        .map(|path| path.canonicalize().unwrap_or(path))
                        .map_err(|error| Error::data(error.to_string()))?;
                    local.get_or_insert_default().push(path);
                }
            } else {
                local = None;
            }
        }
        if let Some(paths) = &mut local {
            paths.sort();
            paths.dedup();
        }
        let layout = files::layout(table, sample.as_deref().unwrap_or(&table.path))?;
        Ok(DataFiles {
            format: layout.format,
            compressed: layout.compressed,
            delimiter: layout.delimiter,
            header: table.header.unwrap_or(true),
            schema: schema.into(),
            partitions,
            local,
        })
    }

    async fn list(
        &self,
        url: &ListingTableUrl,
        ending: &str,
    ) -> Result<Vec<object_store::path::Path>> {
        let state = self.context.state();
        let store = self
            .context
            .runtime_env()
            .object_store(url)
            .map_err(|error| self.explain(error))?;
        let files = url
            .list_all_files(&state, store.as_ref(), ending)
            .await
            .map_err(|error| self.explain(error))?;
        files
            .try_filter_map(async |file| Ok((file.size > 0).then_some(file.location)))
            .try_collect()
            .await
            .map_err(|error| self.explain(error))
    }
}
