//! The listening socket and the connections that come in through it: bounded in number,
//! and each in how long it may say nothing.

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
use life::Life;
use slots::{Slot, Slots};

/// Bytes of a head that are read at all; what is over the configured limit, and
/// not over this, is answered with what to change.
const HEAD_BYTES: usize = 1 << 18;

/// Requests that one connection may have in flight at a time.
const STREAMS: u32 = 64;

/// Bytes of a response that the kernel takes before it could send them.
const KERNEL_BYTES: u32 = 1 << 17;

/// Where requests come from.
pub struct Connections {
    listener: TcpListener,
    tls: Option<Tls>,
    limits: Arc<Limits>,
    slots: Slots,
    open: TaskTracker,
}

/// A connection that was let in.
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

    /// Serves until `stop`, and then those connections that have requests in flight or may
    /// be about to send their first. Until these are done others may come in, to be told
    /// that it is over.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) {
        let ending = CancellationToken::new();
        let life = Life {
            router,
            builder: builder(),
            tls: self.tls.clone(),
            times: Times::new(&self.limits),
            ending: ending.clone(),
        };
        let mut stop = pin!(stop);
        // One that waits for its slot when the end comes is not forgotten.
        let mut next = pin!(self.accept());
        loop {
            tokio::select! {
                accepted = &mut next => {
                    self.spawn(accepted, life.clone());
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
                    self.spawn(accepted, life.clone());
                    next.set(self.accept());
                }
                () = self.open.wait() => return,
            }
        }
    }

    /// The next connection, once there is a slot for it.
    async fn accept(&self) -> Accepted {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let activity = Arc::new(Activity::new(&self.limits));
                    let slot = self.slots.take(Arc::clone(&activity)).await;
                    return Accepted { stream, activity, slot };
                }
                Err(error) if is_of_the_other_end(&error) => {}
                Err(error) => {
                    // No file descriptors are left, most likely: some will be.
                    warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn spawn(&self, accepted: Accepted, life: Life) {
        let Accepted { stream, activity, slot } = accepted;
        set_up(&stream);
        let open = OpenConnection::count();
        self.open.spawn(async move {
            let _held = (slot, open);
            life.lead(stream, activity).await;
        });
    }
}

/// Neither can fail on a socket, nor would it matter.
fn set_up(stream: &TcpStream) {
    // Answers are written whole: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    // Else megabytes wait there, and are passed on in bursts that hide how fast they are
    // read.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(KERNEL_BYTES);
}

/// Times are not the HTTP library's matter: it knows none between two requests, and takes
/// pings for life.
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

fn is_of_the_other_end(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(error.kind(), E::ConnectionRefused | E::ConnectionAborted | E::ConnectionReset)
}
