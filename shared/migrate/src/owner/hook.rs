//! Runs that are asked for with a token, where the owner keeps the credentials sealed for them.

use ledger::Cursor;
use model::{Action, MigrationId, Status, Timestamp};
use sha2::{Digest, Sha256};
use store::{Error, Store, keys, lease, records};
use wire::Random;

use crate::owner::lifecycle::Outcome;
use crate::pairs;

/// What a token begins with, so that it is recognised where it was left lying about.
const PREFIX: &str = "hook_";

/// A new token; only its hash is stored.
pub fn token(random: &impl Random) -> String {
    let mut bytes = [0; model::id::LENGTH];
    random.fill(&mut bytes);
    format!("{PREFIX}{}", MigrationId::from_random(&bytes))
}

/// The record of a token, part of the first write of its migration.
pub fn entry(id: &MigrationId, token: &str) -> (String, Vec<u8>) {
    (keys::hook(id), Sha256::digest(token.as_bytes()).to_vec())
}

/// Whether `token` is the one of this migration.
pub async fn fits(store: &impl Store, id: &MigrationId, token: &str) -> Result<bool, Error> {
    // Of hashes nothing can be learned from how long the comparison takes.
    let (key, hash) = entry(id, token);
    Ok(store.get(&key).await?.is_some_and(|known| known == hash))
}

/// Begins a new sync point with the kept credentials; `None` where they are kept no more. Where
/// runs are repeated, the next one begins now.
pub async fn synchronise(
    store: &impl Store,
    id: &MigrationId,
    now: Timestamp,
    boot: &str,
) -> Result<Option<Outcome>, Error> {
    let Some(held) = lease::claim(store, id, now.0, boot).await? else {
        return Ok(Some(Outcome::NotInThisState(Status::Running)));
    };
    let Some(mut migration) = crate::stored::read(store, id).await? else {
        return Ok(Some(Outcome::Gone));
    };
    let repeats = migration.next_run_at.is_some() && migration.next_run().is_some();
    let sealed = store.get(&keys::credentials(id)).await?.unwrap_or_default();
    let sides = (&migration.source, &migration.destination);
    let idle = repeats || migration.status.allows(Action::Synchronise);
    let outcome = if !migration.keeps_credentials(now) || sealed.is_empty() {
        None
    } else if idle && pairs::claim(store, sides, id).await?.is_err() {
        Some(Outcome::Taken)
    } else if idle {
        migration.status = Status::Pending;
        (migration.phase, migration.last_error, migration.next_run_at) = (None, None, None);
        migration.updated_at = now;
        let key = keys::migration(id);
        let mut pairs = vec![(key.clone(), records::encode(&key, &migration)?)];
        let key = keys::cursor(id);
        if let Some(cursor) = records::read::<Cursor>(store, &key).await? {
            pairs.push((key.clone(), records::encode(&key, &cursor.again())?));
        }
        store.delete(&keys::control(id)).await?;
        if !crate::owner::idle::make_due(store, &held, (&migration, pairs), now).await? {
            return Ok(Some(Outcome::NotInThisState(Status::Running)));
        }
        Some(Outcome::Done)
    } else {
        Some(Outcome::NotInThisState(migration.status))
    };
    held.release(store).await?;
    Ok(outcome)
}
