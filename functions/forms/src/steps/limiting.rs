//! How often what may be asked for, and by whom something new may be begun.
//!
//! What is limited is the network that a request comes from ([`crate::client`]); log-ins are limited
//! by their failures, whatever they are tried for (`migrate::tries`). Whoever is refused is told for
//! how long (429 with Retry-After), and nothing was done.

use autodetect::{Address, Detection};
use migrate::login::{self, AccountReport, Detail};
use migrate::tries::{Ended, Try};
use migrate::{Side, lifecycle};
use model::{Account, MigrationId, Status};
use sha2::{Digest, Sha256};
use store::limits::{self, Rule};
use store::seal::Credential;
use store::{Store, begun, due, keys, records};

use crate::app::{App, Outside};
use crate::refusals::{Code, Refusal};
use crate::request::Request;

/// Looking for the servers of an address: 60, then one in five seconds. Each is some fifty small
/// connections, unless what was found for the domain is remembered.
pub const DETECT: Rule = Rule { name: "detect", burst: 60, refill_ms: 5_000 };

/// New projects: 20, then one in three minutes.
pub const PROJECTS: Rule = Rule { name: "projects", burst: 20, refill_ms: 180_000 };

/// Log-ins to projects that fail: 20, then one in fifteen seconds.
pub const ENTER: Rule = Rule { name: "enter", burst: 20, refill_ms: 15_000 };

/// New migrations: 2,000, then three a minute. Both log-ins of each have worked.
pub const BEGIN: Rule = Rule { name: "begin", burst: 2_000, refill_ms: 20_000 };

/// Addresses that mails are asked for at, each once until its bucket is full again: 20, then one in
/// five minutes.
pub const ADDRESSES: Rule = Rule { name: "addresses", burst: 20, refill_ms: 300_000 };

/// Looks at everything that a network has begun: one in half a minute.
const COUNT: Rule = Rule { name: "count", burst: 2, refill_ms: 30_000 };

/// Migrations of one network that have not ended, those in projects not counted.
pub const UNFINISHED_MAX: usize = 1_000;

/// The most migrations that one of the lists of what is due may hold before nothing new is begun: a
/// quarter of what its record has room for.
pub const DUE_MAX: usize = 6_000;

/// The most identifiers in one of them, some 150 KB; beyond that nothing new is written down.
const BEGUN_MAX: usize = 5_000;

/// Attempts to change a record before giving up; each failed one means somebody else succeeded.
const SWAPS_MAX: u32 = 1000;

impl<O: Outside> App<O> {
    /// Takes a token of the client's network.
    pub async fn spend(&self, rule: &Rule) -> Result<(), Refusal> {
        if self.client.is_empty() {
            return Ok(());
        }
        let now_ms = self.now().0;
        Ok(limits::take(self.store(), rule, &self.client, 1, now_ms).await??)
    }

    /// Gives it back: what was asked for was honest.
    pub async fn refund(&self, rule: &Rule) -> Result<(), Refusal> {
        if self.client.is_empty() {
            return Ok(());
        }
        let now_ms = self.now().0;
        Ok(limits::give(self.store(), rule, &self.client, 1, now_ms).await?)
    }

    /// Lets only those begin something new who bring the token, where the operator has set one: as a
    /// bearer token (RFC 6750), or as a password that a browser asks for (RFC 7617), with any name.
    pub fn may_create(&self, request: &Request) -> Result<(), Refusal> {
        let expected = self.creation_token.expose();
        if expected.is_empty() {
            return Ok(());
        }
        // Compared by their hashes, so that the time it takes tells nothing.
        let is = |given: &str| Sha256::digest(given) == Sha256::digest(expected);
        let basic = basic(request);
        let given = request.bearer().or(basic.as_deref());
        if given.is_some_and(is) { Ok(()) } else { Err(Refusal::of(Code::CreationToken)) }
    }

    /// Tries an account out, within what the client's network and the account have left.
    pub async fn try_account(
        &self,
        side: Side,
        account: &Account,
        credential: &Credential,
        detail: Detail,
    ) -> Result<Result<AccountReport, login::Refusal>, Refusal> {
        let one = Try::new(&self.client, account);
        one.begin(self.store(), self.now()).await??;
        let tried = self.outside.check(side, account, credential, detail).await;
        one.end(self.store(), ended(tried.as_ref().err()), self.now()).await?;
        Ok(tried)
    }

    /// Finds the servers of an address, within what the client's network has left.
    pub async fn detect(&self, address: &Address) -> Result<Detection, Refusal> {
        self.spend(&DETECT).await?;
        Ok(self.outside.detect(address).await?)
    }

    /// Counts a new migration of the client's network; refuses it where too many have not ended, or
    /// where the lists of what is due are fuller than they should be.
    pub async fn admit_migration(&self, id: &MigrationId) -> Result<(), Refusal> {
        self.spend(&BEGIN).await?;
        if due::length(self.store(), id).await? >= DUE_MAX {
            let detail = "Too many migrations wait here at the moment; try again later.";
            let refusal = Refusal::because(Code::TooManyRequests, detail);
            return Err(Refusal { retry_after_s: Some(600), ..refusal });
        }
        if self.client.is_empty() {
            return Ok(());
        }
        let digest = Sha256::digest(&self.client);
        let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let key = keys::begun(digest.last().copied().unwrap_or(0) % begun::SLOTS);
        for _ in 0..SWAPS_MAX {
            let Some(before) = self.store().get(&key).await? else {
                limits::make(self.store(), &key).await?;
                continue;
            };
            let mut begun: begun::Begun = records::decode(&key, &before)?;
            if begun.get(&name).map_or(0, Vec::len) >= UNFINISHED_MAX {
                self.spend(&COUNT).await.map_err(|refusal| too_many(&refusal))?;
                self.unfinished(begun.get_mut(&name)).await?;
                if begun.get(&name).map_or(0, Vec::len) >= UNFINISHED_MAX {
                    return Err(too_many(&Refusal::of(Code::TooManyRequests)));
                }
            }
            if begun.values().map(Vec::len).sum::<usize>() < BEGUN_MAX {
                begun.entry(name.clone()).or_default().push(id.clone());
            }
            let after = records::encode(&key, &begun)?;
            if after == before || self.store().swap(&key, &before, after).await? {
                return Ok(());
            }
        }
        Err(store::Error::Store(format!("{key} changes too often")).into())
    }

    /// Keeps of a list what has not ended.
    async fn unfinished(&self, begun: Option<&mut Vec<MigrationId>>) -> Result<(), Refusal> {
        let Some(ids) = begun else { return Ok(()) };
        let mut open = Vec::new();
        for id in ids.drain(..) {
            let migration = lifecycle::read(self.store(), &id).await?;
            let waits = |status: Status| !status.is_final();
            if migration.is_some_and(|migration| waits(migration.status)) {
                open.push(id);
            }
        }
        *ids = open;
        Ok(())
    }

    /// Counts an address that mails are asked for at, unless the network asked for it before.
    pub async fn admit_address(&self, address: Option<&str>) -> Result<(), Refusal> {
        let Some(address) = address.filter(|_| !self.client.is_empty()) else { return Ok(()) };
        let who = format!("{} {}", self.client, address.trim().to_lowercase());
        // The bucket of a known pair is not full: it takes a day to be so again.
        let pair = Rule { name: "address", burst: 1, refill_ms: 86_400_000 };
        if limits::take(self.store(), &pair, &who, 1, self.now().0).await?.is_err() {
            return Ok(());
        }
        match self.spend(&ADDRESSES).await {
            Ok(()) => Ok(()),
            Err(refusal) => {
                limits::give(self.store(), &pair, &who, 1, self.now().0).await?;
                Err(refusal)
            }
        }
    }
}

fn too_many(refusal: &Refusal) -> Refusal {
    let detail = format!(
        "From your network {UNFINISHED_MAX} migrations were begun that have not ended; \
         put many of them into a project, or let some end first."
    );
    let retry_after_s = refusal.retry_after_s.or(Some(60));
    Refusal { retry_after_s, ..Refusal::because(Code::TooManyRequests, detail) }
}

/// How a try ended, for what it costs.
pub fn ended(refusal: Option<&login::Refusal>) -> Ended {
    match refusal {
        None => Ended::In,
        Some(login::Refusal::AuthenticationFailed(_)) => Ended::Refused,
        // The log-in worked, or nobody was called.
        Some(login::Refusal::TooManyFolders(_)) => Ended::In,
        Some(login::Refusal::BadUrl(_) | login::Refusal::Unsupported(_)) => Ended::In,
        Some(login::Refusal::Unreachable(_)) => Ended::Elsewhere,
    }
}

/// The password of HTTP's basic scheme.
fn basic(request: &Request) -> Option<String> {
    use base64::Engine as _;
    let (scheme, text) = request.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?;
    let (_, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some(password.to_owned())
}
