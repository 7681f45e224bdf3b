use std::os::fd::OwnedFd;
use std::sync::Condvar;
use std::sync::atomic::AtomicUsize;

use hostler_hypervisor::simulated::SimulatedHost;
use hostler_model::host::{HostFacts, Load};

use super::*;

/// A computer whose storage does not answer until it is told to.
#[derive(Default)]
struct Silent {
    asked: AtomicUsize,
    answers: std::sync::Mutex<bool>,
    told: Condvar,
}

impl Silent {
    fn hang(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Not for ever: a test that fails has to end.
        let limit = Duration::from_secs(60);
        let answers = self.answers.lock().unwrap();
        drop(self.told.wait_timeout_while(answers, limit, |answers| !*answers).unwrap());
    }

    fn answer(&self) {
        *self.answers.lock().unwrap() = true;
        self.told.notify_all();
    }

    async fn was_asked(&self, times: usize) {
        let asked = async {
            while self.asked.load(Ordering::SeqCst) < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
    }
}

impl Host for Silent {
    fn facts(&self) -> HostFacts {
        HostFacts::default()
    }
    fn load(&self) -> Load {
        self.hang();
        Load::default()
    }
    fn answer(&self, _query: &Query) -> Result<Vec<u8>, Refusal> {
        self.hang();
        Ok(Vec::new())
    }
    fn open_graphics(&self, _domain: Uuid) -> Result<OwnedFd, Refusal> {
        Err(Refusal::new(Code::AgentUnsupported, "screen", "there is none"))
    }
}

fn shared(host: &Arc<Silent>) -> (Arc<Shared>, mpsc::Receiver<Event>) {
    let (events, happened) = mpsc::channel(QUEUE);
    let simulated = Arc::new(SimulatedHost::new(1, "/vms", 1 << 40));
    let shared = Shared {
        readings: Readings::new(Arc::clone(&simulated) as _, Sizes::new(|seen| seen), events.clone()),
        sizes: Sizes::new(|seen| seen),
        machines: Arc::clone(&simulated) as _,
        disks: Arc::clone(&simulated) as _,
        moves: Arc::clone(&simulated) as _,
        boots: Arc::clone(&simulated) as _,
        networks: simulated,
        host: Arc::clone(host) as _,
        events,
        calls: Semaphore::new(CALLS),
        questions: Arc::new(Semaphore::new(QUESTIONS)),
        facts: Mutex::default(),
        loads: Mutex::default(),
        answers: AtomicBool::new(false),
        server: std::sync::Mutex::default(),
        trial: false,
    };
    (Arc::new(shared), happened)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_load_cannot_be_read_no_other_is_begun() {
    let host = Arc::new(Silent::default());
    let (shared, mut happened) = shared(&host);
    let of = Arc::clone(&shared);
    let hangs = tokio::spawn(async move { of.load().await });
    host.was_asked(1).await;
    for _ in 0..100 {
        tokio::time::timeout(Duration::from_secs(60), shared.load()).await.unwrap();
    }
    assert_eq!(host.asked.load(Ordering::SeqCst), 1);
    host.answer();
    hangs.await.unwrap();
    assert!(matches!(happened.recv().await, Some(Event::Input(Input::Load(_)))));
    shared.load().await;
    assert_eq!(host.asked.load(Ordering::SeqCst), 2, "once it answers it is read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_to_silent_storage_do_not_take_all_threads() {
    let host = Arc::new(Silent::default());
    let (shared, mut happened) = shared(&host);
    let ask = |question: u64| {
        let of = Arc::clone(&shared);
        tokio::spawn(async move { of.answer(SessionId(1), question, Query::FileSystems).await })
    };
    let hang: Vec<_> = (0..QUESTIONS as u64).map(ask).collect();
    host.was_asked(QUESTIONS).await;
    ask(99).await.unwrap();
    match happened.recv().await {
        Some(Event::Input(Input::Answered { question: 99, answer: Err(why), .. })) => {
            assert_eq!(why.code, Code::TooManyRequests, "{why}");
        }
        other => panic!("{other:?}"),
    }
    host.answer();
    for one in hang {
        one.await.unwrap();
    }
    assert_eq!(host.asked.load(Ordering::SeqCst), QUESTIONS);
    ask(100).await.unwrap();
    assert_eq!(host.asked.load(Ordering::SeqCst), QUESTIONS + 1, "there is room again");
}
