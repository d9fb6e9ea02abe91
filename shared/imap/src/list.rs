//! Mailboxes of an account: NAMESPACE, LIST, LSUB and STATUS (RFC 9051 sections 6.3.9 to 6.3.11).

use std::collections::HashMap;

use wire::Stream;

use crate::command::Command;
use crate::cursor::Malformed;
use crate::dialogue::PIPELINE_MAX;
use crate::error::Error;
use crate::listed::{Mailbox, MailboxStatus, NAME_OCTETS_MAX, Namespace, Namespaces};
use crate::reply::Reply;
use crate::response::{Line, read_mailbox, read_namespaces, read_status_of};
use crate::session::Session;
use mailbox::{MailboxName, Spelling};

/// Most mailboxes of one account; more is a mistake or an attack, and would not fit into memory.
pub const MAILBOXES_MAX: usize = 100_000;

/// Most octets of names read for one list, those of LSUB and STATUS included: 100,000 names of
/// 40 octets in LIST and in STATUS.
const NAMES_MAX: usize = 8 * 1024 * 1024;

/// Mailboxes as they are heard, with the way from a name to its place.
#[derive(Default)]
struct Found {
    mailboxes: Vec<Mailbox>,
    places: HashMap<Vec<u8>, usize>,
    subscribed: Vec<MailboxName>,
    statuses: Vec<(MailboxName, MailboxStatus)>,
    octets: usize,
    overflow: bool,
}

impl Found {
    fn at(&mut self, name: &MailboxName) -> Option<&mut Mailbox> {
        let place = self.places.get(name.raw())?;
        self.mailboxes.get_mut(*place)
    }

    /// Whether there is room for another name.
    fn has_room(&mut self, name: &MailboxName) -> bool {
        self.octets += name.raw().len();
        let full = self.mailboxes.len() >= MAILBOXES_MAX || self.octets > NAMES_MAX;
        self.overflow |= full;
        !full
    }

    fn hear(&mut self, line: Line<'_>, spelling: Spelling) -> Result<(), Malformed> {
        match line {
            Line::List(mut cursor) => {
                let mailbox = read_mailbox(&mut cursor, spelling)?;
                self.add(mailbox);
            }
            Line::Lsub(mut cursor) if !self.overflow => {
                let name = read_mailbox(&mut cursor, spelling)?.name;
                if self.has_room(&name) {
                    self.subscribed.push(name);
                }
            }
            Line::StatusOf(mut cursor) if !self.overflow => {
                let (name, status) = read_status_of(&mut cursor, spelling)?;
                if name.raw().len() <= NAME_OCTETS_MAX && self.has_room(&name) {
                    self.statuses.push((name, status));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, mailbox: Mailbox) {
        if mailbox.overlong {
            // Another one may begin with the same octets.
            if self.has_room(&mailbox.name) {
                self.mailboxes.push(mailbox);
            }
        } else if let Some(own) = self.at(&mailbox.name) {
            // Seen: servers that list INBOX twice, once for each of two namespaces.
            own.subscribed |= mailbox.subscribed;
            own.special_use = own.special_use.or(mailbox.special_use);
        } else if self.has_room(&mailbox.name) {
            self.places.insert(mailbox.name.raw().to_vec(), self.mailboxes.len());
            self.mailboxes.push(mailbox);
        }
    }

    fn put_together(mut self) -> Result<Vec<Mailbox>, Error> {
        if self.overflow {
            return Err(Error::TooMany { what: "mailboxes", limit: MAILBOXES_MAX });
        }
        for name in std::mem::take(&mut self.subscribed) {
            if let Some(own) = self.at(&name) {
                own.subscribed = true;
            }
        }
        for (name, status) in std::mem::take(&mut self.statuses) {
            if let Some(own) = self.at(&name) {
                own.status = Some(status);
            }
        }
        Ok(self.mailboxes)
    }
}

impl<S: Stream> Session<S> {
    /// Where mailboxes live; from NAMESPACE, or from `LIST "" ""` where that is not announced.
    pub async fn namespace(&mut self) -> Result<Namespaces, Error> {
        let spelling = self.state.spelling;
        let mut namespaces = None;
        if self.state.capabilities.namespace() {
            let command = self.command("NAMESPACE");
            let hear = |line: Line<'_>| {
                if let Line::Namespace(mut cursor) = line {
                    namespaces = Some(read_namespaces(&mut cursor, spelling)?);
                }
                Ok(())
            };
            // A server that refuses what it announces still has a delimiter.
            self.answer(command, hear).await?;
        }
        if let Some(namespaces) = namespaces {
            return Ok(namespaces);
        }
        let command = self.command("LIST \"\" \"\"");
        let mut delimiter = None;
        self.run(command, |line| {
            if let Line::List(mut cursor) = line {
                delimiter = read_mailbox(&mut cursor, spelling)?.delimiter;
            }
            Ok(())
        })
        .await?;
        let prefix = MailboxName::new("", spelling);
        Ok(Namespaces { personal: vec![Namespace { prefix, delimiter }], ..Namespaces::default() })
    }

    /// All mailboxes, with subscription and special use, and with STATUS of the selectable ones
    /// where `with_status` asks for it; in one round trip on servers with LIST-STATUS, else two.
    pub async fn list(&mut self, with_status: bool) -> Result<Vec<Mailbox>, Error> {
        self.list_after(None, with_status).await
    }

    /// Where mailboxes live, and all of them as [`Session::list`] tells: in one round trip on
    /// servers with NAMESPACE and LIST-STATUS.
    pub async fn look_around(
        &mut self,
        with_status: bool,
    ) -> Result<(Namespaces, Vec<Mailbox>), Error> {
        let mut namespaces = None;
        if self.state.capabilities.namespace() {
            let mailboxes = self.list_after(Some(&mut namespaces), with_status).await?;
            if let Some(namespaces) = namespaces {
                return Ok((namespaces, mailboxes));
            }
        }
        Ok((self.namespace().await?, self.list(with_status).await?))
    }

    async fn list_after(
        &mut self,
        mut namespaces: Option<&mut Option<Namespaces>>,
        with_status: bool,
    ) -> Result<Vec<Mailbox>, Error> {
        let namespace = namespaces.as_ref().map(|_| self.command("NAMESPACE"));
        let before = usize::from(namespace.is_some());
        let (list, lsub, status_after) = self.list_commands(with_status);
        let spelling = self.state.spelling;
        let mut found = Found::default();
        let commands: Vec<Command> = [namespace, Some(list), lsub].into_iter().flatten().collect();
        let hear = |_, line: Line<'_>| match (line, &mut namespaces) {
            (Line::Namespace(mut cursor), Some(namespaces)) => {
                **namespaces = Some(read_namespaces(&mut cursor, spelling)?);
                Ok(())
            }
            (line, _) => found.hear(line, spelling),
        };
        let replies = self.run_all(commands, hear).await?;
        // A refused LSUB costs the subscriptions; a refused LIST leaves nothing to do.
        if let Some(reply) = replies.into_iter().nth(before).filter(|reply| !reply.is_ok()) {
            return Err(Error::Refused(reply));
        }
        let mut mailboxes = found.put_together()?;
        if status_after {
            let open: Vec<usize> =
                (0..).zip(&mailboxes).filter(|(_, own)| own.selectable).map(|(at, _)| at).collect();
            let names: Vec<MailboxName> = open
                .iter()
                .filter_map(|at| mailboxes.get(*at).map(|own| own.name.clone()))
                .collect();
            for (at, (_, status)) in open.into_iter().zip(self.status(&names).await?) {
                // What a server cannot tell now is not what it never tells.
                if let Err(reply) = &status
                    && reply.is_temporary()
                {
                    return Err(Error::Refused(reply.clone()));
                }
                if let Some(own) = mailboxes.get_mut(at) {
                    own.status = status.ok();
                }
            }
        }
        Ok(mailboxes)
    }

    /// LIST with all that the server can tell at once, LSUB where it cannot tell subscriptions,
    /// and whether STATUS has to be asked afterwards.
    fn list_commands(&mut self, with_status: bool) -> (Command, Option<Command>, bool) {
        let items = self.status_items();
        let capabilities = &self.state.capabilities;
        let extended = capabilities.list_extended();
        if !extended {
            // XLIST tells what RFC 6154 would; both at once would list everything twice.
            let xlist = capabilities.xlist() && !capabilities.special_use();
            let verb = if xlist { "XLIST" } else { "LIST" };
            let list = self.command(verb).text(" \"\" \"*\"");
            let lsub = self.command("LSUB \"\" \"*\"");
            return (list, Some(lsub), with_status);
        }
        let at_once = with_status && capabilities.list_status();
        let mut options = vec!["SUBSCRIBED".to_owned(), "CHILDREN".to_owned()];
        if capabilities.special_use() {
            options.push("SPECIAL-USE".to_owned());
        }
        if at_once {
            options.push(format!("STATUS ({items})"));
        }
        let text = format!(" \"\" \"*\" RETURN ({})", options.join(" "));
        (self.command("LIST").text(&text), None, with_status && !at_once)
    }

    /// MAILBOXID is not asked for: Cyrus 3.10.1 answers with random octets (observed 2026-11),
    /// and SELECT tells it.
    fn status_items(&self) -> String {
        let capabilities = &self.state.capabilities;
        let mut items = "MESSAGES UIDNEXT UIDVALIDITY".to_owned();
        for (announced, item) in
            [(capabilities.status_size(), " SIZE"), (capabilities.condstore(), " HIGHESTMODSEQ")]
        {
            items.push_str(if announced { item } else { "" });
        }
        items
    }

    /// STATUS of each name, pipelined; a refusal belongs to its name.
    pub async fn status(
        &mut self,
        names: &[MailboxName],
    ) -> Result<Vec<(MailboxName, Result<MailboxStatus, Reply>)>, Error> {
        let items = format!(" ({})", self.status_items());
        let spelling = self.state.spelling;
        let mut commands = Vec::with_capacity(names.len());
        for name in names {
            commands.push(self.command("STATUS").mailbox(name)?.text(&items));
        }
        let mut statuses = vec![MailboxStatus::default(); names.len()];
        let hear = |position: usize, line: Line<'_>| {
            if let Line::StatusOf(mut cursor) = line {
                let (name, status) = read_status_of(&mut cursor, spelling)?;
                // By name among those on their way, else by position: servers may spell the name
                // in another way.
                let on_their_way = names.iter().skip(position).take(PIPELINE_MAX);
                let ahead = on_their_way.take_while(|own| **own != name).count();
                let ahead = if names.get(position + ahead) == Some(&name) { ahead } else { 0 };
                statuses.get_mut(position + ahead).map(|own| *own = status).unwrap_or_default();
            }
            Ok(())
        };
        let replies = self.run_all(commands, hear).await?;
        let results = replies
            .into_iter()
            .zip(statuses)
            .map(|(reply, status)| if reply.is_ok() { Ok(status) } else { Err(reply) });
        Ok(names.iter().cloned().zip(results).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{name, play, play_error};
    use mailbox::SpecialUse;

    /// Mailboxes in short: name, delimiter, what they are, number of messages.
    fn brief(mailboxes: Vec<Mailbox>) -> Vec<String> {
        let word = |own: &Mailbox| {
            let special = own.special_use.map_or("", SpecialUse::attribute);
            let messages = own.status.as_ref().and_then(|status| status.messages);
            let messages = messages.map_or(String::new(), |n| format!(" {n}"));
            let marks = [(own.subscribed, " sub"), (!own.selectable, " closed")];
            let marks: String = marks.iter().filter(|mark| mark.0).map(|mark| mark.1).collect();
            format!("{} {:?} {special}{marks}{messages}", own.name, own.delimiter)
        };
        mailboxes.iter().map(word).collect()
    }

    fn check(capabilities: &str, with_status: bool, dialogue: &str, expected: &[&str]) {
        let listed = play(capabilities, dialogue, async |session| session.list(with_status).await);
        assert_eq!(brief(listed.unwrap()), expected, "{dialogue}");
    }

    #[test]
    fn everything_in_one_round_trip() {
        check(
            "LIST-EXTENDED LIST-STATUS SPECIAL-USE STATUS=SIZE CONDSTORE",
            true,
            "C: A1 LIST \"\" \"*\" RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (MESSAGES UIDNEXT UIDVALIDITY SIZE HIGHESTMODSEQ))
             S: * LIST (\\Subscribed \\HasNoChildren) \".\" INBOX
             S: * STATUS INBOX (MESSAGES 3 UIDNEXT 5 UIDVALIDITY 1 SIZE 99 HIGHESTMODSEQ 7 MAILBOXID (x))
             S: * LIST (\\NonExistent) \".\" \"INBOX.a b\"
             S: * LIST (\\Sent) \".\" {10}
             S: INBOX.Sent
             S: * STATUS INBOX.Sent (MESSAGES 0)
             S: * LIST (\\Subscribed) \".\" inbox
             S: A1 OK done",
            &["INBOX Some('.')  sub 3", "INBOX.a b Some('.')  closed", "INBOX.Sent Some('.') \\Sent 0"],
        );
        check(
            "LIST-EXTENDED",
            false,
            "C: A1 LIST \"\" \"*\" RETURN (SUBSCRIBED CHILDREN)
             S: A1 OK done",
            &[],
        );
    }

    #[test]
    fn old_servers_take_two() {
        check(
            "",
            true,
            "C: A1 LIST \"\" \"*\"
             C: A2 LSUB \"\" \"*\"
             S: * LIST () \"/\" INBOX
             S: * LIST (\\Noselect) \"/\" a
             S: * LIST () \"/\" a/b
             S: A1 OK done
             S: * LSUB () \"/\" a/b
             S: * LSUB () \"/\" gone
             S: A2 OK done
             C: A3 STATUS \"INBOX\" (MESSAGES UIDNEXT UIDVALIDITY)
             C: A4 STATUS \"a/b\" (MESSAGES UIDNEXT UIDVALIDITY)
             S: * STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)
             S: A3 OK done
             S: A4 NO denied",
            &["INBOX Some('/')  1", "a Some('/')  closed", "a/b Some('/')  sub"],
        );
        check(
            "XLIST",
            false,
            "C: A1 XLIST \"\" \"*\"
             C: A2 LSUB \"\" \"*\"
             S: * XLIST (\\HasNoChildren \\Inbox) \"/\" \"Inbox\"
             S: * XLIST (\\AllMail) \"/\" \"[Gmail]/All Mail\"
             S: A1 OK done
             S: A2 NO not today",
            &["INBOX Some('/') ", "[Gmail]/All Mail Some('/') \\All"],
        );
    }

    #[test]
    fn a_refused_list_is_an_error() {
        let refused = play(
            "",
            "C: A1 LIST \"\" \"*\"\nC: A2 LSUB \"\" \"*\"\nS: A1 NO no\nS: A2 OK",
            async |s| s.list(false).await.map_err(|error| error.to_string()),
        );
        assert_eq!(refused, Err("the server refused: NO no".into()));
    }

    #[test]
    fn endless_lists_end() {
        let many: String =
            (0..=MAILBOXES_MAX).map(|n| format!("S: * LIST () \"/\" m{n}\n")).collect();
        let long: String = (0..10_000)
            .map(|n| format!("S: * LIST () \"/\" \"{}\"\n", format!("{n:05}").repeat(180)))
            .collect();
        for dialogue in [many, long] {
            let dialogue = format!(
                "C: A1 LIST \"\" \"*\"\nC: A2 LSUB \"\" \"*\"\n{dialogue}S: A1 OK\nS: A2 OK"
            );
            let error = play_error(&dialogue, async |session| session.list(false).await);
            assert_eq!(error, Error::TooMany { what: "mailboxes", limit: MAILBOXES_MAX });
        }
    }

    /// Names that no server makes cost their folders, and nothing else.
    #[test]
    fn overlong_names_are_told_by_their_beginning() {
        let long: String = (0..15)
            .map(|n| format!("S: * LIST () \"/\" \"{n:05}{}\"\n", "漢".repeat(2_000)))
            .collect();
        let dialogue = format!(
            "C: A1 LIST \"\" \"*\"\nC: A2 LSUB \"\" \"*\"\n{long}S: * LIST () \"/\" \"{}\"\nS: A1 OK\nS: A2 OK",
            "x".repeat(NAME_OCTETS_MAX)
        );
        let listed = play("", &dialogue, async |session| session.list(false).await).unwrap();
        assert_eq!(listed.len(), 16);
        for (n, own) in listed.iter().take(15).enumerate() {
            assert!(own.overlong && !own.selectable);
            assert_eq!(own.name.text(), format!("{n:05}{}", "漢".repeat(331)));
        }
        assert!(listed.last().is_some_and(|own| !own.overlong && own.selectable));
    }

    #[test]
    fn statuses_by_name() {
        let names = [name("a"), name("Ünï"), name("c")];
        let statuses = play(
            "LIST-STATUS",
            "C: A1 STATUS \"a\" (MESSAGES UIDNEXT UIDVALIDITY)
             C: A2 STATUS \"&ANw-n&AO8-\" (MESSAGES UIDNEXT UIDVALIDITY)
             C: A3 STATUS \"c\" (MESSAGES UIDNEXT UIDVALIDITY)
             S: * STATUS \"&ANw-n&AO8-\" (MESSAGES 2)
             S: * STATUS a (MESSAGES 1 RECENT 7)
             S: A2 OK done
             S: A1 OK done
             S: A3 NO [NONEXISTENT] none",
            async |session| session.status(&names).await,
        );
        let found: Vec<_> = statuses
            .unwrap()
            .into_iter()
            .map(|(name, status)| (name, status.map(|own| own.messages).map_err(|no| no.text)))
            .collect();
        let [a, b, c] = names.clone();
        assert_eq!(found, [(a, Ok(Some(1))), (b, Ok(Some(2))), (c, Err("none".into()))]);
    }

    #[test]
    fn namespaces_with_and_without() {
        let read = |capabilities, dialogue: &str| {
            let namespaces =
                play(capabilities, dialogue, async |session| session.namespace().await);
            let first = namespaces.unwrap().personal.remove(0);
            (first.prefix.text().to_owned(), first.delimiter)
        };
        let own = "C: A1 NAMESPACE\nS: * NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\nS: A1 OK";
        assert_eq!(read("NAMESPACE", own), ("INBOX.".into(), Some('.')));
        let list = "LIST \"\" \"\"\nS: * LIST (\\Noselect) \"/\" \"\"\n";
        assert_eq!(read("", &format!("C: A1 {list}S: A1 OK")), (String::new(), Some('/')));
        let refused = format!("C: A1 NAMESPACE\nS: A1 NO\nC: A2 {list}S: A2 OK");
        assert_eq!(read("NAMESPACE", &refused), (String::new(), Some('/')));
    }
}
