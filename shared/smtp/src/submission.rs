//! Handing one message over (RFC 5321 section 3.3), in steps that a caller can write down between.

use memchr::memchr;
use wire::{Bytes, Stream};

use crate::error::Error;
use crate::reply::Reply;
use crate::session::Session;

/// Longest path with its brackets, RFC 5321 section 4.5.3.1.3.
const PATH_MAX: usize = 256;

/// From whom a message comes and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Address of the sender, which gets bounces.
    pub from: &'a str,
    /// Address of the recipient.
    pub to: &'a str,
}

impl<S: Stream> Session<S> {
    /// Says who sends what to whom; `Ok` once the server waits for the message. The commands go
    /// out as one where the server takes that (RFC 2920 section 3.1).
    pub async fn envelope(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Result<(), Error> {
        let [mail, recipient] = self.paths(envelope, message)?;
        if self.extensions.pipelining {
            let group = format!("{mail}\r\n{recipient}\r\nDATA\r\n");
            self.stream.write(Bytes::from(group)).await?;
            // All three are read before anything is concluded; the first refusal is the reason.
            let replies = [self.heard().await?, self.heard().await?, self.heard().await?];
            let [mail, recipient, data] = replies;
            must(&mail, Reply::is_done)?;
            must(&recipient, Reply::is_done)?;
            return must(&data, Reply::wants_more);
        }
        self.done(&mail).await?;
        self.done(&recipient).await?;
        must(&self.command("DATA").await?, Reply::wants_more)
    }

    /// Sends the message, and not yet the line that ends it: until [`Session::finish`] the server
    /// has nothing it could deliver.
    pub async fn content(&mut self, message: &[u8]) -> Result<(), Error> {
        Ok(self.stream.write(Bytes::from(stuffed(message))).await?)
    }

    /// Ends the message and reads what the server makes of it. Where the line breaks in here,
    /// nobody can tell whether the message was taken.
    pub async fn finish(&mut self) -> Result<Reply, Error> {
        let reply = self.command(".").await?;
        if reply.is_done() { Ok(reply) } else { Err(Error::Refused(reply)) }
    }

    /// The commands MAIL and RCPT.
    fn paths(&self, envelope: Envelope<'_>, message: &[u8]) -> Result<[String; 2], Error> {
        let known = &self.extensions;
        let mut mail = format!("MAIL FROM:<{}>", path(envelope.from)?);
        if let Some(limit) = known.size {
            let size = message.len();
            if limit > 0 && size > limit {
                return Err(Error::TooLarge { size, limit });
            }
            mail.push_str(&format!(" SIZE={size}"));
        }
        if !message.is_ascii() {
            if !known.eight_bit_mime {
                return Err(Error::Unsendable { what: "a mail with eight-bit characters" });
            }
            mail.push_str(" BODY=8BITMIME");
        }
        if !envelope.from.is_ascii() || !envelope.to.is_ascii() {
            if !known.smtp_utf8 {
                let what = "an address with characters beyond ASCII";
                return Err(Error::Unsendable { what });
            }
            mail.push_str(" SMTPUTF8");
        }
        Ok([mail, format!("RCPT TO:<{}>", path(envelope.to)?)])
    }
}

fn must(reply: &Reply, good: impl Fn(&Reply) -> bool) -> Result<(), Error> {
    if good(reply) { Ok(()) } else { Err(Error::Refused(reply.clone())) }
}

/// An address that can stand between brackets and ends no command.
fn path(address: &str) -> Result<&str, Error> {
    let harmful = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>');
    if address.is_empty() || address.len() > PATH_MAX || address.contains(harmful) {
        return Err(Error::Unsendable { what: "an e-mail address of this form" });
    }
    Ok(address)
}

/// The message with CRLF as its only line end, and a dot more before each line that begins with
/// one (RFC 5321 section 4.5.2).
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(message.len() + message.len() / 64 + 2);
    let mut rest = message;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
        rest = after;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.first() == Some(&b'.') {
            sent.push(b'.');
        }
        // RFC 5321 section 2.3.8: CR occurs only together with LF.
        sent.extend(line.iter().filter(|byte| **byte != b'\r'));
        sent.extend_from_slice(b"\r\n");
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::*;
    use laws::play;
    use wire::script::Script;

    const ENVELOPE: Envelope<'static> = Envelope { from: "t@a.example", to: "anna@b.example" };

    fn submitted(
        announced: &str,
        envelope: Envelope<'_>,
        message: &[u8],
        tail: &str,
    ) -> Result<String, Error> {
        let dialogue = format!("S: 220 x\nC: EHLO a.example\nS: 250-x\nS: 250 {announced}\n{tail}");
        play(&dialogue, async |script: Script| {
            let mut session = Session::greet(script, "a.example").await.unwrap();
            let result = async {
                session.envelope(envelope, message).await?;
                session.content(message).await?;
                Ok(session.finish().await?.to_string())
            };
            let result = result.await;
            (result, Some(session.stream))
        })
    }

    #[test]
    fn one_after_the_other() {
        let result = submitted(
            "SIZE 1000",
            ENVELOPE,
            b"Subject: x\r\n\r\n.\n..\n.a\nend",
            "C: MAIL FROM:<t@a.example> SIZE=25\nS: 250 ok\nC: RCPT TO:<anna@b.example>\n\
             S: 251 will forward\nC: DATA\nS: 354 go\nC: Subject: x\nC: \nC: ..\nC: ...\nC: ..a\n\
             C: end\nC: .\nS: 250 2.0.0 taken",
        );
        assert_eq!(result, Ok("250 2.0.0 taken".into()));
    }

    #[test]
    fn as_one_where_the_server_takes_that() {
        let start = "C: MAIL FROM:<t@a.example>\nC: RCPT TO:<anna@b.example>\nC: DATA\n";
        let with =
            |replies: &str| submitted("PIPELINING", ENVELOPE, b"x", &format!("{start}{replies}"));
        assert_eq!(with("S: 250 a\nS: 250 b\nS: 354 c\nC: x\nC: .\nS: 250 d"), Ok("250 d".into()));
        let words = |result: Result<String, Error>| result.unwrap_err().to_string();
        let refused = with("S: 250 a\nS: 550 5.1.1 nobody\nS: 554 no recipients");
        assert_eq!(words(refused), "the mail server refused: 550 5.1.1 nobody");
        // Some servers wait for a message that is for nobody.
        let waiting = with("S: 250 a\nS: 452 4.2.2 full\nS: 354 go on");
        assert!(!waiting.clone().unwrap_err().is_permanent());
        assert_eq!(words(waiting), "the mail server refused: 452 4.2.2 full");
    }

    #[test]
    fn what_the_server_does_not_take_is_not_sent() {
        assert_eq!(
            submitted("SIZE 3", ENVELOPE, b"four", ""),
            Err(Error::TooLarge { size: 4, limit: 3 })
        );
        let eight = "C: MAIL FROM:<t@a.example> BODY=8BITMIME\nS: 550 no";
        assert!(submitted("8BITMIME", ENVELOPE, "è".as_bytes(), eight).is_err());
        let unsendable = |result| matches!(result, Err(Error::Unsendable { .. }));
        assert!(unsendable(submitted("SIZE", ENVELOPE, "è".as_bytes(), "")));
        for to in ["", "a b@c", "a@b>\r\nRCPT TO:<x@y", "a\0@b"] {
            assert!(unsendable(submitted("SIZE", Envelope { to, ..ENVELOPE }, b"x", "")), "{to}");
        }
        let to = "ànna@b.example";
        assert!(unsendable(submitted("SIZE", Envelope { to, ..ENVELOPE }, b"x", "")));
        let utf8 = "C: MAIL FROM:<t@a.example> SMTPUTF8\nS: 250 ok\nC: RCPT TO:<ànna@b.example>\n\
                    S: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 552 5.2.2 full";
        let full = submitted("SMTPUTF8", Envelope { to, ..ENVELOPE }, b"x", utf8);
        assert!(full.unwrap_err().is_permanent());
    }

    #[test]
    fn line_ends_are_made_right() {
        assert_eq!(stuffed(b""), b"");
        assert_eq!(stuffed(b"a\nb\r\n.c\rd"), b"a\r\nb\r\n..cd\r\n");
    }
}
