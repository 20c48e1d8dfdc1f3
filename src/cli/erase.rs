//! `jumeau erase`: removes a person from the files of the project.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use clap::Args;

use super::{Global, block_on};
use crate::erase::{self, Report};
use crate::error::{Error, Result};
use crate::project::Project;
use crate::terminal::thousands;

#[derive(Args)]
pub(super) struct EraseArgs {
    /// The person's id, as the tables show it
    #[arg(value_name = "PERSON", allow_hyphen_values = true)]
    person: String,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn erase(args: &EraseArgs, global: &Global) -> Result<()> {
    if global.read_only && !args.dry_run {
        return Err(
            Error::usage("erase changes files, and the session is read-only")
                .hint("leave --read-only out, or look first with --dry-run"),
        );
    }
    let project = global.project()?;
    let engine = global.engine(&project)?;
    let report = block_on(
        global,
        erase::erase(&engine, &project, &args.person, args.dry_run),
    )?;
    std::io::stdout()
        .write_all(describe(&report, &project, args).as_bytes())
        .map_err(|error| Error::output(&error))
}

fn describe(report: &Report, project: &Project, args: &EraseArgs) -> String {
    let person = &args.person;
    let mut out = if args.dry_run {
        format!("person '{person}' would be removed (nothing is changed yet):\n")
    } else {
        format!("person '{person}' is removed:\n")
    };
    let home = project.folder.canonicalize().unwrap_or_default();
    let short = |file: &Path| {
        file.strip_prefix(&home)
            .unwrap_or(file)
            .display()
            .to_string()
    };
    let width = report
        .files
        .iter()
        .map(|one| one.table.len())
        .max()
        .unwrap_or(0)
        .max("opposition".len());
    for one in &report.files {
        let mut what = Vec::new();
        if one.removed > 0 {
            what.push(count(one.removed, "row", "removed"));
        }
        if one.unlinked > 0 {
            what.push(count(one.unlinked, "referrer", "set to NULL"));
        }
        let _ = writeln!(
            out,
            "  {:width$}  {}  ({})",
            one.table,
            what.join(", "),
            short(&one.file)
        );
    }
    let kept = count(report.fingerprints, "fingerprint", "added");
    let _ = writeln!(
        out,
        "  {:width$}  {kept}  ({})",
        "opposition",
        short(&report.list)
    );
    if report.visitors > 0 {
        let _ = writeln!(
            out,
            "with the visits of {}, those before the sign-up too",
            count(report.visitors, "browser", "of this person")
        );
    }
    out.push_str("not touched: outputs of earlier runs (out/), backups, and copies elsewhere\n");
    out
}

fn count(number: usize, what: &str, done: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural} {done}", thousands(number as u64))
}
