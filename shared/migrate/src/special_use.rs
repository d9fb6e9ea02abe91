//! Folders with a purpose, by attribute (RFC 6154) or, where a server marks none, by name.

use imap::SpecialUse;

/// Purpose, attribute, and the names it has where nobody marks it: Dovecot, Cyrus, Exchange,
/// Outlook, Thunderbird, Apple Mail, OVH, Zimbra, in the languages of their largest installations.
const TABLE: &[(SpecialUse, &str, &[&str])] = &[
    (
        SpecialUse::Sent,
        "\\Sent",
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
        "\\Drafts",
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
        "\\Trash",
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
        "\\Junk",
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
        "\\Archive",
        &["archive", "archives", "archiv", "archivio", "archivo", "arquivo", "archief", "archiwum"],
    ),
    (SpecialUse::All, "\\All", &[]),
    (SpecialUse::Flagged, "\\Flagged", &[]),
    (SpecialUse::Important, "\\Important", &[]),
];

/// The attribute, such as `\Sent`.
pub fn attribute(purpose: SpecialUse) -> &'static str {
    TABLE.iter().find(|row| row.0 == purpose).map_or("", |row| row.1)
}

/// By attribute, ignoring case.
pub fn of_attribute(attribute: &str) -> Option<SpecialUse> {
    TABLE.iter().find(|row| row.1.eq_ignore_ascii_case(attribute)).map(|row| row.0)
}

/// By the name of a top-level folder, ignoring case.
pub fn of_name(name: &str) -> Option<SpecialUse> {
    let name = name.to_lowercase();
    TABLE.iter().find(|row| row.2.contains(&name.as_str())).map(|row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_attribute_and_by_name() {
        assert_eq!(of_attribute("\\sent"), Some(SpecialUse::Sent));
        for name in ["Sent", "Gesendet", "Posta inviata", "Éléments envoyés"] {
            assert_eq!(of_name(name), Some(SpecialUse::Sent), "{name}");
        }
        assert_eq!(of_name("Presents"), None);
        assert_eq!(attribute(SpecialUse::Junk), "\\Junk");
    }
}
