//! A real server on a computer of the testbed, and a client that is signed in to it.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hostler_client::{Authority, Client, Config, ListQuery};
use hostler_model::body::SignIn;

use crate::commands::program;
use crate::computer::{Computer, Manner};
use crate::ground::Ground;
use crate::process::wait_for;
use crate::trouble::{Result, Trouble};

/// How long a server may take to answer: five times what it took on a busy computer.
pub(crate) const ANSWERS: Duration = Duration::from_secs(20);

/// What the server's process is known by on its computer.
pub(crate) const PROCESS: &str = "hostler";

/// What its computer is called.
pub(crate) const NAME: &str = "server";

/// A server. Dropped, its power is cut.
#[derive(Debug)]
pub struct Server {
    computer: Computer,
    /// The agent program that it is to install on others, where that is not the one beside it.
    agent_program: Option<PathBuf>,
}

impl Server {
    /// Makes the server's computer and starts the server on it.
    ///
    /// # Errors
    /// A program is missing or fails.
    pub fn start(ground: &Ground, n: u8) -> Result<Self> {
        Self::make(ground, n, Manner::default())
    }

    /// The same; one that stays outlives the program that made it.
    pub(crate) fn make(ground: &Ground, n: u8, manner: Manner) -> Result<Self> {
        let mut computer = Computer::make(ground, NAME, n, manner)?;
        computer.power_on()?;
        let mut server = Self { computer, agent_program: None };
        server.launch_new()?;
        Ok(server)
    }

    /// Starts it where it has no state yet.
    pub(crate) fn launch_new(&mut self) -> Result<()> {
        self.launch_it()?;
        wait_for(ANSWERS, "the server has made its administrator", || {
            let password = fs::read_to_string(self.password_file()).ok();
            let made = password.is_some_and(|text| text.ends_with('\n'));
            (made || self.process(PROCESS).is_none()).then_some(())
        })?;
        if self.process(PROCESS).is_none() {
            let said = self.log_of(PROCESS);
            return Err(Trouble::Program { line: "hostler server run".into(), said });
        }
        Ok(())
    }

    /// Takes hold of the server that another program made on this ground.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn on(ground: &Ground) -> Result<Self> {
        Computer::at(&ground.folder().join(NAME)).map(|computer| Self { computer, agent_program: None })
    }

    /// Starts it again after [`Server::kill_it`], or once its computer was switched on.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn launch_it(&mut self) -> Result<()> {
        let (hostler, state) = (program("hostler")?, self.state());
        let (rest, agents) = (format!("{}:8470", self.address()), self.agent_address());
        let (hostler, state) = (hostler.to_string_lossy(), state.to_string_lossy());
        let mut words =
            vec![&*hostler, "server", "run", "--state", &state, "--listen", &rest, "--agent-listen", &agents];
        let program = self.agent_program.as_ref().map(|program| program.to_string_lossy().into_owned());
        if let Some(program) = &program {
            words.extend(["--agent-program", program]);
        }
        self.launch(PROCESS, &words)
    }

    /// Lets it install another agent program than the one beside it, from its next start on.
    pub fn set_agent_program(&mut self, program: PathBuf) {
        self.agent_program = Some(program);
    }

    /// Kills it with `SIGKILL`.
    ///
    /// # Errors
    /// It does not go.
    pub fn kill_it(&mut self) -> Result<()> {
        self.kill(PROCESS)
    }

    /// Where agents connect.
    pub fn agent_address(&self) -> String {
        format!("{}:8471", self.address())
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// A client, signed in as the first administrator.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn sign_in(&self) -> Result<Client> {
        let client = self.client()?;
        Ok(client.with_token(&self.token().await?)?)
    }

    /// A token of the first administrator.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn token(&self) -> Result<String> {
        let client = self.client()?;
        answers(&client).await?;
        let path = self.password_file();
        let password = fs::read_to_string(&path).map_err(Trouble::file(&path))?.trim().to_owned();
        let body = SignIn { user: "administrator".into(), password, cookie: false };
        Ok(client.sign_in(&body).await?.token.unwrap_or_default())
    }

    /// A token of the first administrator that was kept from the time before, while it is good, or else a new one: many
    /// who sign in at once would be held for one who guesses.
    ///
    /// # Errors
    /// The server does not answer, or the token cannot be kept.
    pub(crate) async fn kept_token(&self) -> Result<String> {
        let path = self.folder().join("token");
        if let Ok(kept) = fs::read_to_string(&path) {
            let one = ListQuery { limit: Some(1), ..ListQuery::default() };
            if self.client()?.with_token(&kept)?.hosts(&one).await.is_ok() {
                return Ok(kept);
            }
        }
        let token = self.token().await?;
        fs::write(&path, &token).map_err(Trouble::file(&path))?;
        Ok(token)
    }

    fn client(&self) -> Result<Client> {
        let read = |path: PathBuf| fs::read_to_string(&path).map_err(Trouble::file(&path));
        let authority = Authority::from_pem(&read(self.state().join("pki/authority.crt"))?)?;
        let server = format!("https://{}:8470", self.address());
        Ok(Client::new(Config { server, authority, token: None })?)
    }

    /// The file with the first administrator's first password.
    pub fn password_file(&self) -> PathBuf {
        self.state().join("initial-password")
    }
}

/// Waits until the server answers.
///
/// # Errors
/// It does not.
pub async fn answers(client: &Client) -> Result<()> {
    let begun = Instant::now();
    while let Err(why) = client.health().await {
        if begun.elapsed() > ANSWERS {
            return Err(why.into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

impl Deref for Server {
    type Target = Computer;
    fn deref(&self) -> &Computer {
        &self.computer
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Computer {
        &mut self.computer
    }
}
