//! Account URLs of the command line: `imaps://login@host:993`, `ovh://login`, …

use anyhow::{Context, Result, bail, ensure};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// One side of a migration, as the API takes it, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// The server type of the API.
    pub(super) kind: &'static str,
    /// Where it is, without the login; `None` where that is found out.
    pub(super) url: Option<String>,
    /// Who.
    pub(super) login: String,
}

impl Account {
    /// Reads an account URL; `@` and other special characters in a login are written `%40`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let example = "the form is imaps://login@host[:993]";
        let (scheme, rest) = text.split_once("://").context(example)?;
        let (kind, inner) = match scheme {
            "imap" | "imaps" => ("imap", scheme),
            "pop" | "pops" => ("pop", scheme),
            "ews+https" => ("exchange", "https"),
            "ews+http" => ("exchange", "http"),
            "zimbra+https" => ("zimbra", "https"),
            "zimbra+http" => ("zimbra", "http"),
            "ovh" => {
                let login = unescape(rest)?;
                ensure!(!login.is_empty(), "ovh:// needs a login");
                return Ok(Account { kind: "ovh", url: None, login });
            }
            _ => bail!(
                "{scheme}:// is unknown; known are imaps, imap, pops, pop, ews+https, \
                 zimbra+https and ovh"
            ),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (login, host) = authority.rsplit_once('@').context(example)?;
        ensure!(
            !login.contains(':'),
            "a password does not belong on the command line, where everybody sees it: use a \
             password file (a colon in a login is written %3A)"
        );
        let login = unescape(login)?;
        ensure!(!login.is_empty() && !host.is_empty(), example);
        Ok(Account { kind, url: Some(format!("{inner}://{host}{path}")), login })
    }

    /// The account object of the API, without the password.
    pub(super) fn json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("type".to_owned(), self.kind.into());
        if let Some(url) = &self.url {
            json.insert("url".to_owned(), url.as_str().into());
        }
        json.insert("login".to_owned(), self.login.as_str().into());
        json
    }
}

/// Undoes percent-encoding (RFC 3986 section 2.1).
fn unescape(text: &str) -> Result<String> {
    // The library leaves a % as it is that is followed by something else.
    for rest in text.split('%').skip(1) {
        let digits = rest.as_bytes().first_chunk::<2>();
        let is_octet = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        ensure!(is_octet, "a % in a login is written %25");
    }
    let login = percent_decode_str(text).decode_utf8().context("the login is not UTF-8")?;
    Ok(login.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls() {
        for (text, kind, url, login) in [
            (
                "imaps://anna%40example.org@mail.example.org",
                "imap",
                "imaps://mail.example.org",
                "anna@example.org",
            ),
            ("imap://a@127.0.0.1:143?tls=none", "imap", "imap://127.0.0.1:143?tls=none", "a"),
            ("imap://a@b@[::1]:143/", "imap", "imap://[::1]:143/", "a@b"),
            ("pops://a%20%22b%22@h:995", "pop", "pops://h:995", "a \"b\""),
            ("ews+https://a@h/EWS/x?y@z", "exchange", "https://h/EWS/x?y@z", "a"),
            ("zimbra+https://a%25b@h", "zimbra", "https://h", "a%b"),
        ] {
            let account = Account::parse(text).unwrap();
            let expected = Account { kind, url: Some(url.to_owned()), login: login.to_owned() };
            assert_eq!(account, expected, "{text}");
        }
        let ovh = Account::parse("ovh://anna@example.com").unwrap();
        assert_eq!(
            ovh.json(),
            *serde_json::json!({"type": "ovh", "login": "anna@example.com"}).as_object().unwrap()
        );
    }

    #[test]
    fn refuses() {
        for (text, word) in [
            ("mail.example.org", "the form is"),
            ("imaps://mail.example.org", "the form is"),
            ("imaps://@h", "the form is"),
            ("imaps://a@", "the form is"),
            ("imaps://a:hunter2@h", "password file"),
            ("gopher://a@h", "gopher"),
            ("imaps://a%4@h", "%25"),
            ("imaps://a%ff@h", "UTF-8"),
            ("ovh://", "login"),
        ] {
            let said = format!("{:#}", Account::parse(text).unwrap_err());
            assert!(said.contains(word) && !said.contains("hunter2"), "{text}: {said}");
        }
    }
}
