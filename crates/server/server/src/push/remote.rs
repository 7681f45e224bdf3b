//! What is done on a computer, in fixed scripts: nothing that a person wrote stands in a command line there, all of it comes
//! line by line over standard input. And what their words, those of `ssh` and those of `sudo` mean.

use hostler_model::push::{SshSecrets, SshTarget};
use hostler_model::{Code, Refusal};

use super::keys::differs;
use super::ssh::{Said, quoted};

/// What each script begins with.
const BEGIN: &str = include_str!("begin.sh");
/// The unit of the agent, as the package has it.
const UNIT: &str = include_str!("../../../../../deploy/systemd/hostler-agent.service");
/// Where the package has the program, and where it is pushed to.
const PACKAGED: &str = "/usr/bin/hostler-agent";
const PUSHED: &str = "/usr/local/lib/hostler/hostler-agent";

/// A script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Check,
    Install,
    Enrol,
    Start,
    Remove,
}

impl Script {
    fn text(self) -> String {
        let own = match self {
            Script::Check => include_str!("check.sh"),
            Script::Install => include_str!("install.sh"),
            Script::Enrol => include_str!("enrol.sh"),
            Script::Start => include_str!("start.sh"),
            Script::Remove => include_str!("remove.sh"),
        };
        let unit = match self {
            Script::Install => {
                let unit = UNIT.replace(PACKAGED, PUSHED);
                format!(
                    "if [ \"$way\" = systemd ]; then\ncat >\"$unit\" <<'UNIT'\n{unit}UNIT\nsystemctl daemon-reload 9>&-\nfi\n"
                )
            }
            _ => String::new(),
        };
        format!("{BEGIN}{own}{unit}")
    }

    /// The command line that runs it as root, for the login shell there. `asks`: there is a password for `sudo`.
    pub(super) fn command(self, asks: bool) -> String {
        let script = quoted(&self.text());
        let asked = if asks {
            r#"exec sudo -k -S -p "" /bin/sh -c "$s" hostler "$c""#
        } else {
            r#"exec sudo -n /bin/sh -c "$s" hostler "$c""#
        };
        let outer = format!(
            r#"s={script}
c=${{SSH_CONNECTION:-}}
if [ "$(id -u)" = 0 ]; then exec /bin/sh -c "$s" hostler "$c"; fi
if sudo -n true 2>/dev/null; then exec sudo -n /bin/sh -c "$s" hostler "$c"; fi
{asked}
"#
        );
        format!("exec /bin/sh -c {}", quoted(&outer))
    }
}

/// What a script reads first: what `sudo` may ask for, and its parameters, a line each.
pub(super) fn head(secrets: &SshSecrets, parameters: &[&str]) -> String {
    let mut head = String::new();
    if let Some(password) = secrets.for_sudo() {
        head.push_str(password);
        head.push('\n');
    }
    head.push_str("hostler:begin\n");
    for parameter in parameters {
        // A line is a parameter: what would be two is none of ours.
        head.extend(parameter.chars().filter(|sign| !sign.is_control()));
        head.push('\n');
    }
    head
}

/// What a script said of itself under a word: the rest of the line.
pub(super) fn word<'a>(said: &'a Said, word: &str) -> Option<&'a str> {
    said.out.lines().find_map(|line| {
        let rest = line.strip_prefix("hostler:")?.strip_prefix(word)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
    })
}

pub(super) fn unreachable(object: &str, cause: &str) -> Refusal {
    Refusal::new(Code::SshUnreachable, object, cause)
        .remedy("See that the computer is on, that its SSH server listens on this port, and that the server may reach it")
}

/// Why a script did not do what it is for; nothing where it did.
pub(super) fn trouble(on: &SshTarget, secrets: &SshSecrets, said: &Said) -> Option<Refusal> {
    if said.status == Some(0) {
        return None;
    }
    let object = on.label();
    if let Some(fail) = word(said, "fail") {
        let (what, words) = fail.split_once(' ').unwrap_or((fail, ""));
        return Some(of_script(&object, what, words));
    }
    let err = said.err.trim();
    let last = err.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it ended without a word").trim();
    if said.status == Some(255) {
        return Some(of_ssh(on, secrets, err, last));
    }
    if word(said, "begun").is_some() {
        return Some(
            Refusal::new(Code::ComputerUnsuitable, object, last)
                .remedy("Look at that computer, then try again"),
        );
    }
    let no_sudo = err.contains("sudo: not found") || err.contains("sudo: command not found");
    let cause = match secrets.for_sudo() {
        _ if no_sudo => format!("{} is not root there, and sudo is not installed", on.user),
        Some(_) => format!("sudo does not let {} do all there, or its password is wrong: {last}", on.user),
        None => format!("sudo asks for a password there, or does not let {} do all: {last}", on.user),
    };
    Some(Refusal::new(Code::SudoRefused, object, cause)
        .remedy("Give the password that sudo asks for (--sudo-password-file), let that user do all by sudo, or sign in as root"))
}

fn of_script(object: &str, what: &str, words: &str) -> Refusal {
    let unsuitable =
        |cause: String, remedy: &str| Refusal::new(Code::ComputerUnsuitable, object, cause).remedy(remedy);
    match what {
        "unsuitable" => {
            let cause = format!("the agent finds there: {words}");
            unsuitable(cause, "Install libvirt-daemon-system and qemu-system-x86 (or what they are called there), start libvirtd, then try again")
        }
        "service" => unsuitable(words.into(), "See \"Without systemd\" in hosts-and-agents"),
        "tools" => unsuitable(words.into(), "Install it there, then try again"),
        "present" => Refusal::new(Code::AgentPresent, object, words)
            .remedy("Let it be, or let it leave there first: hostler-agent leave"),
        "enrol" | "start" => Refusal::new(Code::AgentNotConnecting, object, words)
            .remedy("See that the computer reaches this server's port for agents; name another address with --server-address"),
        "broken" => unreachable(object, words),
        "sudo" => Refusal::new(Code::SudoRefused, object, words).remedy("Sign in as root, or let sudo run commands as root"),
        _ => unsuitable(words.into(), "Look at that computer, then try again"),
    }
}

/// `ssh` itself has given up.
fn of_ssh(on: &SshTarget, secrets: &SshSecrets, err: &str, last: &str) -> Refusal {
    let object = on.label();
    let has = |words: &[&str]| words.iter().any(|word| err.contains(word));
    if has(&["Host key verification failed", "HOST IDENTIFICATION HAS CHANGED", "no matching host key type"])
    {
        return differs(&object, "it shows another host key than the one that was confirmed");
    }
    if has(&["invalid format", "error in libcrypto", "incorrect passphrase", "bad permissions"]) {
        return Refusal::new(
            Code::SshSignInFailed,
            object,
            format!("the private key cannot be used: {last}"),
        )
        .remedy("Give a private key as ssh-keygen makes it, without a passphrase");
    }
    if has(&["Permission denied", "Too many authentication failures", "No supported authentication methods"])
    {
        let (with, remedy) = match secrets.private_key {
            Some(_) => (
                "this key",
                "See that the public key stands in that user's authorized_keys there, and that the private key has no passphrase",
            ),
            None => (
                "this password",
                "See the user's name and password, and that its SSH server takes passwords (PasswordAuthentication)",
            ),
        };
        let cause = format!("it does not let {} in with {with}", on.user);
        return Refusal::new(Code::SshSignInFailed, object, cause).remedy(remedy);
    }
    unreachable(&object, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Stdio;

    use sha2::{Digest, Sha256};
    use uuid::Uuid;

    fn on() -> SshTarget {
        SshTarget {
            address: "192.0.2.7".into(),
            port: 22,
            user: "admin".into(),
            host_key: String::new(),
            secrets: Uuid::nil(),
        }
    }

    fn password() -> SshSecrets {
        SshSecrets { password: Some("tr0ub4dor".into()), ..SshSecrets::default() }
    }

    fn code(out: &str, err: &str, status: i32) -> Code {
        let said = Said { out: out.into(), err: err.into(), status: Some(status) };
        let refusal = trouble(&on(), &password(), &said).unwrap();
        assert!(
            refusal.object == "computer 192.0.2.7" && !refusal.cause.is_empty() && !refusal.remedy.is_empty()
        );
        assert!(!refusal.to_string().contains("tr0ub4dor"));
        refusal.code
    }

    #[test]
    fn each_way_in_which_ssh_sudo_or_a_script_fails_has_its_code_and_its_remedy() {
        let ssh = |err: &str| code("", err, 255);
        assert_eq!(ssh("ssh: connect to host 192.0.2.7 port 22: Connection refused"), Code::SshUnreachable);
        assert_eq!(
            ssh("ssh: Could not resolve hostname host-z: Name or service not known"),
            Code::SshUnreachable
        );
        assert_eq!(ssh("Timeout, server 192.0.2.7 not responding."), Code::SshUnreachable);
        assert_eq!(ssh(""), Code::SshUnreachable);
        assert_eq!(ssh("admin@192.0.2.7: Permission denied (publickey,password)."), Code::SshSignInFailed);
        assert_eq!(
            ssh("Load key \"key\": error in libcrypto\nadmin@x: Permission denied"),
            Code::SshSignInFailed
        );
        assert_eq!(ssh("Host key verification failed."), Code::SshHostKeyDiffers);
        assert_eq!(
            ssh("Unable to negotiate with 192.0.2.7 port 22: no matching host key type found."),
            Code::SshHostKeyDiffers
        );
        assert_eq!(code("", "Sorry, try again.\nsudo: 1 incorrect password attempt", 1), Code::SudoRefused);
        assert_eq!(code("", "admin is not in the sudoers file.", 1), Code::SudoRefused);
        assert_eq!(code("", "/bin/sh: 5: exec: sudo: not found", 127), Code::SudoRefused);
        assert_eq!(
            code("hostler:begun\n", "sh: 9: mkdir: Read-only file system", 1),
            Code::ComputerUnsuitable
        );
        let fails = [
            ("unsuitable libvirt does not answer", Code::ComputerUnsuitable),
            ("service neither systemd", Code::ComputerUnsuitable),
            ("tools flock", Code::ComputerUnsuitable),
            ("present x", Code::AgentPresent),
            ("enrol x", Code::AgentNotConnecting),
            ("broken x", Code::SshUnreachable),
            ("sudo x", Code::SudoRefused),
            ("something newer", Code::ComputerUnsuitable),
        ];
        for (fail, wanted) in fails {
            assert_eq!(code(&format!("hostler:begun\nhostler:fail {fail}\n"), "", 3), wanted, "{fail}");
        }
        assert_eq!(trouble(&on(), &password(), &Said { status: Some(0), ..Said::default() }), None);
    }

    #[test]
    fn a_script_holds_nothing_that_a_person_wrote_and_its_parameters_are_one_line_each() {
        for script in [Script::Check, Script::Install, Script::Enrol, Script::Start, Script::Remove] {
            let parsed =
                std::process::Command::new("sh").args(["-n", "-c", &script.text()]).output().unwrap();
            assert!(parsed.status.success(), "{script:?}: {}", String::from_utf8_lossy(&parsed.stderr));
            let command = script.command(true);
            let parsed = std::process::Command::new("sh").args(["-n", "-c", &command]).output().unwrap();
            assert!(parsed.status.success(), "{script:?}: {}", String::from_utf8_lossy(&parsed.stderr));
        }
        assert!(
            Script::Install.text().contains(&format!("ExecStart={PUSHED} run")),
            "the unit runs what is pushed"
        );
        assert_eq!(head(&password(), &["a\nb", "$(c)"]), "tr0ub4dor\nhostler:begin\nab\n$(c)\n");
        assert_eq!(head(&SshSecrets::default(), &[]), "hostler:begin\n");
    }

    /// Runs a script on a computer that is a folder: what it said, and how it ended.
    fn run_in(root: &Path, script: Script, parameters: &[&str], file: &str) -> Said {
        let mut text = script.text().replace("$(id -u)", "0").replace("'0 -rwx'", "*' -rwx'");
        let folders = [
            "/usr/local/lib/hostler",
            "/etc/hostler",
            "/etc/systemd",
            "/var/lib/hostler-agent",
            "/run/hostler-agent-push",
        ];
        for folder in folders {
            text = text.replace(folder, &format!("{}{folder}", root.display()));
        }
        let mut sh = std::process::Command::new("sh");
        sh.args(["-c", &text, "hostler", ""])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = sh.spawn().unwrap();
        let said = head(&SshSecrets::default(), parameters) + file;
        // Who has given up reads no more.
        let _ = child.stdin.take().unwrap().write_all(said.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { out: text(&output.stdout), err: text(&output.stderr), status: output.status.code() }
    }

    #[test]
    fn an_install_removes_what_was_seen_there_and_nothing_that_came_since() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (lib, state) = (root.join("usr/local/lib/hostler"), root.join("var/lib/hostler-agent"));
        let (pushed, identity) = (lib.join("pushed"), state.join("identity"));
        for folder in [&root.join("run"), &root.join("etc/hostler"), &lib, &identity] {
            fs::create_dir_all(folder).unwrap();
        }
        // A program that knows how to leave, and a service.
        let program = format!("#!/bin/sh\n[ \"$1\" != leave ] || rm -rf {}\n", identity.display());
        for (path, text) in [
            (root.join("etc/hostler/agent-service"), "#!/bin/sh\n"),
            (lib.join("hostler-agent"), program.as_str()),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let size = program.len().to_string();
        let sum: String = Sha256::digest(&program).iter().map(|byte| format!("{byte:02x}")).collect();
        let install = |seen: &str| run_in(root, Script::Install, &["we 2", &size, &sum, seen], &program);
        let check = || run_in(root, Script::Check, &[], "");
        let seen = check();
        assert_eq!(
            (word(&seen, "agent"), word(&seen, "pushed"), seen.status),
            (None, None, Some(0)),
            "{seen:?}"
        );

        // What another job has brought since then stays, enrolled or not.
        fs::write(&pushed, "we 1\n").unwrap();
        fs::write(identity.join("agent.json"), "{\n  \"agent\": \"0f-1\"\n}\n").unwrap();
        for seen in [" ", "we 1 ", "we 1 0f-0"] {
            let said = install(seen);
            assert!(word(&said, "fail").is_some_and(|fail| fail.starts_with("present ")), "{said:?}");
            assert_eq!(fs::read_to_string(&pushed).unwrap(), "we 1\n");
            assert!(identity.exists());
        }
        // What was seen and judged goes.
        let seen = check();
        assert_eq!((word(&seen, "agent"), word(&seen, "pushed")), (Some("0f-1"), Some("we 1")), "{seen:?}");
        let said = install("we 1 0f-1");
        assert_eq!(said.status, Some(0), "{said:?}");
        assert_eq!(fs::read_to_string(&pushed).unwrap(), "we 2\n");
        assert!(!identity.exists());
        // So does what the job itself has left, when it does it again.
        assert_eq!(install("we 1 0f-1").status, Some(0));
    }

    #[test]
    fn words_of_a_script_are_told_from_the_noise_of_a_login_shell() {
        let said =
            Said { out: "Welcome\nhostler:system Linux x86_64\nhostler:package\n".into(), ..Said::default() };
        assert_eq!(word(&said, "system"), Some("Linux x86_64"));
        assert_eq!(
            (word(&said, "package"), word(&said, "pack"), word(&said, "agent")),
            (Some(""), None, None)
        );
    }
}
