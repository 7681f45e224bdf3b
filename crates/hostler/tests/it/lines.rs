//! The command lines that the model writes beside jobs are ones that this program reads.

use clap::Parser;
use hostler::cli::Cli;
use hostler_model::command_line::command_line;
use hostler_model::job::JobKind;
use hostler_model::request::Request;

use crate::help::words;

const ID: &str = "00000000-0000-7000-8000-0000000000aa";

/// At least one request of every kind that a person can ask for, at its plainest and at its fullest.
fn requests() -> Vec<Request> {
    let texts = [
        r#"{"ask":"create-vm","name":"web-1","from":{"is":"template","template":"ID"}}"#,
        r#"{"ask":"create-vm","name":"it's","from":{"is":"disk","item":"ID","deploy":"copy"},"cpus":2,"memory_mib":1000,
            "firmware":"uefi","disk_bytes":21474836480,"host":"ID","path":"/srv/vms","start":true,"notes":"two\nlines","tags":["a b","-c"],
            "network":"br0","mac":"52:54:00:12:34:56","vlan":7,"allow_mac_spoofing":false,"seed":{"k":"v=w","x":""}}"#,
        r#"{"ask":"create-vm","name":"--help","from":{"is":"empty"},"disk_bytes":1000448}"#,
        r#"{"ask":"start-vm","vm":"ID"}"#,
        r#"{"ask":"shut-down-vm","vm":"ID"}"#,
        r#"{"ask":"shut-down-vm","vm":"ID","limit_s":90}"#,
        r#"{"ask":"turn-off-vm","vm":"ID"}"#,
        r#"{"ask":"pause-vm","vm":"ID"}"#,
        r#"{"ask":"resume-vm","vm":"ID"}"#,
        r#"{"ask":"reset-vm","vm":"ID"}"#,
        r#"{"ask":"save-vm","vm":"ID"}"#,
        r#"{"ask":"discard-saved-vm","vm":"ID"}"#,
        r#"{"ask":"edit-vm","vm":"ID","edit":{"name":"-n","notes":"","tags":["x","y z"]}}"#,
        r#"{"ask":"edit-vm","vm":"ID","edit":{"tags":[]}}"#,
        r#"{"ask":"set-vm-hardware","vm":"ID","cpus":4}"#,
        r#"{"ask":"set-vm-hardware","vm":"ID","memory_mib":3000}"#,
        r#"{"ask":"attach-disk","vm":"ID","size_bytes":1048576}"#,
        r#"{"ask":"reattach-disk","vm":"ID","disk":2}"#,
        r#"{"ask":"detach-disk","vm":"ID","disk":1,"delete":true}"#,
        r#"{"ask":"set-vm-media","vm":"ID","item":"ID"}"#,
        r#"{"ask":"set-vm-media","vm":"ID","item":null}"#,
        r#"{"ask":"delete-vm","vm":"ID","disks":true}"#,
        r#"{"ask":"delete-vm","vm":"ID","disks":false}"#,
        r#"{"ask":"adopt-vm","vm":"ID"}"#,
        r#"{"ask":"import-vm","host":"ID","name":"-new","found":{"file":"/srv/my vms/a.xml","sha256":"ab","seen":{"domain":"ID",
            "name":"a","power":"off","cpus":1,"memory_mib":128}}}"#,
        r#"{"ask":"refresh-vm","vm":"ID"}"#,
        r#"{"ask":"migrate-vm","vm":"ID"}"#,
        r#"{"ask":"migrate-vm","vm":"ID","to":"ID"}"#,
        r#"{"ask":"settle-vm","vm":"ID"}"#,
        r#"{"ask":"settle-vm","vm":"ID","keep":"ID"}"#,
        r#"{"ask":"refresh-host","host":"ID"}"#,
        r#"{"ask":"edit-host","host":"ID","spec":{"available":false,"notes":"-"}}"#,
        r#"{"ask":"edit-host","host":"ID","edit":{"reserve":{"cpu_percent":10,"memory_mib":2048,"disk_mib":null,
            "disk_operations_per_s":50,"network_percent":5}}}"#,
        r#"{"ask":"edit-host","host":"ID","edit":{"reserve":null}}"#,
        r#"{"ask":"edit-host","host":"ID","edit":{"vm_path":"/srv/my vms"}}"#,
        r#"{"ask":"edit-host","host":"ID","edit":{"vm_path":null}}"#,
        r#"{"ask":"make-folder","host":"ID","path":"/srv/my vms/tier1"}"#,
        r#"{"ask":"move-host","host":"ID","to":"ID"}"#,
        r#"{"ask":"create-host-group","parent":"ID","name":"Site A"}"#,
        r#"{"ask":"create-host-group","parent":"ID","name":"-a","notes":"n","reserve":{"memory_mib":1000},
            "unencrypted_transfers":true}"#,
        r#"{"ask":"edit-host-group","group":"ID","edit":{"name":"-n","notes":"","reserve":{"cpu_percent":null},
            "unencrypted_transfers":null}}"#,
        r#"{"ask":"edit-host-group","group":"ID","edit":{"reserve":null,"unencrypted_transfers":false}}"#,
        r#"{"ask":"edit-host-group","group":"ID","edit":{"reserve":{"disk_mib":5},"overwrite_below":true}}"#,
        r#"{"ask":"move-host-group","group":"ID","to":"ID"}"#,
        r#"{"ask":"delete-host-group","group":"ID"}"#,
        r#"{"ask":"create-network","hosts":["ID"],"network":{"name":"lab","kind":"private"}}"#,
        r#"{"ask":"create-network","hosts":["ID","ID"],"network":{"name":"lab","kind":"nat","address":"10.20.0.1/24",
            "dhcp":{"first":"10.20.0.2","last":"10.20.0.9"}}}"#,
        r#"{"ask":"create-network","hosts":["ID"],"network":{"name":"lan","kind":"external","adapter":"eno1","vlan":7}}"#,
        r#"{"ask":"remove-network","hosts":["ID","ID"],"name":"lab"}"#,
        r#"{"ask":"declare-host-dead","host":"ID","confirm":"-host a"}"#,
        r#"{"ask":"add-host","on":{"address":"2001:db8::7","port":22,"user":"root","host_key":"SHA256:KEY","secrets":"ID"},
            "sha256":"x","roles":{"host":true,"library":false}}"#,
        r#"{"ask":"add-host","on":{"address":"host-b","port":2222,"user":"it","host_key":"SHA256:K/+","secrets":"ID"},"sha256":"x",
            "roles":{"host":true,"library":true},"name":"-b c","group":"ID","server":"manager:8471"}"#,
        r#"{"ask":"add-host","on":{"address":"lib","port":22,"user":"root","host_key":"SHA256:K","secrets":"ID"},"sha256":"x",
            "roles":{"host":false,"library":true}}"#,
        r#"{"ask":"remove-agent","agent":"ID","force":true}"#,
        r#"{"ask":"remove-agent","agent":"ID","force":false,"keep":true}"#,
        r#"{"ask":"upgrade-agent","agent":"ID"}"#,
        r#"{"ask":"upgrade-agent","agent":"ID","force":true,"version":"0.2.0","sha256":"ab","size_bytes":1}"#,
        r#"{"ask":"add-share","name":"images","agent":"ID","folder":"/srv/my images"}"#,
        r#"{"ask":"refresh-share","share":"ID"}"#,
        r#"{"ask":"remove-share","share":"ID"}"#,
        r#"{"ask":"create-template","spec":{"name":"t","disk":"ID","deploy":"copy","notes":"n"}}"#,
        r#"{"ask":"edit-template","template":"ID","spec":{"name":"t","disk":"ID"}}"#,
        r#"{"ask":"delete-template","template":"ID"}"#,
        r#"{"ask":"create-user","name":"bob","role":"read-only","hash":"x"}"#,
        r#"{"ask":"edit-user","user":"ID","role":"administrator","disabled":true,"hash":"x"}"#,
        r#"{"ask":"edit-user","user":"ID","disabled":false}"#,
        r#"{"ask":"delete-user","user":"ID"}"#,
        r#"{"ask":"create-token","user":"ID","name":"ci","sha256":"x","expires":"2027-01-31T00:00:00Z"}"#,
        r#"{"ask":"create-token","user":"ID","name":"ci","sha256":"x","session":true}"#,
        r#"{"ask":"revoke-token","token":"ID"}"#,
        r#"{"ask":"create-enrolment","sha256":"x","roles":{"host":true,"library":true},"host_name":"h","group":"ID","valid_ms":3600000}"#,
        r#"{"ask":"restart-host","host":"ID"}"#,
        r#"{"ask":"shut-down-host","host":"ID"}"#,
        r#"{"ask":"edit-vm","vm":"ID","edit":{"stop_action":"turn-off"}}"#,
        r#"{"ask":"save-view","user":"ID","page":"vms","name":"my shop","state":"filter=name~a*&sort=-cpus"}"#,
        r#"{"ask":"save-view","user":"ID","page":"vms","name":"-x","state":"-"}"#,
        r#"{"ask":"delete-view","view":"ID"}"#,
        r#"{"ask":"set-settings","settings":{}}"#,
        r#"{"ask":"set-settings","settings":{"history_days":30,"vm_refresh_s":0}}"#,
        r#"{"ask":"set-settings","settings":{"mac_pool_first":"00:15:5d:00:61:00","mac_pool_last":"00:15:5d:00:6f:ff"}}"#,
    ];
    texts.iter().map(|text| serde_json::from_str(&text.replace("ID", ID)).expect(text)).collect()
}

#[test]
fn every_request_is_written_as_a_line_that_can_be_typed_whatever_things_are_called() {
    for name in [None, Some("web-1"), Some("a b"), Some("-x"), Some("it's \"quoted\" $HOME"), Some("--")] {
        for request in requests() {
            let line = command_line(&request, &|_| name.map(str::to_owned));
            assert!(line.starts_with("hostler "), "{request:?}");
            if let Err(error) = Cli::try_parse_from(words(&line)) {
                panic!("{line}\n{error}");
            }
        }
    }
}

#[test]
fn no_kind_of_request_is_left_out() {
    let kinds: Vec<JobKind> = requests().iter().map(Request::kind).collect();
    for kind in JobKind::ALL {
        use JobKind::{EnrolAgent, Refresher, RenewAgent, Unknown};
        let never_asked = matches!(kind, EnrolAgent | RenewAgent | Refresher | Unknown);
        assert!(never_asked || kinds.contains(kind), "{kind:?}");
    }
}
