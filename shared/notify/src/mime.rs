//! A letter as a message: RFC 5322 header, the two parts as multipart/alternative (RFC 2046).

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::MimePart;
use pages::Language;
use pages::mail::Letter;

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Name for people; empty where there is none.
    pub name: String,
    /// Address.
    pub address: String,
}

impl Sender {
    /// From `mail_from`: `news@move.example` or `Trasloco <news@move.example>`.
    pub fn parse(text: &str) -> Option<Sender> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>') {
            Some(rest) => rest.split_once('<')?,
            None => ("", text),
        };
        let (name, address) = (name.trim().trim_matches('"'), address.trim());
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>,;:\"".contains(c);
        let (local, domain) = address.rsplit_once('@')?;
        let usable = !local.is_empty() && !domain.is_empty() && address.chars().all(plain);
        let good = usable && !name.contains(char::is_control);
        good.then(|| Sender { name: name.to_owned(), address: address.to_owned() })
    }

    /// What stands behind `@`: how this installation calls itself.
    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// What stands in the header beside the subject.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// From whom.
    pub sender: &'a Sender,
    /// To which address.
    pub recipient: &'a str,
    /// Without brackets; the same in every try.
    pub message_id: &'a str,
    /// In seconds since 1970.
    pub date_s: u64,
    /// Of the text.
    pub language: Language,
}

/// The message's bytes, all of them ASCII.
pub fn message(letter: &Letter, header: Header<'_>) -> Result<Vec<u8>, String> {
    let sender = header.sender;
    let name = Some(sender.name.as_str()).filter(|name| !name.is_empty());
    // A boundary of our own, so that a try that is repeated sends the same bytes.
    let boundary = format!("=_{}", header.message_id.replace(['@', '.'], "_"));
    let text = MimePart::new(part("text/plain"), letter.text.as_str());
    let html = MimePart::new(part("text/html"), letter.html.as_str());
    let both = ContentType::new("multipart/alternative").attribute("boundary", boundary);
    MessageBuilder::new()
        .from(Address::new_address(name, sender.address.as_str()))
        .to(Address::new_address(None::<&str>, header.recipient))
        .subject(letter.subject.as_str())
        .date(i64::try_from(header.date_s).unwrap_or(0))
        .message_id(header.message_id)
        .header("Content-Language", Raw::new(header.language.tag()))
        // RFC 3834 section 5: so that no absence note answers.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .body(MimePart::new(both, vec![text, html]))
        .write_to_vec()
        .map_err(|error| error.to_string())
}

fn part(kind: &str) -> ContentType<'_> {
    ContentType::new(kind).attribute("charset", "utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_sender() {
        let read = |text| Sender::parse(text).map(|it| (it.name, it.address));
        let pair = |name: &str, address: &str| Some((name.to_owned(), address.to_owned()));
        assert_eq!(read("a@b.example"), pair("", "a@b.example"));
        assert_eq!(read(" \"Tra, sloco\" <a@b.example> "), pair("Tra, sloco", "a@b.example"));
        for wrong in ["", "a", "@b", "a@", "x <a@b", "a b@c", "a@b\r\nBcc: c@d", "n\nm <a@b>"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_letter_is_a_message_that_every_program_reads() {
        let letter = Letter {
            subject: "È completa: una migrazione con un oggetto piuttosto lungo, perché no".into(),
            html: format!("<!DOCTYPE html><p>Così è.</p>{}", "x".repeat(2000)),
            text: "Così è.\n.\nFrom here".into(),
        };
        let sender = Sender::parse("Trasloco <news@move.example>").unwrap();
        let header = Header {
            sender: &sender,
            recipient: "anna@b.example",
            message_id: "1.abc@move.example",
            date_s: 1_790_000_000,
            language: Language::It,
        };
        let bytes = message(&letter, header).unwrap();
        assert_eq!(message(&letter, header).unwrap(), bytes, "the same in every try");
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.is_ascii());
        assert!(text.lines().all(|line| line.len() <= 998), "{text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "CRLF only");
        for line in [
            "Message-ID: <1.abc@move.example>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "To: <anna@b.example>",
            "Content-Language: it",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(text.contains("Subject: =?utf-8?"), "{text}");
        assert!(text.contains("Date: Mon, 21 Sep 2026"), "{text}");
        let (plain, html) = (text.find("text/plain").unwrap(), text.find("text/html").unwrap());
        assert!(plain < html, "the best part comes last, RFC 2046 section 5.1.4");
    }
}
