//! Which migrations have something to do, and when: the only list there is.
//!
//! A shard is one record `{id: due_ms}`; a migration that waits for its owner is in none, so idle
//! ones cost nothing. Shards are changed by compare-and-swap.

use model::{MigrationId, ProjectId};

use crate::shard::{self, Shard};
use crate::{Error, Store, keys, records};

/// What is to be done with a migration that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Erase it.
    Erase,
    /// It is a project: see to its queue.
    Project,
    /// Take it a slice further.
    Advance,
}

fn shard_of(id: &MigrationId) -> u8 {
    let sum =
        id.as_str().bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    u8::try_from(sum % u32::from(keys::DUE_SHARDS)).unwrap_or(0)
}

/// Says when `id` is due; `None` takes it out of the index.
pub async fn set(store: &impl Store, id: &MigrationId, due_ms: Option<u64>) -> Result<(), Error> {
    in_its_shard(id, async |key| shard::set(store, &key, id, due_ms).await).await
}

/// Says that `id` is due at `at_ms`, or earlier where that is said already. What is said here is not
/// taken out by [`settle`] of who was told before.
pub async fn by(store: &impl Store, id: &MigrationId, at_ms: u64) -> Result<(), Error> {
    in_its_shard(id, async |key| shard::set_by(store, &key, id, at_ms).await).await
}

/// When `id` is due, as the index has it now, for [`settle`].
pub async fn known(store: &impl Store, id: &MigrationId) -> Result<Option<u64>, Error> {
    in_its_shard(id, async |key| {
        let shard: Option<Shard> = records::read(store, &key).await?;
        Ok(shard.and_then(|shard| shard.get(id).copied()))
    })
    .await
}

/// Puts `due_ms` where `known_ms` stands, as [`set`] does; `false` where something else stands there,
/// since somebody has begun `id` anew meanwhile.
pub async fn settle(
    store: &impl Store,
    id: &MigrationId,
    known_ms: Option<u64>,
    due_ms: Option<u64>,
) -> Result<bool, Error> {
    match (known_ms, due_ms) {
        (Some(known_ms), due_ms) => {
            let change = (known_ms, due_ms);
            in_its_shard(id, async |key| shard::replace(store, &key, id, change).await).await
        }
        (None, Some(due_ms)) => by(store, id, due_ms).await.map(|()| true),
        (None, None) => Ok(true),
    }
}

/// Does something with the list in which `id` stands: who belongs into one that cannot be read is in
/// the next one.
async fn in_its_shard<T>(
    id: &MigrationId,
    with: impl AsyncFn(String) -> Result<T, Error>,
) -> Result<T, Error> {
    let first = shard_of(id);
    let mut number = first;
    loop {
        let done = with(keys::due(number)).await;
        number = number.wrapping_add(1) % keys::DUE_SHARDS;
        if number == first || !matches!(done, Err(Error::Unreadable { .. })) {
            return done;
        }
    }
}

/// How many migrations stand in the list in which `id` would.
pub async fn length(store: &impl Store, id: &MigrationId) -> Result<usize, Error> {
    let shard: Option<Shard> = records::read(store, &keys::due(shard_of(id))).await?;
    Ok(shard.map_or(0, |shard| shard.len()))
}

/// Says when the erasure of `id` goes on; `None` once nothing of it is left. A list of its own, so
/// that a slice which ends meanwhile and says when it is due does not call the erasure off.
pub async fn set_erasure(
    store: &impl Store,
    id: &MigrationId,
    due_ms: Option<u64>,
) -> Result<(), Error> {
    shard::set(store, &keys::due_erasures(), id, due_ms).await
}

/// Says when there is something to do in the queue of a project; `None` takes it out of the list.
pub async fn set_project(
    store: &impl Store,
    id: &ProjectId,
    due_ms: Option<u64>,
) -> Result<(), Error> {
    shard::set(store, &keys::due_projects(), id.entry(), due_ms).await
}

/// Puts `due_ms` where `known_ms` stands, as [`set_project`] does; `false` where something else
/// stands there, since there is something new to do.
pub async fn settle_project(
    store: &impl Store,
    id: &ProjectId,
    known_ms: u64,
    due_ms: Option<u64>,
) -> Result<bool, Error> {
    shard::replace(store, &keys::due_projects(), id.entry(), (known_ms, due_ms)).await
}

/// Says that there is something to do in the queue of a project at `at_ms`, or earlier where that
/// is said already. What is said here is not taken out by [`settle_project`] of who was told before.
pub async fn project_by(store: &impl Store, id: &ProjectId, at_ms: u64) -> Result<(), Error> {
    shard::set_by(store, &keys::due_projects(), id.entry(), at_ms).await
}

/// Says when the owner of `id` is to be told something; `None` once everything is told. A list of
/// its own, since it outlives the run and its mails must not wait for a slice to end.
pub async fn set_notices(
    store: &impl Store,
    id: &MigrationId,
    due_ms: Option<u64>,
) -> Result<(), Error> {
    match shard::set(store, &keys::due_notices(shard_of(id)), id, due_ms).await {
        // That its owner cannot be told is no reason for a migration to stand still.
        Err(Error::Unreadable { .. }) => Ok(()),
        set => set,
    }
}

/// Puts `due_ms` where `known_ms` stands, as [`set_notices`] does; `false` where something else
/// stands there, since there is more to be told meanwhile.
pub async fn settle_notices(
    store: &impl Store,
    id: &MigrationId,
    known_ms: u64,
    due_ms: Option<u64>,
) -> Result<bool, Error> {
    shard::replace(store, &keys::due_notices(shard_of(id)), id, (known_ms, due_ms)).await
}

/// Every migration whose owner is to be told something, by the time that is due.
pub async fn all_notices(store: &impl Store) -> Result<Vec<(u64, MigrationId)>, Error> {
    let names: Vec<String> = (0..keys::DUE_SHARDS).map(keys::due_notices).collect();
    let mut due = Vec::new();
    for (key, value) in names.iter().zip(store.get_many(&names).await?) {
        let Some(bytes) = value else { continue };
        // The owners in a list that cannot be read see on their pages what they are not told.
        let shard: Shard = records::decode(key, &bytes).unwrap_or_default();
        due.extend(shard.into_iter().map(|(id, due_ms)| (due_ms, id)));
    }
    due.sort();
    Ok(due)
}

/// Every migration and project that has something to do, by the time it is due.
pub async fn all(store: &impl Store) -> Result<Vec<(u64, Task, MigrationId)>, Error> {
    let (due, unreadable) = readable(store).await?;
    match unreadable.into_iter().next() {
        None => Ok(due),
        Some(error) => Err(error),
    }
}

/// The same, as far as it can be read, with what is wrong with the rest: one damaged list is no
/// reason for those in the others to wait.
pub async fn readable(
    store: &impl Store,
) -> Result<(Vec<(u64, Task, MigrationId)>, Vec<Error>), Error> {
    let shards = (0..keys::DUE_SHARDS).map(|shard| (keys::due(shard), Task::Advance));
    let others = [(keys::due_erasures(), Task::Erase), (keys::due_projects(), Task::Project)];
    let (names, tasks): (Vec<String>, Vec<Task>) = shards.chain(others).unzip();
    let (mut due, mut unreadable) = (Vec::new(), Vec::new());
    let values = store.get_many(&names).await?;
    for ((key, task), value) in names.iter().zip(tasks).zip(values) {
        let Some(bytes) = value else { continue };
        match records::decode::<Shard>(key, &bytes) {
            Ok(shard) => due.extend(shard.into_iter().map(|(id, due_ms)| (due_ms, task, id))),
            Err(error) => unreadable.push(error),
        }
    }
    due.sort();
    Ok((due, unreadable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    #[test]
    fn in_order_of_time_and_gone_when_done() {
        block_on(async {
            let store = Memory::default();
            let ids: Vec<_> = (0..20).map(|n| MigrationId::from_random(&[n; 26])).collect();
            for (id, due) in ids.iter().zip((0..20).rev()) {
                set(&store, id, Some(due)).await.unwrap();
            }
            let found: Vec<_> =
                all(&store).await.unwrap().into_iter().map(|(due, ..)| due).collect();
            assert_eq!(found, (0..20).collect::<Vec<_>>());
            for id in &ids {
                set(&store, id, None).await.unwrap();
            }
            assert_eq!(all(&store).await, Ok(vec![]));
        });
    }

    #[test]
    fn what_is_to_be_told_is_a_list_of_its_own() {
        block_on(async {
            let store = Memory::default();
            let id = MigrationId::from_random(&[3; 26]);
            set_notices(&store, &id, Some(5)).await.unwrap();
            set(&store, &id, None).await.unwrap();
            assert_eq!(all(&store).await, Ok(vec![]));
            assert_eq!(all_notices(&store).await, Ok(vec![(5, id.clone())]));
            assert_eq!(settle_notices(&store, &id, 4, None).await, Ok(false));
            assert_eq!(settle_notices(&store, &id, 5, Some(7)).await, Ok(true));
            assert_eq!(all_notices(&store).await, Ok(vec![(7, id.clone())]));
            set_notices(&store, &id, None).await.unwrap();
            assert_eq!(all_notices(&store).await, Ok(vec![]));
        });
    }

    #[test]
    fn who_saw_a_project_before_does_not_take_out_what_is_new() {
        block_on(async {
            let store = Memory::default();
            let id = ProjectId::from_random(&[3; 26]);
            project_by(&store, &id, 5).await.unwrap();
            project_by(&store, &id, 5).await.unwrap();
            assert_eq!(settle_project(&store, &id, 5, None).await, Ok(false));
            assert_eq!(settle_project(&store, &id, 6, Some(9)).await, Ok(true));
            project_by(&store, &id, 7).await.unwrap();
            assert_eq!(all(&store).await, Ok(vec![(7, Task::Project, id.entry().clone())]));
        });
    }

    #[test]
    fn a_slice_that_ends_does_not_take_out_who_was_begun_anew() {
        block_on(async {
            let store = Memory::default();
            let id = MigrationId::from_random(&[3; 26]);
            assert_eq!(settle(&store, &id, None, None).await, Ok(true));
            by(&store, &id, 5).await.unwrap();
            let known_ms = known(&store, &id).await.unwrap();
            assert_eq!(known_ms, Some(5));
            // Also within the same millisecond.
            by(&store, &id, 5).await.unwrap();
            assert_eq!(settle(&store, &id, known_ms, None).await, Ok(false));
            let known_ms = known(&store, &id).await.unwrap();
            assert_eq!(settle(&store, &id, known_ms, Some(9)).await, Ok(true));
            assert_eq!(settle(&store, &id, Some(9), None).await, Ok(true));
            assert_eq!(settle(&store, &id, None, Some(7)).await, Ok(true));
            assert_eq!(all(&store).await, Ok(vec![(7, Task::Advance, id)]));
        });
    }

    #[test]
    fn a_maker_that_died_does_not_block() {
        block_on(async {
            let store = Memory::default();
            let id = MigrationId::from_random(&[3; 26]);
            store.increment(&keys::made(&keys::due(shard_of(&id))), 1).await.unwrap();
            set(&store, &id, Some(1)).await.unwrap();
            assert_eq!(all(&store).await, Ok(vec![(1, Task::Advance, id)]));
        });
    }

    #[test]
    fn a_slice_that_ends_does_not_call_an_erasure_off() {
        block_on(async {
            let store = Memory::default();
            let id = MigrationId::from_random(&[3; 26]);
            set_erasure(&store, &id, Some(5)).await.unwrap();
            set(&store, &id, Some(1)).await.unwrap();
            set(&store, &id, None).await.unwrap();
            assert_eq!(all(&store).await, Ok(vec![(5, Task::Erase, id.clone())]));
            set_erasure(&store, &id, None).await.unwrap();
            assert_eq!(all(&store).await, Ok(vec![]));
        });
    }
}
