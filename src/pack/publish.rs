//! Staged folders and their publication in one rename.
//!
//! ```text
//! OUT/<pack>/latest -> runs/<id>     switched in one rename
//! OUT/<pack>/runs/<id>/*.parquet     published
//! OUT/<pack>/rejected/<id>/          put aside: a check failed
//! OUT/<pack>/records/<id>.json       what ran; beside the data, never among them
//! OUT/<pack>/staging/<id>/           being written; gone when the run ends
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use chrono::Utc;
use tempfile::TempDir;

use crate::error::{Error, Result};

/// The folder of a run that is not published yet. Dropping it removes it.
pub(super) struct Staging {
    home: PathBuf,
    id: String,
    folder: TempDir,
    /// Dropped after the folder, which it holds.
    _parent: Parent,
}

/// The folder of all staged runs: it goes with the last of them.
struct Parent(PathBuf);

impl Drop for Parent {
    fn drop(&mut self) {
        // Fails while another run stages there.
        let _ = fs::remove_dir(&self.0);
    }
}

impl Staging {
    /// Makes the folder below `home`, the pack's own output folder.
    pub(super) fn new(home: &Path) -> Result<Self> {
        let id = Utc::now().format("%Y%m%dT%H%M%S%.6fZ").to_string();
        let parent = home.join("staging");
        // What could stand in the way of the publication is found before the work, not after.
        for folder in [&parent, &home.join("runs"), &home.join("records")] {
            fs::create_dir_all(folder).map_err(|error| {
                Error::io(format_args!("output folder {}", folder.display()), &error)
            })?;
        }
        let latest = home.join("latest");
        if fs::symlink_metadata(&latest).is_ok_and(|found| !found.is_symlink()) {
            return Err(Error::usage(format!(
                "{} is in the way: it must be the link to the last run",
                latest.display()
            ))
            .hint("move it elsewhere, or choose another --out"));
        }
        let folder = tempfile::Builder::new()
            .prefix(&id)
            .tempdir_in(&parent)
            .map_err(|error| Error::io(format_args!("output folder {}", home.display()), &error))?;
        Ok(Self {
            home: home.to_owned(),
            id,
            folder,
            _parent: Parent(parent),
        })
    }

    /// The run's name.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The place of one staged output.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.parquet"))
    }

    /// Publishes every output at once. Returns their folder, and whether `latest` leads there: a
    /// run of a selection does not take away outputs that readers of `latest` have.
    pub(super) fn publish(self, record: &str, selection: bool) -> Result<(PathBuf, bool)> {
        let (home, id) = (self.home.clone(), self.id.clone());
        let folder = self.move_to("runs", record)?;
        let link = home.join("latest");
        if selection && lacks_some(&folder, &link) {
            return Ok((folder, false));
        }
        let staged = home.join(format!(".latest-{id}"));
        let target = Path::new("runs").join(&id);
        link_to(&target, &staged)
            .and_then(|()| fs::rename(&staged, &link))
            .and_then(|()| sync(&home))
            .map_err(|error| {
                let _ = fs::remove_file(&staged);
                Error::io(link.display(), &error)
            })?;
        Ok((folder, true))
    }

    /// Puts the outputs aside and returns their folder.
    pub(super) fn reject(self, record: &str) -> Result<PathBuf> {
        self.move_to("rejected", record)
    }

    fn move_to(self, place: &str, record: &str) -> Result<PathBuf> {
        let parent = self.home.join(place);
        let folder = parent.join(&self.id);
        let io = |error| Error::io(folder.display(), &error);
        fs::create_dir_all(&parent).map_err(io)?;
        // mkdtemp makes private folders; what is published is as open as the umask says.
        open_up(self.folder.path(), &parent).map_err(io)?;
        sync(self.folder.path()).map_err(io)?;
        let note = self.home.join("records").join(format!("{}.json", self.id));
        fs::write(&note, record).map_err(|error| Error::io(note.display(), &error))?;
        fs::rename(self.folder.path(), &folder).map_err(|error| {
            let _ = fs::remove_file(&note);
            io(error)
        })?;
        sync(&parent).map_err(io)?;
        Ok(folder)
    }
}

/// Whether `old` has an output that `new` has not.
fn lacks_some(new: &Path, old: &Path) -> bool {
    let Ok(entries) = fs::read_dir(old) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| !new.join(entry.file_name()).exists())
}

/// Makes renames within a folder last.
fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(unix)]
fn link_to(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn link_to(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(target, link)
}

fn open_up(folder: &Path, like: &Path) -> std::io::Result<()> {
    fs::set_permissions(folder, fs::metadata(like)?.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_moves_to_the_new_run_and_the_old_run_stays() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().join("pack");
        let mut folders = Vec::new();
        for text in ["one", "two"] {
            let staging = Staging::new(&home).unwrap();
            fs::write(staging.file("a"), text).unwrap();
            folders.push(staging.publish("{}", false).unwrap().0);
            assert_eq!(
                fs::read_to_string(home.join("latest/a.parquet")).unwrap(),
                text
            );
        }
        assert_eq!(
            fs::read_to_string(folders[0].join("a.parquet")).unwrap(),
            "one"
        );
        assert!(!home.join("staging").exists());
    }

    #[test]
    fn a_selection_takes_nothing_away() {
        let home = tempfile::tempdir().unwrap();
        let run = |names: &[&str], selection| {
            let staging = Staging::new(home.path()).unwrap();
            for name in names {
                fs::write(staging.file(name), "x").unwrap();
            }
            staging.publish("{}", selection).unwrap().1
        };
        assert!(run(&["a"], true), "nothing to lose yet");
        assert!(run(&["a", "b"], false));
        assert!(!run(&["a"], true));
        assert!(home.path().join("latest/b.parquet").exists());
        assert!(run(&["a"], false), "a whole run is the new truth");
    }

    #[test]
    fn what_is_in_the_way_is_found_first() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("latest")).unwrap();
        let error = Staging::new(home.path()).err().unwrap().to_string();
        assert!(error.contains("is in the way"), "{error}");
    }

    #[test]
    fn a_dropped_run_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let staging = Staging::new(home.path()).unwrap();
        let file = staging.file("a");
        fs::write(&file, "half").unwrap();
        drop(staging);
        assert!(!file.exists() && !home.path().join("latest").exists());
        assert!(!home.path().join("staging").exists());
    }
}
