//! What became of notices: a pure record, and the rules of trying again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{MigrationId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Error, keys, records};

use crate::notice::Notice;

/// After this time a notice is old news: nobody tries any longer.
pub const GIVE_UP_MS: u64 = 24 * 60 * 60 * 1000;
/// The first wait after a failure; it doubles each time.
const BACK_OFF_MS: u64 = 30_000;
/// The longest wait.
const BACK_OFF_MAX_MS: u64 = 60 * 60 * 1000;
/// How long whoever delivers has the record for itself. A pass ends long before that.
pub const BUSY_MS: u64 = 150_000;
/// Sentences that are kept about what was not delivered.
const LOG_MAX: usize = 10;

/// Tries of one notice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Try {
    count: u32,
    next_ms: u64,
    /// The line that ends the mail may have gone out.
    sending: bool,
}

/// What became of the notices of one migration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The last notice that was looked at.
    pub seen: u32,
    /// Grows with each pass, so that no two passes write the same bytes.
    turn: u64,
    /// Until when somebody is at it; 0 for nobody.
    busy_until_ms: u64,
    /// Every notice up to this one is settled.
    settled: u32,
    /// Settled ones beyond it.
    beyond: BTreeSet<u32>,
    /// Those that were tried.
    tries: BTreeMap<u32, Try>,
    /// Sentences about those that were not delivered, oldest first.
    pub log: VecDeque<String>,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was taken.
    Taken,
    /// It may be taken later; a sentence.
    Later(String),
    /// It will never be taken, or nobody can tell; a sentence.
    Never(String),
    /// This installation tells nobody that way.
    Skipped,
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is delivered.
    Sent,
    /// It will be tried again.
    Open,
    /// It is given up; a sentence for the log.
    GivenUp(String),
    /// There was nothing to do.
    Skipped,
}

impl Delivery {
    /// The record of a new migration; part of the migration's first write, since only a record
    /// that exists can be swapped.
    pub fn unclaimed(id: &MigrationId) -> Result<(String, Vec<u8>), Error> {
        let key = keys::delivery(id);
        let bytes = records::encode(&key, &Delivery::default())?;
        Ok((key, bytes))
    }

    /// Whether nothing is left to do with a notice.
    pub fn is_settled(&self, number: u32) -> bool {
        number <= self.settled || self.beyond.contains(&number)
    }

    /// Whether somebody is at it. A clock that was set back does not lock it for ever.
    pub fn is_busy(&self, now_ms: u64) -> bool {
        self.busy_until_ms > now_ms && self.busy_until_ms <= now_ms + 2 * BUSY_MS
    }

    /// Begins a pass over `notices`; until when it has the record for itself.
    pub fn begin(&mut self, notices: &[Notice], now_ms: u64) -> u64 {
        self.turn += 1;
        self.busy_until_ms = now_ms + BUSY_MS;
        if let (Some(first), Some(last)) = (notices.first(), notices.last()) {
            // What was before the first is not there any more.
            self.settled = self.settled.max(first.number.saturating_sub(1));
            self.seen = self.seen.max(last.number);
        }
        self.tidy();
        self.busy_until_ms
    }

    /// Ends a pass; when the next of `notices` is due.
    pub fn end(&mut self, notices: &[Notice]) -> Option<u64> {
        self.turn += 1;
        self.busy_until_ms = 0;
        let open = notices.iter().filter(|notice| !self.is_settled(notice.number));
        open.map(|notice| self.tries.get(&notice.number).map_or(0, |it| it.next_ms)).min()
    }

    /// Whether a notice is to be tried.
    pub fn is_due(&self, notice: &Notice, now_ms: u64) -> bool {
        let next_ms = self.tries.get(&notice.number).map_or(0, |it| it.next_ms);
        !self.is_settled(notice.number) && next_ms <= now_ms
    }

    /// Whether a pass that was cut off may have sent it.
    pub fn may_be_sent(&self, number: u32) -> bool {
        self.tries.get(&number).is_some_and(|it| it.sending)
    }

    /// Notes that the line that ends the mail goes out.
    pub fn sending(&mut self, number: u32) {
        self.turn += 1;
        self.tries.entry(number).or_default().sending = true;
    }

    /// Notes how a try ended.
    pub fn ended(&mut self, notice: &Notice, ended: Ended, now: Timestamp) -> Settled {
        self.turn += 1;
        let settled = match ended {
            Ended::Taken => Settled::Sent,
            Ended::Skipped => Settled::Skipped,
            Ended::Never(sentence) => Settled::GivenUp(sentence),
            Ended::Later(sentence) => {
                let tried = self.tries.entry(notice.number).or_default();
                tried.sending = false;
                tried.count += 1;
                tried.next_ms = now.0 + back_off_ms(tried.count);
                if tried.next_ms < notice.at.0.saturating_add(GIVE_UP_MS) {
                    return Settled::Open;
                }
                Settled::GivenUp(format!("{sentence} Tried {} times.", tried.count))
            }
        };
        self.beyond.insert(notice.number);
        self.tidy();
        if let Settled::GivenUp(sentence) = &settled {
            self.log.push_back(format!("{} {sentence}", now.rfc3339()));
            let extra = self.log.len().saturating_sub(LOG_MAX);
            self.log.drain(..extra);
        }
        settled
    }

    /// Keeps the record short.
    fn tidy(&mut self) {
        while self.beyond.contains(&(self.settled + 1)) {
            self.settled += 1;
        }
        let settled = self.settled;
        self.beyond.retain(|number| *number > settled);
        let beyond = &self.beyond;
        self.tries.retain(|number, _| *number > settled && !beyond.contains(number));
    }
}

/// How long to wait after the failed try `count` (from 1).
fn back_off_ms(count: u32) -> u64 {
    let doublings = count.saturating_sub(1).min(20);
    (BACK_OFF_MS << doublings).min(BACK_OFF_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Channel;
    use model::Event;

    fn notice(number: u32) -> Notice {
        let event = Event::Started { sync_point: 1 };
        Notice { number, channel: Channel::Mail, at: Timestamp(1_000_000), event }
    }

    #[test]
    fn tries_again_for_a_day_and_no_longer() {
        let mut delivery = Delivery::default();
        let notice = notice(1);
        let (mut now, mut tries) = (1_000_000, 0);
        delivery.begin(std::slice::from_ref(&notice), now);
        loop {
            assert!(delivery.is_due(&notice, now));
            let later = Ended::Later("The server is down.".into());
            tries += 1;
            match delivery.ended(&notice, later, Timestamp(now)) {
                Settled::Open => now = delivery.end(std::slice::from_ref(&notice)).unwrap(),
                Settled::GivenUp(sentence) => {
                    assert_eq!(sentence, format!("The server is down. Tried {tries} times."));
                    break;
                }
                Settled::Sent | Settled::Skipped => panic!(),
            }
        }
        assert!((20..40).contains(&tries), "{tries}");
        assert!(now < 1_000_000 + GIVE_UP_MS);
        assert!(delivery.is_settled(1) && delivery.end(&[notice]).is_none());
        assert_eq!(delivery.log.len(), 1);
    }

    #[test]
    fn settles_in_any_order_and_stays_short() {
        let notices: Vec<Notice> = (3..=6).map(notice).collect();
        let mut delivery = Delivery::default();
        delivery.begin(&notices, 5);
        assert!(delivery.is_settled(2) && !delivery.is_settled(3));
        for at in [1, 3, 0] {
            delivery.ended(&notices[at], Ended::Taken, Timestamp(6));
        }
        assert_eq!((delivery.settled, delivery.beyond.len()), (4, 1));
        assert_eq!(delivery.end(&notices), Some(0), "one is open");
        delivery.ended(&notices[2], Ended::Never("no".into()), Timestamp(6));
        assert_eq!((delivery.settled, delivery.beyond.len(), delivery.tries.len()), (6, 0, 0));
        assert_eq!(delivery.seen, 6);
    }

    #[test]
    fn a_dead_pass_holds_nothing_for_ever() {
        let mut delivery = Delivery::default();
        let until_ms = delivery.begin(&[notice(1)], 1000);
        assert!(delivery.is_busy(1001) && !delivery.is_busy(until_ms));
        let mut delivery = Delivery::default();
        delivery.begin(&[notice(1)], 10_000_000);
        assert!(!delivery.is_busy(1000), "the clock was set back");
    }
}
