//! A disk that can lose power: a VFS of SQLite, all in memory, where what was written is safe only after a sync. At a
//! loss any part of the rest, sector by sector, may be there or not. One connection at a time.
#![expect(unsafe_code, reason = "a VFS is a table of C functions")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::ffi;

/// What disks write whole or not at all.
const SECTOR: usize = 512;

/// What happens at a certain operation from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The machine loses power, or the process is killed: nothing that follows has any effect.
    Stop,
    /// No space is left for longer files, until there is no more trouble.
    Full,
    /// One sync fails, and the system forgets what it was to write: later syncs do not write it either.
    SyncFails,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Write::Bytes { at, bytes } => {
                image.resize(image.len().max(at + bytes.len()), 0);
                image[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Write::Length(length) => image.resize(*length, 0),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// As programs see it.
    seen: Vec<u8>,
    /// As it is after a loss of power, but for `pending`.
    safe: Vec<u8>,
    pending: Vec<Write>,
    /// The log's index, shared memory of its users.
    index: Vec<Box<[u8]>>,
}

#[derive(Debug, Default)]
struct State {
    contents: Vec<Content>,
    /// Which content a name has as programs see it, and after a loss of power.
    names: BTreeMap<String, (Option<usize>, Option<usize>)>,
    trouble: Option<(u32, Trouble)>,
    full: bool,
    stopped: bool,
    chance: u64,
    operations: u32,
    open: u32,
}

/// The disk. Its VFS is registered with SQLite for ever under [`Platter::name`].
#[derive(Clone, Debug)]
pub struct Platter {
    name: String,
    state: Arc<Mutex<State>>,
}

struct Handle {
    state: Arc<Mutex<State>>,
    name: String,
    content: usize,
    is_store: bool,
}

#[repr(C)]
struct OpenFile {
    methods: *const ffi::sqlite3_io_methods,
    handle: *mut Handle,
}

impl State {
    /// 0 up to, not including, `below`.
    fn throw(&mut self, below: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % below
    }

    /// Counts an operation, and makes the trouble that is due at it.
    fn operate(&mut self) -> Option<Trouble> {
        self.operations += 1;
        let due = match &mut self.trouble {
            Some((0, trouble)) => Some(*trouble),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }?;
        self.trouble = None;
        match due {
            Trouble::Stop => self.stopped = true,
            Trouble::Full => self.full = true,
            Trouble::SyncFails => {}
        }
        Some(due)
    }

    fn write(&mut self, content: usize, write: Write) -> c_int {
        if self.stopped {
            return ffi::SQLITE_IOERR_WRITE;
        }
        let trouble = self.operate();
        let content = &mut self.contents[content];
        if let Write::Bytes { at, bytes } = &write
            && self.full
            && at + bytes.len() > content.seen.len()
        {
            return ffi::SQLITE_FULL;
        }
        write.apply(&mut content.seen);
        content.pending.push(write);
        if trouble == Some(Trouble::Stop) { ffi::SQLITE_IOERR_WRITE } else { ffi::SQLITE_OK }
    }

    fn sync(&mut self, name: &str, content: usize) -> c_int {
        if self.stopped {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        let trouble = self.operate();
        if self.stopped {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        let pending = mem::take(&mut self.contents[content].pending);
        if trouble == Some(Trouble::SyncFails) {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        for write in pending {
            write.apply(&mut self.contents[content].safe);
        }
        if let Some((seen, safe)) = self.names.get_mut(name) {
            *safe = *seen;
        }
        ffi::SQLITE_OK
    }

    /// What a content is after a loss of power.
    fn survivor(&mut self, content: usize) -> Vec<u8> {
        let pending = mem::take(&mut self.contents[content].pending);
        let mut image = mem::take(&mut self.contents[content].safe);
        let likely = [0, 0, 50, 90, 100][self.throw(5) as usize];
        for write in pending {
            match write {
                Write::Length(_) if self.throw(100) < likely => write.apply(&mut image),
                Write::Length(_) => {}
                Write::Bytes { at, bytes } => {
                    let mut from = 0;
                    while from < bytes.len() {
                        let to = bytes.len().min((at + from) / SECTOR * SECTOR + SECTOR - at);
                        if self.throw(100) < likely {
                            Write::Bytes { at: at + from, bytes: bytes[from..to].to_vec() }.apply(&mut image);
                        }
                        from = to;
                    }
                }
            }
        }
        image
    }
}

impl Platter {
    pub fn new(chance: u64) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("platter-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let state = Arc::new(Mutex::new(State { chance: chance | 1, ..State::default() }));
        register(&name, Arc::clone(&state));
        Self { name, state }
    }

    /// What to open a store through.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Makes trouble at the operation (write, truncation, sync or removal) after so many.
    pub fn trouble_after(&self, operations: u32, trouble: Trouble) {
        self.state().trouble = Some((operations, trouble));
    }

    pub fn no_more_trouble(&self) {
        let mut state = self.state();
        state.trouble = None;
        state.full = false;
    }

    /// How many operations there were so far.
    pub fn operations(&self) -> u32 {
        self.state().operations
    }

    /// From now on nothing has an effect, until [`Platter::lose_power`] or [`Platter::survive_kill`].
    pub fn stop(&self) {
        self.state().stopped = true;
    }

    /// Starts again after a loss of power.
    pub fn lose_power(&self) {
        let mut state = self.state();
        let names: Vec<String> = state.names.keys().cloned().collect();
        for name in names {
            let (seen, safe) = state.names[&name];
            let kept = if state.throw(2) == 0 { seen } else { safe };
            state.names.insert(name, (kept, kept));
        }
        for content in 0..state.contents.len() {
            let image = state.survivor(content);
            state.contents[content] = Content { seen: image.clone(), safe: image, ..Content::default() };
        }
        state.start_again();
    }

    /// Starts again after the process was killed: all that it wrote is there, and not all of it is safe.
    pub fn survive_kill(&self) {
        let mut state = self.state();
        for content in &mut state.contents {
            content.index.clear();
        }
        state.start_again();
    }
}

impl State {
    fn start_again(&mut self) {
        assert_eq!(self.open, 0, "whoever used the disk is gone");
        (self.stopped, self.full, self.trouble) = (false, false, None);
    }
}

fn register(name: &str, state: Arc<Mutex<State>>) {
    let name = CString::new(name).unwrap().into_raw();
    // SAFETY: all fields of the struct may be null; SQLite keeps it, and what it points to, until the process ends.
    unsafe {
        let mut vfs: ffi::sqlite3_vfs = mem::zeroed();
        vfs.iVersion = 1;
        vfs.szOsFile = mem::size_of::<OpenFile>() as c_int;
        vfs.mxPathname = 1_024;
        vfs.zName = name;
        vfs.pAppData = Box::into_raw(Box::new(state)).cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        vfs.xFullPathname = Some(full_path);
        vfs.xRandomness = Some(randomness);
        vfs.xSleep = Some(sleep);
        vfs.xCurrentTime = Some(current_time);
        let registered = ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0);
        assert_eq!(registered, ffi::SQLITE_OK);
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

// SAFETY of all functions below: SQLite calls them with the VFS that was registered, with files that `open` filled,
// and with buffers of the lengths it names.

unsafe fn disk<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Arc<Mutex<State>> {
    unsafe { &*(*vfs).pAppData.cast() }
}

unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a Handle {
    unsafe { &*(*file.cast::<OpenFile>()).handle }
}

unsafe fn text(name: *const c_char) -> String {
    unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_owned()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let file = file.cast::<OpenFile>();
    unsafe { (*file).methods = std::ptr::null() };
    let state = unsafe { disk(vfs) };
    let mut inside = state.lock().unwrap();
    let is_store = flags & ffi::SQLITE_OPEN_MAIN_DB != 0;
    if inside.stopped || (is_store && inside.open > 0) {
        return ffi::SQLITE_CANTOPEN;
    }
    let name =
        if name.is_null() { format!("temporary-{}", inside.contents.len()) } else { unsafe { text(name) } };
    let found = inside.names.get(&name).and_then(|(seen, _)| *seen);
    let content = found.unwrap_or_else(|| {
        inside.contents.push(Content::default());
        let content = inside.contents.len() - 1;
        // The server makes the store's file, and syncs its folder, before SQLite opens it.
        let safe = is_store.then_some(content);
        let before = inside.names.get(&name).and_then(|(_, safe)| *safe);
        inside.names.insert(name.clone(), (Some(content), safe.or(before)));
        content
    });
    inside.open += u32::from(is_store);
    let handle = Handle { state: Arc::clone(state), name, content, is_store };
    unsafe {
        (*file).handle = Box::into_raw(Box::new(handle));
        (*file).methods = &METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    let mut state = unsafe { disk(vfs) }.lock().unwrap();
    if !state.stopped {
        state.operate();
    }
    if state.stopped {
        return ffi::SQLITE_IOERR_DELETE;
    }
    let name = unsafe { text(name) };
    match state.names.get_mut(&name) {
        Some((seen, safe)) if seen.is_some() => {
            *seen = None;
            if sync_folder != 0 {
                *safe = None;
            }
            ffi::SQLITE_OK
        }
        _ => ffi::SQLITE_IOERR_DELETE_NOENT,
    }
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    answer: *mut c_int,
) -> c_int {
    let state = unsafe { disk(vfs) }.lock().unwrap();
    let name = unsafe { text(name) };
    let found = state.names.get(&name).and_then(|(seen, _)| *seen);
    // As SQLite's own VFS: an empty file is as good as none.
    let there = found.is_some_and(|content| !state.contents[content].seen.is_empty());
    unsafe { *answer = c_int::from(there) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if bytes.len() > room as usize {
        return ffi::SQLITE_CANTOPEN;
    }
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(vfs: *mut ffi::sqlite3_vfs, count: c_int, out: *mut c_char) -> c_int {
    let mut state = unsafe { disk(vfs) }.lock().unwrap();
    for n in 0..count as usize {
        unsafe { *out.add(n) = state.throw(256) as c_char };
    }
    count
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    unsafe { *out = 2_461_000.5 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let handle = unsafe { Box::from_raw((*file.cast::<OpenFile>()).handle) };
    handle.state.lock().unwrap().open -= u32::from(handle.is_store);
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, out: *mut c_void, count: c_int, at: i64) -> c_int {
    let handle = unsafe { handle(file) };
    let state = handle.state.lock().unwrap();
    if state.stopped {
        return ffi::SQLITE_IOERR_READ;
    }
    let seen = &state.contents[handle.content].seen;
    let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), count as usize) };
    out.fill(0);
    let from = seen.len().min(at as usize);
    let part = &seen[from..seen.len().min(from + out.len())];
    out[..part.len()].copy_from_slice(part);
    if part.len() < out.len() { ffi::SQLITE_IOERR_SHORT_READ } else { ffi::SQLITE_OK }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    at: i64,
) -> c_int {
    let handle = unsafe { handle(file) };
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), count as usize) }.to_vec();
    handle.state.lock().unwrap().write(handle.content, Write::Bytes { at: at as usize, bytes })
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    let handle = unsafe { handle(file) };
    handle.state.lock().unwrap().write(handle.content, Write::Length(length as usize))
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    let handle = unsafe { handle(file) };
    handle.state.lock().unwrap().sync(&handle.name, handle.content)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    let handle = unsafe { handle(file) };
    unsafe { *out = handle.state.lock().unwrap().contents[handle.content].seen.len() as i64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(_file: *mut ffi::sqlite3_file, _level: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_file: *mut ffi::sqlite3_file, _op: c_int, _arg: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    SECTOR as c_int
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let handle = unsafe { handle(file) };
    let mut state = handle.state.lock().unwrap();
    let index = &mut state.contents[handle.content].index;
    while extend != 0 && index.len() <= region as usize {
        index.push(vec![0; size as usize].into_boxed_slice());
    }
    let found = index.get_mut(region as usize).map_or(std::ptr::null_mut(), |region| region.as_mut_ptr());
    unsafe { *out = found.cast() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(
    _file: *mut ffi::sqlite3_file,
    _from: c_int,
    _n: c_int,
    _flags: c_int,
) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    let handle = unsafe { handle(file) };
    handle.state.lock().unwrap().contents[handle.content].index.clear();
    ffi::SQLITE_OK
}
