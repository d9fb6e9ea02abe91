//! The server of an account that names none: found from the address, once an hour for a domain.

use autodetect::{Address, Candidate, Detection, Settings};
use dial::Dialer;
use model::{Account, ServerType};
use serde::{Deserialize, Serialize};
use services::Side;
use store::{Error, Store, keys, records};
use wire::{Clock, Http, Network};

use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// How long what was found holds. A company's rows have one domain, and are worked off in that time.
const FRESH_MS: u64 = 3_600_000;
/// How long it holds that a question had no answer.
const UNANSWERED_FRESH_MS: u64 = 60_000;
/// Domains that are remembered at a time.
const SLOTS: u64 = 1024;

/// What was found for a domain.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    domain: String,
    until_ms: u64,
    found: Detection,
}

/// Why an account has no server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The login is no address, so there is nothing to find a server from.
    NoAddress,
    /// There is none, or none that can be used; a sentence.
    Nothing(String),
    /// The question had no answer; a sentence.
    Unanswered(String),
}

/// Finds the servers of `address`, or remembers what was found for its domain.
pub async fn detection<H: Network + Http + Clock>(
    dialer: &Dialer<'_, H>,
    store: &impl Store,
    ispdb_url: &str,
    address: &Address,
) -> Result<Detection, Error> {
    let now_ms = dialer.host.now_ms();
    let domain = address.domain();
    let key = keys::autodetect(slot(domain));
    // What cannot be read is found again.
    let known = store.get(&key).await?.and_then(|bytes| records::decode(&key, &bytes).ok());
    let known: Option<Remembered> = known;
    let known = known.filter(|known| {
        // A clock that was set back makes nothing hold for longer.
        let left_ms = known.until_ms.saturating_sub(now_ms);
        known.domain == domain && left_ms > 0 && left_ms <= FRESH_MS
    });
    if let Some(known) = known {
        return Ok(known.found.filled(address));
    }
    let settings = Settings { ispdb_url: ispdb_url.to_owned() };
    let found = Box::pin(autodetect::detect(dialer, &settings, address)).await;
    let fresh_ms = if found.unanswered { UNANSWERED_FRESH_MS } else { FRESH_MS };
    let domain = domain.to_owned();
    let until_ms = now_ms.saturating_add(fresh_ms);
    let remembered = Remembered { domain, until_ms, found: found.clone().for_domain() };
    records::write(store, &key, &remembered).await?;
    Ok(found.filled(address))
}

/// FNV-1a, which spreads names well enough over the slots.
fn slot(domain: &str) -> u16 {
    let hash = domain.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u16::try_from(hash % SLOTS).unwrap_or(0)
}

/// The candidate for an account of this type. What is found from the address alone is mail, and
/// every product that is found so has IMAP.
pub fn choose(found: &Detection, wanted: ServerType) -> Option<&Candidate> {
    let wanted = match wanted {
        ServerType::Ovh => ServerType::Imap,
        other => other,
    };
    found.best(|server_type| server_type == wanted)
}

/// The address whose domain is asked about.
pub fn address(account: &Account) -> Result<Address, Missing> {
    Address::parse(&account.login).ok_or(Missing::NoAddress)
}

/// The account with its server, by what was found for it.
pub fn named(account: &Account, address: &Address, found: &Detection) -> Result<Account, Missing> {
    match choose(found, account.server_type) {
        Some(candidate) => Ok(Account {
            server_type: candidate.server_type,
            url: candidate.url.clone(),
            ..account.clone()
        }),
        None if found.unanswered => Err(Missing::Unanswered(found.sentence(address.domain()))),
        None => Err(Missing::Nothing(found.sentence(address.domain()))),
    }
}

/// Names the servers that the migration lacks, and writes them down. The slice ends then: its
/// places at servers were taken when they had no names.
pub(crate) async fn name_servers<H: Host, S: Store>(run: &mut Run<'_, H, S>) -> Result<(), Halt> {
    let lacking = [&run.migration.source, &run.migration.destination];
    if lacking.iter().all(|account| !account.url.is_empty()) {
        return Ok(());
    }
    for side in [Side::Source, Side::Destination] {
        let account = match side {
            Side::Source => &run.migration.source,
            Side::Destination => &run.migration.destination,
        };
        if !account.url.is_empty() {
            continue;
        }
        let named = found(run, account).await?.map_err(|missing| halt(side, account, missing))?;
        match side {
            Side::Source => run.migration.source = named,
            Side::Destination => run.migration.destination = named,
        }
    }
    run.checkpoint().await?;
    Err(Halt::Budget)
}

async fn found<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    account: &Account,
) -> Result<Result<Account, Missing>, Error> {
    let address = match address(account) {
        Ok(address) => address,
        Err(missing) => return Ok(Err(missing)),
    };
    let world = run.world;
    let found = detection(&world.dialer, world.store, world.ispdb_url, &address).await?;
    Ok(named(account, &address, &found))
}

/// What follows: an answer that is lacking is waited for, a server that is lacking is not.
fn halt(side: Side, account: &Account, missing: Missing) -> Halt {
    match missing {
        Missing::NoAddress => Halt::Impossible(format!(
            "The {side} has no server, and its login is not an address from which one could be \
             found."
        )),
        Missing::Nothing(sentence) => Halt::Impossible(format!("The {side}: {sentence}")),
        Missing::Unanswered(reason) => {
            let name = account.login.rsplit('@').next().unwrap_or_default().to_owned();
            let reason = reason.trim_end_matches('.').to_owned();
            Halt::Trouble(side, wire::Error::Unresolved { name, reason }.into())
        }
    }
}

/// Writes down what a test wants to be found for a domain.
#[cfg(test)]
pub(crate) async fn remember(
    store: &impl Store,
    domain: &str,
    found: Detection,
    until_ms: u64,
) -> Result<(), Error> {
    let remembered = Remembered { domain: domain.to_owned(), until_ms, found };
    records::write(store, &keys::autodetect(slot(domain)), &remembered).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_by_type() {
        let candidate = |server_type: ServerType| {
            Candidate::new(server_type, format!("{}://x", server_type.name()), 0.9, "x")
        };
        let mut found = Detection::default();
        for server_type in [ServerType::Exchange, ServerType::Imap, ServerType::Pop] {
            found.add(candidate(server_type));
        }
        let url = |wanted| choose(&found, wanted).map(|one| one.url.as_str());
        assert_eq!(url(ServerType::Ovh), Some("imap://x"));
        assert_eq!(url(ServerType::Imap), Some("imap://x"));
        assert_eq!(url(ServerType::Pop), Some("pop://x"));
        assert_eq!(url(ServerType::Exchange), Some("exchange://x"));
        assert_eq!(url(ServerType::Zimbra), None);
    }

    #[test]
    fn slots_have_an_end() {
        let used: std::collections::BTreeSet<u16> =
            (0..20_000).map(|at| slot(&format!("d{at}.example"))).collect();
        assert_eq!(used.len() as u64, SLOTS);
    }
}
