//! Folders with a purpose, by attribute (RFC 6154) or, where a server marks none, by name.

/// What a mailbox is for (RFC 6154 section 2, RFC 8457).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// `\All`: every message.
    All,
    /// `\Archive`.
    Archive,
    /// `\Drafts`.
    Drafts,
    /// `\Flagged`: every flagged message.
    Flagged,
    /// `\Important` (RFC 8457).
    Important,
    /// `\Junk`.
    Junk,
    /// `\Sent`.
    Sent,
    /// `\Trash`.
    Trash,
}

impl SpecialUse {
    /// Every purpose there is.
    pub const ALL: [SpecialUse; 8] = [
        SpecialUse::All,
        SpecialUse::Archive,
        SpecialUse::Drafts,
        SpecialUse::Flagged,
        SpecialUse::Important,
        SpecialUse::Junk,
        SpecialUse::Sent,
        SpecialUse::Trash,
    ];

    /// The attribute, such as `\\Sent`.
    pub fn attribute(self) -> &'static str {
        match self {
            SpecialUse::All => "\\All",
            SpecialUse::Archive => "\\Archive",
            SpecialUse::Drafts => "\\Drafts",
            SpecialUse::Flagged => "\\Flagged",
            SpecialUse::Important => "\\Important",
            SpecialUse::Junk => "\\Junk",
            SpecialUse::Sent => "\\Sent",
            SpecialUse::Trash => "\\Trash",
        }
    }

    /// By attribute, ignoring case.
    pub fn of_attribute(attribute: &str) -> Option<SpecialUse> {
        SpecialUse::ALL.into_iter().find(|own| own.attribute().eq_ignore_ascii_case(attribute))
    }

    /// By the name of a top-level folder, ignoring case.
    pub fn of_name(name: &str) -> Option<SpecialUse> {
        let name = name.to_lowercase();
        NAMES.iter().find(|row| row.1.contains(&name.as_str())).map(|row| row.0)
    }
}

/// Purpose, and the names it has where nobody marks it: Dovecot, Cyrus, Exchange,
/// Outlook, Thunderbird, Apple Mail, OVH, Zimbra, in the languages of their largest installations.
const NAMES: &[(SpecialUse, &[&str])] = &[
    (
        SpecialUse::Sent,
        &[
            "sent",
            "sent items",
            "sent messages",
            "sent mail",
            "gesendet",
            "gesendete elemente",
            "gesendete objekte",
            "posta inviata",
            "inviati",
            "inviata",
            "éléments envoyés",
            "envoyés",
            "messages envoyés",
            "enviados",
            "elementos enviados",
            "itens enviados",
            "verzonden",
            "verzonden items",
            "wysłane",
            "elementy wysłane",
            "skickat",
            "отправленные",
        ],
    ),
    (
        SpecialUse::Drafts,
        &[
            "drafts",
            "draft",
            "entwürfe",
            "bozze",
            "brouillons",
            "borradores",
            "rascunhos",
            "concepten",
            "kopie robocze",
            "utkast",
            "черновики",
        ],
    ),
    (
        SpecialUse::Trash,
        &[
            "trash",
            "deleted items",
            "deleted messages",
            "deleted",
            "bin",
            "papierkorb",
            "gelöschte elemente",
            "cestino",
            "posta eliminata",
            "corbeille",
            "éléments supprimés",
            "papelera",
            "elementos eliminados",
            "lixeira",
            "itens excluídos",
            "prullenbak",
            "verwijderde items",
            "kosz",
            "elementy usunięte",
            "papperskorg",
            "удаленные",
            "корзина",
        ],
    ),
    (
        SpecialUse::Junk,
        &[
            "junk",
            "junk e-mail",
            "junk email",
            "junk mail",
            "spam",
            "bulk mail",
            "spamverdacht",
            "posta indesiderata",
            "courrier indésirable",
            "indésirables",
            "correo no deseado",
            "lixo eletrônico",
            "ongewenste e-mail",
            "wiadomości-śmieci",
            "skräppost",
            "спам",
        ],
    ),
    (
        SpecialUse::Archive,
        &["archive", "archives", "archiv", "archivio", "archivo", "arquivo", "archief", "archiwum"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_attribute_and_by_name() {
        assert_eq!(SpecialUse::of_attribute("\\sent"), Some(SpecialUse::Sent));
        for name in ["Sent", "Gesendet", "Posta inviata", "Éléments envoyés"] {
            assert_eq!(SpecialUse::of_name(name), Some(SpecialUse::Sent), "{name}");
        }
        assert_eq!(SpecialUse::of_name("Presents"), None);
        assert_eq!(SpecialUse::Junk.attribute(), "\\Junk");
    }
}
