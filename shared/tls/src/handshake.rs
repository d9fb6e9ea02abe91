//! The TLS handshake, by rustls, over any [`wire::Stream`].

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::client::{ClientConfig, ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use wire::{Error, Stream};

use crate::layer::{Layer, RecordLayer};
use crate::records::{HEADER, Records};
use crate::sentences;
use crate::stream::TlsFacts;

/// Most octets kept of records that cannot be used yet. rustls takes handshake messages of
/// 64 KiB at most; two of them may share a flight.
const PENDING_MAX: usize = 160 * 1024;
/// Most messages sent after a failure: the alert, and what was queued before it.
const LAST_WORDS_MAX: usize = 4;

/// Why there is no TLS connection.
#[derive(Debug)]
pub enum Failure {
    /// The server has none of the offered ciphers, or hung up as if it had none.
    NoCommonCipher(Error),
    /// Anything else; another offer would not help.
    Failed(Error),
}

/// What a handshake leaves behind.
pub(crate) struct Established {
    pub(crate) layer: Layer,
    pub(crate) facts: TlsFacts,
    /// Records that arrived with the end of the handshake, and are still sealed.
    pub(crate) pending: BytesMut,
    /// Plaintext that arrived with the end of the handshake.
    pub(crate) plain: Vec<u8>,
    pub(crate) ended: bool,
}

/// Performs the handshake; `name` is what the certificate must be for, `records` who deals with
/// the records after it.
pub(crate) async fn shake_hands(
    stream: &mut impl Stream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    records: RecordLayer,
) -> Result<Established, Failure> {
    let connection = UnbufferedClientConnection::new(config, name.clone());
    let mut handshake = Handshake {
        connection: connection.map_err(|error| failed(&error, &name))?,
        pending: BytesMut::new(),
        plain: Vec::new(),
        outgoing: Vec::new(),
        ended: false,
    };
    let mut silent = true;
    loop {
        let advanced = handshake.advance();
        let sent = handshake.send_outgoing(stream).await;
        let standing = advanced.map_err(|error| failed(&error, &name))?;
        sent.map_err(hung_up)?;
        if standing == Standing::Open && !handshake.within_message() {
            return handshake.establish(records).map_err(|error| failed(&error, &name));
        }
        let bytes = stream.read().await.map_err(hung_up)?;
        if bytes.is_empty() {
            return Err(hung_up(Error::Closed));
        }
        if silent && let Some(sentence) = sentences::of_plain_text(&bytes) {
            return Err(Failure::Failed(Error::Tls(sentence)));
        }
        silent = false;
        handshake.pending.extend_from_slice(&bytes);
    }
}

/// A connection that is rustls's.
pub(crate) struct Handshake {
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

impl Handshake {
    /// Lets rustls look at `pending`, and takes off what it is done with.
    pub(crate) fn advance(&mut self) -> Result<Standing, rustls::Error> {
        if self.pending.len() > PENDING_MAX {
            return Err(rustls::Error::General(sentences::TOO_MUCH_PENDING.to_owned()));
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

    async fn send_outgoing(&mut self, stream: &mut impl Stream) -> Result<(), Error> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        stream.write(std::mem::take(&mut self.outgoing).into()).await
    }

    /// Whether rustls holds the start of a message (a session ticket) whose end has not arrived:
    /// then the first record in `pending` is complete, and yet it is still there.
    fn within_message(&self) -> bool {
        match self.pending.first_chunk::<HEADER>() {
            Some(&[_, _, _, high, low]) => {
                self.pending.len() >= HEADER + usize::from(u16::from_be_bytes([high, low]))
            }
            None => false,
        }
    }

    fn establish(mut self, records: RecordLayer) -> Result<Established, rustls::Error> {
        let version = self.connection.protocol_version();
        let suite = self.connection.negotiated_cipher_suite();
        let facts = TlsFacts {
            version: version.map(|version| format!("{version:?}")).unwrap_or_default(),
            suite: suite.map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
        };
        let (plain, ended) = (std::mem::take(&mut self.plain), self.ended);
        if records == RecordLayer::Rustls {
            let layer = Layer::Rustls(Box::new(self));
            return Ok(Established { layer, facts, pending: BytesMut::new(), plain, ended });
        }
        let Handshake { connection, pending, .. } = self;
        let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
        let layer = Layer::Ours(Box::new(Records::new(secrets, kernel)?));
        Ok(Established { layer, facts, pending, plain, ended })
    }
}

fn encode(
    message: &mut EncodeTlsData<'_, ClientConnectionData>,
    outgoing: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    let failed = |error: EncodeError| rustls::Error::General(error.to_string());
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

fn failed(error: &rustls::Error, name: &ServerName<'_>) -> Failure {
    let sentence = Error::Tls(sentences::of_handshake(error, name));
    match sentences::is_no_common_cipher(error) {
        true => Failure::NoCommonCipher(sentence),
        false => Failure::Failed(sentence),
    }
}

/// The line broke in the handshake. Observed: Schannel resets the connection where it shares no
/// cipher with the client, without an alert.
fn hung_up(error: Error) -> Failure {
    match error {
        Error::Closed => Failure::NoCommonCipher(Error::Tls(sentences::NO_TLS.to_owned())),
        error => Failure::Failed(error),
    }
}
