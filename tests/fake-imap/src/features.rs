//! What a server announces and obeys.

/// What the server announces and obeys. Everything not announced is refused.
#[derive(Debug, Clone)]
pub struct Features {
    /// Speaks IMAP4rev2 (RFC 9051) beside rev1.
    pub imap4rev2: bool,
    /// MULTIAPPEND (RFC 3502).
    pub multiappend: bool,
    /// LITERAL+ (RFC 7888).
    pub literal_plus: bool,
    /// LITERAL- (RFC 7888): non-synchronising literals up to 4096 octets.
    pub literal_minus: bool,
    /// UIDPLUS (RFC 4315): APPENDUID, COPYUID, UID EXPUNGE.
    pub uidplus: bool,
    /// CONDSTORE (RFC 7162).
    pub condstore: bool,
    /// QRESYNC (RFC 7162); implies CONDSTORE.
    pub qresync: bool,
    /// ENABLE (RFC 5161).
    pub enable: bool,
    /// LIST-EXTENDED (RFC 5258).
    pub list_extended: bool,
    /// LIST-STATUS (RFC 5819).
    pub list_status: bool,
    /// SPECIAL-USE and CREATE-SPECIAL-USE (RFC 6154).
    pub special_use: bool,
    /// STATUS=SIZE (RFC 8438).
    pub status_size: bool,
    /// NAMESPACE (RFC 2342).
    pub namespace: bool,
    /// Prefix of personal mailboxes other than INBOX, such as `INBOX.`.
    pub prefix: String,
    /// Hierarchy delimiter.
    pub delimiter: String,
    /// Flags that last; without `\*` other keywords are dropped.
    pub permanent_flags: Vec<String>,
    /// APPENDLIMIT (RFC 7889): largest message in octets; enforced.
    pub append_limit: Option<u64>,
    /// QUOTA (RFC 2087): storage in units of 1024 octets; enforced.
    pub quota_kib: Option<u64>,
    /// ESEARCH (RFC 4731).
    pub esearch: bool,
    /// SASL-IR (RFC 4959).
    pub sasl_ir: bool,
    /// AUTH=PLAIN.
    pub auth_plain: bool,
    /// MOVE (RFC 6851).
    pub move_: bool,
    /// UNSELECT (RFC 3691).
    pub unselect: bool,
    /// ID (RFC 2971).
    pub id: bool,
    /// UTF8=ACCEPT (RFC 6855).
    pub utf8_accept: bool,
    /// LOGINDISABLED (RFC 3501 section 6.2.3): LOGIN is announced as refused and refused.
    pub login_disabled: bool,
    /// Capabilities are told only when asked for, not in the greeting nor after a log-in.
    pub quiet: bool,
    /// Further capability words, announced and nothing else.
    pub further: Vec<String>,
}

impl Features {
    /// RFC 3501 and nothing else, `/` as delimiter.
    pub fn bare() -> Self {
        let flags = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", "\\*"];
        Features {
            imap4rev2: false,
            multiappend: false,
            literal_plus: false,
            literal_minus: false,
            uidplus: false,
            condstore: false,
            qresync: false,
            enable: false,
            list_extended: false,
            list_status: false,
            special_use: false,
            status_size: false,
            namespace: false,
            prefix: String::new(),
            delimiter: "/".into(),
            permanent_flags: flags.map(str::to_owned).to_vec(),
            append_limit: None,
            quota_kib: None,
            esearch: false,
            sasl_ir: false,
            auth_plain: false,
            move_: false,
            unselect: false,
            id: false,
            utf8_accept: false,
            login_disabled: false,
            quiet: false,
            further: Vec::new(),
        }
    }

    /// What a current server announces (after Dovecot 2.3 and Cyrus 3.6), `/` as delimiter.
    pub fn modern() -> Self {
        Features {
            multiappend: true,
            literal_plus: true,
            uidplus: true,
            condstore: true,
            qresync: true,
            enable: true,
            list_extended: true,
            list_status: true,
            special_use: true,
            status_size: true,
            namespace: true,
            esearch: true,
            sasl_ir: true,
            auth_plain: true,
            move_: true,
            unselect: true,
            id: true,
            ..Features::bare()
        }
    }

    /// The same with personal mailboxes under `prefix` and another delimiter.
    #[must_use]
    pub fn under(mut self, prefix: &str, delimiter: &str) -> Self {
        self.prefix = prefix.into();
        self.delimiter = delimiter.into();
        self
    }

    pub(crate) fn keeps(&self, flag: &str) -> bool {
        let any = self.permanent_flags.iter().any(|known| known == "\\*");
        let named = self.permanent_flags.iter().any(|known| known.eq_ignore_ascii_case(flag));
        named || (any && !flag.starts_with('\\'))
    }

    pub(crate) fn capabilities(&self) -> String {
        let mut words = vec!["IMAP4rev1".to_owned()];
        let mut put = |on: bool, word: &str| {
            if on {
                words.push(word.to_owned());
            }
        };
        put(self.imap4rev2, "IMAP4rev2");
        put(self.literal_plus, "LITERAL+");
        put(self.literal_minus, "LITERAL-");
        put(self.sasl_ir, "SASL-IR");
        put(self.auth_plain, "AUTH=PLAIN");
        put(self.login_disabled, "LOGINDISABLED");
        put(self.id, "ID");
        put(self.enable, "ENABLE");
        put(self.namespace, "NAMESPACE");
        put(self.multiappend, "MULTIAPPEND");
        put(self.uidplus, "UIDPLUS");
        put(self.unselect, "UNSELECT");
        put(self.condstore || self.qresync, "CONDSTORE");
        put(self.qresync, "QRESYNC");
        put(self.esearch, "ESEARCH");
        put(self.list_extended, "LIST-EXTENDED");
        put(self.list_status, "LIST-STATUS");
        put(self.special_use, "SPECIAL-USE");
        put(self.special_use, "CREATE-SPECIAL-USE");
        put(self.status_size, "STATUS=SIZE");
        put(self.move_, "MOVE");
        put(self.utf8_accept, "UTF8=ACCEPT");
        put(self.quota_kib.is_some(), "QUOTA");
        if let Some(limit) = self.append_limit {
            words.push(format!("APPENDLIMIT={limit}"));
        }
        words.extend(self.further.iter().cloned());
        words.join(" ")
    }
}

impl Default for Features {
    fn default() -> Self {
        Features::modern()
    }
}
