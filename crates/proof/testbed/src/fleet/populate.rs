//! Fills a server with a believable fleet, through the doors that users and agents come by: hosts enrol, shares and
//! templates and machines are asked for over REST, and the rest happens on the hosts behind everybody's back.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use hostler_client::{Client, How, JobsQuery, ListQuery};
use hostler_hypervisor::simulated::Outside;
use hostler_model::action::VmAction;
use hostler_model::body::NewShare;
use hostler_model::request::{CreateVm, VmSource};
use hostler_model::template::TemplateSpec;
use hostler_model::{HostId, Name, TemplateId};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Fleet;
use super::believable::{Fate, IMAGES, LIBRARY, Machine, Wanted, World};
use crate::site::{create, taken};
use crate::trouble::{Result, Trouble};

/// How many are asked at the same time.
const AT_ONCE: usize = 128;
/// How many of a thousand machines were made with other tools and found.
const FOUND: usize = 150;
/// How many images a host's library offers as templates.
const TEMPLATES: usize = 3;
/// How long everything that was asked may take to be done.
const ALL_DONE: Duration = Duration::from_secs(900);

/// What is known of a machine that was asked for.
struct Made {
    machine: Machine,
    domain: Uuid,
}

/// Makes the fleet, and says on the way how far it is.
///
/// # Errors
/// The server refuses something that it should not, or does not come to an end.
pub async fn populate(
    fleet: &mut Fleet,
    client: &Client,
    server: &str,
    wanted: Wanted,
    say: impl Fn(&str),
) -> Result<()> {
    let begun = Instant::now();
    let said = |what: String| say(&format!("{:6.1} s  {what}", begun.elapsed().as_secs_f64()));
    let mut world = World::new(wanted);
    let mut made: Vec<Machine> = Vec::new();
    let mut found: BTreeMap<usize, Vec<Machine>> = BTreeMap::new();
    for n in 0..wanted.vms {
        let machine = world.machine();
        // Spread evenly, so that a small fleet has some too.
        if (n * FOUND) % 1_000 < FOUND {
            found.entry(machine.host).or_default().push(machine);
        } else {
            made.push(machine);
        }
    }
    for n in 0..wanted.hosts {
        let plan = world.host(n, found.get(&n).map_or(&[][..], Vec::as_slice))?;
        fleet.join_one(client, server, plan).await?;
    }
    fleet.answers(client).await?;
    let others: usize = found.values().map(Vec::len).sum();
    said(format!("{} hosts have joined, and show {others} machines", wanted.hosts));

    let templates = stock(fleet, client).await?;
    said(format!("{} templates are made", templates.len()));

    let (made, refused) = make(fleet, client, &templates, made).await?;
    done(client).await?;
    said(format!("{} machines are made; {refused} were refused", made.len()));

    happen(fleet, &made);
    let broken = made.iter().filter(|made| made.machine.fate == Fate::Broken);
    let mut asking = JoinSet::new();
    for one in broken {
        let (client, vm) = (client.clone(), one.domain.to_string());
        asking.spawn(async move { client.act_on_vm(&vm, VmAction::Start, &How::default()).await.map(drop) });
    }
    // They fail, which is what they are for.
    while asking.join_next().await.is_some() {}
    done(client).await?;
    settled(client, wanted.vms).await?;
    said(format!("{} machines stand as they are to", wanted.vms));
    Ok(())
}

/// A share on each host, and templates of some of its images.
async fn stock(fleet: &Fleet, client: &Client) -> Result<HashMap<(usize, &'static str), TemplateId>> {
    let mut asking = JoinSet::new();
    for (n, joined) in fleet.hosts.iter().enumerate() {
        let (client, name, agent) = (client.clone(), joined.name.clone(), joined.agent.to_string());
        asking.spawn(async move { stock_one(&client, n, &name, agent).await });
    }
    let mut templates = HashMap::new();
    while let Some(stocked) = asking.join_next().await {
        templates.extend(stocked.map_err(|why| Trouble::Answer(why.to_string()))??);
    }
    Ok(templates)
}

async fn stock_one(
    client: &Client,
    n: usize,
    host: &str,
    agent: String,
) -> Result<Vec<((usize, &'static str), TemplateId)>> {
    let share = format!("images on {host}");
    let body = NewShare { name: named(&share)?, agent, folder: LIBRARY.into() };
    let accepted = taken(client.add_share(&body, &How::default()).await?)?;
    client.wait_for_job(accepted.job, |_| ()).await?;
    let share = accepted.id.unwrap_or(share);
    let items = client.items(Some(&share), &ListQuery::default()).await?.items;
    let mut templates = Vec::new();
    for k in 0..TEMPLATES {
        let Some((_, (image, _))) = IMAGES.get((n + k * 2) % IMAGES.len()) else { continue };
        let Some(item) = items.iter().find(|item| item.item.name.as_str() == *image) else {
            return Err(Trouble::Answer(format!("the share on {host} does not show {image}")));
        };
        let spec = TemplateSpec {
            name: named(&format!("{image} on {host}"))?,
            notes: String::new(),
            disk: item.item.id,
            cpus: 2,
            memory_mib: 2_048,
            firmware: Default::default(),
            deploy: Default::default(),
        };
        let accepted = taken(client.create_template(&spec, &How::default()).await?)?;
        client.wait_for_job(accepted.job, |_| ()).await?;
        let id = accepted.id.and_then(|id| id.parse().ok());
        templates.push(((n, *image), id.ok_or_else(|| Trouble::Answer("a template without an id".into()))?));
    }
    Ok(templates)
}

/// Asks for the machines; what is refused (a host that is full, say) is counted and asked for anywhere, from nothing.
async fn make(
    fleet: &Fleet,
    client: &Client,
    templates: &HashMap<(usize, &'static str), TemplateId>,
    machines: Vec<Machine>,
) -> Result<(Vec<Made>, usize)> {
    let mut asking: JoinSet<Result<(Option<Made>, usize)>> = JoinSet::new();
    let (mut made, mut refused) = (Vec::new(), 0);
    let mut take = |done: Result<(Option<Made>, usize)>| {
        let (one, times) = done?;
        made.extend(one);
        refused += times;
        Ok::<_, Trouble>(())
    };
    for machine in machines {
        let mut body = create(&machine.name, VmSource::Empty)?;
        let template = machine.image.and_then(|image| templates.get(&(machine.host, image)));
        match template {
            Some(template) => body.from = VmSource::Template { template: *template },
            None => body.disk_bytes = Some(40 << 30),
        }
        body.cpus = Some(machine.cpus);
        body.memory_mib = Some(machine.memory_mib);
        body.notes.clone_from(&machine.notes);
        body.tags = machine.tags.iter().map(|tag| named(tag)).collect::<Result<_>>()?;
        body.host = fleet.hosts.get(machine.host).map(|joined| HostId::from(joined.agent));
        body.start = !matches!(machine.fate, Fate::Off | Fate::Missing | Fate::Broken);
        let client = client.clone();
        asking.spawn(async move { ask(&client, machine, body).await });
        if asking.len() >= AT_ONCE
            && let Some(done) = asking.join_next().await
        {
            take(done.unwrap_or_else(|why| Err(Trouble::Answer(why.to_string()))))?;
        }
    }
    while let Some(done) = asking.join_next().await {
        take(done.unwrap_or_else(|why| Err(Trouble::Answer(why.to_string()))))?;
    }
    Ok((made, refused))
}

async fn ask(client: &Client, machine: Machine, mut body: CreateVm) -> Result<(Option<Made>, usize)> {
    let mut refused = 0;
    let how = How { key: Some(machine.name.clone()), ..How::default() };
    loop {
        match client.create_vm(&body, &how).await {
            Ok(changed) => {
                let domain = taken(changed)?.id.and_then(|id| id.parse().ok());
                return Ok((domain.map(|domain| Made { machine, domain }), refused));
            }
            Err(why) if why.is_passing() => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(why) if refused > 0 => return Err(why.into()),
            Err(_) => {
                refused += 1;
                (body.host, body.from) = (None, VmSource::Empty);
                body.disk_bytes = Some(40 << 30);
            }
        }
    }
}

/// What happens on hosts behind the manager's back.
fn happen(fleet: &Fleet, made: &[Made]) {
    let mut places = HashMap::new();
    for joined in &fleet.hosts {
        places.extend(joined.host.powers().into_keys().map(|domain| (domain, &joined.host)));
    }
    for (n, Made { machine, domain }) in made.iter().enumerate() {
        let Some(host) = places.get(domain) else { continue };
        let act = |what: Outside| host.outside(&what);
        let domain = *domain;
        let happened = match machine.fate {
            // Three of four guests have an agent that answers.
            Fate::Runs if !n.is_multiple_of(4) => act(Outside::GuestAgent(domain, true)),
            Fate::Runs | Fate::Off => Ok(()),
            Fate::Paused => act(Outside::Pause(domain)),
            Fate::Saved => act(Outside::Save(domain)),
            Fate::Crashed => act(Outside::Crash(domain)),
            Fate::Suspended => act(Outside::GuestSuspends(domain)),
            Fate::Missing => act(Outside::Undefine(domain)),
            Fate::Broken => {
                let disks = host.truth_of(domain).map(|seen| seen.disks).unwrap_or_default();
                for file in disks.into_iter().filter_map(|disk| disk.file) {
                    if let Some(folder) = host.folder(&file) {
                        folder.lose_file(&file);
                    }
                }
                Ok(())
            }
        };
        // Somebody was there before: then it stands as they left it.
        let _ = happened;
    }
}

/// Gets hosts into trouble: one of fifty does not answer from now on, one of a hundred has no libvirt, on one machines
/// have filled the disk, one of forty is kept free by its administrator. The first one is always well.
///
/// # Errors
/// The server refuses something that it should not.
pub async fn get_into_trouble(fleet: &Fleet, client: &Client) -> Result<()> {
    let (mut silent, mut without, mut full) = (Vec::new(), Vec::new(), Vec::new());
    for (n, joined) in fleet.hosts.iter().enumerate() {
        match n % 100 {
            4 | 54 => silent.push(joined),
            17 => without.push(joined),
            23 => full.push(joined),
            _ => {}
        }
        if n % 40 == 9 {
            let away = hostler_model::host::EditHost { available: Some(false), ..Default::default() };
            let changed = client.edit_host(&joined.name, &away, &How::default()).await?;
            client.wait_for_job(taken(changed)?.job, |_| ()).await?;
        }
    }
    silent.iter().for_each(|joined| joined.agent_runs.abort());
    without.iter().for_each(|joined| joined.host.set_answers(false));
    for folder in
        full.iter().filter_map(|joined| joined.host.folder(&format!("{}/x", super::plain::VM_FOLDER)))
    {
        folder.fill();
    }
    Ok(())
}

/// Waits until no job is open.
async fn done(client: &Client) -> Result<()> {
    let until = Instant::now() + ALL_DONE;
    let open =
        JobsQuery { state: Some("queued,running,undoing".into()), limit: Some(1), ..JobsQuery::default() };
    while !client.jobs(&open).await?.items.is_empty() {
        if Instant::now() > until {
            return Err(Trouble::Late { what: "all jobs are done".into(), limit: ALL_DONE });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Waits until the list is as long as it is to be.
async fn settled(client: &Client, vms: usize) -> Result<()> {
    let until = Instant::now() + ALL_DONE;
    let query = ListQuery { limit: Some(1), ..ListQuery::default() };
    loop {
        let total = client.vms(&query).await?.total.unwrap_or_default();
        if total == vms as u64 {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Trouble::Late { what: format!("{total} machines of {vms}"), limit: ALL_DONE });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn named(text: &str) -> Result<Name> {
    Name::new(text).map_err(|why| Trouble::Client(why.into()))
}
