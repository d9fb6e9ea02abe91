//! A TLS client over any [`wire::Stream`], RFC 8446 and RFC 5246.
//!
//! Records are decrypted in the buffer they arrived in, then copied once into the bytes handed
//! out. A write becomes one write of all its records.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::client::{ClientConfig, ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use wire::{Bytes, Error, Stream};

use crate::sentences;

/// Octets in front of a record: type, version, length.
const HEADER: usize = 5;
/// Most plaintext octets in one record, RFC 8446 section 5.1.
const RECORD_MAX: usize = 1 << 14;
/// Most octets a record adds to its plaintext in any suite we offer (header, explicit nonce,
/// type, tag), rounded up.
const OVERHEAD_MAX: usize = 40;
/// Plaintext octets that go out in one write to the system: 16 full records.
const BATCH: usize = 16 * RECORD_MAX;
/// Most octets kept of records that cannot be used yet. rustls takes handshake messages of
/// 64 KiB at most; two of them may share a flight.
const PENDING_MAX: usize = 160 * 1024;
/// Most messages sent after a failure: the alert, and what was queued before it.
const LAST_WORDS_MAX: usize = 4;

/// The encrypted stream.
pub struct TlsStream<S> {
    stream: S,
    connection: UnbufferedClientConnection,
    /// Records that arrived and are not complete, or whose message is not.
    pending: BytesMut,
    /// Decrypted and not yet handed out.
    plain: Vec<u8>,
    /// Encoded and not yet sent.
    outgoing: Vec<u8>,
    ended: bool,
    /// The failure after which nothing goes over this line any more.
    broken: Option<Error>,
}

/// What client and server agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// For example `TLSv1_3`.
    pub version: String,
    /// For example `TLS13_CHACHA20_POLY1305_SHA256`.
    pub suite: String,
}

/// Why there is no TLS connection.
#[derive(Debug)]
pub(crate) enum Handshake {
    /// The server has none of the offered ciphers, or hung up as if it had none.
    NoCommonCipher(Error),
    /// Anything else; another offer would not help.
    Failed(Error),
}

/// Where rustls stands once it has looked at all that arrived.
#[derive(PartialEq, Eq)]
enum Standing {
    Handshaking,
    Open,
    Ended,
}

impl<S: Stream> TlsStream<S> {
    /// Performs the handshake; `name` is what the certificate must be for.
    pub(crate) async fn connect(
        stream: S,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, Handshake> {
        let connection = UnbufferedClientConnection::new(config, name.clone())
            .map_err(|error| failed(&error, &name))?;
        let mut tls = TlsStream {
            stream,
            connection,
            pending: BytesMut::new(),
            plain: Vec::new(),
            outgoing: Vec::new(),
            ended: false,
            broken: None,
        };
        tls.shake_hands(&name).await?;
        Ok(tls)
    }

    async fn shake_hands(&mut self, name: &ServerName<'_>) -> Result<(), Handshake> {
        let mut silent = true;
        while self.advance_politely().await.map_err(|error| failed(&error, name))?
            == Standing::Handshaking
        {
            self.send_outgoing().await.map_err(hung_up)?;
            let bytes = self.stream.read().await.map_err(hung_up)?;
            if bytes.is_empty() {
                return Err(hung_up(Error::Closed));
            }
            if silent && let Some(sentence) = sentences::of_plain_text(&bytes) {
                return Err(Handshake::Failed(Error::Tls(sentence)));
            }
            silent = false;
            self.pending.extend_from_slice(&bytes);
        }
        self.send_outgoing().await.map_err(hung_up)
    }

    /// What was agreed.
    pub fn facts(&self) -> TlsFacts {
        let version = self.connection.protocol_version();
        let suite = self.connection.negotiated_cipher_suite();
        TlsFacts {
            version: version.map(|version| format!("{version:?}")).unwrap_or_default(),
            suite: suite.map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
        }
    }

    /// As [`Self::advance`], and where that fails, tells the server why.
    async fn advance_politely(&mut self) -> Result<Standing, rustls::Error> {
        let advanced = self.advance();
        if advanced.is_err() {
            // The line is given up in any case; its failure would hide the cause.
            let _ = self.send_outgoing().await;
        }
        advanced
    }

    /// Lets rustls look at `pending`.
    fn advance(&mut self) -> Result<Standing, rustls::Error> {
        let mut pending = std::mem::take(&mut self.pending);
        let advanced = self.advance_over(&mut pending);
        self.pending = pending;
        if self.pending.len() > PENDING_MAX {
            return Err(rustls::Error::General(sentences::TOO_MUCH_PENDING.to_owned()));
        }
        advanced
    }

    /// Lets rustls look at `records`, and takes off what it is done with. Plaintext goes to
    /// `plain`, what is to be sent to `outgoing`.
    fn advance_over(&mut self, records: &mut BytesMut) -> Result<Standing, rustls::Error> {
        // Each turn uses up a record, encodes a message or is the last, so it ends.
        loop {
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(records);
            let standing = match state {
                Err(error) => {
                    records.advance(discard.min(records.len()));
                    self.encode_last_words(records);
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
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Some(Standing::Ended),
                Ok(ConnectionState::WriteTraffic(_)) => Some(Standing::Open),
                Ok(_) => Some(Standing::Handshaking),
            };
            records.advance(discard.min(records.len()));
            if let Some(standing) = standing {
                self.ended |= standing == Standing::Ended;
                return Ok(standing);
            }
        }
    }

    /// After a failure rustls still gives out the alert that says why. `records` must be what it
    /// has not used up: it remembers places in it.
    fn encode_last_words(&mut self, records: &mut [u8]) {
        for _ in 0..LAST_WORDS_MAX {
            // Asked first, since with nothing to send rustls would go on reading records.
            if !self.connection.wants_write() {
                return;
            }
            let status = self.connection.process_tls_records(records);
            let Ok(ConnectionState::EncodeTlsData(mut message)) = status.state else { return };
            if encode(&mut message, &mut self.outgoing).is_err() {
                return;
            }
        }
    }

    async fn send_outgoing(&mut self) -> Result<(), Error> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        let outgoing = std::mem::take(&mut self.outgoing);
        self.stream.write(outgoing.into()).await
    }

    /// Decrypts what arrived. Whole records are decrypted where they lie; only a record that is
    /// spread over two reads is joined first.
    fn receive(&mut self, bytes: Bytes) -> Result<(), rustls::Error> {
        self.plain.reserve(bytes.len());
        let mut fresh =
            bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
        // Each turn takes at least one octet of `fresh`.
        while !self.pending.is_empty() && !fresh.is_empty() {
            let taken = missing(&self.pending).unwrap_or(fresh.len()).min(fresh.len());
            self.pending.extend_from_slice(&fresh.split_to(taken));
            self.advance()?;
        }
        if !fresh.is_empty() {
            self.advance_over(&mut fresh)?;
            self.pending.extend_from_slice(&fresh);
        }
        Ok(())
    }

    /// One batch of plaintext as records.
    fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let n_records = plain.len().div_ceil(RECORD_MAX);
        let mut sealed = vec![0; plain.len() + n_records * OVERHEAD_MAX];
        match self.connection.process_tls_records(&mut self.pending).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let encrypted = traffic.encrypt(plain, &mut sealed);
                let length = encrypted.map_err(|error| Error::Tls(error.to_string()))?;
                sealed.truncate(length);
                Ok(sealed)
            }
            Ok(_) => Err(Error::Closed),
            Err(error) => Err(self.fail(&error)),
        }
    }

    fn fail(&mut self, error: &rustls::Error) -> Error {
        self.broken.insert(Error::Tls(sentences::of_broken(error))).clone()
    }

    fn check_whole(&self) -> Result<(), Error> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    /// Empty at the end, also where the server hung up without saying so in TLS (RFC 8446
    /// section 6.1), as many do: the protocols above know by themselves when something is cut.
    async fn read(&mut self) -> Result<Bytes, Error> {
        while self.plain.is_empty() && !self.ended {
            self.check_whole()?;
            let bytes = self.stream.read().await?;
            if bytes.is_empty() {
                self.ended = true;
                break;
            }
            let received = self.receive(bytes);
            let sent = self.send_outgoing().await;
            received.map_err(|error| self.fail(&error))?;
            sent?;
        }
        Ok(std::mem::take(&mut self.plain).into())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        for plain in bytes.chunks(BATCH) {
            self.check_whole()?;
            self.advance_politely().await.map_err(|error| self.fail(&error))?;
            self.send_outgoing().await?;
            let sealed = self.seal(plain)?;
            self.stream.write(sealed.into()).await?;
        }
        Ok(())
    }
}

/// Octets that the first record in `pending` lacks; `None` where that record is complete, and a
/// handshake message goes on in the next one.
fn missing(pending: &[u8]) -> Option<usize> {
    let Some(&[_, _, _, high, low]) = pending.first_chunk::<HEADER>() else {
        return Some(HEADER - pending.len());
    };
    let total = HEADER + usize::from(u16::from_be_bytes([high, low]));
    total.checked_sub(pending.len()).filter(|missing| *missing > 0)
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

fn failed(error: &rustls::Error, name: &ServerName<'_>) -> Handshake {
    let sentence = Error::Tls(sentences::of_handshake(error, name));
    match sentences::is_no_common_cipher(error) {
        true => Handshake::NoCommonCipher(sentence),
        false => Handshake::Failed(sentence),
    }
}

/// The line broke in the handshake. Observed: Schannel resets the connection where it shares no
/// cipher with the client, without an alert.
fn hung_up(error: Error) -> Handshake {
    match error {
        Error::Closed => Handshake::NoCommonCipher(Error::Tls(sentences::HUNG_UP.to_owned())),
        error => Handshake::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hybrid::Ciphers;
    use crate::testing::{Authority, Bitten, NOW_MS, RSA_KEY, beside, echo, give_way};
    use crate::trust::Trust;
    use futures::future::join;
    use rustls::CipherSuite::{self, *};
    use rustls::ServerConfig;
    use wire::pipe::{End, pipe};

    const SUITES: [CipherSuite; 9] = [
        TLS13_AES_128_GCM_SHA256,
        TLS13_AES_256_GCM_SHA384,
        TLS13_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];

    fn server(authority: &Authority, suite: CipherSuite) -> Arc<ServerConfig> {
        let is_rsa = format!("{suite:?}").contains("_RSA_");
        let key = match is_rsa {
            true => rcgen::KeyPair::from_pem(RSA_KEY).unwrap(),
            false => rcgen::KeyPair::generate().unwrap(),
        };
        authority.server_with("mail.example", &[suite], key)
    }

    async fn connect<S: Stream>(stream: S, authority: &Authority) -> TlsStream<S> {
        let config = Trust::new(&authority.pem).unwrap().config(Ciphers::All, NOW_MS);
        let name = ServerName::try_from("mail.example").unwrap();
        TlsStream::connect(stream, config, name).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
    }

    async fn read_all<S: Stream>(tls: &mut TlsStream<S>, length: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        while heard.len() < length {
            let bytes = tls.read().await.unwrap();
            assert!(!bytes.is_empty(), "ended after {} octets", heard.len());
            heard.extend_from_slice(&bytes);
        }
        heard
    }

    fn says_back(
        authority: &Authority,
        config: Arc<ServerConfig>,
        bite: usize,
        length: usize,
    ) -> TlsFacts {
        let (near, far) = pipe();
        let client = async {
            let mut tls = connect(Bitten::new(near, bite), authority).await;
            let said = sample(length);
            tls.write(said.clone().into()).await.unwrap();
            assert!(read_all(&mut tls, length).await == said);
            tls.write(Bytes::from_static(b"more")).await.unwrap();
            assert_eq!(read_all(&mut tls, 4).await, b"more");
            tls.facts()
        };
        beside(client, echo(far, config))
    }

    #[test]
    fn every_suite_agrees_with_ring() {
        let authority = Authority::new();
        for suite in SUITES {
            let config = server(&authority, suite);
            let facts = says_back(&authority, config, usize::MAX, 600_000);
            assert_eq!(facts.suite, format!("{suite:?}"));
            let version = if facts.suite.starts_with("TLS13") { "TLSv1_3" } else { "TLSv1_2" };
            assert_eq!(facts.version, version);
        }
    }

    #[test]
    fn any_cut_gives_the_same() {
        let authority = Authority::new();
        for suite in [TLS13_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256] {
            for bite in [1, 2, 4, 5, 6, 7, 21, 22, 1000, 16_405, 16_406, 16_407, 40_000] {
                says_back(&authority, server(&authority, suite), bite, 70_000);
            }
        }
    }

    #[test]
    fn small_and_empty_writes() {
        let authority = Authority::new();
        let (near, far) = pipe();
        let client = async {
            let mut tls = connect(near, &authority).await;
            tls.write(Bytes::new()).await.unwrap();
            for length in [1, 2, RECORD_MAX - 1, RECORD_MAX, RECORD_MAX + 1, BATCH, BATCH + 1] {
                tls.write(sample(length).into()).await.unwrap();
                assert!(read_all(&mut tls, length).await == sample(length), "{length}");
            }
        };
        beside(client, echo(far, server(&authority, TLS13_CHACHA20_POLY1305_SHA256)));
    }

    /// Flips one bit of the n-th application data record that is read.
    struct Tampered {
        stream: End,
        records_left: usize,
        at: usize,
    }

    impl Stream for Tampered {
        async fn read(&mut self) -> Result<Bytes, Error> {
            let mut bytes = self.stream.read().await?.to_vec();
            let mut start = 0;
            while start + HEADER <= bytes.len() {
                let length = usize::from(u16::from_be_bytes([bytes[start + 3], bytes[start + 4]]));
                if bytes[start] == 23 && length > 1000 {
                    if self.records_left == 0 {
                        let at = start + HEADER + self.at.min(length - 1);
                        bytes[at] ^= 1;
                    }
                    self.records_left = self.records_left.wrapping_sub(1);
                }
                start += HEADER + length;
            }
            Ok(bytes.into())
        }

        async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
            self.stream.write(bytes).await
        }
    }

    #[test]
    fn tampered_records_are_refused() {
        let authority = Authority::new();
        for suite in SUITES {
            for at in [0, 700, usize::MAX] {
                let (near, far) = pipe();
                let client = async {
                    let stream = Tampered { stream: near, records_left: 1, at };
                    let mut tls = connect(stream, &authority).await;
                    tls.write(sample(40_000).into()).await.unwrap();
                    let mut heard = Vec::new();
                    loop {
                        match tls.read().await {
                            Ok(bytes) if bytes.is_empty() => panic!("ended"),
                            Ok(bytes) => heard.extend_from_slice(&bytes),
                            Err(error) => break (heard, error),
                        }
                    }
                };
                let both = join(client, echo(far, server(&authority, suite)));
                let ((heard, error), server) = futures::executor::block_on(both);
                assert!(heard.len() <= RECORD_MAX, "{suite:?} {at}");
                let expected = Error::Tls(sentences::of_broken(&rustls::Error::DecryptError));
                assert_eq!(error, expected, "{suite:?} {at}");
                let told =
                    Err(rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
                assert_eq!(server, told, "{suite:?} {at}");
            }
        }
    }

    #[test]
    fn a_hang_up_is_the_end() {
        let authority = Authority::new();
        let (near, far) = pipe();
        let config = server(&authority, TLS13_CHACHA20_POLY1305_SHA256);
        futures::executor::block_on(async {
            let (mut tls, ()) = join(connect(near, &authority), async {
                let mut server = Box::pin(echo(far, config));
                // Until the handshake is through and the server waits for more.
                for _ in 0..3 {
                    let _ = futures::poll!(&mut server);
                    give_way().await;
                }
            })
            .await;
            assert_eq!(tls.read().await, Ok(Bytes::new()));
            assert_eq!(tls.read().await, Ok(Bytes::new()));
        });
    }

    #[test]
    fn a_handshake_without_end_is_refused() {
        let (near, mut far) = pipe();
        let authority = Authority::new();
        let config = Trust::new(&authority.pem).unwrap().config(Ciphers::All, NOW_MS);
        let name = ServerName::try_from("mail.example").unwrap();
        let babble = async {
            // A ServerHello that claims 16 MiB, in full records.
            let mut record = vec![22, 3, 3, 0x40, 0, 2, 0xff, 0xff, 0xff];
            record.resize(HEADER + RECORD_MAX, 0);
            loop {
                if far.write(record.clone().into()).await.is_err() {
                    return;
                }
                give_way().await;
            }
        };
        let client = async { TlsStream::connect(near, config, name).await.err() };
        let failure = beside(client, babble);
        assert!(matches!(failure, Some(Handshake::Failed(Error::Tls(_)))), "{failure:?}");
    }
}
