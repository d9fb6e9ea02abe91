//! How an account arranges its folders.

use crate::mailbox_name::{MailboxName, Spelling};

/// How one account spells the names of its folders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hierarchy {
    /// Between levels; `None` on a flat server.
    pub delimiter: Option<char>,
    /// What every name but INBOX begins with, such as `INBOX.`; often empty.
    pub prefix: String,
    /// Modified UTF-7 or UTF-8.
    pub spelling: Spelling,
}

impl Hierarchy {
    /// The levels of a name, without the prefix; `INBOX` is `["INBOX"]`.
    pub fn path<'a>(&self, name: &'a MailboxName) -> Vec<&'a str> {
        let text = name.text();
        let text = match text.strip_prefix(self.prefix.as_str()) {
            Some(rest) if !rest.is_empty() && !name.is_inbox() => rest,
            _ => text,
        };
        match self.delimiter {
            Some(delimiter) => text.split(delimiter).collect(),
            None => vec![text],
        }
    }
}
