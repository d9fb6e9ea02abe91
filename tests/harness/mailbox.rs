//! An IMAP client of the tests' own: small, blocking, and not the one under test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use fake_imap::{from_utf7, to_utf7};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use sha2::{Digest as _, Sha256};

use crate::servers::{PASSWORD, Server};
use crate::tls::client_config;

trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}

/// A value in a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An atom or a number.
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    /// A parenthesised list.
    List(Vec<Value>),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Value::Atom(text) => text.clone(),
            Value::Text(octets) => String::from_utf8_lossy(octets).into_owned(),
            Value::List(_) => panic!("a list where a string belongs: {self:?}"),
        }
    }

    fn list(&self) -> &[Value] {
        match self {
            Value::List(values) => values,
            Value::Atom(_) | Value::Text(_) => panic!("no list: {self:?}"),
        }
    }
}

/// A mailbox as LIST has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name on the wire.
    pub raw: String,
    /// Name in Unicode, without the namespace's prefix, levels separated by `/`.
    pub path: String,
    /// Special use, such as `\Sent`.
    pub special_use: Option<String>,
}

/// What two mailboxes are compared by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mail {
    /// Message-ID, as in the header.
    pub message_id: String,
    /// Start of the SHA-256 of all octets, and their number.
    pub content: String,
    /// Flags and keywords, without `\Recent`, in lower case.
    pub flags: BTreeSet<String>,
    /// INTERNALDATE in seconds since 1970.
    pub date_s: i64,
}

/// Mailboxes by path with their messages in order of UID.
pub type Snapshot = BTreeMap<String, Vec<Mail>>;

/// A logged-in connection.
pub struct Client {
    line: Box<dyn Line>,
    buffer: Vec<u8>,
    tags: u32,
    /// Prefix of personal mailboxes, as NAMESPACE has it.
    pub prefix: String,
    /// Hierarchy delimiter.
    pub delimiter: String,
}

impl Client {
    /// Logs in over TLS with the tests' password.
    pub fn on(server: &dyn Server, login: &str) -> Client {
        Client::log_in(server.imaps_port(), login, PASSWORD)
    }

    /// Logs in over TLS.
    pub fn log_in(port: u16, login: &str, password: &str) -> Client {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        socket.set_nodelay(true).expect("a socket");
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(client_config(), name).expect("TLS");
        let line = Box::new(StreamOwned::new(session, socket));
        let mut client = Client {
            line,
            buffer: Vec::new(),
            tags: 0,
            prefix: String::new(),
            delimiter: String::new(),
        };
        client.response();
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        client.ok(&format!("LOGIN {} {}", quoted(login), quoted(password)));
        let namespaces = client.ok("NAMESPACE");
        let own =
            namespaces.iter().find(|line| line.get(1) == Some(&Value::Atom("NAMESPACE".into())));
        let own = own.expect("a NAMESPACE response")[2].list()[0].list();
        (client.prefix, client.delimiter) = (own[0].text(), own[1].text());
        client
    }

    fn fill(&mut self) {
        let mut chunk = [0; 64 << 10];
        let n = self.line.read(&mut chunk).expect("the server answers");
        assert!(n > 0, "the server hung up");
        self.buffer.extend_from_slice(&chunk[..n]);
    }

    fn octets(&mut self, n: usize) -> Vec<u8> {
        while self.buffer.len() < n {
            self.fill();
        }
        self.buffer.drain(..n).collect()
    }

    fn text_line(&mut self) -> Vec<u8> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let mut line = self.octets(at + 2);
                line.truncate(at);
                return line;
            }
            self.fill();
        }
    }

    /// One response with its literals.
    fn response(&mut self) -> Vec<Value> {
        let mut stack: Vec<Vec<Value>> = vec![Vec::new()];
        loop {
            let line = self.text_line();
            let literal = literal_size(&line);
            let end = literal.map_or(line.len(), |(start, _)| start);
            read_values(&line[..end], &mut stack);
            let Some((_, size)) = literal else { break };
            let octets = self.octets(size);
            stack.last_mut().expect("a list").push(Value::Text(octets));
        }
        assert_eq!(stack.len(), 1, "unbalanced response {stack:?}");
        stack.remove(0)
    }

    fn send(&mut self, octets: &[u8]) {
        self.line.write_all(octets).expect("the server listens");
        self.line.flush().expect("the server listens");
    }

    /// Runs a command that must succeed; its untagged responses.
    pub fn ok(&mut self, command: &str) -> Vec<Vec<Value>> {
        self.command(command).unwrap_or_else(|reply| panic!("{command}: {reply}"))
    }

    /// Untagged responses, or the words of the refusal.
    fn command(&mut self, command: &str) -> Result<Vec<Vec<Value>>, String> {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command}\r\n").as_bytes());
        self.finish(&tag)
    }

    fn finish(&mut self, tag: &str) -> Result<Vec<Vec<Value>>, String> {
        let mut untagged = Vec::new();
        loop {
            let values = self.response();
            match values.first() {
                Some(Value::Atom(word)) if word == tag => {
                    let words = values[1..].iter().map(|it| format!("{it:?}")).collect::<String>();
                    let good = values.get(1) == Some(&Value::Atom("OK".into()));
                    return if good { Ok(untagged) } else { Err(words) };
                }
                _ => untagged.push(values),
            }
        }
    }

    /// Name on the wire of a path with `/`.
    pub fn raw(&self, path: &str) -> String {
        if path == "INBOX" {
            return path.into();
        }
        let levels: Vec<String> = path.split('/').map(to_utf7).collect();
        format!("{}{}", self.prefix, levels.join(&self.delimiter))
    }

    /// Creates a mailbox and subscribes it; one that exists is fine.
    pub fn create(&mut self, path: &str) {
        let raw = self.raw(path);
        let _ = self.command(&format!("CREATE \"{raw}\""));
        self.ok(&format!("SUBSCRIBE \"{raw}\""));
    }

    /// Appends a message; `Err` with the server's refusal.
    pub fn append(
        &mut self,
        path: &str,
        flags: &[&str],
        date: &str,
        message: &[u8],
    ) -> Result<(), String> {
        let raw = self.raw(path);
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        let (flags, size) = (flags.join(" "), message.len());
        let head = format!("{tag} APPEND \"{raw}\" ({flags}) \"{date}\" {{{size}}}\r\n");
        self.send(head.as_bytes());
        let answer = self.response();
        if answer.first() != Some(&Value::Atom("+".into())) {
            return Err(format!("{answer:?}"));
        }
        self.send(message);
        self.send(b"\r\n");
        self.finish(&tag).map(|_| ())
    }

    /// Appends many small messages in one command (RFC 3502), without waiting before each (RFC 7888).
    pub fn append_many(&mut self, path: &str, messages: impl Iterator<Item = Vec<u8>>) {
        let raw = self.raw(path);
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        let mut octets = format!("{tag} APPEND \"{raw}\"").into_bytes();
        for message in messages {
            let head = format!(" () \" 1-Jan-2020 00:00:00 +0000\" {{{}+}}\r\n", message.len());
            octets.extend_from_slice(head.as_bytes());
            octets.extend_from_slice(&message);
        }
        octets.extend_from_slice(b"\r\n");
        self.send(&octets);
        self.finish(&tag).unwrap_or_else(|reply| panic!("APPEND: {reply}"));
    }

    /// How many messages a mailbox has.
    pub fn count(&mut self, path: &str) -> u64 {
        let raw = self.raw(path);
        let lines = self.ok(&format!("STATUS \"{raw}\" (MESSAGES)"));
        let status = lines.iter().find(|line| line.get(1) == Some(&Value::Atom("STATUS".into())));
        let Some([_, _, _, Value::List(figures)]) = status.map(Vec::as_slice) else {
            panic!("{lines:?}")
        };
        figures[1].text().parse().expect("a number")
    }

    /// Removes every message of a mailbox that the sequence set names.
    pub fn delete(&mut self, path: &str, set: &str) {
        let raw = self.raw(path);
        self.ok(&format!("SELECT \"{raw}\""));
        self.ok(&format!("STORE {set} +FLAGS.SILENT (\\Deleted)"));
        self.ok("EXPUNGE");
    }

    /// Selectable personal mailboxes.
    pub fn mailboxes(&mut self) -> Vec<Listed> {
        let lines = self.ok("LIST \"\" \"*\"");
        let mut mailboxes = Vec::new();
        for line in lines {
            let [_, Value::Atom(word), Value::List(attributes), _, name] = line.as_slice() else {
                continue;
            };
            let attributes: Vec<String> = attributes.iter().map(Value::text).collect();
            let is = |wanted: &str| attributes.iter().any(|it| it.eq_ignore_ascii_case(wanted));
            if word != "LIST" || is("\\Noselect") || is("\\NonExistent") {
                continue;
            }
            let raw = name.text();
            let bare = raw.strip_prefix(&self.prefix).unwrap_or(&raw);
            let levels = bare.split(&self.delimiter).map(|level| {
                from_utf7(level).unwrap_or_else(|| panic!("{raw} is not modified UTF-7"))
            });
            let path = levels.collect::<Vec<_>>().join("/");
            let uses = ["\\Sent", "\\Drafts", "\\Trash", "\\Junk", "\\Archive"];
            let special_use = uses.into_iter().find(|it| is(it)).map(str::to_owned);
            mailboxes.push(Listed { raw, path, special_use });
        }
        mailboxes
    }

    /// Subscribed paths.
    pub fn subscriptions(&mut self) -> BTreeSet<String> {
        let lines = self.ok("LSUB \"\" \"*\"");
        let names = lines.iter().filter(|line| line.get(1) == Some(&Value::Atom("LSUB".into())));
        let path = |raw: String| {
            let bare = raw.strip_prefix(&self.prefix).unwrap_or(&raw).to_owned();
            let levels =
                bare.split(&self.delimiter).map(|level| from_utf7(level).unwrap_or_default());
            levels.collect::<Vec<_>>().join("/")
        };
        names.map(|line| path(line[4].text())).collect()
    }

    /// Messages of one mailbox in order of UID.
    pub fn messages(&mut self, raw: &str) -> Vec<Mail> {
        let lines = self.ok(&format!("EXAMINE \"{raw}\""));
        let exists = lines.iter().find(|line| line.get(2) == Some(&Value::Atom("EXISTS".into())));
        if exists.expect("an EXISTS response")[1].text() == "0" {
            return Vec::new();
        }
        let lines = self.ok("UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])");
        let fetches = lines.iter().filter(|line| line.get(2) == Some(&Value::Atom("FETCH".into())));
        // A FETCH without body is news about flags.
        fetches.filter_map(|line| mail(line[3].list())).collect()
    }

    /// Everything.
    pub fn snapshot(&mut self) -> Snapshot {
        let mailboxes = self.mailboxes();
        mailboxes.into_iter().map(|it| (it.path, self.messages(&it.raw))).collect()
    }

    /// Special uses by path.
    pub fn special_uses(&mut self) -> BTreeMap<String, String> {
        let mailboxes = self.mailboxes().into_iter();
        mailboxes.filter_map(|it| Some((it.path, it.special_use?))).collect()
    }
}

fn mail(items: &[Value]) -> Option<Mail> {
    let item = |name: &str| {
        let pair = items.chunks(2).find(|pair| pair[0].text().eq_ignore_ascii_case(name));
        pair.map(|pair| &pair[1])
    };
    let body = match item("BODY[]")? {
        Value::Text(octets) => octets.clone(),
        other => other.text().into_bytes(),
    };
    let hash = Sha256::digest(&body);
    let hash: String = hash.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    let flags = item("FLAGS").expect("FLAGS").list().iter().map(|it| it.text().to_lowercase());
    let message_id = String::from_utf8_lossy(&body)
        .lines()
        .take_while(|line| !line.is_empty())
        .find(|line| line.to_lowercase().starts_with("message-id:"))
        .map(|line| line[11..].trim().to_owned());
    Some(Mail {
        message_id: message_id.unwrap_or_default(),
        content: format!("{hash} {}", body.len()),
        flags: flags.filter(|flag| flag != "\\recent").collect(),
        date_s: date_s(&item("INTERNALDATE").expect("INTERNALDATE").text()),
    })
}

/// Seconds since 1970 of `dd-Mon-yyyy hh:mm:ss +zzzz`.
pub fn date_s(text: &str) -> i64 {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let number = |from: usize, to: usize| text[from..to].trim().parse::<i64>().expect("a number");
    let text_padded = format!("{text:>26}");
    assert_eq!(text_padded, text, "INTERNALDATE {text:?}");
    let month = MONTHS.find(&text[3..6]).expect("a month") as i64 / 3 + 1;
    let (day, year) = (number(0, 2), number(7, 11));
    // Days since 1970 in the Gregorian calendar, years taken from March on.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day
            - 1
            - 719_468;
    let time = number(12, 14) * 3600 + number(15, 17) * 60 + number(18, 20);
    let zone = (number(22, 24) * 60 + number(24, 26)) * 60;
    days * 86_400 + time - if &text[21..22] == "-" { -zone } else { zone }
}

fn literal_size(line: &[u8]) -> Option<(usize, usize)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|octet| *octet == b'{')?;
    let size = std::str::from_utf8(&inner[open + 1..]).ok()?.parse().ok()?;
    Some((open, size))
}

/// Adds the values of a piece of a response to the innermost open list.
fn read_values(line: &[u8], stack: &mut Vec<Vec<Value>>) {
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b' ' => at += 1,
            b'(' => {
                stack.push(Vec::new());
                at += 1;
            }
            // Human text may hold what it likes: an unmatched bracket is text.
            b')' if stack.len() > 1 => {
                let list = stack.pop().expect("a list");
                stack.last_mut().expect("a list").push(Value::List(list));
                at += 1;
            }
            b'"' => {
                let mut text = Vec::new();
                at += 1;
                while at < line.len() && line[at] != b'"' {
                    if line[at] == b'\\' {
                        at += 1;
                    }
                    text.extend(line.get(at));
                    at += 1;
                }
                at += 1;
                stack.last_mut().expect("a list").push(Value::Text(text));
            }
            _ => {
                let start = at;
                let mut brackets = false;
                while at < line.len() {
                    match line[at] {
                        b'[' => brackets = true,
                        b']' => brackets = false,
                        b' ' if !brackets => break,
                        b'(' | b')' if !brackets && at > start => break,
                        _ => {}
                    }
                    at += 1;
                }
                let text = String::from_utf8_lossy(&line[start..at]).into_owned();
                stack.last_mut().expect("a list").push(Value::Atom(text));
            }
        }
    }
}
