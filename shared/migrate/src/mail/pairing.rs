//! Which of the messages that were sent are which of those that have come.
//!
//! Exact pairs come first, for all messages: two drafts of one letter have one Message-ID, and a
//! pair by that alone would take away the only one that is exact for another. What is left is
//! paired by less only where that is unambiguous at both sides.

use std::collections::BTreeMap;

use ledger::Message;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairing {
    /// For each message that was sent, the one that has come.
    pub(crate) found: Vec<Option<Message>>,
    /// Groups of which some have come and nothing but their content tells which.
    pub(crate) doubtful: Vec<Doubt>,
}

/// Messages that look alike, more of them sent than have come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// Places of those that were sent.
    pub(crate) sent: Vec<usize>,
    /// Those that have come, by UID.
    pub(crate) there: Vec<Message>,
}

/// By what two messages are compared.
type Key = (u64, u64, i64);

/// Pairs messages in the order they were sent with what has come. Servers keep the order in which
/// messages were appended, so of equal ones the first sent is the first there.
///
/// With `any_size` the sizes of one side are no more than estimates, and mean nothing where there is
/// a Message-ID.
pub(crate) fn pair(sent: &[Message], mut there: Vec<Message>, any_size: bool) -> Pairing {
    there.sort_by_key(|row| row.uid);
    let mut pairs = Pairs {
        found: vec![None; sent.len()],
        open: vec![true; sent.len()],
        left: there,
        sent,
        doubtful: Vec::new(),
    };
    let size = |message: &Message| match any_size && message.identity != 0 {
        true => 0,
        false => message.size,
    };
    let exact = |message: &Message| Some((message.identity, size(message), message.date.unix_s()));
    pairs.by(&exact);
    // Some servers set a date of their own.
    let sized =
        |message: &Message| (message.identity != 0).then(|| (message.identity, size(message), 0));
    pairs.by(&sized);
    pairs.by_identity();
    Pairing { found: pairs.found, doubtful: pairs.doubtful }
}

struct Pairs<'a> {
    sent: &'a [Message],
    found: Vec<Option<Message>>,
    /// Neither found nor in doubt.
    open: Vec<bool>,
    /// What is still nobody's.
    left: Vec<Message>,
    doubtful: Vec<Doubt>,
}

impl Pairs<'_> {
    /// Places of what is open, by key.
    fn sent_by(&self, key: &impl Fn(&Message) -> Option<Key>) -> BTreeMap<Key, Vec<usize>> {
        let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (place, message) in self.sent.iter().enumerate() {
            if self.open.get(place) == Some(&true)
                && let Some(key) = key(message)
            {
                groups.entry(key).or_default().push(place);
            }
        }
        groups
    }

    fn by(&mut self, key: &impl Fn(&Message) -> Option<Key>) {
        let sent = self.sent_by(key);
        let mut there: BTreeMap<Key, Vec<Message>> = BTreeMap::new();
        for row in std::mem::take(&mut self.left) {
            match key(&row).filter(|key| sent.contains_key(key)) {
                Some(key) => there.entry(key).or_default().push(row),
                None => self.left.push(row),
            }
        }
        for (key, places) in sent {
            let Some(rows) = there.remove(&key) else { continue };
            let some = rows.len() < places.len();
            places.iter().for_each(|place| self.close(*place));
            if some {
                self.doubtful.push(Doubt { sent: places, there: rows });
                continue;
            }
            let mut rows = rows.into_iter();
            for place in places {
                if let Some(slot) = self.found.get_mut(place) {
                    *slot = rows.next();
                }
            }
            self.left.extend(rows);
        }
    }

    fn close(&mut self, place: usize) {
        if let Some(open) = self.open.get_mut(place) {
            *open = false;
        }
    }

    /// A message that was changed on the way has its Message-ID still: one sent and one there.
    fn by_identity(&mut self) {
        let key = |message: &Message| (message.identity != 0).then_some((message.identity, 0, 0));
        for (key, places) in self.sent_by(&key) {
            let is_it = |row: &Message| row.identity == key.0;
            let [place] = places.as_slice() else { continue };
            let all = self.sent.iter().filter(|message| is_it(message)).count();
            if all != 1 || self.left.iter().filter(|row| is_it(row)).count() != 1 {
                continue;
            }
            let at = self.left.iter().position(is_it);
            if let (Some(at), Some(slot)) = (at, self.found.get_mut(*place)) {
                *slot = Some(self.left.remove(at));
            }
            self.close(*place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(uid: u32, identity: u64, size: u64, second: i64) -> Message {
        let date = mailbox::InternalDate::new(second, 0).unwrap();
        Message { uid, size, date, flags: mailbox::Flags::new(), identity }
    }

    #[track_caller]
    fn check(sent: &[Message], there: Vec<Message>, expected: &[Option<u32>]) -> Vec<Doubt> {
        let Pairing { found, doubtful } = pair(sent, there, false);
        let uids: Vec<_> = found.into_iter().map(|row| row.map(|row| row.uid)).collect();
        assert_eq!(uids, expected);
        doubtful
    }

    #[test]
    fn pairs_in_order_and_each_once() {
        let sent = [message(1, 7, 10, 0), message(3, 0, 5, 9), message(4, 8, 1, 1)];
        let there = vec![message(90, 0, 5, 9), message(70, 7, 10, 0), message(80, 8, 3, 1)];
        assert_eq!(check(&sent, there, &[Some(70), Some(90), Some(80)]), []);
        let sent = [message(1, 7, 10, 0), message(2, 7, 10, 0)];
        let there = vec![message(8, 7, 10, 0), message(6, 7, 10, 0), message(7, 7, 10, 0)];
        assert_eq!(check(&sent, there, &[Some(6), Some(7)]), []);
    }

    /// The first was refused and the second stored: the Message-ID alone would give the first away.
    #[test]
    fn an_exact_pair_of_a_later_message_is_not_given_to_an_earlier_one() {
        let sent = [message(1, 7, 10, 0), message(2, 7, 12, 5)];
        assert_eq!(check(&sent, vec![message(70, 7, 12, 5)], &[None, Some(70)]), []);
        // Changed on the way, and two could be it: nobody knows.
        assert_eq!(check(&sent, vec![message(70, 7, 11, 6)], &[None, None]), []);
        let one = [message(1, 7, 10, 0)];
        assert_eq!(check(&one, vec![message(70, 7, 11, 6)], &[Some(70)]), []);
        let two = vec![message(70, 7, 11, 6), message(71, 7, 12, 6)];
        assert_eq!(check(&one, two, &[None]), []);
    }

    #[test]
    fn of_those_that_look_alike_the_content_decides() {
        let sent = [message(1, 7, 10, 0), message(2, 7, 10, 0), message(3, 9, 1, 1)];
        let there = vec![message(70, 7, 10, 0), message(71, 9, 1, 1)];
        let doubt = Doubt { sent: vec![0, 1], there: vec![message(70, 7, 10, 0)] };
        assert_eq!(check(&sent, there, &[None, None, Some(71)]), [doubt]);
    }

    #[test]
    fn nameless_messages_need_size_and_date() {
        let sent = [message(1, 0, 5, 9)];
        check(&sent, vec![message(1, 0, 5, 8)], &[None]);
        check(&sent, vec![message(1, 0, 6, 9)], &[None]);
    }
}
