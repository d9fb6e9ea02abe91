//! The ladder for a message that the destination refuses: as little is changed as it insists on.
//!
//! First without keywords; then with its octets as they are, in a literal that allows NUL (BINARY,
//! RFC 3516); then without NUL and with CRLF line ends; last with an ASCII header (RFC 2047). What
//! no rung helps is one line in the report.

use ledger::Message;
use mailbox::{MailboxName, header};
use model::FailureCode;
use services::mail::{Event, Fetch, Head, MailDestination, MailService, Stored};
use services::{Rejection, Side, Trouble};
use store::Store;
use wire::Bytes;

use crate::mail::failures::lost;
use crate::mail::fate::Fate;
use crate::mail::limited;
use crate::mail::lines::Lines;
use crate::mail::transfer::ask;
use crate::run::Run;
use crate::trouble::{At, Halt};
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
    (uid_next, settled): (u32, &mut [(Message, Fate)]),
) -> Result<(), Halt> {
    let name = run.folder(at)?.destination.mailbox();
    for (message, fate) in settled {
        let Fate::Refused { why, size: delivered, header } = fate else { continue };
        if limited::is_about_size(why) {
            continue;
        }
        for rung in Rung::ALL {
            run.hold().await?;
            let (uid, uid_validity, size) = match climb(lines, &name, message, rung).await? {
                Climbed::Arrived { uid, uid_validity, size } => (uid, uid_validity, size),
                Climbed::Unchanged => continue,
                Climbed::Refused { size } => {
                    let identity = header::identity(&header.message_id);
                    let sent = Message { size, identity, ..message.clone() };
                    match stored(run, lines, (at, uid_next), &sent).await? {
                        Some(row) => (row.uid, 0, size),
                        None => continue,
                    }
                }
            };
            let reason = format!("The destination refused the message ({why}); {}.", rung.told());
            let (subject, delivered) = (header.subject.clone(), Some(*delivered));
            let header = std::mem::take(header);
            *fate = Fate::Arrived { uid, uid_validity, size, delivered, header };
            lost(run, at, message, FailureCode::Repaired, reason, &subject)?;
            break;
        }
    }
    Ok(())
}

/// Looks for what was refused: it may have been stored all the same.
async fn stored<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    lines: &mut Lines<H>,
    (at, uid_next): (usize, u32),
    sent: &Message,
) -> Result<Option<Message>, Halt> {
    let window = crate::mail::arrivals::Window {
        uid_next,
        patient: false,
        counted: true,
        taken: mailbox::UidSet::new(),
    };
    let found =
        crate::mail::arrivals::look(run, lines, at, &window, std::slice::from_ref(sent)).await?;
    lines.destination.unselect().await.at(Side::Destination)?;
    Ok(found.found.into_iter().next().flatten())
}

/// What came of a rung; sizes are in octets.
enum Climbed {
    Arrived {
        uid: u32,
        uid_validity: u32,
        size: u64,
    },
    Refused {
        size: u64,
    },
    /// The rung changes nothing about this message.
    Unchanged,
}

/// One try.
async fn climb<H: Host>(
    lines: &mut Lines<H>,
    name: &MailboxName,
    message: &Message,
    rung: Rung,
) -> Result<Climbed, Halt> {
    let mut flags = message.flags.clone();
    match rung {
        Rung::WithoutKeywords if flags.keywords().next().is_none() => {
            return Ok(Climbed::Unchanged);
        }
        Rung::AsBinary if !lines.destination.destination_facts().takes_binary => {
            return Ok(Climbed::Unchanged);
        }
        Rung::WithoutKeywords | Rung::AsBinary | Rung::LineEnds | Rung::AsciiHeader => {
            flags.retain_keywords(|_| false);
        }
    }
    // Once to learn the size, once to send: a message is never held.
    let mut size = 0;
    let mut mender = Mender::new(rung);
    pass(lines, message, &mut mender, async |_, bytes| {
        size += bytes.len() as u64;
        Ok(())
    })
    .await?;
    if !mender.changed && matches!(rung, Rung::LineEnds | Rung::AsciiHeader) {
        return Ok(Climbed::Unchanged);
    }
    let binary = rung == Rung::AsBinary;
    let head = Head { flags: &flags, date: Some(&message.date), size, binary };
    let started = lines.destination.begin(name, &head, false).await;
    if let Err(why) = started.at(Side::Destination)? {
        return waits_or_refused(why, size);
    }
    let mut mender = Mender::new(rung);
    pass(lines, message, &mut mender, async |lines: &mut Lines<H>, bytes| {
        lines.destination.chunk(bytes).await.at(Side::Destination)
    })
    .await?;
    let answers = lines.destination.finish().await.at(Side::Destination)?;
    match answers.into_iter().next() {
        Some(Stored::Ok { uid, uid_validity }) => Ok(Climbed::Arrived {
            uid: uid.unwrap_or(0),
            uid_validity: uid_validity.unwrap_or(0),
            size,
        }),
        Some(Stored::Refused(reply)) => waits_or_refused(reply, size),
        None => Ok(Climbed::Unchanged),
    }
}

fn waits_or_refused(why: Rejection, size: u64) -> Result<Climbed, Halt> {
    match limited::waits(&why, size) {
        true => Err(Halt::Trouble(Side::Destination, Trouble::Rejected(why))),
        false => Ok(Climbed::Refused { size }),
    }
}

/// Reads the message and hands on what the mender makes of it.
async fn pass<H: Host>(
    lines: &mut Lines<H>,
    message: &Message,
    mender: &mut Mender,
    mut take: impl AsyncFnMut(&mut Lines<H>, Bytes) -> Result<(), Halt>,
) -> Result<(), Halt> {
    ask(&mut lines.source, std::slice::from_ref(message)).await.at(Side::Source)?;
    loop {
        match lines.source.next().await.at(Side::Source)? {
            Event::Chunk(bytes) => {
                take(lines, mender.feed(&bytes).into()).await?;
            }
            Event::EndOfBody(_) => {
                take(lines, mender.finish().into()).await?;
            }
            Event::Done => return Ok(()),
            Event::Refused(reply) => {
                return Err(Halt::Trouble(Side::Source, Trouble::Rejected(reply)));
            }
            Event::Message(_) | Event::Vanished(_) => {}
        }
    }
}

/// The longest run of 8-bit octets in one encoded word: RFC 2047 section 2 allows 75 characters.
const WORD_OCTETS_MAX: usize = 15;

/// The most blanks between two encoded words that are kept: RFC 5322 section 2.1.1 has lines of 998.
const GAP_MAX: usize = 998;

/// Changes octets that come in pieces of any size, as one rung has it.
struct Mender {
    rung: Rung,
    after_cr: bool,
    line_empty: bool,
    in_header: bool,
    /// A run of 8-bit octets that is not encoded yet.
    word: Vec<u8>,
    /// Since the last encoded word there were nothing but blanks and line ends.
    after_word: bool,
    /// These blanks. Readers leave out what is between two encoded words (RFC 2047 section 6.2), so
    /// they go into the second one.
    gap: Vec<u8>,
    /// How many of them were written as they are.
    written: usize,
    /// Whether anything but the message as it is has come out.
    changed: bool,
}

impl Mender {
    fn new(rung: Rung) -> Self {
        Mender {
            rung,
            after_cr: false,
            line_empty: true,
            in_header: true,
            word: Vec::new(),
            after_word: false,
            gap: Vec::new(),
            written: 0,
            changed: false,
        }
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
        if byte == 0 {
            self.changed = true;
            return;
        }
        if self.after_cr && byte != b'\n' {
            // A CR alone is taken for the end of a line.
            self.changed = true;
            self.end_line(out);
        }
        let blank = matches!(byte, b' ' | b'\t');
        // Another field begins.
        self.after_word &= !self.line_empty || blank || matches!(byte, b'\r' | b'\n');
        if byte >= 0x80 && self.rung == Rung::AsciiHeader && self.in_header {
            self.line_empty = false;
            return self.eight_bit(byte, out);
        }
        self.end_word(out);
        match byte {
            b'\n' => {
                self.changed |= !self.after_cr;
                self.write_gap(out);
                self.end_line(out);
            }
            // Written with what follows.
            b'\r' => self.after_cr = true,
            _ if blank && self.after_word && self.gap.len() < GAP_MAX => {
                self.line_empty = false;
                self.gap.push(byte);
            }
            _ => {
                self.write_gap(out);
                self.after_word = false;
                out.push(byte);
                self.line_empty = false;
            }
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        self.end_word(out);
        self.write_gap(out);
        out.extend_from_slice(b"\r\n");
        self.in_header &= !self.line_empty;
        self.line_empty = true;
        self.after_cr = false;
    }

    /// An octet of a header that is to be ASCII.
    fn eight_bit(&mut self, byte: u8, out: &mut Vec<u8>) {
        if !self.after_word {
            self.write_gap(out);
            self.gap.clear();
            self.written = 0;
        }
        if self.word.is_empty() && !self.gap.is_empty() {
            // The first of them parts the words, and folds the line where it stands at its start.
            let first = self.gap.get(self.written).copied().unwrap_or(b' ');
            out.push(first);
            self.written = 0;
            self.after_word = false;
            for blank in std::mem::take(&mut self.gap) {
                self.word.push(blank);
                self.cut_word(out);
            }
        }
        self.word.push(byte);
        self.cut_word(out);
    }

    /// Encodes a run that is as long as a word may be: whole characters, RFC 2047 section 5 (3).
    fn cut_word(&mut self, out: &mut Vec<u8>) {
        if self.word.len() < WORD_OCTETS_MAX {
            return;
        }
        let rest = match std::str::from_utf8(&self.word) {
            // The end of the last character is yet to come.
            Err(error) if error.error_len().is_none() => self.word.split_off(error.valid_up_to()),
            _ => Vec::new(),
        };
        let word = std::mem::replace(&mut self.word, rest);
        self.encode(&word, out);
    }

    fn end_word(&mut self, out: &mut Vec<u8>) {
        let word = std::mem::take(&mut self.word);
        if !word.is_empty() {
            self.encode(&word, out);
        }
    }

    fn encode(&mut self, word: &[u8], out: &mut Vec<u8>) {
        self.changed = true;
        let charset = if std::str::from_utf8(word).is_ok() { "utf-8" } else { "iso-8859-1" };
        let part = if self.after_word { " " } else { "" };
        out.extend_from_slice(format!("{part}=?{charset}?Q?").as_bytes());
        for byte in word {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
        out.extend_from_slice(b"?=");
        self.after_word = true;
    }

    /// Writes blanks as they are; they may still have to go into an encoded word, too.
    fn write_gap(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.gap.get(self.written..).unwrap_or_default());
        self.written = self.gap.len();
        if !self.after_word {
            self.gap.clear();
            self.written = 0;
        }
    }

    fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.end_word(&mut out);
        self.write_gap(&mut out);
        if self.after_cr {
            out.extend_from_slice(b"\r\n");
            self.changed = true;
        }
        out
    }
}

/// What a mender makes of octets that come in pieces as long as `bites` says, for the laws: for the
/// third rung or the last one; with whether anything was changed.
#[cfg(any(test, fuzzing))]
pub(crate) fn mended(is_last: bool, bytes: &[u8], bites: &[usize]) -> (Vec<u8>, bool) {
    let mut mender = Mender::new(if is_last { Rung::AsciiHeader } else { Rung::LineEnds });
    let (mut rest, mut out) = (bytes, Vec::new());
    for bite in bites.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*bite).clamp(1, rest.len()));
        out.extend(mender.feed(piece));
        rest = after;
    }
    out.extend(mender.finish());
    (out, mender.changed)
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
        // Letters of two octets: fifteen octets would end in the middle of one.
        check(
            Rung::AsciiHeader,
            "X: приветик\r\n\r\n".as_bytes(),
            b"X: =?utf-8?Q?=D0=BF=D1=80=D0=B8=D0=B2=D0=B5=D1=82=D0=B8?= =?utf-8?Q?=D0=BA?=\r\n\r\n",
        );
    }

    /// RFC 2047 section 6.2: readers drop what stands between two encoded words.
    #[test]
    fn blanks_between_words_are_kept() {
        let header = "X: при \tвет\r\n мир\r\nY: é \r\n x\r\n\r\n";
        let expected = "X: =?utf-8?Q?=D0=BF=D1=80=D0=B8?= =?utf-8?Q?=20=09=D0=B2=D0=B5=D1=82?=\r\n \
                        =?utf-8?Q?=20=D0=BC=D0=B8=D1=80?=\r\nY: =?utf-8?Q?=C3=A9?= \r\n x\r\n\r\n";
        check(Rung::AsciiHeader, header.as_bytes(), expected.as_bytes());
    }

    #[test]
    fn what_is_changed_does_not_depend_on_the_pieces() {
        for (text, changed) in [(&b"a\r\n\r\nb\r\n"[..], false), (b"a\nb", true), (b"a\r", true)] {
            for bite in [1, 2, 3, 100] {
                assert_eq!(mended(false, text, &[bite]).1, changed, "{bite}");
            }
        }
    }
}
