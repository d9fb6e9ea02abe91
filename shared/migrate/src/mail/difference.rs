//! What was added to and taken from the flags of messages.

use mailbox::{Flags, SystemFlag, UidSet};
use services::mail::{Change, MailDestination};
use services::{Rejection, Trouble};

/// What the source added to and took from a message's flags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Difference {
    pub(crate) added: Flags,
    pub(crate) taken: Flags,
}

impl Difference {
    /// `None` where nothing differs. `\Recent` is the server's own, and `\Deleted` never goes
    /// over: the next program that expunges would delete what was brought.
    pub(crate) fn between(before: &Flags, now: &Flags) -> Option<Difference> {
        let without = |from: &Flags, other: &Flags| {
            let mut rest = Flags::new();
            let names = from
                .names()
                .filter(|name| !other.names().any(|own| own.eq_ignore_ascii_case(name)));
            names.for_each(|name| rest.insert(name));
            rest.clear(SystemFlag::Recent);
            rest.clear(SystemFlag::Deleted);
            rest
        };
        let difference = Difference { added: without(now, before), taken: without(before, now) };
        (difference != Difference::default()).then_some(difference)
    }

    /// `before` with this difference.
    pub(crate) fn applied_to(&self, before: &Flags) -> Flags {
        let mut flags = Flags::new();
        let taken = |name: &str| self.taken.names().any(|own| own.eq_ignore_ascii_case(name));
        before.names().filter(|name| !taken(name)).for_each(|name| flags.insert(name));
        self.added.names().for_each(|name| flags.insert(name));
        flags
    }
}

/// Changes the flags of each group in the open folder, all in one go.
pub(crate) async fn change_groups<'a>(
    destination: &mut impl MailDestination,
    groups: impl Iterator<Item = &'a (UidSet, Difference)>,
) -> Result<Result<(), Rejection>, Trouble> {
    let mut all = Vec::new();
    for (uids, difference) in groups {
        if !difference.added.is_empty() {
            all.push((uids, &difference.added, Change::Add));
        }
        if !difference.taken.is_empty() {
            all.push((uids, &difference.taken, Change::Remove));
        }
    }
    destination.change_flags(&all).await
}
