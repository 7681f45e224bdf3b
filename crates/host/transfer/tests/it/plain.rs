//! What goes on without encryption, as somebody sees it who listens in between.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hostler_transfer::{Access, Encryption, FileOffer, Link, Offers, SocketOffer, dial};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

use crate::world::{GENEROUS, HERE, Two, agent, at, limits, ticket};

const OWN: Access = Access { mode: 0o600, owner: None };
const MARK: &[u8] = b"what nobody in between should read";
const ANSWER: &[u8] = b"and what nobody should read of the answer";

/// Passes everything on, and keeps what it saw.
struct Between {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Between {
    async fn stand(before: SocketAddr) -> Self {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(before).await.unwrap();
                let ((a, b), (c, d)) = (near.into_split(), far.into_split());
                tokio::spawn(pass(a, d, Arc::clone(&keep)));
                tokio::spawn(pass(c, b, Arc::clone(&keep)));
            }
        });
        Self { address, seen }
    }

    fn saw(&self, what: &[u8]) -> bool {
        self.seen.lock().unwrap().windows(what.len()).any(|window| window == what)
    }

    async fn dial(&self, two: &Two) -> Link {
        dial(self.address, &two.second, ticket("t-1", agent(1)), limits()).await.unwrap()
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, keep: Arc<Mutex<Vec<u8>>>) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        keep.lock().unwrap().extend(&piece[..length]);
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// Memory and a base as is said, and libvirt's socket encrypted in any case.
fn offers(socket: &Path, file: &Path, encryption: Encryption) -> Offers {
    let (path, check) = (file.to_owned(), |_: &fs::File| Ok(()));
    let file = FileOffer { path, mode: 0o444, most_bytes: 64 << 20, check, encryption };
    let sockets = [("memory", encryption), ("libvirt", Encryption::Kept)];
    let socket = |encryption| SocketOffer { path: socket.to_owned(), encryption };
    Offers {
        sockets: sockets.map(|(name, encryption)| (name.to_owned(), socket(encryption))).into(),
        files: [("base".to_owned(), file)].into(),
    }
}

/// Reads to the end, then answers.
fn answering(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                // The first to speak may be either side.
                stream.write_all(ANSWER).await.unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                stream.write_all(&all).await.unwrap();
            });
        }
    });
}

/// Says a mark at the end of much else, and hears all of it again.
async fn speak(near: &Path) {
    let mut sent: Vec<u8> = (0..700_001_u32).map(|i| (i % 249) as u8).collect();
    sent.extend(MARK);
    let mut stream = UnixStream::connect(near).await.unwrap();
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    timeout(GENEROUS, stream.read_to_end(&mut back)).await.unwrap().unwrap();
    assert!(back.starts_with(ANSWER) && back[ANSWER.len()..] == sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_is_carried_in_the_clear_only_where_both_ends_say_so_and_arrives_whole_either_way() {
    use Encryption::{Kept, Waived};
    for (offered, asked) in [(Kept, Kept), (Kept, Waived), (Waived, Kept), (Waived, Waived)] {
        let folder = tempfile::tempdir().unwrap();
        let (far, near) = (folder.path().join("far"), folder.path().join("near"));
        answering(&far);
        let two = Two::new();
        let listening = two.listen(offers(&far, &folder.path().join("base"), offered)).await;
        let between = Between::stand(at(&listening)).await;
        let link = between.dial(&two).await;
        let carried = link.carry("memory", &near, OWN, asked).unwrap();
        // Many: the first bare byte and the last encrypted one may arrive in one piece or in two.
        let all: Vec<_> = (0..12).map(|_| near.clone()).collect();
        let mut at_work = tokio::task::JoinSet::new();
        for near in all {
            at_work.spawn(async move { speak(&near).await });
        }
        while let Some(done) = at_work.join_next().await {
            done.unwrap();
        }
        drop(carried);
        let clear = (offered, asked) == (Waived, Waived);
        assert_eq!((between.saw(MARK), between.saw(ANSWER)), (clear, clear), "{offered:?} {asked:?}");
        assert!(!between.saw(b"\"want\""), "what a connection is for is never said in the clear");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_of_which_it_was_not_said_stays_encrypted_beside_one_of_which_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (far, near) = (folder.path().join("far"), folder.path().join("near"));
    answering(&far);
    let two = Two::new();
    let listening = two.listen(offers(&far, &folder.path().join("base"), Encryption::Waived)).await;
    let between = Between::stand(at(&listening)).await;
    let link = between.dial(&two).await;
    let _carried = link.carry("libvirt", &near, OWN, Encryption::Waived).unwrap();
    speak(&near).await;
    assert!(!between.saw(MARK) && !between.saw(ANSWER));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_travels_in_the_clear_only_where_both_ends_say_so_and_is_checked_either_way() {
    use Encryption::{Kept, Waived};
    for (offered, asked) in [(Kept, Waived), (Waived, Kept), (Waived, Waived)] {
        let folder = tempfile::tempdir().unwrap();
        let (source, place) = (folder.path().join("source"), folder.path().join("base"));
        let mut content: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 247) as u8).collect();
        content.extend(MARK);
        fs::write(&source, &content).unwrap();
        let two = Two::new();
        let listening = two.listen(offers(&folder.path().join("no"), &place, offered)).await;
        let between = Between::stand(at(&listening)).await;
        let link = between.dial(&two).await;
        let sent =
            timeout(GENEROUS, link.send_file("base", &source, asked, &|_, _| {})).await.unwrap().unwrap();
        assert!(fs::read(&place).unwrap() == content);
        assert_eq!(between.saw(MARK), (offered, asked) == (Waived, Waived), "{offered:?} {asked:?}");
        assert!(!between.saw(sent.sha256.as_bytes()), "the digest is said under encryption, so it holds");
    }
}
