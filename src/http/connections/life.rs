//! The life of one connection, from its first byte to its end.

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
use super::super::malformed::{self, Requests};
use super::super::outer::random_id;
use super::super::problem::Problem;
use super::super::tls::Tls;
use super::super::unread;
use super::activity::{Activity, Overdue, Times};
use super::sending::followed;
use super::watched::Watched;
use crate::error::{Code, Error};

/// How long a connection that is to end may take for that, or, if it has said nothing yet,
/// for its request.
const LAST: Duration = Duration::from_secs(1);

/// What a connection needs to be served.
#[derive(Clone)]
pub struct Life {
    pub router: Router,
    pub builder: Builder<TokioExecutor>,
    pub tls: Option<Tls>,
    pub times: Times,
    /// The service ends.
    pub ending: CancellationToken,
}

/// Why a connection is to end.
enum Reason {
    Overdue(Overdue),
    /// Another needs its slot.
    Crowded,
    Ending,
}

impl Life {
    /// Serves the connection until it ends.
    pub async fn lead(self, stream: TcpStream, activity: Arc<Activity>) {
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
            sleep(LAST).await;
        };
        tokio::select! { () = sleep(self.times.head) => {}, () = ending => {} }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        activity: Arc<Activity>,
    ) {
        let stream = Watched::new(stream, Arc::clone(&activity));
        let (stream, router) = malformed::answered(stream, self.router.clone());
        let (stream, of_requests) = (TokioIo::new(stream), Arc::clone(&activity));
        let service = tower::service_fn(move |request: Request<Incoming>| {
            answer(router.clone(), Arc::clone(&of_requests), request.map(Body::new))
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
            Reason::Overdue(Overdue::Head) => activity.refuse(late_head()),
            Reason::Ending => {
                if activity.is_new() {
                    let request = timeout(LAST, activity.first_request());
                    tokio::select! { _ = connection.as_mut() => return, _ = request => {} }
                }
                match activity.has_half_a_head() {
                    true => activity.refuse(shutting_down()),
                    false => connection.as_mut().graceful_shutdown(),
                }
            }
            Reason::Crowded | Reason::Overdue(Overdue::Request) => {
                connection.as_mut().graceful_shutdown();
            }
        }
        activity.begin_anew();
        let last = Times { idle: LAST, head: LAST };
        tokio::select! { _ = connection => {}, _ = activity.overdue(last) => {} }
    }

    async fn reason(&self, activity: &Activity) -> Reason {
        tokio::select! {
            overdue = activity.overdue(self.times) => Reason::Overdue(overdue),
            () = activity.told_to_leave() => Reason::Crowded,
            () = self.ending.cancelled() => Reason::Ending,
        }
    }
}

/// The response to one request; what is left of its body is read.
async fn answer(
    router: AddExtension<Router, Requests>,
    activity: Arc<Activity>,
    request: Request,
) -> Result<Response, Infallible> {
    let in_flight = Arc::new(activity.begin(request.version()));
    let (request, rest) = unread::watch(request);
    let response = router.oneshot(request).await?;
    let response = rest.read(response, Arc::clone(&in_flight));
    Ok(followed(response, in_flight))
}

fn late_head() -> Bytes {
    let detail = "the head of the request did not arrive in time";
    refusal(StatusCode::REQUEST_TIMEOUT, Error::new(Code::RequestTimeout, detail))
}

fn shutting_down() -> Bytes {
    let error = Error::new(Code::Draining, "the service is shutting down");
    refusal(StatusCode::SERVICE_UNAVAILABLE, error)
}

/// A response to a request that has not come to its end, as HTTP/1.1; it is accounted for.
fn refusal(status: StatusCode, error: Error) -> Bytes {
    let id = random_id();
    Account::of_malformed(&id, status);
    let problem = serde_json::to_string(&Problem::new(error, Some(&id))).unwrap_or_default();
    let length = problem.len();
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: \
         {length}\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n{problem}"
    );
    response.into()
}
