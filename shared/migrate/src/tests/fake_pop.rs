//! A POP3 server in memory: correct by default, broken on demand. Nothing can be deleted on it.

use std::cell::RefCell;
use std::rc::Rc;

use wire::pipe::End;
use wire::{Bytes, Stream};

/// A message and its unique-id.
#[derive(Clone)]
pub(super) struct Mail {
    pub(super) unique_id: String,
    pub(super) bytes: Vec<u8>,
}

/// What a server does to a message, so many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PopOdd {
    /// LIST leaves it out.
    Unlisted,
    /// UIDL leaves it out.
    Unnamed,
    /// RETR and TOP ask to come back later.
    Busy,
    /// RETR and TOP refuse.
    Refused,
}

/// What the server has and how it behaves.
pub(super) struct Maildrop {
    pub(super) mails: Vec<Mail>,
    /// Answer to CAPA; empty where it is not known.
    pub(super) capabilities: Vec<&'static str>,
    /// What LIST says of a message of so many octets.
    pub(super) listed_size: fn(usize) -> usize,
    /// What PASS is answered, so many times.
    pub(super) refusals: (u32, &'static str),
    /// UIDL is not known.
    pub(super) nameless: bool,
    /// Only one session at a time.
    pub(super) exclusive: bool,
    /// After so many commands the line is closed, once.
    pub(super) close_after: Option<usize>,
    /// Message that RETR refuses, by its unique-id.
    pub(super) unreadable: Option<String>,
    /// What is done to messages, by unique-id.
    pub(super) odd: Vec<(PopOdd, String, u32)>,
    /// Every command, without passwords.
    pub(super) said: Vec<String>,
    held: bool,
}

/// A server for any number of sessions.
#[derive(Clone)]
pub(super) struct PopServer(pub(super) Rc<RefCell<Maildrop>>);

/// Lets go of the maildrop when the session ends, however it does.
struct Hold(Option<PopServer>);

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(server) = &self.0 {
            server.0.borrow_mut().held = false;
        }
    }
}

impl PopServer {
    pub(super) fn new() -> Self {
        PopServer(Rc::new(RefCell::new(Maildrop {
            mails: Vec::new(),
            capabilities: vec!["TOP", "UIDL", "USER", "RESP-CODES", "PIPELINING"],
            listed_size: |size| size,
            refusals: (0, ""),
            nameless: false,
            exclusive: false,
            close_after: None,
            unreadable: None,
            odd: Vec::new(),
            said: Vec::new(),
            held: false,
        })))
    }

    /// Does something to a message, so many times.
    pub(super) fn odd(&self, odd: PopOdd, unique_id: &str, times: u32) {
        self.0.borrow_mut().odd.push((odd, unique_id.into(), times));
    }

    /// Adds a message.
    pub(super) fn add(&self, unique_id: &str, bytes: impl Into<Vec<u8>>) {
        let mail = Mail { unique_id: unique_id.into(), bytes: bytes.into() };
        self.0.borrow_mut().mails.push(mail);
    }

    /// What arrives of the messages, in order: with a line end at the end.
    pub(super) fn expected(&self) -> Vec<Vec<u8>> {
        self.0.borrow().mails.iter().map(|mail| whole(&mail.bytes)).collect()
    }

    pub(super) async fn serve(self, mut line: End) {
        let mut hold = Hold(None);
        let mut input = Vec::new();
        // The session sees what was there when it began.
        let mails = self.0.borrow().mails.clone();
        if say(&mut line, "+OK ready\r\n").await.is_err() {
            return;
        }
        loop {
            while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
                let command: Vec<u8> = input.drain(..=end).collect();
                let command = String::from_utf8(command).unwrap().trim_end().to_owned();
                let closed = {
                    let mut drop = self.0.borrow_mut();
                    let shown = command.split(' ').next().unwrap().to_owned();
                    let shown = if shown == "PASS" { shown } else { command.clone() };
                    drop.said.push(shown);
                    drop.close_after = drop.close_after.map(|left| left.saturating_sub(1));
                    drop.close_after.take_if(|left| *left == 0).is_some()
                };
                if closed {
                    return;
                }
                let answer = self.answer(&command, &mails, &mut hold);
                let quit = command == "QUIT";
                if line.write(Bytes::from(answer)).await.is_err() || quit {
                    return;
                }
            }
            match line.read().await {
                Ok(bytes) if !bytes.is_empty() => input.extend_from_slice(&bytes),
                _ => return,
            }
        }
    }

    fn answer(&self, command: &str, mails: &[Mail], hold: &mut Hold) -> Vec<u8> {
        let mut drop = self.0.borrow_mut();
        let (verb, arguments) = command.split_once(' ').unwrap_or((command, ""));
        let mail = || {
            let number: usize = arguments.split(' ').next()?.parse().ok()?;
            mails.get(number.checked_sub(1)?)
        };
        let lines = |lines: Vec<String>| {
            let all: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            format!("+OK\r\n{all}.\r\n").into_bytes()
        };
        match verb {
            "CAPA" if !drop.capabilities.is_empty() => {
                lines(drop.capabilities.iter().map(|line| (*line).to_owned()).collect())
            }
            "USER" | "NOOP" | "QUIT" => b"+OK\r\n".to_vec(),
            "PASS" if drop.refusals.0 > 0 => {
                drop.refusals.0 -= 1;
                format!("-ERR {}\r\n", drop.refusals.1).into_bytes()
            }
            "PASS" if arguments != "secret" => b"-ERR [AUTH] wrong\r\n".to_vec(),
            "PASS" if drop.exclusive && drop.held => b"-ERR [IN-USE] held\r\n".to_vec(),
            "PASS" => {
                drop.held = true;
                hold.0 = Some(self.clone());
                b"+OK\r\n".to_vec()
            }
            "STAT" => format!("+OK {} 0\r\n", mails.len()).into_bytes(),
            "UIDL" if !drop.nameless => {
                let named = |(mail, n): (&Mail, usize)| {
                    let left_out = drop.does(PopOdd::Unnamed, &mail.unique_id);
                    (!left_out).then(|| format!("{n} {}", mail.unique_id))
                };
                lines(mails.iter().zip(1..).filter_map(named).collect())
            }
            "LIST" => {
                let listed = |(mail, n): (&Mail, usize)| {
                    let left_out = drop.does(PopOdd::Unlisted, &mail.unique_id);
                    let size = (drop.listed_size)(whole(&mail.bytes).len());
                    (!left_out).then(|| format!("{n} {size}"))
                };
                lines(mails.iter().zip(1..).filter_map(listed).collect())
            }
            "RETR" | "TOP" => match mail() {
                Some(mail) if drop.does(PopOdd::Busy, &mail.unique_id) => {
                    b"-ERR [SYS/TEMP] later\r\n".to_vec()
                }
                Some(mail) if drop.does(PopOdd::Refused, &mail.unique_id) => {
                    b"-ERR no\r\n".to_vec()
                }
                Some(mail) if drop.unreadable.as_ref() == Some(&mail.unique_id) => {
                    b"-ERR cannot read it\r\n".to_vec()
                }
                Some(mail) if verb == "RETR" => stuffed(&mail.bytes),
                Some(mail) => stuffed(header(&mail.bytes)),
                None => b"-ERR no such message\r\n".to_vec(),
            },
            _ => b"-ERR unknown\r\n".to_vec(),
        }
    }
}

impl Maildrop {
    /// Whether this is done to a message now.
    fn does(&mut self, odd: PopOdd, unique_id: &str) -> bool {
        let open = |it: &&mut (PopOdd, String, u32)| it.0 == odd && it.1 == unique_id && it.2 > 0;
        match self.odd.iter_mut().find(open) {
            Some(found) => {
                found.2 -= 1;
                true
            }
            None => false,
        }
    }
}

async fn say(line: &mut End, text: &'static str) -> Result<(), wire::Error> {
    line.write(Bytes::from_static(text.as_bytes())).await
}

/// With a line end at the end.
fn whole(bytes: &[u8]) -> Vec<u8> {
    let end: &[u8] = if bytes.is_empty() || bytes.ends_with(b"\r\n") { b"" } else { b"\r\n" };
    [bytes, end].concat()
}

fn header(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(bytes, |end| &bytes[..end + 4])
}

/// The answer with a content, dots doubled after CRLF (RFC 1939 section 3).
fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"+OK\r\n".to_vec();
    let whole = whole(bytes);
    for (at, byte) in whole.iter().enumerate() {
        if *byte == b'.' && (at == 0 || whole[..at].ends_with(b"\r\n")) {
            out.push(b'.');
        }
        out.push(*byte);
    }
    out.extend_from_slice(b".\r\n");
    out
}
