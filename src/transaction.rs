//! Several files replaced at once, by a journal: after a crash at any moment, all of them are the new ones or none is.
//!
//! ```text
//! PROJECT/.jumeau-draft      which files are being staged; written before the first of them
//! DIR/.jumeau#<digits>       a staged file, beside the one that it replaces
//! PROJECT/.jumeau-journal    the draft, renamed: from this moment on the change is decided
//! PROJECT/.jumeau-lock       held by whoever changes files; gone when they are done
//! ```
//!
//! A draft without a journal means that nothing has changed, and its staged files are removed. A journal means that
//! the change is decided, and what is still staged gets its name. Either is done by [`recover`], under the lock, before
//! a project is read. Object stores and local listings skip names that end in `#` and digits, so that a staged file is
//! never taken for data.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const DRAFT: &str = ".jumeau-draft";
const JOURNAL: &str = ".jumeau-journal";
const LOCK: &str = ".jumeau-lock";
const VERSION: u32 = 1;

/// The right to change the files of a project. Ends with the process, however it ends.
pub struct Lock {
    folder: PathBuf,
    _file: File,
}

/// A file as it was before: what a change rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Option<(u64, Option<SystemTime>)>);

/// Files that are being replaced. Dropped before [`Self::commit`], it leaves all as it was.
pub struct Transaction {
    lock: Lock,
    journal: Journal,
    stamps: Vec<Stamp>,
    decided: bool,
}

/// What the draft and the journal hold.
#[derive(Serialize, Deserialize)]
struct Journal {
    version: u32,
    /// Digits; no other transaction of this project has them.
    id: String,
    /// The files to replace; those below the project's folder are relative to it.
    files: Vec<String>,
}

impl Lock {
    /// Takes the lock of a project, and ends what a crash has left. `None` when somebody else has it.
    ///
    /// # Errors
    /// When the lock file cannot be made, or what was left cannot be ended.
    pub fn take(folder: &Path) -> Result<Option<Self>> {
        let Some(lock) = acquire(folder, |file| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })?
        else {
            return Ok(None);
        };
        lock.settle()?;
        Ok(Some(lock))
    }

    /// Ends what a crash has left.
    fn settle(&self) -> Result<()> {
        let path = self.folder.join(JOURNAL);
        if let Some(text) = read(&path)? {
            let journal: Journal = serde_json::from_str(&text).map_err(|error| {
                Error::data(format!("{} cannot be read: {error}", path.display()))
                    .hint("a newer version of jumeau may have written it")
            })?;
            if journal.version != VERSION {
                return Err(Error::data(format!(
                    "{} is of version {}, this program knows version {VERSION}",
                    path.display(),
                    journal.version
                ))
                .hint("use the version of jumeau that wrote it"));
            }
            journal.complete(&self.folder)?;
        }
        let path = self.folder.join(DRAFT);
        if let Some(text) = read(&path)? {
            // A draft that was not written to its end is older than the first staged file.
            if let Ok(journal) = serde_json::from_str::<Journal>(&text) {
                journal.undo(&self.folder)?;
            }
            remove(&path)?;
        }
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is held, so that nobody can have locked this file in between.
        if cfg!(unix) && step().is_ok() {
            let _ = fs::remove_file(self.folder.join(LOCK));
        }
    }
}

impl Stamp {
    /// How a file is now; a file that does not exist has a stamp too.
    pub fn of(path: &Path) -> Self {
        Self(
            fs::metadata(path)
                .ok()
                .map(|data| (data.len(), data.modified().ok())),
        )
    }
}

impl Transaction {
    /// Starts to replace these files, whose stamps were taken before they were read. Nothing is replaced yet.
    ///
    /// # Errors
    /// When the draft cannot be written, or a path is not Unicode.
    pub fn begin(lock: Lock, files: Vec<(PathBuf, Stamp)>) -> Result<Self> {
        let mut paths = Vec::with_capacity(files.len());
        let mut stamps = Vec::with_capacity(files.len());
        for (path, stamp) in files {
            let short = path.strip_prefix(&lock.folder).unwrap_or(&path);
            let text = short.to_str().ok_or_else(|| {
                Error::data(format!("{}: the path is not Unicode", path.display()))
                    .hint("rename the file; nothing was changed")
            })?;
            paths.push(text.to_owned());
            stamps.push(stamp);
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let transaction = Self {
            journal: Journal {
                version: VERSION,
                id: since.unwrap_or_default().as_nanos().to_string(),
                files: paths,
            },
            lock,
            stamps,
            decided: false,
        };
        let draft = transaction.lock.folder.join(DRAFT);
        let text = serde_json::to_vec(&transaction.journal)
            .map_err(|error| Error::data(error.to_string()))?;
        write_new(&draft, &text).map_err(|error| Error::io(draft.display(), &error))?;
        sync_folder(&transaction.lock.folder)?;
        Ok(transaction)
    }

    /// Where the new file number `index` is until the commit.
    pub fn staged(&self, index: usize) -> PathBuf {
        self.journal.staged(&self.lock.folder, index)
    }

    /// Writes the new file number `index`, and waits until the disk has it. It is as readable as the one it replaces.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn stage(&self, index: usize, write: impl FnOnce(File) -> Result<File>) -> Result<()> {
        let (old, new) = (
            self.journal.target(&self.lock.folder, index),
            self.staged(index),
        );
        let io = |error| Error::io(new.display(), &error);
        step().map_err(io)?;
        let file = write(File::create_new(&new).map_err(io)?)?;
        if let Ok(data) = fs::metadata(&old) {
            file.set_permissions(data.permissions()).map_err(io)?;
        }
        step().and_then(|()| file.sync_all()).map_err(io)
    }

    /// Replaces all files at once.
    ///
    /// # Errors
    /// When a file has changed since its stamp was taken, or cannot be replaced. In the first case nothing has
    /// changed; in the second, where the error says so, the next [`recover`] completes the change.
    pub fn commit(mut self) -> Result<()> {
        let folder = self.lock.folder.clone();
        for (index, stamp) in self.stamps.iter().enumerate() {
            let file = self.journal.target(&folder, index);
            if Stamp::of(&file) != *stamp {
                return Err(
                    Error::data(format!("{} has changed meanwhile", file.display()))
                        .hint("nothing was changed; try again when nobody writes to it"),
                );
            }
        }
        self.journal.sync_folders(&folder)?;
        rename(&folder.join(DRAFT), &folder.join(JOURNAL))?;
        self.decided = true;
        sync_folder(&folder)
            .and_then(|()| self.journal.complete(&folder))
            .map_err(|error| {
                error.hint(
                    "the change is decided: the next jumeau command on this project completes it",
                )
            })
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.decided {
            // What stays is removed by the next recovery.
            let folder = &self.lock.folder;
            let _ = self
                .journal
                .undo(folder)
                .and_then(|()| remove(&folder.join(DRAFT)));
        }
    }
}

impl Journal {
    fn target(&self, folder: &Path, index: usize) -> PathBuf {
        folder.join(&self.files[index])
    }

    /// Made of the journal's own digits only: a journal can never name another file to move or remove.
    fn staged(&self, folder: &Path, index: usize) -> PathBuf {
        let digits = self.id.chars().filter(char::is_ascii_digit);
        let name = format!(".jumeau#{}{index:06}", digits.collect::<String>());
        self.target(folder, index).with_file_name(name)
    }

    /// Gives each staged file its name. Those that have it already are not there any more.
    fn complete(&self, folder: &Path) -> Result<()> {
        for index in 0..self.files.len() {
            let staged = self.staged(folder, index);
            if fs::symlink_metadata(&staged).is_ok() {
                rename(&staged, &self.target(folder, index))?;
            }
        }
        self.sync_folders(folder)?;
        remove(&folder.join(JOURNAL))
    }

    fn undo(&self, folder: &Path) -> Result<()> {
        (0..self.files.len()).try_for_each(|index| remove(&self.staged(folder, index)))
    }

    fn sync_folders(&self, folder: &Path) -> Result<()> {
        let targets = (0..self.files.len()).map(|index| self.target(folder, index));
        let folders: BTreeSet<PathBuf> = targets
            .filter_map(|file| file.parent().map(Path::to_owned))
            .collect();
        folders.iter().try_for_each(|folder| sync_folder(folder))
    }
}

/// Ends what a crash has left in a project: completes a change that was decided, clears away one that was not. Waits
/// for a change that is just being made. Costs two looks at the folder when there is nothing to do.
///
/// # Errors
/// When a change was decided and cannot be completed, as in a read-only session: the tables do not fit together then.
pub fn recover(folder: &Path, read_only: bool) -> Result<()> {
    let decided = folder.join(JOURNAL).exists();
    if decided && read_only {
        return Err(Error::data("an erasure was decided and is not complete")
            .hint("run one jumeau command on this project without --read-only"));
    }
    if decided {
        let lock = acquire(folder, |file| file.lock().map(|()| true))?;
        return lock.map_or(Ok(()), |lock| lock.settle());
    }
    // Files that are only staged stand in nobody's way: somebody may be at work, or the folder may be read-only.
    if !read_only && folder.join(DRAFT).exists() {
        let _ = Lock::take(folder);
    }
    Ok(())
}

fn acquire(folder: &Path, lock: impl Fn(&File) -> io::Result<bool>) -> Result<Option<Lock>> {
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let folder = here
        .canonicalize()
        .map_err(|error| Error::io(here.display(), &error))?;
    let path = folder.join(LOCK);
    let io = |error| Error::io(path.display(), &error);
    loop {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        if !lock(&file).map_err(io)? {
            return Ok(None);
        }
        // Whoever held it before may have removed it: then this is the lock of nothing.
        if is_at(&file, &path) {
            return Ok(Some(Lock {
                folder,
                _file: file,
            }));
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

/// Elsewhere a lock file is never removed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// The text of a file, `None` when there is none.
fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path.display(), &error)),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    step()?;
    let mut file = File::create_new(path)?;
    step()?;
    io::Write::write_all(&mut file, bytes)?;
    step()?;
    file.sync_all()
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    step()
        .and_then(|()| fs::rename(from, to))
        .map_err(|error| Error::io(to.display(), &error))
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> Result<()> {
    match step().and_then(|()| fs::remove_file(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(path.display(), &error))
        }
        _ => Ok(()),
    }
}

/// Makes renames within a folder last.
fn sync_folder(folder: &Path) -> Result<()> {
    let sync = || {
        step()?;
        if cfg!(unix) {
            File::open(folder)?.sync_all()
        } else {
            Ok(())
        }
    };
    sync().map_err(|error| Error::io(folder.display(), &error))
}

#[cfg(test)]
use tests::step;

/// Where a test can let the program die; see the tests.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it fails")]
fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;

    use super::*;

    thread_local! {
        /// Steps that are left before the death.
        static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    /// Where a test can let the program die. From then on nothing is done any more, not even in `drop`.
    pub(super) fn step() -> io::Result<()> {
        let left = LEFT.get();
        if left == 0 {
            return Err(io::Error::other("dead"));
        }
        LEFT.set(left - 1);
        Ok(())
    }

    /// Runs something that dies after some steps; whether it came to its end.
    fn dying_after<T>(steps: usize, run: impl FnOnce() -> Result<T>) -> bool {
        LEFT.set(steps);
        let done = run().is_ok();
        LEFT.set(usize::MAX);
        done
    }

    const FILES: [&str; 3] = ["a", "sub/b", "sub/new"];

    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        for name in &FILES[..2] {
            fs::write(folder.path().join(name), "old").unwrap();
        }
        fs::write(folder.path().join("sub/other"), "other").unwrap();
        folder
    }

    fn change(folder: &Path) -> Result<()> {
        let folder = folder.canonicalize().unwrap();
        let lock = Lock::take(&folder)?.expect("nobody else is here");
        let files = FILES.map(|name| folder.join(name));
        let files = files.map(|file| (file.clone(), Stamp::of(&file)));
        let transaction = Transaction::begin(lock, files.to_vec())?;
        for index in 0..FILES.len() {
            transaction.stage(index, |mut file| {
                let io = |error| Error::io("staged", &error);
                file.write_all(b"ne").map_err(io)?;
                step().map_err(io)?;
                file.write_all(b"w").map_err(io)?;
                Ok(file)
            })?;
        }
        transaction.commit()
    }

    /// Every file below the folder: its name and text.
    fn contents(folder: &Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for place in [folder.to_owned(), folder.join("sub")] {
            for entry in fs::read_dir(place).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let name = path
                        .strip_prefix(folder)
                        .unwrap()
                        .to_string_lossy()
                        .into_owned();
                    found.push((name, fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    fn all_old() -> Vec<(String, String)> {
        [("a", "old"), ("sub/b", "old"), ("sub/other", "other")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .to_vec()
    }

    fn all_new() -> Vec<(String, String)> {
        [
            ("a", "new"),
            ("sub/b", "new"),
            ("sub/new", "new"),
            ("sub/other", "other"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .to_vec()
    }

    #[test]
    fn all_files_are_replaced_and_nothing_is_left_beside_them() {
        let folder = project();
        change(folder.path()).unwrap();
        assert_eq!(contents(folder.path()), all_new());
    }

    #[test]
    fn whenever_it_dies_the_files_are_all_old_or_all_new() {
        let (mut steps, mut old, mut new) = (0, 0, 0);
        loop {
            let folder = project();
            let done = dying_after(steps, || change(folder.path()));
            // The recovery may die as well, as often as it likes.
            let mut deaths = 0;
            while !dying_after(deaths, || recover(folder.path(), false)) {
                deaths += 1;
            }
            recover(folder.path(), false).unwrap();
            let _ = fs::remove_file(folder.path().join(LOCK));
            let found = contents(folder.path());
            if found == all_new() {
                new += 1;
            } else {
                assert_eq!(found, all_old(), "died after {steps} steps");
                assert_eq!(
                    new, 0,
                    "what was decided stays so, died after {steps} steps"
                );
                old += 1;
            }
            if done {
                break;
            }
            steps += 1;
        }
        assert!(old > 10 && new > 5, "{old} times old, {new} times new");
    }

    #[test]
    fn a_draft_that_was_cut_short_is_cleared_away() {
        let whole = serde_json::to_string(&Journal {
            version: VERSION,
            id: "7".to_owned(),
            files: vec!["a".to_owned()],
        })
        .unwrap();
        for length in 0..whole.len() {
            let folder = project();
            fs::write(folder.path().join(DRAFT), &whole[..length]).unwrap();
            recover(folder.path(), false).unwrap();
            assert_eq!(contents(folder.path()), all_old());
        }
    }

    #[test]
    fn a_journal_moves_no_file_but_staged_ones() {
        let folder = project();
        let journal = r#"{"version":1,"id":"../x","files":["a"]}"#;
        fs::write(folder.path().join("x000000"), "evil").unwrap();
        fs::write(folder.path().join(JOURNAL), journal).unwrap();
        recover(folder.path(), false).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "old");
    }

    #[test]
    fn two_cannot_change_files_at_once() {
        let folder = project();
        let first = Lock::take(folder.path()).unwrap();
        assert!(first.is_some());
        assert!(Lock::take(folder.path()).unwrap().is_none());
        drop(first);
        assert!(Lock::take(folder.path()).unwrap().is_some());
    }

    #[test]
    fn work_in_progress_is_left_alone() {
        let folder = project();
        let path = folder.path().canonicalize().unwrap();
        let lock = Lock::take(&path).unwrap().unwrap();
        let file = path.join("a");
        let stamp = Stamp::of(&file);
        let transaction = Transaction::begin(lock, vec![(file, stamp)]).unwrap();
        transaction.stage(0, Ok).unwrap();
        recover(&path, false).unwrap();
        assert!(transaction.staged(0).exists());
    }

    #[test]
    fn a_file_that_changes_meanwhile_stops_the_change() {
        let folder = project();
        let path = folder.path().canonicalize().unwrap();
        let lock = Lock::take(&path).unwrap().unwrap();
        let file = path.join("a");
        let stamp = Stamp::of(&file);
        let transaction = Transaction::begin(lock, vec![(file.clone(), stamp)]).unwrap();
        transaction.stage(0, Ok).unwrap();
        fs::write(&file, "older").unwrap();
        let error = transaction.commit().unwrap_err().to_string();
        assert!(error.contains("has changed meanwhile"), "{error}");
        fs::write(&file, "old").unwrap();
        assert_eq!(contents(folder.path()), all_old());
    }

    #[test]
    fn a_read_only_session_does_not_read_half_a_change() {
        let folder = project();
        fs::write(folder.path().join(JOURNAL), "{}").unwrap();
        let error = recover(folder.path(), true).unwrap_err().to_string();
        assert!(error.contains("without --read-only"), "{error}");
        fs::rename(folder.path().join(JOURNAL), folder.path().join(DRAFT)).unwrap();
        recover(folder.path(), true).unwrap();
        assert!(folder.path().join(DRAFT).exists());
    }
}
