//! A slice's places at the servers it connects to.

use dial::{Endpoint, Plaintext};
use model::{Account, Migration, Status};
use project::record;
use services::Side;
use store::hosts::{self, Holder};
use store::{Error, Store};

use crate::limits::{LONG_SLICES_MAX, SLOW_LOOK_MS};
use crate::world::{Host, World};

/// Connections that migrations outside of projects, all together, have to one server.
const REQUESTS_PER_SERVER: u32 = 16;
/// How long a server that refused a connection is left alone.
const REST_MS: u64 = 5_000;

/// Under this name the places of slices beyond their budget are kept, beside those at servers. No
/// server is called so: these have a port.
pub(crate) const LONG_SLICES: &str = "long slices";
/// Under this name it is kept that migrations wait for a slice to end.
pub(crate) const SLICES: &str = "slices";

/// The server of an account, by host name and port; where it is still to be found, by the domain of the
/// login.
pub(crate) fn name(account: &Account) -> String {
    match Endpoint::parse(&account.url, Plaintext::Allowed) {
        Ok(endpoint) => format!("{}:{}", endpoint.host.to_lowercase(), endpoint.port),
        Err(_) => {
            let domain = account.login.rsplit_once('@').map_or("", |(_, domain)| domain);
            format!("?{}", domain.to_lowercase())
        }
    }
}

/// The servers that a slice connects to, each with how many connections.
fn servers(migration: &Migration) -> Vec<(String, u32)> {
    let (source, destination) = (name(&migration.source), name(&migration.destination));
    if migration.status == Status::Removing {
        return vec![(destination, 1)];
    }
    if source == destination {
        return vec![(source, 2)];
    }
    vec![(source, 1), (destination, 1)]
}

/// The names of the servers that a slice connects to.
pub(crate) fn names(migration: &Migration) -> Vec<String> {
    servers(migration).into_iter().map(|(name, _)| name).collect()
}

/// The server of one side.
fn of_side(migration: &Migration, side: Side) -> String {
    match side {
        Side::Source => name(&migration.source),
        Side::Destination => name(&migration.destination),
    }
}

/// Takes a place at each server; otherwise none, and when to try again (ms since 1970).
pub(crate) async fn take<H: Host, S: Store>(
    world: &World<'_, H, S>,
    migration: &Migration,
    (fence, slow): (u64, bool),
) -> Result<Result<(), u64>, Error> {
    let project = match &migration.project {
        None => None,
        Some(membership) => record::read(world.store, &membership.project).await?,
    };
    let most = project.map_or(REQUESTS_PER_SERVER, |project| project.options.requests_per_server);
    let holder = Holder { id: &migration.id, fence, boot: world.boot };
    if slow {
        // Those that were slow last time share the places of slow slices from the beginning.
        let now_ms = world.host.now_ms();
        let took = hosts::take(world.store, LONG_SLICES, (holder, 1), LONG_SLICES_MAX, now_ms);
        if took.await?.is_err() {
            return Ok(Err(now_ms + SLOW_LOOK_MS));
        }
    }
    let mut taken: Vec<String> = Vec::new();
    for (server, lines) in servers(migration) {
        let now_ms = world.host.now_ms();
        let took = hosts::take(world.store, &server, (holder, lines), most, now_ms).await?;
        if let Err(again_ms) = took {
            let long = slow.then(|| LONG_SLICES.to_owned());
            for server in taken.iter().chain(&long) {
                hosts::give_back(world.store, server, (holder, true), now_ms).await?;
            }
            return Ok(Err(again_ms));
        }
        taken.push(server);
    }
    Ok(Ok(()))
}

/// Gives the places back; whether the servers have closed the lines is known to the slice.
pub(crate) async fn give_back<H: Host, S: Store>(
    world: &World<'_, H, S>,
    migration: &Migration,
    (fence, closed): (u64, bool),
) -> Result<(), Error> {
    let holder = Holder { id: &migration.id, fence, boot: world.boot };
    let now_ms = world.host.now_ms();
    for (server, _) in servers(migration) {
        hosts::give_back(world.store, &server, (holder, closed), now_ms).await?;
    }
    hosts::give_back(world.store, LONG_SLICES, (holder, true), now_ms).await
}

/// Forgets a migration that is erased.
pub(crate) async fn forget(
    store: &impl Store,
    migration: &Migration,
    now_ms: u64,
) -> Result<(), Error> {
    for account in [&migration.source, &migration.destination] {
        hosts::forget(store, &name(account), &migration.id, now_ms).await?;
    }
    hosts::forget(store, LONG_SLICES, &migration.id, now_ms).await
}

/// Takes note that a server refused a further connection.
pub(crate) async fn refused<H: Host, S: Store>(
    world: &World<'_, H, S>,
    migration: &Migration,
    (side, fence): (Side, u64),
) -> Result<(), Error> {
    let holder = Holder { id: &migration.id, fence, boot: world.boot };
    let times = (world.host.now_ms(), REST_MS);
    hosts::refused(world.store, &of_side(migration, side), holder, times).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ServerType;

    #[test]
    fn a_server_is_where_it_listens() {
        let named = |url: &str| {
            let (server_type, login) = (ServerType::Imap, "anna@Example.org".to_owned());
            name(&Account { server_type, url: url.into(), login, delegate: None })
        };
        assert_eq!(named("imaps://Mail.example.org"), "mail.example.org:993");
        assert_eq!(named("imap://mail.example.org:1143"), "mail.example.org:1143");
        assert_eq!(named(""), "?example.org");
    }
}
