//! Flags and keywords of a message, and what a mailbox keeps of them (RFC 9051 section 2.3.2).

use std::fmt;

/// Most keywords kept of one message or mailbox: Dovecot and Cyrus stop at some hundred.
pub const KEYWORDS_MAX: usize = 1_000;

/// Most octets of the keywords of one message: 26 of the longest that Dovecot keeps, with room.
/// What is beyond is dropped, so that the flags of a batch of messages have an end.
const MESSAGE_OCTETS_MAX: usize = 2_000;

const SYSTEM: [(&str, SystemFlag); 6] = [
    ("\\Seen", SystemFlag::Seen),
    ("\\Answered", SystemFlag::Answered),
    ("\\Flagged", SystemFlag::Flagged),
    ("\\Deleted", SystemFlag::Deleted),
    ("\\Draft", SystemFlag::Draft),
    ("\\Recent", SystemFlag::Recent),
];

/// A flag that IMAP itself defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SystemFlag {
    /// `\Seen`: read.
    Seen = 1,
    /// `\Answered`.
    Answered = 2,
    /// `\Flagged`: urgent or starred.
    Flagged = 4,
    /// `\Deleted`: goes with the next expunge.
    Deleted = 8,
    /// `\Draft`.
    Draft = 16,
    /// `\Recent` (RFC 3501): set by the server only, never sent.
    Recent = 32,
}

/// The flags of a message. Without keywords it takes no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Flags {
    system: u8,
    keywords: Vec<String>,
}

/// What a mailbox keeps for good (`PERMANENTFLAGS`, RFC 9051 section 7.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermanentFlags {
    /// The flags that can be changed for good.
    pub flags: Flags,
    /// Whether `\*` was announced: keywords of one's own are kept.
    pub any_keyword: bool,
}

impl Flags {
    /// No flags.
    pub fn new() -> Self {
        Flags::default()
    }

    /// Whether no flag is set.
    pub fn is_empty(&self) -> bool {
        self.system == 0 && self.keywords.is_empty()
    }

    /// Whether a system flag is set.
    pub fn has(&self, flag: SystemFlag) -> bool {
        self.system & flag as u8 != 0
    }

    /// Whether a keyword is set, ignoring case (RFC 9051 section 2.3.2).
    pub fn has_keyword(&self, keyword: &str) -> bool {
        self.keywords.iter().any(|own| own.eq_ignore_ascii_case(keyword))
    }

    /// Sets a system flag.
    pub fn set(&mut self, flag: SystemFlag) {
        self.system |= flag as u8;
    }

    /// Clears a system flag.
    pub fn clear(&mut self, flag: SystemFlag) {
        self.system &= !(flag as u8);
    }

    /// Sets a flag by its name, keyword or `\System`; beyond a thousand keywords it is dropped.
    pub fn insert(&mut self, name: &str) {
        if let Some((_, flag)) = SYSTEM.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            return self.set(*flag);
        }
        if !name.is_empty() && self.keywords.len() < KEYWORDS_MAX && !self.has_keyword(name) {
            self.keywords.push(name.to_owned());
        }
    }

    /// The keywords, and system flags that are not in RFC 9051, in the server's order.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.keywords.iter().map(String::as_str)
    }

    /// All names, system flags first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let system = SYSTEM.iter().filter(|(_, flag)| self.has(*flag)).map(|(name, _)| *name);
        system.chain(self.keywords())
    }

    /// Keeps the keywords for which `keep` says so.
    pub fn retain_keywords(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.keywords.retain(|keyword| keep(keyword));
    }

    /// The flags of one message, whose keywords are kept up to [`MESSAGE_OCTETS_MAX`].
    pub fn of_message(mut self) -> Self {
        let mut octets = 0;
        self.keywords.retain(|keyword| {
            octets += keyword.len() + 1;
            octets <= MESSAGE_OCTETS_MAX
        });
        self
    }

    /// The same from the octets of an answer; what is no UTF-8 is replaced.
    pub fn insert_bytes(&mut self, name: &[u8]) {
        // The common ones without going through the table.
        match name {
            b"\\Seen" => self.set(SystemFlag::Seen),
            b"\\Recent" => self.set(SystemFlag::Recent),
            _ => self.insert(&String::from_utf8_lossy(name)),
        }
    }
}

impl FromIterator<SystemFlag> for Flags {
    fn from_iter<I: IntoIterator<Item = SystemFlag>>(system: I) -> Self {
        let mut flags = Flags::new();
        system.into_iter().for_each(|flag| flags.set(flag));
        flags
    }
}

impl<'a> FromIterator<&'a str> for Flags {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut flags = Flags::new();
        names.into_iter().for_each(|name| flags.insert(name));
        flags
    }
}

/// Prints names with spaces between, without `\Recent`, which no client may send.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.names().filter(|name| *name != "\\Recent" && is_sendable(name));
        for (n, name) in sent.enumerate() {
            f.write_str(if n > 0 { " " } else { "" })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// `flag-keyword = atom`: anything else would break the command it stands in.
fn is_sendable(name: &str) -> bool {
    let word = name.strip_prefix('\\').unwrap_or(name);
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b))
}

impl PermanentFlags {
    /// Splits `flags` into what the mailbox keeps and the names it does not keep.
    pub fn split(&self, flags: &Flags) -> (Flags, Vec<String>) {
        let mut kept = Flags::new();
        let mut lost = Vec::new();
        for name in flags.names().filter(|name| *name != "\\Recent") {
            let own = match SYSTEM.iter().find(|(own, _)| *own == name) {
                Some((_, flag)) => self.flags.has(*flag),
                // `\*` is about keywords; a strange system flag must be listed by name.
                None => {
                    (self.any_keyword && !name.starts_with('\\')) || self.flags.has_keyword(name)
                }
            };
            match own && is_sendable(name) {
                true => kept.insert(name),
                false => lost.push(name.to_owned()),
            }
        }
        (kept, lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(names: &str) -> Flags {
        names.split(' ').filter(|name| !name.is_empty()).collect()
    }

    #[test]
    fn prints_what_may_be_sent() {
        let all = flags(r"\Flagged \Seen \Recent $Forwarded MyKeyword $forwarded");
        assert!(all.has(SystemFlag::Flagged) && all.has_keyword("mykeyword"));
        assert_eq!(all.to_string(), r"\Seen \Flagged $Forwarded MyKeyword");
        assert_eq!(flags(r"\Seen a]b *").to_string(), r"\Seen");
        assert!(flags("").is_empty());
    }

    #[test]
    fn splits_by_what_is_permanent() {
        let own = flags(r"\Seen \Draft \Recent Junk \Strange");
        let none = PermanentFlags { flags: flags(r"\Seen \Flagged"), any_keyword: false };
        let lost = [r"\Draft", "Junk", r"\Strange"].map(String::from).to_vec();
        assert_eq!(none.split(&own), ([SystemFlag::Seen].into_iter().collect(), lost));
        let any = PermanentFlags { flags: flags(r"\Seen \Draft"), any_keyword: true };
        assert_eq!(
            any.split(&own),
            ([r"\Seen", r"\Draft", "Junk"].into_iter().collect(), vec![r"\Strange".into()])
        );
    }

    #[test]
    fn keywords_are_bounded() {
        let names: Vec<String> = (0..5_000).map(|n| format!("k{n}")).collect();
        let all: Flags = names.iter().map(String::as_str).collect();
        assert_eq!(all.keywords().count(), KEYWORDS_MAX);
    }
}
