//! What a migration would do, as programs are told.

use migrate::preflight::{Forecast, Large, Obstacle, Party, Preflight, Row};
use model::offer::Lack;
use model::{Account, Item};
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
    pub source: ShownAccount<'l>,
    /// Where to.
    pub destination: ShownAccount<'l>,
    /// Every folder that would be moved, and where to.
    pub folders: &'l [Row],
    /// Whether there are more than are listed.
    pub more_folders: bool,
    /// Names of folders that are left out by choice, or that hold no messages of their own.
    pub left_out: &'l [String],
    /// Messages of all folders that would be moved.
    pub messages: u64,
    /// Their bytes; `null` where the source does not tell.
    pub bytes: Option<u64>,
    /// The largest messages, the largest first.
    pub largest: &'l [Large],
    /// Whether all messages were looked at for that.
    pub all_sizes: bool,
    /// What will not arrive.
    pub will_not_fit: &'l [Obstacle],
    /// How long it would take.
    pub forecast: &'l Forecast,
    /// What would be moved.
    pub items: &'l [Item],
    /// What the pair cannot carry.
    pub cannot_carry: Vec<Lacking>,
}

/// A side of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PreflightSide")]
pub struct ShownAccount<'l> {
    /// The account, with the server that was found.
    #[serde(flatten)]
    pub account: &'l Account,
    /// What was seen there.
    #[serde(flatten)]
    pub seen: &'l Party,
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
        source: ShownAccount { account: source, seen: &seen.source },
        destination: ShownAccount { account: destination, seen: &seen.destination },
        folders: &seen.folders,
        more_folders: seen.more_folders,
        left_out: &seen.left_out,
        messages: seen.messages,
        bytes: seen.bytes,
        largest: &seen.largest,
        all_sizes: seen.all_sizes,
        will_not_fit: &seen.will_not_fit,
        forecast: &seen.forecast,
        items,
        cannot_carry: not_carried.iter().map(lacking).collect(),
    }
}
