//! Listing and reading messages: FETCH and UID FETCH (RFC 9051 sections 6.4.5 and 7.5.2).

use bytes::Bytes;
use wire::Stream;

use crate::attributes::{Attributes, FetchItems};
use crate::cursor::Cursor;
use crate::dialogue::{Heard, UNASKED_MAX};
use crate::error::Error;
use crate::fetching::{Asked, Fetch, Part, Range, Ready};
use crate::input::Bodies;
use crate::reply::Reply;
use crate::response::{Fetched, Line};
use crate::session::Session;
use mailbox::UidSet;
use mailbox::uid_set::SET_TEXT_MAX;

/// Which messages a FETCH is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sequence {
    /// These UIDs; a set too long for one command line goes out in several.
    Uids(UidSet),
    /// UIDs from this one on. Unlike `n:*` on the line, it never yields a message below `n`.
    UidsFrom(u32),
    /// Sequence numbers, both ends included.
    Numbers {
        /// First, from 1.
        first: u32,
        /// Last; `None` is the last message of the mailbox.
        last: Option<u32>,
    },
}

/// What comes next of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchEvent {
    /// A message; where its `body` is given, chunks and [`FetchEvent::EndOfBody`] follow.
    Message(Attributes),
    /// Octets of the body.
    Chunk(Bytes),
    /// The body is complete. Carries what the server put after it; merge it with
    /// [`Attributes::merge`].
    EndOfBody(Attributes),
    /// UIDs that are gone (RFC 7162 section 3.2.10).
    Vanished(UidSet),
    /// The oldest outstanding fetch is complete.
    Done,
    /// The oldest outstanding fetch is over, and the server refused it or a part of it.
    Refused(Reply),
}

impl<S: Stream> Session<S> {
    /// Asks about messages without waiting. Several fetches may be outstanding, and
    /// [`Session::next`] gives the events of the oldest.
    pub async fn start_fetch(
        &mut self,
        sequence: &Sequence,
        items: FetchItems,
    ) -> Result<(), Error> {
        if !self.appending.is_idle() {
            return Err(Error::OutOfTurn { what: "an append is not finished" });
        }
        let capabilities = &self.state.capabilities;
        let qresync = self.state.enabled.iter().any(|word| word == "QRESYNC");
        let text = items.text(capabilities.condstore(), qresync, capabilities.gmail());
        let ranges = sequence.ranges();
        let count = ranges.len();
        for (n, (set, range)) in ranges.into_iter().enumerate() {
            let mut tag = None;
            if !set.is_empty() {
                let command = self.command(&set).text(" ").text(&text);
                tag = Some(command.tag);
                self.send(command).await?;
            }
            let goes_on = n + 1 < count;
            let left = range.count();
            let fetch = Fetch { tag, range, items, left, goes_on, reply: None };
            self.fetching.queue.push_back(Asked::Fetch(fetch));
        }
        self.flush().await
    }

    /// The next event of the oldest outstanding fetch.
    ///
    /// FETCH responses that are no answer to any (another client set a flag) are left out. A
    /// server may send the messages of the next fetch before its reply to the oldest; that is
    /// [`FetchEvent::Done`] then, and should the late reply be a refusal, it comes as
    /// [`FetchEvent::Refused`] at the end of a later one. So what was asked for and did not come
    /// counts as not delivered, whichever event ends the fetch.
    pub async fn next(&mut self) -> Result<FetchEvent, Error> {
        match std::mem::take(&mut self.fetching.part) {
            Part::Between => self.next_message().await,
            Part::Body { number, left: 0 } => {
                let rest = self.input.response(&mut self.stream, Bodies::Rest).await?;
                let fetched = Fetched::read_rest(number, &rest.bytes, self.state.spelling);
                let fetched = fetched.map_err(|m| self.malformed(m, &rest.bytes))?;
                Ok(FetchEvent::EndOfBody(fetched.attributes))
            }
            Part::Body { number, left } => {
                let chunk = self.input.chunk(&mut self.stream, left).await?;
                let left = left - chunk.len() as u64;
                self.fetching.part = Part::Body { number, left };
                Ok(FetchEvent::Chunk(chunk))
            }
            Part::Gathered { number, body: Some(body) } if !body.is_empty() => {
                self.fetching.part = Part::Gathered { number, body: None };
                Ok(FetchEvent::Chunk(body))
            }
            Part::Gathered { number, .. } => {
                Ok(FetchEvent::EndOfBody(Attributes { number, ..Attributes::default() }))
            }
        }
    }

    async fn next_message(&mut self) -> Result<FetchEvent, Error> {
        for _ in 0..UNASKED_MAX {
            match self.fetching.ready() {
                Ready::Message(attributes) => return Ok(FetchEvent::Message(attributes)),
                Ready::Over { goes_on, reply } => {
                    let refused = reply.filter(|reply| !reply.is_ok());
                    let refused = self.fetching.refused.take().or(refused);
                    if goes_on {
                        self.fetching.refused = refused;
                        continue;
                    }
                    while self.fetching.owes_replies() {
                        self.hear_fetch().await?;
                    }
                    let refused = refused.or(self.fetching.refused.take());
                    return Ok(refused.map_or(FetchEvent::Done, FetchEvent::Refused));
                }
                Ready::Nothing => {}
                Ready::NoFetch => {
                    return Err(Error::OutOfTurn { what: "the oldest command is no fetch" });
                }
            }
            if let Some(vanished) = self.hear_fetch().await? {
                return Ok(FetchEvent::Vanished(vanished));
            }
        }
        Err(self.endless())
    }

    /// Reads one response and sorts it into the queue.
    async fn hear_fetch(&mut self) -> Result<Option<UidSet>, Error> {
        let response = match self.hear(self.fetching.bodies()).await? {
            Heard::Data(response) => response,
            Heard::Tagged(tag, reply) => {
                let known = self.fetching.settle(tag, reply);
                return if known { Ok(None) } else { Err(self.stranger()) };
            }
            Heard::Continue(text) => {
                let what = "a request for more that nothing called for";
                return Err(self.input.unreadable(what, &text));
            }
            Heard::Status(_) => return Ok(None),
        };
        let bytes = &response.bytes;
        let taken = match Line::read(bytes).map_err(|m| self.malformed(m, bytes))? {
            Line::Fetch(number, cursor) => {
                let fetched = Fetched::read(number, cursor, self.state.spelling);
                let fetched = fetched.map_err(|m| self.malformed(m, bytes))?;
                self.fetching.take_in(fetched, response.body)
            }
            Line::Vanished(cursor) => return Ok(read_vanished(cursor)),
            _ => false,
        };
        if let Some(octets) = response.body.filter(|_| !taken) {
            self.input.discard(&mut self.stream, octets).await?;
            self.input.response(&mut self.stream, Bodies::Rest).await?;
        }
        Ok(None)
    }
}

impl Sequence {
    /// The commands to send, without items, and what each asks for.
    fn ranges(&self) -> Vec<(String, Range)> {
        match self {
            Sequence::Uids(uids) if uids.is_empty() => {
                vec![(String::new(), Range::Uids(UidSet::new()))]
            }
            Sequence::Uids(uids) => {
                let pieces = uids.pieces(SET_TEXT_MAX).into_iter();
                pieces.map(|set| (format!("UID FETCH {set}"), Range::Uids(set))).collect()
            }
            Sequence::UidsFrom(uid) => {
                vec![(format!("UID FETCH {}:*", (*uid).max(1)), Range::UidsFrom(*uid))]
            }
            Sequence::Numbers { first, last } => {
                let end = last.map_or("*".to_owned(), |last| last.to_string());
                let last = last.unwrap_or(u32::MAX);
                vec![(format!("FETCH {first}:{end}"), Range::Numbers { first: *first, last })]
            }
        }
    }
}

/// `"VANISHED" [SP "(EARLIER)"] SP known-uids` (RFC 7162 section 3.2.10).
fn read_vanished(mut cursor: Cursor<'_>) -> Option<UidSet> {
    if cursor.peek() == Some(b'(') {
        cursor.skip_value().ok()?;
        cursor.spaces();
    }
    UidSet::parse(cursor.atom())
}

#[cfg(test)]
mod tests {
    use wire::script::Script;

    use super::*;
    use crate::mailboxes::Mode;
    use crate::testing::{name, play, play_error};
    use mailbox::SystemFlag;
    use mailbox::{Flags, InternalDate};

    const BODY: FetchItems = FetchItems {
        flags: false,
        internal_date: false,
        size: false,
        message_id: false,
        modseq: false,
        body: true,
        gmail: false,
        changed_since: None,
        vanished: false,
    };
    const FLAGS: FetchItems = FetchItems { flags: true, body: false, ..BODY };

    fn uids(text: &str) -> Sequence {
        Sequence::Uids(UidSet::parse(text.as_bytes()).unwrap())
    }

    /// Events up to the end of one fetch, in short: chunks joined, messages by UID.
    async fn events(session: &mut Session<Script>) -> Result<Vec<String>, Error> {
        let mut events = Vec::new();
        let mut body = Vec::new();
        loop {
            match session.next().await? {
                FetchEvent::Message(own) => events.push(match own.body {
                    Some(octets) => format!("{} {octets}", own.uid),
                    None => own.uid.to_string(),
                }),
                FetchEvent::Chunk(chunk) => body.extend_from_slice(&chunk),
                FetchEvent::EndOfBody(rest) => {
                    let text = String::from_utf8_lossy(&body).into_owned();
                    body.clear();
                    events.push(format!("{text:?} {}", rest.uid));
                }
                FetchEvent::Vanished(uids) => events.push(format!("gone {uids}")),
                FetchEvent::Done => {
                    events.push("done".into());
                    return Ok(events);
                }
                FetchEvent::Refused(reply) => {
                    events.push(reply.to_string());
                    return Ok(events);
                }
            }
        }
    }

    fn check(dialogue: &str, sequences: &[(Sequence, FetchItems)], expected: &[&[&str]]) {
        let capabilities = "CONDSTORE X-GM-EXT-1 LITERAL+";
        let heard = play(capabilities, dialogue, async |session| {
            for (sequence, items) in sequences {
                session.start_fetch(sequence, *items).await?;
            }
            let mut heard = Vec::new();
            for _ in expected {
                heard.push(events(session).await?);
            }
            session.idle()?;
            Ok::<_, Error>(heard)
        });
        assert_eq!(heard.unwrap(), expected, "{dialogue}");
    }

    #[test]
    fn lists_with_all_items() {
        let items = FetchItems {
            flags: true,
            internal_date: true,
            size: true,
            message_id: true,
            modseq: true,
            gmail: true,
            ..FetchItems::default()
        };
        let listed = play(
            "CONDSTORE X-GM-EXT-1",
            "C: A1 FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ X-GM-MSGID X-GM-LABELS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])
             S: * 2 FETCH (UID 7 RFC822.SIZE 118 FLAGS (\\Seen $x) INTERNALDATE \" 5-Jan-2001 09:11:12 +0000\" X-GM-LABELS (\\Inbox) X-GM-MSGID 5 MODSEQ (9) BODY[HEADER.FIELDS (MESSAGE-ID)] {21}
             S: Message-ID: <a@b>
             S:
             S: )
             S: A1 OK done",
            async |session| {
                let all = Sequence::Numbers { first: 1, last: None };
                session.start_fetch(&all, items).await?;
                Ok::<_, Error>((session.next().await?, session.next().await?))
            },
        );
        let mut flags: Flags = [SystemFlag::Seen].into_iter().collect();
        flags.insert("$x");
        let own = Attributes {
            number: 2,
            uid: 7,
            flags: Some(flags),
            internal_date: InternalDate::new(978_685_872, 0),
            size: Some(118),
            message_id: Some((*b"<a@b>").into()),
            modseq: Some(9),
            body: None,
            gmail_message_id: Some(5),
            gmail_labels: vec!["\\Inbox".into()],
        };
        assert_eq!(listed, Ok((FetchEvent::Message(own), FetchEvent::Done)));
    }

    #[test]
    fn bodies_of_every_form() {
        check(
            "C: A1 UID FETCH 1:9 (UID BODY.PEEK[])
             S: * 1 FETCH (UID 1 BODY[] {7}
             S: Hello
             S: )
             S: * 2 FETCH (BODY[] {3}
             S: ab) UID 2 BODY[HEADER] {2}
             S: xx)
             S: * 3 FETCH (UID 3 BODY[] {0}
             S: )
             S: * 4 FETCH (UID 4 BODY[] NIL)
             S: * 5 FETCH (UID 5 BODY[] \"quo\\\"ted\")
             S: * 6 FETCH (UID 6 BODY[] \"\")
             S: * 7 FETCH (BODY[HEADER.FIELDS (MESSAGE-ID)] {4}
             S: a{9} UID 7 BODY[] {1}
             S: x)
             S: A1 OK done",
            &[(uids("1:9"), BODY)],
            &[&[
                "1 7",
                "\"Hello\\r\\n\" 0",
                "0 3",
                "\"ab)\" 2",
                "3 0",
                "\"\" 0",
                "4",
                "5 7",
                "\"quo\\\"ted\" 0",
                "6 0",
                "\"\" 0",
                "7 1",
                "\"x\" 0",
                "done",
            ]],
        );
    }

    #[test]
    fn what_nobody_asked_for_is_left_out() {
        check(
            "C: A1 UID FETCH 5:* (UID FLAGS)
             S: * 3 FETCH (FLAGS (\\Seen))
             S: * 4 FETCH (UID 4 FLAGS ())
             S: * 9 FETCH (UID 9 MODSEQ (7))
             S: * 5 FETCH (UID 5 BODY[] {2}
             S: xx FLAGS ())
             S: * 9 EXISTS
             S: * OK hi
             S: * 6 FETCH (UID 6 FLAGS ())
             S: A1 OK done",
            &[(Sequence::UidsFrom(5), FLAGS)],
            // A part of what is known about a message that was asked about.
            &[&["9", "6", "done"]],
        );
        check(
            "C: A1 UID FETCH 5:6 (UID BODY.PEEK[])
             S: * 5 FETCH (UID 7 BODY[] {2}
             S: xx)
             S: * 5 FETCH (UID 5 BODY[] {2}
             S: yy)
             S: * 5 FETCH (UID 5 FLAGS ())
             S: A1 OK done",
            &[(uids("5:6"), BODY)],
            &[&["5 2", "\"yy\" 0", "done"]],
        );
    }

    #[test]
    fn items_may_come_in_several_responses() {
        let items = FetchItems { size: true, ..FLAGS };
        check(
            "C: A1 FETCH 1:2 (UID FLAGS RFC822.SIZE)
             S: * 1 FETCH (UID 7 RFC822.SIZE 5)
             S: * 2 FETCH (FLAGS (\\Seen) UID 8)
             S: * 1 FETCH (FLAGS () UID 7)
             S: * 2 FETCH (UID 8 RFC822.SIZE 6)
             S: A1 OK done",
            &[(Sequence::Numbers { first: 1, last: Some(2) }, items)],
            &[&["7", "8", "7", "8", "done"]],
        );
        // A body that comes twice does not keep the last one out.
        check(
            "C: A1 UID FETCH 5:6 (UID BODY.PEEK[])
             S: * 1 FETCH (UID 5 BODY[] {1}
             S: a)
             S: * 1 FETCH (UID 5 BODY[] {1}
             S: a)
             S: * 2 FETCH (UID 6 BODY[] {1}
             S: b)
             S: A1 OK done",
            &[(uids("5:6"), BODY)],
            &[&["5 1", "\"a\" 0", "5 1", "\"a\" 0", "6 1", "\"b\" 0", "done"]],
        );
    }

    #[test]
    fn several_may_be_outstanding() {
        check(
            "C: A1 UID FETCH 1:2 (UID BODY.PEEK[])
             C: A2 UID FETCH 3 (UID BODY.PEEK[])
             C: A3 FETCH 4:5 (UID FLAGS)
             S: * 1 FETCH (UID 1 BODY[] {1}
             S: a)
             S: A1 OK done
             S: * 3 FETCH (UID 3 BODY[] {1}
             S: b)
             S: A2 NO [SERVERBUG] not all
             S: * 4 FETCH (UID 4 FLAGS ())
             S: A3 OK done",
            &[
                (uids("1:2"), BODY),
                (uids("3"), BODY),
                (Sequence::Numbers { first: 4, last: Some(5) }, FLAGS),
            ],
            &[
                &["1 1", "\"a\" 0", "done"],
                &["3 1", "\"b\" 0", "NO [SERVERBUG] not all"],
                &["4", "done"],
            ],
        );
    }

    #[test]
    fn replies_may_be_late_or_early() {
        // Dovecot 2.3.19 with two fetches on their way, and the same with a refusal.
        let dialogue = |first: &str, second: &str| {
            format!(
                "C: A1 UID FETCH 1:2 (UID BODY.PEEK[])
                 C: A2 UID FETCH 3:4 (UID BODY.PEEK[])
                 S: * 1 FETCH (UID 1 BODY[] {{1}}
                 S: a)
                 S: * 3 FETCH (UID 3 BODY[] {{1}}
                 S: b)
                 S: {first}
                 S: {second}"
            )
        };
        let asked = [(uids("1:2"), BODY), (uids("3:4"), BODY)];
        let both: [&[&str]; 2] = [&["1 1", "\"a\" 0", "done"], &["3 1", "\"b\" 0", "done"]];
        check(&dialogue("A1 OK done", "A2 OK done"), &asked, &both);
        check(&dialogue("A2 OK done", "A1 OK done"), &asked, &both);
        let refused: [&[&str]; 2] = [both[0], &["3 1", "\"b\" 0", "NO some"]];
        check(&dialogue("A1 NO some", "A2 OK done"), &asked, &refused);
        check(&dialogue("A2 OK done", "A1 NO some"), &asked, &refused);
        // The reply to the second overtakes all of the first.
        check(
            "C: A1 UID FETCH 1 (UID FLAGS)
             C: A2 UID FETCH 3 (UID FLAGS)
             S: A2 OK nothing there
             S: * 1 FETCH (UID 1 FLAGS ())
             S: A1 OK done",
            &[(uids("1"), FLAGS), (uids("3"), FLAGS)],
            &[&["1", "done"], &["done"]],
        );
    }

    #[test]
    fn the_same_messages_twice() {
        check(
            "C: A1 UID FETCH 1:2 (UID FLAGS)
             C: A2 UID FETCH 1:2 (UID FLAGS)
             S: * 1 FETCH (UID 1 FLAGS ())
             S: * 2 FETCH (UID 2 FLAGS ())
             S: * 1 FETCH (UID 1 FLAGS ())
             S: * 2 FETCH (UID 2 FLAGS ())
             S: A1 OK done
             S: A2 OK done",
            &[(uids("1:2"), FLAGS), (uids("1:2"), FLAGS)],
            &[&["1", "2", "done"], &["1", "2", "done"]],
        );
    }

    #[test]
    fn long_sets_go_out_in_pieces() {
        let set: UidSet = (1..2_000).map(|n| n * 3).collect();
        let pieces = set.pieces(SET_TEXT_MAX);
        assert_eq!(pieces.len(), 2);
        let dialogue = format!(
            "C: A1 UID FETCH {} (UID FLAGS)
             C: A2 UID FETCH {} (UID FLAGS)
             S: * 1 FETCH (UID 3 FLAGS ())
             S: A1 OK done
             S: * 9 FETCH (UID 5997 FLAGS ())
             S: A2 OK done",
            pieces[0], pieces[1]
        );
        check(&dialogue, &[(Sequence::Uids(set.clone()), FLAGS)], &[&["3", "5997", "done"]]);
        let refused = dialogue.replace("A1 OK done", "A1 NO no");
        check(&refused, &[(Sequence::Uids(set), FLAGS)], &[&["3", "5997", "NO no"]]);
        check("", &[(Sequence::Uids(UidSet::new()), FLAGS)], &[&["done"]]);
    }

    #[test]
    fn changes_and_what_vanished() {
        let since = FetchItems { changed_since: Some(12), vanished: true, modseq: true, ..FLAGS };
        check(
            "C: A1 UID FETCH 1:* (UID FLAGS MODSEQ) (CHANGEDSINCE 12)
             S: * VANISHED (EARLIER) 41,43:116
             S: * 9 FETCH (UID 117 FLAGS () MODSEQ (13))
             S: A1 OK done",
            &[(Sequence::UidsFrom(1), since)],
            &[&["gone 41,43:116", "117", "done"]],
        );
        let text = since.text(true, true, false);
        assert_eq!(text, "(UID FLAGS MODSEQ) (CHANGEDSINCE 12 VANISHED)");
        assert_eq!(since.text(false, true, false), "(UID FLAGS)");
    }

    #[test]
    fn select_and_fetch_share_a_round_trip() {
        let done = play(
            "",
            "C: A1 EXAMINE \"a\"
             C: A2 FETCH 1:* (UID FLAGS)
             C: A3 EXAMINE \"b\"
             C: A4 FETCH 1:* (UID FLAGS)
             S: * 1 EXISTS
             S: A1 OK [READ-ONLY] done
             S: * 1 FETCH (UID 5 FLAGS ())
             S: A2 OK done
             S: A3 NO none
             S: A4 BAD no mailbox",
            async |session| {
                let all = Sequence::Numbers { first: 1, last: None };
                for mailbox in ["a", "b"] {
                    session.start_select(&name(mailbox), Mode::ReadOnly).await?;
                    session.start_fetch(&all, FLAGS).await?;
                }
                let exists = session.selected().await?.exists;
                let first = events(session).await?;
                let refused = session.selected().await.unwrap_err().to_string();
                Ok::<_, Error>((exists, first, refused, events(session).await?))
            },
        );
        let (exists, first, refused, second) = done.unwrap();
        assert_eq!((exists, first), (1, vec!["5".to_owned(), "done".into()]));
        assert_eq!(
            (refused.as_str(), second),
            ("the server refused: NO none", vec!["BAD no mailbox".to_owned()])
        );
    }

    #[test]
    fn hostile_answers_end_at_once() {
        for answer in [
            "S: * 1 FETCH (UID 1 BODY[] {-1}",
            "S: * 1 FETCH (UID 1 BODY[] {99999999999999999999}",
            "S: * 1 FETCH (UID 1 ((((",
            "S: * 1 FETCH (UID 99999999999 BODY[] {1}\nS: x)",
            "S: * 99999999999 FETCH (UID 1)",
            "S: * 1 FETCH (UID 1 BODY[] {1}\nS: x",
            "S: * 1 FETCH (UID 1 BODY[] {9}\nS: x",
            "S: + ready",
            "S: A2 OK done",
            "S: * BYE bye",
            "S: * 1 FETCH",
        ] {
            let dialogue = format!("C: A1 UID FETCH 1 (UID BODY.PEEK[])\n{answer}");
            let error = play_error(&dialogue, async |session| {
                session.start_fetch(&uids("1"), BODY).await?;
                events(session).await
            });
            let clear = matches!(error, Error::Unreadable { .. } | Error::Bye(_) | Error::Wire(_));
            assert!(clear, "{answer}: {error:?}");
        }
    }

    #[test]
    fn out_of_turn() {
        let error = play_error("", async |session| session.next().await);
        assert!(matches!(error, Error::OutOfTurn { .. }));
        let error = play_error("C: A1 UID FETCH 1 (UID FLAGS)", async |session| {
            session.start_fetch(&uids("1"), FLAGS).await?;
            session.noop().await
        });
        assert!(matches!(error, Error::OutOfTurn { .. }));
    }
}
