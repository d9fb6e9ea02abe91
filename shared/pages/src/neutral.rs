//! Words of strangers in mails that the operator sends.
//!
//! Whoever creates a migration chooses both logins, the servers that answer for them, and the address
//! that mails go to. A mail must not carry a message of theirs to somebody else: a login is shown where
//! it has the form of one, a server's words are cut short, and nothing in either is or becomes a link.
//! The page of the migration shows all of it.

/// The most characters of a login that are shown; RFC 5321 gives an address 254, people use forty.
const LOGIN_CHARS: usize = 64;
/// The most characters of a server's words.
const SAID_CHARS: usize = 200;
/// What stands where something was left out.
const LEFT_OUT: &str = "…";

/// A login, where it has the form of one: an address, or a name without a dot, of at most
/// [`LOGIN_CHARS`]; mail programs make links of what looks like a name of the web.
pub fn login(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-+*%='&!#$~\\".contains(c);
    let dotted = |c: char| plain(c) || c == '.';
    let fits = text.chars().count() <= LOGIN_CHARS;
    let is_login = match text.rsplit_once('@') {
        Some((local, domain)) => {
            let named = domain.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '-');
            let webby = local.to_lowercase().starts_with("www.");
            !local.is_empty() && local.chars().all(dotted) && named && !webby
        }
        None => !text.is_empty() && text.chars().all(plain),
    };
    if fits && is_login { text.to_owned() } else { LEFT_OUT.to_owned() }
}

/// A server's words on one line, cut short, without what is an address of the web or could be taken
/// for one.
pub fn said(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words = words.filter(|word| !word.is_empty());
    let shown: Vec<&str> =
        words.take(SAID_CHARS).map(|word| if is_link(word) { LEFT_OUT } else { word }).collect();
    let whole = shown.join(" ");
    if whole.chars().count() <= SAID_CHARS {
        return whole;
    }
    let cut: String = whole.chars().take(SAID_CHARS).collect();
    format!("{}{LEFT_OUT}", cut.trim_end())
}

/// Whether a mail program could make a link of a word: it has a scheme, an `@`, or a dot between
/// letters, as names have and figures have not.
fn is_link(word: &str) -> bool {
    let letters: Vec<char> = word.chars().collect();
    let dot = |c: char| matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' | '\u{2024}');
    let named = letters.windows(3).any(|three| match three {
        [before, point, after] => dot(*point) && before.is_alphanumeric() && after.is_alphabetic(),
        _ => false,
    });
    word.contains('@') || word.contains("//") || word.contains(":\\") || named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_look_like_logins_or_are_left_out() {
        for good in ["anna", "anna@example.org", "a.b+c@mail.example", "user*master", "FIRM\\anna"]
        {
            assert_eq!(login(good), good);
        }
        for bad in [
            "URGENT: confirm your account at https://phish.example now",
            "https://phish.example",
            "phish.example",
            "www.phish.example@x",
            "call 0800 now@phish.example",
            "phish.example/login@x",
            "a\r\nBcc: b@c.example",
            "",
            "@phish.example",
        ] {
            assert_eq!(login(bad), "…", "{bad}");
        }
        assert_eq!(login(&"a".repeat(65)), "…");
    }

    #[test]
    fn a_servers_words_are_short_and_lead_nowhere() {
        let whole = "The source refused: [OVERQUOTA] mailbox is full (5.2.2), 99.5 % used.";
        assert_eq!(said(whole), whole);
        let led =
            said("Confirm at https://phish.example/x or www.phish.example or phish。example now");
        assert_eq!(led, "Confirm at … or … or … now");
        assert_eq!(said("mail\r\n\tto a@b.example"), "mail to …");
        let long = said(&"word ".repeat(1_000));
        assert!(long.chars().count() <= SAID_CHARS + 1 && long.ends_with('…'), "{long}");
    }
}
