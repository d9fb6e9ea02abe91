//! What goes wrong in TLS, said so that a user or an operator knows who must act.

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use time::OffsetDateTime;

/// Most names of a certificate that are shown; some are for hundreds.
const NAMES_SHOWN: usize = 5;
/// Whatever is there, if anything, it speaks no TLS; one sentence for all of it.
pub const NO_TLS: &str = "no server speaks TLS there";
/// No certificate can carry what the server is called.
pub(crate) const NO_NAME: &str = "a certificate cannot be for this server name";
/// More unfinished handshake data than any server has reason to send.
pub(crate) const TOO_MUCH_PENDING: &str = "the server sends a handshake message without end";

/// A failed handshake with the server called `name`.
pub(crate) fn of_handshake(error: &Error, name: &ServerName<'_>) -> String {
    let name = name.to_str();
    match error {
        Error::InvalidCertificate(problem) => of_certificate(problem, &name),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => NO_TLS.to_owned(),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server speaks only versions of TLS older than 1.2, which are no longer safe; \
             its operator must update it"
                .to_owned()
        }
        Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
        ) => "the server shares no TLS cipher with us (AES-GCM or ChaCha20-Poly1305 with ECDHE)"
            .to_owned(),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("the server does not know the name {name} (alert unrecognized_name)")
        }
        Error::AlertReceived(alert) => format!("the server refused: alert {alert:?}"),
        other => other.to_string(),
    }
}

/// A line that was up and then broke.
pub(crate) fn of_broken(error: &Error) -> String {
    match error {
        Error::DecryptError => {
            "a record was damaged or tampered with on its way (bad record mac)".to_owned()
        }
        Error::AlertReceived(alert) => format!("the server broke off: alert {alert:?}"),
        other => other.to_string(),
    }
}

/// Whether the server may accept another choice of ciphers.
pub(crate) fn is_no_common_cipher(error: &Error) -> bool {
    // Besides the two alerts that say so, servers report it as internal or illegal.
    matches!(
        error,
        Error::AlertReceived(
            AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity
                | AlertDescription::IllegalParameter
                | AlertDescription::InternalError
        )
    )
}

/// Where the first octets of a server are no TLS record: whether it is a mail server, which says so
/// itself. What anything else says is not repeated.
pub(crate) fn of_plain_text(first: &[u8]) -> Option<String> {
    // ContentType 20 to 24 (RFC 8446 section 5.1, RFC 6520); an old server's alert is 21 too.
    if first.first().is_some_and(|kind| (20..=24).contains(kind)) {
        return None;
    }
    let greetings: [&[u8]; 4] = [b"* OK ", b"* BYE ", b"+OK", b"-ERR"];
    let is_mail = greetings.iter().any(|greeting| first.starts_with(greeting));
    let sentence = match is_mail {
        true => "a mail server answers without TLS on this port; imap:// or pop:// may be meant",
        false => NO_TLS,
    };
    Some(sentence.to_owned())
}

fn of_certificate(problem: &CertificateError, name: &str) -> String {
    match problem {
        CertificateError::Expired => format!("the certificate of {name} has expired"),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate of {name} expired on {}", date(*not_after))
        }
        CertificateError::NotValidYet => format!("the certificate of {name} is not valid yet"),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the certificate of {name} is not valid before {}", date(*not_before))
        }
        CertificateError::UnknownIssuer => format!(
            "the certificate of {name} is not issued by an authority we trust (self-signed, or \
             a private authority that extra_ca must name, or the server sends no intermediate)"
        ),
        CertificateError::NotValidForName => {
            format!("the certificate of the server is not for {name}")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("the certificate of the server is not for {name} but for {}", list(presented))
        }
        CertificateError::Revoked => format!("the certificate of {name} is revoked"),
        // webpki's name for it; rustls has no variant of its own.
        other if other.to_string().contains("CaUsedAsEndEntity") => format!(
            "the certificate of {name} is marked as an authority's own (CA:TRUE), which no server \
             may use; its operator must issue one for the server"
        ),
        other => format!("the certificate of {name} is not acceptable: {other}"),
    }
}

/// Names as rustls shows them, `DnsName("a.example")`, reduced to the name.
fn list(presented: &[String]) -> String {
    let plain = |name: &String| match name.split_once('"') {
        Some((_, rest)) => rest.trim_end_matches(['"', ')']).to_owned(),
        None => name.clone(),
    };
    let mut names: Vec<String> = presented.iter().take(NAMES_SHOWN).map(plain).collect();
    match presented.len().checked_sub(NAMES_SHOWN) {
        Some(more) if more > 0 => names.push(format!("{more} more")),
        _ if names.is_empty() => names.push("no name at all".to_owned()),
        _ => {}
    }
    names.join(", ")
}

/// The day, `2026-11-22`, in UTC.
fn date(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    match OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(at) => at.date().to_string(),
        // No certificate can say it, RFC 5280 section 4.1.2.5.
        Err(_) => "a day after the year 9999".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates() {
        let check = |secs, text: &str| {
            assert_eq!(date(UnixTime::since_unix_epoch(Duration::from_secs(secs))), text);
        };
        check(0, "1970-01-01");
        check(951_782_400, "2000-02-29");
        check(951_868_800, "2000-03-01");
        check(1_735_689_599, "2024-12-31");
        check(4_107_542_400, "2100-03-01");
        check(u64::MAX, "a day after the year 9999");
    }

    #[test]
    fn plain_text_is_recognised() {
        let said = of_plain_text(b"* OK Dovecot ready.\r\n* more").unwrap();
        assert!(said.contains("without TLS") && !said.contains("Dovecot"), "{said}");
        for other in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"SSH-2.0-x\r\n", b"220 ftp\r\n"] {
            assert_eq!(of_plain_text(other).as_deref(), Some(NO_TLS));
        }
        assert_eq!(of_plain_text(&[22, 3, 3, 0, 1]), None);
        assert_eq!(of_plain_text(&[21, 3, 1, 0, 2]), None);
    }

    #[test]
    fn names_of_certificates() {
        let names = |n: usize| (0..n).map(|i| format!("DnsName(\"h{i}.example\")")).collect();
        let show = |n| list(&Vec::<String>::from_iter(Vec::<String>::into_iter(names(n))));
        assert_eq!(show(0), "no name at all");
        assert_eq!(show(2), "h0.example, h1.example");
        assert_eq!(show(7), "h0.example, h1.example, h2.example, h3.example, h4.example, 2 more");
    }
}
