//! Serves one connection from accept to close.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::AddExtension;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use super::super::accounting::Account;
use super::super::malformed;
use super::super::problem::Problem;
use super::super::request_id::random_id;
use super::super::requests::Requests;
use super::super::tls::Tls;
use super::super::unread;
use super::activity::{Activity, Overdue, Times};
use super::sending::track;
use super::watched::WatchedStream;
use crate::error::{Code, Error};

/// Time limit for a connection to finish when it should close, or to send its request if it has
/// sent nothing yet.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves connections.
#[derive(Clone)]
pub struct ConnectionHandler {
    pub router: Router,
    pub builder: Builder<TokioExecutor>,
    pub tls: Option<Tls>,
    pub times: Times,
    /// Cancelled when the service shuts down.
    pub ending: CancellationToken,
}

/// Why a connection should close.
enum Reason {
    Overdue(Overdue),
    /// Another connection needs its slot.
    Evicted,
    Ending,
}

impl ConnectionHandler {
    /// Serves a connection until it closes.
    pub async fn run(self, stream: TcpStream, activity: Arc<Activity>) {
        let Some(tls) = &self.tls else { return self.serve(stream, activity).await };
        tokio::select! {
            accepted = tls.accept(stream) => match accepted {
                Ok(stream) => self.serve(stream, activity).await,
                Err(error) => debug!(%error, "a TLS handshake failed"),
            },
            () = self.handshake_late() => debug!("a TLS handshake took too long"),
        }
    }

    async fn handshake_late(&self) {
        let ending = async {
            self.ending.cancelled().await;
            sleep(CLOSE_TIMEOUT).await;
        };
        tokio::select! { () = sleep(self.times.head) => {}, () = ending => {} }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        activity: Arc<Activity>,
    ) {
        let stream = WatchedStream::new(stream, Arc::clone(&activity));
        let (stream, router) = malformed::wrap(stream, self.router.clone());
        let (stream, request_activity) = (TokioIo::new(stream), Arc::clone(&activity));
        let service = tower::service_fn(move |request: Request<Incoming>| {
            answer(router.clone(), Arc::clone(&request_activity), request.map(Body::new))
        });
        let service = TowerToHyperService::new(service);
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        let reason = tokio::select! {
            _ = connection.as_mut() => return,
            reason = self.reason(&activity) => reason,
        };
        match reason {
            Reason::Overdue(Overdue::Reader) => {
                debug!("a response is read too slowly");
                return;
            }
            Reason::Overdue(Overdue::Head) => activity.respond_and_close(head_timeout()),
            Reason::Ending => {
                if activity.is_new() {
                    let request = timeout(CLOSE_TIMEOUT, activity.first_request());
                    tokio::select! { _ = connection.as_mut() => return, _ = request => {} }
                }
                match activity.has_partial_head() {
                    true => activity.respond_and_close(shutting_down()),
                    false => connection.as_mut().graceful_shutdown(),
                }
            }
            Reason::Evicted | Reason::Overdue(Overdue::Request) => {
                connection.as_mut().graceful_shutdown();
            }
        }
        activity.restart_timer();
        let limits = Times { idle: CLOSE_TIMEOUT, head: CLOSE_TIMEOUT };
        tokio::select! { _ = connection => {}, _ = activity.overdue(limits) => {} }
    }

    async fn reason(&self, activity: &Activity) -> Reason {
        tokio::select! {
            overdue = activity.overdue(self.times) => Reason::Overdue(overdue),
            () = activity.evicted() => Reason::Evicted,
            () = self.ending.cancelled() => Reason::Ending,
        }
    }
}

/// Responds to one request and reads the rest of its body.
async fn answer(
    router: AddExtension<Router, Requests>,
    activity: Arc<Activity>,
    request: Request,
) -> Result<Response, Infallible> {
    let in_flight = Arc::new(activity.begin(request.version()));
    let (request, rest) = unread::watch(request);
    let response = router.oneshot(request).await?;
    let response = rest.read(response, Arc::clone(&in_flight));
    Ok(track(response, in_flight))
}

fn head_timeout() -> Bytes {
    let detail = "the head of the request did not arrive in time";
    refusal(StatusCode::REQUEST_TIMEOUT, Error::new(Code::RequestTimeout, detail))
}

fn shutting_down() -> Bytes {
    let error = Error::new(Code::Draining, "the service is shutting down");
    refusal(StatusCode::SERVICE_UNAVAILABLE, error)
}

/// Formats an HTTP/1.1 response to an incomplete request, and logs and counts it.
fn refusal(status: StatusCode, error: Error) -> Bytes {
    let id = random_id();
    Account::record_malformed(&id, status);
    let problem = serde_json::to_string(&Problem::new(error, Some(&id))).unwrap_or_default();
    let length = problem.len();
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: \
         {length}\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n{problem}"
    );
    response.into()
}
