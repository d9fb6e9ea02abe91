//! Commands that change messages: STORE, COPY, MOVE, EXPUNGE; and SEARCH by way of `search`.

use wire::Stream;

use crate::account::Message;
use crate::append::is_flag;
use crate::command::Arg;
use crate::folders::has;
use crate::session::{Expunges, Outcome, Session};
use crate::sets;

#[derive(Debug, Clone, Copy)]
enum Change {
    Replace,
    Add,
    Remove,
}

impl<S: Stream> Session<S> {
    pub(crate) fn message_command(&mut self, tag: &str, name: &str, args: &[Arg]) -> Outcome {
        let by_uid = name.starts_with("UID ");
        let uidplus = self.features.uidplus || self.rev2;
        match name {
            "STORE" | "UID STORE" => self.store(args, by_uid),
            "SEARCH" | "UID SEARCH" => self.search(tag, args, by_uid),
            "COPY" | "UID COPY" => self.copy(args, by_uid, false),
            "MOVE" | "UID MOVE" if self.features.move_ || self.rev2 => {
                self.copy(args, by_uid, true)
            }
            "EXPUNGE" => self.expunge(None),
            "UID EXPUNGE" if uidplus => match args {
                [set] => self.expunge(Some(set)),
                _ => Err("BAD UID EXPUNGE takes a set".into()),
            },
            _ => Err(format!("BAD unknown command {name}")),
        }
    }

    fn writable(&self) -> Result<(), String> {
        match &self.selected {
            None => Err("BAD no mailbox is selected".into()),
            Some(selected) if selected.read_only => Err("NO [READ-ONLY] examined only".into()),
            Some(_) => Ok(()),
        }
    }

    fn store(&mut self, args: &[Arg], by_uid: bool) -> Outcome {
        self.writable()?;
        let (set, rest) = args.split_first().ok_or("BAD STORE takes a set")?;
        let (unchanged_since, rest) = match rest {
            [Arg::List(modifier), rest @ ..] if self.features.condstore => {
                let value = modifier.get(1).and_then(Arg::text);
                (value.and_then(|text| text.parse::<u64>().ok()), rest)
            }
            rest => (None, rest),
        };
        let (item, flags) = rest.split_first().ok_or("BAD STORE takes an item")?;
        let item = item.word().ok_or("BAD store item")?;
        let silent = item.ends_with(".SILENT");
        let change = match item.trim_end_matches(".SILENT") {
            "FLAGS" => Change::Replace,
            "+FLAGS" => Change::Add,
            "-FLAGS" => Change::Remove,
            _ => return Err(format!("BAD store item {item}")),
        };
        let flags: Option<Vec<String>> = match flags {
            [Arg::List(list)] => list.iter().map(Arg::text).collect(),
            atoms => atoms.iter().map(Arg::text).collect(),
        };
        let mut flags = flags.ok_or("BAD flags")?;
        if let Some(flag) = flags.iter().find(|flag| !is_flag(flag)) {
            return Err(format!("BAD flag {flag}"));
        }
        flags.retain(|flag| self.features.keeps(flag));
        let (name, picked) = self.pick(set, by_uid)?;
        let mut modified = Vec::new();
        for (number, uid) in picked {
            let Some((own, mod_sequence)) =
                self.change(&name, uid, change, &flags, unchanged_since)
            else {
                modified.push(if by_uid { uid } else { number as u32 });
                continue;
            };
            let condstore = unchanged_since.is_some() || self.qresync;
            if !silent || condstore {
                let mut parts = Vec::new();
                if by_uid {
                    parts.push(format!("UID {uid}"));
                }
                if !silent {
                    parts.push(format!("FLAGS ({})", own.join(" ")));
                }
                if condstore {
                    parts.push(format!("MODSEQ ({mod_sequence})"));
                }
                self.say(&format!("* {number} FETCH ({})", parts.join(" ")));
            }
        }
        self.report_changes(if by_uid { Expunges::Told } else { Expunges::Held });
        if modified.is_empty() {
            return Ok("OK done".into());
        }
        Ok(format!("OK [MODIFIED {}] some were changed meanwhile", sets::print(&modified)))
    }

    /// The message's flags afterwards; `None` where it was changed since.
    fn change(
        &self,
        name: &str,
        uid: u32,
        change: Change,
        flags: &[String],
        unchanged_since: Option<u64>,
    ) -> Option<(Vec<String>, u64)> {
        let mut account = self.account.lock();
        let folder = account.folders.get_mut(name)?;
        let next = folder.mod_sequence + 1;
        let message = folder.messages.iter_mut().find(|message| message.uid == uid)?;
        if unchanged_since.is_some_and(|since| message.mod_sequence > since) {
            return None;
        }
        let before = message.flags.clone();
        match change {
            Change::Replace => message.flags = flags.to_vec(),
            Change::Add => message.flags.extend(flags.iter().cloned()),
            Change::Remove => message.flags.retain(|own| !has(flags, own)),
        }
        message.flags.sort();
        message.flags.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        if message.flags != before {
            message.mod_sequence = next;
            let changed = (message.flags.clone(), next);
            folder.mod_sequence = next;
            return Some(changed);
        }
        Some((before, message.mod_sequence))
    }

    fn copy(&mut self, args: &[Arg], by_uid: bool, and_remove: bool) -> Outcome {
        let [set, target] = args else { return Err("BAD a set and a mailbox are expected".into()) };
        if and_remove {
            self.writable()?;
        }
        let target = self.name_in(target)?;
        let (source, picked) = self.pick(set, by_uid)?;
        let uids: Vec<u32> = picked.iter().map(|(_, uid)| *uid).collect();
        let mut account = self.account.lock();
        if account.folders.get(&target).is_none_or(|folder| folder.no_select) {
            return Err("NO [TRYCREATE] no such mailbox".into());
        }
        let messages: Vec<(u32, Message)> = account
            .folders
            .get(&source)
            .into_iter()
            .flat_map(|folder| &folder.messages)
            .filter(|message| uids.contains(&message.uid))
            .map(|it| {
                let (bytes, flags) = (it.bytes.clone(), it.flags.clone());
                (it.uid, Message { bytes, flags, internal_date: it.internal_date.clone() })
            })
            .collect();
        let (old, messages): (Vec<u32>, Vec<Message>) = messages.into_iter().unzip();
        let folder = account.folders.get_mut(&target).ok_or("NO [TRYCREATE] no such mailbox")?;
        let new: Vec<u32> = messages.into_iter().map(|message| folder.put(message)).collect();
        let validity = folder.uid_validity;
        if and_remove && let Some(folder) = account.folders.get_mut(&source) {
            folder.expunge(&old);
        }
        drop(account);
        let uidplus = (self.features.uidplus || self.rev2) && !new.is_empty();
        let code = format!("[COPYUID {validity} {} {}]", sets::print(&old), sets::print(&new));
        if and_remove {
            if uidplus {
                self.say(&format!("* OK {code} moved"));
            }
            self.report_changes(Expunges::Told);
            return Ok("OK done".into());
        }
        self.report_changes(Expunges::Held);
        Ok(if uidplus { format!("OK {code} copied") } else { "OK done".into() })
    }

    fn expunge(&mut self, set: Option<&Arg>) -> Outcome {
        self.writable()?;
        let chosen = match set {
            None => None,
            Some(set) => Some(self.pick(set, true)?.1),
        };
        let name = self.selected.as_ref().map(|selected| selected.name.clone());
        let name = name.ok_or("BAD no mailbox is selected")?;
        {
            let mut account = self.account.lock();
            let folder = account.folders.get_mut(&name).ok_or("NO the mailbox is gone")?;
            let in_set = |uid: u32| match &chosen {
                None => true,
                Some(chosen) => chosen.iter().any(|(_, picked)| *picked == uid),
            };
            let gone: Vec<u32> = folder
                .messages
                .iter()
                .filter(|message| has(&message.flags, "\\Deleted") && in_set(message.uid))
                .map(|message| message.uid)
                .collect();
            if !gone.is_empty() {
                folder.expunge(&gone);
            }
        }
        self.report_changes(Expunges::Told);
        Ok("OK done".into())
    }
}
