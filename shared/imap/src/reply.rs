//! What a server says about a command: status, response code and words (RFC 9051 section 7.1).

use std::fmt;

use crate::cursor::Cursor;
use crate::quirks;
use mailbox::UidSet;

/// How a server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was done, or it is worth knowing.
    Ok,
    /// It was understood and not done.
    No,
    /// It was not understood, or not allowed at this point.
    Bad,
    /// The server hangs up.
    Bye,
    /// The greeting of a session that is logged in already.
    PreAuth,
}

/// A status response with its code and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// How the server answered.
    pub status: Status,
    /// The response code in brackets, if there was one.
    pub code: Option<Code>,
    /// The server's words, without the code; at most [`wire::WORDS_MAX`] characters.
    pub text: String,
}

/// A response code (RFC 9051 section 7.1, RFC 5530, RFC 7889, RFC 9208 and Gmail's own).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// `ALERT`: the words are for the user.
    Alert,
    /// `ALREADYEXISTS` (RFC 5530).
    AlreadyExists,
    /// `APPENDUID` (RFC 4315): UIDVALIDITY and the UIDs in the order of the messages.
    AppendUid {
        /// UIDVALIDITY of the mailbox appended to.
        uid_validity: u32,
        /// UIDs given to the messages.
        uids: UidSet,
    },
    /// `AUTHENTICATIONFAILED` (RFC 5530).
    AuthenticationFailed,
    /// `AUTHORIZATIONFAILED` (RFC 5530): the authorisation identity is not allowed.
    AuthorizationFailed,
    /// `CANNOT` (RFC 5530): never possible on this server.
    Cannot,
    /// `CAPABILITY`: what the server can do.
    Capability(String),
    /// `CLIENTBUG` (RFC 5530).
    ClientBug,
    /// `CONTACTADMIN` (RFC 5530).
    ContactAdmin,
    /// `COPYUID` (RFC 4315): UIDVALIDITY of the destination, UIDs here, UIDs there.
    CopyUid(Box<CopyUid>),
    /// `CORRUPTION` (RFC 5530).
    Corruption,
    /// `EXPIRED` (RFC 5530): the password or account has run out.
    Expired,
    /// `HASCHILDREN` (RFC 9051): a mailbox with children cannot be deleted.
    HasChildren,
    /// `HIGHESTMODSEQ` (RFC 7162 section 3.1.2.1).
    HighestModSeq(u64),
    /// `INUSE` (RFC 5530): something else holds the mailbox; worth trying again.
    InUse,
    /// `LIMIT` (RFC 5530).
    Limit,
    /// `MAILBOXID` (RFC 8474).
    MailboxId(String),
    /// `NOMODSEQ` (RFC 7162 section 3.1.2.2).
    NoModSeq,
    /// `NONEXISTENT` (RFC 5530).
    NonExistent,
    /// `NOPERM` (RFC 5530).
    Permission,
    /// `OVERQUOTA` (RFC 5530).
    OverQuota,
    /// `PERMANENTFLAGS`: raw flag list.
    PermanentFlags(String),
    /// `PRIVACYREQUIRED` (RFC 5530): only over an encrypted line.
    PrivacyRequired,
    /// `READ-ONLY`.
    ReadOnly,
    /// `READ-WRITE`.
    ReadWrite,
    /// `SERVERBUG` (RFC 5530).
    ServerBug,
    /// `THROTTLED`: Gmail and Yahoo, when commands come too fast or too much was transferred.
    Throttled,
    /// `TOOBIG` (RFC 7889 section 4): larger than the append limit.
    TooBig,
    /// `TRYCREATE`: the mailbox is missing and may be created.
    TryCreate,
    /// `UIDNEXT`.
    UidNext(u32),
    /// `UIDNOTSTICKY` (RFC 4315): UIDs do not outlive the session.
    UidNotSticky,
    /// `UIDVALIDITY`.
    UidValidity(u32),
    /// `UNAVAILABLE` (RFC 5530): a part of the server is down for now.
    Unavailable,
    /// `USEATTR` (RFC 6154 section 3): the special use cannot be given to this mailbox.
    UseAttr,
    /// `WEBALERT` (Gmail): the user must sign in with a browser; the address.
    WebAlert(String),
    /// Any other code, as it was written.
    Other(String),
}

/// What `COPYUID` tells (RFC 4315 section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyUid {
    /// UIDVALIDITY of the mailbox copied to.
    pub uid_validity: u32,
    /// UIDs in the mailbox copied from, in the order of `to`.
    pub from: UidSet,
    /// UIDs in the mailbox copied to.
    pub to: UidSet,
}

impl Reply {
    /// Whether the status is `OK`.
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// Whether the same command may succeed later: by its code (RFC 5530), else by words that
    /// servers without codes use.
    pub fn is_temporary(&self) -> bool {
        match &self.code {
            Some(Code::InUse | Code::Limit | Code::Throttled | Code::Unavailable) => true,
            Some(Code::ServerBug | Code::OverQuota | Code::Alert | Code::Other(_)) | None => {
                quirks::is_throttling(&self.text)
            }
            Some(_) => false,
        }
    }

    /// How long the server itself asks to wait, in milliseconds (Exchange Online).
    pub fn wait_ms(&self) -> Option<u64> {
        quirks::backoff_ms(&self.text)
    }

    /// Reads `resp-text` after the status: `["[" resp-text-code "]" SP] text`.
    pub(crate) fn read(status: Status, text: &[u8]) -> Self {
        let text = text.trim_ascii();
        let coded = text.strip_prefix(b"[").and_then(|rest| {
            let end = end_of_code(rest)?;
            Some((rest.get(..end)?, rest.get(end + 1..)?.trim_ascii_start()))
        });
        match coded {
            Some((code, words)) => {
                Reply { status, code: Some(Code::read(code)), text: wire::words(words) }
            }
            None => Reply { status, code: None, text: wire::words(text) },
        }
    }
}

/// Where the `]` of a code is; one inside quotes does not count (`BADCHARSET`, `MAILBOXID`).
fn end_of_code(rest: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b']' if !quoted => return Some(at),
            _ => {}
        }
    }
    // An unpaired quote hides the bracket: the first one will do.
    memchr::memchr(b']', rest)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Code {
    fn read(code: &[u8]) -> Self {
        let (name, rest) = match memchr::memchr(b' ', code) {
            Some(at) => code.split_at(at),
            None => (code, &[][..]),
        };
        let rest = rest.trim_ascii();
        let known = Self::plain(&name.to_ascii_uppercase())
            .or_else(|| Self::with_value(&name.to_ascii_uppercase(), rest));
        known.unwrap_or_else(|| Code::Other(wire::words(code)))
    }

    fn plain(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"ALERT" => Code::Alert,
            b"ALREADYEXISTS" => Code::AlreadyExists,
            b"AUTHENTICATIONFAILED" => Code::AuthenticationFailed,
            b"AUTHORIZATIONFAILED" => Code::AuthorizationFailed,
            b"CANNOT" => Code::Cannot,
            b"CLIENTBUG" => Code::ClientBug,
            b"CONTACTADMIN" => Code::ContactAdmin,
            b"CORRUPTION" => Code::Corruption,
            b"EXPIRED" => Code::Expired,
            b"HASCHILDREN" => Code::HasChildren,
            b"INUSE" => Code::InUse,
            b"LIMIT" => Code::Limit,
            b"NOMODSEQ" => Code::NoModSeq,
            b"NONEXISTENT" => Code::NonExistent,
            b"NOPERM" => Code::Permission,
            b"OVERQUOTA" => Code::OverQuota,
            b"PRIVACYREQUIRED" => Code::PrivacyRequired,
            b"READ-ONLY" => Code::ReadOnly,
            b"READ-WRITE" => Code::ReadWrite,
            b"SERVERBUG" => Code::ServerBug,
            b"THROTTLED" => Code::Throttled,
            b"TOOBIG" => Code::TooBig,
            b"TRYCREATE" => Code::TryCreate,
            b"UIDNOTSTICKY" => Code::UidNotSticky,
            b"UNAVAILABLE" => Code::Unavailable,
            b"USEATTR" => Code::UseAttr,
            _ => return None,
        })
    }

    fn with_value(name: &[u8], rest: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(rest);
        Some(match name {
            b"CAPABILITY" => Code::Capability(lossy(rest)),
            b"PERMANENTFLAGS" => Code::PermanentFlags(lossy(rest)),
            b"WEBALERT" => Code::WebAlert(wire::words(rest)),
            b"MAILBOXID" => {
                let id = rest.strip_prefix(b"(").and_then(|id| id.strip_suffix(b")"));
                Code::MailboxId(wire::words(id.unwrap_or(rest)))
            }
            b"UIDNEXT" => Code::UidNext(cursor.number32().ok()?),
            b"UIDVALIDITY" => Code::UidValidity(cursor.number32().ok()?),
            b"HIGHESTMODSEQ" => Code::HighestModSeq(cursor.number64().ok()?),
            b"APPENDUID" => {
                let uid_validity = cursor.number32().ok()?;
                cursor.spaces();
                Code::AppendUid { uid_validity, uids: UidSet::parse(cursor.atom())? }
            }
            b"COPYUID" => {
                let uid_validity = cursor.number32().ok()?;
                cursor.spaces();
                let from = UidSet::parse(cursor.atom())?;
                cursor.spaces();
                let to = UidSet::parse(cursor.atom())?;
                Code::CopyUid(Box::new(CopyUid { uid_validity, from, to }))
            }
            _ => return None,
        })
    }

    /// The code's name, for reports.
    pub fn name(&self) -> &str {
        match self {
            Code::Alert => "ALERT",
            Code::AlreadyExists => "ALREADYEXISTS",
            Code::AppendUid { .. } => "APPENDUID",
            Code::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Code::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Code::Cannot => "CANNOT",
            Code::Capability(_) => "CAPABILITY",
            Code::ClientBug => "CLIENTBUG",
            Code::ContactAdmin => "CONTACTADMIN",
            Code::CopyUid(_) => "COPYUID",
            Code::Corruption => "CORRUPTION",
            Code::Expired => "EXPIRED",
            Code::HasChildren => "HASCHILDREN",
            Code::HighestModSeq(_) => "HIGHESTMODSEQ",
            Code::InUse => "INUSE",
            Code::Limit => "LIMIT",
            Code::MailboxId(_) => "MAILBOXID",
            Code::NoModSeq => "NOMODSEQ",
            Code::NonExistent => "NONEXISTENT",
            Code::Permission => "NOPERM",
            Code::OverQuota => "OVERQUOTA",
            Code::PermanentFlags(_) => "PERMANENTFLAGS",
            Code::PrivacyRequired => "PRIVACYREQUIRED",
            Code::ReadOnly => "READ-ONLY",
            Code::ReadWrite => "READ-WRITE",
            Code::ServerBug => "SERVERBUG",
            Code::Throttled => "THROTTLED",
            Code::TooBig => "TOOBIG",
            Code::TryCreate => "TRYCREATE",
            Code::UidNext(_) => "UIDNEXT",
            Code::UidNotSticky => "UIDNOTSTICKY",
            Code::UidValidity(_) => "UIDVALIDITY",
            Code::Unavailable => "UNAVAILABLE",
            Code::UseAttr => "USEATTR",
            Code::WebAlert(_) => "WEBALERT",
            Code::Other(text) => text,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.status {
            Status::Ok => "OK",
            Status::No => "NO",
            Status::Bad => "BAD",
            Status::Bye => "BYE",
            Status::PreAuth => "PREAUTH",
        })?;
        if let Some(code) = &self.code {
            write!(f, " [{}]", code.name())?;
        }
        write!(f, " {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: Option<Code>, words: &str) {
        let reply = Reply::read(Status::No, text.as_bytes());
        assert_eq!((reply.code, reply.text.as_str()), (code, words), "{text}");
    }

    fn set(text: &str) -> UidSet {
        UidSet::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn reads_codes() {
        check("plain words", None, "plain words");
        check("[ALERT] System shutdown", Some(Code::Alert), "System shutdown");
        check("[overquota] full", Some(Code::OverQuota), "full");
        // RFC 4315 section 3
        let uids = set("3955:3958");
        check(
            "[APPENDUID 38505 3955:3958] done",
            Some(Code::AppendUid { uid_validity: 38505, uids }),
            "done",
        );
        let copied =
            CopyUid { uid_validity: 38505, from: set("304,319:320"), to: set("3956:3958") };
        check(
            "[COPYUID 38505 304,319:320 3956:3958] Done",
            Some(Code::CopyUid(Box::new(copied))),
            "Done",
        );
        check("[UIDVALIDITY -1] x", Some(Code::Other("UIDVALIDITY -1".into())), "x");
        check("[BADURL \"a]b\"] x", Some(Code::Other("BADURL \"a]b\"".into())), "x");
        check("[MAILBOXID (F2212ea87)] ok", Some(Code::MailboxId("F2212ea87".into())), "ok");
        check("[unclosed", None, "[unclosed");
        check("[", None, "[");
        check("", None, "");
    }

    #[test]
    fn tells_later_from_never() {
        for (text, temporary) in [
            ("[UNAVAILABLE] x", true),
            ("[THROTTLED] x", true),
            ("[OVERQUOTA] Mailbox is full", false),
            ("[OVERQUOTA] Account exceeded command or bandwidth limits.", true),
            ("[AUTHENTICATIONFAILED] temporarily", false),
            ("Server Unavailable. 15", true),
            ("no", false),
        ] {
            assert_eq!(
                Reply::read(Status::No, text.as_bytes()).is_temporary(),
                temporary,
                "{text}"
            );
        }
    }

    #[test]
    fn prints_for_people() {
        let reply = Reply::read(Status::No, b"[OVERQUOTA] Mailbox is full");
        assert_eq!(reply.to_string(), "NO [OVERQUOTA] Mailbox is full");
    }
}
