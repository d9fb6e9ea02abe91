//! Everything the engine reaches outside itself.

use dial::Dialer;
use store::Store;
use store::lease::Moment;
use store::seal::Seal;

pub use wire::Host;

/// What a slice works with.
pub struct World<'a, H: Host, S: Store> {
    /// Clock and randomness.
    pub host: &'a H,
    /// What outlives the slice.
    pub store: &'a S,
    /// Opens connections.
    pub dialer: Dialer<'a, H>,
    /// Opens sealed credentials.
    pub seal: &'a Seal,
    /// Mozilla's database of providers, to which a domain is added; empty: not asked.
    pub ispdb_url: &'a str,
    /// Nonce of this process where the host owns the store alone, else empty.
    pub boot: &'a str,
    /// Budget of one slice in milliseconds.
    pub slice_ms: u64,
    /// How long what is idle is kept, in milliseconds.
    pub retention_ms: u64,
}

impl<'a, H: Host, S: Store> World<'a, H, S> {
    /// What the clocks say now, for leases.
    pub(crate) fn moment(&self) -> Moment<'a> {
        let monotonic_ms = Some(self.host.monotonic_ms());
        Moment { now_ms: self.host.now_ms(), monotonic_ms, boot: self.boot }
    }

    /// The same with another host.
    pub(crate) fn over<'b, N: Host>(&'b self, host: &'b N) -> World<'b, N, S>
    where
        'a: 'b,
    {
        World {
            host,
            store: self.store,
            dialer: self.dialer.over(host),
            seal: self.seal,
            ispdb_url: self.ispdb_url,
            boot: self.boot,
            slice_ms: self.slice_ms,
            retention_ms: self.retention_ms,
        }
    }
}
