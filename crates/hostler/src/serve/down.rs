//! `hostler down`: stops what `hostler up` started. Machines run on, unless they are asked to shut down first.

use std::fs;
use std::time::Duration;

use hostler_client::{Authority, Changed, Client, Config, How, ListQuery};
use hostler_model::body::ShutDown;
use hostler_model::status::VmStatus;

use super::addresses::Addresses;
use super::layout::Layout;
use super::{DownArgs, checks, here, process};
use crate::cli::failure::Failure;

/// How long server and agent may take to stop: the server waits ten seconds for requests under way.
const STOP_WITHIN: Duration = Duration::from_secs(20);

pub fn down(args: &DownArgs) -> Result<(), Failure> {
    let layout = Layout::new(args.state.as_deref())
        .map_err(|cause| here("state folder", cause, "Name it by its full path"))?;
    checks::is_root()?;
    if args.vms {
        shut_machines_down(args, &layout)?;
    }
    // The agent first: it says goodbye, and the server notes it.
    for (name, file) in [("agent", layout.agent_pid()), ("server", layout.server_pid())] {
        match process::running(&file) {
            None => println!("The {name} does not run."),
            Some(known) => {
                known.stop(STOP_WITHIN).map_err(|cause| {
                    here(format!("the {name}"), cause, "Look at its log; kill it if it hangs")
                })?;
                println!("The {name} has stopped.");
            }
        }
        let _ = fs::remove_file(&file);
    }
    if let Some(known) = process::running(&layout.libvirtd_pid()) {
        known
            .stop(STOP_WITHIN)
            .map_err(|cause| here("libvirtd", cause, "Look at its log; machines run on without it"))?;
        println!("libvirtd, which was started by hostler up, has stopped.");
        let _ = fs::remove_file(layout.libvirtd_pid());
    }
    if !args.vms {
        println!("Machines that were running run on.");
    }
    Ok(())
}

fn shut_machines_down(args: &DownArgs, layout: &Layout) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| here("hostler", cause, "Look at the computer's limits"))?;
    runtime.block_on(async {
        let client = client(layout)?;
        let mut jobs = Vec::new();
        let mut query = ListQuery { limit: Some(1000), ..ListQuery::default() };
        loop {
            let page = client.vms(&query).await?;
            for view in page.items.iter().filter(|view| view.status == VmStatus::Running) {
                let body = ShutDown { limit_s: Some(args.limit) };
                let id = view.vm.id.to_string();
                if let Changed::Taken(taken) = client.shut_down_vm(&id, &body, &How::default()).await? {
                    jobs.push((view.vm.spec.name.clone(), taken.job));
                }
            }
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        let mut left = Vec::new();
        for (name, job) in jobs {
            let ended = client.wait_for_job(job, |_| {}).await?;
            if ended.job.state.is_success() {
                println!("{name} has shut down.");
            } else {
                left.push(name.to_string());
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(here(
            left.join(", "),
            "the guest did not shut down; server and agent run on",
            "Turn it off (hostler vm turn-off), or leave it running (hostler down without --vms)",
        ))
    })
}

/// A client for the server that `hostler up` started.
fn client(layout: &Layout) -> Result<Client, Failure> {
    let read = |file: &std::path::Path| {
        fs::read_to_string(file).map_err(|cause| here(file.display(), cause, "Run \"hostler up\" first"))
    };
    let authority = Authority::from_pem(&read(&layout.authority())?)?;
    let token = Some(read(&layout.token())?.trim().to_owned());
    let kept = Addresses::kept(&layout.addresses())?;
    let server = kept
        .map(|kept| kept.url())
        .ok_or_else(|| here(layout.addresses().display(), "it is not there", "Run \"hostler up\" first"))?;
    Ok(Client::new(Config { server, authority, token })?)
}
