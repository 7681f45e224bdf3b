//! Computers are added by SSH: a real sshd and a real sudo on a test host that has `/etc`, users and programs of its own.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use hostler_client::{How, ListQuery};
use hostler_model::action::VmAction;
use hostler_model::agent::Roles;
use hostler_model::job::{Job, JobState};
use hostler_model::push::{AskHostKeys, NewHost, SshSecrets};
use hostler_model::{Code, JobId};
use hostler_testbed::{Computer, Host, Site, Slow, taken, wait_for};

/// How long what follows may take on a busy computer.
const FOLLOWS: Duration = Duration::from_secs(120);
/// Passwords that a shell, an option parser or a file of settings would mistake for something else.
const PASSWORD: &str = "-l$(reboot) 'a\"b\\";
const SUDO_PASSWORD: &str = "hostler:begin `x`";

/// The computer's own `/etc`, programs and users: none of it is ever the outer computer's.
const OWN: &str = "
    cp -a /etc /run/etc
    mount --bind /run/etc /etc
    mount -t tmpfs -o mode=755 tmpfs /usr/local/lib
    rm -f /etc/ssh/ssh_host_* /etc/sudoers.d/*
    mkdir -p /run/sshd /run/home/pusher/.ssh /etc/hostler
    useradd --no-log-init --no-create-home --home-dir /run/home/pusher --shell /bin/sh pusher
    ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
    ssh-keygen -q -t ed25519 -N '' -f \"$1/key\"
    cp \"$1/key.pub\" /run/home/pusher/.ssh/authorized_keys
    chown -R pusher: /run/home/pusher
    chmod 700 /run/home/pusher/.ssh
    cat > /etc/hostler/agent-service <<'SERVICE'
#!/bin/sh
# Starts and stops the agent where there is no systemd.
pid=/run/hostler-agent.pid
case \"$1\" in
    start)
        if [ -e $pid ] && kill -0 \"$(cat $pid)\" 2>/dev/null; then exit 0; fi
        setsid /usr/local/lib/hostler/hostler-agent run </dev/null >>/run/hostler-agent.log 2>&1 &
        echo $! > $pid
        ;;
    stop)
        [ -e $pid ] || exit 0
        kill \"$(cat $pid)\" 2>/dev/null
        while kill -0 \"$(cat $pid)\" 2>/dev/null; do sleep 0.1; done
        rm $pid
        ;;
esac
SERVICE
    chmod 755 /etc/hostler/agent-service
";

/// A server, and a computer `b` on which nothing of Hostler's is, with an SSH server.
fn site() -> Site {
    let mut site = Site::new().unwrap();
    site.add_bare("b").unwrap();
    let host = site.host();
    let folder = host.folder().display().to_string();
    host.inside(&["sh", "-ec", OWN, "sh", &folder]).unwrap();
    sshd(host);
    site
}

fn sshd(host: &mut Host) {
    host.launch(
        "sshd",
        &["/usr/sbin/sshd", "-D", "-e", "-o", "UsePAM=no", "-o", "PasswordAuthentication=yes"],
    )
    .unwrap();
    wait_for(FOLLOWS, "sshd listens", || host.shell("ss -Hltn 'sport = 22' | grep -q .").ok()).unwrap();
}

/// The second to ask for the lock, which is what installs, comes late to it, as on a computer that is busy: it waits until
/// the story lets it go on, and at most five minutes.
const LATE: &str = r#"
    mount -t tmpfs -o mode=755 tmpfs /usr/local/sbin
    cat > /usr/local/sbin/flock <<'FLOCK'
#!/bin/sh
echo >> /run/asked
if [ "$(wc -l < /run/asked)" = 2 ]; then
    touch /run/waits
    for n in $(seq 600); do
        if [ -e /run/go ]; then break; fi
        sleep 0.5
    done
    touch /run/waited
fi
exec /usr/bin/flock "$@"
FLOCK
    chmod 755 /usr/local/sbin/flock
"#;

/// Lets the user sign in with this password, and do by sudo what this line says.
fn lets(host: &Computer, password: &str, sudoers: &str) {
    let script = "printf 'pusher:%s\\n' \"$1\" | chpasswd; printf '%s\\n' \"$2\" > /etc/sudoers.d/pusher";
    host.inside(&["sh", "-ec", script, "sh", password, sudoers]).unwrap();
}

fn key_file(site: &Site) -> PathBuf {
    site.hosts[0].folder().join("key")
}

fn host_key(site: &Site) -> String {
    let asked = AskHostKeys { address: site.hosts[0].address().into(), port: 22 };
    let keys = site.run(site.client().host_keys(&asked)).unwrap();
    let own = site.hosts[0].shell("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").unwrap();
    assert!(own.contains(&keys[0].fingerprint) && keys.len() == 1, "{own} {keys:?}");
    keys[0].fingerprint.clone()
}

fn with_key(site: &Site) -> NewHost {
    NewHost {
        address: site.hosts[0].address().into(),
        port: 22,
        user: "pusher".into(),
        host_key: host_key(site),
        secrets: SshSecrets {
            private_key: Some(fs::read_to_string(key_file(site)).unwrap()),
            ..SshSecrets::default()
        },
        roles: Roles { host: true, library: true },
        name: None,
        group: None,
        server: None,
    }
}

fn asked(site: &Site, body: &NewHost) -> JobId {
    taken(site.run(site.client().add_host(body, &How::default())).unwrap()).unwrap().job
}

fn added(site: &Site, body: &NewHost) -> Job {
    let job = asked(site, body);
    site.ended(job).unwrap().job
}

/// The job has failed for this reason, and nothing of it is anywhere.
fn fails(site: &Site, body: &NewHost, code: Code) -> Job {
    let job = added(site, body);
    let error = job.error.clone().expect("it has failed");
    assert_eq!((job.state, error.code), (JobState::FailedUndone, code), "{error} {:?}", job.steps);
    assert!(!error.remedy.is_empty() && error.object.contains(&body.address), "{error}");
    nothing_is_left(site);
    job
}

fn nothing_is_left(site: &Site) {
    let all = ListQuery::default();
    assert!(site.run(site.client().agents(&all)).unwrap().items.is_empty());
    assert!(site.run(site.client().hosts(&all)).unwrap().items.is_empty());
    assert!(site.run(site.client().enrolments(&all)).unwrap().items.is_empty());
    let there = "ls -A /usr/local/lib; ls -A /var/lib/hostler-agent 2>/dev/null || true; pgrep -x hostler-agent || true";
    assert_eq!(site.hosts[0].shell(there).unwrap(), "", "on the computer");
    let given = fs::read_dir(site.server.state().join("ssh")).map(|all| all.count()).unwrap_or_default();
    assert_eq!(given, 0, "on the server");
}

/// What was proved is nowhere on the server: in no record, log or job.
fn is_not_kept(site: &Site, secret: &str) {
    for file in ["store.db", "store.db-wal"] {
        let bytes = fs::read(site.server.state().join(file)).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{file}");
    }
    assert!(!site.server.log_of("hostler").contains(secret), "the log");
}

#[test]
#[ignore = "needs root, libvirt, sshd and sudo"]
fn a_computer_is_added_with_a_key_by_the_command_line_runs_machines_and_is_added_again_after_its_removal() {
    let site = site();
    lets(&site.hosts[0], "unknown", "pusher ALL=(ALL) NOPASSWD: ALL");
    let address = site.hosts[0].address().to_owned();
    let key = key_file(&site).display().to_string();
    let shown = site.command_line(&["host", "keys", &address, "-o", "json"], "").unwrap();
    let host_key = host_key(&site);
    assert!(shown.contains(&host_key), "{shown}");
    let words = ["host", "add", &address, "--user", "pusher", "--key-file", &key];
    let refused = site.command_line(&words, "").unwrap_err().to_string();
    assert!(refused.contains(&host_key) && refused.contains("--host-key"), "{refused}");
    nothing_is_left(&site);

    let words = [&words[..], &["--host-key", &host_key, "--library"]].concat();
    let said = site.command_line(&words, "").unwrap();
    site.host_answers("b").unwrap();
    let agent = site.run(site.client().agent("b")).unwrap();
    assert!(agent.answers && agent.up_to_date == Some(true), "{agent:?} {said}");
    assert!(agent.agent.roles.host && agent.agent.roles.library);
    is_not_kept(&site, fs::read_to_string(key_file(&site)).unwrap().lines().nth(1).unwrap());
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();

    // It is there: nothing is done to it a second time.
    let job = added(&site, &with_key(&site));
    let error = job.error.unwrap();
    assert_eq!((job.state, error.code), (JobState::FailedUndone, Code::AgentPresent), "{error}");
    site.host_answers("b").unwrap();

    site.doing("web", VmAction::TurnOff).unwrap();
    site.change(site.client().remove_agent("b", true, false, &How::default())).unwrap();
    wait_for(FOLLOWS, "the agent has left", || {
        site.hosts[0].shell("test ! -e /var/lib/hostler-agent/identity && ! pgrep -x hostler-agent").ok()
    })
    .unwrap();
    let job = added(&site, &with_key(&site));
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    site.host_answers("b").unwrap();
    site.vm("web").unwrap();
}

#[test]
#[ignore = "needs root, libvirt, sshd and sudo"]
fn a_computer_is_added_with_a_password_and_that_of_sudo_and_wrong_ones_leave_nothing() {
    let site = site();
    // Sudo asks for root's, which is another one.
    lets(&site.hosts[0], PASSWORD, "Defaults rootpw\npusher ALL=(ALL) ALL");
    let root = "printf 'root:%s\\n' \"$1\" | chpasswd";
    site.hosts[0].inside(&["sh", "-ec", root, "sh", SUDO_PASSWORD]).unwrap();
    let some = |text: &str| Some(text.to_owned());
    let secrets =
        SshSecrets { password: some(PASSWORD), sudo_password: some(SUDO_PASSWORD), ..SshSecrets::default() };
    let right = NewHost { secrets, ..with_key(&site) };
    let with = |change: &dyn Fn(&mut SshSecrets)| {
        let mut body = right.clone();
        change(&mut body.secrets);
        body
    };
    fails(&site, &with(&|secrets| secrets.password = some("wrong")), Code::SshSignInFailed);
    fails(&site, &with(&|secrets| secrets.sudo_password = some("wrong")), Code::SudoRefused);
    fails(&site, &with(&|secrets| secrets.sudo_password = None), Code::SudoRefused);
    let mut key = with_key(&site);
    fails(&site, &key, Code::SudoRefused);
    key.secrets.private_key =
        some("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
    fails(&site, &key, Code::SshSignInFailed);

    let job = added(&site, &right);
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    site.host_answers("b").unwrap();
    let view = site.run(site.client().job(job.id)).unwrap();
    let text = serde_json::to_string(&view).unwrap();
    for secret in [PASSWORD, SUDO_PASSWORD, "hst1_"] {
        is_not_kept(&site, secret);
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
#[ignore = "needs root, libvirt, sshd and sudo"]
fn a_computer_with_another_key_is_told_nothing_and_one_that_does_not_fit_keeps_nothing() {
    let mut site = site();
    lets(&site.hosts[0], "unknown", "pusher ALL=(ALL) NOPASSWD: ALL");
    let before = with_key(&site);
    // Somebody else answers there.
    let host = site.host();
    host.shell("rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key")
        .unwrap();
    host.kill("sshd").unwrap();
    sshd(host);
    fails(&site, &before, Code::SshHostKeyDiffers);
    let said = site.hosts[0].log_of("sshd");
    assert!(!said.contains("Accepted"), "nobody signed in: {said}");
    let good = with_key(&site);
    assert_ne!(good.host_key, before.host_key);

    let nobody = NewHost { port: 2222, ..good.clone() };
    fails(&site, &nobody, Code::SshUnreachable);
    let elsewhere = NewHost { server: Some(format!("{}:9", site.server.address())), ..good.clone() };
    fails(&site, &elsewhere, Code::AgentNotConnecting);
    site.hosts[0].shell("chmod 777 /etc/hostler/agent-service").unwrap();
    fails(&site, &good, Code::ComputerUnsuitable);
    site.hosts[0].shell("chmod 755 /etc/hostler/agent-service").unwrap();
    site.host().libvirtd_kill().unwrap();
    let job = fails(&site, &good, Code::ComputerUnsuitable);
    assert!(job.error.unwrap().cause.contains("libvirt"), "it says what is missing");
    site.host().libvirtd_start().unwrap();

    let job = added(&site, &good);
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
}

#[test]
#[ignore = "needs root, libvirt, sshd and sudo"]
fn a_job_that_is_cancelled_or_whose_server_dies_leaves_a_computer_that_can_be_added() {
    let mut site = site();
    lets(&site.hosts[0], "unknown", "pusher ALL=(ALL) NOPASSWD: ALL");
    // It looks around for as long as it takes to strike.
    let slow = site.server.folder().join("slow-agent");
    fs::write(&slow, "#!/bin/sh\n# hostler-agent-version=9.9.9\n[ \"$1\" != check ] || exec sleep 8\n")
        .unwrap();
    let right = hostler_testbed::program("hostler-agent").unwrap();
    site.server.set_agent_program(slow);
    site.restart_server().unwrap();
    let body = with_key(&site);
    let arrived = |site: &Site| {
        let there = || site.hosts[0].shell("pgrep -x sleep").ok();
        wait_for(FOLLOWS, "the program looks around", there).unwrap();
    };

    let job = asked(&site, &body);
    arrived(&site);
    site.run(site.client().cancel_job(job, &How::default())).unwrap();
    let ended = site.ended(job).unwrap().job;
    assert_eq!(ended.state, JobState::Cancelled, "{:?}", ended.error);
    nothing_is_left(&site);

    let job = asked(&site, &body);
    arrived(&site);
    site.server.kill_it().unwrap();
    site.server.set_agent_program(right);
    site.restart_server_after_kill().unwrap();
    let ended = site.ended(job).unwrap().job;
    let error = ended.error.expect("it has failed");
    assert_eq!((ended.state, error.code), (JobState::FailedUndone, Code::SecretGone), "{error}");
    assert!(ended.notes.iter().any(|note| note.starts_with("stays: on computer")), "{:?}", ended.notes);
    let given = fs::read_dir(site.server.state().join("ssh")).map(|all| all.count()).unwrap_or_default();
    assert_eq!(given, 0, "the server has removed what ssh was given in its life before");

    // Over a line that takes its time, one sees how far the program is, and need not wait for it.
    site.hosts[0].slow(Slow { delay_ms: 0, rate_kbit_s: 40_000, loss_percent: 0 }).unwrap();
    let job = asked(&site, &body);
    let seen = site.until("the program is on its way", FOLLOWS, async |client| {
        let view = client.job(job).await?;
        assert!(view.job.is_open(), "it has ended: {:?}", view.job);
        let install = view.progress.into_iter().find(|step| step.key == "install" && step.done > 0);
        Ok(install.map(|step| (step.done, step.of)))
    });
    let (done, of) = seen.unwrap();
    assert!(done < of, "{done} of {of}");
    // By then what the job before has left there is gone; one that is cancelled sooner leaves that as it found it.
    let arrives = || site.hosts[0].shell("test -s /usr/local/lib/hostler/hostler-agent.part").ok();
    wait_for(FOLLOWS, "the program arrives", arrives).unwrap();
    site.run(site.client().cancel_job(job, &How::default())).unwrap();
    site.hosts[0].heal().unwrap();
    let ended = site.ended(job).unwrap().job;
    assert_eq!(ended.state, JobState::Cancelled, "{:?}", ended.error);
    nothing_is_left(&site);

    let job = added(&site, &body);
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    site.host_answers("b").unwrap();
}

#[test]
#[ignore = "needs root, libvirt, sshd and sudo"]
fn what_goes_on_on_a_computer_after_its_job_was_undone_does_nothing() {
    let site = site();
    lets(&site.hosts[0], "unknown", "pusher ALL=(ALL) NOPASSWD: ALL");
    site.hosts[0].inside(&["sh", "-ec", LATE]).unwrap();

    let job = asked(&site, &with_key(&site));
    wait_for(FOLLOWS, "it has begun", || site.hosts[0].shell("test -e /run/waits").ok()).unwrap();
    site.run(site.client().cancel_job(job, &How::default())).unwrap();
    let ended = site.ended(job).unwrap().job;
    assert_eq!(ended.state, JobState::Cancelled, "{:?}", ended.error);
    site.hosts[0].shell("test ! -e /run/waited").expect("the job was undone before it goes on");
    site.hosts[0].shell("touch /run/go").unwrap();
    let over = "test -e /run/waited && ! pgrep -x sudo";
    wait_for(FOLLOWS, "it has gone on, and ended", || site.hosts[0].shell(over).ok()).unwrap();
    nothing_is_left(&site);
}
