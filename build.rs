//! Lists the packs of `queries/` for `src/pack/shipped.rs`, so that a new file is never forgotten.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=queries");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("queries");
    let mut code = String::from("const SHIPPED: &[(&str, &[(&str, &str)])] = &[\n");
    for pack in entries(&root)? {
        let _ = writeln!(code, "    ({:?}, &[", name(&pack));
        for file in entries(&pack)? {
            // Not the path itself: a build folder may serve several clones.
            let file = name(&file);
            let path = format!("/queries/{}/{file}", name(&pack));
            let _ = writeln!(
                code,
                "        ({file:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),"
            );
        }
        code.push_str("    ]),\n");
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("shipped.rs");
    fs::write(out, code)
}

/// The entries of a folder in a fixed order: the binary must not depend on the file system.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
