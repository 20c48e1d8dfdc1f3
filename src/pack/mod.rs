//! Query packs: a folder with `pack.toml` and one `.sql` file a query.
//!
//! A query that reads a table named like another query of the pack depends on it. `check` plans
//! everything and scans nothing; `run` stages every output, checks it, and publishes all at once.

mod check;
mod checks;
mod graph;
mod manifest;
mod output;
mod params;
mod publish;
mod record;
mod run;
mod shipped;

use std::path::{Path, PathBuf};

pub use check::check;
pub use manifest::{PackQuery, Param, ParamType};
pub use params::resolve as resolve_params;
pub use run::{Event, Outcome, QueryOutcome, RunOptions, run};

use crate::error::{Error, Result, did_you_mean};
use crate::project::Project;

/// A pack, read and put in order: every query comes after those that it reads.
#[derive(Debug, Clone)]
pub struct Pack {
    /// The folder's name.
    pub name: String,
    /// Where it was found.
    pub origin: Origin,
    /// The question that the pack answers.
    pub description: String,
    /// Declared parameters, by name.
    pub params: Vec<(String, Param)>,
    /// The queries.
    pub queries: Vec<PackQuery>,
    /// Whether [`Self::select`] has left some of them out.
    pub is_selection: bool,
}

/// Where a pack comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A folder.
    Folder(PathBuf),
    /// The binary itself.
    Shipped,
}

/// The files of a pack before they are understood: names and contents.
type Files = Vec<(String, String)>;

impl Pack {
    /// Finds a pack: a path, a name under the project's `queries/`, or one that ships inside the
    /// binary, in this order.
    ///
    /// # Errors
    /// When there is none of this name, or its manifest or SQL is malformed.
    pub fn find(name: &str, project: &Project) -> Result<Self> {
        let as_path = Path::new(name);
        if as_path.join(manifest::FILE_NAME).is_file() {
            return Self::read(as_path);
        }
        let in_project = project.resolve(Path::new("queries")).join(name);
        if in_project.join(manifest::FILE_NAME).is_file() {
            return Self::read(&in_project);
        }
        if let Some(files) = shipped::files(name) {
            return Self::parse(name.to_owned(), Origin::Shipped, &files);
        }
        let known: Vec<String> = Self::list(project)?
            .into_iter()
            .map(|pack| pack.name)
            .collect();
        let error = Error::usage(format!("no pack named '{name}'"));
        Err(error.hint(
            did_you_mean(name, known.iter().map(String::as_str)).unwrap_or_else(|| {
                format!(
                    "packs here: {}; or give the path of a folder",
                    known.join(", ")
                )
            }),
        ))
    }

    /// Every pack that a name can find: the project's, then those of the binary that it does not
    /// replace.
    ///
    /// # Errors
    /// When a manifest is malformed.
    pub fn list(project: &Project) -> Result<Vec<Self>> {
        let mut packs = Vec::new();
        if let Ok(entries) = std::fs::read_dir(project.resolve(Path::new("queries"))) {
            for entry in entries.flatten() {
                if entry.path().join(manifest::FILE_NAME).is_file() {
                    packs.push(Self::read(&entry.path())?);
                }
            }
        }
        for (name, files) in shipped::all() {
            if packs.iter().all(|pack| pack.name != name) {
                packs.push(Self::parse(name.to_owned(), Origin::Shipped, &files)?);
            }
        }
        packs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(packs)
    }

    /// Keeps only the queries that a selection such as `interests,plan+` asks for, with all that
    /// they read; a `+` adds all that read the query.
    ///
    /// # Errors
    /// When the pack has no query of that name.
    pub fn select(&mut self, selection: &str) -> Result<()> {
        let all = self.queries.len();
        graph::select(&mut self.queries, selection)?;
        self.is_selection |= self.queries.len() < all;
        Ok(())
    }

    fn read(folder: &Path) -> Result<Self> {
        let io = |error| Error::io(format_args!("pack {}", folder.display()), &error).into_usage();
        let mut files = Files::new();
        for entry in std::fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name == manifest::FILE_NAME || path.extension().is_some_and(|end| end == "sql") {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| Error::io(path.display(), &error).into_usage())?;
                files.push((name, text));
            }
        }
        let absolute = std::path::absolute(folder).map_err(io)?;
        let name = absolute
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self::parse(name, Origin::Folder(folder.to_owned()), &files)
    }

    fn parse(name: String, origin: Origin, files: &Files) -> Result<Self> {
        let place = match &origin {
            Origin::Folder(folder) => folder.display().to_string(),
            Origin::Shipped => format!("pack {name}"),
        };
        let (description, params, queries) =
            manifest::parse(files).map_err(|error| error.context(&place))?;
        let queries = graph::order(queries).map_err(|error| error.context(&place))?;
        Ok(Self {
            name,
            origin,
            description,
            params,
            queries,
            is_selection: false,
        })
    }
}

/// Copies every shipped pack below `folder`, for editing.
///
/// # Errors
/// When a file cannot be written.
pub fn copy_shipped(folder: &Path) -> Result<()> {
    for (name, files) in shipped::all() {
        let pack = folder.join(name);
        std::fs::create_dir_all(&pack).map_err(|error| Error::io(pack.display(), &error))?;
        for (file, text) in files {
            let path = pack.join(file);
            std::fs::write(&path, text).map_err(|error| Error::io(path.display(), &error))?;
        }
    }
    Ok(())
}
