//! Reads the rest of a request's body after the response. Closing at once would reset the
//! connection, and the client would never see why it was rejected.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Limits of how much is read and for how long.
const BYTES: usize = 16 << 20;
const TIME: Duration = Duration::from_secs(2);

/// The rest of a body that is returned when the handler drops it.
pub struct UnreadBody {
    body: oneshot::Receiver<Body>,
    /// Whether the start of the next request cannot be found, because the body may not arrive, or
    /// not completely.
    must_close: bool,
}

/// Returns the request, and a handle to the rest of its body.
pub fn watch(request: Request) -> (Request, UnreadBody) {
    let expects = request.headers().contains_key(header::EXPECT);
    let must_close = expects || request.body().size_hint().lower() > BYTES as u64;
    let (back, body) = oneshot::channel();
    // HTTP/2 can close a single stream.
    let back = (request.version() < Version::HTTP_2).then_some(back);
    let request = request.map(|body| Body::new(ReturnedBody { body, back }));
    (request, UnreadBody { body, must_close })
}

impl UnreadBody {
    /// Reads the rest in the background for a limited time; holds `busy` meanwhile. It starts only
    /// after the response, because reading the body would send 100 Continue.
    pub fn read(mut self, mut response: Response, busy: impl Send + 'static) -> Response {
        let Ok(mut body) = self.body.try_recv() else { return response };
        if self.must_close {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        tokio::spawn(async move {
            let _busy = busy;
            // Ignores what remains after that.
            let _ = timeout(TIME, discard(&mut body)).await;
        });
        response
    }
}

async fn discard(body: &mut Body) {
    let mut remaining = BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        match remaining.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => remaining = less,
            None => return,
        }
    }
}

/// A body that is sent back if it is dropped before its end.
struct ReturnedBody {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for ReturnedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() {
            self.back = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ReturnedBody {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            return;
        }
        if let Some(back) = self.back.take() {
            // The receiver is gone if the connection is closed.
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}
