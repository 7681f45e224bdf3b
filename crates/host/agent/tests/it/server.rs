//! A server that says what the test says, and remembers what it was told.

use std::collections::BTreeMap;
use std::time::Duration;

use hostler_model::channel::{Fact, FromAgent, Hello, Query, ReportBody, ToAgent};
use hostler_model::command::{Command, Mark, Outcome};
use hostler_model::seen::{Power, Seen};
use hostler_model::{JobId, Refusal, SessionId, StepNo};
use hostler_wire::{End, Session};
use uuid::Uuid;

use crate::world::World;

pub use crate::world::{INSTALLATION, soon};

/// A port for agents.
pub struct Server {
    pub world: World,
    count: u64,
}

impl Server {
    pub fn new() -> Self {
        Self { world: World::new(), count: 0 }
    }

    /// The next session, welcomed, with its first picture.
    pub async fn session(&mut self) -> Link {
        let mut session = self.world.session().await;
        let hello = loop {
            match soon("hello", session.incoming.next()).await {
                Ok(FromAgent::Hello(hello)) => break *hello,
                // A session that its agent gave up before it spoke.
                Err(_) => session = self.world.session().await,
                Ok(other) => panic!("hello comes first, not {other:?}"),
            }
        };
        self.count += 1;
        let id = SessionId(self.count);
        session.outgoing.offer(ToAgent::Welcome { session: id, epoch: 1 }).unwrap();
        let heartbeat = session.outgoing.clone();
        tokio::spawn(async move {
            while heartbeat.offer(ToAgent::Heartbeat).is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let mut link = Link { session, id, hello, known: BTreeMap::new(), pictures: 0, last: None };
        link.until("the first picture", |link| link.pictures > 0).await;
        link
    }
}

/// A session, from the server's side.
pub struct Link {
    pub session: Session,
    id: SessionId,
    pub hello: Hello,
    /// The machines as told.
    pub known: BTreeMap<Uuid, Seen>,
    pub pictures: u32,
    last: Option<FromAgent>,
}

impl Link {
    /// Hears the next message and remembers its facts.
    pub async fn hear(&mut self) -> Result<FromAgent, End> {
        let message = self.session.incoming.next().await?;
        if let FromAgent::Report(report) = &message {
            assert_eq!(report.session, self.id, "nothing of one session is said in another");
            if let ReportBody::Picture { .. } = report.body {
                self.pictures += 1;
                self.known.clear();
            }
            for fact in &report.facts {
                self.take(fact);
            }
        }
        self.last = Some(message.clone());
        Ok(message)
    }

    fn take(&mut self, fact: &Fact) {
        match &fact.seen {
            Some(seen) => drop(self.known.insert(fact.domain, (**seen).clone())),
            None => drop(self.known.remove(&fact.domain)),
        }
    }

    /// Hears until something holds.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Link) -> bool) {
        soon(what, async {
            while !holds(self) {
                self.hear().await.unwrap();
            }
        })
        .await;
    }

    pub fn power(&self, domain: Uuid) -> Option<Power> {
        self.known.get(&domain).map(|seen| seen.power)
    }

    pub fn say(&self, message: ToAgent) {
        self.session.outgoing.offer(message).unwrap();
    }

    pub fn send(&self, no: u64, command: Command) {
        self.send_as(no, false, command);
    }

    pub fn send_as(&self, no: u64, undo: bool, command: Command) {
        let mark = Mark { epoch: 1, job: JobId(no), step: "step".into() };
        self.say(ToAgent::Do { no: StepNo(no), floor: StepNo(0), mark, undo, command: Box::new(command) });
    }

    /// Hears until the step's answer; with it comes what else its report told.
    pub async fn ended(&mut self, no: u64) -> (Outcome, Vec<Fact>) {
        soon(&format!("the end of step {no}"), async {
            loop {
                if let FromAgent::Report(report) = self.hear().await.unwrap()
                    && let ReportBody::Ended { no: ended, outcome } = report.body
                    && ended == StepNo(no)
                {
                    return (outcome, report.facts);
                }
            }
        })
        .await
    }

    /// Has it done, which must succeed.
    pub async fn done(&mut self, no: u64, command: Command) -> Vec<Fact> {
        let word = command.word();
        self.send(no, command);
        let (outcome, facts) = self.ended(no).await;
        assert!(matches!(outcome, Outcome::Done { .. }), "{word}: {outcome:?}");
        facts
    }

    pub async fn ask(&mut self, query: Query) -> Result<String, Refusal> {
        self.say(ToAgent::Ask { question: 1, query });
        soon("an answer", async {
            loop {
                if let FromAgent::Answer { question: 1, answer } = self.hear().await.unwrap() {
                    return answer;
                }
            }
        })
        .await
    }

    /// Hears until the session ends.
    pub async fn end(&mut self) -> End {
        soon("the session's end", async {
            loop {
                if let Err(end) = self.hear().await {
                    return end;
                }
            }
        })
        .await
    }
}
