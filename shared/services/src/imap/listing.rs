//! Which folders are an account's own, and how names are made there.

use imap::{Mailbox, MailboxStatus, Namespaces};
use mailbox::{Hierarchy, Spelling};

use crate::mail::{FolderStatus, Found, FoundFolder};

/// An account's own folders with their figures.
pub fn own((namespaces, mailboxes): (Namespaces, Vec<Mailbox>), spelling: Spelling) -> Found {
    let delimiter = mailboxes.iter().find_map(|mailbox| mailbox.delimiter);
    let hierarchy = hierarchy(&namespaces, delimiter, spelling);
    let shared: Vec<&str> = namespaces
        .others
        .iter()
        .chain(&namespaces.shared)
        .map(|namespace| namespace.prefix.text())
        .filter(|prefix| !prefix.is_empty())
        .collect();
    // Only one's own folders: what others share is theirs to move.
    let own = |mailbox: &Mailbox| {
        let name = mailbox.name.text();
        mailbox.name.is_inbox() || !shared.iter().any(|prefix| name.starts_with(prefix))
    };
    let (long, mailboxes): (Vec<Mailbox>, Vec<Mailbox>) =
        mailboxes.into_iter().filter(own).partition(|mailbox| mailbox.overlong);
    let overlong = long.iter().map(|mailbox| mailbox.name.text().to_owned()).collect();
    Found { folders: mailboxes.into_iter().map(FoundFolder::from).collect(), hierarchy, overlong }
}

fn hierarchy(namespaces: &Namespaces, listed: Option<char>, spelling: Spelling) -> Hierarchy {
    let personal = namespaces.personal.first();
    let prefix = personal.map_or(String::new(), |own| own.prefix.text().to_owned());
    let delimiter = personal.and_then(|own| own.delimiter).or(listed);
    // `INBOX.` may come without its delimiter (RFC 2342 section 5 leaves it to the server).
    let prefix = match delimiter {
        Some(delimiter) if !prefix.is_empty() && !prefix.ends_with(delimiter) => {
            format!("{prefix}{delimiter}")
        }
        _ => prefix,
    };
    Hierarchy { delimiter, prefix, spelling }
}

impl From<Mailbox> for FoundFolder {
    fn from(mailbox: Mailbox) -> Self {
        FoundFolder {
            name: mailbox.name,
            selectable: mailbox.selectable,
            subscribed: mailbox.subscribed,
            special_use: mailbox.special_use,
            status: mailbox.status.map(FolderStatus::from),
        }
    }
}

impl From<MailboxStatus> for FolderStatus {
    fn from(status: MailboxStatus) -> Self {
        FolderStatus {
            messages: status.messages,
            bytes: status.size,
            uid_next: status.uid_next,
            uid_validity: status.uid_validity,
            modseq: status.highest_modseq,
        }
    }
}
