use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hostler_transfer::{Access, Encryption, Offers, SocketOffer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::world::{GENEROUS, Two};

const OWN: Access = Access { mode: 0o600, owner: None };

fn offer(name: &str, path: &Path) -> Offers {
    let socket = SocketOffer { path: path.to_owned(), encryption: Encryption::Kept };
    Offers { sockets: [(name.to_owned(), socket)].into(), ..Offers::default() }
}

/// Answers each connection with what it read, backwards, after its end of writing was heard.
fn backwards(path: PathBuf) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                all.reverse();
                stream.write_all(&all).await.unwrap();
            });
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_of_one_socket_pass_with_their_half_closes() {
    let folder = tempfile::tempdir().unwrap();
    let (far, near) = (folder.path().join("far"), folder.path().join("near"));
    let serving = backwards(far.clone());
    let two = Two::new();
    let listening = two.listen(offer("libvirt", &far)).await;
    let link = two.dial(&listening).await.unwrap();
    let carried = link.carry("libvirt", &near, OWN, Encryption::Kept).unwrap();
    assert_eq!(std::fs::metadata(carried.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..20_u8 {
        let near = near.clone();
        asked.spawn(async move {
            let mut stream = UnixStream::connect(near).await.unwrap();
            // Larger than all buffers in between.
            let mut sent: Vec<u8> = (0..1_000_003_u32).map(|i| (i % 251) as u8 ^ n).collect();
            stream.write_all(&sent).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            sent.reverse();
            assert!(back == sent, "connection {n}");
        });
    }
    while let Some(done) = timeout(GENEROUS, asked.join_next()).await.unwrap() {
        done.unwrap();
    }
    drop(carried);
    assert!(!near.exists(), "the socket goes with what carried it");
    assert!(UnixStream::connect(&near).await.is_err());
    serving.abort();
}

#[tokio::test]
async fn a_reader_that_takes_nothing_holds_back_its_own_writer_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (far, near) = (folder.path().join("far"), folder.path().join("near"));
    let listener = UnixListener::bind(&far).unwrap();
    let two = Two::new();
    let listening = two.listen(offer("qemu", &far)).await;
    let link = two.dial(&listening).await.unwrap();
    let _carried = link.carry("qemu", &near, OWN, Encryption::Kept).unwrap();
    let mut stuck = UnixStream::connect(&near).await.unwrap();
    let (unread, _) = timeout(GENEROUS, listener.accept()).await.unwrap().unwrap();
    // Until nothing more is taken for a while: what lies between is bounded.
    let piece = vec![7_u8; 1 << 20];
    let mut written = 0_u64;
    while let Ok(some) = timeout(std::time::Duration::from_secs(2), stuck.write(&piece)).await {
        written += some.unwrap() as u64;
        assert!(written < 256 << 20, "a writer was never held back");
    }
    let mut lively = UnixStream::connect(&near).await.unwrap();
    let (mut answering, _) = timeout(GENEROUS, listener.accept()).await.unwrap().unwrap();
    lively.write_all(b"ping").await.unwrap();
    let mut heard = [0; 4];
    timeout(GENEROUS, answering.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"ping");
    drop(unread);
}

#[tokio::test]
async fn a_socket_that_is_not_offered_or_that_nobody_serves_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let two = Two::new();
    let listening = two.listen(offer("qemu", &folder.path().join("nobody"))).await;
    let link = two.dial(&listening).await.unwrap();
    for name in ["qemu", "libvirt"] {
        let near = folder.path().join(name);
        let _carried = link.carry(name, &near, OWN, Encryption::Kept).unwrap();
        let mut stream = UnixStream::connect(&near).await.unwrap();
        let mut nothing = Vec::new();
        // An end or a reset: either way it is over.
        let _ = timeout(GENEROUS, stream.read_to_end(&mut nothing)).await.unwrap();
        assert!(nothing.is_empty());
    }
    assert!(!link.is_over());
}

#[tokio::test]
async fn what_is_carried_ends_with_the_pair_at_both_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (far, near) = (folder.path().join("far"), folder.path().join("near"));
    let listener = UnixListener::bind(&far).unwrap();
    let two = Two::new();
    let listening = two.listen(offer("qemu", &far)).await;
    let link = two.dial(&listening).await.unwrap();
    let carried = link.carry("qemu", &near, OWN, Encryption::Kept).unwrap();
    let mut here = UnixStream::connect(&near).await.unwrap();
    let (mut there, _) = timeout(GENEROUS, listener.accept()).await.unwrap().unwrap();
    // It is joined all the way before it is broken.
    here.write_all(b"x").await.unwrap();
    assert_eq!(timeout(GENEROUS, there.read_u8()).await.unwrap().unwrap(), b'x');
    drop(link);
    let mut rest = Vec::new();
    let _ = timeout(GENEROUS, here.read_to_end(&mut rest)).await.unwrap();
    let _ = timeout(GENEROUS, there.read_to_end(&mut rest)).await.unwrap();
    // The listener itself goes as well.
    timeout(GENEROUS, async {
        while UnixStream::connect(&near).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    drop(carried);
}
