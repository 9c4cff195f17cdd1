//! The listening socket and its connections, which are limited in number and in how long each may
//! be silent.

mod activity;
mod life;
mod sending;
mod slots;
mod watched;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::headers;
use super::tls::Tls;
use crate::config::Limits;
use crate::telemetry::OpenConnection;
use activity::{Activity, Times};
use life::ConnectionHandler;
use slots::{Slot, Slots};

/// Maximum bytes of a head that are read. Heads over the configured limit but within this one get a
/// proper error response.
const HEAD_BYTES: usize = 1 << 18;

/// Maximum concurrent requests per connection.
const STREAMS: u32 = 64;

/// Bytes of a response that the kernel buffers before it can send them.
const KERNEL_BYTES: u32 = 1 << 17;

/// Accepts and serves connections.
pub struct Connections {
    listener: TcpListener,
    tls: Option<Tls>,
    limits: Arc<Limits>,
    slots: Slots,
    open: TaskTracker,
}

/// An accepted connection.
struct Accepted {
    stream: TcpStream,
    activity: Arc<Activity>,
    slot: Slot,
}

impl Connections {
    pub fn new(listener: TcpListener, tls: Option<Tls>, limits: &Limits) -> Self {
        let slots = Slots::new(limits.connections);
        Self { listener, tls, limits: Arc::new(limits.clone()), slots, open: TaskTracker::new() }
    }

    /// Serves until `stop`, then waits for connections that have requests in flight or may be about
    /// to send their first one. Meanwhile, new connections are still accepted and get an error
    /// response.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) {
        let ending = CancellationToken::new();
        let handler = ConnectionHandler {
            router,
            builder: builder(),
            tls: self.tls.clone(),
            times: Times::new(&self.limits),
            ending: ending.clone(),
        };
        let mut stop = pin!(stop);
        // Pinned, so that a connection that waits for its slot is not dropped on `stop`.
        let mut next = pin!(self.accept());
        loop {
            tokio::select! {
                accepted = &mut next => {
                    self.spawn(accepted, handler.clone());
                    next.set(self.accept());
                }
                () = &mut stop => break,
            }
        }
        ending.cancel();
        self.open.close();
        loop {
            tokio::select! {
                biased;
                accepted = &mut next => {
                    self.spawn(accepted, handler.clone());
                    next.set(self.accept());
                }
                () = self.open.wait() => return,
            }
        }
    }

    /// Accepts the next connection and waits for a slot for it.
    async fn accept(&self) -> Accepted {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let activity = Arc::new(Activity::new(&self.limits));
                    let slot = self.slots.take(Arc::clone(&activity)).await;
                    return Accepted { stream, activity, slot };
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    // Most likely, file descriptors have run out and will be freed.
                    warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn spawn(&self, accepted: Accepted, handler: ConnectionHandler) {
        let Accepted { stream, activity, slot } = accepted;
        set_options(&stream);
        let open = OpenConnection::count();
        self.open.spawn(async move {
            let _guards = (slot, open);
            handler.run(stream, activity).await;
        });
    }
}

/// Sets socket options. They cannot fail on a socket, and a failure would not matter.
fn set_options(stream: &TcpStream) {
    // Responses are written as a whole, so delaying small packets gains nothing.
    let _ = stream.set_nodelay(true);
    // Otherwise megabytes are buffered in the kernel and sent in bursts, which hides how fast the
    // client reads.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(KERNEL_BYTES);
}

/// Timeouts are implemented here, because hyper has none between two requests and counts pings as
/// activity.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .header_read_timeout(None)
        .max_headers(4 * headers::FIELDS)
        .max_buf_size(HEAD_BYTES);
    builder.http2().max_header_list_size(HEAD_BYTES as u32).max_concurrent_streams(STREAMS);
    builder
}

fn is_peer_error(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(error.kind(), E::ConnectionRefused | E::ConnectionAborted | E::ConnectionReset)
}
