//! The body of a request: it comes in before an instance does, as far as the budgets allow.
//!
//! A form is there as a whole before anybody works on it, so that one that never ends costs its bytes
//! and no more. A larger body is handed on as it arrives once its beginning is there.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use wasmtime_wasi_http::{Error, WasiBody};
use zeroize::Zeroizing;

use crate::budget::Share;
use crate::gate::{Gate, of_bodies};
use crate::peer::Peer;
use crate::refusals::Reason;

/// What arrives before an instance is there: a whole form, which has at most this many octets.
const BEGINNING_BYTES: usize = 256 << 10;

/// How long that may take.
const BEGINNING_TIMEOUT: Duration = Duration::from_secs(60);

/// The first piece of memory for a body.
const FIRST_BYTES: usize = 4 << 10;

/// Shares that are held while the request is answered.
pub type Held = Arc<Mutex<Vec<Share>>>;

/// The request with its body, as a whole or as far as it has come, and what it holds.
pub async fn gather(
    request: Request<WasiBody>,
    gate: &Arc<Gate>,
    peer: Peer,
) -> Result<(Request<WasiBody>, Held), Reason> {
    let held = Held::default();
    if request.body().is_end_stream() {
        return Ok((request, held));
    }
    let _arriving = gate.bodies.take(peer, 1).map_err(of_bodies)?;
    let (parts, mut body) = request.into_parts();
    let mut beginning = Beginning::new(gate.small_bytes.take(peer, 0).map_err(of_bodies)?);
    let arrived = tokio::time::timeout(BEGINNING_TIMEOUT, beginning.fill(&mut body)).await;
    let whole = arrived.map_err(|_| Reason::SlowBody)??;
    let Beginning { bytes, share } = beginning;
    lock(&held).push(share);
    // Wiped when the last reader drops it: forms have passwords.
    let bytes = Bytes::from_owner(Wiped(bytes));
    let body = if whole {
        Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
    } else {
        let large = gate.large_bytes.take(peer, 0).map_err(of_bodies)?;
        lock(&held).push(large);
        let (first, gate, held) = (Some(bytes), gate.clone(), held.clone());
        Counted { first, rest: body, gate, held }.boxed_unsync()
    };
    Ok((Request::from_parts(parts, body), held))
}

/// What is held.
pub fn lock(held: &Held) -> std::sync::MutexGuard<'_, Vec<Share>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The beginning of a body, and the budget of its memory.
struct Beginning {
    bytes: Zeroizing<Vec<u8>>,
    share: Share,
}

impl Beginning {
    fn new(share: Share) -> Self {
        Beginning { bytes: Zeroizing::default(), share }
    }

    /// Reads until the body ends (true) or the beginning is there (false).
    async fn fill(&mut self, body: &mut WasiBody) -> Result<bool, Reason> {
        while self.bytes.len() < BEGINNING_BYTES {
            let data = match body.frame().await {
                None => return Ok(true),
                Some(Ok(frame)) => frame.into_data(),
                Some(Err(Error::ConnectionReadTimeout)) => return Err(Reason::SlowBody),
                Some(Err(_)) => return Err(Reason::BrokenBody),
            };
            // Trailers are of no use here.
            self.push(&data.unwrap_or_default())?;
        }
        Ok(body.is_end_stream())
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Reason> {
        let length = self.bytes.len() + data.len();
        if length > self.bytes.capacity() {
            let capacity = length.max(self.bytes.capacity() * 2).max(FIRST_BYTES);
            self.share.add(capacity - self.bytes.capacity()).map_err(of_bodies)?;
            // A vector that grows by itself leaves a copy behind that is not wiped.
            let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A body whose octets are taken from the budget as they pass: the component keeps them.
struct Counted {
    first: Option<Bytes>,
    rest: WasiBody,
    gate: Arc<Gate>,
    held: Held,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let frame = ready!(Pin::new(&mut self.rest).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let taken = lock(&self.held).last_mut().map_or(Ok(()), |large| large.add(length));
            if let Err(full) = taken {
                self.gate.refusals.count(of_bodies(full));
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(None))));
            }
        }
        Poll::Ready(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Proxies;
    use futures::stream;
    use http_body_util::StreamBody;

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    /// Pieces of this many octets, then the end, or silence for ever.
    fn request(pieces: Vec<usize>, ends: bool) -> Request<WasiBody> {
        let data = |length| Ok::<_, Error>(Frame::data(Bytes::from(vec![b'x'; length])));
        let pieces = stream::iter(pieces.into_iter().map(data));
        let body = match ends {
            true => StreamBody::new(pieces).boxed_unsync(),
            false => {
                let silence = stream::pending();
                StreamBody::new(futures::StreamExt::chain(pieces, silence)).boxed_unsync()
            }
        };
        Request::new(body)
    }

    async fn length(request: Request<WasiBody>) -> Option<usize> {
        request.into_body().collect().await.ok().map(|whole| whole.to_bytes().len())
    }

    #[tokio::test]
    async fn a_form_is_whole_and_a_table_is_handed_on() {
        let gate = Arc::new(Gate::new(Proxies::default()));
        let (whole, held) = gather(request(vec![10, 5000], true), &gate, peer(1)).await.unwrap();
        assert_eq!(whole.body().size_hint().exact(), Some(5010));
        assert_eq!(gate.bodies.taken(), 0, "it has arrived");
        assert!((5010..11000).contains(&gate.small_bytes.taken()));
        assert_eq!(length(whole).await, Some(5010));
        drop(held);
        assert_eq!(gate.small_bytes.taken(), 0);
        let pieces = vec![64 << 10; 64];
        let (table, held) = gather(request(pieces, true), &gate, peer(1)).await.unwrap();
        assert_eq!(table.body().size_hint().exact(), None);
        assert_eq!(length(table).await, Some(4 << 20));
        assert_eq!(gate.large_bytes.taken(), (4 << 20) - (256 << 10));
        drop(held);
        assert_eq!((gate.large_bytes.taken(), gate.small_bytes.taken()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_ends_is_given_up_and_gives_back() {
        let gate = Arc::new(Gate::new(Proxies::default()));
        let refused = gather(request(vec![100], false), &gate, peer(1)).await;
        assert_eq!(refused.err(), Some(Reason::SlowBody));
        assert_eq!((gate.bodies.taken(), gate.small_bytes.taken()), (0, 0));
    }

    #[tokio::test]
    async fn forty_unfinished_tables_hold_no_more_than_the_budget() {
        let gate = Arc::new(Gate::new(Proxies::default()));
        let mut open = Vec::new();
        let mut refused = 0;
        for n in 0..40 {
            let table = request(vec![64 << 10; 255], false);
            let (mut table, held) = gather(table, &gate, peer(n)).await.unwrap();
            let body = table.body_mut();
            let mut read = 0;
            while read < 255 * (64 << 10) {
                match body.frame().await {
                    Some(Ok(frame)) => read += frame.into_data().unwrap().len(),
                    _ => break,
                }
            }
            refused += usize::from(read < 255 * (64 << 10));
            open.push((table, held));
        }
        assert_eq!(refused, 34, "six tables of 16 MiB fit into 96 MiB");
        assert!(gate.large_bytes.taken() <= 96 << 20);
        assert!(gate.refusals.text().contains("{reason=\"bodies\"} 34\n"));
        drop(open);
        assert_eq!(gate.large_bytes.taken(), 0);
    }

    #[tokio::test]
    async fn one_client_cannot_fill_the_budget_of_forms() {
        let gate = Arc::new(Gate::new(Proxies::default()));
        let mut held = Vec::new();
        let refused = loop {
            match gather(request(vec![200 << 10], true), &gate, peer(1)).await {
                Ok(gathered) => held.push(gathered),
                Err(reason) => break reason,
            }
        };
        assert_eq!((refused, held.len()), (Reason::BodiesOfClient, 81));
        assert!(gather(request(vec![200 << 10], true), &gate, peer(2)).await.is_ok());
    }
}
