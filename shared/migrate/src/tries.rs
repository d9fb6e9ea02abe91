//! How often log-ins may fail: for whom they are tried, and of which account.
//!
//! Whoever may name any server and any password could let this installation guess them, or look
//! where mail servers are; and the servers would then refuse it to everybody. Each try takes tokens
//! before it is made, so that many at once gain nothing, and a log-in that works gives them back: who
//! moves hundreds of mailboxes is not hindered. A wrong password costs more than a server that is
//! not there. The same account counts as one wherever it is tried: in a check, a new migration, a
//! project's rows.

use dial::{Endpoint, Plaintext};
use futures::join;
use model::{Account, Timestamp};
use store::limits::{self, Rule, Wait};
use store::{Error, Store};

/// Tokens of a try; what is left of them with the bucket depends on how it ended.
const COST: u64 = 2;

/// Of one network: 30 wrong passwords, then one a minute.
pub const CLIENT: Rule = Rule { name: "tries", burst: 60, refill_ms: 30_000 };
/// Of one network at one account: 6 wrong passwords, then one in ten minutes.
const CLIENT_AT_ACCOUNT: Rule = Rule { name: "tries at", burst: 12, refill_ms: 300_000 };
/// Of one account, whoever tries: 15 wrong passwords, then one in four minutes. More than one network
/// may use up, so that no single stranger keeps the owner out.
pub const ACCOUNT: Rule = Rule { name: "account", burst: 30, refill_ms: 120_000 };
/// At one server, whoever tries: 300 failures, then one in ten seconds.
const HOST: Rule = Rule { name: "host", burst: 600, refill_ms: 5_000 };

/// Who wants to log in, and where.
#[derive(Debug, Clone)]
pub struct Try {
    client: String,
    at_account: String,
    account: String,
    host: String,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Logged in.
    In,
    /// The server said no.
    Refused,
    /// There was no server to ask, or no answer.
    Elsewhere,
}

/// The host of an account's server, in lower case; what was typed where that names none.
pub fn host(account: &Account) -> String {
    let default = dial::Scheme::Imaps;
    match Endpoint::parse_as(&account.url, default, Plaintext::Allowed) {
        Ok(endpoint) => endpoint.host,
        Err(_) => account.url.trim().to_lowercase(),
    }
}

/// What tells accounts apart whose password is asked for. An address is one account under whatever
/// name its server is called.
pub fn identity(account: &Account) -> String {
    let login = account.delegate.as_ref().unwrap_or(&account.login).trim().to_lowercase();
    if login.contains('@') { login } else { format!("{login} {}", host(account)) }
}

impl Try {
    /// Of the client's network at `account`; nothing is limited where that is empty.
    pub fn new(client: &str, account: &Account) -> Self {
        let (identity, host) = (identity(account), host(account));
        Try {
            client: client.to_owned(),
            at_account: format!("{client} {identity}"),
            account: identity,
            host,
        }
    }

    fn buckets(&self) -> [(&'static Rule, &str); 4] {
        [
            (&CLIENT, &self.client),
            (&CLIENT_AT_ACCOUNT, &self.at_account),
            (&ACCOUNT, &self.account),
            (&HOST, &self.host),
        ]
    }

    /// Takes what a try costs; nothing where it is refused.
    pub async fn begin(
        &self,
        store: &impl Store,
        now: Timestamp,
    ) -> Result<Result<(), Wait>, Error> {
        if self.client.is_empty() {
            return Ok(Ok(()));
        }
        let take = |(rule, who)| limits::take(store, rule, who, COST, now.0);
        let [client, here, account, host] = self.buckets();
        let taken = join!(take(client), take(here), take(account), take(host));
        let taken = [taken.0?, taken.1?, taken.2?, taken.3?];
        let longest = taken.iter().filter_map(|it| it.err()).max_by_key(|wait| wait.0);
        let Some(wait) = longest else { return Ok(Ok(())) };
        for ((rule, who), _) in self.buckets().into_iter().zip(&taken).filter(|it| it.1.is_ok()) {
            limits::give(store, rule, who, COST, now.0).await?;
        }
        Ok(Err(wait))
    }

    /// Gives back what it turned out not to cost.
    pub async fn end(&self, store: &impl Store, ended: Ended, now: Timestamp) -> Result<(), Error> {
        if self.client.is_empty() {
            return Ok(());
        }
        let [client, here, account, host] = self.buckets();
        let back = match ended {
            Ended::In => [COST; 4],
            Ended::Refused => [0; 4],
            // Looking for servers costs the network that looks, not the account.
            Ended::Elsewhere => [COST / 2, COST, COST, COST / 2],
        };
        let give = async |(rule, who), tokens| match tokens {
            0 => Ok(()),
            tokens => limits::give(store, rule, who, tokens, now.0).await,
        };
        let [a, b, c, d] = back;
        let given = join!(give(client, a), give(here, b), give(account, c), give(host, d));
        given.0.and(given.1).and(given.2).and(given.3)
    }
}

/// A row of a project whose log-ins nobody has tried yet comes again after this long at the latest.
const LOOK_AGAIN_S: u64 = 30;

/// Takes what the log-ins of a run may cost that nobody has tried before; seconds to wait where one of
/// the accounts had too many wrong passwords. It is given back by [`settle`].
pub(crate) async fn reserve(
    store: &impl Store,
    accounts: [&Account; 2],
    now: Timestamp,
) -> Result<Result<(), Wait>, Error> {
    let [source, destination] = accounts.map(identity);
    if let Err(Wait(seconds)) = limits::take(store, &ACCOUNT, &source, 1, now.0).await? {
        return Ok(Err(Wait(seconds.min(LOOK_AGAIN_S))));
    }
    if let Err(Wait(seconds)) = limits::take(store, &ACCOUNT, &destination, 1, now.0).await? {
        limits::give(store, &ACCOUNT, &source, 1, now.0).await?;
        return Ok(Err(Wait(seconds.min(LOOK_AGAIN_S))));
    }
    Ok(Ok(()))
}

/// Counts how a run's log-in ended.
pub(crate) async fn settle(
    store: &impl Store,
    account: &Account,
    (reserved, refused): (bool, bool),
    now: Timestamp,
) -> Result<(), Error> {
    let identity = identity(account);
    if reserved {
        limits::give(store, &ACCOUNT, &identity, 1, now.0).await?;
    }
    if refused {
        limits::charge(store, &ACCOUNT, &identity, COST, now.0).await?;
        limits::charge(store, &HOST, &host(account), COST, now.0).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use model::ServerType;
    use store::memory::Memory;

    fn account(url: &str, login: &str) -> Account {
        let (url, login) = (url.to_owned(), login.to_owned());
        Account { server_type: ServerType::Imap, url, login, delegate: None }
    }

    fn tried(store: &Memory, client: &str, at: &Account, ended: Ended, now_ms: u64) -> Option<u64> {
        let one = Try::new(client, at);
        block_on(async {
            match one.begin(store, Timestamp(now_ms)).await.unwrap() {
                Ok(()) => one.end(store, ended, Timestamp(now_ms)).await.map(|()| None).unwrap(),
                Err(Wait(seconds)) => Some(seconds),
            }
        })
    }

    #[test]
    fn an_account_is_not_guessed_by_one_nor_by_many() {
        let store = Memory::default();
        let anna = account("imaps://a.example", "Anna@a.example");
        // Under another name of the server it is the same account.
        let also = account("192.0.2.7:993", "anna@a.example");
        for n in 0..6 {
            let at = if n % 2 == 0 { &anna } else { &also };
            assert_eq!(tried(&store, "192.0.2.1", at, Ended::Refused, 1_000), None);
        }
        assert_eq!(tried(&store, "192.0.2.1", &anna, Ended::Refused, 1_000), Some(600));
        // Its owner comes from elsewhere, and is let in.
        assert_eq!(tried(&store, "192.0.2.2", &anna, Ended::In, 1_000), None);
        let mut looked_at = 6;
        for n in 3..100 {
            for _ in 0..6 {
                let client = format!("192.0.2.{n}");
                looked_at +=
                    u32::from(tried(&store, &client, &anna, Ended::Refused, 1_000).is_none());
            }
        }
        assert_eq!(looked_at, 15);
        assert_eq!(tried(&store, "192.0.2.200", &anna, Ended::In, 1_000), Some(240));
        assert_eq!(tried(&store, "192.0.2.200", &anna, Ended::In, 241_000), None);
    }

    #[test]
    fn who_moves_a_company_is_not_hindered() {
        let store = Memory::default();
        for n in 0..2_000 {
            let one = account("imaps://mail.firm.example", &format!("user{n}"));
            assert_eq!(tried(&store, "192.0.2.1", &one, Ended::In, 1_000), None, "{n}");
        }
        // Nor by one wrong row in fifty.
        let mut refused = 0;
        for n in 0..1_000u64 {
            let one = account("imaps://mail.firm.example", &format!("other{n}"));
            let ended = if n % 50 == 0 { Ended::Refused } else { Ended::In };
            refused +=
                u32::from(tried(&store, "192.0.2.1", &one, ended, 1_000 + n * 1_000).is_some());
        }
        assert_eq!(refused, 0);
    }

    #[test]
    fn many_at_once_gain_nothing() {
        let store = Memory::default();
        let begun = (0..100).filter(|n| {
            let one = Try::new("192.0.2.1", &account("a.example", &format!("user{n}")));
            block_on(one.begin(&store, Timestamp(1_000))).unwrap().is_ok()
        });
        assert_eq!(begun.count(), 30);
    }

    #[test]
    fn who_looks_for_servers_is_stopped() {
        let store = Memory::default();
        let tries = (0..500).filter(|n| {
            let at = account(&format!("imaps://192.0.2.{n}:993"), "x");
            tried(&store, "192.0.2.1", &at, Ended::Elsewhere, 1_000).is_none()
        });
        assert_eq!(tries.count(), 59);
    }
}
