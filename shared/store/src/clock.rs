//! Whether the wall clock was set back, which makes what is due in an hour due in a day.

use crate::{Error, Store, keys, records};

/// A clock that is set back by less than this is only set right.
const SET_RIGHT_MS: u64 = 300_000;
/// How often the time is written down while the driver calls.
const NOTE_EVERY_MS: u64 = 600_000;

/// Whether the clock stands well before a time that was noted; [`note`] ends that.
pub async fn was_set_back(store: &impl Store, now_ms: u64) -> Result<bool, Error> {
    let noted: Option<u64> = match records::read(store, &keys::clock()).await {
        // It is written anew below: nothing else can be made of it.
        Err(Error::Unreadable { .. }) => None,
        read => read?,
    };
    match noted {
        Some(noted_ms) if now_ms + SET_RIGHT_MS < noted_ms => Ok(true),
        Some(noted_ms) if now_ms < noted_ms + NOTE_EVERY_MS => Ok(false),
        Some(_) | None => note(store, now_ms).await.map(|()| false),
    }
}

/// Writes down what the clock says.
pub async fn note(store: &impl Store, now_ms: u64) -> Result<(), Error> {
    records::write(store, &keys::clock(), &now_ms).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use futures::executor::block_on;

    #[test]
    fn tells_a_day_from_a_second() {
        block_on(async {
            let store = Memory::default();
            let day = 86_400_000;
            for (now_ms, back) in [
                (10 * day, false),
                (10 * day - 1_000, false),
                (10 * day + 1_000, false),
                (11 * day, false),
                (10 * day, true),
                (10 * day + 5, true),
            ] {
                assert_eq!(was_set_back(&store, now_ms).await, Ok(back), "{now_ms}");
            }
            note(&store, 10 * day).await.unwrap();
            assert_eq!(was_set_back(&store, 10 * day).await, Ok(false));
        });
    }
}
