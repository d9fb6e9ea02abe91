//! Opens lines: name to address, TCP, TLS, compression.

use std::net::{IpAddr, SocketAddr};

use rustls::pki_types::ServerName;
use wire::{Bytes, Clock, Error, Http, Network, Stream, within};

use crate::deflate::Deflate;
use crate::hybrid::Ciphers;
use crate::networks::Networks;
use crate::resolve;
use crate::tls::{Handshake, TlsFacts, TlsStream};
use crate::trust::Trust;
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
                Err(Handshake::NoCommonCipher(error) | Handshake::Failed(error)) => Err(error),
            }
        };
        within(self.host, OPEN_TIMEOUT_S, attempt).await
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
                    let tls = Some(stream.facts());
                    let line = Line::Tls(Box::new(stream));
                    return Ok(Opened { line, address, tls, ciphers });
                }
                Err(Handshake::NoCommonCipher(error)) => refusal = error,
                Err(Handshake::Failed(error)) => return Err(error.into()),
            }
        }
        Err(refusal.into())
    }

    async fn shake_hands(
        &self,
        line: Line<H::Stream>,
        endpoint: &Endpoint,
        ciphers: Ciphers,
    ) -> Result<TlsStream<H::Stream>, Handshake> {
        let failed = |sentence: &str| Handshake::Failed(Error::Tls(sentence.to_owned()));
        let Line::Plain(stream) = line else { return Err(failed(NOT_PLAIN)) };
        let name = server_name(&endpoint.host).ok_or_else(|| failed(NO_NAME))?;
        let config = self.trust.config(ciphers, self.host.now_ms());
        TlsStream::connect(stream, config, name).await
    }

    async fn connected(&self, endpoint: &Endpoint) -> Attempt<H::Stream, Error> {
        let addresses =
            resolve::permitted(self.host, &self.doh_url, &self.networks, &endpoint.host).await?;
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
const NO_NAME: &str = "a certificate cannot be for this server name";

/// The name that the certificate must carry: a DNS name or an IP address (RFC 9525).
fn server_name(host: &str) -> Option<ServerName<'static>> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(host.to_owned()).ok(),
    }
}
