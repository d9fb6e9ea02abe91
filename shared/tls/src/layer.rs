//! Who opens and seals the records after the handshake: [`crate::records`], or rustls.

use bytes::{Buf, BytesMut};
use rustls::Error;
use rustls::unbuffered::{ConnectionState, EncryptError, UnbufferedStatus};
use wire::Bytes;

use crate::handshake::Handshake;
use crate::records::{HEADER, Meaning, PLAIN_MAX, Records};
use crate::trust::BadTrust;

/// Octets that rustls is given at once: it copies each record, and keeps what it has not used up.
const PIECE: usize = 64 * 1024;
/// Most octets a record adds to its plaintext in any suite we offer (header, explicit nonce,
/// type, tag), rounded up.
const OVERHEAD_MAX: usize = 40;

/// Whose code deals with the records of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordLayer {
    /// Ours, which is several times faster in a component.
    #[default]
    Ours,
    /// rustls's, with ring's ciphers: the way out (`tls=rustls`) where ours is suspected.
    Rustls,
}

impl RecordLayer {
    /// Reads the variable `tls`: empty or `own` for ours, or `rustls`.
    pub fn parse(text: &str) -> Result<RecordLayer, BadTrust> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "own" => Ok(RecordLayer::Ours),
            "rustls" => Ok(RecordLayer::Rustls),
            _ => Err(BadTrust::Records(text.trim().chars().take(40).collect())),
        }
    }
}

/// The records of one connection.
pub(crate) enum Layer {
    Ours(Box<Records>),
    Rustls(Box<Handshake>),
}

/// What is read and what is to be sent, beside the layer.
#[derive(Default)]
pub(crate) struct Buffers {
    /// The start of a record, for our layer.
    pub(crate) pending: BytesMut,
    /// Decrypted and not yet handed out.
    pub(crate) plain: Vec<u8>,
    /// Sealed and not yet sent: answers of the TLS layer itself.
    pub(crate) outgoing: Vec<u8>,
    /// The server said close_notify: it sends nothing more.
    pub(crate) ended: bool,
}

impl Layer {
    /// Opens what arrived.
    pub(crate) fn receive(&mut self, bytes: Bytes, buffers: &mut Buffers) -> Result<(), Error> {
        match self {
            Layer::Ours(records) => receive(records, bytes, buffers),
            Layer::Rustls(connection) => {
                let received = connection.receive(&bytes, &mut buffers.plain);
                buffers.outgoing.append(&mut connection.outgoing);
                buffers.ended |= connection.ended;
                received
            }
        }
    }

    /// Appends `plain` as records to `out`.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        out.reserve(plain.len() + plain.len().div_ceil(PLAIN_MAX) * OVERHEAD_MAX);
        match self {
            Layer::Ours(records) => records.seal(plain, out),
            Layer::Rustls(connection) => connection.seal(plain, out),
        }
    }

    /// Appends the alert that tells the server about `error`.
    pub(crate) fn seal_alert(&mut self, error: &Error, out: &mut Vec<u8>) {
        match self {
            Layer::Ours(records) => records.seal_alert(error, out),
            // rustls has put it among what it sends already.
            Layer::Rustls(_) => {}
        }
    }
}

/// Whole records are opened where they lie; only a record that is spread over two reads is joined
/// first.
fn receive(records: &mut Records, bytes: Bytes, buffers: &mut Buffers) -> Result<(), Error> {
    buffers.plain.reserve(bytes.len());
    let mut fresh = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
    // Each turn takes at least one octet of `fresh`.
    while !buffers.pending.is_empty() && !fresh.is_empty() {
        let whole = records.record_length(&buffers.pending)?.unwrap_or(HEADER);
        let missing = whole.saturating_sub(buffers.pending.len()).min(fresh.len());
        buffers.pending.extend_from_slice(&fresh.split_to(missing));
        let mut joined = std::mem::take(&mut buffers.pending);
        open(records, &mut joined, buffers)?;
        buffers.pending = joined;
    }
    open(records, &mut fresh, buffers)?;
    buffers.pending.extend_from_slice(&fresh);
    Ok(())
}

/// Opens the whole records at the start of `bytes`, and takes them off.
fn open(records: &mut Records, bytes: &mut BytesMut, buffers: &mut Buffers) -> Result<(), Error> {
    while !buffers.ended
        && let Some(length) = records.record_length(bytes)?
        && let Some(record) = bytes.get_mut(..length)
    {
        match records.open(record, &mut buffers.outgoing)? {
            Meaning::Data(plain) => buffers.plain.extend_from_slice(plain),
            Meaning::Nothing => {}
            Meaning::End => buffers.ended = true,
        }
        wipe(record);
        bytes.advance(length);
    }
    if buffers.ended {
        // Nothing after close_notify counts, RFC 8446 section 6.1.
        bytes.clear();
    }
    Ok(())
}

impl Handshake {
    fn receive(&mut self, bytes: &[u8], plain: &mut Vec<u8>) -> Result<(), Error> {
        for piece in bytes.chunks(PIECE) {
            self.pending.extend_from_slice(piece);
            let advanced = self.advance();
            plain.append(&mut self.plain);
            advanced?;
        }
        Ok(())
    }

    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
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

/// Overwrites what was read, so that it does not stay behind in memory that is used again.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Else the compiler leaves out what nobody reads.
    std::hint::black_box(&*bytes);
}

/// Plaintext that is wiped once nobody holds a slice of it any more.
pub(crate) struct Wiped(pub(crate) Vec<u8>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable() {
        for (text, read) in
            [("", RecordLayer::Ours), ("own", RecordLayer::Ours), (" Rustls", RecordLayer::Rustls)]
        {
            assert_eq!(RecordLayer::parse(text), Ok(read));
        }
        let wrong = RecordLayer::parse("openssl").unwrap_err();
        assert_eq!(wrong.to_string(), "tls is \"openssl\", but must be own or rustls");
    }
}
