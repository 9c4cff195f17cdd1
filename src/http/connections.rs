//! The listening socket and the connections that come in through it: bounded in
//! number, and each in how long it may say nothing.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tracing::{debug, warn};

use super::tls::Tls;
use super::{headers, malformed};
use crate::config::Limits;
use crate::telemetry::OpenConnection;

/// How long a caller may take nothing of what it is sent.
const UNREAD: Duration = Duration::from_secs(30);

/// Bytes of a head that are read at all; what is over the configured limit, and
/// not over this, is answered with what to change.
const HEAD_BYTES: usize = 1 << 18;

/// Requests that one connection may have in flight at a time.
const STREAMS: u32 = 64;

/// Where requests come from.
pub struct Connections {
    listener: TcpListener,
    tls: Option<Tls>,
    slots: Arc<Semaphore>,
    /// For the head of a request, and between two.
    idle: Duration,
    /// How long nothing may come in: longer than any answer takes.
    silence: Duration,
    builder: Builder<TokioExecutor>,
}

/// A stream that ends when its other end is silent, or deaf, for too long.
type Bounded = Pin<Box<TimeoutStream<TcpStream>>>;

impl Connections {
    pub fn new(listener: TcpListener, tls: Option<Tls>, limits: &Limits) -> Self {
        let slots = Arc::new(Semaphore::new(limits.connections));
        let idle = limits.idle_time();
        let silence = limits.request_time() + idle;
        Self { listener, tls, slots, idle, silence, builder: builder(idle) }
    }

    /// Serves until `stop`, and then those connections that have requests in flight.
    /// Until these are done others may come in, to be told that it is over.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) {
        let ending = GracefulShutdown::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                (stream, slot) = self.accept() => {
                    self.spawn(stream, slot, router.clone(), Some(ending.watcher()));
                }
                () = &mut stop => break,
            }
        }
        let mut done = pin!(ending.shutdown());
        loop {
            tokio::select! {
                (stream, slot) = self.accept() => self.spawn(stream, slot, router.clone(), None),
                () = &mut done => return,
            }
        }
    }

    /// The next connection, once there is room for one more.
    async fn accept(&self) -> (TcpStream, OwnedSemaphorePermit) {
        loop {
            // The semaphore is never closed.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { continue };
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, slot),
                Err(error) if is_of_the_other_end(&error) => {}
                Err(error) => {
                    // No file descriptors are left, most likely: some will be.
                    warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn spawn(
        &self,
        stream: TcpStream,
        slot: OwnedSemaphorePermit,
        router: Router,
        watcher: Option<Watcher>,
    ) {
        // Answers are written whole: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_read_timeout(Some(self.silence));
        stream.set_write_timeout(Some(UNREAD));
        let stream: Bounded = Box::pin(stream);
        let (builder, tls, idle) = (self.builder.clone(), self.tls.clone(), self.idle);
        let open = OpenConnection::count();
        tokio::spawn(async move {
            let _held = (slot, open);
            match tls {
                None => drive(&builder, stream, router, watcher).await,
                Some(tls) => match timeout(idle, tls.accept(stream)).await {
                    Ok(Ok(stream)) => drive(&builder, stream, router, watcher).await,
                    Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
                    Err(_) => debug!("a TLS handshake took too long"),
                },
            }
        });
    }
}

fn builder(idle: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_headers(4 * headers::FIELDS)
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(idle)
        .max_header_list_size(HEAD_BYTES as u32)
        .max_concurrent_streams(STREAMS);
    builder
}

/// Answers the requests of one connection.
async fn drive(
    builder: &Builder<TokioExecutor>,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    router: Router,
    watcher: Option<Watcher>,
) {
    let (stream, router) = malformed::answered(stream, router);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let served = match watcher {
        Some(watcher) => watcher.watch(connection).await,
        None => connection.await,
    };
    // Whoever is at the other end broke off, or spoke something else.
    if let Err(error) = served {
        debug!(%error, "a connection ended early");
    }
}

fn is_of_the_other_end(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(error.kind(), E::ConnectionRefused | E::ConnectionAborted | E::ConnectionReset)
}
