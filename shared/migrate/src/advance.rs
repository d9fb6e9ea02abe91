//! What a driver calls: works on what is due, as much at a time as may be, and says when to come
//! again.
//!
//! Each migration is advanced by a slice of its own, beside the others, in an instance of its own
//! where there are several: [`Hands`] does that. Whenever one ends, the index of what is due is read
//! anew, so that what follows from it begins at once. Slices that begin late get what is left of the
//! time, so that all end about together.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use model::MigrationId;
use store::due::Task;
use store::{Error, Store, clock, due, lease};

use crate::ended::Advanced;

pub use crate::ended::Ended;
use crate::limits::SLICES_MAX;
use crate::slice::{self};
use crate::world::{Host, World};
use crate::{erase, fruitless, projects, upkeep, watch};

/// What one call did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Slices of migrations.
    pub advanced: u32,
    /// Migrations and queues that have something to do, now or later.
    pub active: u32,
    /// When the next one is due (ms since 1970); `None` when nothing is.
    pub next_due_ms: Option<u64>,
    /// What the store could not do, for the operator's log: each was about one record, and the rest
    /// was done all the same.
    pub troubles: Vec<String>,
}

/// Does slices elsewhere, several at a time.
pub trait Hands {
    /// How many at a time.
    fn many(&self) -> usize;
    /// A slice of `id`, of at most `budget_ms`. One that dies on the way is [`Ended::Busy`].
    async fn slice(&self, id: &MigrationId, budget_ms: u64) -> Ended;
}

/// Nobody else: all is done here, one after the other.
pub struct Alone;

impl Hands for Alone {
    fn many(&self) -> usize {
        1
    }
    async fn slice(&self, _: &MigrationId, _: u64) -> Ended {
        Ended::Busy
    }
}

/// Whom somebody else works on is looked at again after this long.
const BUSY_LOOK_MS: u64 = 2_000;
/// Sentences of a call for the operator's log.
const TROUBLES_MAX: usize = 20;
/// The index is read anew after this long while there are hands free.
const LOOK_MS: u64 = 1_000;

/// Works on what is due until the time of a slice is over. Several drivers may call at once: leases
/// keep them apart.
pub async fn tick<H: Host, S: Store>(
    world: &World<'_, H, S>,
    hands: &impl Hands,
) -> Result<Tick, Error> {
    let now_ms = world.host.now_ms();
    if clock::was_set_back(world.store, now_ms).await? {
        all_at_once(world, now_ms).await?;
    }
    let mut fan = Fan {
        world,
        hands,
        busy: BTreeMap::new(),
        running: BTreeSet::new(),
        elsewhere: BTreeSet::new(),
        advanced: 0,
        troubles: Vec::new(),
    };
    fan.work().await?;
    let now_ms = world.host.now_ms();
    let (listed, unreadable) = due::readable(world.store).await?;
    unreadable.iter().for_each(|error| fan.note(error));
    let erasures = listed.iter().filter(|(_, task, _)| *task == Task::Erase).count();
    if let Err(error) = upkeep::sweep(world, erasures).await {
        fan.note(&error);
    }
    let when = |(due_ms, _, id): &(u64, Task, MigrationId)| match fan.busy.get(id) {
        Some(until_ms) if *due_ms <= now_ms => *until_ms,
        None if *due_ms <= now_ms && fan.elsewhere.contains(id) => now_ms + BUSY_LOOK_MS,
        _ => *due_ms,
    };
    let next_due_ms = listed.iter().map(when).min();
    let active = u32::try_from(listed.len()).unwrap_or(u32::MAX);
    Ok(Tick { advanced: fan.advanced, active, next_due_ms, troubles: fan.troubles })
}

/// One call at work.
struct Fan<'a, 'w, H: Host, S: Store, W: Hands> {
    world: &'a World<'w, H, S>,
    hands: &'a W,
    /// Who is not tried before then (ms since 1970).
    busy: BTreeMap<MigrationId, u64>,
    /// On whom a slice of ours works.
    running: BTreeSet<MigrationId>,
    /// On whom others worked when the index was read last.
    elsewhere: BTreeSet<MigrationId>,
    advanced: u32,
    troubles: Vec<String>,
}

impl<H: Host, S: Store, W: Hands> Fan<'_, '_, H, S, W> {
    async fn work(&mut self) -> Result<(), Error> {
        let (world, hands) = (self.world, self.hands);
        let started_ms = world.host.monotonic_ms();
        let left_ms =
            || world.slice_ms.saturating_sub(world.host.monotonic_ms().saturating_sub(started_ms));
        let mut slices = FuturesUnordered::new();
        let mut first = true;
        loop {
            let mut ready = match first || left_ms() > 0 {
                true => self.ready().await?,
                false => Vec::new(),
            };
            first = false;
            let alone = ready.len() == 1 && slices.is_empty();
            ready.truncate(hands.many().saturating_sub(slices.len()));
            for (task, id) in ready {
                self.running.insert(id.clone());
                // A late one gets time enough to be worth its log-ins.
                let budget_ms = left_ms().max(world.slice_ms / 4);
                slices.push(one(world, hands, (task, id), (alone, budget_ms)));
            }
            if slices.is_empty() {
                return Ok(());
            }
            let free = slices.len() < hands.many() && left_ms() > 0;
            let ended = match select(pin!(slices.next()), pin!(nap(world, free))).await {
                Either::Left((ended, _)) => ended,
                Either::Right(_) => continue,
            };
            let Some((id, ended)) = ended else { return Ok(()) };
            self.running.remove(&id);
            match ended {
                Ok(Ended::Worked { .. }) => self.advanced += 1,
                Ok(Ended::Busy) => {
                    self.busy.insert(id, world.host.now_ms() + BUSY_LOOK_MS);
                }
                // The store could not do something for this one: the others go on.
                Err(error) => {
                    self.note(&error);
                    self.busy.insert(id, world.host.now_ms() + BUSY_LOOK_MS);
                }
            }
        }
    }

    fn note(&mut self, error: &Error) {
        let sentence = error.to_string();
        if self.troubles.len() < TROUBLES_MAX && !self.troubles.contains(&sentence) {
            self.troubles.push(sentence);
        }
    }

    /// What can be begun, in the order it became due; queues that are due are seen to at once.
    async fn ready(&mut self) -> Result<Vec<(Task, MigrationId)>, Error> {
        let (store, now_ms) = (self.world.store, self.world.host.now_ms());
        let (mut listed, _) = due::readable(store).await?;
        if self.dispatch(&listed, now_ms).await? {
            (listed, _) = due::readable(store).await?;
        }
        self.busy.retain(|_, until_ms| *until_ms > now_ms);
        let mut ready: Vec<(Task, MigrationId)> = Vec::new();
        for (due_ms, task, id) in listed {
            let taken = self.running.contains(&id) || self.busy.contains_key(&id);
            if due_ms <= now_ms && task != Task::Project && !taken {
                ready.push((task, id));
            }
        }
        // Enough for a choice, behind those at work; looking at everybody's lease would cost more than
        // it saves.
        ready.truncate(SLICES_MAX + self.hands.many() * 4);
        let ids = ready.iter().map(|(_, id)| id);
        let held = lease::held_by_anybody(store, ids, now_ms, self.world.boot).await?;
        // An erasure takes leases away, whoever has them.
        ready.retain(|(task, id)| *task == Task::Erase || !held.contains(id));
        let room = SLICES_MAX.saturating_sub(held.len() + self.running.len());
        if ready.len() > room {
            watch::press(self.world).await?;
        }
        ready.truncate(room.min(self.hands.many() * 4));
        self.elsewhere = held;
        Ok(ready)
    }

    /// Sees to the queues that are due; whether there were any.
    async fn dispatch(
        &mut self,
        listed: &[(u64, Task, MigrationId)],
        now_ms: u64,
    ) -> Result<bool, Error> {
        let mut any = false;
        for (due_ms, task, id) in listed {
            if *task != Task::Project || *due_ms > now_ms {
                continue;
            }
            any = true;
            let id = id.clone().into();
            if let Err(error) = projects::dispatch(self.world, &id, *due_ms).await {
                self.note(&error);
                if is_damage(&error) {
                    let later_ms = Some(now_ms + fruitless::DAMAGED_LOOK_MS);
                    due::settle_project(self.world.store, &id, *due_ms, later_ms).await?;
                }
            }
        }
        Ok(any)
    }
}

/// Whether an error stays until somebody mends a record.
fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Unreadable { .. } | Error::TooLarge { .. })
}

/// One slice: here where it is the only one or an erasure, elsewhere otherwise.
async fn one<H: Host, S: Store>(
    world: &World<'_, H, S>,
    hands: &impl Hands,
    (task, id): (Task, MigrationId),
    (alone, budget_ms): (bool, u64),
) -> (MigrationId, Result<Ended, Error>) {
    let done = match task {
        Task::Erase => erase::slice(world, &id).await.map(Advanced::ended),
        _ if alone || hands.many() == 1 => advance(world, &id).await,
        _ => Ok(hands.slice(&id, budget_ms).await),
    };
    (id, done)
}

/// One slice of one migration, for whoever was asked to do just that.
pub async fn advance<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
) -> Result<Ended, Error> {
    let done = slice::advance(world, id).await;
    if done.as_ref().is_err_and(is_damage) {
        // Only an operator can mend it. Where this cannot be written either, it is tried again as any
        // other.
        let later_ms = world.host.now_ms() + fruitless::DAMAGED_LOOK_MS;
        let _ = due::set(world.store, id, Some(later_ms)).await;
    }
    done.map(Advanced::ended)
}

/// Until it is time to look for more work; for ever where nothing more is to be begun.
async fn nap<H: Host, S: Store>(world: &World<'_, H, S>, free: bool) {
    match free {
        true => world.host.sleep_ms(LOOK_MS).await,
        false => std::future::pending().await,
    }
}

/// The clock was set back: what waits for a time is looked at at once, and says anew when it is due.
async fn all_at_once<H: Host, S: Store>(world: &World<'_, H, S>, now_ms: u64) -> Result<(), Error> {
    for (due_ms, task, id) in due::all(world.store).await? {
        if due_ms <= now_ms {
            continue;
        }
        match task {
            Task::Advance => due::set(world.store, &id, Some(now_ms)).await?,
            Task::Erase => due::set_erasure(world.store, &id, Some(now_ms)).await?,
            Task::Project => due::set_project(world.store, &id.into(), Some(now_ms)).await?,
        }
    }
    clock::note(world.store, now_ms).await
}
