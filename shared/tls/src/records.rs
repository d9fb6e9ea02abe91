//! The records of a connection whose handshake is done, RFC 8446 section 5 and RFC 5246 section
//! 6.2.
//!
//! rustls with ring does this too, but copies each octet three times on the way, and ring's ciphers
//! are assembly on native machines only: compiled to WebAssembly they are half as fast as those
//! used here. Records are opened where they lie and sealed where they are put together. Keys, key
//! updates and session tickets remain rustls's business.

use aes_gcm::{Aes128Gcm, Aes256Gcm};
use rustls::client::ClientConnectionData;
use rustls::crypto::cipher::{make_tls12_aad, make_tls13_aad};
use rustls::kernel::KernelConnection;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, ExtractedSecrets,
    HandshakeType, InvalidMessage, PeerMisbehaved, ProtocolVersion,
};

use zeroize::Zeroizing;

use crate::aead::{Aead, NONCE, TAG};
use crate::chacha20::ChaCha20Poly1305;

/// Octets in front of a record: type, version, length.
pub(crate) const HEADER: usize = 5;
/// Most plaintext octets in one record, RFC 8446 section 5.1.
pub(crate) const PLAIN_MAX: usize = 1 << 14;
/// Most octets of a sealed record after its header in TLS 1.2, RFC 5246 section 6.2.3.
const SEALED_MAX_TLS12: usize = PLAIN_MAX + 2048;
/// The same in TLS 1.3, RFC 8446 section 5.2.
const SEALED_MAX_TLS13: usize = PLAIN_MAX + 256;
/// Octets of the nonce that AES-GCM records of TLS 1.2 carry, RFC 5288 section 3.
const EXPLICIT_NONCE: usize = 8;
/// Longest handshake message after the handshake; rustls takes no longer ones either.
const HANDSHAKE_MAX: usize = 0xffff;
/// Most records under one key. AES-GCM is safe for 2^24 full records (RFC 8446 section 5.5),
/// which is 256 GiB.
const RECORDS_MAX: u64 = 1 << 24;
/// Most records in a row that carry nothing: a server cannot keep us busy with them.
const EMPTY_MAX: u32 = 64;
/// Most handshake messages (tickets, key updates, requests to negotiate anew) that a server may be
/// ahead of [`HANDSHAKE_PER_BYTES`]: each costs a key derivation or an answer. Servers send two
/// tickets at the start, OpenSSL's clients bear 32 key updates.
const HANDSHAKE_AHEAD_MAX: u32 = 32;
/// Plaintext octets for which a server may send one more of them.
const HANDSHAKE_PER_BYTES: usize = 1 << 20;

/// Both directions of a connection.
pub(crate) struct Records {
    kernel: KernelConnection<ClientConnectionData>,
    version: Version,
    reading: Direction,
    writing: Direction,
    /// The start of a handshake message that goes on in the next record.
    handshake: Vec<u8>,
    n_empty: u32,
    /// Handshake messages that the server may still send, see [`HANDSHAKE_AHEAD_MAX`].
    handshakes_left: u32,
    /// Plaintext octets since the last one that was earned.
    earning_bytes: usize,
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Tls12,
    Tls13,
}

/// A key, and how many records it has seen. Key and IV are wiped when it is dropped.
pub(crate) struct Direction {
    cipher: Cipher,
    iv: Zeroizing<[u8; NONCE]>,
    sequence: u64,
}

pub(crate) enum Cipher {
    Aes128(Box<Aes128Gcm>),
    Aes256(Box<Aes256Gcm>),
    ChaCha20(ChaCha20Poly1305),
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
        let (reading, writing) = (Direction::new(secrets.rx)?, Direction::new(secrets.tx)?);
        Ok(Records {
            kernel,
            version,
            reading,
            writing,
            handshake: Vec::new(),
            n_empty: 0,
            handshakes_left: HANDSHAKE_AHEAD_MAX,
            earning_bytes: 0,
        })
    }

    /// Octets of the first record in `bytes`, header included; `None` while the header is not
    /// there.
    pub(crate) fn record_length(&self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        let most = match self.version {
            Version::Tls13 => SEALED_MAX_TLS13,
            Version::Tls12 => SEALED_MAX_TLS12,
        };
        record_length(bytes, most)
    }

    /// Opens a whole record, header included, in place. What is to be answered is appended to
    /// `outgoing`.
    pub(crate) fn open<'r>(
        &mut self,
        record: &'r mut [u8],
        outgoing: &mut Vec<u8>,
    ) -> Result<Meaning<'r>, Error> {
        let (kind, plain) = match self.version {
            Version::Tls13 => self.reading.open_tls13(record)?,
            Version::Tls12 => self.reading.open_tls12(record)?,
        };
        if !self.handshake.is_empty() && kind != ContentType::Handshake {
            return Err(unexpected(kind));
        }
        match kind {
            ContentType::ApplicationData if !plain.is_empty() => {
                self.n_empty = 0;
                self.earning_bytes += plain.len();
                if self.earning_bytes >= HANDSHAKE_PER_BYTES {
                    self.earning_bytes -= HANDSHAKE_PER_BYTES;
                    self.handshakes_left = (self.handshakes_left + 1).min(HANDSHAKE_AHEAD_MAX);
                }
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
            self.seal_one(ContentType::ApplicationData, plain, out)?;
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
        let _ = self.seal_one(ContentType::Alert, &[FATAL, description.into()], out);
    }

    fn seal_one(
        &mut self,
        kind: ContentType,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match self.version {
            Version::Tls13 => self.writing.seal_tls13(kind, plain, out),
            Version::Tls12 => self.writing.seal_tls12(kind, plain, out),
        }
    }

    /// Messages after the handshake, RFC 8446 section 4.6; in TLS 1.2 only HelloRequest.
    fn take_handshake(&mut self, plain: &[u8], outgoing: &mut Vec<u8>) -> Result<(), Error> {
        let mut messages = std::mem::take(&mut self.handshake);
        messages.extend_from_slice(plain);
        let mut rest = messages.as_slice();
        while let Some((&[kind, high, middle, low], after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes([0, high, middle, low]);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > HANDSHAKE_MAX {
                return Err(InvalidMessage::HandshakePayloadTooLarge.into());
            }
            let Some((body, after)) = after.split_at_checked(length) else { break };
            rest = after;
            let left = self.handshakes_left.checked_sub(1);
            self.handshakes_left = left.ok_or(PeerMisbehaved::TooManyKeyUpdateRequests)?;
            match (self.version, HandshakeType::from(kind), body) {
                (Version::Tls13, HandshakeType::NewSessionTicket, body) => {
                    self.kernel.handle_new_session_ticket(body)?;
                }
                (Version::Tls13, HandshakeType::KeyUpdate, &[request]) => {
                    // Keys change between records, never within one.
                    if !rest.is_empty() {
                        return Err(PeerMisbehaved::KeyEpochWithPendingFragment.into());
                    }
                    self.update_keys(request, outgoing)?;
                }
                // RFC 5746 section 4.5 allows to decline.
                (Version::Tls12, HandshakeType::HelloRequest, []) => {
                    let declined = [1, AlertDescription::NoRenegotiation.into()];
                    self.seal_one(ContentType::Alert, &declined, outgoing)?;
                }
                _ => return Err(unexpected(ContentType::Handshake)),
            }
        }
        self.handshake = rest.to_vec();
        Ok(())
    }

    /// RFC 8446 section 4.6.3.
    fn update_keys(&mut self, request: u8, outgoing: &mut Vec<u8>) -> Result<(), Error> {
        self.reading = Direction::new(self.kernel.update_rx_secret()?)?;
        match request {
            0 => Ok(()),
            1 => {
                let update = [HandshakeType::KeyUpdate.into(), 0, 0, 1, 0];
                self.seal_one(ContentType::Handshake, &update, outgoing)?;
                self.writing = Direction::new(self.kernel.update_tx_secret()?)?;
                Ok(())
            }
            _ => Err(InvalidMessage::InvalidKeyUpdate.into()),
        }
    }
}

fn record_length(bytes: &[u8], most: usize) -> Result<Option<usize>, Error> {
    let Some(&[_, _, _, high, low]) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    match usize::from(u16::from_be_bytes([high, low])) {
        sealed if sealed <= most => Ok(Some(HEADER + sealed)),
        _ => Err(Error::PeerSentOversizedRecord),
    }
}

impl Direction {
    pub(crate) fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, Error> {
        let bad_key = || Error::General("a key of the wrong length".to_owned());
        let (cipher, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => {
                (Aes128Gcm::keyed(key.as_ref()).map(|key| Cipher::Aes128(Box::new(key))), iv)
            }
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => {
                (Aes256Gcm::keyed(key.as_ref()).map(|key| Cipher::Aes256(Box::new(key))), iv)
            }
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (ChaCha20Poly1305::keyed(key.as_ref()).map(Cipher::ChaCha20), iv)
            }
            _ => return Err(Error::General("a cipher that was not offered".to_owned())),
        };
        let iv = iv.as_ref().try_into().map_err(|_| bad_key())?;
        Ok(Direction { cipher: cipher.ok_or_else(bad_key)?, iv: Zeroizing::new(iv), sequence })
    }

    /// The number of the next record.
    fn next(&mut self) -> Result<u64, Error> {
        let sequence = self.sequence;
        if sequence >= RECORDS_MAX && !matches!(self.cipher, Cipher::ChaCha20(_)) {
            return Err(Error::EncryptError);
        }
        self.sequence = sequence.checked_add(1).ok_or(Error::EncryptError)?;
        Ok(sequence)
    }

    /// RFC 8446 section 5.3 and RFC 7905 section 2: the IV XOR the number of the record.
    fn nonce(&self, sequence: u64) -> [u8; NONCE] {
        let mut nonce = *self.iv;
        for (to, from) in nonce.iter_mut().rev().zip(sequence.to_le_bytes()) {
            *to ^= from;
        }
        nonce
    }

    /// Octets of the nonce in each TLS 1.2 record.
    fn explicit(&self) -> usize {
        match self.cipher {
            Cipher::Aes128(_) | Cipher::Aes256(_) => EXPLICIT_NONCE,
            Cipher::ChaCha20(_) => 0,
        }
    }

    pub(crate) fn seal_tls13(
        &mut self,
        kind: ContentType,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let sealed = plain.len() + 1 + TAG;
        let sequence = self.next()?;
        put_header(ContentType::ApplicationData, sealed, out)?;
        let start = out.len();
        out.extend_from_slice(plain);
        out.push(kind.into());
        let text = out.get_mut(start..).unwrap_or_default();
        let tag = self.cipher.seal(&self.nonce(sequence), &make_tls13_aad(sealed), text)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    pub(crate) fn seal_tls12(
        &mut self,
        kind: ContentType,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let explicit = self.explicit();
        let sequence = self.next()?;
        put_header(kind, explicit + plain.len() + TAG, out)?;
        let nonce = self.nonce(sequence);
        // RFC 5288 asks for explicit nonces that never repeat: a random start XOR the number.
        out.extend_from_slice(nonce.get(NONCE - explicit..).unwrap_or_default());
        let start = out.len();
        out.extend_from_slice(plain);
        let aad = make_tls12_aad(sequence, kind, ProtocolVersion::TLSv1_2, plain.len());
        let text = out.get_mut(start..).unwrap_or_default();
        let tag = self.cipher.seal(&nonce, &aad, text)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    pub(crate) fn open_tls13<'r>(
        &mut self,
        record: &'r mut [u8],
    ) -> Result<(ContentType, &'r [u8]), Error> {
        let (kind, body) = split_header(record)?;
        if kind != ContentType::ApplicationData {
            return Err(unexpected(kind));
        }
        let aad = make_tls13_aad(body.len());
        let sequence = self.next()?;
        let text = self.cipher.open(&self.nonce(sequence), &aad, body)?;
        // Text, type and padding together, RFC 8446 section 5.4.
        if text.len() > PLAIN_MAX + 1 {
            return Err(Error::PeerSentOversizedRecord);
        }
        // The type is the last octet that is not zero, RFC 8446 section 5.4.
        let padded = text.iter().rposition(|octet| *octet != 0);
        let kind_at = padded.ok_or(PeerMisbehaved::IllegalTlsInnerPlaintext)?;
        let (plain, rest) = text.split_at(kind_at);
        let kind = ContentType::from(rest.first().copied().unwrap_or_default());
        // It is never protected, RFC 8446 section 5.
        if kind == ContentType::ChangeCipherSpec {
            return Err(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec.into());
        }
        Ok((kind, plain))
    }

    pub(crate) fn open_tls12<'r>(
        &mut self,
        record: &'r mut [u8],
    ) -> Result<(ContentType, &'r [u8]), Error> {
        let (kind, body) = split_header(record)?;
        let (explicit, body) =
            body.split_at_mut_checked(self.explicit()).ok_or(Error::DecryptError)?;
        let length = body.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
        if length > PLAIN_MAX {
            return Err(Error::PeerSentOversizedRecord);
        }
        let sequence = self.next()?;
        let mut nonce = self.nonce(sequence);
        if !explicit.is_empty() {
            // RFC 5288 section 3: the IV's first four octets, and the nonce that was sent.
            nonce = *self.iv;
            for (to, from) in nonce.iter_mut().skip(NONCE - EXPLICIT_NONCE).zip(explicit) {
                *to = *from;
            }
        }
        let aad = make_tls12_aad(sequence, kind, ProtocolVersion::TLSv1_2, length);
        Ok((kind, self.cipher.open(&nonce, &aad, body)?))
    }
}

impl Cipher {
    fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Result<[u8; TAG], Error> {
        let tag = match self {
            Cipher::Aes128(cipher) => Aead::seal(cipher.as_ref(), nonce, aad, text),
            Cipher::Aes256(cipher) => Aead::seal(cipher.as_ref(), nonce, aad, text),
            Cipher::ChaCha20(cipher) => Aead::seal(cipher, nonce, aad, text),
        };
        tag.ok_or(Error::EncryptError)
    }

    /// Opens text and tag in place, and gives the text.
    fn open<'r>(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        sealed: &'r mut [u8],
    ) -> Result<&'r [u8], Error> {
        let length = sealed.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
        let (text, tag) = sealed.split_at_mut_checked(length).ok_or(Error::DecryptError)?;
        let opened = match self {
            Cipher::Aes128(cipher) => Aead::open(cipher.as_ref(), nonce, aad, text, tag),
            Cipher::Aes256(cipher) => Aead::open(cipher.as_ref(), nonce, aad, text, tag),
            Cipher::ChaCha20(cipher) => Aead::open(cipher, nonce, aad, text, tag),
        };
        opened.map(|()| &*text).ok_or(Error::DecryptError)
    }
}

fn put_header(kind: ContentType, sealed: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    // The version is 1.2 whatever was agreed, RFC 8446 section 5.1.
    let [high, low] = u16::try_from(sealed).map_err(|_| Error::EncryptError)?.to_be_bytes();
    out.extend_from_slice(&[kind.into(), 3, 3, high, low]);
    Ok(())
}

fn split_header(record: &mut [u8]) -> Result<(ContentType, &mut [u8]), Error> {
    let split = record.split_first_chunk_mut::<HEADER>();
    let (&mut [kind, ..], body) = split.ok_or(InvalidMessage::MessageTooShort)?;
    Ok((ContentType::from(kind), body))
}

fn alert(plain: &[u8]) -> Result<AlertDescription, Error> {
    match plain {
        &[_, description] => Ok(AlertDescription::from(description)),
        _ => Err(InvalidMessage::MessageTooShort.into()),
    }
}

fn unexpected(kind: ContentType) -> Error {
    Error::InappropriateMessage { expect_types: vec![ContentType::ApplicationData], got_type: kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::shake_hands;
    use crate::layer::{Layer, RecordLayer};
    use crate::offers::Ciphers;
    use crate::trust::Trust;
    use fake_tls::{Authority, NOW_MS, beside, echo};
    use rustls::CipherSuite;
    use rustls::pki_types::ServerName;

    /// The client's side of a connection, and the server's direction of sending, under keys that
    /// the test knows.
    struct Pair {
        client: Records,
        server: Direction,
    }

    fn known(cipher: fn(&[u8]) -> Option<Cipher>, key: &[u8]) -> Direction {
        Direction { cipher: cipher(key).unwrap(), iv: Zeroizing::new([9; NONCE]), sequence: 0 }
    }

    fn chacha20() -> Direction {
        known(|key| ChaCha20Poly1305::keyed(key).map(Cipher::ChaCha20), &[1; 32])
    }

    fn aes() -> Direction {
        known(|key| Some(Cipher::Aes128(Box::new(Aes128Gcm::keyed(key)?))), &[1; 16])
    }

    impl Pair {
        fn new(version: Version, direction: fn() -> Direction) -> Pair {
            let authority = Authority::generate();
            let suite = match version {
                Version::Tls13 => CipherSuite::TLS13_AES_128_GCM_SHA256,
                Version::Tls12 => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            };
            let (mut near, far) = wire::pipe::pipe();
            let config = Trust::new(&authority.pem).unwrap().config(Ciphers::All, NOW_MS);
            let name = ServerName::try_from("mail.example").unwrap();
            let client = shake_hands(&mut near, config, name, RecordLayer::Ours);
            let server = authority.server("mail.example", &[suite]);
            let Layer::Ours(client) = beside(client, echo(far, server)).unwrap().layer else {
                panic!("ours was asked for");
            };
            let mut client = *client;
            assert!(client.version == version);
            (client.reading, client.writing) = (direction(), direction());
            Pair { client, server: direction() }
        }

        fn says(&mut self, kind: ContentType, text: &[u8]) -> Vec<u8> {
            let mut record = Vec::new();
            match self.client.version {
                Version::Tls13 => self.server.seal_tls13(kind, text, &mut record).unwrap(),
                Version::Tls12 => self.server.seal_tls12(kind, text, &mut record).unwrap(),
            }
            record
        }

        /// What the client makes of a record: its plaintext, and how many octets it answers.
        fn hears(&mut self, kind: ContentType, text: &[u8]) -> Result<(String, usize), Error> {
            let mut record = self.says(kind, text);
            let mut outgoing = Vec::new();
            let meaning = self.client.open(&mut record, &mut outgoing)?;
            let meaning = match meaning {
                Meaning::Data(plain) => String::from_utf8_lossy(plain).into_owned(),
                other => format!("{other:?}"),
            };
            Ok((meaning, outgoing.len()))
        }
    }

    const BOTH: [(Version, fn() -> Direction); 4] = [
        (Version::Tls13, chacha20),
        (Version::Tls13, aes),
        (Version::Tls12, chacha20),
        (Version::Tls12, aes),
    ];

    fn heard(text: &str) -> Result<(String, usize), Error> {
        Ok((text.to_owned(), 0))
    }

    #[test]
    fn data_alerts_and_the_rest() {
        for (version, direction) in BOTH {
            let mut pair = Pair::new(version, direction);
            assert_eq!(pair.hears(ContentType::ApplicationData, b"hello"), heard("hello"));
            assert_eq!(pair.hears(ContentType::ApplicationData, b""), heard("Nothing"));
            assert_eq!(pair.hears(ContentType::ApplicationData, b"more"), heard("more"));
            assert_eq!(pair.hears(ContentType::Alert, &[1, 90]), heard("Nothing"));
            assert_eq!(pair.hears(ContentType::Alert, &[1, 0]), heard("End"));
            let fatal = Err(Error::AlertReceived(AlertDescription::InternalError));
            assert_eq!(pair.hears(ContentType::Alert, &[2, 80]), fatal);
            let short = Err(Error::InvalidMessage(InvalidMessage::MessageTooShort));
            assert_eq!(pair.hears(ContentType::Alert, &[2]), short);
            let kind = ContentType::ChangeCipherSpec;
            let refused = match version {
                Version::Tls13 => PeerMisbehaved::IllegalMiddleboxChangeCipherSpec.into(),
                Version::Tls12 => unexpected(kind),
            };
            assert_eq!(pair.hears(kind, &[1]), Err(refused));
        }
    }

    #[test]
    fn records_in_another_order_are_refused() {
        for (version, direction) in BOTH {
            let mut pair = Pair::new(version, direction);
            let first = pair.says(ContentType::ApplicationData, b"one");
            let second = pair.says(ContentType::ApplicationData, b"two");
            let mut open = |record: &[u8]| {
                let mut record = record.to_vec();
                pair.client.open(&mut record, &mut Vec::new()).map(|_| ())
            };
            assert_eq!(open(&second), Err(Error::DecryptError), "too early");
            assert_eq!(open(&second), Ok(()));
            assert_eq!(open(&first), Err(Error::DecryptError), "too late");
            assert_eq!(open(&second), Err(Error::DecryptError), "again");
        }
    }

    #[test]
    fn lengths_at_their_limits() {
        for (version, direction) in BOTH {
            let mut pair = Pair::new(version, direction);
            let full = vec![b'x'; PLAIN_MAX];
            let (plain, _) = pair.hears(ContentType::ApplicationData, &full).unwrap();
            assert_eq!(plain.len(), PLAIN_MAX);
            let too_long = pair.hears(ContentType::ApplicationData, &[full, vec![b'x']].concat());
            assert_eq!(too_long, Err(Error::PeerSentOversizedRecord));
            for length in 0..TAG + EXPLICIT_NONCE {
                let mut record = vec![23, 3, 3, 0, u8::try_from(length).unwrap()];
                record.resize(HEADER + length, 0);
                let opened = pair.client.open(&mut record, &mut Vec::new()).map(|_| ());
                assert_eq!(opened, Err(Error::DecryptError), "{length}");
            }
        }
    }

    #[test]
    fn record_lengths_of_each_version() {
        for (version, most) in [(Version::Tls13, 0x4100u16), (Version::Tls12, 0x4800)] {
            let pair = Pair::new(version, chacha20);
            let length = |sealed: u16| {
                let [high, low] = sealed.to_be_bytes();
                pair.client.record_length(&[23, 3, 3, high, low, 9])
            };
            assert_eq!(pair.client.record_length(&[23, 3, 3, 0]), Ok(None));
            assert_eq!(length(258), Ok(Some(HEADER + 258)));
            assert_eq!(length(most), Ok(Some(HEADER + usize::from(most))));
            assert_eq!(length(most + 1), Err(Error::PeerSentOversizedRecord));
        }
    }

    /// RFC 8446 section 5.4: padding does not make room for more.
    #[test]
    fn padding_counts_towards_the_limit() {
        let mut pair = Pair::new(Version::Tls13, chacha20);
        let padded = |zeros: usize| [&b"x\x17"[..], &vec![0; zeros]].concat();
        let zero = ContentType::Unknown(0);
        // The sealer adds a type of its own, which is padding here.
        assert_eq!(pair.hears(zero, &padded(PLAIN_MAX - 2)), heard("x"));
        let too_long = pair.hears(zero, &padded(PLAIN_MAX - 1));
        assert_eq!(too_long, Err(Error::PeerSentOversizedRecord));
    }

    /// Key updates between small pieces of data would keep us busy without end.
    #[test]
    fn handshake_messages_must_be_earned() {
        let mut pair = Pair::new(Version::Tls12, chacha20);
        let request = [0, 0, 0, 0];
        for _ in 0..HANDSHAKE_AHEAD_MAX {
            pair.hears(ContentType::Handshake, &request).unwrap();
            assert_eq!(pair.hears(ContentType::ApplicationData, b"x"), heard("x"));
        }
        for _ in 0..HANDSHAKE_PER_BYTES / PLAIN_MAX {
            pair.hears(ContentType::ApplicationData, &vec![b'x'; PLAIN_MAX]).unwrap();
        }
        pair.hears(ContentType::Handshake, &request).unwrap();
        let refused = pair.hears(ContentType::Handshake, &request);
        assert_eq!(refused, Err(PeerMisbehaved::TooManyKeyUpdateRequests.into()));
    }

    #[test]
    fn empty_records_without_end_are_refused() {
        let mut pair = Pair::new(Version::Tls13, chacha20);
        for _ in 0..EMPTY_MAX {
            assert_eq!(pair.hears(ContentType::ApplicationData, b""), heard("Nothing"));
        }
        assert!(pair.hears(ContentType::ApplicationData, b"").is_err());
    }

    #[test]
    fn padding_is_taken_off() {
        let mut pair = Pair::new(Version::Tls13, chacha20);
        // The type that the sealer adds is padding here, the last octet of the text the type.
        let padded = |text: &[u8]| [text, &[23, 0, 0, 0]].concat();
        let zero = ContentType::Unknown(0);
        assert_eq!(pair.hears(zero, &padded(b"hello\0")), heard("hello\0"));
        let only_zeros = Err(PeerMisbehaved::IllegalTlsInnerPlaintext.into());
        assert_eq!(pair.hears(zero, &[0; 20]), only_zeros);
    }

    #[test]
    fn handshake_messages_may_be_cut_but_not_mixed() {
        let mut pair = Pair::new(Version::Tls13, chacha20);
        // lifetime 1 h, age_add, nonce of one octet, ticket of three octets, no extensions
        let ticket = [0, 0, 14, 16, 1, 2, 3, 4, 1, 7, 0, 3, 9, 9, 9, 0, 0];
        let message = [&[4, 0, 0, 17][..], &ticket].concat();
        let two = message.repeat(2);
        for cut in 1..two.len() {
            let (first, second) = two.split_at(cut);
            pair.client.handshakes_left = HANDSHAKE_AHEAD_MAX;
            assert_eq!(pair.hears(ContentType::Handshake, first), heard("Nothing"), "{cut}");
            assert_eq!(pair.hears(ContentType::Handshake, second), heard("Nothing"), "{cut}");
            assert!(pair.client.handshake.is_empty());
            assert_eq!(pair.hears(ContentType::ApplicationData, b"x"), heard("x"));
        }
        pair.hears(ContentType::Handshake, &message[..9]).unwrap();
        assert!(pair.hears(ContentType::ApplicationData, b"x").is_err());
    }

    #[test]
    fn handshake_messages_that_do_not_belong_here() {
        let refused: [&[u8]; 5] = [
            &[1, 0, 0, 0],           // ClientHello
            &[24, 0, 0, 1, 2],       // KeyUpdate that asks for something unknown
            &[24, 0, 0, 0],          // KeyUpdate without content
            &[24, 0, 0, 1, 0, 4, 0], // something after it in the same record
            &[4, 1, 0, 0, 0],        // a ticket of 64 KiB
        ];
        for message in refused {
            let mut pair = Pair::new(Version::Tls13, chacha20);
            assert!(pair.hears(ContentType::Handshake, message).is_err(), "{message:?}");
        }
    }

    #[test]
    fn renegotiation_is_declined() {
        for direction in [chacha20, aes] {
            let mut pair = Pair::new(Version::Tls12, direction);
            let (_, answer) = pair.hears(ContentType::Handshake, &[0, 0, 0, 0]).unwrap();
            assert!(answer > HEADER + TAG);
            assert_eq!(pair.hears(ContentType::ApplicationData, b"on"), heard("on"));
            assert!(pair.hears(ContentType::Handshake, &[24, 0, 0, 1, 0]).is_err());
        }
    }

    #[test]
    fn aes_keys_wear_out() {
        let mut worn = Direction { sequence: RECORDS_MAX - 1, ..aes() };
        assert_eq!(worn.seal_tls13(ContentType::ApplicationData, b"x", &mut Vec::new()), Ok(()));
        let error = worn.seal_tls13(ContentType::ApplicationData, b"x", &mut Vec::new());
        assert_eq!(error, Err(Error::EncryptError));
        let mut long = Direction { sequence: RECORDS_MAX, ..chacha20() };
        assert_eq!(long.seal_tls13(ContentType::ApplicationData, b"x", &mut Vec::new()), Ok(()));
    }
}
