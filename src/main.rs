//! The `jumeau` command: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    jumeau::cli::main()
}
