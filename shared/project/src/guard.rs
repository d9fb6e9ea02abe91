//! Who may open a project: its password, the tokens it is exchanged for, and a limit on guessing.

use std::collections::BTreeMap;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use model::{ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::limits::{self, Rule, Wait};
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
/// Wrong passwords from one network: six, then one in two and a half minutes.
const GUESSES_HERE: Rule = Rule { name: "guesses at", burst: 6, refill_ms: 150_000 };
/// Wrong passwords from all networks that never got in: a hundred, then one a minute.
const GUESSES_ALL: Rule = Rule { name: "guesses", burst: 100, refill_ms: 60_000 };
/// Networks that are remembered because somebody got in from there; the oldest goes for a new one.
const KNOWN_MAX: usize = 10;

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

/// From where somebody got in: strangers who guess elsewhere, however many, do not keep them out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Guesses {
    /// Hashes of networks, the last one last.
    #[serde(default)]
    known: Vec<String>,
}

/// The records of a new project that begin empty.
pub(crate) fn empty(id: &ProjectId) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let (sessions, guesses) = (keys::project_sessions(id), keys::project_guesses(id));
    let none = records::encode(&sessions, &Sessions::new())?;
    let no = records::encode(&guesses, &Guesses::default())?;
    Ok(vec![(sessions, none), (guesses, no)])
}

/// Checks a password that comes from `network`. Each try is counted before it is looked at, so that
/// many at once gain nothing. A project that is not there is refused after as long as any other.
pub async fn check(
    store: &impl Store,
    id: &ProjectId,
    password: &Secret,
    (network, now): (&str, Timestamp),
) -> Result<Result<(), Refused>, Error> {
    let here = format!("{id} {network}");
    if let Err(Wait(seconds)) = limits::take(store, &GUESSES_HERE, &here, 1, now.0).await? {
        return Ok(Err(Refused::Wait(seconds)));
    }
    let guesses: Option<Guesses> = records::read(store, &keys::project_guesses(id)).await?;
    let known = guesses.unwrap_or_default().known.contains(&digest(network));
    let (all, cost) = (id.to_string(), u64::from(!known));
    if let Err(Wait(seconds)) = limits::take(store, &GUESSES_ALL, &all, cost, now.0).await? {
        limits::give(store, &GUESSES_HERE, &here, 1, now.0).await?;
        return Ok(Err(Refused::Wait(seconds)));
    }
    let key = keys::project_password(id);
    // Emptied where the project is being erased.
    let stored = store.get(&key).await?.filter(|bytes| !bytes.is_empty());
    let stored = stored.map(|bytes| records::decode::<String>(&key, &bytes)).transpose()?;
    let right = is(password, stored.as_deref().unwrap_or(NOBODY)) && stored.is_some();
    if !right {
        return Ok(Err(Refused::Wrong));
    }
    limits::give(store, &GUESSES_HERE, &here, 1, now.0).await?;
    limits::give(store, &GUESSES_ALL, &all, cost, now.0).await?;
    change(store, &keys::project_guesses(id), |guesses: &mut Guesses| {
        let network = digest(network);
        guesses.known.retain(|known| *known != network);
        guesses.known.push(network);
        let extra = guesses.known.len().saturating_sub(KNOWN_MAX);
        guesses.known.drain(..extra);
    })
    .await?;
    Ok(Ok(()))
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

    async fn tried(store: &Memory, password: &str, network: &str, ms: u64) -> Result<(), Refused> {
        check(store, &id(), &secret(password), (network, Timestamp(ms))).await.unwrap()
    }

    #[test]
    fn a_hundred_guesses_are_not_looked_at() {
        block_on(async {
            let store = guarded().await;
            let mut looked_at = 0;
            for second in 0..100 {
                match tried(&store, "open barley", "192.0.2.1", 1_000_000 + second * 1_000).await {
                    Err(Refused::Wrong) => looked_at += 1,
                    Err(Refused::Wait(seconds)) => assert!(seconds <= 150),
                    Ok(()) => panic!("let in"),
                }
            }
            assert_eq!(looked_at, 6);
            let later = 1_000_000 + 3_600_000;
            assert_eq!(tried(&store, "open sesame", "192.0.2.1", later).await, Ok(()));
            let wrong = tried(&store, "open wheat", "192.0.2.1", later).await;
            assert_eq!(wrong, Err(Refused::Wrong));
        });
    }

    /// Who knows a project's identifier guesses for hours; its owner comes and goes meanwhile.
    #[test]
    fn strangers_who_guess_do_not_keep_the_owner_out() {
        block_on(async {
            let store = guarded().await;
            let minute = 60_000;
            for n in 0..40 {
                let ms = 1_000_000 + n * 15 * minute;
                let _ = tried(&store, "open barley", "192.0.2.1", ms).await;
                if n % 13 == 12 {
                    assert_eq!(
                        tried(&store, "open sesame", "198.51.100.1", ms).await,
                        Ok(()),
                        "{n}"
                    );
                }
            }
        });
    }

    /// So many networks that all tries are used up: those of the owner's own are not.
    #[test]
    fn not_even_many_strangers_do() {
        block_on(async {
            let store = guarded().await;
            assert_eq!(tried(&store, "open sesame", "198.51.100.1", 1_000).await, Ok(()));
            let mut looked_at = 0;
            for n in 0..130 {
                let network = format!("192.0.2.{n}");
                let refused = tried(&store, "open barley", &network, 1_000).await;
                looked_at += u32::from(refused == Err(Refused::Wrong));
            }
            assert_eq!(looked_at, 100);
            assert_eq!(tried(&store, "open sesame", "198.51.100.1", 1_000).await, Ok(()));
            let elsewhere = tried(&store, "open sesame", "203.0.113.1", 1_000).await;
            assert_eq!(elsewhere, Err(Refused::Wait(60)));
            assert_eq!(tried(&store, "open sesame", "203.0.113.1", 61_000).await, Ok(()));
        });
    }

    #[test]
    fn what_was_counted_before_stays_readable() {
        let stored = b"\x01{\"wrong\":7,\"until_ms\":1790000000000}";
        assert_eq!(records::decode::<Guesses>("g", stored), Ok(Guesses::default()));
    }

    #[test]
    fn nobody_is_let_into_what_is_not_there() {
        block_on(async {
            let store = Memory::default();
            let refused = tried(&store, "open sesame", "192.0.2.1", 1).await;
            assert_eq!(refused, Err(Refused::Wrong));
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
