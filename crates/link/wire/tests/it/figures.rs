//! Figures, for `SPECIFICATION.md`. Run by hand, optimised:
//! `cargo test -p hostler-wire --release -- --ignored --nocapture`.

use std::sync::atomic::Ordering;
use std::time::Instant;

use hostler_model::channel::FromAgent;
use hostler_model::host::Load;
use hostler_wire::*;

use crate::world::{World, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run by hand"]
async fn how_many_agents_connect_in_a_second_and_how_long_a_word_takes() {
    let world = World::new();
    world.server.echo.store(true, Ordering::Relaxed);
    let address = world.address();
    let count = 1_000;
    let agents: Vec<_> = (0..count).map(|n| world.agent(n).0).collect();
    let began = Instant::now();
    let tries: Vec<_> = agents
        .into_iter()
        .map(|identity| {
            let address = address.clone();
            tokio::spawn(async move {
                // As an agent does: on a busy computer a thousand may take longer than one waits.
                loop {
                    match connect(&address, &identity, &AgentConfig::default()).await {
                        Ok(session) => return session,
                        Err(why) => println!("again: {why}"),
                    }
                }
            })
        })
        .collect();
    let mut open = Vec::new();
    for one in tries {
        open.push(soon("an agent", one).await.unwrap());
    }
    let all = began.elapsed();
    println!("{count} agents in {all:?}: {:.0} a second", f64::from(count as u32) / all.as_secs_f64());

    let agent = &mut open[0];
    let mut times = Vec::new();
    for _ in 0..5_000 {
        let began = Instant::now();
        agent.outgoing.offer(FromAgent::Heartbeat { load: Load::default() }).unwrap();
        soon("the echo", agent.incoming.next()).await.unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    println!("a word and its answer: half within {:?}, 99 of 100 within {:?}", times[2_500], times[4_950]);
}
