//! What pages and API share: finding a migration, trying both log-ins, beginning.

use autodetect::{Address, Detection};
use dial::Plaintext;
use futures::future::join;
use migrate::lifecycle::{self, Contact, Outcome};
use migrate::login::{self, AccountReport, Detail};
use migrate::preflight::{self, Preflight};
use migrate::removal::{Preview, PreviewError};
use migrate::{Side, erase, hook, pairs};
use model::{Account, Migration, MigrationId, Options, Timestamp};
use store::Store;
use store::metrics::{MIGRATIONS_CREATED, count};
use store::seal::{Credential, Credentials, Seal};
use wire::{Clock, Random, Secret};

use crate::reading::submission::Asked;
use crate::reading::values::sentence;
use crate::reading::{Errors, options};
use crate::refusals::{Code, Refusal};
use crate::request::Request;
use crate::shown::migration as shown;

/// What the component reaches: the store, time and randomness, and mail servers.
pub trait Outside: Clock + Random {
    /// The store.
    type Store: Store;

    /// The store.
    fn store(&self) -> &Self::Store;

    /// Tries an account out.
    async fn check(
        &self,
        side: Side,
        account: &Account,
        credential: &Credential,
        detail: Detail,
    ) -> Result<AccountReport, login::Refusal>;

    /// What a removal would do.
    async fn preview(
        &self,
        id: &MigrationId,
        from: u32,
        credential: &Credential,
    ) -> Result<Preview, PreviewError>;

    /// Finds the servers of an address.
    async fn detect(&self, address: &Address) -> Result<Detection, store::Error>;

    /// Looks at both accounts; nothing is changed there.
    async fn preflight(
        &self,
        accounts: (&Account, &Account),
        credentials: &Credentials,
        options: &Options,
    ) -> Result<Preflight, preflight::Refused>;

    /// Whether servers could be called; in words what the operator has set wrongly.
    fn ready(&self) -> Result<(), String>;
}

/// The component, ready to answer.
pub struct App<O> {
    /// What it reaches.
    pub outside: O,
    /// Seals credentials; `None` where no usable `secret_key` is set.
    pub seal: Option<Seal>,
    /// Whether servers without TLS may be named.
    pub plaintext: Plaintext,
    /// Where users reach the application, without a slash at the end; empty: as the request says.
    pub public_url: String,
    /// How long what is idle is kept, in milliseconds.
    pub retention_ms: u64,
    /// The network that the request came from, as limits know it; empty where nobody is limited.
    pub client: String,
    /// Whoever begins something new must bring it; empty: everybody may.
    pub creation_token: Secret,
    /// Names this process to leases where the host owns the store alone; else empty.
    pub boot: String,
}

/// What was made for the owner of a new migration; the answer to its creation is the only one that
/// tells it.
#[derive(Debug, Default)]
pub struct Secrets {
    /// Begins a run without passwords, where those are kept.
    pub hook_token: Option<String>,
    /// Signs the calls of the webhook, where the owner gave no secret.
    pub webhook_secret: Option<Secret>,
}

impl<O: Outside> App<O> {
    /// The store.
    pub fn store(&self) -> &O::Store {
        self.outside.store()
    }

    /// This moment.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.outside.now_ms())
    }

    /// Scheme and authority of addresses that are handed out.
    pub fn base<'a>(&'a self, request: &'a Request) -> &'a str {
        if self.public_url.is_empty() { &request.origin } else { &self.public_url }
    }

    /// The migration with this identifier, if `account` opens it; else exactly one answer.
    pub async fn migration(&self, id: &str, account: Option<&str>) -> Result<Migration, Refusal> {
        let unknown = || Refusal::of(Code::NotFound);
        let id = MigrationId::parse(id).ok_or_else(unknown)?;
        let migration = lifecycle::read(self.store(), &id).await?.ok_or_else(unknown)?;
        match account {
            Some(account) if migration.key_account().is(account) => Ok(migration),
            Some(_) | None => Err(unknown()),
        }
    }

    /// What seals credentials.
    pub fn seal(&self) -> Result<&Seal, Refusal> {
        let words =
            "The variable secret_key must be set to 32 bytes in base64 by whoever runs this.";
        self.seal.as_ref().ok_or_else(|| Refusal::because(Code::NotConfigured, words))
    }

    /// Tries both log-ins at once; what is wrong is told of both.
    pub async fn try_both(
        &self,
        (source, destination): (&Account, &Account),
        credentials: &Credentials,
        detail: Detail,
    ) -> Result<(), Refusal> {
        let try_one =
            |side, account, credential| self.try_account(side, account, credential, detail);
        let (from, to) = join(
            try_one(Side::Source, source, &credentials.source),
            try_one(Side::Destination, destination, &credentials.destination),
        )
        .await;
        let mut errors = Errors::default();
        let (from, to) = (from?, to?);
        if let (Ok(from), Ok(to)) = (&from, &to)
            && login::is_same_mailbox((source, from), (destination, to))
        {
            same_account(&mut errors);
        }
        for (prefix, result) in [("/source", from), ("/destination", to)] {
            if let Err(refusal) = result {
                refused(&mut errors, prefix, refusal);
            }
        }
        errors.finish(Some(()))
    }

    /// Begins a migration, once both log-ins have worked. What is made for its owner, and known
    /// nowhere else, goes back, too.
    pub async fn begin(&self, submission: Asked) -> Result<(Migration, Secrets), Refusal> {
        let seal = self.seal()?;
        let Asked { source, destination, credentials, items, options: chosen, notify, .. } =
            submission;
        options::check(&chosen, self.now())?;
        let (source, destination) = self.name_servers((source, destination)).await?;
        self.try_both((&source, &destination), &credentials, Detail::LoginOnly).await?;
        self.admit_address(notify.email.as_deref()).await?;
        let mut bytes = [0; model::id::LENGTH];
        self.outside.fill(&mut bytes);
        let id = MigrationId::from_random(&bytes);
        self.admit_migration(&id).await?;
        let kept = chosen.keep_credentials_until.is_some();
        let token = kept.then(|| hook::token(&self.outside));
        let hook = token.iter().map(|token| hook::entry(&id, token)).collect();
        let sides = (source, destination);
        let migration = Migration::new(id, self.now(), sides, items, chosen, notify);
        let given = submission.webhook_secret;
        let lacks = migration.notify.webhook.is_some() && given.is_none();
        let made = lacks.then(|| notify::signature::make_secret(&self.outside));
        // Never what the request says: whoever sends it could name any site.
        let contact =
            Contact { base: &self.public_url, webhook_secret: made.as_ref().or(given.as_ref()) };
        let sealing = (seal, &self.outside);
        let store = self.store();
        let created =
            lifecycle::create_with(store, sealing, &migration, &credentials, contact, hook).await?;
        if let Err(first) = created {
            return Err(already_running(&self.public_url, &first));
        }
        // The migration is there, whether or not it could be counted.
        let _ = count(self.store(), MIGRATIONS_CREATED, 1).await;
        Ok((migration, Secrets { hook_token: token, webhook_secret: made }))
    }

    /// Begins a new sync point with the kept credentials, for whoever has the token.
    pub async fn hooked(&self, id: &str, token: &str) -> Result<Migration, Refusal> {
        // An unknown migration is answered as a wrong token.
        let unknown = || Refusal::of(Code::Unauthorized);
        let id = MigrationId::parse(id).ok_or_else(unknown)?;
        let known = lifecycle::read(self.store(), &id).await?.is_some();
        if !known || !hook::fits(self.store(), &id, token).await? {
            return Err(unknown());
        }
        match hook::synchronise(self.store(), &id, self.now(), &self.boot).await? {
            Some(outcome) => done(outcome)?,
            None => {
                let detail = "The passwords of this migration are kept no more; \
                              synchronise it with both passwords.";
                return Err(Refusal::because(Code::NotInThisState, detail));
            }
        }
        lifecycle::read(self.store(), &id).await?.ok_or_else(unknown)
    }

    /// Runs a migration once more, once both log-ins have worked.
    pub async fn again(
        &self,
        migration: &Migration,
        credentials: &Credentials,
    ) -> Result<(), Refusal> {
        let seal = self.seal()?;
        if !migration.status.allows(model::Action::Synchronise) {
            return done(Outcome::NotInThisState(migration.status));
        }
        let sides = (&migration.source, &migration.destination);
        self.try_both(sides, credentials, Detail::PasswordOnly).await?;
        let random = &self.outside;
        let id = &migration.id;
        let (now, boot) = (self.now(), &self.boot);
        let outcome =
            lifecycle::synchronise(self.store(), (seal, random), id, credentials, now, boot)
                .await?;
        self.begun(migration, outcome).await
    }

    /// What follows from a run that was asked for; where another migration has the accounts, with
    /// where that one is.
    pub async fn begun(&self, migration: &Migration, outcome: Outcome) -> Result<(), Refusal> {
        if outcome == Outcome::Taken {
            let (source, destination) = (&migration.source, &migration.destination);
            if let Some(first) = pairs::holder(self.store(), source, destination).await? {
                return Err(already_running(&self.public_url, &first));
            }
        }
        done(outcome)
    }

    /// Stops a migration.
    pub async fn stop(&self, migration: &Migration) -> Result<(), Refusal> {
        done(lifecycle::stop(self.store(), &migration.id, self.now(), &self.boot).await?)
    }

    /// Erases a migration.
    pub async fn erase(&self, migration: &Migration) -> Result<(), Refusal> {
        done(erase::erase(self.store(), &self.outside, &migration.id, &self.boot).await?)
    }
}

/// The refusal of a second migration of the same accounts, for somebody who has just logged in to
/// both; `base` as in [`App::base`].
pub fn already_running(base: &str, first: &Migration) -> Refusal {
    let detail = format!(
        "The migration {} of the same two accounts is {}. Wait for its end, or stop it.",
        first.id,
        first.status.name()
    );
    let links = Some(Box::new(shown::links(base, first)));
    Refusal { links, ..Refusal::because(Code::AlreadyRunning, detail) }
}

/// What follows from an action that was asked for.
pub fn done(outcome: Outcome) -> Result<(), Refusal> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Gone => Err(Refusal::of(Code::NotFound)),
        Outcome::Taken => Err(Refusal::of(Code::AlreadyRunning)),
        Outcome::NotInThisState(status) => {
            let possible: Vec<_> = status.actions().iter().map(|action| action.name()).collect();
            let detail = format!(
                "The migration is {}; what can be done with it: {}.",
                status.name(),
                possible.join(", ")
            );
            Err(Refusal::because(Code::NotInThisState, detail))
        }
    }
}

/// Notes that both sides are one account.
pub fn same_account(errors: &mut Errors) {
    let detail = "Source and destination are the same account, so there is nothing to move.";
    errors.add("/destination/login", Code::SameAccount, detail);
}

/// Notes why an account cannot be used, where its fields are at `prefix`.
pub fn refused(errors: &mut Errors, prefix: &str, refusal: login::Refusal) {
    let (field, code, words) = match refusal {
        login::Refusal::AuthenticationFailed(words) => {
            ("password", Code::AuthenticationFailed, words)
        }
        login::Refusal::Unreachable(words) => ("url", Code::Unreachable, words),
        login::Refusal::BadUrl(words) => ("url", Code::BadUrl, words),
        login::Refusal::Unsupported(words) => ("type", Code::Unsupported, words),
        login::Refusal::TooManyFolders(words) => ("url", Code::Unsupported, words),
    };
    errors.add(format!("{prefix}/{field}"), code, sentence(&words));
}
