//! Request bodies that stall: without a limit, idle clients would hold every instance there is.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::Error;

/// A body that fails where nothing arrives for some time.
pub struct Patient<B> {
    body: B,
    patience: Duration,
    /// Armed while the body is waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Patient<B> {
    /// Waits for each piece of `body` for at most `patience`.
    pub fn new(body: B, patience: Duration) -> Self {
        Patient { body, patience, timer: None }
    }
}

impl<B: Body<Data = Bytes, Error: Into<Error>> + Unpin> Body for Patient<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let until = Instant::now() + self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Error::ConnectionReadTimeout))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};

    fn body(gaps: Vec<Duration>) -> impl Body<Data = Bytes, Error = Error> + Unpin {
        let frames = stream::unfold(gaps.into_iter(), |mut gaps| async move {
            tokio::time::sleep(gaps.next()?).await;
            Some((Ok::<_, Error>(Frame::data(Bytes::from_static(b"x"))), gaps))
        });
        Patient::new(StreamBody::new(Box::pin(frames)), Duration::from_millis(200))
    }

    #[tokio::test]
    async fn slow_is_fine_and_stalled_is_not() {
        const SLOW: Duration = Duration::from_millis(120);
        let slow = body(vec![SLOW; 3]).collect().await.unwrap();
        assert_eq!(slow.to_bytes(), "xxx");
        let stalled = body(vec![SLOW, Duration::from_secs(60)]).collect().await;
        assert!(matches!(stalled, Err(Error::ConnectionReadTimeout)));
    }
}
