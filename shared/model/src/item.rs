//! Kinds of things moved, and how many of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of thing that is moved.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// Messages and their folders.
    Mail,
    /// Address book entries.
    Contacts,
    /// Distribution lists.
    ContactGroups,
    /// Calendars and their events.
    Calendars,
    /// Tasks.
    Tasks,
    /// Inbox rules.
    Rules,
    /// The absence note.
    OutOfOffice,
}

impl Item {
    /// Every item, in the order they are moved.
    pub const ALL: [Item; 7] = [
        Item::Mail,
        Item::Contacts,
        Item::ContactGroups,
        Item::Calendars,
        Item::Tasks,
        Item::Rules,
        Item::OutOfOffice,
    ];

    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Item::Mail => "mail",
            Item::Contacts => "contacts",
            Item::ContactGroups => "contact_groups",
            Item::Calendars => "calendars",
            Item::Tasks => "tasks",
            Item::Rules => "rules",
            Item::OutOfOffice => "out_of_office",
        }
    }
}

/// How far one kind of item is. `total` never shrinks within a sync point, and at the end of a run
/// `migrated + skipped + left_out + failed = total`: each item of the source is exactly one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Counters {
    /// Found at the source.
    pub total: u64,
    /// Put at the destination by us.
    pub migrated: u64,
    /// At the destination already, or settled by an earlier sync point.
    pub skipped: u64,
    /// Left out by the owner's own options.
    pub left_out: u64,
    /// Refused; each has a line in the failures.
    pub failed: u64,
    /// Taken back.
    pub removed: u64,
    /// Bytes found at the source.
    pub bytes_total: u64,
    /// Bytes put at the destination.
    pub bytes_migrated: u64,
}

impl std::ops::AddAssign<&Counters> for Counters {
    fn add_assign(&mut self, other: &Counters) {
        self.total += other.total;
        self.migrated += other.migrated;
        self.skipped += other.skipped;
        self.left_out += other.left_out;
        self.failed += other.failed;
        self.removed += other.removed;
        self.bytes_total += other.bytes_total;
        self.bytes_migrated += other.bytes_migrated;
    }
}

impl Counters {
    /// Whether it is known of each item what became of it.
    pub fn meet(&self) -> bool {
        self.done() == self.total
    }

    /// Items of which it is known what became of them.
    pub fn done(&self) -> u64 {
        let there = self.migrated.saturating_add(self.skipped);
        there.saturating_add(self.left_out).saturating_add(self.failed)
    }
}
