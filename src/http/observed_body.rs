//! Response bodies that something follows until they are sent or dropped.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};

/// What follows a body. It is dropped with the body.
pub trait Observer: Unpin + Send + 'static {
    /// Called with the data of each frame, and returns what to send instead.
    fn data(&mut self, data: Bytes) -> Bytes {
        data
    }

    /// Called when the whole body has been passed on.
    fn end(&mut self) {}
}

/// Attaches an observer to the body of a response. The length stays known.
pub fn observed(response: Response, observer: impl Observer) -> Response {
    response.map(|body| Body::new(ObservedBody { body, observer }))
}

struct ObservedBody<O> {
    body: Body,
    observer: O,
}

impl<O: Observer> HttpBody for ObservedBody<O> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, observer } = &mut *self;
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        let failed = matches!(frame, Some(Err(_)));
        if !failed && (frame.is_none() || body.is_end_stream()) {
            observer.end();
        }
        Poll::Ready(frame.map(|frame| Ok(frame?.map_data(|data| observer.data(data)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
