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
        let folder = fs::create_dir_all(&parent)
            .and_then(|()| tempfile::Builder::new().prefix(&id).tempdir_in(&parent))
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

    /// Publishes every output at once and returns their folder.
    pub(super) fn publish(self, record: &str) -> Result<PathBuf> {
        let (home, id) = (self.home.clone(), self.id.clone());
        let folder = self.move_to("runs", record)?;
        let link = home.join("latest");
        let staged = home.join(format!(".latest-{id}"));
        let target = Path::new("runs").join(&id);
        link_to(&target, &staged)
            .and_then(|()| fs::rename(&staged, &link))
            .and_then(|()| sync(&home))
            .map_err(|error| Error::io(link.display(), &error))?;
        Ok(folder)
    }

    /// Puts the outputs aside and returns their folder.
    pub(super) fn reject(self, record: &str) -> Result<PathBuf> {
        self.move_to("rejected", record)
    }

    fn move_to(self, place: &str, record: &str) -> Result<PathBuf> {
        let records = self.home.join("records");
        let parent = self.home.join(place);
        let folder = parent.join(&self.id);
        let io = |error| Error::io(folder.display(), &error);
        fs::create_dir_all(&records)
            .and_then(|()| fs::create_dir_all(&parent))
            .map_err(io)?;
        // mkdtemp makes private folders; what is published is as open as the umask says.
        open_up(self.folder.path(), &parent).map_err(io)?;
        sync(self.folder.path()).map_err(io)?;
        fs::rename(self.folder.path(), &folder).map_err(io)?;
        sync(&parent).map_err(io)?;
        fs::write(records.join(format!("{}.json", self.id)), record).map_err(io)?;
        Ok(folder)
    }
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
            folders.push(staging.publish("{}").unwrap());
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
