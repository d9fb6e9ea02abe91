//! Who may open a project: its password, the tokens it is exchanged for, and a limit on guessing.

use std::collections::BTreeMap;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use model::{ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Error, Store, keys, records};
use wire::{Random, Secret};

use crate::members::change;

/// The shortest password.
pub const PASSWORD_MIN_CHARS: usize = 10;
/// The longest; hashing costs time by the byte.
pub const PASSWORD_MAX_BYTES: usize = 1_000;
/// How long a token opens the project: a day's work.
pub const SESSION_MS: u64 = 12 * 3_600_000;
/// Tokens at a time; the oldest goes for a new one.
const SESSIONS_MAX: usize = 50;
/// Wrong passwords that cost nothing.
const GUESSES_FREE: u32 = 5;
/// The longest wait after a wrong password.
const WAIT_MAX_MS: u64 = 15 * 60_000;
/// Wrong passwords are forgotten after this long without one.
const FORGET_MS: u64 = 24 * 3_600_000;

/// OWASP's first choice for argon2id (19 MiB, two passes, one lane): about a tenth of a second in
/// Wasm, within the memory of a component.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

/// Stands for the hash of a project that is not there, so that it takes as long to be refused.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why nobody was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The password is wrong, or there is no such project.
    Wrong,
    /// Too many wrong ones: the next may be tried after so many seconds.
    Wait(u64),
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash of a password, as a PHC string.
pub fn hash(password: &Secret, random: &impl Random) -> Result<String, Error> {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let failed = |error: argon2::password_hash::Error| Error::Store(format!("argon2: {error}"));
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    let hash = argon2().hash_password(password.expose().as_bytes(), &salt).map_err(failed)?;
    Ok(hash.to_string())
}

fn is(password: &Secret, hash: &str) -> bool {
    let bytes = password.expose().as_bytes();
    bytes.len() <= PASSWORD_MAX_BYTES
        && PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(bytes, &hash).is_ok())
}

/// Wrong passwords so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Guesses {
    wrong: u32,
    /// No further one before this (ms since 1970).
    until_ms: u64,
}

/// The records of a new project that begin empty.
pub(crate) fn empty(id: &ProjectId) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let (sessions, guesses) = (keys::project_sessions(id), keys::project_guesses(id));
    let none = records::encode(&sessions, &Sessions::new())?;
    let no = records::encode(&guesses, &Guesses::default())?;
    Ok(vec![(sessions, none), (guesses, no)])
}

/// Checks a password. Each try is counted before it is looked at, so that many at once gain nothing.
pub async fn check(
    store: &impl Store,
    id: &ProjectId,
    password: &Secret,
    now: Timestamp,
) -> Result<Result<(), Refused>, Error> {
    if let Err(wait) = count(store, id, now).await? {
        return Ok(Err(wait));
    }
    let key = keys::project_password(id);
    // Emptied where the project is being erased.
    let stored = store.get(&key).await?.filter(|bytes| !bytes.is_empty());
    let stored = stored.map(|bytes| records::decode::<String>(&key, &bytes)).transpose()?;
    let right = is(password, stored.as_deref().unwrap_or(NOBODY)) && stored.is_some();
    if !right {
        return Ok(Err(Refused::Wrong));
    }
    change(store, &keys::project_guesses(id), |guesses: &mut Guesses| {
        *guesses = Guesses::default();
    })
    .await?;
    Ok(Ok(()))
}

/// Counts a try, unless it comes too early.
async fn count(
    store: &impl Store,
    id: &ProjectId,
    now: Timestamp,
) -> Result<Result<(), Refused>, Error> {
    let key = keys::project_guesses(id);
    loop {
        let Some(before) = store.get(&key).await? else { return Ok(Ok(())) };
        let mut guesses: Guesses = records::decode(&key, &before)?;
        let left_ms = guesses.until_ms.saturating_sub(now.0);
        if left_ms > 0 && left_ms <= WAIT_MAX_MS {
            return Ok(Err(Refused::Wait(left_ms.div_ceil(1000))));
        }
        if now.0.saturating_sub(guesses.until_ms) > FORGET_MS {
            guesses.wrong = 0;
        }
        guesses.wrong += 1;
        let beyond = guesses.wrong.saturating_sub(GUESSES_FREE);
        let wait_ms = if beyond == 0 { 0 } else { 1000 << beyond.min(20) };
        guesses.until_ms = now.0 + WAIT_MAX_MS.min(wait_ms);
        if store.swap(&key, &before, records::encode(&key, &guesses)?).await? {
            return Ok(Ok(()));
        }
    }
}

/// The hashes of tokens, with the moment until which each opens the project.
type Sessions = BTreeMap<String, u64>;

fn digest(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new token.
pub async fn begin_session(
    store: &impl Store,
    id: &ProjectId,
    random: &impl Random,
    now: Timestamp,
) -> Result<Secret, Error> {
    let mut bytes = [0; model::id::LENGTH];
    random.fill(&mut bytes);
    let token = ProjectId::from_random(&bytes).to_string();
    let hash = digest(&token);
    change(store, &keys::project_sessions(id), |sessions: &mut Sessions| {
        sessions.retain(|_, until_ms| *until_ms > now.0);
        while sessions.len() >= SESSIONS_MAX {
            let oldest = sessions.iter().min_by_key(|(_, until_ms)| **until_ms);
            let Some(oldest) = oldest.map(|(hash, _)| hash.clone()) else { break };
            sessions.remove(&oldest);
        }
        sessions.insert(hash.clone(), now.0 + SESSION_MS);
    })
    .await?;
    Ok(Secret::new(token))
}

/// Whether `token` opens the project. Tokens are compared by their hashes, so that the time it takes
/// tells nothing of them.
pub async fn is_open(
    store: &impl Store,
    id: &ProjectId,
    token: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let sessions: Option<Sessions> = records::read(store, &keys::project_sessions(id)).await?;
    let until_ms = sessions.unwrap_or_default().get(&digest(token)).copied();
    Ok(until_ms.is_some_and(|until_ms| until_ms > now.0))
}

/// Makes a token worthless.
pub async fn end_session(store: &impl Store, id: &ProjectId, token: &str) -> Result<(), Error> {
    let hash = digest(token);
    change(store, &keys::project_sessions(id), |sessions: &mut Sessions| {
        sessions.remove(&hash);
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use store::memory::Memory;

    struct Fixed;
    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(9);
        }
    }

    fn id() -> ProjectId {
        ProjectId::from_random(&[1; 26])
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    async fn guarded() -> Memory {
        let store = Memory::default();
        store.set_many(empty(&id()).unwrap()).await.unwrap();
        let hash = hash(&secret("open sesame"), &Fixed).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        records::write(&store, &keys::project_password(&id()), &hash).await.unwrap();
        store
    }

    #[test]
    fn a_hundred_guesses_are_not_looked_at() {
        block_on(async {
            let store = guarded().await;
            let mut looked_at = 0;
            for second in 0..100 {
                let now = Timestamp(1_000_000 + second * 1_000);
                match check(&store, &id(), &secret("open barley"), now).await.unwrap() {
                    Err(Refused::Wrong) => looked_at += 1,
                    Err(Refused::Wait(seconds)) => assert!(seconds <= 900),
                    Ok(()) => panic!("let in"),
                }
            }
            assert_eq!(looked_at, 11);
            let later = Timestamp(1_000_000 + 3_600_000);
            assert_eq!(check(&store, &id(), &secret("open sesame"), later).await, Ok(Ok(())));
            assert_eq!(
                check(&store, &id(), &secret("open wheat"), later).await,
                Ok(Err(Refused::Wrong))
            );
        });
    }

    #[test]
    fn nobody_is_let_into_what_is_not_there() {
        block_on(async {
            let store = Memory::default();
            let refused = check(&store, &id(), &secret("open sesame"), Timestamp(1)).await;
            assert_eq!(refused, Ok(Err(Refused::Wrong)));
            assert!(PasswordHash::new(NOBODY).is_ok());
        });
    }

    #[test]
    fn a_token_opens_until_it_is_given_back_or_too_old() {
        block_on(async {
            let store = guarded().await;
            let now = Timestamp(1_000);
            let token = begin_session(&store, &id(), &Fixed, now).await.unwrap();
            let open =
                async |token: &str, ms| is_open(&store, &id(), token, Timestamp(ms)).await.unwrap();
            assert!(open(token.expose(), 1_000).await);
            assert!(!open("9", 1_000).await);
            assert!(!open(token.expose(), 1_000 + SESSION_MS).await);
            let stored = store.get(&keys::project_sessions(&id())).await.unwrap().unwrap();
            let stored = String::from_utf8(stored).unwrap();
            assert!(!stored.contains(token.expose()), "{stored}");
            end_session(&store, &id(), token.expose()).await.unwrap();
            assert!(!open(token.expose(), 1_000).await);
        });
    }
}
