//! A testbed by hand: what `hostler-testbed` says and does when it is typed.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hostler_testbed::{Ground, Host, program, wait_for};

/// A testbed with a name of its own; it is taken down also when the story fails.
struct Bed(String);

impl Bed {
    fn says(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new(program("hostler-testbed").unwrap());
        let (verb, rest) = words.split_first().unwrap();
        command.arg(verb);
        if *verb != "list" {
            command.args(["--testbed", &self.0]);
        }
        let ended = command.args(rest).output().unwrap();
        let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        if ended.status.success() { Ok(said) } else { Err(said) }
    }

    /// What `list` says of a computer.
    fn state(&self, name: &str) -> String {
        let all = self.says(&["list"]).unwrap();
        let mine = all.lines().skip_while(|line| !line.starts_with(&self.0)).skip(1);
        let mut mine = mine.take_while(|line| line.starts_with(' '));
        mine.find(|line| line.split_whitespace().next() == Some(name)).unwrap().to_owned()
    }

    fn host_is(&self, name: &str, answers: bool) {
        let limit = Duration::from_secs(60);
        wait_for(limit, &format!("host {name} answers: {answers}"), || {
            let text = self.says(&["hostler", "host", "show", name, "-o", "json"]).ok()?;
            let host: serde_json::Value = serde_json::from_str(&text).ok()?;
            (host["answers"] == answers).then_some(())
        })
        .unwrap();
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = self.says(&["down"]);
    }
}

#[test]
#[ignore = "needs root and libvirt"]
fn what_a_testbed_left_whose_holder_was_killed_is_removed_by_the_next_one() {
    let bed = Bed(format!("killed-{}", std::process::id()));
    let said = bed.says(&["up", "--hosts", "2", "--bare"]).unwrap();
    let folder = said.lines().find_map(|line| line.strip_prefix("a ")?.split_whitespace().last()).unwrap();
    let (host, ground) = (Host::at(Path::new(folder)).unwrap(), Path::new(folder).parent().unwrap());
    bed.says(&["freeze", "--host", "a"]).unwrap();
    bed.says(&["slow", "--host", "b", "--delay-ms", "5"]).unwrap();
    let all = host.processes();
    let owner: serde_json::Value =
        serde_json::from_slice(&std::fs::read(ground.join("owner.json")).unwrap()).unwrap();
    assert!(!all.is_empty());
    let killed = Command::new("kill").args(["-9", &owner["pid"].to_string()]).status().unwrap();
    assert!(killed.success() && ground.exists());
    // The killed one takes a moment to die.
    let removed = || {
        drop(Ground::claim().unwrap());
        (!ground.exists()).then_some(())
    };
    wait_for(Duration::from_secs(60), "what was left is removed", removed).unwrap();
    assert!(all.iter().all(|(process, _)| !process.lives()));
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_testbed_by_hand_stays_and_every_verb_does_what_it_says() {
    let bed = Bed(format!("story-{}", std::process::id()));
    let said = bed.says(&["up", "--hosts", "2"]).unwrap();
    assert!(said.contains("Server: https://198.18."), "{said}");
    assert!(bed.says(&["up"]).unwrap_err().contains("down removes it"));
    assert!(bed.state("a").contains("on, agent, libvirtd") && bed.state("server").contains("hostler"));
    bed.host_is("b", true);
    assert!(bed.says(&["shell", "hostname"]).unwrap_err().contains("a, b"), "with two, one has to be named");
    assert_eq!(bed.says(&["shell", "--host", "a", "hostname"]).unwrap(), "a\n");
    assert!(bed.says(&["virsh", "--host", "a", "hostname"]).unwrap().starts_with('a'));

    bed.says(&["cut", "--host", "b"]).unwrap();
    assert!(bed.state("b").contains("cut"));
    bed.host_is("b", false);
    bed.says(&["heal", "--host", "b"]).unwrap();
    bed.host_is("b", true);
    bed.says(&["cut", "--host", "a", "--from", "server"]).unwrap();
    assert!(bed.state("server").contains("cut from a"));
    bed.host_is("a", false);
    bed.says(&["heal", "--host", "a", "--with", "server"]).unwrap();
    bed.host_is("a", true);
    bed.says(&["slow", "--host", "b", "--delay-ms", "5", "--loss-percent", "1"]).unwrap();
    assert!(bed.state("b").contains("slow (5 ms, any rate, 1 % lost)"));
    bed.says(&["heal", "--host", "b"]).unwrap();
    assert!(!bed.state("b").contains("slow"));

    bed.says(&["freeze", "--host", "b"]).unwrap();
    assert!(bed.state("b").contains("frozen"));
    assert!(bed.says(&["shell", "--host", "b", "true"]).unwrap_err().contains("frozen"));
    bed.says(&["thaw", "--host", "b"]).unwrap();
    bed.host_is("b", true);
    bed.says(&["kill", "all", "--host", "b"]).unwrap();
    assert!(!bed.state("b").contains("agent"));
    bed.says(&["start", "all", "--host", "b"]).unwrap();
    bed.host_is("b", true);
    bed.says(&["power", "off", "--host", "b"]).unwrap();
    assert!(bed.state("b").ends_with("off"));
    bed.says(&["power", "on", "--host", "b"]).unwrap();
    bed.host_is("b", true);
    bed.says(&["power", "off", "--host", "server"]).unwrap();
    bed.says(&["power", "on", "--host", "server"]).unwrap();
    bed.host_is("a", true);
    bed.says(&["down"]).unwrap();
    assert!(!bed.says(&["list"]).unwrap().contains(&bed.0));
}
