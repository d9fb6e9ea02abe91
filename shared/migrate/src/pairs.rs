//! What an account is, however it is written, and which migration has a pair of them.
//!
//! Two runs of one pair side by side bring every message twice, since neither sees what the other is
//! about to store. So a pair belongs to one migration at a time. It is claimed when a migration is made
//! or asked to run once more, and again by the first slice of each run, after the run is written down
//! as begun: of two that begin at once one sees the other, and waits.

use dial::{Endpoint, Plaintext, Scheme};
use model::{Account, Migration, MigrationId, Status};
use sha2::{Digest, Sha256};
use store::{Error, Store, pairs};

use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// A run that waits for another one of the same accounts looks again after this long.
pub(crate) const LOOK_MS: u64 = 30_000;

/// The mailbox of an account, the same however host, port and login are written. The usual ports of a
/// host are one server, with TLS from the start or not, IMAP or POP3; another port may be another.
/// Where the server is still to be found, the domain stands for it.
pub fn identity(account: &Account) -> String {
    let login = account.login.trim().to_lowercase();
    let scheme = match account.server_type {
        model::ServerType::Pop => Scheme::Pops,
        _ => Scheme::Imaps,
    };
    let server = match Endpoint::parse_as(&account.url, scheme, Plaintext::Allowed) {
        Ok(endpoint) => {
            let host = endpoint.host.trim_end_matches('.').to_lowercase();
            match endpoint.port {
                110 | 143 | 993 | 995 => host,
                port => format!("{host}:{port}"),
            }
        }
        Err(_) => format!("?{}", login.rsplit_once('@').map_or("", |(_, domain)| domain)),
    };
    format!("{server}\n{login}")
}

/// Whether both are one mailbox, as far as that can be told from how they are written.
pub fn is_same(one: &Account, other: &Account) -> bool {
    !one.server_type.is_file() && identity(one) == identity(other)
}

/// The name of a pair; nothing can be read from it.
pub fn name(source: &Account, destination: &Account) -> String {
    let pair = format!("{}\n{}", identity(source), identity(destination));
    let digest = Sha256::digest(pair.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a migration goes on, or will, without its owner.
fn is_active(status: Status) -> bool {
    let waits = matches!(status, Status::AwaitingUpload | Status::AwaitingStart);
    !status.is_final() && !waits
}

/// Whether a run has begun and may be sending.
fn has_begun(status: Status) -> bool {
    is_active(status) && !matches!(status, Status::Pending | Status::Scheduled)
}

/// Claims the pair of a migration that is made or is to run once more; otherwise the one that has it.
pub async fn claim(
    store: &impl Store,
    (source, destination): (&Account, &Account),
    id: &MigrationId,
) -> Result<Result<(), Migration>, Error> {
    let pair = name(source, destination);
    loop {
        match claim_unless(store, &pair, id, is_active).await? {
            Ok(()) => return Ok(Ok(())),
            Err(other) => {
                if let Some(first) = crate::stored::read(store, &other).await? {
                    wake(store, &first).await?;
                    return Ok(Err(first));
                }
            }
        }
    }
}

/// Claims the pairs of many migrations that are made together; the places of those that others have,
/// each with the one that has it.
pub(crate) async fn claim_many(
    store: &impl Store,
    claims: &[(String, MigrationId)],
) -> Result<Vec<(usize, MigrationId)>, Error> {
    let has = async |other: &MigrationId| {
        let migration = crate::stored::read(store, other).await?;
        Ok(migration.is_some_and(|migration| is_active(migration.status)))
    };
    pairs::claim_many(store, claims, has).await
}

/// The migration that has a pair, if one does.
pub async fn holder(
    store: &impl Store,
    source: &Account,
    destination: &Account,
) -> Result<Option<Migration>, Error> {
    let Some(id) = pairs::claimed_by(store, &name(source, destination)).await? else {
        return Ok(None);
    };
    let migration = crate::stored::read(store, &id).await?;
    Ok(migration.filter(|migration| is_active(migration.status)))
}

/// Whoever made it may have been cut off before it was put down as due.
async fn wake(store: &impl Store, first: &Migration) -> Result<(), Error> {
    if first.status == Status::Pending && first.project.is_none() {
        store::due::set(store, &first.id, Some(first.created_at.0)).await?;
    }
    Ok(())
}

async fn claim_unless(
    store: &impl Store,
    pair: &str,
    id: &MigrationId,
    has: fn(Status) -> bool,
) -> Result<Result<(), MigrationId>, Error> {
    let has = async |other: &MigrationId| {
        let migration = crate::stored::read(store, other).await?;
        Ok(migration.is_some_and(|migration| has(migration.status)))
    };
    pairs::claim(store, pair, id, has).await
}

/// Forgets which pair an erased migration had.
pub(crate) async fn forget(store: &impl Store, migration: &Migration) -> Result<(), Error> {
    let pair = name(&migration.source, &migration.destination);
    pairs::forget(store, &pair, &migration.id).await
}

/// Makes sure that the pair is this run's, which is written down as begun; of a run that has begun
/// before, nothing but a look is needed.
pub(crate) async fn take<H: Host, S: Store>(run: &Run<'_, H, S>, begins: bool) -> Result<(), Halt> {
    let (source, destination) = (&run.migration.source, &run.migration.destination);
    if is_same(source, destination) {
        return Err(Halt::Impossible(
            "Source and destination are the same account, so there is nothing to move.".into(),
        ));
    }
    let pair = name(source, destination);
    if !begins && pairs::claimed_by(run.store(), &pair).await?.as_ref() == Some(run.id()) {
        return Ok(());
    }
    match claim_unless(run.store(), &pair, run.id(), has_begun).await? {
        Ok(()) => Ok(()),
        Err(_) => Err(Halt::Taken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ServerType;

    fn account(server_type: ServerType, url: &str, login: &str) -> Account {
        Account { server_type, url: url.into(), login: login.into(), delegate: None }
    }

    #[test]
    fn an_account_is_the_same_however_it_is_written() {
        let imap = |url: &str, login: &str| account(ServerType::Imap, url, login);
        let one = imap("imaps://mail.example.org", "anna@example.org");
        let mut admin = imap("imap://MAIL.example.org.:143", " Anna@Example.ORG ");
        admin.delegate = Some("root".into());
        for other in [
            imap("imaps://mail.example.org:993", "anna@example.org"),
            imap("imap://mail.example.org", "ANNA@example.org"),
            imap("mail.example.org", "anna@example.org"),
            account(ServerType::Pop, "pops://mail.example.org", "anna@example.org"),
            account(ServerType::Pop, "mail.example.org:110", "anna@example.org"),
            admin,
        ] {
            assert!(is_same(&one, &other), "{other:?}: {}", identity(&other));
        }
        for other in [
            imap("imaps://mail.example.org", "berta@example.org"),
            imap("imaps://imap.example.org", "anna@example.org"),
            imap("imaps://mail.example.org:1993", "anna@example.org"),
        ] {
            assert!(!is_same(&one, &other), "{other:?}");
        }
        let found = |login: &str| account(ServerType::Ovh, "", login);
        assert!(is_same(&found("Anna@example.org"), &found("anna@EXAMPLE.org")));
        assert!(!is_same(&found("anna@example.org"), &found("anna@example.com")));
    }

    #[test]
    fn a_pair_has_a_direction_and_a_name_that_tells_nothing() {
        let (one, other) = (
            account(ServerType::Imap, "imaps://a.example", "anna"),
            account(ServerType::Imap, "imaps://b.example", "anna"),
        );
        assert_ne!(name(&one, &other), name(&other, &one));
        assert_eq!(name(&one, &other).len(), 32);
        assert!(!name(&one, &other).contains("anna"));
    }
}
