//! One connection: reading commands, states, dispatch, writing replies.

use std::future::poll_fn;
use std::task::Poll;

use wire::{Bytes, Stream};

use crate::account::Mailboxes;
use crate::command::{Arg, Command, Piece, announced, parse, tag_of};
use crate::faults::{Act, Faults};
use crate::features::Features;
use crate::names::{canonical, from_utf7, to_utf7};

/// The line is gone, on purpose or not.
pub(crate) struct Gone;

/// The tagged reply without its tag: `Ok` begins with `OK`, `Err` with `NO` or `BAD`.
pub(crate) type Outcome = Result<String, String>;

/// Longest command without literals: longer than any set of UIDs a batch needs.
const MAX_LINE: usize = 1 << 20;
/// Largest literal; larger ones are refused like an APPENDLIMIT.
const MAX_LITERAL: u64 = 1 << 30;
/// Replies are written in chunks of about this size.
const CHUNK: usize = 64 << 10;

/// The selected mailbox.
pub(crate) struct Selected {
    pub(crate) name: String,
    pub(crate) read_only: bool,
    /// UIDs in order of message sequence numbers.
    pub(crate) view: Vec<u32>,
}

pub(crate) struct Session<S> {
    stream: S,
    pub(crate) account: Mailboxes,
    pub(crate) features: Features,
    pub(crate) faults: Faults,
    input: Vec<u8>,
    deaf: bool,
    pub(crate) out: Vec<u8>,
    pub(crate) authenticated: bool,
    pub(crate) selected: Option<Selected>,
    pub(crate) qresync: bool,
    pub(crate) utf8: bool,
    pub(crate) rev2: bool,
}

/// Serves one connection until it ends, by either side.
pub async fn serve<S: Stream>(stream: S, account: Mailboxes, faults: Faults) {
    let features = account.lock().features.clone();
    let mut session = Session {
        stream,
        account,
        features,
        faults,
        input: Vec::new(),
        deaf: false,
        out: Vec::new(),
        authenticated: false,
        selected: None,
        qresync: false,
        utf8: false,
        rev2: false,
    };
    let Err(Gone) = session.run().await;
}

enum Never {}

impl<S: Stream> Session<S> {
    async fn run(&mut self) -> Result<Never, Gone> {
        match self.faults.greeting_octets() {
            Some(octets) => self.out.extend(octets),
            None if self.features.quiet => self.say("* OK ready"),
            None => {
                let words = self.features.capabilities();
                self.say(&format!("* OK [CAPABILITY {words}] ready"));
            }
        }
        loop {
            let pieces = self.read_command().await?;
            match parse(&pieces) {
                Ok(command) => self.execute(command).await?,
                Err(why) => {
                    let Some(Piece::Text(line)) = pieces.first() else { continue };
                    let shown = String::from_utf8_lossy(line).into_owned();
                    self.complain(&format!("{why}: {shown}"));
                    self.say(&format!("{} BAD {why}", tag_of(line)));
                }
            }
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn complain(&self, what: &str) {
        self.account.lock().complaints.push(what.chars().take(300).collect());
    }

    /// Sends what is waiting.
    pub(crate) async fn flush(&mut self) -> Result<(), Gone> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut octets = std::mem::take(&mut self.out);
        let (allowed, cut) = self.faults.allow_sent(octets.len());
        octets.truncate(allowed);
        self.stream.write(octets.into()).await.map_err(|_| Gone)?;
        if cut { Err(Gone) } else { Ok(()) }
    }

    /// Sends once enough is waiting, and lets the other side of a one-threaded test run.
    pub(crate) async fn flush_some(&mut self) -> Result<(), Gone> {
        if self.out.len() >= CHUNK {
            self.flush().await?;
            give_way().await;
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), Gone> {
        self.flush().await?;
        if self.deaf {
            return Err(Gone);
        }
        let bytes = self.stream.read().await.map_err(|_| Gone)?;
        let (allowed, cut) = self.faults.allow_received(bytes.len());
        self.input.extend_from_slice(&bytes[..allowed]);
        // What came before the cut is still obeyed.
        self.deaf = cut;
        if bytes.is_empty() { Err(Gone) } else { Ok(()) }
    }

    pub(crate) async fn read_line(&mut self) -> Result<Vec<u8>, Gone> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.input[seen..].iter().position(|octet| *octet == b'\n') {
                let mut line: Vec<u8> = self.input.drain(..=seen + at).collect();
                line.pop();
                if line.pop() != Some(b'\r') {
                    self.complain("a line ends without CR");
                }
                return Ok(line);
            }
            seen = self.input.len();
            if seen > MAX_LINE {
                self.complain("line too long");
                self.say("* BYE line too long");
                self.flush().await?;
                return Err(Gone);
            }
            self.fill().await?;
        }
    }

    async fn read_literal(&mut self, size: u64) -> Result<Bytes, Gone> {
        let size = usize::try_from(size).unwrap();
        while self.input.len() < size {
            self.fill().await?;
        }
        Ok(self.input.drain(..size).collect::<Vec<u8>>().into())
    }

    /// Reads and forgets; for what is refused already.
    async fn skip(&mut self, mut size: u64) -> Result<(), Gone> {
        loop {
            let now = self.input.len().min(usize::try_from(size).unwrap_or(usize::MAX));
            self.input.drain(..now);
            size -= now as u64;
            if size == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// The next command, its literals asked for as needed. What must be refused before its end
    /// is refused here.
    async fn read_command(&mut self) -> Result<Vec<Piece>, Gone> {
        'command: loop {
            let mut pieces: Vec<Piece> = Vec::new();
            let mut tag: Option<String> = None;
            let mut too_big = false;
            let limit = self.features.append_limit.unwrap_or(MAX_LITERAL).min(MAX_LITERAL);
            loop {
                let mut line = self.read_line().await?;
                let tag = tag.get_or_insert_with(|| tag_of(&line)).clone();
                let Some(literal) = announced(&line) else {
                    pieces.push(Piece::Text(line));
                    if !too_big {
                        return Ok(pieces);
                    }
                    self.say(&format!("{tag} NO [TOOBIG] the limit is {limit} octets"));
                    continue 'command;
                };
                line.truncate(literal.start);
                pieces.push(Piece::Text(line));
                self.check_literal(&tag, literal.size, literal.at_once).await?;
                if literal.size > limit && !literal.at_once {
                    self.say(&format!("{tag} NO [TOOBIG] the limit is {limit} octets"));
                    continue 'command;
                }
                if literal.size > limit {
                    self.skip(literal.size).await?;
                    too_big = true;
                    continue;
                }
                if !literal.at_once {
                    self.say("+ go on");
                }
                let bytes = self.read_literal(literal.size).await?;
                pieces.push(Piece::Literal(bytes));
            }
        }
    }

    /// A literal that follows at once although that was not announced cannot be told from
    /// commands: the line is closed, as RFC 7888 section 4 has it.
    async fn check_literal(&mut self, tag: &str, size: u64, at_once: bool) -> Result<(), Gone> {
        let features = &self.features;
        let small = size <= 4096 && (features.literal_minus || self.rev2 || features.imap4rev2);
        if !at_once || features.literal_plus || small {
            return Ok(());
        }
        self.complain(&format!("non-synchronising literal of {size} octets"));
        self.say(&format!("{tag} BAD [TOOBIG] non-synchronising literal not allowed"));
        self.say("* BYE literal");
        self.flush().await?;
        Err(Gone)
    }

    async fn execute(&mut self, command: Command) -> Result<(), Gone> {
        self.account.lock().commands.push(shown(&command));
        let act = self.faults.befall(&command.name);
        let tag = &command.tag;
        match act {
            None => {}
            Some(Act::OwnerDeletes(text)) => self.account.mark_deleted(&text),
            Some(Act::Close) => {
                // Replies to earlier commands are as sent; this one never happened.
                self.flush().await?;
                return Err(Gone);
            }
            Some(Act::CloseAfterEffect) => {
                self.flush().await?;
                let _ = self.dispatch(&command).await;
                return Err(Gone);
            }
            Some(Act::Stall) => return self.stall().await,
            Some(Act::StallAfterEffect) => {
                self.flush().await?;
                let _ = self.dispatch(&command).await;
                self.out.clear();
                return self.stall().await;
            }
            Some(Act::Bye(text)) => {
                self.say(&format!("* BYE {text}"));
                self.flush().await?;
                return Err(Gone);
            }
            Some(Act::Refuse(reply)) => {
                self.say(&format!("{tag} {reply}"));
                return Ok(());
            }
            Some(Act::PretendOk) => {
                self.say(&format!("{tag} OK done"));
                return Ok(());
            }
            Some(Act::Raw(octets)) => {
                self.out.extend(octets);
                return Ok(());
            }
            Some(Act::EndlessLine(octets)) => return self.endless(octets).await,
            Some(Act::NegativeLiteral) => {
                self.say("* 1 FETCH (UID 1 BODY[] {-1}");
                self.say(")");
            }
            Some(Act::HugeLiteral(octets)) => {
                self.say(&format!("* 1 FETCH (UID 1 BODY[] {{{octets}}}"));
                self.say("not that much");
                self.flush().await?;
                return self.stall().await;
            }
        }
        self.answer(&command).await
    }

    async fn answer(&mut self, command: &Command) -> Result<(), Gone> {
        let outcome = self.dispatch(command).await?;
        let reply = outcome.unwrap_or_else(|refusal| {
            if refusal.starts_with("BAD") {
                self.complain(&format!("{refusal}: {}", shown(command)));
            }
            refusal
        });
        self.say(&format!("{} {reply}", command.tag));
        if command.name == "LOGOUT" {
            self.flush().await?;
            return Err(Gone);
        }
        self.flush_some().await
    }

    /// Reads and never answers.
    async fn stall(&mut self) -> Result<(), Gone> {
        loop {
            self.fill().await?;
            self.input.clear();
        }
    }

    async fn endless(&mut self, mut octets: u64) -> Result<(), Gone> {
        self.out.extend_from_slice(b"* OK ");
        while octets > 0 {
            let now = octets.min(CHUNK as u64);
            octets -= now;
            self.out.resize(self.out.len() + usize::try_from(now).unwrap(), b'x');
            self.flush().await?;
            give_way().await;
        }
        Err(Gone)
    }

    async fn dispatch(&mut self, command: &Command) -> Result<Outcome, Gone> {
        let args = command.args.as_slice();
        let outcome = match command.name.as_str() {
            "CAPABILITY" => {
                let words = self.features.capabilities();
                self.say(&format!("* CAPABILITY {words}"));
                Ok("OK done".into())
            }
            "NOOP" | "CHECK" => {
                self.report_changes(Expunges::Told);
                Ok("OK done".into())
            }
            "LOGOUT" => {
                self.say("* BYE logging out");
                Ok("OK done".into())
            }
            "ID" if self.features.id => {
                self.say("* ID (\"name\" \"fake-imap\")");
                Ok("OK done".into())
            }
            "LOGIN" => self.login(args),
            "AUTHENTICATE" => self.authenticate(args).await?,
            _ if !self.authenticated => Err("BAD log in first".into()),
            "ENABLE" if self.features.enable => self.enable(args),
            "UNSELECT" if self.features.unselect => self.leave(false),
            "CLOSE" => self.leave(true),
            "FETCH" | "UID FETCH" => self.fetch(command).await?,
            "APPEND" => self.append(args),
            name => match self.mailbox_command(name, args) {
                Some(outcome) => outcome,
                None => self.message_command(&command.tag, name, args),
            },
        };
        Ok(outcome)
    }

    /// A mailbox name as it came, to modified UTF-7.
    pub(crate) fn name_in(&self, arg: &Arg) -> Result<String, String> {
        let text = arg.text().ok_or("BAD a mailbox name is not a list, nor broken UTF-8")?;
        let raw = if self.utf8 || self.rev2 {
            to_utf7(&text)
        } else if text.is_ascii() {
            from_utf7(&text).ok_or("BAD not modified UTF-7")?;
            text
        } else {
            return Err("BAD 8-bit mailbox name".into());
        };
        Ok(canonical(&raw, &self.features.delimiter))
    }

    /// A mailbox name as it goes out: quoted.
    pub(crate) fn name_out(&self, name: &str) -> String {
        let decoded = if self.utf8 || self.rev2 { from_utf7(name) } else { None };
        quote(decoded.as_deref().unwrap_or(name))
    }

    /// Tells of messages that other connections, or this one, removed and added.
    pub(crate) fn report_changes(&mut self, expunges: Expunges) {
        let Some(selected) = &mut self.selected else { return };
        let account = self.account.lock();
        let Some(folder) = account.folders.get(&selected.name) else { return };
        let uids: Vec<u32> = folder.messages.iter().map(|message| message.uid).collect();
        drop(account);
        let mut lines = Vec::new();
        if matches!(expunges, Expunges::Told) {
            let gone: Vec<usize> = (0..selected.view.len())
                .rev()
                .filter(|at| uids.binary_search(&selected.view[*at]).is_err())
                .collect();
            if self.qresync && !gone.is_empty() {
                let mut numbers: Vec<u32> = gone.iter().map(|at| selected.view[*at]).collect();
                numbers.reverse();
                lines.push(format!("* VANISHED {}", crate::sets::print(&numbers)));
            }
            for at in gone {
                selected.view.remove(at);
                if !self.qresync {
                    lines.push(format!("* {} EXPUNGE", at + 1));
                }
            }
        }
        let last = selected.view.last().copied().unwrap_or(0);
        let new: Vec<u32> = uids.into_iter().filter(|uid| *uid > last).collect();
        if !new.is_empty() {
            selected.view.extend(new);
            lines.push(format!("* {} EXISTS", selected.view.len()));
        }
        lines.iter().for_each(|line| self.say(line));
    }
}

/// Whether expunged messages may be told of: not while numbers are in use (RFC 3501 section
/// 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expunges {
    Told,
    Held,
}

/// A quoted string, or a literal where quoting cannot do.
pub(crate) fn quote(text: &str) -> String {
    if text.bytes().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
        return format!("{{{}}}\r\n{text}", text.len());
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A command for the log: no passwords, no literals.
fn shown(command: &Command) -> String {
    fn show(arg: &Arg) -> String {
        match arg {
            Arg::Atom(text) => text.clone(),
            Arg::Text(bytes) if bytes.len() > 80 => format!("{{{}}}", bytes.len()),
            Arg::Text(bytes) => quote(&String::from_utf8_lossy(bytes)),
            Arg::List(args) => {
                format!("({})", args.iter().map(show).collect::<Vec<_>>().join(" "))
            }
        }
    }
    let name = &command.name;
    if matches!(name.as_str(), "LOGIN" | "AUTHENTICATE") {
        return name.clone();
    }
    let args = command.args.iter().map(|arg| format!(" {}", show(arg)));
    format!("{name}{}", args.collect::<String>())
}

async fn give_way() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
