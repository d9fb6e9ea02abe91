//! One side of a test: an account in memory, and what it speaks.

use fake_imap::{Faults, Features, Mailboxes};

use super::fake_pop::PopServer;
use super::lines::Speed;

/// One side's server.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) mailboxes: Mailboxes,
    pub(super) faults: Faults,
    /// What is spoken instead of IMAP.
    pub(super) pop: Option<PopServer>,
    /// The same, of the protocol that is for tests alone.
    pub(super) toy: bool,
    /// How fast its lines are.
    pub(super) speed: Speed,
    pub(super) features: Features,
}

impl Server {
    pub(super) fn new(features: Features) -> Self {
        let mailboxes = Mailboxes::new(features.clone());
        Server {
            mailboxes,
            faults: Faults::none(),
            pop: None,
            toy: false,
            speed: Speed::default(),
            features,
        }
    }

    /// A mailbox name with `/`, from the server's own.
    pub(super) fn plain(&self, name: &str) -> String {
        let bare = name.strip_prefix(&self.features.prefix).unwrap_or(name);
        bare.replace(&self.features.delimiter, "/")
    }

    /// A mailbox name in the server's own terms, from one with `/`.
    pub(super) fn name(&self, path: &str) -> String {
        format!("{}{}", self.features.prefix, path.replace('/', &self.features.delimiter))
    }
}
