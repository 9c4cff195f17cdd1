//! What is left of a request's body when the response is there already. Closing at once
//! would reset the connection, and the caller would never see why it was refused.

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

/// How much of it is read, and for how long.
const BYTES: usize = 16 << 20;
const TIME: Duration = Duration::from_secs(2);

/// The rest of a body, if there will be one.
pub struct Rest {
    left: oneshot::Receiver<Body>,
    /// Whether the caller would not know where the next request begins: the body does not
    /// come, or not to its end.
    endless: bool,
}

/// The request as it was, and what will be left of its body.
pub fn watch(request: Request) -> (Request, Rest) {
    let expects = request.headers().contains_key(header::EXPECT);
    let endless = expects || request.body().size_hint().lower() > BYTES as u64;
    let (back, left) = oneshot::channel();
    // HTTP/2 closes the stream alone.
    let back = (request.version() < Version::HTTP_2).then_some(back);
    let request = request.map(|body| Body::new(Lent { body, back }));
    (request, Rest { left, endless })
}

impl Rest {
    /// Reads the rest for a while, in the background; `busy` is held meanwhile. Not before
    /// the response is there: asking for the body would send 100 Continue.
    pub fn read(mut self, mut response: Response, busy: impl Send + 'static) -> Response {
        let Ok(mut body) = self.left.try_recv() else { return response };
        if self.endless {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        tokio::spawn(async move {
            let _busy = busy;
            // Whatever is left after that is not worth more.
            let _ = timeout(TIME, discard(&mut body)).await;
        });
        response
    }
}

async fn discard(body: &mut Body) {
    let mut left = BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// A body that comes back if it is dropped before its end.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
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

impl Drop for Lent {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            return;
        }
        if let Some(back) = self.back.take() {
            // Nobody waits for it where the connection is gone.
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}
