//! From a file in a folder to a guest that speaks.

use std::collections::BTreeMap;

use hostler_client::How;
use hostler_model::action::VmAction;
use hostler_model::body::ShutDown;
use hostler_model::request::VmSource;
use hostler_model::status::VmStatus;
use hostler_testbed::{Site, create, taken};

use crate::world::{TOKEN, library, read_token};

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_machine_from_a_template_boots_and_its_guest_reads_the_seed_back() {
    let mut site = Site::with_host().unwrap();
    let template = library(&mut site);
    let mut hello = create("hello", VmSource::Template { template }).unwrap();
    hello.start = true;
    hello.seed = BTreeMap::from([("token".into(), TOKEN.into()), ("hostname".into(), "hello".into())]);
    let accepted = taken(site.run(site.client().create_vm(&hello, &How::default())).unwrap()).unwrap();
    site.done(accepted.job).unwrap();

    let view = site.vm("hello").unwrap();
    assert_eq!((view.status, view.host_name.as_deref()), (VmStatus::Running, Some("a")));
    assert_eq!(accepted.id, Some(view.vm.id.to_string()));
    assert_eq!(read_token(&site, "hello"), TOKEN);
    assert!(site.run(site.client().vm_screenshot("hello", None)).unwrap().starts_with(b"\x89PNG"));

    site.change(site.client().shut_down_vm("hello", &ShutDown::default(), &How::default())).unwrap();
    assert_eq!(site.vm("hello").unwrap().status, VmStatus::Off);
    site.doing("hello", VmAction::Start).unwrap();
    assert_eq!(read_token(&site, "hello"), TOKEN);
}
