//! Which connections are open, and which gives way where there is no room for another.
//!
//! A connection costs a descriptor and some memory whether it says anything or not. A full house is
//! no reason to turn a newcomer away while others are silent: one of those is closed instead, from
//! the client that has most of them.

use std::collections::{BTreeMap, HashMap};

use crate::peer::Peer;

/// What a connection does. The order is the one in which they give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// No request is under way.
    Quiet,
    /// All of its requests are still arriving.
    Receiving,
    /// A request is being answered. It never gives way.
    Working,
}

/// All connections; `T` is what closes one.
pub struct Connections<T> {
    most: usize,
    most_each: usize,
    by_peer: HashMap<Peer, BTreeMap<u64, Entry<T>>>,
    total: usize,
    /// Grows with everything that happens: who has the smallest has waited longest.
    clock: u64,
}

struct Entry<T> {
    standing: Standing,
    since: u64,
    close: T,
}

/// A connection that was let in.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted<T> {
    /// Its number.
    pub id: u64,
    /// What closes another one that gave way to it.
    pub close: Option<T>,
}

impl<T> Connections<T> {
    /// At most `most` in all and `most_each` from one client.
    pub fn new(most: usize, most_each: usize) -> Self {
        let by_peer = HashMap::new();
        Connections { most, most_each: most_each.min(most), by_peer, total: 0, clock: 0 }
    }

    /// Lets a connection in, in the place of another where there is no room; `None` where every
    /// connection that could give way is at work. `exempt` is a proxy's, which stands for many clients.
    pub fn admit(&mut self, peer: Peer, exempt: bool, close: T) -> Option<Admitted<T>> {
        let own = self.by_peer.get(&peer).map_or(0, BTreeMap::len);
        let evicted = if own >= self.most_each && !exempt {
            Some(self.evict_of(peer)?)
        } else if self.total >= self.most {
            Some(self.evict()?)
        } else {
            None
        };
        self.clock += 1;
        let id = self.clock;
        let entry = Entry { standing: Standing::Quiet, since: id, close };
        self.by_peer.entry(peer).or_default().insert(id, entry);
        self.total += 1;
        Some(Admitted { id, close: evicted })
    }

    /// Notes what a connection does.
    pub fn stands(&mut self, peer: Peer, id: u64, standing: Standing) {
        self.clock += 1;
        let entry = self.by_peer.get_mut(&peer).and_then(|own| own.get_mut(&id));
        if let Some(entry) = entry.filter(|entry| entry.standing != standing) {
            entry.standing = standing;
            entry.since = self.clock;
        }
    }

    /// Forgets a connection, if it is still known; what closes it.
    pub fn leave(&mut self, peer: Peer, id: u64) -> Option<T> {
        let own = self.by_peer.get_mut(&peer)?;
        let entry = own.remove(&id)?;
        if own.is_empty() {
            self.by_peer.remove(&peer);
        }
        self.total -= 1;
        Some(entry.close)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Closes the one that has waited longest, of the client with most that could give way.
    pub fn evict(&mut self) -> Option<T> {
        let peers = self.by_peer.iter().filter(|(_, own)| candidate(own).is_some());
        let peer = peers.max_by_key(|(peer, own)| (own.len(), **peer)).map(|(peer, _)| *peer)?;
        self.evict_of(peer)
    }

    fn evict_of(&mut self, peer: Peer) -> Option<T> {
        let id = candidate(self.by_peer.get(&peer)?)?;
        self.leave(peer, id)
    }
}

fn candidate<T>(own: &BTreeMap<u64, Entry<T>>) -> Option<u64> {
    let idle = own.iter().filter(|(_, entry)| entry.standing != Standing::Working);
    idle.min_by_key(|(_, entry)| (entry.standing, entry.since)).map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    fn admit(all: &mut Connections<u32>, from: u8, name: u32) -> (u64, Option<u32>) {
        let admitted = all.admit(peer(from), false, name).unwrap();
        (admitted.id, admitted.close)
    }

    #[test]
    fn the_longest_silent_one_of_the_same_client_gives_way() {
        let mut all = Connections::new(10, 2);
        let (first, _) = admit(&mut all, 1, 1);
        let (_, none) = admit(&mut all, 1, 2);
        assert_eq!(none, None);
        // It spoke in between: the other has been silent for longer.
        all.stands(peer(1), first, Standing::Working);
        all.stands(peer(1), first, Standing::Quiet);
        assert_eq!(admit(&mut all, 1, 3).1, Some(2));
        assert_eq!(admit(&mut all, 2, 4).1, None, "others are not concerned");
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn silent_before_unfinished_and_never_one_at_work() {
        let mut all = Connections::new(10, 3);
        let ids: Vec<u64> = (1..=3).map(|name| admit(&mut all, 1, name).0).collect();
        all.stands(peer(1), ids[0], Standing::Receiving);
        all.stands(peer(1), ids[1], Standing::Working);
        let (fourth, closed) = admit(&mut all, 1, 4);
        assert_eq!(closed, Some(3));
        all.stands(peer(1), fourth, Standing::Working);
        let (fifth, closed) = admit(&mut all, 1, 5);
        assert_eq!(closed, Some(1));
        all.stands(peer(1), fifth, Standing::Working);
        assert_eq!(all.admit(peer(1), false, 6), None);
        assert!(all.admit(peer(1), true, 7).is_some(), "a proxy stands for many");
    }

    #[test]
    fn a_full_house_takes_from_whoever_has_most() {
        let mut all = Connections::new(5, 4);
        for name in 1..=4 {
            admit(&mut all, 1, name);
        }
        admit(&mut all, 2, 5);
        assert_eq!(admit(&mut all, 3, 6).1, Some(1));
        assert_eq!(admit(&mut all, 4, 7).1, Some(2));
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn who_left_is_forgotten_once() {
        let mut all = Connections::new(2, 2);
        let (id, _) = admit(&mut all, 1, 1);
        assert_eq!(all.leave(peer(1), id), Some(1));
        assert_eq!(all.leave(peer(1), id), None);
        all.stands(peer(1), id, Standing::Working);
        assert!(all.is_empty() && all.by_peer.is_empty());
    }
}
