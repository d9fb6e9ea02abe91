//! Listing and reading messages: UIDL, LIST, RETR and TOP (RFC 1939 sections 5 and 7).

use bytes::Bytes;
use wire::Stream;

use crate::error::{Error, unreadable};
use crate::reply::Reply;
use crate::session::Session;

/// The most messages of a maildrop: some 60 bytes of memory each while they are compared with what
/// is known, and no server is known that lists as many in any useful time.
pub const MESSAGES_MAX: usize = 500_000;

/// Commands that may wait for their answers where the server allows it. They fit into any
/// buffer, so that neither side waits for the other to read (RFC 2449 section 6.6), and are
/// answered in less than the time a slice may go on without looking at its clock.
const WINDOW: usize = 64;

/// A line of the listing; those with names come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed<'a> {
    /// UIDL: the message's name, the same in every session. RFC 1939 allows 70 octets; what is
    /// longer and fits a line is taken as it is.
    Named {
        /// Message number, in this session.
        number: u32,
        /// Its name.
        unique_id: &'a [u8],
    },
    /// LIST: octets as the server counts them, which need not be those it delivers.
    Sized {
        /// Message number, in this session.
        number: u32,
        /// Octets.
        size: u64,
    },
}

/// What is asked about a message; neither changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// RETR: all of it.
    Retrieve(u32),
    /// TOP without lines of the body: its header and the empty line.
    Header(u32),
}

impl<S: Stream> Session<S> {
    /// Lists all messages, and answers how many there are as the server counts them (STAT); `None`
    /// where it does not say: a list that is shorter than that leaves a message out. A server
    /// without UIDL is [`Error::NoIdentifiers`].
    pub async fn listing(&mut self, take: impl FnMut(Listed<'_>)) -> Result<Option<u32>, Error> {
        let listed = self.list(take).await;
        listed.map_err(|error| self.discreet(error))
    }

    async fn list(&mut self, mut take: impl FnMut(Listed<'_>)) -> Result<Option<u32>, Error> {
        let together = self.capabilities().pipelining();
        self.put("UIDL")?;
        if together {
            self.put("LIST")?;
            self.put("STAT")?;
        }
        self.flush().await?;
        let named = self.reply().await?;
        if named.ok {
            self.lines(|line| {
                let (number, rest) = numbered(line)?;
                if rest.is_empty() {
                    let sentence = format!("message {number} has no unique-id");
                    return Err(Error::NoIdentifiers(sentence));
                }
                take(Listed::Named { number, unique_id: rest });
                Ok(())
            })
            .await?;
        }
        if !together {
            self.put("LIST")?;
            self.flush().await?;
        }
        let sized = self.reply().await?;
        if sized.ok {
            self.lines(|line| {
                let (number, rest) = numbered(line)?;
                // Some servers write more behind the size (RFC 1939 section 5 allows it).
                let digits = rest.split(u8::is_ascii_whitespace).next().unwrap_or_default();
                let size = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                let size = size.ok_or_else(|| unreadable("no size in a listing", line))?;
                take(Listed::Sized { number, size });
                Ok(())
            })
            .await?;
        }
        if !together {
            self.put("STAT")?;
            self.flush().await?;
        }
        let counted = counted(&self.reply().await?);
        match (named.ok, sized.ok) {
            (true, true) => Ok(counted),
            // Some servers refuse to list nothing.
            (false, _) | (_, false) if counted == Some(0) => Ok(counted),
            (false, _) if !named.is_temporary() => Err(Error::NoIdentifiers(named.to_string())),
            (false, _) => Err(Error::Refused(named)),
            (true, false) => Err(Error::Refused(sized)),
        }
    }

    /// The lines of a short answer.
    async fn lines(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for _ in 0..=MESSAGES_MAX {
            let line = self.input.line(&mut self.stream).await?;
            if &line[..] == b"." {
                return Ok(());
            }
            take(&line)?;
        }
        Err(Error::TooMany { what: "messages", limit: MESSAGES_MAX })
    }

    /// How many commands may wait for their answers.
    pub fn window(&self) -> usize {
        if self.capabilities().pipelining() { WINDOW } else { 1 }
    }

    /// How many commands may be asked now.
    pub fn room(&self) -> usize {
        let window = self.window();
        // Without pipelining the answer must have come to its end.
        if window == 1 && self.input.in_content() {
            return 0;
        }
        window.saturating_sub(self.outstanding)
    }

    /// Commands whose answers have not begun.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Sends commands without waiting; [`Session::answer`] is called once for each, in order.
    pub async fn ask(&mut self, commands: &[Command]) -> Result<(), Error> {
        if commands.len() > self.room() {
            return Err(Error::OutOfTurn { what: "too many answers have not been read" });
        }
        for command in commands {
            match command {
                Command::Retrieve(number) => self.put(&format!("RETR {number}"))?,
                Command::Header(number) => self.put(&format!("TOP {number} 0"))?,
            }
        }
        self.outstanding += commands.len();
        self.flush().await
    }

    /// The status of the oldest command that was asked; where it is positive, the content is
    /// read with [`Session::chunk`] to its end.
    pub async fn answer(&mut self) -> Result<Reply, Error> {
        if self.outstanding == 0 || self.input.in_content() {
            return Err(Error::OutOfTurn { what: "no answer is due" });
        }
        let reply = self.reply().await?;
        self.outstanding -= 1;
        if reply.ok {
            self.input.begin_content();
        }
        Ok(reply)
    }

    /// The next octets of the content, as many as are at hand; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.input.chunk(&mut self.stream).await
    }
}

/// How many messages STAT counts; `None` where it is refused or no number.
fn counted(reply: &Reply) -> Option<u32> {
    let first = reply.text.split_ascii_whitespace().next().filter(|_| reply.ok)?;
    first.parse().ok()
}

/// `number SP rest`.
fn numbered(line: &[u8]) -> Result<(u32, &[u8]), Error> {
    let line = line.trim_ascii();
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = line.split_at(digits);
    let number = std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<u32>().ok());
    let number = number.ok_or_else(|| unreadable("no number in a listing", line))?;
    if number == 0 || usize::try_from(number).is_ok_and(|number| number > MESSAGES_MAX) {
        return Err(Error::TooMany { what: "messages", limit: MESSAGES_MAX });
    }
    Ok((number, rest.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Capabilities;
    use crate::testing::play;
    use wire::script::Script;

    fn pipelined(session: &mut Session<Script>) {
        let mut capabilities = Capabilities::default();
        capabilities.add(b"PIPELINING");
        session.state.capabilities = capabilities;
    }

    async fn listed(session: &mut Session<Script>) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let counted = session
            .listing(|line| {
                found.push(match line {
                    Listed::Named { number, unique_id } => {
                        format!("{number} {}", unique_id.escape_ascii())
                    }
                    Listed::Sized { number, size } => format!("{number} = {size}"),
                });
            })
            .await?;
        found.extend(counted.map(|counted| format!("{counted} in all")));
        Ok(found)
    }

    #[test]
    fn listings() {
        // RFC 1939 sections 5 and 7.
        let uidl = "S: +OK
            S: 1 whqtswO00WBw418f9t5JxYwZ
            S: 2 QhdPYR:00WBw1Ph7x7
            S: .";
        let list = "S: +OK 2 messages (320 octets)
            S: 1 120
            S: 2 200 and more
            S: .";
        let expected = [
            "1 whqtswO00WBw418f9t5JxYwZ",
            "2 QhdPYR:00WBw1Ph7x7",
            "1 = 120",
            "2 = 200",
            "3 in all",
        ];
        let expected = expected.map(str::to_owned).to_vec();
        let stat = "S: +OK 3 520";
        let one_by_one = format!("C: UIDL\n{uidl}\nC: LIST\n{list}\nC: STAT\n{stat}");
        assert_eq!(play(&one_by_one, listed), Ok(expected.clone()));
        for silent in ["S: -ERR what", "S: +OK", "S: +OK many"] {
            let silent = format!("C: UIDL\n{uidl}\nC: LIST\n{list}\nC: STAT\n{silent}");
            assert_eq!(play(&silent, listed), Ok(expected[..4].to_vec()));
        }
        let together = format!("C: UIDL\nC: LIST\nC: STAT\n{uidl}\n{list}\n{stat}");
        let done = play(&together, async |session| {
            pipelined(session);
            listed(session).await
        });
        assert_eq!(done, Ok(expected));
    }

    #[test]
    fn servers_without_names_are_refused_with_their_words() {
        let stat = "C: STAT\nS: +OK 2 320";
        let without = format!("C: UIDL\nS: -ERR unknown\nC: LIST\nS: +OK\nS: .\n{stat}");
        assert_eq!(play(&without, listed), Err(Error::NoIdentifiers("unknown".into())));
        let nameless = "C: UIDL\nS: +OK\nS: 1 \n";
        let sentence = "message 1 has no unique-id".to_owned();
        assert_eq!(play(nameless, listed), Err(Error::NoIdentifiers(sentence)));
        let empty = "C: UIDL\nS: -ERR nothing\nC: LIST\nS: -ERR nothing\nC: STAT\nS: +OK 0 0";
        assert_eq!(play(empty, listed), Ok(vec!["0 in all".to_owned()]));
    }

    #[test]
    fn hostile_listings_end_at_once() {
        for line in ["0 a", "500001 a", "4294967296 a", "-1 a", "a", ""] {
            let error = play(&format!("C: UIDL\nS: +OK\nS: {line}"), listed);
            assert!(error.is_err(), "{line}");
        }
        let error = play("C: UIDL\nS: +OK\nS: .\nC: LIST\nS: +OK\nS: 1 x", listed);
        assert!(matches!(error, Err(Error::Unreadable { .. })), "{error:?}");
    }

    async fn content(session: &mut Session<Script>) -> Result<String, Reply> {
        let reply = session.answer().await.unwrap();
        if !reply.ok {
            return Err(reply);
        }
        let mut all = Vec::new();
        while let Some(chunk) = session.chunk().await.unwrap() {
            assert!(!chunk.is_empty());
            all.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8(all).unwrap())
    }

    #[test]
    fn messages_one_after_the_other() {
        let dialogue = "C: RETR 1
            C: TOP 2 0
            C: RETR 9
            S: +OK 120 octets
            S: Subject: dots
            S: 
            S: ..
            S: ..a
            S: .
            S: +OK
            S: Subject: b
            S: 
            S: .
            S: -ERR no such message";
        let read = play(dialogue, async |session| {
            pipelined(session);
            let all = [Command::Retrieve(1), Command::Header(2), Command::Retrieve(9)];
            session.ask(&all).await.unwrap();
            let found = [content(session).await, content(session).await, content(session).await];
            assert_eq!(session.outstanding(), 0);
            assert!(matches!(session.answer().await, Err(Error::OutOfTurn { .. })));
            found
        });
        let [first, second, third] = read;
        assert_eq!(first.as_deref(), Ok("Subject: dots\r\n\r\n.\r\n.a\r\n"));
        assert_eq!(second.as_deref(), Ok("Subject: b\r\n\r\n"));
        assert_eq!(third.map_err(|reply| reply.text), Err("no such message".into()));
    }

    #[test]
    fn no_more_is_asked_than_the_server_allows() {
        play("C: RETR 1\nS: +OK\nS: .", async |session| {
            let two = [Command::Retrieve(1), Command::Retrieve(2)];
            assert!(matches!(session.ask(&two).await, Err(Error::OutOfTurn { .. })));
            session.ask(&two[..1]).await.unwrap();
            assert!(matches!(session.ask(&two[1..]).await, Err(Error::OutOfTurn { .. })));
            assert_eq!(content(session).await.as_deref(), Ok(""));
        });
    }

    #[test]
    fn a_cut_line_is_an_error() {
        let error = play("C: RETR 1\nS: +OK\nS: half", async |session| {
            session.ask(&[Command::Retrieve(1)]).await.unwrap();
            session.answer().await.unwrap();
            loop {
                match session.chunk().await {
                    Ok(Some(_)) => {}
                    other => return other.map(|_| ()),
                }
            }
        });
        assert_eq!(error, Err(wire::Error::Closed.into()));
    }
}
