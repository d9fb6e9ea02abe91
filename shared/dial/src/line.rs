//! Opens lines: name to address, TCP, TLS, compression.

use std::net::{IpAddr, SocketAddr};

use tls::{Ciphers, Failure, TlsFacts, TlsStream, Trust};
use wire::{Bytes, Clock, Error, Http, Network, Stream, within};

use crate::deflate::Deflate;
use crate::networks::Networks;
use crate::resolve;
use crate::url::{Endpoint, Tls};

/// Longest time from a name to a line that can be spoken on, all attempts included.
pub const OPEN_TIMEOUT_S: u32 = 10;
/// Longest time for one address while there is another to try.
const CONNECT_TIMEOUT_S: u32 = 3;

/// A line to a server.
pub enum Line<S> {
    /// Without TLS.
    Plain(S),
    /// With TLS.
    Tls(Box<TlsStream<S>>),
    /// Compressed, without TLS.
    PlainDeflate(Box<Deflate<S>>),
    /// Compressed within TLS.
    TlsDeflate(Box<Deflate<TlsStream<S>>>),
}

impl<S: Stream> Line<S> {
    /// Compresses everything from here on, RFC 4978. `received` is what was read already after
    /// the server's OK. A line that is compressed stays as it is.
    pub fn deflate(self, received: Bytes) -> Line<S> {
        match self {
            Line::Plain(stream) => Line::PlainDeflate(Box::new(Deflate::new(stream, received))),
            Line::Tls(stream) => Line::TlsDeflate(Box::new(Deflate::new(*stream, received))),
            compressed @ (Line::PlainDeflate(_) | Line::TlsDeflate(_)) => compressed,
        }
    }

    /// Whether the server said in TLS that it sends nothing more. At the end of a line without
    /// that anybody on the way may have cut it; on a line without TLS this is never known.
    pub fn said_end(&self) -> bool {
        match self {
            Line::Plain(_) | Line::PlainDeflate(_) => false,
            Line::Tls(stream) => stream.said_end(),
            Line::TlsDeflate(stream) => stream.inner().said_end(),
        }
    }
}

impl<S: Stream> Stream for Line<S> {
    async fn read(&mut self) -> Result<Bytes, Error> {
        match self {
            Line::Plain(stream) => stream.read().await,
            Line::Tls(stream) => stream.read().await,
            Line::PlainDeflate(stream) => stream.read().await,
            Line::TlsDeflate(stream) => stream.read().await,
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        match self {
            Line::Plain(stream) => stream.write(bytes).await,
            Line::Tls(stream) => stream.write(bytes).await,
            Line::PlainDeflate(stream) => stream.write(bytes).await,
            Line::TlsDeflate(stream) => stream.write(bytes).await,
        }
    }
}

/// An open line, and how it came about.
pub struct Opened<L> {
    /// The line.
    pub line: L,
    /// Where it leads.
    pub address: SocketAddr,
    /// What TLS agreed on; `None` without TLS (or before STARTTLS).
    pub tls: Option<TlsFacts>,
    /// The offer that worked: the hint for the next opening of the same server.
    pub ciphers: Ciphers,
}

/// Opens lines to the servers that users name.
pub struct Dialer<'a, H> {
    /// Network, HTTP and clock.
    pub host: &'a H,
    /// Which addresses may be reached.
    pub networks: Networks,
    /// Whom TLS trusts.
    pub trust: Trust,
    /// The resolver for DNS over HTTPS.
    pub doh_url: String,
    /// Whether [`Tls::None`] is permitted.
    pub allow_plaintext: bool,
    /// Longest silence on a line once it is open.
    pub idle_timeout_s: u32,
    /// What to offer first. After [`Ciphers::ChaCha20`] has found no agreement, everything is
    /// offered on a second connection.
    pub ciphers: Ciphers,
}

type Attempt<S, E> = Result<Opened<Line<S>>, E>;

impl<H> Dialer<'_, H> {
    /// The same over another host.
    pub fn over<'b, N>(&self, host: &'b N) -> Dialer<'b, N> {
        Dialer {
            host,
            networks: self.networks.clone(),
            trust: self.trust.clone(),
            doh_url: self.doh_url.clone(),
            allow_plaintext: self.allow_plaintext,
            idle_timeout_s: self.idle_timeout_s,
            ciphers: self.ciphers,
        }
    }
}

impl<H: Network + Http + Clock> Dialer<'_, H> {
    /// Connects, and begins TLS where `endpoint` has it from the first byte. For
    /// [`Tls::StartTls`] the line is plain: see [`Self::open_with`].
    pub async fn open(&self, endpoint: &Endpoint) -> Attempt<H::Stream, Error> {
        within(self.host, OPEN_TIMEOUT_S, async {
            match endpoint.tls {
                Tls::Implicit => self.secured(endpoint, async |line| Ok(line)).await,
                Tls::StartTls => self.connected(endpoint).await,
                Tls::None if self.allow_plaintext => self.connected(endpoint).await,
                Tls::None => Err(Error::Tls(PLAINTEXT_REFUSED.to_owned())),
            }
        })
        .await
    }

    /// As [`Self::open`], and for [`Tls::StartTls`] begins TLS as well: `start_tls` reads the
    /// greeting, says the protocol's command and gives the line back after the server's OK,
    /// without a byte read beyond it (RFC 9051 section 11.3 tells what happens otherwise). It is
    /// called again on a second connection where the first offer of ciphers is refused.
    pub async fn open_with<E: From<Error>>(
        &self,
        endpoint: &Endpoint,
        start_tls: impl AsyncFn(Line<H::Stream>) -> Result<Line<H::Stream>, E>,
    ) -> Attempt<H::Stream, E> {
        match endpoint.tls {
            Tls::Implicit | Tls::None => Ok(self.open(endpoint).await?),
            Tls::StartTls => {
                within(self.host, OPEN_TIMEOUT_S, self.secured(endpoint, start_tls)).await
            }
        }
    }

    /// Begins TLS on a plain line, after STARTTLS, with the ciphers of [`Self::ciphers`] and no
    /// second attempt.
    pub async fn upgrade(
        &self,
        line: Line<H::Stream>,
        endpoint: &Endpoint,
    ) -> Result<Line<H::Stream>, Error> {
        let attempt = async {
            match self.shake_hands(line, endpoint, self.ciphers).await {
                Ok(stream) => Ok(Line::Tls(Box::new(stream))),
                Err(Failure::NoCommonCipher(error) | Failure::Failed(error)) => Err(error),
            }
        };
        within(self.host, OPEN_TIMEOUT_S, attempt).await
    }

    /// Makes sure that `host` leads to permitted addresses only, for a request over [`Http`], which
    /// connects by itself.
    pub async fn permits(&self, host: &str) -> Result<(), Error> {
        resolve::all_permitted(self.host, &self.doh_url, &self.networks, host).await
    }

    async fn secured<E: From<Error>>(
        &self,
        endpoint: &Endpoint,
        start_tls: impl AsyncFn(Line<H::Stream>) -> Result<Line<H::Stream>, E>,
    ) -> Attempt<H::Stream, E> {
        let offers: &[Ciphers] = match self.ciphers {
            Ciphers::ChaCha20 => &[Ciphers::ChaCha20, Ciphers::All],
            Ciphers::All => &[Ciphers::All],
        };
        let mut refusal = Error::Closed;
        for &ciphers in offers {
            let Opened { line, address, .. } = self.connected(endpoint).await?;
            let line = start_tls(line).await?;
            match self.shake_hands(line, endpoint, ciphers).await {
                Ok(stream) => {
                    let tls = Some(stream.facts().clone());
                    let line = Line::Tls(Box::new(stream));
                    return Ok(Opened { line, address, tls, ciphers });
                }
                Err(Failure::NoCommonCipher(error)) => refusal = error,
                Err(Failure::Failed(error)) => return Err(error.into()),
            }
        }
        Err(refusal.into())
    }

    async fn shake_hands(
        &self,
        line: Line<H::Stream>,
        endpoint: &Endpoint,
        ciphers: Ciphers,
    ) -> Result<TlsStream<H::Stream>, Failure> {
        let Line::Plain(stream) = line else {
            return Err(Failure::Failed(Error::Tls(NOT_PLAIN.to_owned())));
        };
        let now_ms = self.host.now_ms();
        TlsStream::connect(stream, &endpoint.host, &self.trust, ciphers, now_ms).await
    }

    async fn connected(&self, endpoint: &Endpoint) -> Attempt<H::Stream, Error> {
        let addresses =
            resolve::permitted(self.host, &self.doh_url, &self.networks, &endpoint.host).await?;
        let (networks, port) = (&self.networks, endpoint.port);
        let reached = |address: &IpAddr| networks.permits_port(*address, port);
        let addresses: Vec<IpAddr> = addresses.into_iter().filter(reached).collect();
        if addresses.is_empty() {
            return Err(Error::Port { port });
        }
        let mut failure = Error::Closed;
        let last = addresses.len().saturating_sub(1);
        for (at, address) in addresses.into_iter().enumerate() {
            let address = SocketAddr::new(address, endpoint.port);
            let connecting = self.host.connect(address, self.idle_timeout_s);
            let connected = if at == last {
                connecting.await
            } else {
                within(self.host, CONNECT_TIMEOUT_S, connecting).await
            };
            match connected {
                Ok(stream) => {
                    let (line, ciphers) = (Line::Plain(stream), self.ciphers);
                    return Ok(Opened { line, address, tls: None, ciphers });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

const PLAINTEXT_REFUSED: &str =
    "connections without it are not allowed by this installation (allow_plaintext)";
const NOT_PLAIN: &str = "it is on already, so it cannot be started again";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use crate::url::Plaintext;
    use fake_tls::{Authority, beside, echo};
    use futures::channel::mpsc::{UnboundedReceiver, unbounded};
    use futures::executor::block_on;
    use futures::{FutureExt, StreamExt};
    use rustls::{CipherSuite, ServerConfig};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::Arc;
    use wire::pipe::{End, pipe};

    const AES: [CipherSuite; 2] = [
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ];

    /// A world where every connection gives its far end to the test.
    fn world() -> (World, UnboundedReceiver<End>) {
        let (sender, far_ends) = unbounded();
        let world = World::new(move |_| {
            let (near, far) = pipe();
            sender.unbounded_send(far).unwrap();
            Ok(near)
        });
        (world, far_ends)
    }

    fn dialer<'a>(world: &'a World, authority: &Authority) -> Dialer<'a, World> {
        Dialer {
            host: world,
            networks: Networks::parse("127.0.0.1").unwrap(),
            trust: Trust::new(&authority.pem).unwrap(),
            doh_url: "https://dns.example/".into(),
            allow_plaintext: false,
            idle_timeout_s: 60,
            ciphers: Ciphers::ChaCha20,
        }
    }

    fn endpoint(url: &str) -> Endpoint {
        Endpoint::parse(url, Plaintext::Allowed).unwrap()
    }

    async fn says_back<S: Stream>(line: &mut Line<S>) {
        line.write(Bytes::from_static(b"hello")).await.unwrap();
        assert_eq!(line.read().await, Ok(Bytes::from_static(b"hello")));
    }

    /// Serves one connection after the other.
    async fn serve(mut far_ends: UnboundedReceiver<End>, config: Arc<ServerConfig>) {
        while let Some(far) = far_ends.next().await {
            let _ = echo(far, config.clone()).await;
        }
    }

    fn opened(
        name: &str,
        suites: &[CipherSuite],
    ) -> (Result<(Option<TlsFacts>, Ciphers), Error>, usize) {
        let authority = Authority::generate();
        let (mut world, far_ends) = world();
        world.names.push(("mail.example", vec!["127.0.0.1".parse().unwrap()]));
        let config = authority.server(name, suites);
        let client = async {
            let endpoint = endpoint("imaps://mail.example");
            let mut opened = dialer(&world, &authority).open(&endpoint).await?;
            says_back(&mut opened.line).await;
            assert_eq!(opened.address, "127.0.0.1:993".parse().unwrap());
            Ok((opened.tls, opened.ciphers))
        };
        let result = beside(client, serve(far_ends, config));
        let n_connections = world.connected.borrow().len();
        (result, n_connections)
    }

    #[test]
    fn servers_that_prefer_aes_are_made_to_choose_chacha() {
        let (result, n_connections) = opened("mail.example", &[]);
        let (facts, ciphers) = result.unwrap();
        assert_eq!(facts.unwrap().suite, "TLS13_CHACHA20_POLY1305_SHA256");
        assert_eq!((ciphers, n_connections), (Ciphers::ChaCha20, 1));
    }

    #[test]
    fn servers_that_know_only_aes_get_a_second_connection() {
        for suite in AES {
            let (result, n_connections) = opened("mail.example", &[suite]);
            let (facts, ciphers) = result.unwrap();
            assert_eq!(facts.unwrap().suite, format!("{suite:?}"));
            assert_eq!((ciphers, n_connections), (Ciphers::All, 2));
        }
    }

    #[test]
    fn wrong_names_are_named() {
        let (result, n_connections) = opened("*.other.example", &[]);
        let sentence = "the certificate of the server is not for mail.example but for \
                        *.other.example";
        assert_eq!(result, Err(Error::Tls(sentence.into())));
        assert_eq!(n_connections, 1);
    }

    #[test]
    fn an_authority_is_no_server() {
        let authority = Authority::generate();
        let (world, far_ends) = world();
        let config = authority.as_server();
        let client = async {
            let endpoint = endpoint("imaps://127.0.0.1");
            dialer(&world, &authority).open(&endpoint).await.err().unwrap().to_string()
        };
        let sentence = beside(client, serve(far_ends, config));
        assert!(sentence.contains("marked as an authority's own (CA:TRUE)"), "{sentence}");
    }

    /// What becomes of a TLS handshake whose answer is always `answer`, and how many were tried.
    fn answered(answer: &'static [u8]) -> (String, usize) {
        let authority = Authority::generate();
        let (world, mut far_ends) = world();
        let client = async {
            let endpoint = endpoint("imaps://127.0.0.1");
            dialer(&world, &authority).open(&endpoint).await.err().unwrap().to_string()
        };
        let server = async {
            while let Some(mut far) = far_ends.next().await {
                far.read().await.unwrap();
                far.write(Bytes::from_static(answer)).await.unwrap();
            }
        };
        let sentence = beside(client, server);
        let n_connections = world.connected.borrow().len();
        (sentence, n_connections)
    }

    #[test]
    fn servers_that_cannot_speak_our_tls() {
        let (plain, tries) = answered(b"* OK [CAPABILITY IMAP4rev1] ready\r\n");
        assert!(plain.contains("a mail server answers without TLS on this port"), "{plain}");
        assert!(!plain.contains("CAPABILITY"), "{plain}");
        assert_eq!(tries, 1);
        let (old, tries) = answered(&[21, 3, 1, 0, 2, 2, 70]);
        assert!(old.contains("older than 1.2"), "{old}");
        assert_eq!(tries, 1);
        let (strange, tries) = answered(&[21, 3, 3, 0, 2, 2, 40]);
        assert!(strange.contains("shares no TLS cipher"), "{strange}");
        assert_eq!(tries, 2);
        let (silent, tries) = answered(b"");
        assert_eq!(silent, format!("TLS: {}", tls::NO_TLS));
        assert_eq!(tries, 2);
    }

    #[test]
    fn start_tls_begins_anew_for_the_second_offer() {
        let authority = Authority::generate();
        let (world, mut far_ends) = world();
        let config = authority.server("127.0.0.1", &AES);
        let said = Rc::new(RefCell::new(0));
        let client = async {
            let start_tls = async |mut line: Line<End>| {
                assert_eq!(line.read().await?, "* OK\r\n");
                line.write(Bytes::from_static(b"a STARTTLS\r\n")).await?;
                assert_eq!(line.read().await?, "a OK\r\n");
                Ok::<_, Error>(line)
            };
            let endpoint = endpoint("imap://127.0.0.1");
            let dialer = dialer(&world, &authority);
            let mut opened = dialer.open_with(&endpoint, start_tls).await.unwrap();
            assert_eq!((opened.ciphers, opened.address.port()), (Ciphers::All, 143));
            says_back(&mut opened.line).await;
        };
        let server = async {
            while let Some(mut far) = far_ends.next().await {
                far.write(Bytes::from_static(b"* OK\r\n")).await.unwrap();
                assert_eq!(far.read().await.unwrap(), "a STARTTLS\r\n");
                far.write(Bytes::from_static(b"a OK\r\n")).await.unwrap();
                *said.borrow_mut() += 1;
                let _ = echo(far, config.clone()).await;
            }
        };
        beside(client, server);
        assert_eq!(*said.borrow(), 2);
    }

    #[test]
    fn plain_lines_need_permission_and_can_be_upgraded_once() {
        let authority = Authority::generate();
        let (world, far_ends) = world();
        let config = authority.server("127.0.0.1", &[]);
        let mut dialer = dialer(&world, &authority);
        let plain = endpoint("imap://127.0.0.1?tls=none");
        let refused = block_on(dialer.open(&plain)).err();
        assert_eq!(refused, Some(Error::Tls(PLAINTEXT_REFUSED.into())));
        assert!(world.connected.borrow().is_empty());
        dialer.allow_plaintext = true;
        let client = async {
            let line = dialer.open(&plain).await.unwrap().line;
            let start_tls = endpoint("imap://127.0.0.1");
            let mut line = dialer.upgrade(line, &start_tls).await.unwrap();
            says_back(&mut line).await;
            dialer.upgrade(line, &start_tls).await.err()
        };
        let again = beside(client, serve(far_ends, config));
        assert_eq!(again, Some(Error::Tls(NOT_PLAIN.into())));
    }

    #[test]
    fn compression_over_either() {
        let (near, far) = pipe();
        let (mut near, mut far) =
            (Line::Plain(near).deflate(Bytes::new()), Line::Plain(far).deflate(Bytes::new()));
        block_on(async {
            near.write(Bytes::from_static(b"a NOOP\r\n")).await.unwrap();
            assert_eq!(far.read().await.unwrap(), "a NOOP\r\n");
        });
    }

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_permitted_addresses_are_connected_to() {
        let authority = Authority::generate();
        let (mut world, _far_ends) = world();
        world.names.push(("mixed.example", addresses(&["10.0.0.1", "127.0.0.1", "::1"])));
        world.names.push(("inside.example", addresses(&["fe80::1", "10.0.0.1"])));
        let dialer = dialer(&world, &authority);
        let opened = block_on(dialer.open(&endpoint("imap://mixed.example"))).unwrap();
        assert_eq!(opened.address, "127.0.0.1:143".parse().unwrap());
        for host in ["inside.example", "10.9.9.9", "[::ffff:10.0.0.1]", "[::1]"] {
            let error = block_on(dialer.open(&endpoint(&format!("imap://{host}")))).err();
            assert!(matches!(error, Some(Error::Forbidden { .. })), "{host} {error:?}");
        }
        assert_eq!(world.connected.borrow().len(), 1);
    }

    /// Strangers name servers, so public addresses are not looked through port by port.
    #[test]
    fn public_servers_are_reached_at_the_ports_of_mail() {
        let authority = Authority::generate();
        let (mut world, _far_ends) = world();
        world.names.push(("mail.example", addresses(&["9.9.9.9"])));
        let open = |allowed: &str, address: &str| {
            let mut dialer = dialer(&world, &authority);
            dialer.networks = Networks::parse("127.0.0.1").unwrap().with_ports(allowed).unwrap();
            block_on(dialer.open(&endpoint(&format!("imap://{address}"))))
                .map(|it| it.address.port())
        };
        for port in [143, 993, 585, 110, 995] {
            assert_eq!(open("", &format!("mail.example:{port}")), Ok(port));
        }
        for port in [22, 25, 465, 587, 3306, 8080, 65535] {
            let refused = open("", &format!("mail.example:{port}"));
            assert_eq!(refused, Err(Error::Port { port }));
        }
        let connected = world.connected.borrow().len();
        assert_eq!(connected, 5, "the others were not even connected to");
        assert_eq!(open("1143, 22", "mail.example:1143"), Ok(1143));
        assert_eq!(open("*", "mail.example:3306"), Ok(3306));
        assert_eq!(open("", "127.0.0.1:40000"), Ok(40000), "the operator listed this one");
        assert!(Networks::default().with_ports("x").is_err());
    }

    #[test]
    fn addresses_are_tried_in_turn() {
        let authority = Authority::generate();
        let mut world = World::new(|address: SocketAddr| match address.ip().to_string().as_str() {
            "9.9.9.1" => Err(Error::TimedOut { seconds: 0 }),
            "9.9.9.3" => Ok(pipe().0),
            _ => Err(Error::Closed),
        });
        world.timers_ring.set(true);
        world.names.push(("mail.example", addresses(&["9.9.9.1", "9.9.9.2", "9.9.9.3"])));
        world.names.push(("slow.example", addresses(&["9.9.9.1"])));
        let dialer = dialer(&world, &authority);
        // Without the overall deadline, whose timer rings at once in this world.
        let mail = endpoint("imap://mail.example");
        let opened = dialer.connected(&mail).now_or_never().unwrap().unwrap();
        assert_eq!(opened.address.ip(), addresses(&["9.9.9.3"])[0]);
        assert_eq!(world.connected.borrow().len(), 3);
        let error = block_on(dialer.open(&endpoint("imap://slow.example"))).err();
        assert_eq!(error, Some(Error::TimedOut { seconds: OPEN_TIMEOUT_S }));
    }
}
