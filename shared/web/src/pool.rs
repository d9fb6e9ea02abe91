//! Which lines are open to whom: some for each origin, each for one exchange at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::connection::Connection;
use crate::url::Origin;

/// Longest time that a line is kept without being used. Servers close theirs after 5 s (Apache) to
/// 75 s (nginx); what forgets lines on the way does it without a word.
const IDLE_MAX_MS: u64 = 30_000;
/// The most lines that are kept without being used, to all origins together: who redirects
/// everywhere leaves no trail of them.
const IDLE_LINES_MAX: usize = 16;

/// The lines of a client.
pub(crate) struct Pool<L> {
    lines_max: usize,
    origins: RefCell<BTreeMap<Origin, Lines<L>>>,
}

struct Lines<L> {
    idle: Vec<(Connection<L>, u64)>,
    /// Places given away; idle lines have none.
    taken: usize,
    waiting: Vec<Waker>,
}

impl<L> Default for Lines<L> {
    fn default() -> Self {
        Lines { idle: Vec::new(), taken: 0, waiting: Vec::new() }
    }
}

/// The right to have a line to an origin, given back when it is dropped; with it goes the line, if
/// it was not given back by [`Place::keep`].
pub(crate) struct Place<'p, L> {
    pool: &'p Pool<L>,
    origin: Origin,
    pub(crate) connection: Option<Connection<L>>,
}

impl<L> Pool<L> {
    /// With at most so many lines to one origin, at least one.
    pub(crate) fn new(lines_max: usize) -> Pool<L> {
        Pool { lines_max: lines_max.max(1), origins: RefCell::default() }
    }

    /// Waits for a place; with a line, where one is idle.
    pub(crate) async fn place(&self, origin: &Origin, now_ms: u64) -> Place<'_, L> {
        let connection = poll_fn(|context| {
            let mut origins = self.origins.borrow_mut();
            for lines in origins.values_mut() {
                lines.idle.retain(|(_, since_ms)| now_ms.saturating_sub(*since_ms) < IDLE_MAX_MS);
            }
            let lines = origins.entry(origin.clone()).or_default();
            if lines.taken >= self.lines_max {
                lines.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            lines.taken += 1;
            // The one that was used last is the likeliest to be open still.
            Poll::Ready(lines.idle.pop().map(|(connection, _)| connection))
        })
        .await;
        Place { pool: self, origin: origin.clone(), connection }
    }

    /// Lines without a question on them, for tests.
    #[cfg(test)]
    pub(crate) fn n_idle(&self) -> usize {
        self.origins.borrow().values().map(|lines| lines.idle.len()).sum()
    }
}

impl<L> Place<'_, L> {
    /// Gives the place back and leaves its line to whoever asks next.
    pub(crate) fn keep(mut self, now_ms: u64) {
        let Some(connection) = self.connection.take() else { return };
        let mut origins = self.pool.origins.borrow_mut();
        let n_idle: usize = origins.values().map(|lines| lines.idle.len()).sum();
        if n_idle < IDLE_LINES_MAX {
            origins.entry(self.origin.clone()).or_default().idle.push((connection, now_ms));
        }
    }
}

impl<L> Drop for Place<'_, L> {
    fn drop(&mut self) {
        let mut origins = self.pool.origins.borrow_mut();
        let Some(lines) = origins.get_mut(&self.origin) else { return };
        lines.taken = lines.taken.saturating_sub(1);
        // All of them: one alone may have been dropped since.
        let waiting = std::mem::take(&mut lines.waiting);
        if lines.taken == 0 && lines.idle.is_empty() {
            origins.remove(&self.origin);
        }
        drop(origins);
        waiting.into_iter().for_each(Waker::wake);
    }
}
