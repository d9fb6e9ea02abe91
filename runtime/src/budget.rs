//! Things that are there a limited number of times: in all, and for each client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::peer::Peer;

/// A number of requests, streams or bytes that clients share.
pub struct Budget {
    most: usize,
    most_each: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    /// Nobody is in here with nothing, so that it has at most `total` entries.
    by_peer: HashMap<Peer, usize>,
}

/// Why nothing more is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// This client has its share.
    Peer,
    /// All together have everything.
    All,
}

impl Budget {
    /// `most` in all, `most_each` for one client.
    pub fn new(most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Budget { most, most_each: most_each.min(most), taken: Mutex::default() })
    }

    /// Takes `amount` for a client, all or nothing; never waits, so that nobody waits for another.
    pub fn take(self: &Arc<Self>, peer: Peer, amount: usize) -> Result<Share, Full> {
        let mut share = Share { budget: self.clone(), peer, amount: 0 };
        share.add(amount)?;
        Ok(share)
    }

    /// How much is taken.
    pub fn taken(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody has of a budget; given back when dropped.
pub struct Share {
    budget: Arc<Budget>,
    peer: Peer,
    amount: usize,
}

impl Share {
    /// Takes more; on refusal it stays as it was.
    pub fn add(&mut self, amount: usize) -> Result<(), Full> {
        let mut taken = self.budget.lock();
        let own = taken.by_peer.get(&self.peer).copied().unwrap_or(0);
        if own.saturating_add(amount) > self.budget.most_each {
            return Err(Full::Peer);
        }
        if taken.total.saturating_add(amount) > self.budget.most {
            return Err(Full::All);
        }
        if amount > 0 {
            taken.total += amount;
            taken.by_peer.insert(self.peer, own + amount);
            self.amount += amount;
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.budget.lock();
        taken.total = taken.total.saturating_sub(self.amount);
        let left = taken.by_peer.get(&self.peer).copied().unwrap_or(0);
        match left.saturating_sub(self.amount) {
            0 => taken.by_peer.remove(&self.peer),
            left => taken.by_peer.insert(self.peer, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    #[test]
    fn one_client_cannot_have_everything_and_all_cannot_have_more() {
        let budget = Budget::new(5, 3);
        let first: Vec<Share> = (0..3).map(|_| budget.take(peer(1), 1).unwrap()).collect();
        assert_eq!(budget.take(peer(1), 1).err(), Some(Full::Peer));
        let second = budget.take(peer(2), 2).unwrap();
        assert_eq!(budget.take(peer(3), 1).err(), Some(Full::All));
        drop(first);
        assert_eq!(budget.taken(), 2);
        drop(second);
        assert_eq!(budget.taken(), 0);
        assert!(budget.lock().by_peer.is_empty(), "who has nothing is forgotten");
    }

    #[test]
    fn a_share_grows_all_or_nothing() {
        let budget = Budget::new(100, 60);
        let mut share = budget.take(peer(1), 0).unwrap();
        share.add(50).unwrap();
        assert_eq!(share.add(11), Err(Full::Peer));
        share.add(10).unwrap();
        assert_eq!(budget.taken(), 60);
        let other = budget.take(peer(2), 41);
        assert_eq!(other.err(), Some(Full::All));
        assert_eq!(budget.taken(), 60);
        drop(share);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn a_refused_share_gives_back_only_what_it_had() {
        let budget = Budget::new(10, 10);
        let held = budget.take(peer(1), 6).unwrap();
        assert!(budget.take(peer(1), 5).is_err());
        assert_eq!(budget.taken(), 6);
        drop(held);
        assert!(budget.take(peer(1), usize::MAX).is_err());
        assert_eq!(budget.taken(), 0);
    }
}
