//! Watches a slice at work, from beside it: keeps its lease, sees what its owner asks for, and ends
//! it where a server is too slow or the place is needed. The limits are in [`crate::limits`].
//!
//! Whatever ends a slice here drops the work at some await, as a power cut would: what it had in
//! memory is forgotten, and the next slice goes on from what is in the store.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures::future::{Either, select};
use model::Migration;
use services::{Side, Trouble, trouble};
use store::hosts::{self, Holder};
use store::lease::{LEASE_MS, Lease};
use store::{Store, control};
use wire::Clock;

use crate::conclude::conclude;
use crate::ended::Advanced;
use crate::gauge::{Gauged, Gauges};
use crate::limits::{
    LEAST_BYTES_PER_S, LONG_SLICES_MAX, LOOK_MS, PRESSED_WINDOW_MS, SLICE_MAX_MS, WINDOW_MS,
    YIELD_AFTER_MS,
};
use crate::mail::reconcile;
use crate::requests::{asked_for, look_for_project, sync_point};
use crate::run::Run;
use crate::servers::{self, LONG_SLICES, SLICES};
use crate::trouble::Halt;
use crate::work::work;
use crate::world::{Host, World};

/// How the pace of a slice is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pace {
    /// There is nothing to be said against it.
    Fine,
    /// Beyond its budget for so long (ms), with lines that carry something.
    Long(u64),
    /// The lines carried so little in the last window.
    Slow {
        /// Octets of either side.
        carried: [u64; 2],
        /// The window.
        seconds: u64,
    },
    /// It lasted for as long as any slice may.
    Over([u64; 2]),
}

/// Compares what the lines carry with the time that has gone.
#[derive(Debug)]
struct Pacer {
    started_ms: u64,
    slice_ms: u64,
    /// When the window under way began, and what the lines had carried by then.
    window: Option<(u64, [u64; 2])>,
}

impl Pacer {
    fn new(started_ms: u64, slice_ms: u64) -> Self {
        Pacer { started_ms, slice_ms, window: None }
    }

    /// Whether the slice is beyond its budget.
    fn is_beyond(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.started_ms) >= self.slice_ms
    }

    /// At `now_ms` of the monotonic clock, when the lines had carried `octets`; measured over
    /// `window_ms`.
    fn judge(&mut self, now_ms: u64, octets: [u64; 2], window_ms: u64) -> Pace {
        let spent_ms = now_ms.saturating_sub(self.started_ms);
        if spent_ms < self.slice_ms {
            return Pace::Fine;
        }
        let (began_ms, before) = *self.window.get_or_insert((now_ms, octets));
        let carried = [octets[0].saturating_sub(before[0]), octets[1].saturating_sub(before[1])];
        if spent_ms >= SLICE_MAX_MS.max(self.slice_ms + WINDOW_MS) {
            return Pace::Over(carried);
        }
        let measured_ms = now_ms.saturating_sub(began_ms);
        if measured_ms < window_ms {
            return Pace::Fine;
        }
        self.window = Some((now_ms, octets));
        let sum = carried[0].saturating_add(carried[1]);
        if sum < LEAST_BYTES_PER_S.saturating_mul(measured_ms) / 1000 {
            return Pace::Slow { carried, seconds: measured_ms / 1000 };
        }
        Pace::Long(spent_ms - self.slice_ms)
    }
}

/// What is watched.
struct Watched<'a> {
    lease: Lease,
    /// As it was when the slice began.
    migration: &'a Migration,
    gauges: Gauges,
    gate: Gate,
}

/// The work of a slice with its places taken, under the eyes of [`watch`].
pub(crate) async fn watched<H: Host, S: Store>(
    world: &World<'_, H, S>,
    held: Lease,
    migration: Migration,
) -> Result<Advanced, store::Error> {
    let (fence, gauges) = (held.fence(), Gauges::default());
    let source = Gauged { host: world.host, gauge: gauges.source.clone() };
    let destination = Gauged { host: world.host, gauge: gauges.destination.clone() };
    let source_dialer = world.dialer.over(&source);
    let gauged = world.over(&destination);
    let asked = migration.clone();
    let gate = Gate::new(world.host);
    let watched = Watched { lease: held.clone(), migration: &asked, gauges, gate: gate.clone() };
    let mut run = Run::load(&gauged, held, migration).await?;
    run.source_dialer = Some(&source_dialer);
    let (result, dropped) =
        match select(pin!(gate.guard(world.host, work(&mut run))), pin!(watch(world, watched)))
            .await
        {
            Either::Left((result, _)) => (result, false),
            Either::Right((halt, _)) => (Err(halt), true),
        };
    if let (true, Err(Halt::Trouble(side, error))) = (run.opening, &result)
        && trouble::is_crowded(error)
    {
        servers::refused(world, &asked, (*side, fence)).await?;
    }
    // Nobody waits for the places of a migration that is alone; it may come again at once.
    let closed = result.is_ok() || asked.project.is_none();
    servers::give_back(world, &asked, (fence, closed)).await?;
    match dropped {
        false => conclude(run, result).await,
        true => match as_stored(run, &result).await? {
            Some(run) => conclude(run, result).await,
            None => Ok(Advanced::Busy),
        },
    }
}

/// A run whose work was dropped at some await, as it is in the store: what it had in memory may be
/// half of something. `None` where the migration is gone.
async fn as_stored<'a, H: Host, S: Store>(
    dropped: Run<'a, H, S>,
    result: &Result<(), Halt>,
) -> Result<Option<Run<'a, H, S>>, store::Error> {
    let Some(migration) = crate::stored::read(dropped.store(), dropped.id()).await? else {
        return Ok(None);
    };
    let mut run = Run::load(dropped.world, dropped.lease, migration).await?;
    (run.progressed, run.fruitless) = (dropped.progressed, dropped.fruitless);
    let at_fault = !matches!(
        result,
        Err(Halt::Stopped | Halt::Paused | Halt::Held | Halt::Trouble(_, Trouble::InTheWay))
    );
    if !at_fault {
        reconcile::forgive(&mut run).await?;
    }
    Ok(Some(run))
}

/// Returns when the slice must end, with the reason.
async fn watch<H: Host, S: Store>(world: &World<'_, H, S>, mut watched: Watched<'_>) -> Halt {
    let mut pacer = Pacer::new(world.host.monotonic_ms(), world.slice_ms);
    loop {
        world.host.sleep_ms(LOOK_MS).await;
        if let Err(halt) = look(world, &mut watched, &mut pacer).await {
            return halt;
        }
    }
}

async fn look<H: Host, S: Store>(
    world: &World<'_, H, S>,
    watched: &mut Watched<'_>,
    pacer: &mut Pacer,
) -> Result<(), Halt> {
    if !watched.lease.renew(world.store, world.moment()).await? {
        return Err(Halt::Lost);
    }
    watched.gate.open(world.host);
    let asked = control::read(world.store, &watched.migration.id).await?;
    asked_for(asked, sync_point(watched.migration))?;
    look_for_project(world.store, watched.migration).await?;
    let octets = watched.gauges.octets();
    let slow = |carried: [u64; 2], seconds: u64| {
        let side = watched.gauges.waited_for(carried);
        let octets = match side {
            Side::Source => carried[0],
            Side::Destination => carried[1],
        };
        Err(Halt::Trouble(side, Trouble::Slow { octets, seconds }))
    };
    let now_ms = world.host.monotonic_ms();
    // Where others wait for a place to work in, nobody has a minute for a line that carries nothing.
    let pressed = pacer.is_beyond(now_ms) && is_pressed(world).await?;
    let window_ms = if pressed { PRESSED_WINDOW_MS } else { WINDOW_MS };
    match pacer.judge(now_ms, octets, window_ms) {
        Pace::Fine => Ok(()),
        Pace::Slow { carried, seconds } => slow(carried, seconds),
        Pace::Over(_) => slow(octets, SLICE_MAX_MS / 1000),
        Pace::Long(beyond_ms) => match may_go_on(world, watched, beyond_ms).await? {
            true => Ok(()),
            false => {
                let side = watched.gauges.waited_for(octets);
                Err(Halt::Trouble(side, Trouble::InTheWay))
            }
        },
    }
}

/// How long whoever takes a lease that was not released waits before it sends anything: an earlier
/// holder looks at its lease every [`LOOK_MS`], and ends its work at the first look.
const WAIT_OUT_MS: u64 = LEASE_MS / 3;

/// Waits until an earlier holder of the lease must have noticed that it lost it, and does nothing
/// meanwhile; `false` where the lease is lost in that time.
pub(crate) async fn wait_out<H: Host, S: Store>(
    world: &World<'_, H, S>,
    held: &mut Lease,
) -> Result<bool, store::Error> {
    let began_ms = world.host.monotonic_ms();
    while world.host.monotonic_ms().saturating_sub(began_ms) < WAIT_OUT_MS {
        world.host.sleep_ms(LOOK_MS).await;
        if !held.renew(world.store, world.moment()).await? {
            return Ok(false);
        }
    }
    held.waited_out();
    held.renew(world.store, world.moment()).await
}

/// Between two looks at the lease the clocks may differ by so much at most; where it is more, the
/// machine was suspended, or the wall clock was set.
const SKEW_MAX_MS: u64 = 2_000;
/// So long after the last look nothing is done before the next one.
const LOOK_MAX_MS: u64 = 5 * LOOK_MS;

/// A wall clock that moved by less since it was compared with the other one is not compared again:
/// the work is polled for each packet, and each look at a clock leaves the component.
const COMPARED_MS: u64 = 20;

/// Lets the work go on only while the lease was looked at a moment ago. Whoever was suspended in the
/// middle of it would otherwise send on, for as long as the watch sleeps, what a successor sends too.
#[derive(Clone)]
struct Gate {
    /// What the wall clock and the monotonic clock said at the last look (ms).
    looked_ms: Rc<Cell<(u64, u64)>>,
    /// What the wall clock said when it was found open the last time (ms).
    compared_ms: Rc<Cell<u64>>,
    /// Who wants to go on.
    waiting: Rc<RefCell<Option<Waker>>>,
}

impl Gate {
    fn new(clock: &impl Clock) -> Self {
        let looked_ms = Rc::new(Cell::new((clock.now_ms(), clock.monotonic_ms())));
        Gate { looked_ms, compared_ms: Rc::default(), waiting: Rc::default() }
    }

    /// The lease was looked at, and is ours.
    fn open(&self, clock: &impl Clock) {
        self.looked_ms.set((clock.now_ms(), clock.monotonic_ms()));
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    fn is_open(&self, clock: &impl Clock) -> bool {
        let now_ms = clock.now_ms();
        if now_ms.abs_diff(self.compared_ms.get()) < COMPARED_MS {
            return true;
        }
        let (wall_ms, monotonic_ms) = self.looked_ms.get();
        let passed_ms = clock.monotonic_ms().saturating_sub(monotonic_ms);
        let expected_ms = wall_ms.saturating_add(passed_ms);
        let open = passed_ms <= LOOK_MAX_MS && now_ms.abs_diff(expected_ms) <= SKEW_MAX_MS;
        self.compared_ms.set(if open { now_ms } else { 0 });
        open
    }

    /// The same work, as far as the gate is open.
    async fn guard<T>(&self, clock: &impl Clock, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| match self.is_open(clock) {
            true => work.as_mut().poll(context),
            false => {
                *self.waiting.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

/// Whether a slice beyond its budget may keep its places: there are not too many like it, and after a
/// while nobody else waits for them.
async fn may_go_on<H: Host, S: Store>(
    world: &World<'_, H, S>,
    watched: &Watched<'_>,
    beyond_ms: u64,
) -> Result<bool, Halt> {
    let (store, now_ms) = (world.store, world.host.now_ms());
    let id = &watched.migration.id;
    let holder = Holder { id, fence: watched.lease.fence(), boot: world.boot };
    let took = hosts::take(store, LONG_SLICES, (holder, 1), LONG_SLICES_MAX, now_ms).await?;
    if took.is_err() {
        return Ok(false);
    }
    if beyond_ms < YIELD_AFTER_MS {
        return Ok(true);
    }
    let names = servers::names(watched.migration).into_iter().chain([LONG_SLICES.to_owned()]);
    Ok(!hosts::are_wanted(store, names, now_ms).await?)
}

/// Whether migrations wait since there are as many slices as may be.
async fn is_pressed<H: Host, S: Store>(world: &World<'_, H, S>) -> Result<bool, Halt> {
    let names = [SLICES.to_owned()].into_iter();
    Ok(hosts::are_wanted(world.store, names, world.host.now_ms()).await?)
}

/// Has the slices know that there are as many as may be, while others wait.
pub(crate) async fn press<H: Host, S: Store>(world: &World<'_, H, S>) -> Result<(), store::Error> {
    hosts::want(world.store, SLICES, world.host.now_ms()).await
}

/// How many slices go on beyond their budget.
pub async fn long_slices(store: &impl Store) -> Result<u32, store::Error> {
    hosts::lines(store, LONG_SLICES).await
}

// The lease is looked at more often than it is renewed.
const _: () = assert!(LOOK_MS * 10 <= LEASE_MS);

#[cfg(test)]
mod tests {
    use super::*;

    /// Judged every second from the beginning, while the lines carry `rate` octets a second; when
    /// that ends, and how.
    fn paced(rate: impl Fn(u64) -> u64) -> (u64, Pace) {
        paced_in(WINDOW_MS, rate)
    }

    fn paced_in(window_ms: u64, rate: impl Fn(u64) -> u64) -> (u64, Pace) {
        let mut pacer = Pacer::new(5_000, 10_000);
        let mut carried = 0;
        for second in 1..=SLICE_MAX_MS / 1000 + 100 {
            carried += rate(second);
            let pace = pacer.judge(5_000 + second * 1000, [carried, 0], window_ms);
            if matches!(pace, Pace::Slow { .. } | Pace::Over(_)) {
                return (second, pace);
            }
        }
        panic!("goes on for ever");
    }

    #[test]
    fn a_drip_is_no_progress_and_a_slow_line_is() {
        let one_in_twenty = |second| u64::from(second % 20 == 0);
        assert_eq!(paced(one_in_twenty), (70, Pace::Slow { carried: [3, 0], seconds: 60 }));
        let pressed = Pace::Slow { carried: [1, 0], seconds: 15 };
        assert_eq!(paced_in(PRESSED_WINDOW_MS, one_in_twenty), (25, pressed));
        assert_eq!(paced(|_| 0), (70, Pace::Slow { carried: [0, 0], seconds: 60 }));
        // 56 kbit/s, shared by two.
        assert!(matches!(paced(|_| 3_000), (7_200, Pace::Over(_))));
        assert!(matches!(paced(|_| 128 << 10), (7_200, Pace::Over(_))));
        // A server that thinks for less than a window is waited for.
        let thinks = |second| if second % 60 < 5 { 100_000 } else { 0 };
        assert!(matches!(paced(thinks), (7_200, Pace::Over(_))));
        let dries_up = |second| if second < 100 { 10_000 } else { 0 };
        assert!(matches!(paced(dries_up), (190, Pace::Slow { .. })), "{:?}", paced(dries_up));
    }
}
