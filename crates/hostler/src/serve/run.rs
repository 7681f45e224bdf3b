//! `hostler server run`: the server in the foreground.

use std::io::IsTerminal;

use hostler_api::Api;
use hostler_server::{Config, Server};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::addresses::apart;
use super::{RunArgs, checks, here};
use crate::cli::failure::Failure;

pub fn run(args: RunArgs) -> Result<(), Failure> {
    give_memory_back();
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| here("server", cause, "Look at the computer's limits of threads"))?;
    runtime.block_on(serve(args))
}

async fn serve(args: RunArgs) -> Result<(), Failure> {
    apart(args.listen, args.agent_listen)?;
    // The port first: it is the likeliest thing to be in the way, and nothing has been touched yet.
    let listener = TcpListener::bind(args.listen).await.map_err(|cause| {
        here(
            format!("address {}", args.listen),
            cause,
            "Stop what listens there, or choose another with --listen",
        )
    })?;
    let mut names = args.names;
    names.extend(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]);
    if !args.listen.ip().is_unspecified() {
        names.push(args.listen.ip().to_string());
    }
    if let Ok(name) = rustix::system::uname().nodename().to_str() {
        names.push(name.to_owned());
    }
    names.sort();
    names.dedup();
    let config = Config {
        state_dir: args.state,
        agent_listen: args.agent_listen,
        server_names: names,
        agent_program: args.agent_program.or_else(checks::agent_beside),
    };
    let server = Server::start(config)
        .await
        .map_err(|cause| here("server", cause, "Mend what is named, then start it again"))?;
    let api = Api::new(server.handle.clone())
        .map_err(|cause| here("server", cause, "This is a defect: report it"))?;
    let tls = server.certificate.https_config(&["h2", "http/1.1"]).map_err(|cause| {
        here("certificate", cause, "Remove the server's certificate below pki: it is made anew")
    })?;
    tracing::info!(address = %args.listen, "the server answers");
    hostler_api::serve(listener, tls, api, told_to_stop()).await;
    server.stop().await;
    Ok(())
}

/// Ready when somebody tells this process to stop.
async fn told_to_stop() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Lets the allocator give memory back to the system as soon as it is free. A sign-in takes 19 MiB for 20 ms; kept in the
/// allocator's arenas for whoever may need it next, that would be most of what a small server has. The price is some 20
/// mappings a MiB: at 3 GiB, thrice what 250,000 machines take, the system's usual limit of mappings is near.
fn give_memory_back() {
    /// `mi_option_disallow_arena_alloc` of `mimalloc.h`, which the crate does not name.
    const NO_ARENAS: libmimalloc_sys::mi_option_t = 26;
    #[expect(unsafe_code, reason = "an option of a C library")]
    // SAFETY: it stores a number that is read at each allocation; no other thread runs yet.
    unsafe {
        libmimalloc_sys::mi_option_set(NO_ARENAS, 1);
    }
}

fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOSTLER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
