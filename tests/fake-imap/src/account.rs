//! One account: what outlives every connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};
use wire::Bytes;

use crate::features::Features;
use crate::names::{canonical, from_utf7};

/// A message to put into an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The message, byte for byte.
    pub bytes: Bytes,
    /// System flags and keywords.
    pub flags: Vec<String>,
    /// INTERNALDATE as on the wire, such as ` 1-Feb-2020 10:00:00 +0200`.
    pub internal_date: String,
}

impl Message {
    /// A small message with this Message-ID and size of body, unseen, of 1 January 2020.
    pub fn sample(message_id: &str, body_bytes: usize) -> Self {
        let head = format!(
            "From: a@example.org\r\nTo: b@example.org\r\nSubject: sample {message_id}\r\n\
             Date: Wed, 1 Jan 2020 10:00:00 +0100\r\nMessage-ID: <{message_id}>\r\n\r\n"
        );
        let line = "0123456789 sample text of a message.\r\n";
        let mut bytes = head.into_bytes();
        let size = bytes.len() + body_bytes;
        bytes.extend_from_slice(line.repeat(body_bytes.div_ceil(line.len())).as_bytes());
        bytes.truncate(size);
        let internal_date = " 1-Jan-2020 10:00:00 +0100".into();
        Message { bytes: bytes.into(), flags: Vec::new(), internal_date }
    }

    /// The same with these flags.
    #[must_use]
    pub fn flagged(mut self, flags: &[&str]) -> Self {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self
    }

    /// The same with this INTERNALDATE.
    #[must_use]
    pub fn dated(mut self, internal_date: &str) -> Self {
        self.internal_date = internal_date.into();
        self
    }
}

/// A message as it stands in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// UID.
    pub uid: u32,
    /// System flags and keywords, sorted.
    pub flags: Vec<String>,
    /// INTERNALDATE as on the wire.
    pub internal_date: String,
    /// The message.
    pub bytes: Bytes,
    /// Modification sequence (RFC 7162).
    pub mod_sequence: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) uid_validity: u32,
    pub(crate) uid_next: u32,
    pub(crate) messages: Vec<Stored>,
    pub(crate) special_use: Option<String>,
    pub(crate) mod_sequence: u64,
    pub(crate) expunged: Vec<(u32, u64)>,
    pub(crate) no_select: bool,
}

impl Folder {
    fn new(uid_validity: u32) -> Self {
        Folder {
            uid_validity,
            uid_next: 1,
            messages: Vec::new(),
            special_use: None,
            mod_sequence: 1,
            expunged: Vec::new(),
            no_select: false,
        }
    }

    pub(crate) fn put(&mut self, message: Message) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.mod_sequence += 1;
        let mut flags = message.flags;
        flags.sort();
        flags.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        let (internal_date, bytes) = (message.internal_date, message.bytes);
        let mod_sequence = self.mod_sequence;
        self.messages.push(Stored { uid, flags, internal_date, bytes, mod_sequence });
        uid
    }

    pub(crate) fn expunge(&mut self, gone: &[u32]) {
        self.mod_sequence += 1;
        self.messages.retain(|message| !gone.contains(&message.uid));
        self.expunged.extend(gone.iter().map(|uid| (*uid, self.mod_sequence)));
    }

    pub(crate) fn size(&self) -> u64 {
        self.messages.iter().map(|message| message.bytes.len() as u64).sum()
    }
}

pub(crate) struct Account {
    pub(crate) features: Features,
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) admin: Option<(String, String)>,
    pub(crate) folders: BTreeMap<String, Folder>,
    pub(crate) subscribed: BTreeSet<String>,
    pub(crate) complaints: Vec<String>,
    pub(crate) commands: Vec<String>,
    pub(crate) next_validity: u32,
}

impl Account {
    pub(crate) fn create(&mut self, name: &str) -> &mut Folder {
        let validity = self.next_validity;
        self.next_validity += 1;
        self.folders.entry(name.to_owned()).or_insert_with(|| Folder::new(validity))
    }

    /// Numbers the messages of a mailbox anew, as a server does that lost its index.
    pub(crate) fn renumber(&mut self, name: &str) {
        let validity = self.next_validity;
        self.next_validity += 1;
        let Some(folder) = self.folders.get_mut(name) else { return };
        let shift = if folder.messages.first().is_some_and(|it| it.uid == 1) { 1_001 } else { 1 };
        (folder.uid_validity, folder.expunged) = (validity, Vec::new());
        for (message, uid) in folder.messages.iter_mut().zip(shift..) {
            message.uid = uid;
        }
        folder.uid_next = shift + folder.messages.len() as u32;
        folder.mod_sequence += 1;
    }

    pub(crate) fn size(&self) -> u64 {
        self.folders.values().map(Folder::size).sum()
    }
}

/// Handle on one account; clones are the same account, and it outlives every connection.
#[derive(Clone)]
pub struct Mailboxes(Arc<Mutex<Account>>);

/// What two accounts are compared by: mailboxes and their messages in order of UID, names
/// decoded, without prefix and with `/` as delimiter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digest(pub BTreeMap<String, Vec<String>>);

impl Mailboxes {
    /// An account with an empty INBOX, login `user`, password `secret`.
    pub fn new(features: Features) -> Self {
        let mut account = Account {
            features,
            login: "user".into(),
            password: "secret".into(),
            admin: None,
            folders: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            complaints: Vec::new(),
            commands: Vec::new(),
            next_validity: 1_700_000_001,
        };
        account.create("INBOX");
        Mailboxes(Arc::new(Mutex::new(account)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap()
    }

    fn name(&self, mailbox: &str) -> String {
        canonical(mailbox, &self.lock().features.delimiter)
    }

    /// The same account with another login and password.
    #[must_use]
    pub fn credentials(self, login: &str, password: &str) -> Self {
        (self.lock().login, self.lock().password) = (login.into(), password.into());
        self
    }

    /// The same account, which this administrator may act for (AUTHENTICATE PLAIN with an
    /// authorisation identity, RFC 4616).
    #[must_use]
    pub fn admin(self, login: &str, password: &str) -> Self {
        self.lock().admin = Some((login.into(), password.into()));
        self
    }

    /// Changes what the server announces, for connections to come.
    pub fn set_features(&self, change: impl FnOnce(&mut Features)) {
        change(&mut self.lock().features);
    }

    /// Creates a mailbox; `mailbox` is the name on the wire (modified UTF-7, with prefix).
    pub fn create(&self, mailbox: &str) {
        let name = self.name(mailbox);
        self.lock().create(&name);
    }

    /// Creates a mailbox with a special use such as `\Sent`.
    pub fn create_special(&self, mailbox: &str, special_use: &str) {
        let name = self.name(mailbox);
        self.lock().create(&name).special_use = Some(special_use.into());
    }

    /// Creates a name that holds mailboxes and no messages.
    pub fn create_no_select(&self, mailbox: &str) {
        let name = self.name(mailbox);
        self.lock().create(&name).no_select = true;
    }

    /// Adds a message, creating the mailbox where needed; its UID.
    pub fn add(&self, mailbox: &str, message: Message) -> u32 {
        let name = self.name(mailbox);
        self.lock().create(&name).put(message)
    }

    /// Removes messages as another client would.
    pub fn expunge(&self, mailbox: &str, uids: &[u32]) {
        let name = self.name(mailbox);
        self.lock().create(&name).expunge(uids);
    }

    /// Moves messages as another client would (RFC 6851); their new UIDs.
    pub fn move_messages(&self, from: &str, uids: &[u32], to: &str) -> Vec<u32> {
        let (from, to) = (self.name(from), self.name(to));
        let mut account = self.lock();
        let folder = account.folders.get_mut(&from).expect("no such mailbox");
        let moved: Vec<Stored> =
            folder.messages.iter().filter(|it| uids.contains(&it.uid)).cloned().collect();
        folder.expunge(uids);
        let target = account.create(&to);
        let put = |it: Stored| {
            let Stored { bytes, flags, internal_date, .. } = it;
            target.put(Message { bytes, flags, internal_date })
        };
        moved.into_iter().map(put).collect()
    }

    /// Removes a mailbox with its messages as another client would.
    pub fn remove(&self, mailbox: &str) {
        let name = self.name(mailbox);
        self.lock().folders.remove(&name);
    }

    /// Renames a mailbox without children as another client would.
    pub fn rename(&self, from: &str, to: &str) {
        let (from, to) = (self.name(from), self.name(to));
        let mut account = self.lock();
        let folder = account.folders.remove(&from).expect("no such mailbox");
        account.folders.insert(to, folder);
    }

    /// Changes a message's flags as another client would.
    pub fn set_flags(&self, mailbox: &str, uid: u32, flags: &[&str]) {
        let name = self.name(mailbox);
        let mut account = self.lock();
        let folder = account.folders.get_mut(&name).expect("no such mailbox");
        folder.mod_sequence += 1;
        let mod_sequence = folder.mod_sequence;
        let message = folder.messages.iter_mut().find(|message| message.uid == uid);
        let message = message.expect("no such message");
        message.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        message.mod_sequence = mod_sequence;
    }

    /// Messages of a mailbox in order of UID; empty where there is no such mailbox.
    pub fn messages(&self, mailbox: &str) -> Vec<Stored> {
        let name = self.name(mailbox);
        self.lock().folders.get(&name).map(|folder| folder.messages.clone()).unwrap_or_default()
    }

    /// Names of all mailboxes as on the wire.
    pub fn mailboxes(&self) -> Vec<String> {
        self.lock().folders.keys().cloned().collect()
    }

    /// Subscribes a name.
    pub fn subscribe(&self, mailbox: &str) {
        let name = self.name(mailbox);
        self.lock().subscribed.insert(name);
    }

    /// Subscribed names.
    pub fn subscriptions(&self) -> Vec<String> {
        self.lock().subscribed.iter().cloned().collect()
    }

    /// Special use of a mailbox.
    pub fn special_use(&self, mailbox: &str) -> Option<String> {
        let name = self.name(mailbox);
        self.lock().folders.get(&name).and_then(|folder| folder.special_use.clone())
    }

    /// Gives a mailbox another UIDVALIDITY, as after a restore; UIDs stay.
    pub fn set_uid_validity(&self, mailbox: &str, uid_validity: u32) {
        let name = self.name(mailbox);
        self.lock().create(&name).uid_validity = uid_validity;
    }

    /// Numbers the messages of a mailbox anew, with another UIDVALIDITY, as a server does that lost
    /// its index: from 1,001 where they began at 1, else from 1.
    pub fn renumber(&self, mailbox: &str) {
        let name = self.name(mailbox);
        self.lock().renumber(&name);
    }

    /// Marks messages that hold this text as deleted, as their owner does with another client.
    pub(crate) fn mark_deleted(&self, text: &str) {
        for mailbox in self.mailboxes() {
            for message in self.messages(&mailbox) {
                let mut held = message.bytes.windows(text.len());
                if held.any(|part| part == text.as_bytes()) {
                    self.set_flags(&mailbox, message.uid, &["\\Deleted"]);
                }
            }
        }
    }

    /// UIDVALIDITY and UIDNEXT of a mailbox.
    pub fn uids(&self, mailbox: &str) -> (u32, u32) {
        let name = self.name(mailbox);
        let mut account = self.lock();
        let folder = account.create(&name);
        (folder.uid_validity, folder.uid_next)
    }

    /// Where a client broke the rules: commands the server had to call BAD, unannounced
    /// extensions, wrong states. A correct client leaves none.
    pub fn complaints(&self) -> Vec<String> {
        self.lock().complaints.clone()
    }

    /// Every command since the last call, without tags and literals, in order of arrival.
    pub fn take_commands(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().commands)
    }

    /// Content for comparison with another account.
    pub fn digest(&self) -> Digest {
        let account = self.lock();
        let features = &account.features;
        let plain = |name: &str| {
            let bare = name.strip_prefix(&features.prefix).unwrap_or(name);
            let decoded = from_utf7(bare).unwrap_or_else(|| bare.to_owned());
            decoded.replace(&features.delimiter, "/")
        };
        let lines = |folder: &Folder| folder.messages.iter().map(line).collect();
        let real = account.folders.iter().filter(|(_, folder)| !folder.no_select);
        Digest(real.map(|(name, folder)| (plain(name), lines(folder))).collect())
    }
}

fn line(message: &Stored) -> String {
    let hash: String =
        Sha256::digest(&message.bytes).iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    let mut flags = message.flags.clone();
    flags.sort();
    let id = crate::header::header(&message.bytes, "message-id").unwrap_or_default();
    let (size, date) = (message.bytes.len(), &message.internal_date);
    format!("{id} {size} {hash} [{date}] ({})", flags.join(" "))
}
