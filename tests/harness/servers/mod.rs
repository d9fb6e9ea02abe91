//! Servers of the tests: real ones with state of their own, and scripted ones.

mod courier;
mod cyrus;
mod dovecot;
mod fake;
mod gate;
mod packages;
mod recipient;
mod relay;

pub use courier::Courier;
pub use cyrus::{ACCOUNTS, Cyrus};
pub use dovecot::{Dovecot, Layout, MASTER_PASSWORD, MASTER_USER, access_token};
pub use fake::{Fake, Line, Plain, Silent, Talker};
pub use gate::Gate;
pub(crate) use packages::installed;
pub use recipient::Recipient;
pub use relay::{Drip, Relay};

/// Password of every account on the real servers.
pub const PASSWORD: &str = "secret";

/// A server that accounts live on.
pub trait Server {
    /// What it is, for messages.
    fn name(&self) -> &'static str;
    /// Port of IMAP, plain or with STARTTLS.
    fn imap_port(&self) -> u16;
    /// Port of IMAP over TLS.
    fn imaps_port(&self) -> u16;
    /// A login of its own for this short name; the account exists from the first log-in on.
    fn login(&self, name: &str) -> String {
        format!("{name}@example.test")
    }
}

/// A server that its accounts' inboxes can be read from over POP3.
pub trait PopServer: Server {
    /// Port of POP3, plain or with STLS.
    fn pop_port(&self) -> u16;
    /// Port of POP3 over TLS.
    fn pops_port(&self) -> u16;
}
