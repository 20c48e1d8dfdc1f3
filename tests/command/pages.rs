//! The pages of the packs: their commands, run as they stand in a new project, print what the page
//! says. `JUMEAU_BLESS=1` writes what they print into the pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::readme::split;
use crate::support::{root, run};

const OPEN: &str = "```\n$ ";

#[test]
fn every_page_prints_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), &["init", "demo", "--quiet"]);
    assert!(made.status.success());
    let bless = std::env::var_os("JUMEAU_BLESS").is_some();
    let mut pages = 0;
    for entry in root().join("docs/packs").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let pack = path.file_stem().unwrap().to_string_lossy().into_owned();
        let page = fs::read_to_string(&path).unwrap();
        assert!(
            page.contains(&format!("$ jumeau run {pack}")),
            "{pack}.md does not run its pack"
        );
        let mut blocks = page.split(OPEN);
        let mut printed = blocks.next().unwrap().to_owned();
        for block in blocks {
            let (block, rest) = block.split_once("```").unwrap();
            let (command, shown) = split(block);
            let output = shell(&folder.path().join("demo"), command);
            assert!(
                bless || output.trim_end() == shown.trim_end(),
                "{pack}.md: {command}\nprints\n{output}"
            );
            printed.extend([OPEN, command, &output, "```", rest]);
        }
        if bless {
            fs::write(&path, printed).unwrap();
        }
        pages += 1;
    }
    assert!(pages >= 6, "{pages} pages");
}

fn shell(folder: &Path, command: &str) -> String {
    let binaries = Path::new(env!("CARGO_BIN_EXE_jumeau")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}\n{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
