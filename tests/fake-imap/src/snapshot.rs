//! What an account holds, as text, so that a test finds a server as an earlier program left it.
//!
//! A line for each thing, its parts separated by tabs: `validity` (the next UIDVALIDITY), `mailbox`
//! (name, UIDVALIDITY, UIDNEXT, modification sequence, special use), below it its `message`s (UID,
//! modification sequence, INTERNALDATE, flags, Message-ID, octets of the body), and `subscribed`.
//! Messages are those of [`Message::sample`], whose octets follow from the last two.

use std::str::FromStr;

use crate::account::{Folder, Mailboxes, Message, Stored};
use crate::features::Features;

impl Mailboxes {
    /// Everything that the account holds. Panics where a message is no [`Message::sample`].
    pub fn snapshot(&self) -> String {
        let account = self.lock();
        let mut lines = vec![format!("validity\t{}", account.next_validity)];
        for (name, folder) in &account.folders {
            let Folder { uid_validity, uid_next, mod_sequence, .. } = folder;
            let special_use = folder.special_use.as_deref().unwrap_or_default();
            lines.push(format!(
                "mailbox\t{name}\t{uid_validity}\t{uid_next}\t{mod_sequence}\t{special_use}"
            ));
            lines.extend(folder.messages.iter().map(line));
        }
        lines.extend(account.subscribed.iter().map(|name| format!("subscribed\t{name}")));
        lines.join("\n") + "\n"
    }

    /// The account with this content, login `user`, password `secret`. What was expunged before is
    /// not known to it. Panics where the text is no [`Mailboxes::snapshot`].
    pub fn restored(features: Features, snapshot: &str) -> Mailboxes {
        let restored = Mailboxes::new(features);
        {
            let mut account = restored.lock();
            account.folders.clear();
            let mut open = String::new();
            for line in snapshot.lines() {
                let parts: Vec<&str> = line.split('\t').collect();
                match parts[..] {
                    ["validity", next] => account.next_validity = number(next),
                    ["mailbox", name, uid_validity, uid_next, mod_sequence, special_use] => {
                        open = name.to_owned();
                        let folder = account.create(name);
                        folder.uid_validity = number(uid_validity);
                        folder.uid_next = number(uid_next);
                        folder.mod_sequence = number(mod_sequence);
                        folder.special_use =
                            Some(special_use.to_owned()).filter(|it| !it.is_empty());
                    }
                    ["message", ref message @ ..] => {
                        let message = stored(message);
                        account.folders.get_mut(&open).expect("a mailbox").messages.push(message);
                    }
                    ["subscribed", name] => {
                        account.subscribed.insert(name.to_owned());
                    }
                    _ => panic!("no line of a snapshot: {line:?}"),
                }
            }
            // Creating the mailboxes has counted it on.
            let next = snapshot.lines().next().and_then(|line| line.strip_prefix("validity\t"));
            account.next_validity = number(next.expect("a snapshot begins with its validity"));
        }
        restored
    }
}

fn line(message: &Stored) -> String {
    let Stored { uid, flags, internal_date, bytes, mod_sequence } = message;
    let id = crate::header::header(bytes, "message-id").unwrap_or_default();
    let id = id.trim_matches(['<', '>']);
    let body_bytes = bytes.len().saturating_sub(Message::sample(id, 0).bytes.len());
    assert_eq!(*bytes, Message::sample(id, body_bytes).bytes, "only samples have a short form");
    let flags = flags.join(" ");
    format!("message\t{uid}\t{mod_sequence}\t{internal_date}\t{flags}\t{id}\t{body_bytes}")
}

fn stored(parts: &[&str]) -> Stored {
    let [uid, mod_sequence, internal_date, flags, id, body_bytes] = parts else {
        panic!("no message of a snapshot: {parts:?}")
    };
    Stored {
        uid: number(uid),
        flags: flags.split_whitespace().map(str::to_owned).collect(),
        internal_date: (*internal_date).to_owned(),
        bytes: Message::sample(id, number(body_bytes)).bytes,
        mod_sequence: number(mod_sequence),
    }
}

fn number<N: FromStr>(text: &str) -> N {
    text.parse().unwrap_or_else(|_| panic!("no number: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_the_same_afterwards() {
        let account = Mailboxes::new(Features::modern());
        account.create_special("Posta inviata", "\\Sent");
        for n in 0..5 {
            let message = Message::sample(&format!("m{n}@x"), n * 1000);
            account.add("Posta inviata", message.flagged(&["\\Seen", "$Forwarded"]));
        }
        account.expunge("Posta inviata", &[2, 5]);
        account.set_flags("Posta inviata", 1, &[]);
        account.subscribe("Posta inviata");
        account.renumber("INBOX");
        let text = account.snapshot();
        let again = Mailboxes::restored(Features::modern(), &text);
        assert_eq!(again.snapshot(), text);
        assert_eq!(again.messages("Posta inviata"), account.messages("Posta inviata"));
        assert_eq!(again.uids("Posta inviata"), account.uids("Posta inviata"));
        assert_eq!(again.uids("INBOX"), account.uids("INBOX"));
        assert_eq!(again.special_use("Posta inviata"), Some("\\Sent".to_owned()));
        assert_eq!(again.subscriptions(), ["Posta inviata"]);
        assert_eq!(again.digest(), account.digest());
        // What is made next is numbered as it would have been there.
        account.create("later");
        again.create("later");
        assert_eq!(again.uids("later"), account.uids("later"));
    }
}
