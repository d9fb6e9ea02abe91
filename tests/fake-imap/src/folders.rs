//! Commands on mailboxes: SELECT, STATUS, CREATE and the rest of RFC 3501 section 6.3.

use wire::Stream;

use crate::account::{Account, Folder};
use crate::command::Arg;
use crate::session::{Outcome, Selected, Session, quote};
use crate::sets;

impl<S: Stream> Session<S> {
    /// `None` where the name is none of these.
    pub(crate) fn mailbox_command(&mut self, name: &str, args: &[Arg]) -> Option<Outcome> {
        Some(match name {
            "SELECT" => self.select(args, false),
            "EXAMINE" => self.select(args, true),
            "CREATE" => self.create(args),
            "DELETE" => self.delete(args),
            "RENAME" => self.rename(args),
            "SUBSCRIBE" | "UNSUBSCRIBE" => self.subscribe(args, name == "SUBSCRIBE"),
            "LIST" => self.list(args),
            "LSUB" => self.lsub(args),
            "STATUS" => self.status(args),
            "NAMESPACE" if self.features.namespace => {
                let delimiter = quote(&self.features.delimiter);
                let line = format!("(({} {delimiter}))", quote(&self.features.prefix));
                self.say(&format!("* NAMESPACE {line} NIL NIL"));
                Ok("OK done".into())
            }
            "GETQUOTAROOT" if self.features.quota_kib.is_some() => self.quota_root(args),
            _ => return None,
        })
    }

    fn one_name(&self, args: &[Arg]) -> Result<String, String> {
        let [name] = args else { return Err("BAD one mailbox name is expected".into()) };
        self.name_in(name)
    }

    fn select(&mut self, args: &[Arg], read_only: bool) -> Outcome {
        // A failed SELECT leaves nothing selected (RFC 3501 section 6.3.1).
        self.selected = None;
        let (mailbox, parameters) = args.split_first().ok_or("BAD a mailbox is expected")?;
        let name = self.name_in(mailbox)?;
        let parameters = parameters.first().and_then(Arg::list).unwrap_or_default();
        let qresync = self.select_parameters(parameters)?;
        if self.faults.renumbers() {
            self.account.lock().renumber(&name);
        }
        let folder = {
            let account = self.account.lock();
            let folder = account.folders.get(&name).filter(|folder| !folder.no_select);
            folder.ok_or("NO [NONEXISTENT] no such mailbox")?.clone()
        };
        let flags = folder_flags(&folder);
        let permanent = self.features.permanent_flags.join(" ");
        let permanent = if read_only { String::new() } else { permanent };
        self.say(&format!("* FLAGS ({flags})"));
        self.say(&format!("* OK [PERMANENTFLAGS ({permanent})] kept"));
        self.say(&format!("* {} EXISTS", folder.messages.len()));
        if !self.rev2 {
            self.say("* 0 RECENT");
        }
        self.say(&format!("* OK [UIDVALIDITY {}] valid", folder.uid_validity));
        self.say(&format!("* OK [UIDNEXT {}] next", folder.uid_next));
        if self.features.condstore || self.features.qresync {
            self.say(&format!("* OK [HIGHESTMODSEQ {}] highest", folder.mod_sequence));
        }
        if self.rev2 {
            let shown = self.name_out(&name);
            self.say(&format!("* LIST () {} {shown}", quote(&self.features.delimiter)));
        }
        if let Some((validity, since)) = qresync
            && validity == folder.uid_validity
        {
            self.tell_difference(&folder, since);
        }
        let view = folder.messages.iter().map(|message| message.uid).collect();
        self.selected = Some(Selected { name, read_only, view });
        Ok(format!("OK [READ-{}] selected", if read_only { "ONLY" } else { "WRITE" }))
    }

    fn select_parameters(&self, parameters: &[Arg]) -> Result<Option<(u32, u64)>, String> {
        let mut parameters = parameters.iter();
        let mut found = None;
        while let Some(parameter) = parameters.next() {
            match parameter.word().as_deref() {
                Some("CONDSTORE") if self.features.condstore || self.features.qresync => {}
                Some("QRESYNC") if self.qresync => {
                    let numbers = parameters.next().and_then(Arg::list).unwrap_or_default();
                    let number = |at: usize| numbers.get(at).and_then(Arg::text);
                    let validity = number(0).and_then(|text| text.parse().ok());
                    let since = number(1).and_then(|text| text.parse().ok());
                    found = validity.zip(since);
                    found.ok_or("BAD QRESYNC takes UIDVALIDITY and a mod-sequence")?;
                }
                _ => return Err("BAD select parameter".into()),
            }
        }
        Ok(found)
    }

    fn tell_difference(&mut self, folder: &Folder, since: u64) {
        let gone = folder.expunged.iter().filter(|(_, at)| *at > since);
        let mut gone: Vec<u32> = gone.map(|(uid, _)| *uid).collect();
        gone.sort_unstable();
        if !gone.is_empty() {
            self.say(&format!("* VANISHED (EARLIER) {}", sets::print(&gone)));
        }
        for (at, message) in folder.messages.iter().enumerate() {
            if message.mod_sequence > since {
                let (uid, mod_sequence) = (message.uid, message.mod_sequence);
                let flags = message.flags.join(" ");
                let number = at + 1;
                self.say(&format!(
                    "* {number} FETCH (UID {uid} FLAGS ({flags}) MODSEQ ({mod_sequence}))"
                ));
            }
        }
    }

    pub(crate) fn leave(&mut self, expunge: bool) -> Outcome {
        let selected = self.selected.take().ok_or("BAD no mailbox is selected")?;
        if expunge && !selected.read_only {
            let mut account = self.account.lock();
            if let Some(folder) = account.folders.get_mut(&selected.name) {
                let deleted = |message: &&crate::Stored| has(&message.flags, "\\Deleted");
                let gone: Vec<u32> =
                    folder.messages.iter().filter(deleted).map(|message| message.uid).collect();
                folder.expunge(&gone);
            }
        }
        Ok("OK done".into())
    }

    fn create(&mut self, args: &[Arg]) -> Outcome {
        let (mailbox, rest) = args.split_first().ok_or("BAD a mailbox is expected")?;
        let name = self.name_in(mailbox)?;
        let special = match rest {
            [] => None,
            [Arg::List(list)] if self.features.special_use => match list.as_slice() {
                [Arg::Atom(word), Arg::List(uses)] if word.eq_ignore_ascii_case("USE") => {
                    uses.first().and_then(Arg::text)
                }
                _ => return Err("BAD create parameters".into()),
            },
            _ => return Err("BAD create parameters".into()),
        };
        let delimiter = self.features.delimiter.clone();
        let name = name.strip_suffix(&delimiter).unwrap_or(&name);
        self.allowed(name)?;
        let mut account = self.account.lock();
        if let Some(folder) = account.folders.get_mut(name) {
            if folder.no_select {
                folder.no_select = false;
                return Ok("OK done".into());
            }
            return Err("NO [ALREADYEXISTS] the mailbox exists".into());
        }
        account.create(name).special_use = special;
        Ok("OK done".into())
    }

    /// Names outside the personal namespace and empty levels are refused.
    fn allowed(&self, name: &str) -> Result<(), String> {
        let features = &self.features;
        if name == "INBOX" {
            return Ok(());
        }
        if !name.starts_with(&features.prefix) {
            return Err("NO [CANNOT] the name is outside your namespace".into());
        }
        if name.is_empty() || name.split(&features.delimiter).any(str::is_empty) {
            return Err("NO [CANNOT] a level of the name is empty".into());
        }
        if name.contains(['*', '%']) || name.bytes().any(|octet| octet.is_ascii_control()) {
            return Err("NO [CANNOT] the name has wildcards or control characters".into());
        }
        if name.len() > 250 {
            return Err("NO [CANNOT] the name is too long".into());
        }
        Ok(())
    }

    fn delete(&mut self, args: &[Arg]) -> Outcome {
        let name = self.one_name(args)?;
        if name == "INBOX" {
            return Err("NO [CANNOT] INBOX stays".into());
        }
        let mut account = self.account.lock();
        account.folders.remove(&name).ok_or("NO [NONEXISTENT] no such mailbox")?;
        Ok("OK done".into())
    }

    fn rename(&mut self, args: &[Arg]) -> Outcome {
        let [from, to] = args else { return Err("BAD RENAME takes two names".into()) };
        let (from, to) = (self.name_in(from)?, self.name_in(to)?);
        self.allowed(&to)?;
        let below = format!("{from}{}", self.features.delimiter);
        let mut account = self.account.lock();
        if account.folders.contains_key(&to) {
            return Err("NO [ALREADYEXISTS] the mailbox exists".into());
        }
        if from == "INBOX" || !account.folders.contains_key(&from) {
            return Err("NO [NONEXISTENT] no such mailbox to rename".into());
        }
        let moved: Vec<String> = account
            .folders
            .keys()
            .filter(|name| **name == from || name.starts_with(&below))
            .cloned()
            .collect();
        for old in moved {
            let folder = account.folders.remove(&old);
            let new = format!("{to}{}", &old[from.len()..]);
            account.folders.extend(folder.map(|folder| (new, folder)));
        }
        Ok("OK done".into())
    }

    fn subscribe(&mut self, args: &[Arg], on: bool) -> Outcome {
        let name = self.one_name(args)?;
        let mut account = self.account.lock();
        if on {
            account.subscribed.insert(name);
        } else {
            account.subscribed.remove(&name);
        }
        Ok("OK done".into())
    }

    fn status(&mut self, args: &[Arg]) -> Outcome {
        let [name, Arg::List(items)] = args else {
            return Err("BAD STATUS takes a mailbox and items".into());
        };
        let name = self.name_in(name)?;
        let line = self.status_line(&name, items)?;
        self.say(&line.ok_or("NO [NONEXISTENT] no such mailbox")?);
        Ok("OK done".into())
    }

    /// `None` where there is no such mailbox.
    pub(crate) fn status_line(&self, name: &str, items: &[Arg]) -> Result<Option<String>, String> {
        let account = self.account.lock();
        let Some(folder) = account.folders.get(name).filter(|folder| !folder.no_select) else {
            return Ok(None);
        };
        let mut values = Vec::new();
        for item in items {
            let item = item.word().ok_or("BAD status item")?;
            let value = self.status_value(&account, folder, &item);
            values.push(format!("{item} {}", value.ok_or(format!("BAD status item {item}"))?));
        }
        Ok(Some(format!("* STATUS {} ({})", self.name_out(name), values.join(" "))))
    }

    fn status_value(&self, account: &Account, folder: &Folder, item: &str) -> Option<u64> {
        let count = |flag: &str| folder.messages.iter().filter(|it| has(&it.flags, flag)).count();
        let exists = folder.messages.len();
        Some(match item {
            "MESSAGES" => exists as u64,
            "RECENT" if !self.rev2 => 0,
            "UIDNEXT" => u64::from(folder.uid_next),
            "UIDVALIDITY" => u64::from(folder.uid_validity),
            "UNSEEN" => (exists - count("\\Seen")) as u64,
            "DELETED" if self.rev2 => count("\\Deleted") as u64,
            "SIZE" if self.features.status_size || self.rev2 => folder.size(),
            "HIGHESTMODSEQ" if self.features.condstore || self.features.qresync => {
                folder.mod_sequence
            }
            "APPENDLIMIT" => account.features.append_limit?,
            _ => return None,
        })
    }

    fn quota_root(&mut self, args: &[Arg]) -> Outcome {
        let name = self.one_name(args)?;
        let used = self.account.lock().size().div_ceil(1024);
        let limit = self.features.quota_kib.unwrap_or(0);
        let shown = self.name_out(&name);
        self.say(&format!("* QUOTAROOT {shown} \"\""));
        self.say(&format!("* QUOTA \"\" (STORAGE {used} {limit})"));
        Ok("OK done".into())
    }
}

/// Whether a flag is set; flags ignore case.
pub(crate) fn has(flags: &[String], flag: &str) -> bool {
    flags.iter().any(|own| own.eq_ignore_ascii_case(flag))
}

fn folder_flags(folder: &Folder) -> String {
    let system = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];
    let mut flags: Vec<String> = system.map(str::to_owned).to_vec();
    for flag in folder.messages.iter().flat_map(|message| &message.flags) {
        if !has(&flags, flag) {
            flags.push(flag.clone());
        }
    }
    flags.join(" ")
}
