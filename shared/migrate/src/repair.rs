//! The ladder for a message that the destination refuses: as little is changed as it insists on.
//!
//! First without keywords; then with its octets as they are, in a literal that allows NUL (BINARY,
//! RFC 3516); then without NUL and with CRLF line ends; last with an ASCII header (RFC 2047). What
//! no rung helps is one line in the report.

use imap::{AppendHead, Appended, FetchEvent, MailboxName, Started};
use model::FailureCode;
use store::Store;
use wire::Bytes;

use crate::cursor::Message;
use crate::header::Header;
use crate::run::Run;
use crate::settle::lost;
use crate::slice::Lines;
use crate::source::Fetch;
use crate::transfer::{Fate, ask};
use crate::trouble::{At, Halt, Side, asks_to_wait};
use crate::world::Host;

/// A rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    WithoutKeywords,
    AsBinary,
    LineEnds,
    AsciiHeader,
}

impl Rung {
    const ALL: [Rung; 4] =
        [Rung::WithoutKeywords, Rung::AsBinary, Rung::LineEnds, Rung::AsciiHeader];

    fn told(self) -> &'static str {
        match self {
            Rung::WithoutKeywords => "it arrived without its keywords",
            Rung::AsBinary => "it arrived unchanged in a binary literal",
            Rung::LineEnds => "it arrived with NUL octets removed and line ends made CRLF",
            Rung::AsciiHeader => {
                "it arrived with NUL octets removed, line ends made CRLF and its header encoded"
            }
        }
    }
}

/// Takes every refused message up the ladder. The source must have nothing else outstanding.
pub(crate) async fn mend<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    at: usize,
    settled: &mut [(Message, Fate)],
) -> Result<(), Halt> {
    let name = run.folder(at)?.destination.mailbox();
    for (message, fate) in settled {
        let Fate::Refused(reply, header) = fate else { continue };
        if reply.code == Some(imap::Code::TooBig) {
            continue;
        }
        for rung in Rung::ALL {
            run.hold().await?;
            let Some(arrived) = climb(lines, &name, message, rung, header).await? else { continue };
            let reason = format!("The destination refused the message ({reply}); {}.", rung.told());
            let subject = header.subject.clone();
            *fate = arrived;
            lost(run, at, message, FailureCode::Repaired, reason, &subject)?;
            break;
        }
    }
    Ok(())
}

/// One try; `None` where the rung changes nothing or does not help.
async fn climb<H: Host>(
    lines: &mut Lines<H>,
    name: &MailboxName,
    message: &Message,
    rung: Rung,
    header: &Header,
) -> Result<Option<Fate>, Halt> {
    let mut flags = message.flags.clone();
    match rung {
        Rung::WithoutKeywords if flags.keywords().next().is_none() => return Ok(None),
        Rung::AsBinary if !lines.destination.capabilities().binary() => return Ok(None),
        Rung::WithoutKeywords | Rung::AsBinary | Rung::LineEnds | Rung::AsciiHeader => {
            flags.retain_keywords(|_| false);
        }
    }
    // Once to learn the size, once to send: a message is never held.
    let mut size = 0;
    let mut changed = false;
    let mut mender = Mender::new(rung);
    pass(lines, message, &mut mender, async |_, bytes, same| {
        size += bytes.len() as u64;
        changed |= !same;
        Ok(())
    })
    .await?;
    if !changed && matches!(rung, Rung::LineEnds | Rung::AsciiHeader) {
        return Ok(None);
    }
    let binary = rung == Rung::AsBinary;
    let head = AppendHead { flags: &flags, internal_date: Some(&message.date), size, binary };
    let started = lines.destination.append_message(name, &head, false).await;
    if let Started::Refused(reply) = started.at(Side::Destination)? {
        return waits_or_none(reply);
    }
    let mut mender = Mender::new(rung);
    pass(lines, message, &mut mender, async |lines: &mut Lines<H>, bytes, _| {
        lines.destination.append_chunk(bytes).await.at(Side::Destination)
    })
    .await?;
    let answers = lines.destination.append_finish().await.at(Side::Destination)?;
    match answers.into_iter().next() {
        Some(Appended::Ok { uid, uid_validity }) => Ok(Some(Fate::Arrived {
            uid: uid.unwrap_or(0),
            uid_validity: uid_validity.unwrap_or(0),
            size,
            header: header.clone(),
        })),
        Some(Appended::Refused(reply)) => waits_or_none(reply),
        None => Ok(None),
    }
}

fn waits_or_none(reply: imap::Reply) -> Result<Option<Fate>, Halt> {
    match asks_to_wait(&reply) {
        Some(_) => Err(Halt::Trouble(Side::Destination, imap::Error::Refused(reply).into())),
        None => Ok(None),
    }
}

/// Reads the message and hands on what the mender makes of it.
async fn pass<H: Host>(
    lines: &mut Lines<H>,
    message: &Message,
    mender: &mut Mender,
    mut take: impl AsyncFnMut(&mut Lines<H>, Bytes, bool) -> Result<(), Halt>,
) -> Result<(), Halt> {
    ask(&mut lines.source, std::slice::from_ref(message)).await.at(Side::Source)?;
    loop {
        match lines.source.next().await.at(Side::Source)? {
            FetchEvent::Chunk(bytes) => {
                let mended = mender.feed(&bytes);
                let same = mended == bytes;
                take(lines, mended.into(), same).await?;
            }
            FetchEvent::EndOfBody(_) => {
                let rest = mender.finish();
                let same = rest.is_empty();
                take(lines, rest.into(), same).await?;
            }
            FetchEvent::Done => return Ok(()),
            FetchEvent::Refused(reply) => {
                return Err(Halt::Trouble(Side::Source, imap::Error::Refused(reply).into()));
            }
            FetchEvent::Message(_) | FetchEvent::Vanished(_) => {}
        }
    }
}

/// The longest run of 8-bit octets in one encoded word: RFC 2047 section 2 allows 75 characters.
const WORD_OCTETS_MAX: usize = 15;

/// Changes octets that come in pieces of any size, as one rung has it.
struct Mender {
    rung: Rung,
    after_cr: bool,
    line_empty: bool,
    in_header: bool,
    word: Vec<u8>,
}

impl Mender {
    fn new(rung: Rung) -> Self {
        Mender { rung, after_cr: false, line_empty: true, in_header: true, word: Vec::new() }
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self.rung {
            Rung::WithoutKeywords | Rung::AsBinary => return bytes.to_vec(),
            Rung::LineEnds | Rung::AsciiHeader => {}
        }
        let mut out = Vec::with_capacity(bytes.len() + 64);
        for &byte in bytes {
            self.octet(byte, &mut out);
        }
        out
    }

    fn octet(&mut self, byte: u8, out: &mut Vec<u8>) {
        let header = self.rung == Rung::AsciiHeader && self.in_header;
        if header && byte >= 0x80 {
            self.line_empty = false;
            self.word.push(byte);
            if self.word.len() >= WORD_OCTETS_MAX {
                self.end_word(out);
            }
            return;
        }
        self.end_word(out);
        match byte {
            0 => return,
            b'\n' => {
                out.extend_from_slice(b"\r\n");
                self.in_header &= !self.line_empty;
                self.line_empty = true;
            }
            // Written with the LF that follows, or by itself before anything else.
            b'\r' => {
                if self.after_cr {
                    out.extend_from_slice(b"\r\n");
                }
            }
            _ => {
                if self.after_cr {
                    out.extend_from_slice(b"\r\n");
                    self.in_header &= !self.line_empty;
                }
                out.push(byte);
                self.line_empty = false;
            }
        }
        self.after_cr = byte == b'\r';
    }

    fn end_word(&mut self, out: &mut Vec<u8>) {
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        let charset = if std::str::from_utf8(&word).is_ok() { "utf-8" } else { "iso-8859-1" };
        out.extend_from_slice(format!("=?{charset}?Q?").as_bytes());
        for byte in word {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
        out.extend_from_slice(b"?=");
    }

    fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.end_word(&mut out);
        if self.after_cr {
            out.extend_from_slice(b"\r\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rung: Rung, input: &[u8], expected: &[u8]) {
        for bite in [1, 2, 3, input.len().max(1)] {
            let mut mender = Mender::new(rung);
            let mut out: Vec<u8> =
                input.chunks(bite).flat_map(|piece| mender.feed(piece)).collect();
            out.extend(mender.finish());
            assert_eq!(
                out.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "{bite}"
            );
        }
    }

    #[test]
    fn line_ends_and_nul() {
        check(Rung::LineEnds, b"a: b\r\n\r\nx\r\n", b"a: b\r\n\r\nx\r\n");
        check(Rung::LineEnds, b"a: b\n\nx\0y\rz\r", b"a: b\r\n\r\nxy\r\nz\r\n");
        check(Rung::LineEnds, b"a\r\r\nb", b"a\r\n\r\nb");
        check(Rung::AsBinary, b"a\0\n", b"a\0\n");
    }

    #[test]
    fn only_the_header_is_encoded() {
        check(
            Rung::AsciiHeader,
            "X: ü\r\n\r\nü\r\n".as_bytes(),
            "X: =?utf-8?Q?=C3=BC?=\r\n\r\nü\r\n".as_bytes(),
        );
        check(Rung::AsciiHeader, b"X: \xfc\n\n", b"X: =?iso-8859-1?Q?=FC?=\r\n\r\n");
    }
}
