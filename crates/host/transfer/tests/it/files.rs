use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use hostler_transfer::{Encryption, FileOffer, Link, Offers, Sent, TransferError, Why};
use proptest::prelude::*;
use tokio::time::timeout;

use crate::world::{GENEROUS, Two};

fn offer(path: &Path) -> Offers {
    let (path, check) = (path.to_owned(), |_: &fs::File| Ok(()));
    let file = FileOffer { path, mode: 0o444, most_bytes: 64 << 20, check, encryption: Encryption::Kept };
    Offers { files: [("base".to_owned(), file)].into(), ..Offers::default() }
}

async fn send(link: &Link, path: &Path) -> Result<Sent, TransferError> {
    timeout(GENEROUS, link.send_file("base", path, Encryption::Kept, &|_, _| {})).await.unwrap()
}

/// The file, as data at offsets.
fn write(path: &Path, size: u64, data: &[(u64, Vec<u8>)]) {
    let file = fs::File::create(path).unwrap();
    file.set_len(size).unwrap();
    for (at, bytes) in data {
        file.write_all_at(bytes, *at).unwrap();
    }
}

fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with('.')).collect()
}

#[tokio::test]
async fn a_sparse_file_arrives_whole_read_only_and_with_its_holes() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, place) = (from.path().join("a"), to.path().join("b"));
    write(&source, 50 << 20, &[(0, vec![1; 5_000]), (30 << 20, vec![2; 700_000])]);
    let two = Two::new();
    let listening = two.listen(offer(&place)).await;
    let link = two.dial(&listening).await.unwrap();
    let (done, of) = (AtomicU64::new(0), AtomicU64::new(0));
    let told = |d, o| {
        done.store(d, Ordering::Relaxed);
        of.store(o, Ordering::Relaxed);
    };
    let sent =
        timeout(GENEROUS, link.send_file("base", &source, Encryption::Kept, &told)).await.unwrap().unwrap();
    assert_eq!((sent.size_bytes, sent.resumed_at), (50 << 20, 0));
    assert!(sent.sent_bytes < 2 << 20, "holes do not travel: {} bytes did", sent.sent_bytes);
    assert!(fs::read(&source).unwrap() == fs::read(&place).unwrap());
    let there = fs::metadata(&place).unwrap();
    assert!(there.blocks() * 512 < 4 << 20, "holes are kept: {} blocks", there.blocks());
    assert_eq!(there.permissions().mode() & 0o777, 0o444);
    assert_eq!(of.load(Ordering::Relaxed), 100 << 20);
    assert!(leftovers(to.path()).is_empty());
    // Once more: it is there.
    assert_eq!(send(&link, &source).await.unwrap().sent_bytes, 0);
    link.close().await;
}

#[tokio::test]
async fn what_had_arrived_is_not_sent_again() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, place) = (from.path().join("a"), to.path().join("b"));
    write(&source, 32 << 20, &[(0, (0..32_u32 << 20).map(|i| (i % 253) as u8).collect())]);
    let two = Two::new();
    {
        let listening = two.listen(offer(&place)).await;
        let link = two.dial(&listening).await.unwrap();
        // Dies on the way: as soon as something of it is there.
        let part = async {
            loop {
                if let Some(name) = leftovers(to.path()).first()
                    && fs::metadata(to.path().join(name)).is_ok_and(|part| part.len() > 1 << 20)
                {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            sent = link.send_file("base", &source, Encryption::Kept, &|_, _| {}) => panic!("too quick to be broken off: {sent:?}"),
            () = part => {}
        }
    }
    assert!(!place.exists(), "half a file never has the whole one's place");
    let listening = two.listen(offer(&place)).await;
    let link = two.dial(&listening).await.unwrap();
    // The earlier attempt may still hold it for a moment.
    let sent = loop {
        match send(&link, &source).await {
            Err(why) if why.may_pass() => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            sent => break sent.unwrap(),
        }
    };
    assert!(sent.resumed_at > 0);
    assert!(sent.sent_bytes < 32 << 20);
    assert!(fs::read(&source).unwrap() == fs::read(&place).unwrap());
    assert!(leftovers(to.path()).is_empty());
}

#[tokio::test]
async fn what_was_spoiled_on_the_way_is_thrown_away_and_comes_anew() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, place) = (from.path().join("a"), to.path().join("b"));
    write(&source, 1 << 20, &[(0, vec![9; 1 << 20])]);
    let two = Two::new();
    let listening = two.listen(offer(&place)).await;
    let link = two.dial(&listening).await.unwrap();
    // A beginning that was there before, as long as it should be, and not what it should be: a lost power does that.
    let digest = send(&link, &source).await.unwrap().sha256;
    fs::remove_file(&place).unwrap();
    let part = to.path().join(format!(".b.{}.arriving", &digest[..16]));
    fs::write(&part, vec![0; 1 << 19]).unwrap();
    match send(&link, &source).await.unwrap_err() {
        TransferError::Refused { why: Why::Damaged, .. } => {}
        other => panic!("{other}"),
    }
    assert!(!place.exists() && !part.exists());
    assert_eq!(send(&link, &source).await.unwrap().resumed_at, 0);
    assert!(fs::read(&source).unwrap() == fs::read(&place).unwrap());
}

#[tokio::test]
async fn what_is_not_what_was_offered_is_thrown_away_although_it_has_its_digest() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, place) = (from.path().join("a"), to.path().join("b"));
    write(&source, 1 << 20, &[(0, vec![9; 1 << 20])]);
    let mut offers = offer(&place);
    for file in offers.files.values_mut() {
        file.check = |file| {
            let mut first = [0];
            file.read_exact_at(&mut first, 0).unwrap();
            if first == [9] { Err("it begins with a nine".into()) } else { Ok(()) }
        };
    }
    let two = Two::new();
    let listening = two.listen(offers).await;
    let link = two.dial(&listening).await.unwrap();
    match send(&link, &source).await.unwrap_err() {
        TransferError::Refused { why: Why::Damaged, cause } => assert_eq!(cause, "it begins with a nine"),
        other => panic!("{other}"),
    }
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
    write(&source, 1 << 20, &[(0, vec![8; 1 << 20])]);
    send(&link, &source).await.unwrap();
    assert!(fs::read(&source).unwrap() == fs::read(&place).unwrap());
}

#[tokio::test]
async fn a_file_that_is_not_offered_or_larger_than_offered_is_refused() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = from.path().join("a");
    write(&source, 65 << 20, &[]);
    let two = Two::new();
    let listening = two.listen(offer(&to.path().join("b"))).await;
    let link = two.dial(&listening).await.unwrap();
    let refused = |why: TransferError| matches!(why, TransferError::Refused { why: Why::NotOffered, .. });
    assert!(refused(send(&link, &source).await.unwrap_err()));
    let other =
        timeout(GENEROUS, link.send_file("../b", &source, Encryption::Kept, &|_, _| {})).await.unwrap();
    assert!(refused(other.unwrap_err()));
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named_to_the_sender() {
    let from = tempfile::tempdir().unwrap();
    let source = from.path().join("a");
    write(&source, 1_000, &[(0, vec![1])]);
    let two = Two::new();
    let listening = two.listen(offer(&from.path().join("no such folder/b"))).await;
    let link = two.dial(&listening).await.unwrap();
    let why = send(&link, &source).await.unwrap_err();
    assert!(why.to_string().contains("no such folder"), "{why}");
}

/// Any file with holes and data: how long it is, and what stands where.
fn any_file() -> impl Strategy<Value = (u64, Vec<(u64, Vec<u8>)>)> {
    let size = 0..3_000_000_u64;
    let data = prop::collection::vec((0..3_000_000_u64, 1..200_000_usize, any::<u8>()), 0..8);
    (size, data).prop_map(|(size, data)| {
        let data = data
            .into_iter()
            .filter(|(at, ..)| *at < size)
            .map(|(at, length, byte)| (at, vec![byte; length.min((size - at) as usize)]))
            .collect();
        (size, data)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sparse_file_arrives_as_it_is_wherever_an_earlier_attempt_ended(
        (size, data) in any_file(),
        had in 0..3_500_000_u64,
    ) {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (source, place, other) = (from.path().join("a"), to.path().join("b"), to.path().join("c"));
        write(&source, size, &data);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let two = Two::new();
            let listening = two.listen(offer(&other)).await;
            let digest = send(&two.dial(&listening).await.unwrap(), &source).await.unwrap().sha256;
            // The beginning of it, as an attempt that ended there would have left it.
            let mut part = fs::read(&source).unwrap();
            part.truncate(had as usize);
            let longer = had > size;
            if longer {
                part.resize(had as usize, 1);
            }
            fs::write(to.path().join(format!(".b.{}.arriving", &digest[..16])), part).unwrap();
            let listening = two.listen(offer(&place)).await;
            let sent = send(&two.dial(&listening).await.unwrap(), &source).await.unwrap();
            assert_eq!(sent.resumed_at, if longer { 0 } else { had });
            assert_eq!(sent.sha256, digest);
        });
        for arrived in [&place, &other] {
            prop_assert!(fs::read(&source).unwrap() == fs::read(arrived).unwrap());
        }
        prop_assert!(leftovers(to.path()).is_empty());
        // At most what the source takes, and a block at each end of each piece of data.
        let (was, is) = (fs::metadata(&source).unwrap().blocks(), fs::metadata(&other).unwrap().blocks());
        prop_assert!(is <= was + 16 * (data.len() as u64 + 1), "{is} blocks for {was}");
    }
}
