//! Runs the real binary and writes down what it did: exit code, stdout, stderr.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the repository, which is the sample project.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The binary, in a folder, with nothing of the caller's terminal or settings.
pub(crate) fn jumeau(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jumeau"));
    command
        .current_dir(folder)
        .env_remove("JUMEAU_DATA")
        .env("NO_COLOR", "1");
    command
}

/// Runs `jumeau ARGS` in a folder.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Output {
    jumeau(folder)
        .args(args)
        .output()
        .expect("the binary starts")
}

/// Runs `jumeau ARGS` and writes down everything that a user sees, paths of this run made the same.
pub(crate) fn transcript(folder: &Path, args: &[&str]) -> String {
    describe(folder, &run(folder, args))
}

/// See [`transcript`].
pub(crate) fn describe(folder: &Path, output: &Output) -> String {
    let clean = |bytes: &[u8]| {
        let folder = folder.canonicalize().expect("the folder exists");
        let text = String::from_utf8_lossy(bytes).into_owned();
        // DataFusion names local files without the leading slash.
        let bare = folder.to_string_lossy().trim_start_matches('/').to_owned();
        text.replace(&*folder.to_string_lossy(), "[folder]")
            .replace(&bare, "[folder]")
    };
    format!(
        "exit code: {}\n--- stdout\n{}--- stderr\n{}",
        output
            .status
            .code()
            .map_or_else(|| "signal".to_owned(), |code| code.to_string()),
        clean(&output.stdout),
        clean(&output.stderr)
    )
}
