//! One connection: what is under way on it, and when it has been open for nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connections::{Connections, Standing};
use crate::instance::Body;
use crate::patience::{ANSWER, Pace};
use crate::peer::Peer;
use crate::refusals::Reason;

/// How long a connection may be open before its first request is there, whatever is sent until then.
const FIRST_REQUEST: Duration = Duration::from_secs(15);

/// How long it may stay open without a request after that.
const QUIET: Duration = Duration::from_secs(30);

/// All connections and what closes each.
pub type House = Mutex<Connections<Arc<Notify>>>;

/// An open connection; forgotten when dropped.
pub struct Connection {
    house: Arc<House>,
    /// Whose it is.
    pub peer: Peer,
    id: u64,
    /// Told when it has to give way.
    pub close: Arc<Notify>,
    work: Mutex<Work>,
}

/// What is under way on a connection.
struct Work {
    next: u64,
    requests: BTreeMap<u64, Request>,
    /// Since when there is no request.
    since: Instant,
    patience: Duration,
}

struct Request {
    arriving: bool,
    answer: Pace,
}

impl Connection {
    /// A place for a connection, if there is one; `exempt` is a proxy's.
    pub fn open(house: &Arc<House>, from: SocketAddr, exempt: bool) -> Option<(Arc<Self>, bool)> {
        let (peer, close) = (Peer::of(from.ip()), Arc::new(Notify::new()));
        let admitted = lock(house).admit(peer, exempt, close.clone())?;
        let gave_way = admitted.close.inspect(|other| other.notify_one()).is_some();
        let (house, id) = (house.clone(), admitted.id);
        let work = Mutex::new(Work::new(Instant::now()));
        Some((Arc::new(Connection { house, peer, id, close, work }), gave_way))
    }

    /// A request has begun; `arriving` where its body is not there yet.
    pub fn begin(self: &Arc<Self>, arriving: bool) -> Arc<Flight> {
        let id = self.change(|work| work.begin(arriving, Instant::now()));
        Arc::new(Flight { connection: self.clone(), id })
    }

    /// Why it is to be closed now, if it is.
    pub fn over(&self, now: Instant) -> Option<Reason> {
        lock(&self.work).over(now)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Work) -> T) -> T {
        let (changed, standing) = {
            let mut work = lock(&self.work);
            let before = work.standing();
            let changed = change(&mut work);
            let after = work.standing();
            (changed, (before != after).then_some(after))
        };
        if let Some(standing) = standing {
            lock(&self.house).stands(self.peer, self.id, standing);
        }
        changed
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        lock(&self.house).leave(self.peer, self.id);
    }
}

impl Work {
    fn new(now: Instant) -> Self {
        Work { next: 0, requests: BTreeMap::new(), since: now, patience: FIRST_REQUEST }
    }

    fn begin(&mut self, arriving: bool, now: Instant) -> u64 {
        self.next += 1;
        self.requests.insert(self.next, Request { arriving, answer: Pace::new(ANSWER, now) });
        self.next
    }

    fn end(&mut self, id: u64, now: Instant) {
        if self.requests.remove(&id).is_some() && self.requests.is_empty() {
            self.since = now;
            self.patience = QUIET;
        }
    }

    fn standing(&self) -> Standing {
        if self.requests.is_empty() {
            Standing::Quiet
        } else if self.requests.values().all(|request| request.arriving) {
            Standing::Receiving
        } else {
            Standing::Working
        }
    }

    fn over(&self, now: Instant) -> Option<Reason> {
        if self.requests.is_empty() {
            return (now >= self.since + self.patience).then_some(Reason::SilentConnection);
        }
        let slow = self.requests.values().any(|request| now >= request.answer.ends_at());
        slow.then_some(Reason::SlowReader)
    }
}

/// A request on its way through.
pub struct Flight {
    connection: Arc<Connection>,
    id: u64,
}

impl Flight {
    fn change(&self, change: impl FnOnce(&mut Request)) {
        self.connection.change(|work| work.requests.get_mut(&self.id).map(change));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.connection.change(|work| work.end(self.id, Instant::now()));
    }
}

/// The body of a request; notes when it is there.
pub struct Arriving<B> {
    body: B,
    flight: Option<Arc<Flight>>,
}

impl<B> Arriving<B> {
    /// Follows `body`.
    pub fn new(body: B, flight: Arc<Flight>) -> Self {
        Arriving { body, flight: Some(flight) }
    }

    fn arrived(&mut self) {
        if let Some(flight) = self.flight.take() {
            flight.change(|request| request.arriving = false);
        }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Arriving<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.arrived();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    fn drop(&mut self) {
        self.arrived();
    }
}

/// The body of an answer; notes how long its reader takes.
pub struct Leaving {
    body: Body,
    flight: Arc<Flight>,
}

impl Leaving {
    /// Follows `body`.
    pub fn new(body: Body, flight: Arc<Flight>) -> Self {
        Leaving { body, flight }
    }
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let now = Instant::now();
        // Whoever asks has room: what was handed out before has gone.
        self.flight.change(|request| {
            request.answer.moved(now);
            if let Poll::Ready(Some(Ok(frame))) = &polled {
                request.answer.passed(frame.data_ref().map_or(0, Bytes::len));
                request.answer.wait(now);
            }
        });
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn silence_ends_and_work_does_not() {
        let start = Instant::now();
        let mut work = Work::new(start);
        assert_eq!(work.over(after(start, 14)), None);
        assert_eq!(work.over(after(start, 15)), Some(Reason::SilentConnection));
        let first = work.begin(true, after(start, 10));
        assert_eq!((work.standing(), work.over(after(start, 600))), (Standing::Receiving, None));
        let second = work.begin(false, after(start, 10));
        assert_eq!(work.standing(), Standing::Working);
        work.end(second, after(start, 11));
        work.end(first, after(start, 20));
        work.end(first, after(start, 40));
        assert_eq!(work.over(after(start, 49)), None);
        assert_eq!(work.over(after(start, 50)), Some(Reason::SilentConnection));
    }

    #[test]
    fn who_does_not_read_is_cut_off() {
        let start = Instant::now();
        let mut work = Work::new(start);
        let id = work.begin(false, start);
        let answer = &mut work.requests.get_mut(&id).unwrap().answer;
        answer.passed(100);
        answer.wait(start);
        assert_eq!(work.over(after(start, 29)), None);
        assert_eq!(work.over(after(start, 31)), Some(Reason::SlowReader));
    }

    #[tokio::test]
    async fn a_connection_stands_where_its_requests_stand() {
        let house = Arc::new(Mutex::new(Connections::new(1, 1)));
        let from = "192.0.2.1:9".parse().unwrap();
        let (connection, gave_way) = Connection::open(&house, from, false).unwrap();
        assert!(!gave_way);
        let flight = connection.begin(true);
        let arriving = Arriving::new(Full::new(Bytes::from_static(b"x")), flight.clone());
        assert_eq!(lock(&connection.work).standing(), Standing::Receiving);
        arriving.collect().await.unwrap();
        assert_eq!(lock(&connection.work).standing(), Standing::Working);
        assert!(Connection::open(&house, from, false).is_none(), "it is at work");
        let leaving = Leaving::new(Body::full("answer"), flight);
        assert_eq!(leaving.collect().await.unwrap().to_bytes(), "answer");
        assert_eq!(lock(&connection.work).standing(), Standing::Quiet);
        let (second, gave_way) = Connection::open(&house, from, false).unwrap();
        assert!(gave_way);
        connection.close.notified().await;
        drop(connection);
        assert_eq!(lock(&house).len(), 1, "it was forgotten when it gave way");
        drop(second);
        assert!(lock(&house).is_empty());
    }
}
