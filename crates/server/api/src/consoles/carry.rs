//! One console, from its WebSocket's first frame to its last.

use std::io;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hostler_model::channel::StreamKind;
use hostler_model::console::{ConsoleEnd, ConsoleKind};
use hostler_model::vm::Vm;
use hostler_model::{HostId, Key, Object};
use hostler_server::{ByteStream, Committed, News};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::rfb::Filter;
use super::{Close, Ticket};
use crate::access::Caller;
use crate::app::App;

/// How much is shown at a time: as much as travels at a time.
const PART_BYTES: usize = 32 * 1024;
/// How long a browser may take nothing.
const SLOW: Duration = Duration::from_secs(10);
/// How often a silent browser is asked whether it is there; three times unanswered, it is not.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How often it is looked whether the caller may still look: what a commit changes is looked at with the commit.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long the last word may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest reason that a close frame holds, in bytes.
const LONGEST_REASON: usize = 120;

impl Close {
    fn new(end: ConsoleEnd, reason: impl Into<String>) -> Self {
        Self { code: end.code(), reason: reason.into() }
    }
}

/// Carries a console until it is closed by either side.
pub(crate) async fn carry(app: App, caller: Caller, ticket: String, socket: WebSocket) {
    let (mut to_browser, mut from_browser) = socket.split();
    let close = match app.consoles().take(&ticket, caller.user.id) {
        None => Some(Close::new(
            ConsoleEnd::TicketNotGood,
            "the ticket is used, has run out, or is somebody else's: ask for a new one",
        )),
        Some(ticket) => open(&app, &ticket, &mut to_browser, &mut from_browser).await,
    };
    let Some(Close { code, mut reason }) = close else { return };
    reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let _ = timeout(FAREWELL, async {
        if to_browser.send(frame).await.is_ok() {
            // Until the browser has heard it.
            while let Some(Ok(_)) = from_browser.next().await {}
        }
    })
    .await;
}

/// Opens and holds it; none when the browser has closed it.
async fn open(
    app: &App,
    ticket: &Ticket,
    to_browser: &mut SplitSink<WebSocket, Message>,
    from_browser: &mut SplitStream<WebSocket>,
) -> Option<Close> {
    // From before the first look: nothing changes unseen.
    let mut news = app.handle().watch();
    let (vm, host) = match stands(app, ticket) {
        Ok(stands) => stands,
        Err(close) => return Some(close),
    };
    let (domain, view_only) = (vm.domain, ticket.view_only);
    let what = match ticket.kind {
        ConsoleKind::Graphics => StreamKind::Graphics { domain },
        ConsoleKind::Serial => StreamKind::Serial { domain, input: !view_only },
    };
    let stream = match app.handle().open_stream(host.into(), what).await {
        Ok(stream) => stream,
        Err(refusal) => return Some(refusal.into()),
    };
    let _entered = app.consoles().enter(ticket, app.handle().now());
    let (user, kind) = (&ticket.caller.user.name, ticket.kind.word());
    tracing::info!(%user, vm = %vm.spec.name, id = %vm.id, kind, view_only, "a console was opened");
    let (from_host, to_host) = split(stream);
    let close = tokio::select! {
        close = shown(ticket.kind, from_host, to_browser) => close,
        close = typed(ticket, from_browser, to_host) => close,
        close = watched(app, ticket, host, &mut news) => Some(close),
    };
    let why = close.as_ref().map_or("by the viewer", |close| &close.reason);
    tracing::info!(%user, vm = %vm.spec.name, id = %vm.id, kind, why, "a console was closed");
    close
}

/// Whether the console may be, and where its machine is.
fn stands(app: &App, ticket: &Ticket) -> Result<(std::sync::Arc<Vm>, HostId), Close> {
    let revoked = |why: &str| Close::new(ConsoleEnd::Revoked, why);
    let caller = ticket.caller.again(app).ok_or_else(|| revoked("the sign-in has ended"))?;
    if !caller.may(ticket.right()) {
        return Err(revoked("the right to it was taken away"));
    }
    match app.picture().get(Key::Vm(ticket.vm)).map(|stored| &stored.object) {
        Some(Object::Vm(vm)) => match vm.host {
            Some(host) => Ok((vm.clone(), host)),
            None => Err(Close::new(ConsoleEnd::HostNotAnswering, "the machine is on no host yet")),
        },
        _ => Err(Close::new(ConsoleEnd::MachineGone, "the machine is gone")),
    }
}

/// Passes on what the machine shows.
async fn shown(
    kind: ConsoleKind,
    mut from_host: ReadHalf<ByteStream>,
    to_browser: &mut SplitSink<WebSocket, Message>,
) -> Option<Close> {
    let mut part = vec![0; PART_BYTES];
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            read = from_host.read(&mut part) => match read {
                Ok(0) => return Some(match kind {
                    ConsoleKind::Graphics => Close::new(ConsoleEnd::TurnedOff, "the machine was turned off"),
                    ConsoleKind::Serial => Close::new(ConsoleEnd::MachineGone, "the machine is gone"),
                }),
                Ok(some) => Message::binary(part[..some].to_vec()),
                Err(why) => return Some(lost(&why)),
            },
            _ = ping.tick() => Message::Ping(Default::default()),
        };
        match timeout(SLOW, to_browser.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some(Close::new(ConsoleEnd::TooSlow, "what the machine shows was not taken")),
        }
    }
}

fn lost(why: &io::Error) -> Close {
    tracing::info!(%why, "a console lost its host");
    Close::new(ConsoleEnd::HostNotAnswering, "the connection to the machine's host was lost")
}

/// Passes on what is typed and pointed at.
async fn typed(
    ticket: &Ticket,
    from_browser: &mut SplitStream<WebSocket>,
    mut to_host: WriteHalf<ByteStream>,
) -> Option<Close> {
    let mut filter = Filter::new(ticket.view_only);
    loop {
        let bytes = match timeout(3 * PING_EVERY, from_browser.next()).await {
            Ok(Some(Ok(Message::Binary(bytes)))) => bytes,
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Text(_)))) => {
                return Some(Close { code: close_code::UNSUPPORTED, reason: "text is not taken".into() });
            }
            // Gone, with or without a word.
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return None,
        };
        let sent = match ticket.kind {
            ConsoleKind::Serial if ticket.view_only => Ok(()),
            ConsoleKind::Serial => to_host.write_all(&bytes).await,
            ConsoleKind::Graphics => match filter.pass(&bytes) {
                Ok(passed) => to_host.write_all(&passed).await,
                Err(why) => return Some(Close { code: close_code::POLICY, reason: why.to_string() }),
            },
        };
        if let Err(why) = sent {
            return Some(lost(&why));
        }
    }
}

/// Waits until the console may be no more.
async fn watched(app: &App, ticket: &Ticket, host: HostId, news: &mut hostler_server::Watch) -> Close {
    let mut stopping = app.stopping();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ending = || Close { code: close_code::AWAY, reason: "the server is stopping".into() };
    loop {
        tokio::select! {
            told = news.next() => match told {
                None => return ending(),
                Some(News::Committed(committed)) if !concerns(ticket, &committed) => continue,
                Some(News::Committed(_) | News::Missed) => {}
            },
            _ = look.tick() => {}
            _ = stopping.wait_for(|stopping| *stopping) => return ending(),
        }
        match stands(app, ticket) {
            Ok((_, now)) if now == host => {}
            Ok(_) => return Close::new(ConsoleEnd::MachineGone, "the machine is on another host now"),
            Err(close) => return close,
        }
    }
}

fn concerns(ticket: &Ticket, committed: &Committed) -> bool {
    let caller = &ticket.caller;
    let keys = [Key::User(caller.user.id), Key::Token(caller.token.id), Key::Vm(ticket.vm)];
    committed.changes.iter().any(|change| keys.contains(&change.key))
}
