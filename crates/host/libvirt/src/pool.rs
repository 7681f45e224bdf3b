//! Connections to libvirt, each used by one thread at a time.
//!
//! A call checks one out and gives it back; the dead are dropped, and the next call opens anew, at once: nothing here
//! repeats a call, because whether it took effect must be looked up.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::raw::{Connection, Error};

/// How many connections are open at most. A host runs some ten commands at a time (4 starts, 2 copies, reads); more
/// connections would only queue inside libvirtd, whose workers are 20 by default.
const MOST: usize = 12;

/// How long a call waits for a connection while all are in use: as long as libvirt itself waits for a busy domain.
const WAIT: Duration = Duration::from_secs(30);

/// The connections.
pub(crate) struct Pool {
    uri: String,
    open_limit: Duration,
    state: Mutex<Shelf>,
    given_back: Condvar,
}

#[derive(Default)]
struct Shelf {
    idle: Vec<Connection>,
    lent: usize,
}

/// A connection checked out; its place is given back when dropped, the connection only through [`Lent::keep`].
struct Lent<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
}

impl Pool {
    /// A pool without connections: the first call opens one.
    pub(crate) fn new(uri: String, open_limit: Duration) -> Self {
        Self { uri, open_limit, state: Mutex::default(), given_back: Condvar::new() }
    }

    /// A new connection that is not of the pool.
    pub(crate) fn open(&self) -> Result<Connection, Error> {
        Connection::open(&self.uri, self.open_limit)
    }

    /// Calls with a connection of this thread's own.
    pub(crate) fn with<T>(&self, call: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let mut place = self.place()?;
        let connection = match place.connection.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        let result = call(&connection);
        match &result {
            Err(why) if why.is_lost() => self.drop_idle(),
            _ => place.keep(connection),
        }
        result
    }

    /// Drops the connections that nobody uses: libvirtd has died, or hangs.
    pub(crate) fn drop_idle(&self) {
        let idle = std::mem::take(&mut self.shelf().idle);
        // Closing speaks to libvirtd where it still answers, so not under the lock.
        drop(idle);
    }

    /// A place, with an idle connection if one is alive: libvirtd may have died since it was given back, and a call
    /// on a dead one would be interrupted although it never left.
    fn place(&self) -> Result<Lent<'_>, Error> {
        let until = Instant::now() + WAIT;
        let mut dead = Vec::new();
        let mut shelf = self.shelf();
        let connection = loop {
            match shelf.idle.pop() {
                Some(connection) if connection.is_alive() => break Some(connection),
                Some(connection) => dead.push(connection),
                None if shelf.lent < MOST => break None,
                None => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Error {
                            code: 68,
                            domain: 0,
                            message: "all connections to libvirt are in use".into(),
                        });
                    }
                    let woken = self.given_back.wait_timeout(shelf, left);
                    shelf = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        };
        shelf.lent += 1;
        drop(shelf);
        drop(dead);
        Ok(Lent { pool: self, connection })
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    fn keep(&self, connection: Connection) {
        self.pool.shelf().idle.push(connection);
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.pool.shelf().lent -= 1;
        self.pool.given_back.notify_one();
    }
}
