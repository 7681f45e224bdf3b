//! What every route holds: the handle on the server, and the little that the face itself remembers.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use hostler_console::File;
use hostler_server::{Handle, Picture};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::consoles::Consoles;
use crate::fields::Fields;
use crate::rights::{RouteError, RouteRight, Table};
use crate::rollup::Newest;
use crate::screens::Screens;
use crate::slow::Passwords;
use crate::tokens::Tokens;
use crate::window::Boards;
use crate::{access, openapi, routes};

/// How many passes over the whole picture, for windows, there are at a time: they take a processor each, and the loop
/// that decides wants one too.
const PASSES: usize = 2;

/// The state of the routes. Clones mean the same.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    handle: Handle,
    tokens: Tokens,
    passwords: Passwords,
    document: Bytes,
    stopping: watch::Receiver<bool>,
    passes: Arc<Semaphore>,
    boards: Boards,
    roll_ups: Newest,
    files: &'static [File],
    screens: Screens,
    consoles: Arc<Consoles>,
}

impl App {
    pub(crate) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    pub(crate) fn picture(&self) -> Arc<Picture> {
        self.0.handle.picture()
    }

    pub(crate) fn newest_roll_ups(&self) -> &Newest {
        &self.0.roll_ups
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(crate) fn document(&self) -> Bytes {
        self.0.document.clone()
    }

    /// Becomes true when the face stops: what lasts (the live feed) ends then.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.clone()
    }

    /// The newest pictures of screens.
    pub(crate) fn screens(&self) -> &Screens {
        &self.0.screens
    }

    /// The console's files.
    pub(crate) fn files(&self) -> &'static [File] {
        self.0.files
    }

    /// The lists that windows look at.
    pub(crate) fn boards(&self) -> &Boards {
        &self.0.boards
    }

    /// Consoles of machines.
    pub(crate) fn consoles(&self) -> &Arc<Consoles> {
        &self.0.consoles
    }

    /// A place for a pass over the whole picture, as soon as one is free.
    pub(crate) async fn passes(&self) -> Option<OwnedSemaphorePermit> {
        self.0.passes.clone().acquire_owned().await.ok()
    }
}

/// The REST interface of a server, ready to be served.
pub struct Api {
    router: Router,
    rights: Vec<RouteRight>,
    stop: watch::Sender<bool>,
}

impl Api {
    /// Builds it on a handle.
    ///
    /// # Errors
    /// When a route has no declared right, or two. Such a server must not start.
    pub fn new(handle: Handle) -> Result<Self, RouteError> {
        Self::with_console(handle, hostler_console::FILES)
    }

    /// Builds it with another console than the program's own.
    ///
    /// # Errors
    /// As [`Api::new`].
    pub fn with_console(handle: Handle, files: &'static [File]) -> Result<Self, RouteError> {
        let built = routes::all();
        let (router, document, table) = built.finish()?;
        let document = openapi::complete(document, &table)?;
        let fields = Fields::of(&document);
        let (stop, stopping) = watch::channel(false);
        let app = App(Arc::new(Inner {
            handle,
            tokens: Tokens::default(),
            passwords: Passwords::default(),
            document: openapi::text(&document)?.into(),
            stopping,
            passes: Arc::new(Semaphore::new(PASSES)),
            boards: Boards::default(),
            roll_ups: Newest::default(),
            files,
            screens: Screens::default(),
            consoles: Arc::default(),
        }));
        let rights = table.list();
        let router = access::guarded(router, app, table, fields);
        Ok(Self { router, rights, stop })
    }

    /// The routes.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Every route with the right it needs, from the router's own table, in the order of paths.
    pub fn rights(&self) -> &[RouteRight] {
        &self.rights
    }

    /// Ends what lasts: live feeds are closed.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// The OpenAPI document, as it is served and committed.
///
/// # Errors
/// As [`Api::new`].
pub fn document() -> Result<String, RouteError> {
    let (_, document, table): (_, _, Table) = routes::all().finish()?;
    openapi::text(&openapi::complete(document, &table)?)
}
