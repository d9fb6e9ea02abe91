//! What a migration would do, as programs are told.

use migrate::login::Quota;
use migrate::preflight::{self as engine, Preflight};
use model::offer::Lack;
use model::{Account, Item, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// Both accounts with their servers, and what was seen there.
#[derive(Debug)]
pub struct Looked {
    /// Where from.
    pub source: Account,
    /// Where to.
    pub destination: Account,
    /// What was seen.
    pub preflight: Preflight,
    /// Items that the pair cannot carry, and why.
    pub not_carried: Vec<(Item, Lack)>,
}

/// What would happen, as programs are told.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Preflight")]
pub struct Shown<'l> {
    /// Where from.
    pub source: PreflightSide<'l>,
    /// Where to.
    pub destination: PreflightSide<'l>,
    /// Every folder that would be moved, and where to.
    pub folders: Vec<PreflightFolder<'l>>,
    /// Whether there are more than are listed.
    pub more_folders: bool,
    /// Names of folders that are left out by choice, or that hold no messages of their own.
    pub left_out: &'l [String],
    /// Messages of all folders that would be moved.
    pub messages: u64,
    /// Their bytes; `null` where the source does not tell.
    pub bytes: Option<u64>,
    /// The largest messages, the largest first.
    pub largest: Vec<LargeMessage<'l>>,
    /// Whether all messages were looked at for that.
    pub all_sizes: bool,
    /// What will not arrive.
    pub will_not_fit: Vec<Obstacle<'l>>,
    /// How long it would take.
    pub forecast: Forecast<'l>,
    /// What would be moved.
    pub items: &'l [Item],
    /// What the pair cannot carry.
    pub cannot_carry: Vec<Lacking>,
}

/// A side of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PreflightSide<'l> {
    /// The account, with the server that was found.
    #[serde(flatten)]
    pub account: &'l Account,
    /// The server's greeting.
    pub server: &'l str,
    /// What it announces.
    pub capabilities: &'l [String],
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
#[derive(Debug, Serialize, JsonSchema)]
pub struct PreflightFolder<'l> {
    /// At the source.
    pub source: &'l str,
    /// At the destination; `options.folder_map` changes it.
    pub destination: &'l str,
    /// Whether the destination has it already.
    pub exists: bool,
    /// Its purpose, such as `\Sent`.
    pub special_use: Option<&'l str>,
    /// Messages in it.
    pub messages: u64,
    /// Their bytes, where the source tells.
    pub bytes: Option<u64>,
    /// Why its name is another one.
    pub remark: Option<&'l str>,
}

/// A large message.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LargeMessage<'l> {
    /// Its folder at the source.
    pub folder: &'l str,
    /// Its UID there.
    pub uid: u32,
    /// Its size.
    pub size_bytes: u64,
    /// When it came.
    pub date: Option<Timestamp>,
}

/// What will not arrive.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Obstacle<'l> {
    /// Why.
    pub reason: ObstacleReason,
    /// The limit, in bytes; of a quota what is left of it.
    pub limit_bytes: u64,
    /// Messages that are too large; `null` for a quota.
    pub messages: Option<u64>,
    /// A sentence.
    pub detail: &'l str,
}

/// Why something will not arrive.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObstacleReason {
    /// The destination has less room than the source has mail.
    Quota,
    /// Messages are larger than the destination takes.
    AppendLimit,
    /// Messages are larger than the option allows.
    MaxItemBytes,
}

/// How long it would take.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Forecast<'l> {
    /// Seconds.
    pub seconds: u64,
    /// At this rate.
    pub bytes_per_second: u64,
    /// Whether the rate was measured; else it is assumed.
    pub measured: bool,
    /// A sentence that says so.
    pub rests_on: &'l str,
}

/// An item that is not moved.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Lacking {
    /// Which.
    pub item: Item,
    /// A sentence.
    pub reason: String,
}

/// The object of an answer.
pub fn object<'l>(looked: &'l Looked, items: &'l [Item]) -> Shown<'l> {
    let Looked { source, destination, preflight: seen, not_carried } = looked;
    let (from, to) = (source.server_type, destination.server_type);
    let lacking = |(item, lack): &(Item, Lack)| {
        let reason = lack.sentence(*item, from, to);
        Lacking { item: *item, reason }
    };
    Shown {
        source: side(source, &seen.source),
        destination: side(destination, &seen.destination),
        folders: seen.folders.iter().map(folder).collect(),
        more_folders: seen.more_folders,
        left_out: &seen.left_out,
        messages: seen.messages,
        bytes: seen.bytes,
        largest: seen.largest.iter().map(large).collect(),
        all_sizes: seen.all_sizes,
        will_not_fit: seen.will_not_fit.iter().map(obstacle).collect(),
        forecast: Forecast {
            seconds: seen.forecast.seconds,
            bytes_per_second: seen.forecast.bytes_per_second,
            measured: seen.forecast.measured,
            rests_on: &seen.forecast.rests_on,
        },
        items,
        cannot_carry: not_carried.iter().map(lacking).collect(),
    }
}

fn side<'l>(account: &'l Account, seen: &'l engine::Party) -> PreflightSide<'l> {
    PreflightSide {
        account,
        server: &seen.server,
        capabilities: &seen.capabilities,
        folders: seen.folders,
        quota: seen.quota,
        append_limit: seen.append_limit,
        round_trip_ms: seen.round_trip_ms,
    }
}

fn folder(row: &engine::Row) -> PreflightFolder<'_> {
    PreflightFolder {
        source: &row.source,
        destination: &row.destination,
        exists: row.exists,
        special_use: row.special_use.as_deref(),
        messages: row.messages,
        bytes: row.bytes,
        remark: row.remark.as_deref(),
    }
}

fn large(one: &engine::Large) -> LargeMessage<'_> {
    LargeMessage { folder: &one.folder, uid: one.uid, size_bytes: one.size_bytes, date: one.date }
}

fn obstacle(one: &engine::Obstacle) -> Obstacle<'_> {
    let reason = match one.reason {
        engine::Reason::Quota => ObstacleReason::Quota,
        engine::Reason::AppendLimit => ObstacleReason::AppendLimit,
        engine::Reason::MaxItemBytes => ObstacleReason::MaxItemBytes,
    };
    let engine::Obstacle { limit_bytes, messages, detail, .. } = one;
    Obstacle { reason, limit_bytes: *limit_bytes, messages: *messages, detail }
}
