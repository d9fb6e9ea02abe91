//! Who opens and seals the records after the handshake: [`crate::records`], or rustls.

use bytes::{Buf, BytesMut};
use rustls::Error;
use wire::Bytes;

use crate::record::{HEADER, OVERHEAD_MAX, PLAIN_MAX};
use crate::records::{Meaning, Records};
use crate::unbuffered::Unbuffered;

/// The records of one connection.
pub(crate) enum Layer {
    Ours(Box<Records>),
    Rustls(Box<Unbuffered>),
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
