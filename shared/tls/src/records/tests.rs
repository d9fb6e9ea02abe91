//! Records one by one, under keys that the test knows.

use super::*;
use crate::aead::TAG;
use crate::direction::EXPLICIT_NONCE;
use crate::direction::tests::{aes, chacha20};
use crate::handshake::shake_hands;
use crate::layer::Layer;
use crate::offers::Ciphers;
use crate::post_handshake::{HANDSHAKE_AHEAD_MAX, HANDSHAKE_PER_BYTES};
use crate::record::HEADER;
use crate::record_layer::RecordLayer;
use crate::trust::Trust;
use fake_tls::{Authority, NOW_MS, beside, echo};
use rustls::CipherSuite;
use rustls::pki_types::ServerName;

/// Makes a direction under a known key.
type Make = fn(Version) -> Direction;

/// The client's side of a connection, and the server's direction of sending, under keys that
/// the test knows.
struct Pair {
    client: Records,
    server: Direction,
}

impl Pair {
    fn new(version: Version, direction: Make) -> Pair {
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
        (client.reading, client.writing) = (direction(version), direction(version));
        Pair { client, server: direction(version) }
    }

    fn says(&mut self, kind: ContentType, text: &[u8]) -> Vec<u8> {
        let mut record = Vec::new();
        self.server.seal(kind, text, &mut record).unwrap();
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

const BOTH: [(Version, Make); 4] = [
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
        pair.client.messages = Messages::default();
        assert_eq!(pair.hears(ContentType::Handshake, first), heard("Nothing"), "{cut}");
        assert_eq!(pair.hears(ContentType::Handshake, second), heard("Nothing"), "{cut}");
        assert!(!pair.client.messages.within_one());
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
