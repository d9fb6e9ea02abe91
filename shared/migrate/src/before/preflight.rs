//! What a migration would do, before it begins: both log-ins, where each folder goes, what will not
//! fit, how long it will take. Looks only.

use std::collections::BTreeMap;

use dial::Dialer;
use futures::join;
use mailbox::UidSet;
use model::{Account, Options, Timestamp};
use serde::Serialize;
use services::mail::{Asked, Event, Fetch, Found, FoundFolder, MailService, Which};
use store::seal::Credentials;
use wire::{Stream, within};

use crate::mail::discover;
use crate::mail::lines::SPOOL_MAX;

pub use crate::before::forecast::Forecast;
use crate::before::forecast::{Volume, forecast};
use crate::mail::mapping;
use crate::mail::numbers;
use crate::world::Host;
use services::Source;
use services::login::{self, Refusal};
use services::mail::Quota;
use services::{Side, Trouble};

/// Longest time for all of it: a page waits.
pub const LIMIT_S: u32 = 20;
/// Longest time for looking at sizes, beside which the rest takes a few round trips.
const SIZES_MS: u64 = 6_000;
/// The most messages whose sizes are looked at; a server lists some ten thousand a second.
const SIZES_MAX: u64 = 100_000;
/// Messages of one listing, between which the time is looked at.
const WINDOW: u32 = 2_000;
/// The largest messages that are named.
const LARGEST_MAX: usize = 20;
/// The most folders that are listed; the page of a larger account would be of no use.
const FOLDERS_MAX: usize = 2_000;
/// The most bytes of the one message that is fetched to see how fast the source is.
const TRIAL_MAX_BYTES: u64 = 4 << 20;
/// Smaller ones tell the round trip, not the rate.
const TRIAL_MIN_BYTES: u64 = 64 << 10;
/// Longest time for it.
const TRIAL_S: u32 = 3;
/// What would happen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preflight {
    /// Where from.
    pub source: Party,
    /// Where to.
    pub destination: Party,
    /// Every folder that would be moved, and where to.
    pub folders: Vec<Row>,
    /// Whether there are more than are listed.
    pub more_folders: bool,
    /// Names of folders that are left out by choice, or that hold no messages of their own.
    pub left_out: Vec<String>,
    /// Messages of all folders that would be moved.
    pub messages: u64,
    /// Their bytes; `None` where the source does not tell.
    pub bytes: Option<u64>,
    /// The largest messages, the largest first.
    pub largest: Vec<Large>,
    /// Whether all messages were looked at for that.
    pub all_sizes: bool,
    /// What will not arrive.
    pub will_not_fit: Vec<Obstacle>,
    /// How long it would take.
    pub forecast: Forecast,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Party {
    /// The server's greeting.
    pub server: String,
    /// What it announces.
    pub capabilities: Vec<String>,
    /// Folders that it lists.
    pub folders: u64,
    /// Its quota, where it tells.
    pub quota: Option<Quota>,
    /// The largest message that it takes, where it tells (RFC 7889).
    pub append_limit: Option<u64>,
    /// From a question to its answer.
    pub round_trip_ms: u64,
}

/// A folder, and where it goes. Names have `/` between levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// At the source.
    pub source: String,
    /// At the destination; `options.folder_map` changes it.
    pub destination: String,
    /// Whether the destination has it already.
    pub exists: bool,
    /// Its purpose, such as `\Sent`.
    pub special_use: Option<String>,
    /// Messages in it.
    pub messages: u64,
    /// Their bytes, where the source tells.
    pub bytes: Option<u64>,
    /// Why its name is another one.
    pub remark: Option<String>,
}

/// A large message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Large {
    /// Its folder at the source.
    pub folder: String,
    /// Its UID there.
    pub uid: u32,
    /// Its size.
    pub size_bytes: u64,
    /// When it came.
    pub date: Option<Timestamp>,
}

/// Why something will not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The destination has less room than the source has mail.
    Quota,
    /// Messages are larger than the destination takes.
    AppendLimit,
    /// Messages are larger than the option allows.
    MaxItemBytes,
}

impl Reason {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Quota => "quota",
            Reason::AppendLimit => "append_limit",
            Reason::MaxItemBytes => "max_item_bytes",
        }
    }
}

/// What will not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Why.
    pub reason: Reason,
    /// The limit, in bytes; of a quota what is left of it.
    pub limit_bytes: u64,
    /// Messages that are too large; `None` for a quota.
    pub messages: Option<u64>,
    /// A sentence.
    pub detail: String,
}

/// Which log-in did not work; both are told where both did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// At the source.
    pub source: Option<Refusal>,
    /// At the destination.
    pub destination: Option<Refusal>,
}

/// Looks at both accounts; nothing is changed at either.
pub async fn look<H: Host>(
    host: &H,
    dialer: &Dialer<'_, H>,
    accounts: (&Account, &Account),
    credentials: &Credentials,
    options: &Options,
) -> Result<Preflight, Refused> {
    let work = async { Ok(both(host, dialer, accounts, credentials, options).await) };
    match within::<_, Trouble>(host, LIMIT_S, work).await {
        Ok(done) => done,
        Err(error) => {
            let refusal = login::refusal(Side::Source, &error);
            Err(Refused { source: Some(refusal), destination: None })
        }
    }
}

async fn both<H: Host>(
    host: &H,
    dialer: &Dialer<'_, H>,
    (source, destination): (&Account, &Account),
    credentials: &Credentials,
    options: &Options,
) -> Result<Preflight, Refused> {
    let source = async {
        let account = (source, &credentials.source);
        let mut service = login::open_source(host, dialer, account, SPOOL_MAX).await?.service;
        numbers::provisional(&mut service).await?;
        let seen = seen(host, &mut service).await?;
        Ok::<_, Trouble>((service, seen))
    };
    let destination = async {
        let account = (destination, &credentials.destination);
        let mut service = login::open_destination(host, dialer, account).await?.service;
        let seen = seen(host, &mut service).await?;
        Ok::<_, Trouble>((service, seen))
    };
    let (from, to) = join!(source, destination);
    let (from, to) = match (from, to) {
        (Ok(from), Ok(to)) => (from, to),
        (from, to) => {
            return Err(Refused {
                source: from.err().map(|error| login::refusal(Side::Source, &error)),
                destination: to.err().map(|error| login::refusal(Side::Destination, &error)),
            });
        }
    };
    let ((mut session, from), (other, to)) = (from, to);
    let mut plan = plan(&from, &to, options);
    let sizes = sizes(host, &mut session, &plan.order, &plan.limits).await;
    let sizes = sizes.map_err(|error| Refused {
        source: Some(login::refusal(Side::Source, &error)),
        destination: None,
    })?;
    let measured = within(host, TRIAL_S, trial(host, &mut session, &sizes)).await.ok().flatten();
    join!(session.leave(host), other.leave(host));
    plan.preflight.all_sizes = sizes.whole;
    plan.preflight.will_not_fit = obstacles(&plan, &sizes);
    let volume = Volume {
        messages: plan.preflight.messages,
        bytes: plan.preflight.bytes,
        folders: u64::try_from(plan.preflight.folders.len()).unwrap_or(u64::MAX),
        round_trip_ms: plan.preflight.destination.round_trip_ms,
    };
    plan.preflight.forecast = forecast(volume, measured);
    plan.preflight.largest = sizes.largest;
    Ok(plan.preflight)
}

/// One side, listed.
struct Seen {
    found: Found,
    party: Party,
    labels: bool,
}

async fn seen<H: Host>(host: &H, service: &mut impl MailService) -> Result<Seen, Trouble> {
    let found = service.folders().await?;
    let quota = service.quota().await?;
    let before_ms = host.monotonic_ms();
    service.noop().await?;
    let round_trip_ms = host.monotonic_ms().saturating_sub(before_ms);
    let folders = found.folders.iter().filter(|folder| folder.selectable).count();
    let facts = service.facts();
    let party = Party {
        server: service.greeting().to_owned(),
        capabilities: service.announced(),
        folders: u64::try_from(folders).unwrap_or(u64::MAX),
        quota,
        append_limit: facts.append_limit,
        round_trip_ms,
    };
    Ok(Seen { found, party, labels: facts.labels })
}

/// What follows from both lists alone.
struct Plan {
    preflight: Preflight,
    /// The source's folders that are moved, the fullest first.
    order: Vec<(FoundFolder, String)>,
    limits: Limits,
}

/// The sizes from which on messages are too large.
struct Limits {
    append: Option<u64>,
    option: Option<u64>,
}

fn plan(from: &Seen, to: &Seen, options: &Options) -> Plan {
    let own = discover::listed(&from.found, from.labels);
    let theirs = discover::listed(&to.found, false);
    let mapped =
        mapping::map((&own, &from.found.hierarchy), (&theirs, &to.found.hierarchy), options);
    let mut taken: BTreeMap<usize, ()> = BTreeMap::new();
    let (mut folders, mut order) = (Vec::new(), Vec::new());
    let (mut messages, mut bytes) = (0u64, Some(0u64));
    for row in &mapped {
        let Some(mailbox) = from.found.folders.get(row.source) else { continue };
        taken.insert(row.source, ());
        let status = mailbox.status.unwrap_or_default();
        let count = status.messages.unwrap_or(0);
        messages = messages.saturating_add(count);
        bytes = bytes.zip(status.bytes).map(|(sum, size)| sum.saturating_add(size));
        folders.push(Row {
            source: row.source_path.clone(),
            destination: row.destination_path.clone(),
            exists: row.exists,
            special_use: row.special_use.map(|it| it.attribute().to_owned()),
            messages: count,
            bytes: status.bytes,
            remark: row.remark.clone(),
        });
        if count > 0 {
            order.push((mailbox.clone(), row.source_path.clone()));
        }
    }
    order.sort_by_key(|(mailbox, _)| {
        let status = mailbox.status.as_ref();
        std::cmp::Reverse(status.and_then(|it| it.bytes.or(it.messages)).unwrap_or(0))
    });
    let left_out = own.iter().enumerate().filter(|(at, _)| !taken.contains_key(at));
    let left_out = left_out.map(|(_, row)| from.found.hierarchy.path(&row.name).join("/"));
    let left_out = left_out.take(FOLDERS_MAX).collect();
    let more_folders = folders.len() > FOLDERS_MAX;
    folders.truncate(FOLDERS_MAX);
    let limits = Limits { append: to.party.append_limit, option: options.max_item_bytes };
    let preflight = Preflight {
        source: from.party.clone(),
        destination: to.party.clone(),
        folders,
        more_folders,
        left_out,
        messages,
        bytes,
        largest: Vec::new(),
        all_sizes: false,
        will_not_fit: Vec::new(),
        forecast: Forecast {
            seconds: 0,
            bytes_per_second: 0,
            measured: false,
            rests_on: String::new(),
        },
    };
    Plan { preflight, order, limits }
}

/// What the sizes of single messages tell.
#[derive(Default)]
struct Sizes {
    largest: Vec<Large>,
    /// Where the message for the trial is.
    trial: Option<(FoundFolder, u32, u64)>,
    over_append: u64,
    over_option: u64,
    whole: bool,
}

async fn sizes<H: Host>(
    host: &H,
    session: &mut Source<login::Line<H>>,
    order: &[(FoundFolder, String)],
    limits: &Limits,
) -> Result<Sizes, Trouble> {
    let mut sizes = Sizes { whole: true, ..Sizes::default() };
    let begun_ms = host.monotonic_ms();
    let mut looked_at = 0u64;
    for (mailbox, path) in order {
        let selected = match session.select(&mailbox.name).await {
            Err(Trouble::Rejected(_)) => {
                sizes.whole = false;
                continue;
            }
            other => other?,
        };
        let mut first = 1;
        while first <= selected.exists {
            let spent_ms = host.monotonic_ms().saturating_sub(begun_ms);
            if spent_ms >= SIZES_MS || looked_at >= SIZES_MAX {
                sizes.whole = false;
                return Ok(sizes);
            }
            let last = first.saturating_add(WINDOW - 1).min(selected.exists);
            window(session, (mailbox, path), (first, last), limits, &mut sizes).await?;
            looked_at += u64::from(last - first + 1);
            first = last.saturating_add(1);
        }
    }
    Ok(sizes)
}

async fn window<S: Stream>(
    session: &mut Source<S>,
    (mailbox, path): (&FoundFolder, &str),
    (first, last): (u32, u32),
    limits: &Limits,
    sizes: &mut Sizes,
) -> Result<(), Trouble> {
    let items = Asked { date: true, size: true, ..Asked::default() };
    session.start_fetch(&Which::Numbers { first, last: Some(last) }, items).await?;
    loop {
        let row = match session.next().await? {
            Event::Message(row) => row,
            // What has gone meanwhile is not moved either.
            Event::Done | Event::Refused(_) => break,
            Event::Chunk(_) | Event::EndOfBody(_) | Event::Vanished(_) => continue,
        };
        let size_bytes = row.size.unwrap_or(0);
        let over = |limit: Option<u64>| u64::from(limit.is_some_and(|limit| size_bytes > limit));
        sizes.over_append += over(limits.append);
        sizes.over_option += over(limits.option);
        let fits = (TRIAL_MIN_BYTES..=TRIAL_MAX_BYTES).contains(&size_bytes);
        let larger = sizes.trial.as_ref().is_none_or(|(.., size)| size_bytes > *size);
        if fits && larger && row.uid != 0 {
            sizes.trial = Some((mailbox.clone(), row.uid, size_bytes));
        }
        let smallest = sizes.largest.last().map_or(0, |large| large.size_bytes);
        if sizes.largest.len() < LARGEST_MAX || size_bytes > smallest {
            let date = row.date.and_then(|date| u64::try_from(date.unix_s()).ok());
            let date = date.map(|seconds| Timestamp(seconds.saturating_mul(1000)));
            let large = Large { folder: path.to_owned(), uid: row.uid, size_bytes, date };
            let at = sizes.largest.partition_point(|known| known.size_bytes >= size_bytes);
            sizes.largest.insert(at, large);
            sizes.largest.truncate(LARGEST_MAX);
        }
    }
    Ok(())
}

/// Fetches one message, and drops it: bytes a second.
async fn trial<H: Host>(
    host: &H,
    session: &mut Source<login::Line<H>>,
    sizes: &Sizes,
) -> Result<Option<u64>, Trouble> {
    let Some((mailbox, uid, _)) = &sizes.trial else { return Ok(None) };
    session.select(&mailbox.name).await?;
    let items = Asked { body: true, ..Asked::default() };
    let begun_ms = host.monotonic_ms();
    let only: UidSet = [*uid].into_iter().collect();
    session.start_fetch(&Which::Uids(only), items).await?;
    let mut bytes = 0u64;
    loop {
        match session.next().await? {
            Event::Chunk(chunk) => {
                bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(0));
            }
            Event::Done => break,
            Event::Refused(_) => return Ok(None),
            Event::Message(_) | Event::EndOfBody(_) | Event::Vanished(_) => {}
        }
    }
    let ms = host.monotonic_ms().saturating_sub(begun_ms).max(1);
    Ok((bytes > 0).then(|| bytes.saturating_mul(1000) / ms))
}

fn obstacles(plan: &Plan, sizes: &Sizes) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if let (Some(quota), Some(bytes)) = (plan.preflight.destination.quota, plan.preflight.bytes) {
        let free = quota.limit_bytes.saturating_sub(quota.used_bytes);
        if quota.limit_bytes > 0 && bytes > free {
            found.push(Obstacle {
                reason: Reason::Quota,
                limit_bytes: free,
                messages: None,
                detail: format!(
                    "The source has {bytes} bytes of mail, and the destination has room for {free}."
                ),
            });
        }
    }
    let at_least = if sizes.whole { "" } else { "at least " };
    let mut single = |reason, limit: Option<u64>, messages: u64, who: &str| {
        let Some(limit_bytes) = limit.filter(|_| messages > 0) else { return };
        let detail = format!(
            "{who} no message of more than {limit_bytes} bytes; {at_least}{messages} have more."
        );
        found.push(Obstacle { reason, limit_bytes, messages: Some(messages), detail });
    };
    let limits = &plan.limits;
    single(Reason::AppendLimit, limits.append, sizes.over_append, "The destination takes");
    single(Reason::MaxItemBytes, limits.option, sizes.over_option, "The options allow");
    found
}
