//! What can be done to test hosts: links cut and slowed, hosts frozen, killed and switched off; each does what it says,
//! to whom it says, and can be taken back.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use hostler_model::action::VmAction;
use hostler_model::status::{HostStatus, VmStatus};
use hostler_testbed::{Ground, Host, Site, Slow, wait_for};

use crate::sets::agree;

/// How long what follows may take on a busy computer.
const FOLLOWS: Duration = Duration::from_secs(60);
/// How long nothing is waited for that must not come.
const NEVER: Duration = Duration::from_secs(2);

/// How long a host takes to say that nobody listens there; none where nothing comes back.
fn round_trip(address: &str, limit: Duration) -> Option<Duration> {
    let at: SocketAddr = format!("{address}:9").parse().unwrap();
    let begun = Instant::now();
    match TcpStream::connect_timeout(&at, limit).unwrap_err().kind() {
        ErrorKind::ConnectionRefused => Some(begun.elapsed()),
        ErrorKind::TimedOut | ErrorKind::HostUnreachable => None,
        other => panic!("{address}: {other:?}"),
    }
}

/// Whether a host gets an answer from an address.
fn reaches(host: &Host, address: &str) -> bool {
    let script = format!("timeout {} bash -c 'exec 3<>/dev/tcp/{address}/9' 2>&1 || true", NEVER.as_secs());
    host.shell(&script).unwrap().contains("refused")
}

/// Two hosts without server or agents.
fn two(ground: &Ground) -> [Host; 2] {
    [Host::start(ground, "a", 3).unwrap(), Host::start(ground, "b", 4).unwrap()]
}

fn status_becomes(site: &Site, host: &str, status: HostStatus) {
    let what = format!("host {host} is {status:?}");
    let is =
        async |client: &hostler_client::Client| Ok((client.host(host).await?.status == status).then_some(()));
    site.until(&what, FOLLOWS, is).unwrap();
}

#[test]
#[ignore = "needs root and libvirt"]
fn three_hosts_share_one_folder_and_nothing_else_of_a_testbed() {
    let site = Site::with_hosts(3).unwrap();
    let shared = site.hosts[0].shared();
    site.hosts[0].shell(&format!("echo seen > {}/file", shared.display())).unwrap();
    let uuids: std::collections::BTreeSet<String> =
        site.hosts.iter().map(|host| host.virsh(&["capabilities"]).unwrap()).collect();
    assert_eq!(uuids.len(), 3, "each libvirt is a host of its own");
    for host in &site.hosts {
        assert_eq!(host.shell(&format!("cat {}/file", shared.display())).unwrap().trim(), "seen");
        host.shell(&format!("echo {} > {}/mine", host.name(), host.folder().display())).unwrap();
        assert_eq!(host.shell("hostname").unwrap().trim(), host.name());
        assert_eq!(
            host.shell("ls /sys/class/net").unwrap().split_whitespace().collect::<Vec<_>>(),
            ["eth0", "lo"]
        );
        assert_eq!(host.shell("ip route show default").unwrap(), "");
        for other in site.hosts.iter().filter(|other| other.name() != host.name()) {
            let sees = format!("ls -d {} 2>&1 || true", other.folder().display());
            assert!(
                host.shell(&sees).unwrap().contains("No such file"),
                "{} sees {}",
                host.name(),
                other.name()
            );
        }
    }
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_host_that_is_cut_is_silent_alone_and_is_back_when_it_is_healed() {
    let site = Site::with_hosts(2).unwrap();
    let agent = site.hosts[1].process("agent").unwrap();
    site.hosts[1].cut().unwrap();
    assert_eq!(round_trip(site.hosts[1].address(), NEVER), None);
    status_becomes(&site, "b", HostStatus::NotResponding);
    site.host_answers("a").unwrap();
    assert_eq!(site.hosts[1].process("agent"), Some(agent), "only the link is cut");
    site.hosts[1].heal().unwrap();
    site.host_answers("b").unwrap();
}

#[test]
#[ignore = "needs root and libvirt"]
fn two_that_are_cut_from_each_other_reach_everybody_else_also_after_a_power_cut() {
    let ground = Ground::claim().unwrap();
    let [a, mut b] = two(&ground);
    let c = Host::start(&ground, "c", 5).unwrap();
    assert!(reaches(&a, b.address()));
    a.cut_from(&b).unwrap();
    let only_those = |a: &Host, b: &Host| {
        assert!(!reaches(a, b.address()) && !reaches(b, a.address()));
        assert!(reaches(a, c.address()) && reaches(&c, b.address()));
    };
    only_those(&a, &b);
    b.power_off().unwrap();
    b.power_on().unwrap();
    only_those(&a, &b);
    b.heal_with(&a).unwrap();
    assert!(reaches(&a, b.address()) && reaches(&b, a.address()));
    c.cut_from(&a).unwrap();
    assert!(!reaches(&a, c.address()));
    a.heal().unwrap();
    assert!(reaches(&a, c.address()), "healing one end heals it with everybody");
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_slow_link_is_late_narrow_or_loses_all_and_is_fast_again() {
    let ground = Ground::claim().unwrap();
    let [a, b] = two(&ground);
    assert!(round_trip(a.address(), FOLLOWS).is_some());
    let known = a.shell(&format!("ip neigh show {}", ground.address())).unwrap();
    assert!(known.contains("lladdr 02:68:74:62:"), "it would have another address with each line: {known}");
    let slow = |slow: Slow| a.slow(slow).unwrap();
    slow(Slow { delay_ms: 100, ..Slow::default() });
    for _ in 0..3 {
        let took = round_trip(a.address(), FOLLOWS).unwrap();
        assert!(took >= Duration::from_millis(200), "{took:?} there and back");
    }
    // A megabyte at eight megabits a second takes a second.
    slow(Slow { rate_kbit_s: 8_000, ..Slow::default() });
    let narrow = sent(&ground, &a, 1 << 20);
    assert!(narrow >= Duration::from_millis(900), "{narrow:?} for a megabyte");
    slow(Slow { loss_percent: 100, ..Slow::default() });
    assert_eq!(round_trip(a.address(), NEVER), None);
    assert!(round_trip(b.address(), FOLLOWS).is_some(), "the other's link is its own");
    a.heal().unwrap();
    let quick = (0..20).filter_map(|_| round_trip(a.address(), FOLLOWS)).min().unwrap();
    assert!(quick < Duration::from_millis(100), "{quick:?} after it was healed");
    println!("a megabyte at 8 Mbit/s took {narrow:?}; a round trip on a whole link {quick:?}");
    // What a slow line can carry at most.
    slow(Slow { delay_ms: 1, ..Slow::default() });
    println!("64 MiB over a line that is only late took {:?}", sent(&ground, &a, 64 << 20));
}

/// How long it takes to send so many bytes to a host.
fn sent(ground: &Ground, host: &Host, bytes: usize) -> Duration {
    let listener = TcpListener::bind((ground.address(), 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let script = format!("cat < /dev/tcp/{}/{} | wc -c", at.ip(), at.port());
    let mut receiver = host.command(&["bash", "-c", &script]).unwrap();
    let mut receiver = receiver.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let begun = Instant::now();
    stream.write_all(&vec![7; bytes]).unwrap();
    drop(stream);
    let mut said = String::new();
    receiver.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    receiver.wait().unwrap();
    assert_eq!(said.trim(), bytes.to_string());
    begun.elapsed()
}

#[test]
#[ignore = "needs root and libvirt"]
fn nothing_runs_on_a_frozen_host_and_it_goes_on_where_it_was() {
    let mut site = Site::with_hosts(2).unwrap();
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    let on = site.vm("web").unwrap().host_name.unwrap();
    let other = if on == "a" { "b" } else { "a" };
    let host = site.host_named(&on);
    let (before, machine) = (host.processes(), host.qemus());
    assert_eq!(machine.len(), 1);
    host.freeze().unwrap();
    let used: Vec<_> = before.iter().map(|(process, _)| processor_time(process.pid)).collect();
    assert!(host.shell("true").unwrap_err().to_string().contains("frozen"));
    status_becomes(&site, &on, HostStatus::NotResponding);
    site.host_answers(other).unwrap();
    let still: Vec<_> = before.iter().map(|(process, _)| processor_time(process.pid)).collect();
    assert_eq!(still, used, "something ran on a frozen host");
    let host = site.host_named(&on);
    host.thaw().unwrap();
    assert_eq!(host.qemus(), machine);
    site.becomes("web", VmStatus::Running).unwrap();
    // The power of a frozen host can be cut as of any other.
    let host = site.host_named(&on);
    host.freeze().unwrap();
    host.power_off().unwrap();
    assert!(machine.iter().all(|process| !process.lives()));
    host.boot().unwrap();
    site.host_answers(&on).unwrap();
}

/// What all threads of a process have used, in ticks.
fn processor_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Some(fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

#[test]
#[ignore = "needs root and libvirt"]
fn machines_and_all_that_runs_on_a_host_can_be_killed_and_the_host_stays_on() {
    let mut site = Site::with_host().unwrap();
    site.create_empty("web").unwrap();
    site.doing("web", VmAction::Start).unwrap();
    let first = site.host().first();
    site.host().qemus_kill().unwrap();
    assert!(site.host().qemus().is_empty());
    site.becomes("web", VmStatus::Crashed).unwrap();
    site.doing("web", VmAction::Start).unwrap();
    site.host().all_kill().unwrap();
    assert_eq!(site.host().processes().len(), 1, "{:?}", site.host().processes());
    status_becomes(&site, "a", HostStatus::NotResponding);
    assert_eq!(site.host().first(), first);
    site.host().libvirtd_start().unwrap();
    site.host().agent_start().unwrap();
    site.host_answers("a").unwrap();
    agree(&site);
}

#[test]
#[ignore = "needs root and libvirt"]
fn what_is_done_to_one_testbed_is_not_noticed_in_another() {
    let mut one = Site::with_hosts(2).unwrap();
    let other = Site::with_hosts(2).unwrap();
    other.create_empty("web").unwrap();
    other.doing("web", VmAction::Start).unwrap();
    let sets = |site: &Site| -> Vec<_> {
        site.hosts
            .iter()
            .map(|host| (host.process("agent"), host.process("libvirtd"), host.qemus()))
            .collect()
    };
    let (before, since) = (sets(&other), connected(&other));
    // Both have hosts of the same names, and machines.
    one.create_empty("web").unwrap();
    one.hosts[0].freeze().unwrap();
    one.hosts[1].cut().unwrap();
    one.server.slow(Slow { delay_ms: 200, loss_percent: 20, rate_kbit_s: 1_000 }).unwrap();
    std::thread::sleep(NEVER);
    one.hosts[0].power_off().unwrap();
    one.server.kill_it().unwrap();
    assert_eq!(sets(&other), before);
    assert_eq!(connected(&other), since, "an agent of the other testbed had to connect again");
    drop(one);
    assert_eq!(sets(&other), before);
    agree(&other);
    assert_eq!(connected(&other), since);
}

/// How often agents have come to a server, as its log says.
fn connected(site: &Site) -> usize {
    site.server.log_of("hostler").matches("connected").count()
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_killed_testbed_is_cleared_at_once_also_of_what_was_frozen_and_slowed() {
    let mut owner = std::process::Command::new(hostler_testbed::program("hostler-testbed").unwrap())
        .args(["run", "--", "sleep", "1000"])
        .spawn()
        .unwrap();
    let folder = wait_for(FOLLOWS, "its testbed is there", || ground_of(owner.id())).unwrap();
    let host = wait_for(FOLLOWS, "its host is there", || Host::at(&folder.join("host-a")).ok()).unwrap();
    wait_for(FOLLOWS, "its host runs", || host.shell("pgrep sleep").ok()).unwrap();
    host.slow(Slow { delay_ms: 10, ..Slow::default() }).unwrap();
    let line = host.process("line").unwrap();
    let all = host.processes();
    assert!(all.len() > 1);
    host.freeze().unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_for(FOLLOWS, "its folder is gone", || (!folder.exists()).then_some(())).unwrap();
    assert!(!line.lives() && all.iter().all(|(process, _)| !process.lives()));
    let number = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let links = std::fs::read_to_string("/proc/self/net/dev").unwrap();
    assert!(
        !links.contains(&format!("htb{number}:")) && !links.contains(&format!("htb{number}s")),
        "{links}"
    );
}

/// The folder of the testbed that a process owns.
fn ground_of(pid: u32) -> Option<std::path::PathBuf> {
    let all = std::fs::read_dir("/var/tmp/hostler-testbed").ok()?.flatten();
    all.map(|entry| entry.path()).find(|folder| {
        let owner = std::fs::read_to_string(folder.join("owner.json")).unwrap_or_default();
        owner.contains(&format!("\"pid\":{pid},"))
    })
}

#[test]
#[ignore = "needs root, and to be run by `hostler-testbed apart -- cargo nextest run --run-ignored only`"]
fn stories_reach_no_address_that_is_none_of_theirs() {
    let remedy = "run stories by `hostler-testbed apart -- cargo nextest run ...`, as cargo xtask test does";
    let ground = Ground::claim().unwrap();
    let host = Host::start(&ground, "a", 3).unwrap();
    let script = "ip route show default; timeout 20 bash -c 'exec 3<>/dev/tcp/192.0.2.1/80' 2>&1 || true";
    let said = host.shell(script).unwrap();
    assert!(said.contains("unreachable") && !said.contains("default"), "{said}");
    let begun = Instant::now();
    let at: SocketAddr = "192.0.2.1:80".parse().unwrap();
    let why = TcpStream::connect_timeout(&at, Duration::from_secs(20)).map(drop).unwrap_err();
    assert_eq!(why.kind(), ErrorKind::NetworkUnreachable, "{remedy}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let routes = std::fs::read_to_string("/proc/self/net/route").unwrap();
    let default = routes.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some("00000000"));
    assert!(!default, "{remedy}: {routes}");
}
