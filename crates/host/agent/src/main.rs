//! The binary `hostler-agent`.

fn main() -> std::process::ExitCode {
    hostler_agent::cli::main()
}
