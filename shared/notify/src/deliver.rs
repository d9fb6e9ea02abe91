//! One pass over what is due: claim the record, try each notice, write down what became of it.

use model::{Migration, MigrationId, Timestamp};
use store::metrics::{NOTICES_GIVEN_UP, NOTICES_SENT, count};
use store::{Error, Store, due, keys, records};
use wire::{Clock, Http, Network};

use crate::delivery::{BUSY_MS, Delivery, Ended, Settled};
use crate::mail::{self, Posted};
use crate::notice::{Channel, Notice};
use crate::office::{Claim, Office};
use crate::outbox::Outbox;
use crate::webhook;

/// How long one call begins new tries; one that has begun is ended.
const PASS_MS: u64 = 10_000;
/// What cannot be read is looked at again after this long.
const DAMAGED_LOOK_MS: u64 = 3_600_000;
/// A driver looks again after this long at the earliest: somebody else may be at what is due.
const LOOK_AGAIN_MS: u64 = 250;

/// What one call did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Notices that were taken.
    pub sent: u32,
    /// Sentences about those that were given up, for the operator's log.
    pub given_up: Vec<String>,
}

/// Delivers what is due, for at most [`PASS_MS`] of beginning. Several drivers may call at once.
pub async fn tick<H: Network + Http + Clock, S: Store>(
    office: &Office<'_, H, S>,
) -> Result<Told, Error> {
    let mut told = Told::default();
    let begun_ms = office.host.monotonic_ms();
    let now_ms = office.host.now_ms();
    let listed = due::all_notices(office.store).await?;
    for (due_ms, id) in listed {
        let spent_ms = office.host.monotonic_ms().saturating_sub(begun_ms);
        if due_ms <= now_ms && spent_ms < PASS_MS {
            match pass(office, &id, due_ms, &mut told).await {
                // Only an operator can mend it, and other owners must not wait for that.
                Err(Error::Unreadable { key, reason }) => {
                    told.given_up.push(format!("the record {key} cannot be read: {reason}"));
                    let later_ms = Some(now_ms + DAMAGED_LOOK_MS);
                    due::settle_notices(office.store, &id, due_ms, later_ms).await?;
                }
                passed => passed?,
            }
        }
    }
    Ok(told)
}

/// When to come again (ms since 1970); `None` when nobody is to be told anything.
pub async fn next_due_ms<H: Clock, S: Store>(
    office: &Office<'_, H, S>,
) -> Result<Option<u64>, Error> {
    let first = due::all_notices(office.store).await?.into_iter().next();
    let earliest_ms = office.host.now_ms() + LOOK_AGAIN_MS;
    Ok(first.map(|(due_ms, _)| due_ms.max(earliest_ms)))
}

/// One migration, unless somebody else is at it.
async fn pass<H: Network + Http + Clock, S: Store>(
    office: &Office<'_, H, S>,
    id: &MigrationId,
    due_ms: u64,
    told: &mut Told,
) -> Result<(), Error> {
    let now_ms = office.host.now_ms();
    let names = [keys::erasing(id), keys::migration(id), keys::delivery(id)];
    let values = office.store.get_many(&names).await?;
    let ([_, migration_key, key], [None, Some(migration), Some(stored)]) =
        (names, values.as_slice())
    else {
        // It was erased, or is being erased.
        due::settle_notices(office.store, id, due_ms, None).await?;
        return Ok(());
    };
    let migration: Migration = records::decode(&migration_key, migration)?;
    let delivery: Delivery = records::decode(&key, stored)?;
    if delivery.is_busy(now_ms) {
        return Ok(());
    }
    // Before the notices are read: whoever adds one from here on puts another time there.
    let busy_until_ms = now_ms + BUSY_MS;
    if !due::settle_notices(office.store, id, due_ms, Some(busy_until_ms)).await? {
        return Ok(());
    }
    let outbox: Option<Outbox> = records::read(office.store, &keys::notices(id)).await?;
    let Some(outbox) = outbox else { return Ok(()) };
    let mut claim = Claim { store: office.store, key, stored: stored.clone(), delivery };
    claim.delivery.begin(&outbox.notices, now_ms);
    if !claim.write().await? {
        due::settle_notices(office.store, id, busy_until_ms, Some(due_ms)).await?;
        return Ok(());
    }
    let begun_ms = office.host.monotonic_ms();
    for notice in &outbox.notices {
        let spent_ms = office.host.monotonic_ms().saturating_sub(begun_ms);
        if spent_ms < PASS_MS
            && claim.delivery.is_due(notice, now_ms)
            && !settle(office, &migration, notice, &mut claim, told).await?
        {
            return Ok(());
        }
    }
    let next_ms = claim.delivery.end(&outbox.notices);
    if !claim.write().await? {
        return Ok(());
    }
    due::settle_notices(office.store, id, busy_until_ms, next_ms).await?;
    Ok(())
}

/// Tries one notice and writes down what became of it; `false` where the record is not ours any
/// more.
async fn settle<H: Network + Http + Clock, S: Store>(
    office: &Office<'_, H, S>,
    migration: &Migration,
    notice: &Notice,
    claim: &mut Claim<'_, S>,
    told: &mut Told,
) -> Result<bool, Error> {
    // Never what a request said, which older records have in the outbox.
    let base = office.settings.public_url.as_str();
    let ended = if claim.delivery.may_be_sent(notice.number) {
        let sentence = "It is not known whether a mail was taken: sending was interrupted.";
        Ended::Never(sentence.to_owned())
    } else {
        match notice.channel {
            Channel::Mail => match mail::send(office, migration, (notice, base), claim).await? {
                Posted::Ended(ended) => ended,
                Posted::Lost => return Ok(false),
            },
            Channel::Webhook => webhook::send(office, migration, (notice, base)).await?,
        }
    };
    let now = Timestamp(office.host.now_ms());
    let settled = claim.delivery.ended(notice, ended, now);
    if !claim.write().await? {
        return Ok(false);
    }
    let counter = match settled {
        Settled::Open | Settled::Skipped => return Ok(true),
        Settled::Sent => {
            told.sent += 1;
            NOTICES_SENT
        }
        Settled::GivenUp(sentence) => {
            let name = notice.event.name();
            told.given_up.push(format!("{name} of {}: {sentence}", migration.id));
            NOTICES_GIVEN_UP
        }
    };
    // A counter is worth less than the rest of the pass.
    let _ = count(office.store, counter, 1).await;
    Ok(true)
}
