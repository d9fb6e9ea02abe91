//! A login at one server, without its password.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServerType {
    /// Hosted by OVH: the server is found from the address.
    Ovh,
    /// IMAP4rev1 or rev2 (RFC 3501, RFC 9051).
    Imap,
    /// POP3 (RFC 1939), as a source.
    Pop,
    /// Exchange Web Services.
    Exchange,
    /// Zimbra SOAP.
    Zimbra,
    /// An Outlook data file, as a source.
    Pst,
    /// An iCalendar file, as a source.
    Ics,
    /// A vCard file, as a source.
    Vcf,
}

impl ServerType {
    /// Every type, in the order forms offer them.
    pub const ALL: [ServerType; 8] = [
        ServerType::Ovh,
        ServerType::Imap,
        ServerType::Pop,
        ServerType::Exchange,
        ServerType::Zimbra,
        ServerType::Pst,
        ServerType::Ics,
        ServerType::Vcf,
    ];

    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            ServerType::Ovh => "ovh",
            ServerType::Imap => "imap",
            ServerType::Pop => "pop",
            ServerType::Exchange => "exchange",
            ServerType::Zimbra => "zimbra",
            ServerType::Pst => "pst",
            ServerType::Ics => "ics",
            ServerType::Vcf => "vcf",
        }
    }

    /// A file that is uploaded, not a server.
    pub fn is_file(self) -> bool {
        matches!(self, ServerType::Pst | ServerType::Ics | ServerType::Vcf)
    }
}

/// One side of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// How the server is spoken to.
    #[serde(rename = "type")]
    pub server_type: ServerType,
    /// Where it is, such as `imaps://mail.example.org`; never contains a password.
    pub url: String,
    /// The login, mostly the e-mail address; empty for a file.
    pub login: String,
    /// The administrator whose password it is, where the mailbox is opened through delegation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegate: Option<String>,
}

impl Account {
    /// Whether `login` names this account; case and surrounding blanks are ignored.
    pub fn is(&self, login: &str) -> bool {
        self.login.trim().to_lowercase() == login.trim().to_lowercase()
    }
}
