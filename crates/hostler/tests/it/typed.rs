//! What people and their shells type, against a real server: formats, completions, saved views, and command lines that
//! the server itself wrote.

use std::time::{Duration, Instant};

use crate::help::words;
use crate::served::{Served, run};

/// What bash is offered behind these words.
fn offered(served: &Served, arguments: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let index = arguments.len().to_string();
    let mut all = vec![
        ("HOSTLER_COMPLETE", "bash"),
        ("_CLAP_COMPLETE_INDEX", &index),
        ("_CLAP_COMPLETE_COMP_TYPE", "9"),
        ("_CLAP_COMPLETE_SPACE", "true"),
        ("_CLAP_IFS", "\n"),
    ];
    all.extend(environment);
    let arguments = [&["--", "hostler"], arguments].concat();
    let ran = run(&served.path("home"), &arguments, "", &all).code(0);
    assert_eq!(ran.err(), "");
    ran.out().lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_is_offered_what_things_are_called_and_nothing_where_the_server_is_silent() {
    let served = Served::start();
    assert_eq!(offered(&served, &["user", "show", "adm"], &[]), Vec::<String>::new(), "nobody is signed in");
    served.sign_in();
    // The limit is short, and this computer may be busy: some press of the key is answered.
    let until = Instant::now() + Duration::from_secs(60);
    let mut found = Vec::new();
    while found.is_empty() && Instant::now() < until {
        found = offered(&served, &["user", "show", "ADM"], &[]);
    }
    assert_eq!(found, ["administrator"]);
    assert_eq!(offered(&served, &["user", "show", "no-such"], &[]), Vec::<String>::new());
    assert_eq!(offered(&served, &["--context", "127"], &[]).len(), 1, "contexts are known here");
    let elsewhere = [("HOSTLER_SERVER", "https://127.0.0.1:1")];
    assert_eq!(offered(&served, &["user", "show", "adm"], &elsewhere), Vec::<String>::new());
}

#[test]
fn lists_are_written_as_asked() {
    let served = Served::start();
    served.sign_in();
    assert_eq!(served.run(&["user", "list", "-o", "name"]).code(0).out(), "administrator\n");
    let csv = served.run(&["user", "list", "-o", "csv", "--columns", "name,role,status"]).code(0).out();
    assert_eq!(csv, "name,role,status\nadministrator,administrator,enabled\n");
    let said = served.run(&["user", "show", "-o", "template={{name}} is {{role}}"]).code(0).out();
    assert_eq!(said, "administrator is administrator\n");
    let kinds = served.run(&["job", "list", "-o", "columns=kind,BY"]).code(0).out();
    assert!(kinds.starts_with("KIND               BY\n") && kinds.contains("create-token"), "{kinds}");
    let refused = served.run(&["user", "list", "-o", "columns=nmae"]).code(2).err();
    assert!(refused.contains("NAME, ROLE"), "{refused}");
    let settings =
        served.run(&["server", "settings", "-o", "csv", "--columns", "setting,value"]).code(0).out();
    assert!(settings.contains("\nhistory_days,90\n"), "{settings}");
    assert_eq!(served.run(&["server", "settings", "-o", "json"]).code(0).json()["feed_days"], 7);
    assert_eq!(served.run(&["server", "show", "-o", "template={{settings.feed_days}}"]).code(0).out(), "7\n");
    let pages = served.path("man");
    served.run(&["man", "--out", pages.to_str().unwrap()]).code(0);
    assert!(std::fs::read_dir(pages).unwrap().count() > 80);
}

#[test]
fn a_view_is_saved_listed_and_deleted() {
    let served = Served::start();
    served.sign_in();
    served.run(&["view", "save", "vms/shop", "--state", "filter=tags%3Dshop"]).code(0);
    assert_eq!(served.run(&["view", "list", "-o", "name"]).code(0).out(), "shop\n");
    assert_eq!(
        served.run(&["view", "show", "vms/shop", "-o", "json"]).code(0).json()["state"],
        "filter=tags%3Dshop"
    );
    served.run(&["view", "save", "shop", "--state", ""]).code(2);
    served.run(&["view", "delete", "vms/shop"]).code(0);
    served.run(&["view", "show", "vms/shop"]).code(4);
}

#[test]
fn the_command_line_of_a_plan_and_of_a_job_asks_for_the_same_again() {
    let served = Served::start();
    served.sign_in();
    served
        .run_in(
            "home",
            &["user", "create", "bob", "--role", "read-only", "--password-file", "-"],
            "correct horse",
        )
        .code(0);
    served.run(&["view", "save", "vms/shop", "--state", "a"]).code(0);
    for line in [
        "hostler server set history_days=30 feed_days=3",
        "hostler user edit BOB --role administrator --disable",
        "hostler user delete bob",
        "hostler view save 'vms/my own' --state 'filter=name~a*'",
        "hostler view delete vms/SHOP",
        "hostler token create 'the script' --expires 2027-01-31T00:00:00Z",
    ] {
        let plan = |line: &str| {
            let words = words(line);
            let mut typed: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
            typed.extend(["--dry-run", "-o", "json"]);
            served.run(&typed).code(0).json()
        };
        let first = plan(line);
        let written = first["command"].as_str().unwrap_or_else(|| panic!("{line}: {first}"));
        assert_eq!(plan(written), first, "{line}");
    }
    // And of what was done: each line is typed as the job shows it, and its job shows the same.
    served.run(&["server", "set", "history_days=30"]).code(0);
    served.run(&["user", "edit", "bob", "--disable"]).code(0);
    for job in served.run(&["job", "list", "--limit", "2", "-o", "json"]).code(0).json().as_array().unwrap() {
        let words = words(job["command"].as_str().unwrap());
        let typed: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        let again = served.run(&[typed.as_slice(), &["-o", "json"]].concat()).code(0).json();
        assert_eq!((&again["command"], &again["request"]), (&job["command"], &job["request"]));
    }
}
