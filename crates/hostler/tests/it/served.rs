//! The program itself against a real server in this process: REST, TLS, store and engine as they are shipped.

use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use hostler_server::{Config, Server};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A server with its first administrator, and a home for whoever works with it.
pub struct Served {
    folder: tempfile::TempDir,
    address: SocketAddr,
    password: String,
    fingerprint: String,
    _stop: tokio::sync::oneshot::Sender<()>,
    _server: Server,
    _runtime: Runtime,
}

impl Served {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let config = Config {
            state_dir: folder.path().join("state"),
            agent_listen: "127.0.0.1:0".parse().unwrap(),
            // Not the address that is dialled: it is the authority that is trusted, not a name.
            server_names: vec!["manager.test".into()],
            agent_program: None,
        };
        let (server, address, stop) = runtime.block_on(async {
            let server = Server::start(config).await.unwrap();
            let api = hostler_api::Api::new(server.handle.clone()).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let tls = server.certificate.https_config(&["h2", "http/1.1"]).unwrap();
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            tokio::spawn(hostler_api::serve(listener, tls, api, async {
                let _ = stopped.await;
            }));
            (server, address, stop)
        });
        let password =
            std::fs::read_to_string(server.initial_password.as_ref().unwrap()).unwrap().trim().to_owned();
        std::fs::write(folder.path().join("ca.pem"), server.authority.certificate_pem()).unwrap();
        let fingerprint = server.authority.fingerprint().to_string();
        Self { folder, address, password, fingerprint, _stop: stop, _server: server, _runtime: runtime }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Runs the program in a home, with something on its standard input.
    pub fn run_in(&self, home: &str, arguments: &[&str], input: &str) -> Ran {
        run(&self.path(home), arguments, input, &[])
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_in("home", arguments, "")
    }

    pub fn sign_in(&self) {
        let (url, ca) = (self.url(), self.path("ca.pem"));
        let arguments =
            ["login", &url, "--ca", ca.to_str().unwrap(), "--user", "administrator", "--password-file", "-"];
        self.run_in("home", &arguments, &self.password).code(0);
    }
}

/// What became of a command.
pub struct Ran {
    line: String,
    output: Output,
}

impl Ran {
    /// Asserts the code.
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.output.status.code(), Some(code), "{}\n{}{}", self.line, self.out(), self.err());
        self
    }

    pub fn out(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    pub fn err(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out())
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", self.line, self.out()))
    }
}

pub fn run(home: &Path, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hostler"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ran { line: arguments.join(" "), output: child.wait_with_output().unwrap() }
}

#[test]
fn one_signs_in_works_and_signs_out() {
    let served = Served::start();
    served.run(&["vm", "list"]).code(5);
    served.sign_in();
    let file = served.path("home/.config/hostler/contexts.toml");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(served.run(&["user", "show", "-o", "json"]).code(0).json()["name"], "administrator");
    let listed = served.run(&["context", "list"]).code(0).out();
    assert!(listed.contains("*") && listed.contains(&served.url()), "{listed}");
    assert!(
        !served.run(&["context", "show", "-o", "json"]).code(0).out().contains("hsa1_"),
        "the token is not shown"
    );
    assert_eq!(
        served.run(&["vm", "list"]).code(0).out(),
        "NAME  STATUS  HOST  CPUS  MEMORY  DISK  CREATED  ID\n"
    );
    assert_eq!(served.run(&["vm", "list", "-o", "json"]).code(0).json(), serde_json::json!([]));
    served.run(&["logout"]).code(0);
    let refused = served.run(&["vm", "list"]).code(5).err();
    assert!(refused.contains("remedy: Sign in with `hostler login"), "{refused}");
}

#[test]
fn a_server_that_is_not_known_is_trusted_by_its_fingerprint_alone() {
    let served = Served::start();
    let url = served.url();
    let sign_in = |fingerprint: &[&str]| {
        let arguments =
            [&["login", &url, "--user", "administrator", "--password-file", "-"], fingerprint].concat();
        served.run_in("home", &arguments, &served.password)
    };
    let unknown = sign_in(&[]).code(2).err();
    assert!(unknown.contains(&served.fingerprint), "{unknown}");
    let other = "00".repeat(32);
    assert!(sign_in(&["--fingerprint", &other]).code(6).err().contains("another fingerprint"));
    sign_in(&["--fingerprint", &served.fingerprint.to_uppercase()]).code(0);
    // From now on it is that authority or nobody, without being said again.
    sign_in(&[]).code(0);
    served.run(&["server", "show"]).code(0);
    let other = Served::start();
    let imposter = served.path("home");
    let ca = other.path("ca.pem");
    let refused = run(&imposter, &["server", "show", "--ca", ca.to_str().unwrap()], "", &[]).code(6).err();
    assert!(refused.contains("not of the authority that is trusted"), "{refused}");
}

#[test]
fn users_and_their_rights_are_kept() {
    let served = Served::start();
    served.sign_in();
    let made = served.run_in(
        "home",
        &["user", "create", "bob", "--role", "read-only", "--password-file", "-"],
        "correct horse",
    );
    let said = made.code(0).out();
    assert!(said.contains("Create user bob: completed in "), "{said}");
    let (url, ca) = (served.url(), served.path("ca.pem"));
    let as_bob = |password: &str| {
        let arguments =
            ["login", &url, "--ca", ca.to_str().unwrap(), "--user", "bob", "--password-file", "-"];
        served.run_in("bob", &arguments, password)
    };
    as_bob("wrong horse").code(5);
    as_bob("correct horse").code(0);
    let refused = served.run_in("bob", &["user", "list"], "").code(5).err();
    assert!(refused.contains("code: access.forbidden"), "{refused}");
    served.run_in("bob", &["server", "set", "starts_per_host=8"], "").code(5);
    served.run_in("bob", &["vm", "list"], "").code(0);
    // A name that is taken, or that breaks a rule.
    let again = ["user", "create", "BOB", "--role", "read-only", "--password-file", "-"];
    let taken = served.run_in("home", &again, "correct horse").code(3).err();
    assert!(taken.starts_with("error: ") && taken.contains("\ncode: name.taken"), "{taken}");
    let wrong = ["user", "create", "a/b", "--role", "read-only", "--password-file", "-"];
    served.run_in("home", &wrong, "correct horse").code(2);
    // The revision that was seen is gone with the first change to it.
    let revision = served.run(&["user", "show", "bob", "-o", "json"]).code(0).json()["revision"].to_string();
    served.run(&["user", "edit", "bob", "--disable", "--if-match", &revision]).code(0);
    let stale = served.run(&["user", "edit", "bob", "--enable", "--if-match", &revision]).code(3).err();
    assert!(stale.contains("code: revision.stale"), "{stale}");
    let edit =
        served.run(&["job", "list", "--kind", "edit-user", "-o", "json"]).code(0).json()[0]["id"].to_string();
    let changes = served.run(&["job", "changes", &edit]).code(0).out();
    assert!(changes.contains("user bob  disabled"), "{changes}");
    served.run_in("bob", &["vm", "list"], "").code(5);
    assert!(served.run(&["user", "list"]).code(0).out().contains("Disabled"));
    let said = served.run(&["user", "delete", "bob", "nobody"]).code(4);
    assert!(
        said.out().contains("Delete user bob: completed") && said.err().contains("code: object.not.found")
    );
    // What was done is shown by names and fits on a screen; a dry run does nothing.
    for line in [
        &["user", "create", "eve", "--role", "read-only", "--password-file", "-", "--dry-run"][..],
        &["agent", "enrolment-token", "--host", "--dry-run"],
        &["token", "create", "x", "--dry-run"],
    ] {
        let plan = served.run_in("home", line, "correct horse").code(0).out();
        assert!(plan.ends_with("Nothing was done.\n"), "{plan}");
    }
    served.run(&["user", "show", "eve"]).code(4);
    let edits = served.run(&["job", "list", "--kind", "set-settings", "-o", "json"]).code(0).json();
    assert_eq!(edits, serde_json::json!([]));
    // What was done stands in the jobs, with the line that does it again.
    let jobs = served.run(&["job", "list", "--kind", "delete-user", "-o", "json"]).code(0).json();
    assert_eq!(jobs[0]["command"], "hostler user delete bob");
    let job = jobs[0]["id"].to_string();
    assert!(served.run(&["job", "show", &job]).code(0).out().contains("Same again:"));
    served.run(&["job", "changes", &job]).code(0);
    served.run(&["job", "wait", &job]).code(0);
    served.run(&["job", "cancel", &job]).code(3);
    served.run(&["job", "show", "999999"]).code(4);
}

#[test]
fn a_token_is_shown_once_is_good_for_scripts_and_can_be_revoked() {
    let served = Served::start();
    served.sign_in();
    let made = served.run(&["token", "create", "ci", "--expires", "1d"]).code(0);
    let token = made.out();
    assert!(token.starts_with("hsa1_") && token.lines().count() == 1, "{token}");
    let (url, ca) = (served.url(), served.path("ca.pem"));
    let script = |token: &str| {
        let environment = [
            ("HOSTLER_SERVER", url.as_str()),
            ("HOSTLER_CA", ca.to_str().unwrap()),
            ("HOSTLER_TOKEN", token.trim()),
        ];
        run(&served.path("nowhere"), &["user", "show", "-o", "yaml"], "", &environment)
    };
    assert!(script(&token).code(0).out().contains("name: administrator\n"));
    assert!(
        served.run(&["token", "list"]).code(0).out().contains("in 24 h")
            || served.run(&["token", "list"]).out().contains("in 23 h")
    );
    served.run(&["token", "revoke", "ci"]).code(0);
    script(&token).code(5);
    script("hsa1_nonsense").code(5);
    let file = served.path("token");
    served.run(&["agent", "enrolment-token", "--host", "--file", file.to_str().unwrap()]).code(0);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("hst1_"));
    served.run(&["agent", "enrolment-token", "--host", "--file", file.to_str().unwrap()]).code(1);
}

#[test]
fn settings_are_changed_one_by_one_and_a_dry_run_changes_none() {
    let served = Served::start();
    served.sign_in();
    let value = || served.run(&["server", "settings", "-o", "json"]).code(0).json();
    let before = value();
    let plan = served.run(&["server", "set", "starts_per_host=8", "--dry-run"]).code(0).out();
    assert!(plan.starts_with("Change settings") && plan.ends_with("Nothing was done.\n"), "{plan}");
    assert_eq!(value(), before);
    served.run(&["server", "set", "starts_per_host=8", "history_days=30"]).code(0);
    assert_eq!((&value()["starts_per_host"], &value()["history_days"]), (&8.into(), &30.into()));
    let jobs = served.run(&["job", "list", "--kind", "set-settings", "-o", "json"]).code(0).json();
    assert_eq!(jobs[0]["command"], "hostler server set --defaults history_days=30 starts_per_host=8");
    served.run(&["server", "set", "--defaults"]).code(0);
    assert_eq!(value(), before);
    served.run(&["server", "set", "starts_per_host=1000"]).code(2);
    assert!(served.run(&["server", "settings"]).code(0).out().contains("starts_per_host"));
    let backup = served.path("backup.db");
    served.run(&["server", "backup", backup.to_str().unwrap()]).code(0);
    assert!(backup.metadata().unwrap().len() > 0);
    served.run(&["server", "backup", backup.to_str().unwrap()]).code(2);
}

#[test]
fn what_does_not_exist_is_not_found_and_nothing_is_deleted_unasked() {
    let served = Served::start();
    served.sign_in();
    for line in [
        &["vm", "start", "no-such"][..],
        &["vm", "show", "no-such"],
        &["vm", "show", ".."],
        &["vm", "start", "."],
        &["user", "delete", ""],
        &["host", "show", "a b/c?d#e%2f"],
        &["template", "delete", "no-such"],
        &["vm", "create", "x", "--template", "no-such"],
        &["library-share", "add", "x", "--agent", "no-such", "--folder", "/srv"],
        &["vm", "delete", "no-such", "--yes"],
    ] {
        let ran = served.run(line).code(4);
        assert!(ran.err().contains("code: object.not.found"), "{}", ran.err());
    }
    let unasked = served.run(&["vm", "delete", "no-such"]).code(2).err();
    assert!(unasked.contains("--yes"), "{unasked}");
    let nowhere = served.run(&["vm", "create", "x", "--empty", "--disk-size", "1GiB"]).code(3).err();
    assert!(nowhere.contains("code: placement.no.host"), "{nowhere}");
    served.run(&["host", "rate", "--empty", "--disk-size", "1GiB"]).code(0);
    served.run(&["vm", "list", "--filter", "nonsense=1"]).code(2);
    for noun in ["host", "library-share", "library-item", "template", "agent"] {
        served.run(&[noun, "list"]).code(0);
    }
}

#[test]
fn a_server_that_does_not_answer_is_told_apart_from_all_else() {
    let served = Served::start();
    served.sign_in();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ca = served.path("ca.pem");
    let url = format!("https://{gone}");
    let environment = [("HOSTLER_TOKEN", "hsa1_x")];
    let arguments = ["vm", "list", "--server", &url, "--ca", ca.to_str().unwrap()];
    let refused = run(&served.path("nowhere"), &arguments, "", &environment).code(6).err();
    assert!(refused.to_lowercase().contains("connection refused"), "{refused}");
    // A token is never sent to a server that it is not for.
    served.run(&["vm", "list", "--server", &url]).code(5);
    served.run(&["vm", "list", "--context", "no-such"]).code(4);
    served.run(&["vm", "list", "--server", "http://127.0.0.1:1", "--ca", ca.to_str().unwrap()]).code(5);
}

/// A `hostler watch` that has begun to, and what it says beside the changes.
fn watch(served: &Served, arguments: &[&str]) -> (Child, BufReader<ChildStderr>) {
    let mut watching = Command::new(env!("CARGO_BIN_EXE_hostler"))
        .arg("watch")
        .args(arguments)
        .env_clear()
        .env("HOME", served.path("home"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(watching.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, "watching\n");
    (watching, said)
}

#[test]
fn a_watcher_is_told_once_that_the_connection_is_lost_and_in_plain_words() {
    let served = Served::start();
    served.sign_in();
    let (mut watching, mut said) = watch(&served, &[]);
    let Served { folder: _kept, _stop, _server, _runtime, .. } = served;
    _runtime.shutdown_background();
    drop((_stop, _server));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert!(line.starts_with("the connection is lost") && !line.contains("docs.rs"), "{line}");
    // Several tries in vain fit into this.
    std::thread::sleep(Duration::from_secs(4));
    watching.kill().unwrap();
    watching.wait().unwrap();
    let mut more = String::new();
    std::io::Read::read_to_string(&mut said, &mut more).unwrap();
    assert_eq!(more, "");
}

#[test]
fn changes_can_be_watched_as_they_happen() {
    let served = Served::start();
    served.sign_in();
    let (mut watching, _said) = watch(&served, &["installation", "-o", "json"]);
    served.run(&["server", "set", "starts_per_host=9"]).code(0);
    let mut told = BufReader::new(watching.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut told, &mut line).unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["body"]["settings"]["starts_per_host"], 9);
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn a_job_that_ends_at_once_is_not_waited_for() {
    let served = Served::start();
    served.sign_in();
    let began = std::time::Instant::now();
    for count in 0..10 {
        served.run(&["server", "set", &format!("starts_per_host={}", 2 + count)]).code(0);
    }
    // Each is some 10 ms; each would be five seconds at the pace of looking for progress.
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}
