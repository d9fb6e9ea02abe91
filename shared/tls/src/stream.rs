//! A TLS client over any [`wire::Stream`], RFC 8446 and RFC 5246.
//!
//! Records are opened in the buffer they arrived in, then copied once into the bytes handed out
//! ([`crate::layer`]). A write becomes one write of all its records.

use std::net::IpAddr;

use rustls::pki_types::ServerName;
use wire::{Bytes, Error, Stream};

use crate::handshake::{Established, Failure, TlsFacts, shake_hands};
use crate::layer::{Buffers, Layer, Wiped};
use crate::offers::Ciphers;
use crate::record::PLAIN_MAX;
use crate::sentences;
use crate::trust::Trust;

/// Plaintext octets that go out in one write to the system: 16 full records.
const BATCH: usize = 16 * PLAIN_MAX;

/// The encrypted stream.
pub struct TlsStream<S> {
    stream: S,
    layer: Layer,
    facts: TlsFacts,
    buffers: Buffers,
    /// The server hung up without saying that it would.
    cut: bool,
    /// The failure after which nothing goes over this line any more.
    broken: Option<Error>,
}

impl<S: Stream> TlsStream<S> {
    /// Performs the handshake with the server called `host`, a DNS name or an IP address, which its
    /// certificate must be for (RFC 9525). It is judged by whom `trust` trusts, at `now_ms`
    /// (milliseconds since 1970).
    pub async fn connect(
        mut stream: S,
        host: &str,
        trust: &Trust,
        ciphers: Ciphers,
        now_ms: u64,
    ) -> Result<Self, Failure> {
        let no_name = || Failure::Failed(Error::Tls(sentences::NO_NAME.to_owned()));
        let name = server_name(host).ok_or_else(no_name)?;
        let config = trust.config(ciphers, now_ms);
        let Established { layer, facts, pending, plain, ended } =
            shake_hands(&mut stream, config, name, trust.records()).await?;
        let buffers = Buffers { plain, ended, ..Buffers::default() };
        let mut tls = TlsStream { stream, layer, facts, buffers, cut: false, broken: None };
        if let Err(error) = tls.layer.receive(pending.freeze(), &mut tls.buffers) {
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

    /// Whether the server said that it sends nothing more (close_notify, RFC 8446 section 6.1).
    /// After an end without that, nobody knows whether a third party cut the line.
    pub fn said_end(&self) -> bool {
        self.buffers.ended
    }

    async fn send_outgoing(&mut self) -> Result<(), Error> {
        if self.buffers.outgoing.is_empty() {
            return Ok(());
        }
        self.stream.write(std::mem::take(&mut self.buffers.outgoing).into()).await
    }

    fn fail(&mut self, error: &rustls::Error) -> Error {
        self.layer.seal_alert(error, &mut self.buffers.outgoing);
        self.broken.insert(Error::Tls(sentences::of_broken(error))).clone()
    }

    fn check_whole(&self) -> Result<(), Error> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    /// Empty at the end, also where the server hung up without saying so in TLS, as many do:
    /// IMAP, POP and SMTP know by themselves when something is cut. What does not asks
    /// [`TlsStream::said_end`].
    async fn read(&mut self) -> Result<Bytes, Error> {
        while self.buffers.plain.is_empty() && !self.buffers.ended && !self.cut {
            self.check_whole()?;
            let bytes = self.stream.read().await?;
            if bytes.is_empty() {
                self.cut = true;
                break;
            }
            let received = self.layer.receive(bytes, &mut self.buffers);
            let received = received.map_err(|error| self.fail(&error));
            let sent = self.send_outgoing().await;
            received?;
            sent?;
        }
        Ok(Bytes::from_owner(Wiped(std::mem::take(&mut self.buffers.plain))))
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        if bytes.is_empty() {
            return self.stream.write(bytes).await;
        }
        for plain in bytes.chunks(BATCH) {
            self.check_whole()?;
            let mut sealed = std::mem::take(&mut self.buffers.outgoing);
            let done = self.layer.seal(plain, &mut sealed);
            done.map_err(|error| self.fail(&error))?;
            self.stream.write(sealed.into()).await?;
        }
        Ok(())
    }
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(host.to_owned()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::HEADER;
    use crate::record_layer::RecordLayer;
    use fake_tls::{Authority, Key, NOW_MS, beside, echo, echo_on, give_way};
    use futures::future::join;
    use rustls::CipherSuite::{self, *};
    use rustls::ServerConfig;
    use std::sync::Arc;
    use wire::fed::Bitten;
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
            true => Key::Rsa,
            false => Key::Ecdsa,
        };
        authority.server_with("mail.example", &[suite], key)
    }

    const BOTH: [RecordLayer; 2] = [RecordLayer::Ours, RecordLayer::Rustls];

    async fn connect<S: Stream>(stream: S, authority: &Authority) -> TlsStream<S> {
        connect_by(RecordLayer::Ours, stream, authority).await
    }

    async fn connect_by<S: Stream>(
        records: RecordLayer,
        stream: S,
        authority: &Authority,
    ) -> TlsStream<S> {
        let trust = Trust::new(&authority.pem).unwrap().with_records(records);
        let connected =
            TlsStream::connect(stream, "mail.example", &trust, Ciphers::All, NOW_MS).await;
        connected.unwrap_or_else(|error| panic!("{error:?}"))
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
        records: RecordLayer,
        authority: &Authority,
        config: Arc<ServerConfig>,
        bite: usize,
        length: usize,
    ) -> TlsFacts {
        let (near, far) = pipe();
        let client = async {
            let mut tls = connect_by(records, Bitten::new(near, bite), authority).await;
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
        let authority = Authority::generate();
        for (suite, records) in SUITES.into_iter().flat_map(|suite| BOTH.map(|by| (suite, by))) {
            let config = server(&authority, suite);
            let facts = says_back(records, &authority, config, usize::MAX, 600_000);
            assert_eq!(facts.suite, format!("{suite:?}"));
            let version = if facts.suite.starts_with("TLS13") { "TLSv1_3" } else { "TLSv1_2" };
            assert_eq!(facts.version, version);
        }
    }

    #[test]
    fn any_cut_gives_the_same() {
        let authority = Authority::generate();
        for suite in [TLS13_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256] {
            for bite in [1, 2, 4, 5, 6, 7, 21, 22, 1000, 16_405, 16_406, 16_407, 40_000] {
                for records in BOTH {
                    says_back(records, &authority, server(&authority, suite), bite, 70_000);
                }
            }
        }
    }

    #[test]
    fn small_and_empty_writes() {
        let authority = Authority::generate();
        for records in BOTH {
            let (near, far) = pipe();
            let client = async {
                let mut tls = connect_by(records, near, &authority).await;
                tls.write(Bytes::new()).await.unwrap();
                for length in [1, 2, PLAIN_MAX - 1, PLAIN_MAX, PLAIN_MAX + 1, BATCH, BATCH + 1] {
                    tls.write(sample(length).into()).await.unwrap();
                    assert!(read_all(&mut tls, length).await == sample(length), "{length}");
                }
            };
            beside(client, echo(far, server(&authority, TLS13_CHACHA20_POLY1305_SHA256)));
        }
    }

    #[test]
    fn keys_change_when_the_server_wants_it() {
        let authority = Authority::generate();
        for records in BOTH {
            let (near, far) = pipe();
            let client = async {
                let mut tls = connect_by(records, near, &authority).await;
                for _ in 0..3 {
                    for said in [&b"?"[..], b"hello", &sample(40_000)] {
                        tls.write(Bytes::copy_from_slice(said)).await.unwrap();
                        assert!(read_all(&mut tls, said.len()).await == said);
                    }
                }
            };
            beside(client, echo(far, server(&authority, TLS13_AES_256_GCM_SHA384)));
        }
    }

    #[test]
    fn close_notify_is_the_end() {
        let authority = Authority::generate();
        let suites = [TLS13_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
        for (suite, records) in suites.into_iter().flat_map(|suite| BOTH.map(|by| (suite, by))) {
            let (near, far) = pipe();
            let client = async {
                let mut tls = connect_by(records, near, &authority).await;
                tls.write(Bytes::from_static(b".")).await.unwrap();
                assert_eq!(tls.read().await.unwrap(), ".");
                assert_eq!(tls.read().await, Ok(Bytes::new()));
                assert_eq!(tls.read().await, Ok(Bytes::new()));
                assert!(tls.said_end());
            };
            beside(client, echo(far, server(&authority, suite)));
        }
    }

    #[test]
    fn sessions_are_resumed() {
        let authority = Authority::generate();
        for suite in [TLS13_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]
        {
            let (config, trust) = (server(&authority, suite), Trust::new(&authority.pem).unwrap());
            let mut seen = Vec::new();
            for _ in 0..2 {
                let (near, far) = pipe();
                let mut server = rustls::ServerConnection::new(config.clone()).unwrap();
                let client = async {
                    let connecting =
                        TlsStream::connect(near, "mail.example", &trust, Ciphers::All, NOW_MS);
                    let mut tls = connecting.await.unwrap();
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
        let authority = Authority::generate();
        for (suite, records) in SUITES.into_iter().flat_map(|suite| BOTH.map(|by| (suite, by))) {
            for at in [0, 700, usize::MAX] {
                let (near, far) = pipe();
                let client = async {
                    let stream = Tampered { stream: near, records_left: 1, at };
                    let mut tls = connect_by(records, stream, &authority).await;
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
        let authority = Authority::generate();
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
            assert!(!tls.said_end());
        });
    }

    #[test]
    fn a_handshake_without_end_is_refused() {
        let (near, mut far) = pipe();
        let authority = Authority::generate();
        let trust = Trust::new(&authority.pem).unwrap();
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
        let connecting = TlsStream::connect(near, "mail.example", &trust, Ciphers::All, NOW_MS);
        let client = async { connecting.await.err() };
        let failure = beside(client, babble);
        assert!(matches!(failure, Some(Failure::Failed(Error::Tls(_)))), "{failure:?}");
    }

    /// Connects to 127.0.0.1 at `at_ms`, and gives the sentence of the failure.
    fn refusal(at_ms: u64, trusted: bool) -> String {
        let (authority, stranger) = (Authority::generate(), Authority::generate());
        let trust = Trust::new(if trusted { &authority.pem } else { &stranger.pem }).unwrap();
        let (near, far) = pipe();
        let connecting = TlsStream::connect(near, "127.0.0.1", &trust, Ciphers::All, at_ms);
        match beside(connecting, echo(far, authority.server("127.0.0.1", &[]))) {
            Ok(_) => "none".to_owned(),
            Err(Failure::Failed(error) | Failure::NoCommonCipher(error)) => error.to_string(),
        }
    }

    #[test]
    fn certificates_are_checked() {
        assert_eq!(refusal(NOW_MS, true), "none");
        let unknown = refusal(NOW_MS, false);
        assert!(
            unknown.starts_with("TLS: the certificate of 127.0.0.1 is not issued by"),
            "{unknown}"
        );
        let day_ms = 86_400_000;
        let expired = "TLS: the certificate of 127.0.0.1 expired on 2027-12-31";
        assert_eq!(refusal(NOW_MS + 500 * day_ms, true), expired);
        let not_yet = "TLS: the certificate of 127.0.0.1 is not valid before 2026-01-01";
        assert_eq!(refusal(NOW_MS - 500 * day_ms, true), not_yet);
    }

    #[test]
    fn a_name_that_no_certificate_can_have() {
        let trust = Trust::new("").unwrap();
        let connecting = TlsStream::connect(pipe().0, "a b", &trust, Ciphers::All, NOW_MS);
        let failure = futures::executor::block_on(connecting).err();
        let expected = Error::Tls(sentences::NO_NAME.to_owned());
        assert!(
            matches!(&failure, Some(Failure::Failed(error)) if *error == expected),
            "{failure:?}"
        );
    }
}
