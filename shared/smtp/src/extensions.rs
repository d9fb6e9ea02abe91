//! What the server announced (RFC 5321 section 4.1.1.1).

use crate::reply::Reply;

/// The extensions that make a difference here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// RFC 3207.
    pub start_tls: bool,
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtp_utf8: bool,
    /// RFC 1870: announced, with the largest message in bytes; 0 means no fixed limit.
    pub size: Option<usize>,
    /// RFC 4954: SASL mechanisms, in capitals.
    pub mechanisms: Vec<String>,
}

impl Extensions {
    /// From the reply to EHLO, whose first line is the server's name.
    pub(crate) fn read(reply: &Reply) -> Extensions {
        let mut known = Extensions::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            // Observed: servers from before RFC 2554 announce `AUTH=LOGIN PLAIN`.
            let (keyword, rest) = line.split_once([' ', '=']).unwrap_or((&line, ""));
            match keyword {
                "STARTTLS" => known.start_tls = true,
                "PIPELINING" => known.pipelining = true,
                "8BITMIME" => known.eight_bit_mime = true,
                "SMTPUTF8" => known.smtp_utf8 = true,
                "SIZE" => known.size = Some(rest.trim().parse().unwrap_or(0)),
                "AUTH" => {
                    for mechanism in rest.split_ascii_whitespace() {
                        if !known.mechanisms.iter().any(|other| other == mechanism) {
                            known.mechanisms.push(mechanism.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        known
    }

    /// Whether a SASL mechanism is offered.
    pub fn offers(&self, mechanism: &str) -> bool {
        self.mechanisms.iter().any(|offered| offered == mechanism)
    }
}
