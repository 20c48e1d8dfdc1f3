//! Real programs that tests talk to, installed once below the build folder: a Python environment
//! with the libraries of notebooks, and an S3 server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs into a folder once; tests that come at the same time wait for the first.
fn once(name: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&home).expect("the build folder can be written");
    let lock = File::create(home.join("lock")).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");
    let done = home.join("done");
    if !done.exists() {
        install(&home);
        File::create(done).expect("the mark can be made");
    }
    home
}

fn must(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A Python with pandas, Polars, DuckDB, scikit-learn and `SciPy`.
pub(crate) fn python() -> PathBuf {
    environment(&[
        "pandas==3.1.1",
        "pyarrow==26.0.1",
        "polars==2.1.0",
        "duckdb==2.0.0",
        "scikit-learn==1.9.1",
        "scipy==1.17.1",
    ])
}

/// A Python with `ClickHouse` in the process.
pub(crate) fn clickhouse() -> PathBuf {
    environment(&["chdb==4.4.0", "numpy==2.4.6"])
}

fn environment(packages: &[&str]) -> PathBuf {
    let name = format!("python-{}", packages.join("-").replace('=', ""));
    let home = once(&name, |home| {
        must(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(home.join("venv")),
        );
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        must(
            Command::new(home.join("venv/bin/python"))
                .args(pip)
                .args(packages),
        );
    });
    home.join("venv/bin/python")
}

/// The program `s3s-fs`: an S3 server over a folder.
pub(crate) fn s3_server() -> PathBuf {
    const VERSION: &str = "0.14.1";
    let home = once(&format!("s3s-fs-{VERSION}"), |home| {
        must(
            Command::new(env!("CARGO"))
                .args([
                    "install",
                    "s3s-fs",
                    "--locked",
                    "--features",
                    "binary",
                    "--debug",
                ])
                .args(["--version", VERSION, "--root"])
                .arg(home)
                .env("CARGO_TARGET_DIR", home.join("build")),
        );
        fs::remove_dir_all(home.join("build")).expect("the build can be removed");
    });
    home.join("bin/s3s-fs")
}
