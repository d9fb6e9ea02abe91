//! What a server announces it can do (RFC 9051 section 7.2.2).

/// Most words kept of an announcement: the longest seen (Cyrus 3.10) has 70.
const WORDS_MAX: usize = 1_000;

/// The capabilities of a connection, in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    words: Vec<String>,
}

impl Capabilities {
    /// Reads the words after `CAPABILITY`.
    pub fn parse(text: &str) -> Self {
        let words = text.split_ascii_whitespace().take(WORDS_MAX);
        Capabilities { words: words.map(str::to_ascii_uppercase).collect() }
    }

    /// Whether nothing was announced so far.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether exactly this word was announced, ignoring case.
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own.eq_ignore_ascii_case(word))
    }

    /// All words, in the server's order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// Whether a SASL mechanism was announced, as `AUTH=NAME`.
    pub fn auth(&self, mechanism: &str) -> bool {
        self.mechanisms().any(|own| own.eq_ignore_ascii_case(mechanism))
    }

    /// The SASL mechanisms announced.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.words().filter_map(|word| word.strip_prefix("AUTH="))
    }

    /// The largest message the server takes, in octets (`APPENDLIMIT=`, RFC 7889); `None` where it
    /// does not say, or has a limit per mailbox that only STATUS tells.
    pub fn append_limit(&self) -> Option<u64> {
        self.words().find_map(|word| word.strip_prefix("APPENDLIMIT=")?.parse().ok())
    }

    /// IMAP4rev2 (RFC 9051), which includes many of the extensions below.
    pub fn imap4rev2(&self) -> bool {
        self.has("IMAP4REV2")
    }

    /// Non-synchronising literals of any size (RFC 7888).
    pub fn literal_plus(&self) -> bool {
        self.has("LITERAL+")
    }

    /// Non-synchronising literals up to 4096 octets (RFC 7888 section 5; part of IMAP4rev2).
    pub fn literal_minus(&self) -> bool {
        self.has("LITERAL-") || self.imap4rev2()
    }

    /// Several messages in one APPEND (RFC 3502).
    pub fn multiappend(&self) -> bool {
        self.has("MULTIAPPEND")
    }

    /// APPENDUID, COPYUID and UID EXPUNGE (RFC 4315).
    pub fn uidplus(&self) -> bool {
        self.has("UIDPLUS") || self.imap4rev2()
    }

    /// Modification sequences (RFC 7162); QRESYNC includes them.
    pub fn condstore(&self) -> bool {
        self.has("CONDSTORE") || self.qresync()
    }

    /// Quick resynchronisation (RFC 7162).
    pub fn qresync(&self) -> bool {
        self.has("QRESYNC")
    }

    /// Search results as sets (RFC 4731).
    pub fn esearch(&self) -> bool {
        self.has("ESEARCH") || self.imap4rev2()
    }

    /// STATUS inside LIST (RFC 5819).
    pub fn list_status(&self) -> bool {
        self.has("LIST-STATUS") || self.imap4rev2()
    }

    /// LIST with options (RFC 5258).
    pub fn list_extended(&self) -> bool {
        self.has("LIST-EXTENDED") || self.imap4rev2()
    }

    /// STATUS SIZE (RFC 8438).
    pub fn status_size(&self) -> bool {
        self.has("STATUS=SIZE") || self.imap4rev2()
    }

    /// Attributes that tell what a mailbox is for (RFC 6154).
    pub fn special_use(&self) -> bool {
        self.has("SPECIAL-USE") || self.imap4rev2()
    }

    /// CREATE with such an attribute (RFC 6154 section 3).
    pub fn create_special_use(&self) -> bool {
        self.has("CREATE-SPECIAL-USE")
    }

    /// Google's LIST with special attributes, older than RFC 6154.
    pub fn xlist(&self) -> bool {
        self.has("XLIST")
    }

    /// `\HasChildren` and `\HasNoChildren` (RFC 3348).
    pub fn children(&self) -> bool {
        self.has("CHILDREN") || self.list_extended()
    }

    /// NAMESPACE (RFC 2342).
    pub fn namespace(&self) -> bool {
        self.has("NAMESPACE") || self.imap4rev2()
    }

    /// ID (RFC 2971).
    pub fn id(&self) -> bool {
        self.has("ID")
    }

    /// ENABLE (RFC 5161).
    pub fn enable(&self) -> bool {
        self.has("ENABLE") || self.imap4rev2()
    }

    /// MOVE (RFC 6851).
    pub fn move_(&self) -> bool {
        self.has("MOVE") || self.imap4rev2()
    }

    /// UNSELECT (RFC 3691).
    pub fn unselect(&self) -> bool {
        self.has("UNSELECT") || self.imap4rev2()
    }

    /// UTF-8 names and headers (RFC 6855).
    pub fn utf8_accept(&self) -> bool {
        self.has("UTF8=ACCEPT") || self.has("UTF8=ONLY")
    }

    /// COMPRESS=DEFLATE (RFC 4978).
    pub fn compress_deflate(&self) -> bool {
        self.has("COMPRESS=DEFLATE")
    }

    /// QUOTA (RFC 9208).
    pub fn quota(&self) -> bool {
        self.has("QUOTA")
    }

    /// BINARY (RFC 3516): literals that may hold NUL.
    pub fn binary(&self) -> bool {
        self.has("BINARY")
    }

    /// Initial client response of AUTHENTICATE (RFC 4959). Cyrus 3.10 writes `SASL_IR` in its
    /// greeting (observed 2026-11).
    pub fn sasl_ir(&self) -> bool {
        self.has("SASL-IR") || self.has("SASL_IR") || self.imap4rev2()
    }

    /// STARTTLS.
    pub fn start_tls(&self) -> bool {
        self.has("STARTTLS")
    }

    /// The LOGIN command is refused (RFC 9051 section 6.2.3).
    pub fn login_disabled(&self) -> bool {
        self.has("LOGINDISABLED")
    }

    /// MAILBOXID and EMAILID (RFC 8474).
    pub fn objectid(&self) -> bool {
        self.has("OBJECTID")
    }

    /// Gmail's own items: labels and message ids.
    pub fn gmail(&self) -> bool {
        self.has("X-GM-EXT-1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_announcements() {
        let courier = Capabilities::parse("IMAP4rev1 UIDPLUS CHILDREN NAMESPACE IDLE AUTH=PLAIN");
        assert!(courier.uidplus() && courier.auth("plain") && courier.children());
        assert!(!courier.multiappend() && !courier.literal_plus() && !courier.sasl_ir());
        let rev2 = Capabilities::parse("imap4rev2 AppendLimit=268435456 SASL_IR");
        assert!(rev2.literal_minus() && !rev2.literal_plus() && rev2.esearch() && rev2.sasl_ir());
        assert_eq!(rev2.append_limit(), Some(268_435_456));
        assert_eq!(Capabilities::parse("APPENDLIMIT").append_limit(), None);
        assert_eq!(Capabilities::parse("APPENDLIMIT=-1").append_limit(), None);
        assert!(Capabilities::parse("  ").is_empty());
        assert_eq!(Capabilities::parse(&"A ".repeat(5_000)).words().count(), WORDS_MAX);
    }
}
