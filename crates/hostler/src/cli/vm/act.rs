//! What is done to machines that exist.

use hostler_client::{Client, ClientError};
use hostler_model::Name;
use hostler_model::action::VmAction;
use hostler_model::body::{ChangeDvd, ChangeHardware, Migrate, NewDisk, Settle, ShutDown};
use hostler_model::importable::ImportVm;
use hostler_model::request::EditVm;
use hostler_model::vm::StopAction;

use super::{Commands, Vms};
use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change, changes};
use crate::cli::here::Here;

pub(super) async fn act(here: &Here, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Start(vms) => to_each(here, vms, VmAction::Start).await,
        Commands::TurnOff(vms) => to_each(here, vms, VmAction::TurnOff).await,
        Commands::Pause(vms) => to_each(here, vms, VmAction::Pause).await,
        Commands::Resume(vms) => to_each(here, vms, VmAction::Resume).await,
        Commands::Reset(vms) => to_each(here, vms, VmAction::Reset).await,
        Commands::Save(vms) => to_each(here, vms, VmAction::Save).await,
        Commands::DiscardSaved(vms) => to_each(here, vms, VmAction::DiscardSaved).await,
        Commands::Adopt(vms) => to_each(here, vms, VmAction::Adopt).await,
        Commands::Refresh(vms) => to_each(here, vms, VmAction::Refresh).await,
        Commands::Import { host, file, name, change: how } => {
            let client = here.client()?;
            let name = name.as_deref().map(Name::new).transpose()?;
            let asked = client.import_vm(&host, &ImportVm { file, name }, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::ShutDown { vms, limit } => {
            let (client, how) = (here.client()?, vms.change.how());
            let mut asked = Vec::new();
            for vm in &vms.vms {
                asked.push(client.shut_down_vm(vm, &ShutDown { limit_s: limit }, &how).await);
            }
            changes(here, &client, &vms.change, asked).await
        }
        Commands::Migrate { vms, to } => {
            let (client, how) = (here.client()?, vms.change.how());
            let mut asked = Vec::new();
            for vm in &vms.vms {
                asked.push(client.migrate_vm(vm, &Migrate { to: to.clone() }, &how).await);
            }
            changes(here, &client, &vms.change, asked).await
        }
        Commands::Settle { vms, keep } => {
            let (client, how) = (here.client()?, vms.change.how());
            let mut asked = Vec::new();
            for vm in &vms.vms {
                asked.push(client.settle_vm(vm, &Settle { keep: keep.clone() }, &how).await);
            }
            changes(here, &client, &vms.change, asked).await
        }
        Commands::Delete { vms, yes } => {
            let question = format!("Delete {} with all disks?", vms.vms.join(", "));
            here.confirm(&question, yes || vms.change.dry_run)?;
            delete(here, vms, true).await
        }
        Commands::Forget(vms) => delete(here, vms, false).await,
        Commands::Rename { vm, name, change } => {
            edit(here, &vm, EditVm { name: Some(Name::new(&name)?), ..EditVm::default() }, change).await
        }
        Commands::Edit { vm, name, notes, tags, stop_action, no_tags, change } => {
            let name = name.as_deref().map(Name::new).transpose()?;
            let all = tags.iter().map(|tag| Name::new(tag)).collect::<Result<Vec<Name>, _>>()?;
            let stop_action =
                StopAction::ALL.into_iter().find(|it| stop_action.as_deref() == Some(it.word()));
            let body = EditVm { name, notes, tags: (no_tags || !all.is_empty()).then_some(all), stop_action };
            if body == EditVm::default() {
                return Err(Failure::usage(
                    "it is not said what changes",
                    "Say --name, --notes, --tag, --no-tags or --stop-action",
                ));
            }
            edit(here, &vm, body, change).await
        }
        Commands::SetHardware { vm, cpus, memory, change: how } => {
            let client = here.client()?;
            let body = ChangeHardware { cpus, memory_mib: memory };
            change(here, &client, &how, client.set_vm_hardware(&vm, &body, &how.how()).await).await
        }
        Commands::AttachDisk { vm, size, detached, change: how } => {
            let client = here.client()?;
            let body = NewDisk { size_bytes: size, detached };
            let asked = client.attach_disk(&vm, &body, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::DetachDisk { vm, disk, delete, change: how } => {
            let client = here.client()?;
            change(here, &client, &how, client.detach_disk(&vm, disk, delete, &how.how()).await).await
        }
        Commands::SetDvd { vm, item, eject: _, change: how } => {
            let client = here.client()?;
            change(here, &client, &how, client.set_dvd(&vm, &ChangeDvd { item }, &how.how()).await).await
        }
        Commands::List(_)
        | Commands::Show { .. }
        | Commands::Create(_)
        | Commands::History { .. }
        | Commands::Screenshot { .. }
        | Commands::Performance { .. }
        | Commands::Definition { .. }
        | Commands::GuestFile { .. }
        | Commands::Console(_)
        | Commands::Ssh(_)
        | Commands::Targets { .. }
        | Commands::Wait { .. } => Ok(()),
    }
}

async fn to_each(here: &Here, vms: Vms, action: VmAction) -> Result<(), Failure> {
    let (client, how) = (here.client()?, vms.change.how());
    let mut asked = Vec::new();
    for vm in &vms.vms {
        asked.push(client.act_on_vm(vm, action, &how).await);
    }
    changes(here, &client, &vms.change, asked).await
}

async fn delete(here: &Here, vms: Vms, disks: bool) -> Result<(), Failure> {
    let (client, how) = (here.client()?, vms.change.how());
    let mut asked = Vec::new();
    for vm in &vms.vms {
        asked.push(client.delete_vm(vm, disks, &how).await);
    }
    changes(here, &client, &vms.change, asked).await
}

async fn edit(here: &Here, vm: &str, body: EditVm, how: Change) -> Result<(), Failure> {
    let client: Client = here.client()?;
    let asked: Result<_, ClientError> = client.edit_vm(vm, &body, &how.how()).await;
    change(here, &client, &how, asked).await
}
