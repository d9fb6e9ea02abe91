//! Time and randomness of the component.

use spin_sdk::wasip3::clocks::{monotonic_clock, system_clock};
use spin_sdk::wasip3::random::random;
use spin_sdk::wit_bindgen::yield_async;
use wire::{Clock, Random};

use crate::Host;

const NS_PER_MS: u64 = 1_000_000;

impl Clock for Host {
    fn now_ms(&self) -> u64 {
        let now = system_clock::now();
        let seconds = u64::try_from(now.seconds).unwrap_or(0);
        seconds * 1000 + u64::from(now.nanoseconds) / NS_PER_MS
    }

    fn monotonic_ms(&self) -> u64 {
        monotonic_clock::now() / NS_PER_MS
    }

    async fn sleep_ms(&self, ms: u64) {
        monotonic_clock::wait_for(ms.saturating_mul(NS_PER_MS)).await;
    }

    async fn give_way(&self) {
        yield_async().await;
    }
}

impl Random for Host {
    fn fill(&self, bytes: &mut [u8]) {
        // The interface may give fewer than asked, but at least one.
        let mut rest = bytes;
        while !rest.is_empty() {
            let drawn = random::get_random_bytes(u64::try_from(rest.len()).unwrap_or(u64::MAX));
            let n = drawn.len().min(rest.len());
            let (now, later) = rest.split_at_mut(n);
            for (to, from) in now.iter_mut().zip(drawn) {
                *to = from;
            }
            rest = later;
        }
    }
}
