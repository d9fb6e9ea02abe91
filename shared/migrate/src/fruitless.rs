//! Slices that end without a result: the instance ran out of memory, it was stopped, or nothing that
//! it wrote was taken. Each is counted before its work begins and the count is cleared by the write
//! that tells of a result, so that whatever ends a slice, the next one knows.
//!
//! After [`FRUITLESS_MAX`] in a row the run fails, with a sentence for its owner, and its passwords
//! are erased; the same at once where a record of the migration is too large or cannot be read. What
//! is wrong with one migration is no reason for the others to stand still.

use model::{Migration, MigrationId, Status, Timestamp};
use notify::Outbox;
use store::lease::Lease;
use store::{Error, Store, due, keys, records};

use crate::counted::Before;
use crate::ended::{Advanced, tidy_up};
use crate::world::{Host, World};

/// So many slices in a row may end without a result. A server that makes a slice end this way does
/// so again; what the machine did (memory, a restart) is over by then.
pub const FRUITLESS_MAX: u32 = 10;

/// Where nothing can be written of a migration, since its own record cannot be read, it is tried
/// once more after this long: only an operator can mend it.
pub(crate) const DAMAGED_LOOK_MS: u64 = 3_600_000;

/// The sentence for the owner after [`FRUITLESS_MAX`] slices.
pub(crate) fn too_many() -> String {
    format!(
        "The work on this migration broke off {FRUITLESS_MAX} times in a row without a result. What \
         has arrived stays. Leave out the folder that it stopped at (exclude_folders), or tell whoever \
         runs this installation; then synchronise."
    )
}

/// The sentence for the owner where the store's error is about a record of this migration, else
/// `None`: then it is the store's trouble.
pub(crate) fn own(id: &MigrationId, error: &Error) -> Option<String> {
    match error {
        Error::TooLarge { key, .. } if keys::is_shared(key) => None,
        Error::TooLarge { key, .. } => Some(format!(
            "What must be written down of this migration ({}) is larger than can be stored. What has \
             arrived stays. Migrate fewer folders at a time (exclude_folders) with a new migration: \
             what is at the destination already is recognised.",
            keys::kind(key)
        )),
        Error::Unreadable { key, .. } if keys::belongs_to(key, id) => Some(format!(
            "What was written down of this migration ({}) cannot be read any more. What has arrived \
             stays. Begin a new migration of the same accounts: what is at the destination already is \
             recognised.",
            keys::kind(key)
        )),
        Error::Sealed => Some(
            "The passwords cannot be opened: the secret key of this installation was changed. \
             Synchronise to give them again."
                .into(),
        ),
        Error::Unreadable { .. } | Error::Store(_) => None,
    }
}

/// The store could not do something: where that is about a record of this migration, the run fails;
/// otherwise it is tried again, by whoever comes next.
pub(crate) async fn in_trouble<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
    held: Lease,
    error: Error,
) -> Result<Advanced, Error> {
    match own(id, &error) {
        Some(sentence) => give_up(world, id, held, sentence).await,
        None => {
            // What the store does not even take now runs out by itself.
            let _ = held.release(world.store).await;
            Err(error)
        }
    }
}

/// Ends the run as failed, and erases its passwords. Nothing but the migration's own record is read
/// for that, since what else there is may be the reason.
pub(crate) async fn give_up<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
    mut held: Lease,
    sentence: String,
) -> Result<Advanced, Error> {
    let (store, now) = (world.store, Timestamp(world.host.now_ms()));
    if !held.renew(store, world.moment()).await? {
        return Ok(Advanced::Busy);
    }
    let mut migration = match crate::stored::read(store, id).await {
        Ok(Some(migration)) => migration,
        Ok(None) => {
            due::set(store, id, None).await?;
            return Ok(Advanced::Until(None));
        }
        Err(Error::Unreadable { .. }) => return put_off(world, id, held).await,
        Err(error) => return Err(error),
    };
    crate::endings::end(&mut migration, Status::Failed, now);
    migration.last_error = Some(sentence);
    if !write(store, &held, &migration, now).await? {
        return Ok(Advanced::Busy);
    }
    tidy_up(store, &migration, now).await?;
    crate::membership::due(store, &migration, None, now).await?;
    held.release(store).await?;
    Ok(Advanced::Until(None))
}

/// Whether it could be written, since the lease is still ours.
async fn write(
    store: &impl Store,
    held: &Lease,
    migration: &Migration,
    now: Timestamp,
) -> Result<bool, Error> {
    let id = &migration.id;
    let key = keys::migration(id);
    let mut pairs = vec![(key.clone(), records::encode(&key, migration)?)];
    pairs.push((keys::credentials(id), Vec::new()));
    pairs.push(Before::cleared(id, false)?);
    // Where it cannot be read whom to tell, it is told on the page alone.
    let mut outbox = Outbox::read(store, migration).await.unwrap_or_default();
    if let Some(outbox) = &mut outbox {
        outbox.ended(migration, crate::endings::outcome(migration, &[]), now);
        pairs.extend(outbox.take_change(id)?);
    }
    if !held.write(store, pairs).await? {
        return Ok(false);
    }
    if let Some(outbox) = &mut outbox {
        outbox.announce(store, id, now.0).await?;
    }
    Ok(true)
}

/// The migration's own record cannot be read, so that nothing can be told: it is looked at again
/// later, and after [`FRUITLESS_MAX`] looks its passwords are erased and nobody looks any more.
pub(crate) async fn put_off<H: Host, S: Store>(
    world: &World<'_, H, S>,
    id: &MigrationId,
    held: Lease,
) -> Result<Advanced, Error> {
    let (store, now_ms) = (world.store, world.host.now_ms());
    let before = Before::read(store, id).await?;
    let due_ms = (before.fruitless < FRUITLESS_MAX).then_some(now_ms + DAMAGED_LOOK_MS);
    match due_ms {
        Some(_) => before.begin(store, id, world.boot).await?,
        None => store.set(&keys::credentials(id), Vec::new()).await?,
    }
    due::set(store, id, due_ms).await?;
    held.release(store).await?;
    Ok(Advanced::Until(due_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use store::memory::Memory;

    #[test]
    fn counts_what_had_no_result_but_not_that_the_process_ended() {
        block_on(async {
            let (store, id) = (Memory::default(), MigrationId::from_random(&[3; 26]));
            for n in 0..5 {
                let before = Before::read(&store, &id).await.unwrap();
                assert_eq!(before.fruitless, n);
                before.begin(&store, &id, "a").await.unwrap();
            }
            for boot in ["b", "c", "d"] {
                let before = Before::read(&store, &id).await.unwrap();
                before.begin(&store, &id, boot).await.unwrap();
            }
            assert_eq!(Before::read(&store, &id).await.unwrap().fruitless, 5);
            let (key, value) = Before::cleared(&id, true).unwrap();
            store.set(&key, value).await.unwrap();
            let before = Before::read(&store, &id).await.unwrap();
            assert_eq!((before.fruitless, before.slow), (0, true));
            store.set(&key, b"\x01 no".to_vec()).await.unwrap();
            assert_eq!(Before::read(&store, &id).await, Ok(Before::default()));
        });
    }

    #[test]
    fn sentences_name_the_kind_of_a_record_and_nothing_more() {
        let id = MigrationId::from_random(&[3; 26]);
        let unreadable = |key: String| Error::Unreadable { key, reason: "broken".into() };
        let told = own(&id, &unreadable(keys::journal(&id, 3, 4))).unwrap();
        assert!(told.contains("(the list of what was copied)"), "{told}");
        assert!(!told.contains(id.as_str()) && !told.contains("journal/"), "{told}");
        let other = MigrationId::from_random(&[4; 26]);
        assert_eq!(own(&id, &unreadable(keys::journal(&other, 3, 4))), None);
        assert_eq!(own(&id, &unreadable(keys::due(3))), None);
        let large = Error::TooLarge { key: "a batch of 9 values".into(), bytes: 9 };
        assert!(own(&id, &large).is_some());
        assert_eq!(own(&id, &Error::TooLarge { key: keys::due(3), bytes: 9 }), None);
        assert_eq!(own(&id, &Error::Store("full".into())), None);
    }
}
