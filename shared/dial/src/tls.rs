//! A TLS client over any [`wire::Stream`], RFC 8446 and RFC 5246.
//!
//! Records are opened in the buffer they arrived in, then copied once into the bytes handed out.
//! A write becomes one write of all its records.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use wire::{Bytes, Error, Stream};

use crate::handshake::{Established, Failure, shake_hands};
use crate::records::{HEADER, Meaning, PLAIN_MAX, Records, record_length};
use crate::sentences;

/// Plaintext octets that go out in one write to the system: 16 full records.
const BATCH: usize = 16 * PLAIN_MAX;
/// Most octets a record adds to its plaintext in any suite we offer (header, explicit nonce,
/// type, tag), rounded up.
const OVERHEAD_MAX: usize = 40;

/// The encrypted stream.
pub struct TlsStream<S> {
    stream: S,
    records: Records,
    facts: TlsFacts,
    /// The start of a record.
    pending: BytesMut,
    /// Decrypted and not yet handed out.
    plain: Vec<u8>,
    /// Sealed and not yet sent: answers of the TLS layer itself.
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

impl<S: Stream> TlsStream<S> {
    /// Performs the handshake; `name` is what the certificate must be for.
    pub(crate) async fn connect(
        mut stream: S,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, Failure> {
        let Established { records, facts, pending, plain, ended } =
            shake_hands(&mut stream, config, name).await?;
        let mut tls = TlsStream {
            stream,
            records,
            facts,
            pending: BytesMut::new(),
            plain,
            outgoing: Vec::new(),
            ended,
            broken: None,
        };
        if let Err(error) = tls.receive(pending.freeze()) {
            let error = tls.fail(&error);
            tls.send_outgoing().await.map_err(Failure::Failed)?;
            return Err(Failure::Failed(error));
        }
        Ok(tls)
    }

    /// What was agreed.
    pub fn facts(&self) -> &TlsFacts {
        &self.facts
    }

    /// Opens what arrived. Whole records are opened where they lie; only a record that is spread
    /// over two reads is joined first.
    fn receive(&mut self, bytes: Bytes) -> Result<(), rustls::Error> {
        self.plain.reserve(bytes.len());
        let mut fresh =
            bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
        // Each turn takes at least one octet of `fresh`.
        while !self.pending.is_empty() && !fresh.is_empty() {
            let whole = record_length(&self.pending)?.unwrap_or(HEADER);
            let missing = whole.saturating_sub(self.pending.len()).min(fresh.len());
            self.pending.extend_from_slice(&fresh.split_to(missing));
            let mut joined = std::mem::take(&mut self.pending);
            self.open(&mut joined)?;
            self.pending = joined;
        }
        self.open(&mut fresh)?;
        self.pending.extend_from_slice(&fresh);
        Ok(())
    }

    /// Opens the whole records at the start of `bytes`, and takes them off.
    fn open(&mut self, bytes: &mut BytesMut) -> Result<(), rustls::Error> {
        while !self.ended
            && let Some(length) = record_length(bytes)?
            && let Some(record) = bytes.get_mut(..length)
        {
            match self.records.open(record, &mut self.outgoing)? {
                Meaning::Data(plain) => self.plain.extend_from_slice(plain),
                Meaning::Nothing => {}
                Meaning::End => self.ended = true,
            }
            bytes.advance(length);
        }
        if self.ended {
            // Nothing after close_notify counts, RFC 8446 section 6.1.
            bytes.clear();
        }
        Ok(())
    }

    async fn send_outgoing(&mut self) -> Result<(), Error> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        self.stream.write(std::mem::take(&mut self.outgoing).into()).await
    }

    fn fail(&mut self, error: &rustls::Error) -> Error {
        self.records.seal_alert(error, &mut self.outgoing);
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
            let received = self.receive(bytes).map_err(|error| self.fail(&error));
            let sent = self.send_outgoing().await;
            received?;
            sent?;
        }
        Ok(std::mem::take(&mut self.plain).into())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        for plain in bytes.chunks(BATCH) {
            self.check_whole()?;
            let n_records = plain.len().div_ceil(PLAIN_MAX);
            let mut sealed = std::mem::take(&mut self.outgoing);
            sealed.reserve(plain.len() + n_records * OVERHEAD_MAX);
            let done = self.records.seal(plain, &mut sealed);
            done.map_err(|error| self.fail(&error))?;
            self.stream.write(sealed.into()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offers::Ciphers;
    use crate::testing::{Authority, Bitten, NOW_MS, RSA_KEY, beside, echo, echo_on, give_way};
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
            tls.facts().clone()
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
            for length in [1, 2, PLAIN_MAX - 1, PLAIN_MAX, PLAIN_MAX + 1, BATCH, BATCH + 1] {
                tls.write(sample(length).into()).await.unwrap();
                assert!(read_all(&mut tls, length).await == sample(length), "{length}");
            }
        };
        beside(client, echo(far, server(&authority, TLS13_CHACHA20_POLY1305_SHA256)));
    }

    #[test]
    fn keys_change_when_the_server_wants_it() {
        let authority = Authority::new();
        let (near, far) = pipe();
        let client = async {
            let mut tls = connect(near, &authority).await;
            for _ in 0..3 {
                for said in [&b"?"[..], b"hello", &sample(40_000)] {
                    tls.write(Bytes::copy_from_slice(said)).await.unwrap();
                    assert!(read_all(&mut tls, said.len()).await == said);
                }
            }
        };
        beside(client, echo(far, server(&authority, TLS13_AES_256_GCM_SHA384)));
    }

    #[test]
    fn close_notify_is_the_end() {
        let authority = Authority::new();
        for suite in [TLS13_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256] {
            let (near, far) = pipe();
            let client = async {
                let mut tls = connect(near, &authority).await;
                tls.write(Bytes::from_static(b".")).await.unwrap();
                assert_eq!(tls.read().await.unwrap(), ".");
                assert_eq!(tls.read().await, Ok(Bytes::new()));
                assert_eq!(tls.read().await, Ok(Bytes::new()));
            };
            beside(client, echo(far, server(&authority, suite)));
        }
    }

    #[test]
    fn sessions_are_resumed() {
        let authority = Authority::new();
        for suite in [TLS13_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]
        {
            let (config, trust) = (server(&authority, suite), Trust::new(&authority.pem).unwrap());
            let mut seen = Vec::new();
            for _ in 0..2 {
                let (near, far) = pipe();
                let mut server = rustls::ServerConnection::new(config.clone()).unwrap();
                let client = async {
                    let config = trust.config(Ciphers::All, NOW_MS);
                    let name = ServerName::try_from("mail.example").unwrap();
                    let mut tls = TlsStream::connect(near, config, name).await.unwrap();
                    tls.write(Bytes::from_static(b"hello")).await.unwrap();
                    assert_eq!(tls.read().await.unwrap(), "hello");
                };
                beside(client, echo_on(far, &mut server));
                seen.push(server.handshake_kind());
            }
            assert_eq!(
                seen,
                [Some(rustls::HandshakeKind::Full), Some(rustls::HandshakeKind::Resumed)],
                "{suite:?}"
            );
        }
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
                assert!(heard.len() <= PLAIN_MAX, "{suite:?} {at}");
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
            record.resize(HEADER + PLAIN_MAX, 0);
            loop {
                if far.write(record.clone().into()).await.is_err() {
                    return;
                }
                give_way().await;
            }
        };
        let client = async { TlsStream::connect(near, config, name).await.err() };
        let failure = beside(client, babble);
        assert!(matches!(failure, Some(Failure::Failed(Error::Tls(_)))), "{failure:?}");
    }
}
