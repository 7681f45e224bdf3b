//! `hostler up`: a server and an agent on this computer. Everything that can be in the way is looked for first; then
//! each thing is made that is not there yet, so that running it again is quick and harmless.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hostler_client::{Authority, Changed, Client, ClientError, Config, How, ListQuery};
use hostler_model::agent::Roles;
use hostler_model::body::{NewEnrolment, NewShare, SignIn};
use hostler_model::{AgentId, Name};

use super::addresses::{Addresses, tell_agent};
use super::caller::{leave_context, make_token};
use super::layout::Layout;
use super::{UpArgs, checks, here, process};
use crate::cli::failure::Failure;

/// How long the server may take until it answers.
const SERVER_WITHIN: Duration = Duration::from_secs(20);
/// How long the agent may take until its host answers: it probes hardware virtualization first, and libvirt's first
/// start probes QEMU.
const AGENT_WITHIN: Duration = Duration::from_secs(60);
/// The first library share.
const SHARE: &str = "library";

/// Says how long each phase took.
struct Phases {
    shown: bool,
    began: Instant,
}

impl Phases {
    fn done(&mut self, what: &str) {
        if self.shown {
            println!("{:>7.2} s  {what}", self.began.elapsed().as_secs_f64());
        }
        self.began = Instant::now();
    }
}

pub fn up(args: &UpArgs) -> Result<(), Failure> {
    let mut phases = Phases { shown: args.times, began: Instant::now() };
    let layout = Layout::new(args.state.as_deref())
        .map_err(|cause| here("state folder", cause, "Name it by its full path"))?;
    checks::is_root()?;
    let kept = Addresses::kept(&layout.addresses())?;
    let addresses = Addresses::meant(args.listen, args.agent_listen, kept)?;
    let agent = checks::agent_program()?;
    let server_runs = process::running(&layout.server_pid()).is_some();
    match kept {
        Some(kept) if server_runs && kept != addresses => return Err(runs_elsewhere(args, kept)),
        _ if server_runs => {}
        _ => {
            checks::port_is_free(addresses.listen, "--listen")?;
            checks::port_is_free(addresses.agent_listen, "--agent-listen")?;
        }
    }
    for folder in [&layout.server, &layout.agent, &layout.library] {
        checks::folder_is_usable(folder)?;
    }
    checks::qemu_may_search(&layout.agent)?;
    checks::qemu_may_search(&layout.library)?;
    let libvirtd = if checks::libvirt_answers() { None } else { Some(checks::libvirtd_program()?) };
    phases.done("checks");

    make_folder(&layout.server, 0o700)?;
    make_folder(&layout.library, 0o755)?;
    if let Some(program) = libvirtd {
        checks::start_libvirtd(&program, &layout)?;
        phases.done("libvirtd");
    }
    if !server_runs {
        addresses.keep(&layout.addresses())?;
    }
    if kept.is_some_and(|kept| kept.agent_listen != addresses.agent_listen) {
        agents_move(&addresses, &layout)?;
    }
    if !server_runs {
        start_server(&addresses, &layout)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| here("hostler", cause, "Look at the computer's limits"))?;
    let client = runtime.block_on(server_answers(&addresses, &layout))?;
    // A server that ran already, of which nothing was kept, is where it was looked for.
    addresses.keep(&layout.addresses())?;
    phases.done("server");
    let client = runtime.block_on(sign_in(client, &layout))?;
    // The server is up without it, too.
    if let Err(failure) = runtime.block_on(leave_context(&client, &addresses, &layout)) {
        for line in failure.lines() {
            eprintln!("warning: no context was written: {}", line.trim_start_matches("error: "));
        }
    }
    runtime.block_on(enrol(&client, &addresses, &layout, &agent))?;
    if process::running(&layout.agent_pid()).is_none() {
        let state = layout.agent.as_os_str();
        let arguments = ["run".as_ref(), "--state".as_ref(), state];
        process::start(&agent, &arguments, &layout.agent.join("agent.log"), &layout.agent_pid())
            .map_err(|cause| here("hostler-agent", cause, "Run it by hand and look at what it says"))?;
    }
    let id = runtime.block_on(host_answers(&client, &layout))?;
    phases.done("agent");
    runtime.block_on(library(&client, id, &layout))?;
    phases.done("library");
    say_where(&addresses, &layout);
    Ok(())
}

/// A server that runs does not move.
fn runs_elsewhere(args: &UpArgs, kept: Addresses) -> Failure {
    let state =
        args.state.as_deref().map(|state| format!(" --state {}", state.display())).unwrap_or_default();
    here(
        "server",
        format!("it runs already, and listens on {} and, for agents, on {}", kept.listen, kept.agent_listen),
        &format!(
            "Leave --listen and --agent-listen out, or stop it first (hostler down{state}) and run this again"
        ),
    )
}

/// This computer's agent is told where agents connect from now on; it begins anew to hear it.
fn agents_move(addresses: &Addresses, layout: &Layout) -> Result<(), Failure> {
    if identity(layout).exists() {
        if let Some(agent) = process::running(&layout.agent_pid()) {
            agent
                .stop(Duration::from_secs(20))
                .map_err(|cause| here("hostler-agent", cause, "Stop it by hand, then run this again"))?;
        }
        tell_agent(&layout.agent.join("agent.toml"), &addresses.dial())?;
        println!(
            "Agents connect to {} from now on. On other computers, say so in agent.toml: server = \"…\".",
            addresses.agent_listen
        );
    }
    Ok(())
}

/// The agent's identity, once it is enrolled.
fn identity(layout: &Layout) -> PathBuf {
    layout.agent.join("identity/agent.json")
}

/// Makes a folder, and those above it so that QEMU's account may pass through.
fn make_folder(folder: &Path, mode: u32) -> Result<(), Failure> {
    let above =
        folder.parent().map_or(Ok(()), |above| DirBuilder::new().recursive(true).mode(0o755).create(above));
    above
        .and_then(|()| DirBuilder::new().recursive(true).mode(mode).create(folder))
        .map_err(|cause| here(folder.display(), cause, "Choose another with --state"))
}

fn start_server(addresses: &Addresses, layout: &Layout) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| {
        here("server", cause, "Run \"hostler server run\" by hand and look at what it says")
    };
    let exe = std::env::current_exe().map_err(failed)?;
    let (listen, agents) = (addresses.listen.to_string(), addresses.agent_listen.to_string());
    let arguments: [&std::ffi::OsStr; 8] = [
        "server".as_ref(),
        "run".as_ref(),
        "--state".as_ref(),
        layout.server.as_os_str(),
        "--listen".as_ref(),
        listen.as_ref(),
        "--agent-listen".as_ref(),
        agents.as_ref(),
    ];
    process::start(&exe, &arguments, &layout.server.join("server.log"), &layout.server_pid())
        .map_err(failed)?;
    Ok(())
}

/// Waits until the server answers, with a client that trusts its authority.
async fn server_answers(addresses: &Addresses, layout: &Layout) -> Result<Client, Failure> {
    let until = Instant::now() + SERVER_WITHIN;
    loop {
        if let Ok(pem) = fs::read_to_string(layout.authority()) {
            let authority = Authority::from_pem(&pem)?;
            let client = Client::new(Config { server: addresses.url(), authority, token: None })?;
            match client.health().await {
                Ok(_) => return Ok(client),
                Err(error) if Instant::now() > until => return Err(error.into()),
                Err(_) => {}
            }
        }
        if Instant::now() > until || process::running(&layout.server_pid()).is_none() {
            let said = last_words(&layout.server.join("server.log"));
            return Err(here("server", said, "Mend what it says, then run \"hostler up\" again"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The end of a log.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(4).collect();
    let said = lines.into_iter().rev().collect::<Vec<_>>().join("\n  ");
    format!("it does not answer; its log {} ends with:\n  {said}", log.display())
}

/// Speaks as the administrator: by the token kept from the first time, else by the initial password, which is then
/// turned into such a token.
async fn sign_in(client: Client, layout: &Layout) -> Result<Client, Failure> {
    if let Ok(token) = fs::read_to_string(layout.token()) {
        let known = client.with_token(token.trim())?;
        match known.me().await {
            Ok(_) => return Ok(known),
            Err(ClientError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let password = fs::read_to_string(layout.initial_password()).map_err(|_| {
        here(
            layout.token().display(),
            "its token is gone or revoked, and the initial password was changed",
            "Put the token of an administrator there (hostler token create up), for root alone to read",
        )
    })?;
    let body =
        SignIn { user: "administrator".to_owned(), password: password.trim().to_owned(), cookie: false };
    let signed = client.sign_in(&body).await?;
    let session = client.with_token(signed.token.as_deref().unwrap_or_default())?;
    let token = make_token(&session, "up").await?;
    write_secret(&layout.token(), &token)
        .map_err(|cause| here(layout.token().display(), cause, "Look at the rights of the folder"))?;
    let _ = session.sign_out().await;
    Ok(client.with_token(&token)?)
}

fn write_secret(file: &Path, text: &str) -> std::io::Result<()> {
    let _ = fs::remove_file(file);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(text.as_bytes())
}

/// Makes this computer known to the server, the way every computer is.
async fn enrol(client: &Client, addresses: &Addresses, layout: &Layout, agent: &Path) -> Result<(), Failure> {
    if identity(layout).exists() {
        return Ok(());
    }
    let body = NewEnrolment {
        roles: Roles { host: true, library: true },
        host_name: None,
        group: None,
        valid_s: Some(300),
    };
    let made = match client.create_enrolment(&body, &How::default()).await? {
        Changed::Taken(made) => made,
        Changed::Planned(_) => {
            return Err(here("token", "it was only planned", "This is a defect: report it"));
        }
    };
    let failed =
        |cause: String| here("hostler-agent", cause, "Mend what it says, then run \"hostler up\" again");
    let dial = addresses.dial();
    let mut child = Command::new(agent)
        .args(["enrol", "--server", &dial, "--token-file", "-", "--state"])
        .arg(&layout.agent)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| failed(cause.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(made.token.as_bytes()).map_err(|cause| failed(cause.to_string()))?;
    }
    let ended = child.wait_with_output().map_err(|cause| failed(cause.to_string()))?;
    if !ended.status.success() {
        return Err(failed(String::from_utf8_lossy(&ended.stderr).trim().to_owned()));
    }
    Ok(())
}

/// Waits until this computer's host answers, and says which it is.
async fn host_answers(client: &Client, layout: &Layout) -> Result<AgentId, Failure> {
    let id = own_id(layout)?;
    let until = Instant::now() + AGENT_WITHIN;
    loop {
        match client.agent(&id.to_string()).await {
            Ok(view) if view.answers => return Ok(id),
            Err(error) if !matches!(error, ClientError::Unreachable { .. }) => return Err(error.into()),
            _ => {}
        }
        if Instant::now() > until || process::running(&layout.agent_pid()).is_none() {
            let said = last_words(&layout.agent.join("agent.log"));
            return Err(here("hostler-agent", said, "Mend what it says, then run \"hostler up\" again"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// This computer's id, from the agent's identity.
fn own_id(layout: &Layout) -> Result<AgentId, Failure> {
    let file = identity(layout);
    let read = || -> Option<AgentId> {
        let about: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).ok()?).ok()?;
        about.get("agent")?.as_str()?.parse().ok()
    };
    read().ok_or_else(|| {
        here(file.display(), "it cannot be read", "Enrol the agent anew: hostler-agent enrol --again")
    })
}

/// The first library share: a folder on this computer.
async fn library(client: &Client, agent: AgentId, layout: &Layout) -> Result<(), Failure> {
    let known = client.shares(&ListQuery::default()).await?;
    let folder = layout.library.display().to_string();
    if known.items.iter().any(|view| view.share.agent == agent && view.share.folder == folder) {
        return Ok(());
    }
    let name = if known.items.iter().any(|view| view.share.name.as_str() == SHARE) {
        "local library"
    } else {
        SHARE
    };
    let body =
        NewShare { name: Name::new(name).map_err(ClientError::Refused)?, agent: agent.to_string(), folder };
    if let Changed::Taken(taken) = client.add_share(&body, &How::default()).await? {
        let job = client.wait_for_job(taken.job, |_| {}).await?;
        if !job.job.state.is_success() {
            return Err(Failure::Job(Box::new(job)));
        }
    }
    Ok(())
}

fn say_where(addresses: &Addresses, layout: &Layout) {
    println!("Hostler is up: {}", addresses.url());
    println!(
        "Open that in a browser. It does not know this server's authority yet: compare the fingerprint below, or"
    );
    println!("let it trust {}.", layout.authority().display());
    if layout.initial_password().exists() {
        println!("Sign in as administrator; the password is in {}", layout.initial_password().display());
    }
    println!("Authority's fingerprint: {}", fingerprint(layout));
    println!("Library share: {}", layout.library.display());
    if addresses.listen.ip().is_loopback() {
        let port = addresses.listen.port();
        println!("Only this computer reaches it; --listen 0.0.0.0:{port} opens it to others.");
    }
}

fn fingerprint(layout: &Layout) -> String {
    let pem = fs::read_to_string(layout.authority()).unwrap_or_default();
    Authority::from_pem(&pem).map(|authority| authority.fingerprint()).unwrap_or_default()
}
