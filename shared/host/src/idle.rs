//! A limit on silence that costs nothing while a line is busy.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use spin_sdk::wasip3::clocks::monotonic_clock;
use wire::Error;

/// Watches the waits of one line, one at a time.
///
/// The timer is set at the first wait and left running: a wait that ends before it leaves it to
/// the next one, and only when it goes off is it compared with how long the current wait has
/// lasted. So a busy line sets one timer per `timeout_s`, not one per read.
pub(crate) struct Idle {
    timeout_s: u32,
    timer: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Idle {
    pub(crate) fn new(timeout_s: u32) -> Self {
        Idle { timeout_s, timer: None }
    }

    /// Waits for `work`, but no longer than the limit.
    pub(crate) async fn watch<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Error> {
        let mut work = pin!(work);
        let mut since_ns = None;
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            let since_ns = *since_ns.get_or_insert_with(monotonic_clock::now);
            self.poll_silence(since_ns, context).map(Err)
        })
        .await
    }

    fn poll_silence(&mut self, since_ns: u64, context: &mut Context<'_>) -> Poll<Error> {
        let limit_ns = u64::from(self.timeout_s) * 1_000_000_000;
        let mut wait_ns = limit_ns;
        loop {
            let timer =
                self.timer.get_or_insert_with(|| Box::pin(monotonic_clock::wait_for(wait_ns)));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
            let waited_ns = monotonic_clock::now().saturating_sub(since_ns);
            if waited_ns >= limit_ns {
                return Poll::Ready(Error::TimedOut { seconds: self.timeout_s });
            }
            wait_ns = limit_ns - waited_ns;
        }
    }
}
