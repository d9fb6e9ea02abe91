//! `GET /healthz`: whether this installation does what it is for. Requests can be answered, the store
//! takes writes, and what is due does not wait.

use migrate::backlog::{Backlog, backlog};
use serde::{Deserialize, Serialize};
use store::{Error, Store, keys, records};

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::refusals::{Code, Refusal};
use crate::shown::installation::{Health, Well};

/// What is due and waits longer than this shows that nobody drives, or that nothing moves.
const WAITS_MAX_MS: u64 = 300_000;

/// Whether the store takes writes is tried at most this often, since anybody may ask.
const TRY_EVERY_MS: u64 = 2_000;

/// Octets of a try: more than a page of a database, so that the disk must have room for one.
const TRY_OCTETS: usize = 8 << 10;

/// The last write that was taken.
#[derive(Debug, Serialize, Deserialize)]
struct Tried {
    at_ms: u64,
    filling: String,
}

/// `GET /healthz`.
pub async fn answer<O: Outside>(app: &App<O>) -> Result<Answer, Refusal> {
    app.seal()?;
    app.outside.ready().map_err(|wrong| Refusal::because(Code::NotConfigured, wrong))?;
    let now_ms = app.now().0;
    let waits = backlog(app.store(), now_ms, &app.boot).await;
    let taken = takes_writes(app.store(), now_ms).await;
    let store = match (&waits, &taken) {
        (Err(_), _) => "cannot be read",
        (Ok(_), Err(_)) => "takes no writes",
        (Ok(Backlog { damaged: 1.., .. }), Ok(())) => "a list of what is due is damaged",
        (Ok(_), Ok(())) => "ok",
    };
    let oldest_ms = waits.ok().map(|backlog| backlog.oldest_ms);
    let well = store == "ok" && oldest_ms.is_some_and(|oldest_ms| oldest_ms <= WAITS_MAX_MS);
    let (code, status) = if well { (200, Well::Ok) } else { (503, Well::Failing) };
    let oldest_due_seconds = oldest_ms.map(|ms| ms / 1000);
    let version = env!("CARGO_PKG_VERSION");
    Ok(Answer::json(code, &Health { status, version, oldest_due_seconds, store }))
}

/// Writes something small, unless that was done just now.
async fn takes_writes(store: &impl Store, now_ms: u64) -> Result<(), Error> {
    let key = keys::health();
    let before: Result<Option<Tried>, Error> = records::read(store, &key).await;
    if let Ok(Some(Tried { at_ms, .. })) = before
        && (at_ms..at_ms + TRY_EVERY_MS).contains(&now_ms)
    {
        return Ok(());
    }
    let tried = Tried { at_ms: now_ms, filling: "-".repeat(TRY_OCTETS) };
    records::write(store, &key, &tried).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use store::memory::Memory;

    /// A store on a disk without room.
    struct Full(Memory);

    impl Store for Full {
        async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
            self.0.get(key).await
        }
        async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
            self.0.get_many(keys).await
        }
        async fn set(&self, _: &str, _: Vec<u8>) -> Result<(), Error> {
            Err(Error::Store("database or disk is full".into()))
        }
        async fn set_many(&self, _: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
            Err(Error::Store("database or disk is full".into()))
        }
        async fn delete(&self, key: &str) -> Result<(), Error> {
            self.0.delete(key).await
        }
        async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
            self.0.delete_many(keys).await
        }
        async fn increment(&self, _: &str, _: u64) -> Result<u64, Error> {
            Err(Error::Store("database or disk is full".into()))
        }
        async fn swap(&self, _: &str, _: &[u8], _: Vec<u8>) -> Result<bool, Error> {
            Err(Error::Store("database or disk is full".into()))
        }
    }

    #[test]
    fn a_write_is_tried_every_other_second() {
        block_on(async {
            let memory = Memory::default();
            assert_eq!(takes_writes(&memory, 10_000).await, Ok(()));
            let full = Full(memory.clone());
            assert_eq!(takes_writes(&full, 10_000 + TRY_EVERY_MS - 1).await, Ok(()), "not tried");
            assert!(takes_writes(&full, 10_000 + TRY_EVERY_MS).await.is_err());
            assert!(takes_writes(&full, 9_000).await.is_err(), "the clock was set back");
            memory.set(&keys::health(), b"\x01{".to_vec()).await.unwrap();
            assert_eq!(takes_writes(&memory, 20_000).await, Ok(()), "it is written anew");
        });
    }
}
