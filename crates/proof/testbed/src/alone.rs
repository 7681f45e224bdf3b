//! A server of its own on this computer's loopback, for a simulated fleet: no namespace, no root, free ports. It dies
//! with the process that started it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hostler_client::{Authority, Client, Config, How};
use hostler_model::access::Role;
use hostler_model::body::{NewUser, SignIn};
use rustix::process::Signal;
use serde::Serialize;

use crate::commands::program;
use crate::process::{Process, wait_for};
use crate::server::{ANSWERS, answers};
use crate::site::taken;
use crate::trouble::{Result, Trouble};

/// A server of this process.
#[derive(Debug)]
pub struct Alone {
    child: Child,
    /// Where it is, for those who want to use it too.
    pub about: About,
}

/// Where a server is and how to get in.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Its address for users.
    pub server: String,
    /// Its address for agents.
    pub agents: String,
    /// The file with its authority's certificate.
    pub authority: PathBuf,
    /// A token of the first administrator.
    pub token: String,
    /// A token of a user who may only read.
    pub reader_token: String,
    /// The file with the first administrator's password.
    pub password_file: PathBuf,
    /// The folder with all of its state.
    pub state: PathBuf,
    /// Its process.
    pub pid: u32,
}

impl Alone {
    /// Starts it with its state in this folder, which it makes.
    ///
    /// # Errors
    /// It is not built, or does not come up.
    pub async fn start(state: &Path) -> Result<Self> {
        let (rest, agents) = (free_address()?, free_address()?);
        fs::create_dir_all(state).map_err(Trouble::file(state))?;
        let state = state.canonicalize().map_err(Trouble::file(state))?;
        let child = launch(&state, &rest, &agents)?;
        let about = About {
            server: format!("https://{rest}"),
            agents,
            authority: state.join("pki/authority.crt"),
            token: String::new(),
            reader_token: String::new(),
            password_file: state.join("initial-password"),
            pid: child.id(),
            state,
        };
        let mut alone = Self { child, about };
        wait_for(ANSWERS, "the server has made its administrator", || {
            let password = fs::read_to_string(&alone.about.password_file).ok();
            let ended = alone.child.try_wait().ok().flatten().is_some();
            (ended || password.is_some_and(|text| text.ends_with('\n'))).then_some(())
        })?;
        alone.about.token = alone.sign_in().await?;
        alone.about.reader_token = alone.reader().await?;
        Ok(alone)
    }

    /// Ends the server in order and starts it anew, with the same state at the same addresses.
    ///
    /// # Errors
    /// It does not end, or does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        let process = i32::try_from(self.about.pid).ok().and_then(Process::of);
        if let Some(process) = process {
            process.signal(Signal::TERM);
        }
        self.child.wait().map_err(Trouble::file("hostler"))?;
        let rest = self.about.server.trim_start_matches("https://");
        self.child = launch(&self.about.state, rest, &self.about.agents)?;
        self.about.pid = self.child.id();
        answers(&self.client()?).await
    }

    /// Makes a user who may only read, and signs in as that.
    async fn reader(&self) -> Result<String> {
        let (client, password) = (self.client()?, uuid::Uuid::new_v4().to_string());
        let name = hostler_model::Name::new("reader").map_err(|why| Trouble::Client(why.into()))?;
        let user = NewUser { name, role: Role::ReadOnly, password: password.clone() };
        let job = taken(client.create_user(&user, &How::default()).await?)?.job;
        client.wait_for_job(job, |_| ()).await?;
        let body = SignIn { user: "reader".into(), password, cookie: false };
        Ok(client.sign_in(&body).await?.token.unwrap_or_default())
    }

    async fn sign_in(&mut self) -> Result<String> {
        if self.child.try_wait().ok().flatten().is_some() {
            let said = fs::read_to_string(self.about.state.join("server.log")).unwrap_or_default();
            return Err(Trouble::Program { line: "hostler server run".into(), said });
        }
        let client = self.client()?;
        answers(&client).await?;
        let file = &self.about.password_file;
        let password = fs::read_to_string(file).map_err(Trouble::file(file))?.trim().to_owned();
        let body = SignIn { user: "administrator".into(), password, cookie: false };
        Ok(client.sign_in(&body).await?.token.unwrap_or_default())
    }

    /// A client, signed in as the first administrator.
    ///
    /// # Errors
    /// The authority's file cannot be read.
    pub fn client(&self) -> Result<Client> {
        let file = &self.about.authority;
        let authority = Authority::from_pem(&fs::read_to_string(file).map_err(Trouble::file(file))?)?;
        let token = Some(self.about.token.clone()).filter(|token| !token.is_empty());
        Ok(Client::new(Config { server: self.about.server.clone(), authority, token })?)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server, whose log grows with each start.
fn launch(state: &Path, rest: &str, agents: &str) -> Result<Child> {
    let log = state.join("server.log");
    let log = fs::File::options().create(true).append(true).open(&log).map_err(Trouble::file(&log))?;
    let again = log.try_clone().map_err(Trouble::file(state))?;
    // The kernel ends it with us, however we end.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program("hostler")?).args(["server", "run", "--state"]);
    command.arg(state).args(["--listen", rest, "--agent-listen", agents]);
    command.stdin(Stdio::null()).stdout(log).stderr(again).spawn().map_err(Trouble::file("setpriv"))
}

/// An address on which nobody listens at this moment.
fn free_address() -> Result<String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(bound.map_err(Trouble::file("127.0.0.1:0"))?.to_string())
}
