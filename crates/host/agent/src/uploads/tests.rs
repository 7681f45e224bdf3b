//! Uploads with cuts, restarts, races and a full disk.

use super::*;

struct World {
    state: tempfile::TempDir,
    share: tempfile::TempDir,
    uploads: Arc<Uploads>,
}

impl World {
    fn new() -> Self {
        let (state, share) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let uploads = Arc::new(Uploads::new(state.path().join("uploads")));
        Self { state, share, uploads }
    }

    /// The agent is started again.
    fn restart(&mut self) {
        self.uploads = Arc::new(Uploads::new(self.state.path().join("uploads")));
    }

    fn folder(&self) -> String {
        self.share.path().to_str().unwrap().to_owned()
    }

    fn begin(
        &self,
        id: u128,
        path: &str,
        size_bytes: u64,
        sha256: Option<String>,
    ) -> Result<Arrival, Refusal> {
        let file = NewUpload { path: path.into(), size_bytes, sha256 };
        let ask = UploadAsk::Begin { upload: Uuid::from_u128(id), file, keep_s: 3_600 };
        self.uploads.answer(&self.folder(), &ask).map(Option::unwrap)
    }

    fn look(&self, id: u128) -> Result<Arrival, Refusal> {
        let ask = UploadAsk::Look { upload: Uuid::from_u128(id) };
        self.uploads.answer(&self.folder(), &ask).map(Option::unwrap)
    }

    fn finish(&self, id: u128) -> Result<Arrival, Refusal> {
        let ask = UploadAsk::Finish { upload: Uuid::from_u128(id) };
        self.uploads.answer(&self.folder(), &ask).map(Option::unwrap)
    }

    fn writer(&self, id: u128, offset: u64, length: usize) -> Result<Writer, Refusal> {
        self.uploads.piece(&self.folder(), Uuid::from_u128(id), offset, length as u64)
    }

    fn piece(&self, id: u128, offset: u64, bytes: &[u8]) -> Result<Arrival, Refusal> {
        let mut writer = self.writer(id, offset, bytes.len())?;
        for part in bytes.chunks(1_000) {
            writer.write(part)?;
        }
        writer.end()
    }

    /// What lies in the share and in the state folder.
    fn left(&self) -> (Vec<String>, usize) {
        let names = |folder: &Path| -> Vec<String> {
            let entries = fs::read_dir(folder).into_iter().flatten();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        (names(self.share.path()), names(&self.state.path().join("uploads")).len())
    }
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_upload_survives_cuts_and_restarts_and_is_checked_as_a_whole() {
    let mut world = World::new();
    let whole = content(100_000);
    world.begin(1, "debian.iso", 100_000, Some(sum(&whole).to_uppercase())).unwrap();
    world.piece(1, 0, &whole[..30_000]).unwrap();
    // A piece that is cut off: what came stays.
    let mut writer = world.writer(1, 30_000, 70_000).unwrap();
    writer.write(&whole[30_000..42_000]).unwrap();
    drop(writer);
    assert_eq!(world.look(1).unwrap().received_bytes, 42_000);
    world.restart();
    assert_eq!(world.look(1).unwrap().received_bytes, 42_000);
    // Whoever begins the same again goes on with it, under whatever id they thought of.
    let again = world.begin(2, "debian.iso", 100_000, Some(sum(&whole))).unwrap();
    assert_eq!((again.upload, again.received_bytes), (Uuid::from_u128(1), 42_000));
    assert_eq!(world.finish(1).unwrap_err().code, Code::UploadIncomplete);
    world.piece(1, 42_000, &whole[42_000..]).unwrap();
    let done = world.finish(1).unwrap();
    assert!(done.finished);
    assert_eq!(fs::read(world.share.path().join("debian.iso")).unwrap(), whole);
    // Its answer was lost, and the agent started again.
    assert_eq!(world.finish(1).unwrap(), done);
    world.restart();
    assert_eq!(world.finish(1).unwrap(), done);
    assert_eq!(world.left().0, ["debian.iso"]);
}

#[test]
fn a_file_whose_naming_was_not_noted_is_known_by_what_it_is() {
    let mut world = World::new();
    world.begin(1, "a.iso", 3, None).unwrap();
    world.piece(1, 0, b"abc").unwrap();
    let noted = fs::read(world.uploads.file(Uuid::from_u128(1))).unwrap();
    world.finish(1).unwrap();
    // As if the agent had died between.
    fs::write(world.uploads.file(Uuid::from_u128(1)), noted).unwrap();
    world.restart();
    assert!(world.finish(1).unwrap().finished);
    // Somebody put another file in its place: that is not it.
    fs::remove_file(world.share.path().join("a.iso")).unwrap();
    fs::write(world.share.path().join("other"), "abc").unwrap();
    fs::write(world.share.path().join("a.iso"), "abc").unwrap();
    fs::remove_file(world.share.path().join("other")).unwrap();
    world.restart();
    let found = world.look(1);
    assert!(found.is_err() || found.unwrap().finished, "a number may be used again at once");
}

#[test]
fn content_that_is_not_what_was_announced_is_not_kept() {
    let world = World::new();
    world.begin(1, "a.iso", 5, Some(sum(b"hello"))).unwrap();
    world.piece(1, 0, b"hallo").unwrap();
    assert_eq!(world.finish(1).unwrap_err().code, Code::UploadSumWrong);
    assert_eq!(world.left(), (Vec::new(), 0));
    assert_eq!(world.look(1).unwrap_err().code, Code::ObjectNotFound);
}

#[test]
fn checking_that_takes_long_goes_on_at_the_next_question() {
    let mut world = World::new();
    let whole = content(5 * CHECKED_BYTES);
    world.begin(1, "a.iso", whole.len() as u64, Some(sum(&whole))).unwrap();
    world.piece(1, 0, &whole).unwrap();
    // After a restart all of it is read again; no time at all is given, so nothing is.
    world.uploads = Arc::new(Uploads::with(world.state.path().join("uploads"), Duration::ZERO));
    assert_eq!(world.finish(1).unwrap_err().code, Code::UploadVerifying);
    world.restart();
    assert!(world.finish(1).unwrap().finished);
}

#[test]
fn of_two_who_write_the_one_who_came_last_goes_on() {
    let world = World::new();
    world.begin(1, "a.iso", 6, None).unwrap();
    let mut first = world.writer(1, 0, 6).unwrap();
    first.write(b"ab").unwrap();
    assert_eq!(world.writer(1, 0, 6).unwrap_err().code, Code::UploadOffsetWrong);
    let mut second = world.writer(1, 2, 4).unwrap();
    assert_eq!(first.write(b"XX").unwrap_err().code, Code::ObjectBusy);
    second.write(b"cdef").unwrap();
    assert_eq!(first.end().unwrap_err().code, Code::ObjectBusy);
    assert_eq!(second.end().unwrap().received_bytes, 6);
    world.finish(1).unwrap();
    assert_eq!(fs::read(world.share.path().join("a.iso")).unwrap(), b"abcdef");
    assert_eq!(world.writer(1, 6, 0).unwrap_err().code, Code::UploadOffsetWrong, "it is finished");
}

#[test]
fn what_is_not_allowed_is_refused_and_leaves_nothing() {
    let world = World::new();
    fs::write(world.share.path().join("there.iso"), "mine").unwrap();
    for (path, code) in [
        ("there.iso", Code::LibraryFileExists),
        ("../x.iso", Code::PathForbidden),
        ("/x.iso", Code::ValueInvalid),
        (".x.iso", Code::ValueInvalid),
        ("no-folder/x.iso", Code::ValueInvalid),
    ] {
        assert_eq!(world.begin(1, path, 3, None).unwrap_err().code, code, "{path}");
    }
    assert_eq!(world.begin(1, "large.iso", u64::MAX / 2, None).unwrap_err().code, Code::DiskFull);
    assert_eq!(world.left(), (vec!["there.iso".to_owned()], 0));
    world.begin(1, "a.iso", 3, None).unwrap();
    assert_eq!(world.writer(1, 0, 4).unwrap_err().code, Code::ValueInvalid, "more than was announced");
    let other = tempfile::tempdir().unwrap();
    let ask = UploadAsk::Look { upload: Uuid::from_u128(1) };
    let refused = world.uploads.answer(other.path().to_str().unwrap(), &ask).unwrap_err();
    assert_eq!(refused.code, Code::ObjectNotFound, "it is an upload to another share");
    for id in 2..=MOST as u128 {
        world.begin(id, &format!("{id}.iso"), 1, None).unwrap();
    }
    assert_eq!(world.begin(999, "one-more.iso", 1, None).unwrap_err().code, Code::TooManyRequests);
}

#[test]
fn a_file_that_came_in_between_is_not_replaced_and_the_upload_can_be_finished_later() {
    let world = World::new();
    world.begin(1, "a.iso", 3, None).unwrap();
    world.piece(1, 0, b"new").unwrap();
    fs::write(world.share.path().join("a.iso"), "mine").unwrap();
    assert_eq!(world.finish(1).unwrap_err().code, Code::LibraryFileExists);
    assert_eq!(fs::read(world.share.path().join("a.iso")).unwrap(), b"mine");
    fs::remove_file(world.share.path().join("a.iso")).unwrap();
    assert!(world.finish(1).unwrap().finished);
}

#[test]
fn what_nothing_arrives_of_is_given_up_and_what_was_removed_is_gone() {
    let mut world = World::new();
    world.begin(1, "a.iso", 3, None).unwrap();
    world.begin(2, "b.iso", 3, None).unwrap();
    world.piece(2, 0, b"bbb").unwrap();
    world.finish(2).unwrap();
    world.begin(3, "c.iso", 3, None).unwrap();
    world.uploads.answer(&world.folder(), &UploadAsk::Remove { upload: Uuid::from_u128(3) }).unwrap();
    assert_eq!(world.look(3).unwrap_err().code, Code::ObjectNotFound);
    let kept_until = world.look(1).unwrap().kept_until;
    world.uploads.give_up_at(Timestamp(kept_until.0 - 1));
    assert!(world.look(1).is_ok());
    world.restart();
    world.uploads.give_up_at(kept_until.plus(10_000));
    assert_eq!(world.look(1).unwrap_err().code, Code::ObjectNotFound);
    assert_eq!(world.left(), (vec!["b.iso".to_owned()], 0), "what is whole stays");
    let late = world.writer(1, 0, 3).unwrap_err();
    assert_eq!(late.code, Code::ObjectNotFound);
}
