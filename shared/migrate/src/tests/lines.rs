//! Lines that are cut with the power, that fall silent, and that become slow.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures::future::{Either, select};
use wire::pipe::End;
use wire::{Bytes, Error, Stream};

use super::power::Power;

/// Most octets in one read, as over TCP (`host`).
const READ_MAX: usize = 128 << 10;

/// A clock that stands still while anything can happen.
#[derive(Clone, Default)]
pub(super) struct Timers {
    pub(super) now_ms: Rc<Cell<u64>>,
    /// By how much the wall clock was set.
    pub(super) set_by_ms: Rc<Cell<i64>>,
    pub(super) waiting: Rc<RefCell<Vec<(u64, Waker)>>>,
}

impl Timers {
    /// What the wall clock says.
    pub(super) fn wall_ms(&self) -> u64 {
        self.now_ms.get().saturating_add_signed(self.set_by_ms.get())
    }

    pub(super) async fn sleep_ms(&self, ms: u64) {
        let until = self.now_ms.get() + ms;
        poll_fn(|context| {
            if self.now_ms.get() >= until {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push((until, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// How fast the lines to one server are. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Speed(Rc<SpeedState>);

#[derive(Default)]
struct SpeedState {
    /// Octets that have gone, both ways.
    gone: Cell<u64>,
    /// From this octet on so many octets go in this time (ms).
    slow: Cell<Option<(u64, usize, u64)>>,
}

impl Speed {
    /// Once `from` octets have gone, only `octets` of them go every `ms`.
    pub(super) fn slow(&self, from: u64, octets: usize, ms: u64) {
        self.0.slow.set(Some((from, octets, ms)));
    }

    /// As fast as can be, from here on.
    pub(super) fn fast(&self) {
        self.0.slow.set(None);
    }

    /// Octets that have gone, both ways.
    pub(super) fn gone(&self) -> u64 {
        self.0.gone.get()
    }

    /// How many of `octets` go next, once it is time for them.
    async fn next(&self, octets: usize, timers: &Timers) -> usize {
        let Some((from, most, ms)) = self.0.slow.get() else { return self.went(octets) };
        let before = usize::try_from(from.saturating_sub(self.gone())).unwrap();
        if before > 0 {
            return self.went(octets.min(before));
        }
        timers.sleep_ms(ms).await;
        self.went(octets.min(most))
    }

    fn went(&self, octets: usize) -> usize {
        self.0.gone.set(self.gone() + octets as u64);
        octets
    }
}

/// A line of the engine's.
pub(super) struct Cuttable {
    pub(super) end: End,
    pub(super) power: Power,
    pub(super) timers: Timers,
    pub(super) idle_s: u32,
    pub(super) speed: Speed,
    /// What came and was not read yet.
    pub(super) rest: Bytes,
}

impl Stream for Cuttable {
    async fn read(&mut self) -> Result<Bytes, Error> {
        self.power.step().await;
        let seconds = self.idle_s;
        let silence = pin!(self.timers.sleep_ms(u64::from(seconds) * 1000));
        let (end, rest) = (&mut self.end, &mut self.rest);
        let read = async {
            if rest.is_empty() {
                *rest = end.read().await?;
            }
            let octets = self.speed.next(rest.len().min(READ_MAX), &self.timers).await;
            Ok(rest.split_to(octets))
        };
        match select(pin!(read), silence).await {
            Either::Left((read, _)) => read,
            Either::Right(_) => Err(Error::TimedOut { seconds }),
        }
    }

    async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        self.power.step().await;
        while !bytes.is_empty() {
            let octets = self.speed.next(bytes.len(), &self.timers).await;
            self.end.write(bytes.split_to(octets)).await?;
        }
        Ok(())
    }
}
