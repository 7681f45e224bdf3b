//! The binary: the server, and the command line.

fn main() -> std::process::ExitCode {
    hostler::cli::main()
}
