//! What requests with a key of their own were answered, so that one that is repeated gets the same
//! answer. Kept for a day, sealed by whoever gives the answer; entries are spread over a few records
//! that are never deleted.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::{Error, Store, keys, records, shard};

/// How long an answer is kept.
pub const KEPT_MS: u64 = 86_400_000;
/// A request that has no answer after this long was cut off.
const CUT_OFF_MS: u64 = 60_000;
/// Number of records.
const SHARDS: u64 = 256;
/// Attempts to change a record before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;
/// Entries of a record, some kilobyte each; beyond that the oldest are forgotten.
const ENTRIES_MAX: usize = 300;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    at_ms: u64,
    /// In base64; `None` while it is being made.
    answer: Option<String>,
}

type Shard = BTreeMap<String, Entry>;

/// What there is for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Nothing: the answer is to be made, and told with [`settle`].
    Yours,
    /// Somebody else makes it at this moment.
    Pending,
    /// The answer, as it was sealed.
    Answered(Vec<u8>),
}

fn shard_of(key: &str) -> String {
    let sum = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    keys::answers(u8::try_from(sum % SHARDS).unwrap_or(0))
}

fn is_over(entry: &Entry, now_ms: u64) -> bool {
    let age_ms = now_ms.abs_diff(entry.at_ms);
    age_ms >= KEPT_MS || (entry.answer.is_none() && age_ms >= CUT_OFF_MS)
}

/// The answer for `name`, or the right to make it.
pub async fn take(store: &impl Store, name: &str, now_ms: u64) -> Result<Taken, Error> {
    let mut taken = Taken::Yours;
    change(store, name, now_ms, |shard| {
        taken = match shard.get(name) {
            Some(Entry { answer: Some(answer), .. }) => {
                Taken::Answered(STANDARD_NO_PAD.decode(answer).unwrap_or_default())
            }
            Some(Entry { answer: None, .. }) => Taken::Pending,
            None => {
                shard.insert(name.to_owned(), Entry { at_ms: now_ms, answer: None });
                Taken::Yours
            }
        };
    })
    .await?;
    Ok(taken)
}

/// Keeps the answer for `name`; `None` where there is none, so that it may be tried again.
pub async fn settle(
    store: &impl Store,
    name: &str,
    answer: Option<&[u8]>,
    now_ms: u64,
) -> Result<(), Error> {
    let answer = answer.map(|answer| STANDARD_NO_PAD.encode(answer));
    change(store, name, now_ms, |shard| match &answer {
        Some(answer) => {
            let entry = Entry { at_ms: now_ms, answer: Some(answer.clone()) };
            shard.insert(name.to_owned(), entry);
        }
        None => _ = shard.remove(name),
    })
    .await
}

async fn change(
    store: &impl Store,
    name: &str,
    now_ms: u64,
    mut with: impl FnMut(&mut Shard),
) -> Result<(), Error> {
    let key = shard_of(name);
    for _ in 0..SWAPS_MAX {
        let Some(before) = store.get(&key).await? else {
            shard::make(store, &key).await?;
            continue;
        };
        let mut shard: Shard = records::decode(&key, &before)?;
        shard.retain(|_, entry| !is_over(entry, now_ms));
        with(&mut shard);
        while shard.len() > ENTRIES_MAX {
            let oldest = shard.iter().min_by_key(|(_, entry)| entry.at_ms);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            shard.remove(&oldest);
        }
        let after = records::encode(&key, &shard)?;
        if after == before || store.swap(&key, &before, after).await? {
            return Ok(());
        }
    }
    Err(Error::Store(format!("{key} changes too often")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    #[test]
    fn an_answer_is_made_once_and_kept_for_a_day() {
        block_on(async {
            let store = Memory::default();
            assert_eq!(take(&store, "k", 1_000).await, Ok(Taken::Yours));
            assert_eq!(take(&store, "k", 2_000).await, Ok(Taken::Pending));
            settle(&store, "k", Some(b"first"), 3_000).await.unwrap();
            let answered = Ok(Taken::Answered(b"first".to_vec()));
            assert_eq!(take(&store, "k", 4_000).await, answered);
            assert_eq!(take(&store, "k", 2_999 + KEPT_MS).await, answered);
            assert_eq!(take(&store, "k", 3_000 + KEPT_MS).await, Ok(Taken::Yours));
        });
    }

    #[test]
    fn what_failed_or_was_cut_off_may_be_tried_again() {
        block_on(async {
            let store = Memory::default();
            assert_eq!(take(&store, "k", 1_000).await, Ok(Taken::Yours));
            settle(&store, "k", None, 1_001).await.unwrap();
            assert_eq!(take(&store, "k", 1_002).await, Ok(Taken::Yours));
            assert_eq!(take(&store, "k", 1_002 + CUT_OFF_MS).await, Ok(Taken::Yours));
        });
    }
}
