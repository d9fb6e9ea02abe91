//! Whether a mail server is there: its name, its certificate, its greeting. Nothing is told it.

use dial::{Dialer, Endpoint, Line, Scheme};
use wire::{Bytes, Clock, Error, Http, Network, Stream, within};

/// Longest time for one server.
const PROBE_S: u32 = 4;
/// The most bytes of a greeting; RFC 9051 and RFC 1939 have lines, the longest seen has 500.
const LINE_MAX_BYTES: usize = 4096;
/// Lines between a command and its tagged answer.
const LINES_MAX: usize = 8;

/// Opens a line to the server and hears its greeting; with STARTTLS, the certificate comes after.
pub(crate) async fn confirm<H: Network + Http + Clock>(
    dialer: &Dialer<'_, H>,
    endpoint: &Endpoint,
) -> Result<(), Error> {
    let protocol = Protocol::of(endpoint.scheme);
    let start_tls = async |line: Line<H::Stream>| {
        let mut talk = Talk { line, heard: Vec::new() };
        protocol.greeting(&talk.line().await?)?;
        talk.line.write(Bytes::from_static(protocol.start_tls)).await?;
        for _ in 0..LINES_MAX {
            let answer = talk.line().await?;
            if answer.starts_with(protocol.agreed) && talk.heard.is_empty() {
                return Ok(talk.line);
            }
            if !answer.starts_with(b"* ") {
                break;
            }
        }
        Err(Error::Tls("the server does not begin it".to_owned()))
    };
    let work = async {
        let opened = dialer.open_with(endpoint, start_tls).await?;
        let encrypted_first = opened.tls.is_some() && endpoint.tls == dial::Tls::Implicit;
        if encrypted_first {
            let mut talk = Talk { line: opened.line, heard: Vec::new() };
            protocol.greeting(&talk.line().await?)?;
        }
        Ok(())
    };
    within(dialer.host, PROBE_S, work).await
}

struct Protocol {
    name: &'static str,
    greeting: &'static [u8],
    start_tls: &'static [u8],
    agreed: &'static [u8],
}

impl Protocol {
    fn of(scheme: Scheme) -> Protocol {
        match scheme {
            Scheme::Pop | Scheme::Pops => {
                Protocol { name: "POP", greeting: b"+OK", start_tls: b"STLS\r\n", agreed: b"+OK" }
            }
            Scheme::Imap | Scheme::Imaps | Scheme::Smtp | Scheme::Smtps => Protocol {
                name: "IMAP",
                greeting: b"* OK",
                start_tls: b"a STARTTLS\r\n",
                agreed: b"a OK",
            },
        }
    }

    fn greeting(&self, line: &[u8]) -> Result<(), Error> {
        let said = line.get(..self.greeting.len()).unwrap_or_default();
        if said.eq_ignore_ascii_case(self.greeting) {
            return Ok(());
        }
        Err(Error::Http(format!("no {} server answers there", self.name)))
    }
}

struct Talk<S> {
    line: S,
    heard: Vec<u8>,
}

impl<S: Stream> Talk<S> {
    async fn line(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                return Ok(self.heard.drain(..=end).collect());
            }
            if self.heard.len() > LINE_MAX_BYTES {
                return Err(Error::Http("the greeting does not end".to_owned()));
            }
            let more = self.line.read().await?;
            if more.is_empty() {
                return Err(Error::Closed);
            }
            self.heard.extend_from_slice(&more);
        }
    }
}
