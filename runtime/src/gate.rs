//! How much of this process strangers may have at a time.
//!
//! Whoever is answered has an instance, with up to the limit on memory; whoever is still sending has
//! none, only the bytes that have come. What one client has is limited so that it cannot take the
//! place of others, and the application's own requests have places that no client can take.

use std::sync::Arc;

use crate::budget::{Budget, Full, Share};
use crate::peer::{Peer, Proxies};
use crate::refusals::{Reason, Refusals};

/// Requests of clients that are answered at a time, event streams apart.
const REQUESTS: (usize, usize) = (256, 96);

/// The application's own: the driver's calls and the slices that they begin (64 at most, each).
const INNER: (usize, usize) = (192, 192);

/// Event streams at a time: each holds an instance of about 0.5 MiB.
const EVENT_STREAMS: (usize, usize) = (256, 64);

/// Bodies that are arriving at a time. One client may have as many as connections.
const BODIES: (usize, usize) = (4096, 1024);

/// Bytes of bodies that are arriving, or that belong to a request that is being answered.
const SMALL_BYTES: (usize, usize) = (64 << 20, 16 << 20);

/// Bytes of bodies that are larger than a form: a table has at most 16 MiB, and up to 32 MiB
/// of what is too large are read so that its sender sees the refusal.
const LARGE_BYTES: (usize, usize) = (96 << 20, 34 << 20);

/// All budgets.
pub struct Gate {
    /// Requests that are answered.
    pub requests: Arc<Budget>,
    /// Requests of the application itself.
    pub inner: Arc<Budget>,
    /// Event streams.
    pub event_streams: Arc<Budget>,
    /// Bodies that are arriving.
    pub bodies: Arc<Budget>,
    /// Bytes of bodies no larger than a form.
    pub small_bytes: Arc<Budget>,
    /// Bytes of others.
    pub large_bytes: Arc<Budget>,
    /// Who says for whom a request is.
    pub proxies: Proxies,
    /// What was refused.
    pub refusals: Refusals,
}

impl Gate {
    /// With the limits above.
    pub fn new(proxies: Proxies) -> Self {
        let budget = |(most, most_each)| Budget::new(most, most_each);
        Gate {
            requests: budget(REQUESTS),
            inner: budget(INNER),
            event_streams: budget(EVENT_STREAMS),
            bodies: budget(BODIES),
            small_bytes: budget(SMALL_BYTES),
            large_bytes: budget(LARGE_BYTES),
            proxies,
            refusals: Refusals::default(),
        }
    }

    /// The place of a request while it is answered.
    pub fn request(&self, peer: Peer) -> Result<Share, Reason> {
        match peer {
            Peer::Inner => self.inner.take(peer, 1).map_err(|_| Reason::InnerRequests),
            Peer::V4(_) | Peer::V6(_) => self.requests.take(peer, 1).map_err(|full| match full {
                Full::Peer => Reason::RequestsOfClient,
                Full::All => Reason::Requests,
            }),
        }
    }

    /// The place of an event stream.
    pub fn event_stream(&self, peer: Peer) -> Result<Share, Reason> {
        self.event_streams.take(peer, 1).map_err(|full| match full {
            Full::Peer => Reason::EventStreamsOfClient,
            Full::All => Reason::EventStreams,
        })
    }

    /// The lines of `/metrics`.
    pub fn text(&self) -> String {
        let gauges = [
            ("requests", self.requests.taken()),
            ("inner_requests", self.inner.taken()),
            ("event_streams", self.event_streams.taken()),
            ("bodies", self.bodies.taken()),
            ("body_bytes", self.small_bytes.taken() + self.large_bytes.taken()),
        ];
        let mut text = self.refusals.text();
        for (name, value) in gauges {
            let metric = format!("trasloco_open_{name}");
            text.push_str(&format!("# HELP {metric} What clients have at this moment.\n"));
            text.push_str(&format!("# TYPE {metric} gauge\n{metric} {value}\n"));
        }
        text
    }
}

/// What a full budget of bodies or bytes is called.
pub fn of_bodies(full: Full) -> Reason {
    match full {
        Full::Peer => Reason::BodiesOfClient,
        Full::All => Reason::Bodies,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    #[test]
    fn neither_streams_nor_clients_take_the_drivers_places() {
        let gate = Gate::new(Proxies::default());
        let mut held = Vec::new();
        for last in 0..=255 {
            while let Ok(share) = gate.request(peer(last)) {
                held.push(share);
            }
            while let Ok(share) = gate.event_stream(peer(last)) {
                held.push(share);
            }
        }
        assert_eq!(held.len(), REQUESTS.0 + EVENT_STREAMS.0);
        assert_eq!(gate.request(peer(3)).err(), Some(Reason::Requests));
        let inner: Vec<_> = (0..INNER.0).map(|_| gate.request(Peer::Inner).unwrap()).collect();
        assert_eq!(gate.request(Peer::Inner).err(), Some(Reason::InnerRequests));
        drop((held, inner));
        assert_eq!((gate.requests.taken(), gate.inner.taken()), (0, 0));
    }

    #[test]
    fn streams_of_one_client_leave_room_for_its_pages() {
        let gate = Gate::new(Proxies::default());
        let streams: Vec<_> = std::iter::from_fn(|| gate.event_stream(peer(1)).ok()).collect();
        assert_eq!(streams.len(), EVENT_STREAMS.1);
        assert_eq!(gate.event_stream(peer(1)).err(), Some(Reason::EventStreamsOfClient));
        assert!(gate.event_stream(peer(2)).is_ok() && gate.request(peer(1)).is_ok());
        assert!(gate.text().contains("trasloco_open_event_streams 64\n"));
    }
}
