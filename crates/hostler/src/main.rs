//! The binary: the server, and the command line.

/// A third of what the decision thread did was to ask the system's allocator for small pieces and to give them back; this
/// one needs half of that.
#[cfg(feature = "server")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hostler::cli::main()
}
