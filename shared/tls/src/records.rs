//! The records of a connection whose handshake is done, RFC 8446 section 5 and RFC 5246 section
//! 6.2.
//!
//! rustls with ring does this too, but copies each octet three times on the way, and ring's ciphers
//! are assembly on native machines only: compiled to WebAssembly they are half as fast as those
//! used here. Records are opened where they lie and sealed where they are put together. Keys, key
//! updates and session tickets remain rustls's business.

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::{
    AlertDescription, ContentType, Error, ExtractedSecrets, HandshakeType, InvalidMessage,
    PeerMisbehaved, ProtocolVersion,
};

use crate::direction::Direction;
use crate::post_handshake::{Message, Messages};
use crate::record::{PLAIN_MAX, Version, unexpected};

/// Most records in a row that carry nothing: a server cannot keep us busy with them.
const EMPTY_MAX: u32 = 64;

/// Both directions of a connection.
pub(crate) struct Records {
    kernel: KernelConnection<ClientConnectionData>,
    version: Version,
    reading: Direction,
    writing: Direction,
    messages: Messages,
    /// Records in a row that carried nothing.
    n_empty: u32,
}

/// What a record meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning<'r> {
    /// Plaintext.
    Data(&'r [u8]),
    /// Something between the two TLS layers that is dealt with.
    Nothing,
    /// close_notify: the server sends nothing more.
    End,
}

impl Records {
    /// Takes over from the handshake.
    pub(crate) fn new(
        secrets: ExtractedSecrets,
        kernel: KernelConnection<ClientConnectionData>,
    ) -> Result<Self, Error> {
        let version = match kernel.protocol_version() {
            ProtocolVersion::TLSv1_3 => Version::Tls13,
            _ => Version::Tls12,
        };
        let reading = Direction::new(version, secrets.rx)?;
        let writing = Direction::new(version, secrets.tx)?;
        let messages = Messages::default();
        Ok(Records { kernel, version, reading, writing, messages, n_empty: 0 })
    }

    /// Octets of the first record in `bytes`, header included; `None` while the header is not
    /// there.
    pub(crate) fn record_length(&self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        self.version.record_length(bytes)
    }

    /// Opens a whole record, header included, in place. What is to be answered is appended to
    /// `outgoing`.
    pub(crate) fn open<'r>(
        &mut self,
        record: &'r mut [u8],
        outgoing: &mut Vec<u8>,
    ) -> Result<Meaning<'r>, Error> {
        let (kind, plain) = self.reading.open(record)?;
        if self.messages.within_one() && kind != ContentType::Handshake {
            return Err(unexpected(kind));
        }
        match kind {
            ContentType::ApplicationData if !plain.is_empty() => {
                self.n_empty = 0;
                self.messages.earn(plain.len());
                return Ok(Meaning::Data(plain));
            }
            ContentType::ApplicationData => {}
            ContentType::Alert => match alert(plain)? {
                AlertDescription::CloseNotify => return Ok(Meaning::End),
                // The only warnings there are; RFC 8446 section 6 makes all others fatal.
                AlertDescription::UserCanceled | AlertDescription::NoRenegotiation => {}
                other => return Err(Error::AlertReceived(other)),
            },
            ContentType::Handshake => self.take_handshake(plain, outgoing)?,
            other => return Err(unexpected(other)),
        }
        self.n_empty += 1;
        if self.n_empty > EMPTY_MAX {
            return Err(PeerMisbehaved::TooManyEmptyFragments.into());
        }
        Ok(Meaning::Nothing)
    }

    /// Appends `plain` as records to `out`.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        for plain in plain.chunks(PLAIN_MAX) {
            self.writing.seal(ContentType::ApplicationData, plain, out)?;
        }
        Ok(())
    }

    /// Appends the alert that tells the server about `error`.
    pub(crate) fn seal_alert(&mut self, error: &Error, out: &mut Vec<u8>) {
        let description = match error {
            // Nobody is told what they have told us.
            Error::AlertReceived(_) => return,
            Error::DecryptError => AlertDescription::BadRecordMac,
            Error::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
            Error::InvalidMessage(_) => AlertDescription::DecodeError,
            Error::InappropriateMessage { .. } | Error::PeerMisbehaved(_) => {
                AlertDescription::UnexpectedMessage
            }
            _ => AlertDescription::InternalError,
        };
        const FATAL: u8 = 2;
        // The line is given up in any case.
        let _ = self.writing.seal(ContentType::Alert, &[FATAL, description.into()], out);
    }

    /// Messages after the handshake, RFC 8446 section 4.6; in TLS 1.2 only HelloRequest.
    fn take_handshake(&mut self, plain: &[u8], outgoing: &mut Vec<u8>) -> Result<(), Error> {
        self.messages.append(plain);
        while let Some(Message { kind, body, ends_record }) = self.messages.take()? {
            match (self.version, kind, &body[..]) {
                (Version::Tls13, HandshakeType::NewSessionTicket, body) => {
                    self.kernel.handle_new_session_ticket(body)?;
                }
                (Version::Tls13, HandshakeType::KeyUpdate, &[request]) => {
                    // Keys change between records, never within one.
                    if !ends_record {
                        return Err(PeerMisbehaved::KeyEpochWithPendingFragment.into());
                    }
                    self.update_keys(request, outgoing)?;
                }
                // RFC 5746 section 4.5 allows to decline.
                (Version::Tls12, HandshakeType::HelloRequest, []) => {
                    let declined = [1, AlertDescription::NoRenegotiation.into()];
                    self.writing.seal(ContentType::Alert, &declined, outgoing)?;
                }
                _ => return Err(unexpected(ContentType::Handshake)),
            }
        }
        Ok(())
    }

    /// RFC 8446 section 4.6.3.
    fn update_keys(&mut self, request: u8, outgoing: &mut Vec<u8>) -> Result<(), Error> {
        self.reading = Direction::new(self.version, self.kernel.update_rx_secret()?)?;
        match request {
            0 => Ok(()),
            1 => {
                let update = [HandshakeType::KeyUpdate.into(), 0, 0, 1, 0];
                self.writing.seal(ContentType::Handshake, &update, outgoing)?;
                self.writing = Direction::new(self.version, self.kernel.update_tx_secret()?)?;
                Ok(())
            }
            _ => Err(InvalidMessage::InvalidKeyUpdate.into()),
        }
    }
}

fn alert(plain: &[u8]) -> Result<AlertDescription, Error> {
    match plain {
        &[_, description] => Ok(AlertDescription::from(description)),
        _ => Err(InvalidMessage::MessageTooShort.into()),
    }
}

#[cfg(test)]
mod tests;
