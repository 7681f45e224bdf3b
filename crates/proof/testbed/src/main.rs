//! The binary `hostler-testbed`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match hostler_testbed::cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("hostler-testbed: {why}");
            ExitCode::FAILURE
        }
    }
}
