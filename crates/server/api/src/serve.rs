//! The HTTPS port: connections in, requests to the routes.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::access::Remote;
use crate::app::Api;

/// How many connections are open at the same time. Each idle one takes some 20 KiB; beyond this, new ones wait in the
/// system's queue.
const CONNECTIONS: usize = 4_096;
/// How long a handshake, or the head of a request, may take: a slow sender holds a place no longer.
const SLOW: Duration = Duration::from_secs(10);
/// How long requests under way may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(10);
/// After a failure to accept (no more file descriptors) this long is waited, rather than to spin.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// Requests on one HTTP/2 connection at the same time: more is no browser's need.
const STREAMS: u32 = 128;

/// Serves until `stop` is ready; then no more connections are taken, live feeds end, and requests under way have ten
/// seconds.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    api: Api,
    stop: impl Future<Output = ()>,
) {
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let router = api.router();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, remote, place) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                tracing::warn!(%cause, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        let (acceptor, router, watcher) = (acceptor.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            let Ok(Ok(stream)) = tokio::time::timeout(SLOW, acceptor.accept(stream)).await else { return };
            let service = TowerToHyperService::new(from_remote(router, remote));
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(SLOW);
            builder
                .http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .keep_alive_interval(SLOW);
            let connection =
                builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
            if let Err(cause) = watcher.watch(connection).await {
                tracing::debug!(%cause, %remote, "a connection ended badly");
            }
        });
    }
    drop(listener);
    api.stop();
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were cut off: they took longer than ten seconds to end");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, remote) = listener.accept().await?;
    Ok((stream, remote, place))
}

/// The routes for one connection: each request knows where it comes from.
fn from_remote(
    router: Router,
    remote: SocketAddr,
) -> impl tower::Service<
    http::Request<hyper::body::Incoming>,
    Response = http::Response<Body>,
    Error = Infallible,
    Future: Send + 'static,
> + Clone
+ Send
+ 'static {
    router.map_request(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Remote(remote));
        request
    })
}
