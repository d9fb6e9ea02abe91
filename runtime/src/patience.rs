//! How slow a client may be: without limits, idle ones would hold every instance there is.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::Error;

/// The least that is expected of the other side.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The longest pause.
    pub pause: Duration,
    /// All pauses together may have this length before the rate counts.
    pub grace: Duration,
    /// The least rate while it is waited for, octets a second.
    pub octets_per_second: u64,
    /// How long the whole may take.
    pub total: Duration,
}

/// What clients send: a telephone line of 9,600 bit/s is twice as fast. The total is for the largest
/// table on a slow line; components have shorter ones of their own.
pub const BODY: Rule = Rule {
    pause: Duration::from_secs(15),
    grace: Duration::from_secs(15),
    octets_per_second: 512,
    total: Duration::from_secs(3600),
};

/// What clients read. Slices that are called from outside take up to two hours.
pub const ANSWER: Rule = Rule {
    pause: Duration::from_secs(60),
    grace: Duration::from_secs(30),
    octets_per_second: 1024,
    total: Duration::from_secs(3 * 3600),
};

/// How long somebody was waited for, and what came of it.
#[derive(Debug, Clone)]
pub struct Pace {
    rule: Rule,
    began: Instant,
    octets: u64,
    waited: Duration,
    /// Since when it is waited, if it is.
    since: Option<Instant>,
}

impl Pace {
    /// Nothing yet.
    pub fn new(rule: Rule, now: Instant) -> Self {
        Pace { rule, began: now, octets: 0, waited: Duration::ZERO, since: None }
    }

    /// From now on it is waited, unless it is already.
    pub fn wait(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The wait is over.
    pub fn moved(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.waited += now.saturating_duration_since(since);
        }
    }

    /// So much more went over.
    pub fn passed(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets as u64);
    }

    /// When patience ends, if nothing happens until then.
    pub fn ends_at(&self) -> Instant {
        let Rule { pause, grace, octets_per_second, total } = self.rule;
        let end = self.began + total;
        let Some(since) = self.since else { return end };
        let owed = Duration::from_secs(self.octets / octets_per_second.max(1));
        let left = (grace + owed).saturating_sub(self.waited);
        (since + left.min(pause)).min(end)
    }
}

/// A body that fails where it arrives more slowly than its rule permits.
pub struct Patient<B> {
    body: B,
    pace: Pace,
    /// Armed while the body is waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Patient<B> {
    /// Waits for `body` as `rule` permits.
    pub fn new(body: B, rule: Rule) -> Self {
        Patient { body, pace: Pace::new(rule, Instant::now()), timer: None }
    }
}

impl<B: Body<Data = Bytes, Error: Into<Error>> + Unpin> Body for Patient<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let now = Instant::now();
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.timer = None;
            self.pace.moved(now);
            if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref))
            {
                self.pace.passed(data.map_or(0, Bytes::len));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.pace.wait(now);
        let until = self.pace.ends_at();
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

    const RULE: Rule = Rule {
        pause: Duration::from_secs(10),
        grace: Duration::from_secs(20),
        octets_per_second: 10,
        total: Duration::from_secs(1000),
    };

    fn body(gaps: Vec<u64>) -> impl Body<Data = Bytes, Error = Error> + Unpin {
        let frames = stream::unfold(gaps.into_iter(), |mut gaps| async move {
            tokio::time::sleep(Duration::from_secs(gaps.next()?)).await;
            Some((Ok::<_, Error>(Frame::data(Bytes::from_static(b"12345"))), gaps))
        });
        Patient::new(StreamBody::new(Box::pin(frames)), RULE)
    }

    async fn octets(gaps: Vec<u64>) -> Option<usize> {
        body(gaps).collect().await.ok().map(|whole| whole.to_bytes().len())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_is_fine_and_stalled_is_not() {
        assert_eq!(octets(vec![6; 3]).await, Some(15));
        assert_eq!(octets(vec![6, 11]).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_ends_although_it_never_pauses_for_long() {
        // 5 octets each 9 s are under 10 a second: after 20 s of grace it is over.
        assert_eq!(octets(vec![9; 100]).await, None);
        assert_eq!(octets(vec![0; 1000]).await, Some(5000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pace_counts_waiting_only() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(RULE, start);
        assert_eq!(pace.ends_at(), at(1000), "who is not waited for has the whole time");
        pace.wait(at(100));
        pace.wait(at(105));
        assert_eq!(pace.ends_at(), at(110), "a pause");
        pace.moved(at(109));
        pace.wait(at(200));
        pace.moved(at(209));
        pace.wait(at(300));
        assert_eq!(pace.ends_at(), at(302), "18 of 20 s of grace are used");
        pace.passed(50);
        assert_eq!(pace.ends_at(), at(307), "50 octets at 10 a second give five seconds more");
        pace.moved(at(301));
        pace.wait(at(995));
        assert_eq!(pace.ends_at(), at(1000), "the whole");
    }
}
