//! `hostler up`: a server and an agent on this computer. Everything that can be in the way is looked for first; then
//! each thing is made that is not there yet, so that running it again is quick and harmless.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hostler_client::{Authority, Changed, Client, ClientError, Config, How, ListQuery};
use hostler_model::agent::Roles;
use hostler_model::body::{NewEnrolment, NewShare, NewToken, SignIn};
use hostler_model::{AgentId, Name};

use super::layout::Layout;
use super::{UpArgs, checks, here, process};
use crate::cli::failure::Failure;
use crate::contexts::{self, Context, Owner};

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
    let agent = checks::agent_program()?;
    let server_runs = process::running(&layout.server_pid()).is_some();
    if !server_runs {
        checks::port_is_free(args.listen, "--listen")?;
        checks::port_is_free(args.agent_listen, "--agent-listen")?;
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
        start_server(args, &layout)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| here("hostler", cause, "Look at the computer's limits"))?;
    let client = runtime.block_on(server_answers(args, &layout))?;
    let kept = layout.server.join("address");
    fs::write(&kept, address(args))
        .map_err(|cause| here(kept.display(), cause, "Look at the rights of the folder"))?;
    phases.done("server");
    let client = runtime.block_on(sign_in(client, args, &layout))?;
    runtime.block_on(enrol(&client, args, &layout, &agent))?;
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
    say_where(args, &layout);
    Ok(())
}

/// Makes a folder, and those above it so that QEMU's account may pass through.
fn make_folder(folder: &Path, mode: u32) -> Result<(), Failure> {
    let above =
        folder.parent().map_or(Ok(()), |above| DirBuilder::new().recursive(true).mode(0o755).create(above));
    above
        .and_then(|()| DirBuilder::new().recursive(true).mode(mode).create(folder))
        .map_err(|cause| here(folder.display(), cause, "Choose another with --state"))
}

fn address(args: &UpArgs) -> String {
    let ip = match args.listen.ip() {
        ip if ip.is_unspecified() => std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    format!("https://{}", std::net::SocketAddr::new(ip, args.listen.port()))
}

fn start_server(args: &UpArgs, layout: &Layout) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| {
        here("server", cause, "Run \"hostler server run\" by hand and look at what it says")
    };
    let exe = std::env::current_exe().map_err(failed)?;
    let (listen, agents) = (args.listen.to_string(), args.agent_listen.to_string());
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
async fn server_answers(args: &UpArgs, layout: &Layout) -> Result<Client, Failure> {
    let until = Instant::now() + SERVER_WITHIN;
    loop {
        if let Ok(pem) = fs::read_to_string(layout.authority()) {
            let authority = Authority::from_pem(&pem)?;
            let client = Client::new(Config { server: address(args), authority, token: None })?;
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
/// turned into such a token and into a context for whoever called.
async fn sign_in(client: Client, args: &UpArgs, layout: &Layout) -> Result<Client, Failure> {
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
    leave_context(&session, args, layout).await?;
    let _ = session.sign_out().await;
    Ok(client.with_token(&token)?)
}

async fn make_token(client: &Client, name: &str) -> Result<String, Failure> {
    let body = NewToken { name: Name::new(name).map_err(ClientError::Refused)?, expires: None };
    match client.create_token(&body, &How::default()).await? {
        Changed::Taken(made) => Ok(made.token),
        Changed::Planned(_) => Err(here("token", "it was only planned", "This is a defect: report it")),
    }
}

fn write_secret(file: &Path, text: &str) -> std::io::Result<()> {
    let _ = fs::remove_file(file);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(text.as_bytes())
}

/// A context for the user who called, so that `hostler vm list` works for them at once.
async fn leave_context(client: &Client, args: &UpArgs, layout: &Layout) -> Result<(), Failure> {
    let Some((home, owner)) = caller() else { return Ok(()) };
    let authority = fs::read_to_string(layout.authority())
        .map_err(|cause| here(layout.authority().display(), cause, "Run \"hostler up\" again"))?;
    let token = make_token(client, "command line").await?;
    let context = Context {
        server: address(args),
        user: Some("administrator".to_owned()),
        token: Some(token),
        expires: None,
        authority,
    };
    contexts::write_for(&home, owner, "local", context)?;
    Ok(())
}

/// Whose home the context goes to: who called sudo, else who this is.
fn caller() -> Option<(std::path::PathBuf, Option<Owner>)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    if let (Some(uid), Some(gid)) = (number("SUDO_UID"), number("SUDO_GID")) {
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        let home = passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.get(2)?.parse::<u32>().ok()? == uid)
                .then(|| fields.get(5).map(|home| (*home).to_owned()))?
        })?;
        return Some((home.into(), Some(Owner { uid, gid })));
    }
    Some((std::env::var_os("HOME")?.into(), None))
}

/// Makes this computer known to the server, the way every computer is.
async fn enrol(client: &Client, args: &UpArgs, layout: &Layout, agent: &Path) -> Result<(), Failure> {
    if layout.agent.join("identity/agent.json").exists() {
        return Ok(());
    }
    let body =
        NewEnrolment { roles: Roles { host: true, library: true }, host_name: None, valid_s: Some(300) };
    let made = match client.create_enrolment(&body, &How::default()).await? {
        Changed::Taken(made) => made,
        Changed::Planned(_) => {
            return Err(here("token", "it was only planned", "This is a defect: report it"));
        }
    };
    let failed =
        |cause: String| here("hostler-agent", cause, "Mend what it says, then run \"hostler up\" again");
    let dial = match args.agent_listen.ip() {
        ip if ip.is_unspecified() => format!("127.0.0.1:{}", args.agent_listen.port()),
        _ => args.agent_listen.to_string(),
    };
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
    let file = layout.agent.join("identity/agent.json");
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

fn say_where(args: &UpArgs, layout: &Layout) {
    println!("Hostler is up: {}", address(args));
    if layout.initial_password().exists() {
        println!("Sign in as administrator; the password is in {}", layout.initial_password().display());
    }
    println!("Authority's fingerprint: {}", fingerprint(layout));
    println!("Library share: {}", layout.library.display());
    if args.listen.ip().is_loopback() {
        println!("Only this computer reaches it; --listen 0.0.0.0:8470 opens it to others.");
    }
}

fn fingerprint(layout: &Layout) -> String {
    let pem = fs::read_to_string(layout.authority()).unwrap_or_default();
    Authority::from_pem(&pem).map(|authority| authority.fingerprint()).unwrap_or_default()
}
