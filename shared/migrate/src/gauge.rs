//! Counts what the lines of one side carry, and tells whether they are being waited for.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use services::Side;
use wire::{Bytes, Clock, Error, Http, Network, Random, Stream};

/// What the lines of one side carried. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge {
    octets: Rc<Cell<u64>>,
    /// Reads and writes under way.
    waits: Rc<Cell<u32>>,
}

/// The gauges of a slice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauges {
    pub(crate) source: Gauge,
    pub(crate) destination: Gauge,
}

impl Gauges {
    /// Octets carried so far in both directions: source, destination.
    pub(crate) fn octets(&self) -> [u64; 2] {
        [self.source.octets.get(), self.destination.octets.get()]
    }

    /// Which side is waited for; of both that which carried less of `octets`.
    pub(crate) fn waited_for(&self, octets: [u64; 2]) -> Side {
        let waits = [self.source.waits.get() > 0, self.destination.waits.get() > 0];
        let [source, destination] = octets;
        match waits {
            [false, true] => Side::Destination,
            [true, true] if destination < source => Side::Destination,
            _ => Side::Source,
        }
    }
}

/// A host whose connections are counted.
pub(crate) struct Gauged<'h, H> {
    pub(crate) host: &'h H,
    pub(crate) gauge: Gauge,
}

/// A connection that is counted.
pub(crate) struct GaugedStream<S> {
    stream: S,
    gauge: Gauge,
}

/// A wait that is under way until it is dropped: also where nobody waits for its end any more.
struct Waiting<'g>(&'g Cell<u32>);

impl<'g> Waiting<'g> {
    fn begin(waits: &'g Cell<u32>) -> Self {
        waits.set(waits.get() + 1);
        Waiting(waits)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Gauge {
    fn add(&self, octets: usize) {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        self.octets.set(self.octets.get().saturating_add(octets));
    }
}

impl<S: Stream> Stream for GaugedStream<S> {
    async fn read(&mut self) -> Result<Bytes, Error> {
        let _waiting = Waiting::begin(&self.gauge.waits);
        let bytes = self.stream.read().await?;
        self.gauge.add(bytes.len());
        Ok(bytes)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let _waiting = Waiting::begin(&self.gauge.waits);
        let octets = bytes.len();
        self.stream.write(bytes).await?;
        self.gauge.add(octets);
        Ok(())
    }
}

impl<H: Network> Network for Gauged<'_, H> {
    type Stream = GaugedStream<H::Stream>;

    async fn connect(
        &self,
        address: SocketAddr,
        idle_timeout_s: u32,
    ) -> Result<Self::Stream, Error> {
        let _waiting = Waiting::begin(&self.gauge.waits);
        let stream = self.host.connect(address, idle_timeout_s).await?;
        Ok(GaugedStream { stream, gauge: self.gauge.clone() })
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let _waiting = Waiting::begin(&self.gauge.waits);
        self.host.resolve(name).await
    }
}

impl<H: Http> Http for Gauged<'_, H> {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, Error> {
        self.host.send(request, max_bytes).await
    }
}

impl<H: Clock> Clock for Gauged<'_, H> {
    fn now_ms(&self) -> u64 {
        self.host.now_ms()
    }
    fn monotonic_ms(&self) -> u64 {
        self.host.monotonic_ms()
    }
    async fn sleep_ms(&self, ms: u64) {
        self.host.sleep_ms(ms).await;
    }
    async fn give_way(&self) {
        self.host.give_way().await;
    }
}

impl<H: Random> Random for Gauged<'_, H> {
    fn fill(&self, bytes: &mut [u8]) {
        self.host.fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::executor::block_on;
    use wire::pipe::pipe;

    #[test]
    fn tells_what_came_and_who_is_waited_for() {
        let gauges = Gauges::default();
        let (near, mut far) = pipe();
        let mut line = GaugedStream { stream: near, gauge: gauges.destination.clone() };
        assert_eq!(gauges.waited_for([0, 0]), Side::Source);
        {
            let mut read = Box::pin(line.read());
            assert!(read.as_mut().now_or_never().is_none());
            assert_eq!(gauges.waited_for([0, 0]), Side::Destination);
        }
        assert_eq!(gauges.waited_for([0, 0]), Side::Source, "the wait was given up");
        block_on(async {
            far.write(Bytes::from_static(b"abc")).await.unwrap();
            line.read().await.unwrap();
            line.write(Bytes::from_static(b"de")).await.unwrap();
        });
        assert_eq!(gauges.octets(), [0, 5]);
    }
}
