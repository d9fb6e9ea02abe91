//! A connection that rustls drives, by its interface without buffers of its own: every handshake, and
//! the records after it where these are left to rustls.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::Error;
use rustls::client::{ClientConfig, ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};

use crate::record::{HEADER, OVERHEAD_MAX, PLAIN_MAX, announced_length};
use crate::sentences;

/// Most octets kept of records that cannot be used yet. rustls takes handshake messages of
/// 64 KiB at most; two of them may share a flight.
const PENDING_MAX: usize = 160 * 1024;
/// Most messages sent after a failure: the alert, and what was queued before it.
const LAST_WORDS_MAX: usize = 4;
/// Octets that rustls is given at once: it copies each record, and keeps what it has not used up.
const PIECE: usize = 64 * 1024;

/// A connection that is rustls's.
pub(crate) struct Unbuffered {
    pub(crate) connection: UnbufferedClientConnection,
    /// Records that arrived and are not complete, or whose message is not.
    pub(crate) pending: BytesMut,
    /// Opened and not yet handed on.
    pub(crate) plain: Vec<u8>,
    /// Encoded and not yet sent.
    pub(crate) outgoing: Vec<u8>,
    pub(crate) ended: bool,
}

/// Where rustls stands once it has looked at all that arrived.
#[derive(PartialEq, Eq)]
pub(crate) enum Standing {
    Handshaking,
    Open,
}

impl Unbuffered {
    /// A connection that has sent nothing; `name` is what the certificate must be for.
    pub(crate) fn new(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        Ok(Unbuffered {
            connection: UnbufferedClientConnection::new(config, name)?,
            pending: BytesMut::new(),
            plain: Vec::new(),
            outgoing: Vec::new(),
            ended: false,
        })
    }

    /// Lets rustls look at `pending`, and takes off what it is done with.
    pub(crate) fn advance(&mut self) -> Result<Standing, Error> {
        if self.pending.len() > PENDING_MAX {
            return Err(Error::General(sentences::TOO_MUCH_PENDING.to_owned()));
        }
        // Each turn uses up a record, encodes a message or is the last, so it ends.
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut self.pending);
            let standing = match state {
                Err(error) => {
                    self.pending.advance(discard.min(self.pending.len()));
                    self.encode_last_words();
                    return Err(error);
                }
                Ok(ConnectionState::EncodeTlsData(mut message)) => {
                    encode(&mut message, &mut self.outgoing)?;
                    None
                }
                Ok(ConnectionState::TransmitTlsData(message)) => {
                    message.done();
                    None
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        self.plain.extend_from_slice(record?.payload);
                    }
                    None
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    Some(Standing::Open)
                }
                Ok(ConnectionState::WriteTraffic(_)) => Some(Standing::Open),
                Ok(_) => Some(Standing::Handshaking),
            };
            self.pending.advance(discard.min(self.pending.len()));
            if self.ended {
                // Nothing after close_notify counts, RFC 8446 section 6.1; rustls leaves it here.
                self.pending.clear();
            }
            if let Some(standing) = standing {
                return Ok(standing);
            }
        }
    }

    /// After a failure rustls still gives out the alert that says why.
    fn encode_last_words(&mut self) {
        for _ in 0..LAST_WORDS_MAX {
            // Asked first, since with nothing to send rustls would go on reading records.
            if !self.connection.wants_write() {
                return;
            }
            // With what it has not used up, since it remembers places in it.
            let status = self.connection.process_tls_records(&mut self.pending);
            let Ok(ConnectionState::EncodeTlsData(mut message)) = status.state else { return };
            if encode(&mut message, &mut self.outgoing).is_err() {
                return;
            }
        }
    }

    /// Whether rustls holds the start of a message (a session ticket) whose end has not arrived:
    /// then the first record in `pending` is complete, and yet it is still there.
    pub(crate) fn within_message(&self) -> bool {
        announced_length(&self.pending).is_some_and(|sealed| self.pending.len() >= HEADER + sealed)
    }

    /// Opens what arrived after the handshake, and appends its text to `plain`.
    pub(crate) fn receive(&mut self, bytes: &[u8], plain: &mut Vec<u8>) -> Result<(), Error> {
        for piece in bytes.chunks(PIECE) {
            self.pending.extend_from_slice(piece);
            let advanced = self.advance();
            plain.append(&mut self.plain);
            advanced?;
        }
        Ok(())
    }

    /// Appends `plain` as records to `out`.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        for plain in plain.chunks(PLAIN_MAX) {
            // What arrived was looked at when it came, so nothing stands before the traffic.
            let UnbufferedStatus { state, .. } =
                self.connection.process_tls_records(&mut self.pending);
            let ConnectionState::WriteTraffic(mut traffic) = state? else {
                return Err(Error::General("rustls is not ready to write".to_owned()));
            };
            let start = out.len();
            out.resize(start + plain.len() + OVERHEAD_MAX, 0);
            let mut sealed = traffic.encrypt(plain, out.get_mut(start..).unwrap_or_default());
            // Rarely: an update of the key goes in front.
            if let Err(EncryptError::InsufficientSize(error)) = &sealed {
                out.resize(start + error.required_size, 0);
                sealed = traffic.encrypt(plain, out.get_mut(start..).unwrap_or_default());
            }
            let octets = sealed.map_err(|_| Error::EncryptError)?;
            out.truncate(start + octets);
        }
        Ok(())
    }
}

fn encode(
    message: &mut EncodeTlsData<'_, ClientConnectionData>,
    outgoing: &mut Vec<u8>,
) -> Result<(), Error> {
    let failed = |error: EncodeError| Error::General(error.to_string());
    let needed = match message.encode(&mut []) {
        Err(EncodeError::InsufficientSize(error)) => error.required_size,
        Err(error @ EncodeError::AlreadyEncoded) => return Err(failed(error)),
        Ok(_) => return Ok(()),
    };
    let start = outgoing.len();
    outgoing.resize(start + needed, 0);
    message.encode(outgoing.get_mut(start..).unwrap_or_default()).map_err(failed)?;
    Ok(())
}
