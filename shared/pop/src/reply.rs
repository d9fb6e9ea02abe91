//! What a server says about a command: status, response code and words (RFC 1939 section 3, RFC
//! 2449 section 8, RFC 3206).

use std::fmt;

/// A status line with its code and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `+OK`.
    pub ok: bool,
    /// The response code in brackets, if there was one.
    pub code: Option<Code>,
    /// The server's words, without the code; at most [`wire::WORDS_MAX`] characters.
    pub text: String,
    /// With `LOGIN-DELAY`: seconds that must pass between two logins, where they were announced.
    pub wait_s: Option<u64>,
}

/// A response code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// `AUTH` (RFC 3206): the login or password is wrong.
    Auth,
    /// `IN-USE` (RFC 2449 section 8.1.2): another session holds the maildrop.
    InUse,
    /// `LOGIN-DELAY` (RFC 2449 section 8.1.1): the last login was too short a time ago.
    LoginDelay,
    /// `SYS/TEMP` (RFC 3206): a trouble of the server's that will pass.
    SysTemp,
    /// `SYS/PERM` (RFC 3206): one that somebody must see to.
    SysPerm,
    /// Any other code, as it was written.
    Other(String),
}

/// What servers without codes say when another session holds the maildrop.
const HELD: [&str; 5] =
    ["lock on maildrop", "lock maildrop", "lock mailbox", "maildrop already", "in use"];

/// What they say when they have too many connections.
const CROWDED: [&str; 3] =
    ["number of connections", "too many connections", "too many simultaneous"];

impl Reply {
    /// Whether the same command may succeed later: by its code, else by words that servers
    /// without codes use.
    pub fn is_temporary(&self) -> bool {
        match &self.code {
            Some(Code::InUse | Code::LoginDelay | Code::SysTemp) => true,
            Some(Code::Auth | Code::SysPerm) => false,
            Some(Code::Other(_)) | None => self.says_held() || self.says_any(&CROWDED),
        }
    }

    /// Whether another session holds the maildrop.
    pub fn says_held(&self) -> bool {
        self.code == Some(Code::InUse) || self.says_any(&HELD)
    }

    fn says_any(&self, all: &[&str]) -> bool {
        let words = self.text.to_ascii_lowercase();
        all.iter().any(|some| words.contains(some))
    }

    /// Reads a status line without its end; `None` where it is none.
    pub(crate) fn read(line: &[u8]) -> Option<Reply> {
        let (ok, rest) = match (line.strip_prefix(b"+OK"), line.strip_prefix(b"-ERR")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        if rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return None;
        }
        let text = rest.trim_ascii();
        let coded = text.strip_prefix(b"[").and_then(|rest| {
            let end = memchr::memchr(b']', rest)?;
            Some((rest.get(..end)?, rest.get(end + 1..)?.trim_ascii_start()))
        });
        // Words of a positive answer may well begin with a bracket and mean nothing by it.
        Some(match coded.filter(|_| !ok) {
            Some((code, words)) => {
                Reply { ok, code: Some(Code::read(code)), text: wire::words(words), wait_s: None }
            }
            None => Reply { ok, code: None, text: wire::words(text), wait_s: None },
        })
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = &self.code {
            write!(f, "[{code}] ")?;
        }
        write!(f, "{}", self.text.escape_debug())
    }
}

impl Code {
    fn read(code: &[u8]) -> Code {
        match code.to_ascii_uppercase().as_slice() {
            b"AUTH" => Code::Auth,
            b"IN-USE" => Code::InUse,
            b"LOGIN-DELAY" => Code::LoginDelay,
            b"SYS/TEMP" => Code::SysTemp,
            b"SYS/PERM" => Code::SysPerm,
            _ => Code::Other(wire::words(code)),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Auth => f.write_str("AUTH"),
            Code::InUse => f.write_str("IN-USE"),
            Code::LoginDelay => f.write_str("LOGIN-DELAY"),
            Code::SysTemp => f.write_str("SYS/TEMP"),
            Code::SysPerm => f.write_str("SYS/PERM"),
            Code::Other(code) => write!(f, "{}", code.escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(bool, Option<Code>, String)> {
        Reply::read(line.as_bytes()).map(|reply| (reply.ok, reply.code, reply.text))
    }

    #[test]
    fn reads_status_lines() {
        assert_eq!(read("+OK"), Some((true, None, String::new())));
        assert_eq!(read("+OK [x] hi"), Some((true, None, "[x] hi".into())));
        let in_use = "-ERR [IN-USE] Do you have another POP session running?";
        let words = "Do you have another POP session running?".to_owned();
        assert_eq!(read(in_use), Some((false, Some(Code::InUse), words)));
        assert_eq!(read("-ERR [sys/temp]"), Some((false, Some(Code::SysTemp), String::new())));
        let other = Some((false, Some(Code::Other("X-Y z".into())), "a".into()));
        assert_eq!(read("-ERR [X-Y z] a"), other);
        assert_eq!(read("-ERR [open"), Some((false, None, "[open".into())));
        assert_eq!(read("+OKAY"), None);
        assert_eq!(read("* OK"), None);
        let reply = Reply::read(b"-ERR [LOGIN-DELAY] wait\x07").unwrap();
        assert_eq!(reply.to_string(), "[LOGIN-DELAY] wait\\u{7}");
    }
}
