//! The `somascope` binary: everything lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    somascope::cli::main()
}
