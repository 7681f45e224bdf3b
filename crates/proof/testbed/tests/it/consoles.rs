//! The consoles of a machine: typed into, watched, lost with the agent and had again, taken away with the right.

use std::time::{Duration, Instant};

use hostler_client::{Client, Console, ConsoleClosed, How};
use hostler_model::action::VmAction;
use hostler_model::console::{ConsoleEnd, ConsoleKind, NewConsoleTicket};
use hostler_model::request::VmSource;
use hostler_model::status::VmStatus;
use hostler_testbed::{Site, create, taken};
use serde_json::json;

use crate::world::{BOOTS, library, with_seed};

/// How long what follows by itself may take on a busy computer.
const FOLLOWS: Duration = Duration::from_secs(60);
/// What the guest says when it is up.
const READY: &str = "web is ready after";
/// What its shell asks with.
const PROMPT: &str = "web:/root# ";

async fn open(client: &Client, kind: ConsoleKind, view_only: bool) -> Console {
    client.open_console("web", NewConsoleTicket { kind, view_only }).await.unwrap()
}

/// Reads until these words have come, and answers all that came.
async fn until(console: &mut Console, words: &str, limit: Duration) -> String {
    let mut all = Vec::new();
    let read = async {
        loop {
            all.extend_from_slice(&console.next().await.unwrap());
            if String::from_utf8_lossy(&all).contains(words) {
                return;
            }
        }
    };
    let came = tokio::time::timeout(limit, read).await;
    let text = String::from_utf8_lossy(&all).into_owned();
    assert!(came.is_ok(), "{words:?} did not come within {limit:?}; what came:\n{text}");
    text
}

async fn closed(console: &mut Console) -> ConsoleClosed {
    let told = async {
        loop {
            if let Err(closed) = console.next().await {
                return closed;
            }
        }
    };
    tokio::time::timeout(FOLLOWS, told).await.expect("it is closed")
}

/// One key and its echo, so many times: how long each took.
async fn echoes(console: &mut Console, times: usize) -> Vec<Duration> {
    let mut all = Vec::new();
    for n in 0..times {
        let key = char::from(b'a' + (n % 26) as u8).to_string();
        let begun = Instant::now();
        console.send(key.clone().into_bytes()).await.unwrap();
        until(console, &key, FOLLOWS).await;
        all.push(begun.elapsed());
    }
    all.sort();
    all
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn consoles_are_typed_into_survive_the_agent_and_go_with_the_machine_and_the_right() {
    let mut site = Site::with_host().unwrap();
    let template = library(&mut site);
    let c = site.client().clone();
    let web = with_seed(create("web", VmSource::Template { template }).unwrap());
    let made = site.run(c.create_vm(&web, &How::default())).unwrap();
    site.done(taken(made).unwrap().job).unwrap();
    assert_eq!(site.vm("web").unwrap().status, VmStatus::Off);
    let ports = listening(&site);

    // Opened on a machine that is off, they show its start from the first output on.
    let mut screen = site.run(open(&c, ConsoleKind::Graphics, false));
    let mut early = site.run(open(&c, ConsoleKind::Serial, true));
    site.doing("web", VmAction::Start).unwrap();
    site.run(until(&mut screen, "RFB 003.008\n", FOLLOWS));
    let booted = site.run(until(&mut early, READY, BOOTS));

    // Somebody who comes later sees the same, and types; who only looks does not.
    let mut serial = site.run(open(&c, ConsoleKind::Serial, false));
    let seen = site.run(until(&mut serial, READY, FOLLOWS));
    assert!(seen.contains(booted.trim_end()), "first:\n{booted}\nlater:\n{seen}");
    site.run(async {
        // A shell that starts throws away what was typed before it asks.
        if !seen.contains(PROMPT) {
            until(&mut serial, PROMPT, FOLLOWS).await;
        }
        early.send("echo looked-$((40+1))\n").await.unwrap();
        serial.send("\necho typed-$((40+2))\n").await.unwrap();
        until(&mut serial, "typed-42", FOLLOWS).await;
        let watched = until(&mut early, "typed-42", FOLLOWS).await;
        assert!(!watched.contains("looked"), "{watched}");
        // The screen speaks RFB: version, no security, shared, and then what it is like.
        screen.send(&b"RFB 003.008\n"[..]).await.unwrap();
        assert_eq!(screen.next().await.unwrap()[..], [1, 1], "one way in: without a password");
        screen.send(&[1][..]).await.unwrap();
        assert_eq!(screen.next().await.unwrap()[..], [0, 0, 0, 0]);
        screen.send(&[0][..]).await.unwrap();
        let about = screen.next().await.unwrap();
        assert!(about.len() >= 24 && about[..2] != [0, 0], "its width: {about:?}");
    });
    let viewers = site.run(c.console_viewers("web")).unwrap();
    let mut kinds: Vec<_> = viewers.iter().map(|viewer| (viewer.kind, viewer.view_only)).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [(ConsoleKind::Graphics, false), (ConsoleKind::Serial, false), (ConsoleKind::Serial, true)]
    );
    // Fewer than a line has columns: beyond it the shell draws the line anew.
    let took = site.run(echoes(&mut serial, 60));
    let (median, p95) = (took[30], took[57]);
    println!("key to echo over the serial console: median {median:.1?}, p95 {p95:.1?}");

    // No port on the host leads to any of it.
    assert_eq!(listening(&site), ports);

    // The agent dies and comes back: what was written since power-on is still there.
    site.hosts[0].agent_kill().unwrap();
    for console in [&mut serial, &mut early, &mut screen] {
        assert_eq!(site.run(closed(console)).end, Some(ConsoleEnd::HostNotAnswering));
    }
    site.hosts[0].agent_start().unwrap();
    site.host_answers("a").unwrap();
    let mut serial = site.run(open(&c, ConsoleKind::Serial, false));
    let again = site.run(until(&mut serial, "typed-42", FOLLOWS));
    assert!(again.contains(booted.trim_end()), "first:\n{booted}\nafter the agent's restart:\n{again}");

    // Off: the screen is over, the serial port waits for the next start, and begins with it.
    let mut screen = site.run(open(&c, ConsoleKind::Graphics, true));
    site.run(until(&mut screen, "RFB 003.008\n", FOLLOWS));
    site.doing("web", VmAction::TurnOff).unwrap();
    assert_eq!(site.run(closed(&mut screen)).end, Some(ConsoleEnd::TurnedOff));
    site.doing("web", VmAction::Start).unwrap();
    let next = site.run(until(&mut serial, READY, BOOTS));
    let mut late = site.run(open(&c, ConsoleKind::Serial, true));
    let since = site.run(until(&mut late, PROMPT, FOLLOWS));
    assert!(!since.contains("typed-42"), "what was written before the power-on is shown:\n{since}");
    assert!(next.contains(READY));

    the_command_line(&site);
    the_right(&site, &mut serial);
    site.doing("web", VmAction::TurnOff).unwrap();
    site.change(c.delete_vm("web", true, &How::default())).unwrap();
    assert_eq!(site.run(closed(&mut late)).end, Some(ConsoleEnd::MachineGone));
    let left =
        site.hosts[0].shell(&format!("find {} -name 'serial.log*'", site.hosts[0].vm_folder().display()));
    assert_eq!(left.unwrap().trim(), "", "a log remains");
}

/// On how many TCP ports the host listens.
fn listening(site: &Site) -> String {
    site.hosts[0].shell("cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"0A\"' | wc -l").unwrap()
}

/// What people type in their own terminal, and pipe.
fn the_command_line(site: &Site) {
    let told = site.command_line(&["vm", "console", "web", "--serial"], "echo piped-$((40+3))\n").unwrap();
    assert!(told.contains("piped-43"), "{told}");
    let id = site.vm("web").unwrap().vm.id;
    let page = site.command_line(&["vm", "console", "web"], "").unwrap();
    assert!(page.trim().ends_with(&format!("/machines/{id}/console")), "{page}");
}

/// A console goes with the right that it was opened with, at once.
fn the_right(site: &Site, administrators: &mut Console) {
    let c = site.client();
    let bob = json!({ "name": "bob", "role": "administrator", "password": "correct horse" });
    let bob = serde_json::from_value(bob).unwrap();
    site.change(c.create_user(&bob, &How::default())).unwrap();
    let sign_in = json!({ "user": "bob", "password": "correct horse" });
    let signed_in = site.run(c.sign_in(&serde_json::from_value(sign_in).unwrap())).unwrap();
    let as_bob = c.with_token(&signed_in.token.unwrap()).unwrap();
    let mut uses = site.run(open(&as_bob, ConsoleKind::Serial, false));
    let mut looks = site.run(open(&as_bob, ConsoleKind::Serial, true));
    site.run(until(&mut uses, READY, FOLLOWS));
    site.run(until(&mut looks, READY, FOLLOWS));

    let begun = Instant::now();
    let less = serde_json::from_value(json!({ "role": "read-only" })).unwrap();
    site.change(c.edit_user("bob", &less, &How::default())).unwrap();
    assert_eq!(site.run(closed(&mut uses)).end, Some(ConsoleEnd::Revoked));
    println!("a console was closed {:.1?} after its right was asked to be taken away", begun.elapsed());
    // To look is still allowed, and nobody else was bothered.
    site.run(async {
        administrators.send("echo still-$((40+4))\n").await.unwrap();
        until(administrators, "still-44", FOLLOWS).await;
        until(&mut looks, "still-44", FOLLOWS).await;
    });
    site.change(c.delete_user("bob", &How::default())).unwrap();
    assert_eq!(site.run(closed(&mut looks)).end, Some(ConsoleEnd::Revoked));
}
