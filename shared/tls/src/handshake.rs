//! The TLS handshake, by rustls, over any [`wire::Stream`].

use std::sync::Arc;

use bytes::BytesMut;
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use wire::{Error, Stream};

use crate::layer::Layer;
use crate::record_layer::RecordLayer;
use crate::records::Records;
use crate::sentences;
use crate::unbuffered::{Standing, Unbuffered};

/// Why there is no TLS connection.
#[derive(Debug)]
pub enum Failure {
    /// The server has none of the offered ciphers, or hung up as if it had none.
    NoCommonCipher(Error),
    /// Anything else; another offer would not help.
    Failed(Error),
}

/// What client and server agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// For example `TLSv1_3`.
    pub version: String,
    /// For example `TLS13_CHACHA20_POLY1305_SHA256`.
    pub suite: String,
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
    let connection = Unbuffered::new(config, name.clone());
    let mut connection = connection.map_err(|error| failed(&error, &name))?;
    let mut silent = true;
    loop {
        let advanced = connection.advance();
        let sent = send_outgoing(&mut connection, stream).await;
        let standing = advanced.map_err(|error| failed(&error, &name))?;
        sent.map_err(hung_up)?;
        if standing == Standing::Open && !connection.within_message() {
            return establish(connection, records).map_err(|error| failed(&error, &name));
        }
        let bytes = stream.read().await.map_err(hung_up)?;
        if bytes.is_empty() {
            return Err(hung_up(Error::Closed));
        }
        if silent && let Some(sentence) = sentences::of_plain_text(&bytes) {
            return Err(Failure::Failed(Error::Tls(sentence)));
        }
        silent = false;
        connection.pending.extend_from_slice(&bytes);
    }
}

async fn send_outgoing(connection: &mut Unbuffered, stream: &mut impl Stream) -> Result<(), Error> {
    if connection.outgoing.is_empty() {
        return Ok(());
    }
    stream.write(std::mem::take(&mut connection.outgoing).into()).await
}

fn establish(
    mut connection: Unbuffered,
    records: RecordLayer,
) -> Result<Established, rustls::Error> {
    let version = connection.connection.protocol_version();
    let suite = connection.connection.negotiated_cipher_suite();
    let facts = TlsFacts {
        version: version.map(|version| format!("{version:?}")).unwrap_or_default(),
        suite: suite.map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
    };
    let (plain, ended) = (std::mem::take(&mut connection.plain), connection.ended);
    if records == RecordLayer::Rustls {
        let layer = Layer::Rustls(Box::new(connection));
        return Ok(Established { layer, facts, pending: BytesMut::new(), plain, ended });
    }
    let Unbuffered { connection, pending, .. } = connection;
    let (secrets, kernel) = connection.dangerous_into_kernel_connection()?;
    let layer = Layer::Ours(Box::new(Records::new(secrets, kernel)?));
    Ok(Established { layer, facts, pending, plain, ended })
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
