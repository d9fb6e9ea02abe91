//! TLS servers in memory, for the tests of whoever connects to one: an authority of their own, a server
//! that says back what it hears.
//!
//! The servers are rustls's with ring, so a client of ours is always held against somebody else's
//! code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

use std::future::Future;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;

use futures::executor::block_on;
use futures::future::{Either, select};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ServerConfig, ServerConnection, SupportedCipherSuite};
use wire::Stream;
use wire::pipe::End;

/// 2026-11-22T00:00:00Z in milliseconds: every certificate of [`Authority::server`] is valid then.
pub const NOW_MS: u64 = 1_795_305_600_000;

/// A private certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, as `extra_ca` takes it.
    pub pem: String,
}

/// What the key of a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// P-256, made for each server.
    Ecdsa,
    /// RSA with 2048 bits, always the same one.
    Rsa,
}

impl Key {
    fn pair(self) -> KeyPair {
        match self {
            Key::Ecdsa => KeyPair::generate().unwrap(),
            Key::Rsa => KeyPair::from_pem(RSA_KEY).unwrap(),
        }
    }
}

impl Authority {
    /// One with a key and a name of its own.
    pub fn generate() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let name = format!("Authority {:?}", key.public_key_raw());
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A server with a certificate for `name`, valid in the years 2026 and 2027, that takes only
    /// `suites`, or all.
    pub fn server(&self, name: &str, suites: &[CipherSuite]) -> Arc<ServerConfig> {
        self.server_with(name, suites, Key::Ecdsa)
    }

    /// The same with a key of this kind.
    pub fn server_with(&self, name: &str, suites: &[CipherSuite], key: Key) -> Arc<ServerConfig> {
        let key = key.pair();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        serving(certificate, &key, suites)
    }

    /// A server that shows the authority's own certificate.
    pub fn as_server(&self) -> Arc<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        serving(certificate, self.issuer.key(), &[])
    }
}

fn serving(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    suites: &[CipherSuite],
) -> Arc<ServerConfig> {
    let wanted =
        |suite: &SupportedCipherSuite| suites.is_empty() || suites.contains(&suite.suite());
    let all = ring::ALL_CIPHER_SUITES.to_vec();
    let cipher_suites = all.into_iter().filter(wanted).collect();
    let provider = CryptoProvider { cipher_suites, ..ring::default_provider() };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    // AES first, as servers have it.
    config.ignore_client_order = true;
    Arc::new(config)
}

/// A TLS server that says back what it hears, until the client is gone or breaks the rules.
pub async fn echo(end: End, config: Arc<ServerConfig>) -> Result<(), rustls::Error> {
    echo_on(end, &mut ServerConnection::new(config)?).await
}

/// As [`echo`], changing its keys at each question mark and ending at each full stop.
pub async fn echo_on(mut end: End, tls: &mut ServerConnection) -> Result<(), rustls::Error> {
    tls.set_buffer_limit(None);
    loop {
        let bytes = end.read().await.unwrap();
        if bytes.is_empty() {
            return Ok(());
        }
        let mut rest = bytes.as_ref();
        let mut result = Ok(());
        while !rest.is_empty() && result.is_ok() {
            tls.read_tls(&mut rest).unwrap();
            result = tls.process_new_packets().map(drop);
            let mut heard = Vec::new();
            let _ = tls.reader().read_to_end(&mut heard);
            tls.writer().write_all(&heard).unwrap();
            match heard.as_slice() {
                b"?" => tls.refresh_traffic_keys()?,
                b"." => tls.send_close_notify(),
                _ => {}
            }
        }
        let mut out = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut out).unwrap();
        }
        let _ = end.write(out.into()).await;
        result?;
    }
}

/// Runs a client beside its server, and gives what the client comes to.
pub fn beside<T>(client: impl Future<Output = T>, server: impl Future) -> T {
    block_on(async {
        match select(pin!(client), pin!(server)).await {
            Either::Left((done, _)) => done,
            Either::Right((_, client)) => client.await,
        }
    })
}

/// Lets the other side of a test run.
pub async fn give_way() {
    let mut given = false;
    futures::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        match std::mem::replace(&mut given, true) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

/// An RSA key, since the tests cannot make one. It protects nothing.
const RSA_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQCxWCU6VS/CQhn9
69sWGO13T7gXQst9koeonM7CcUCewLcCwX9d4vUuaI2g0NRxazkq3VIkhFY5QTAc
4bJrdYO4UpAmwqpD6/4MGIQQ3AjJuaebGC7GhRLXKP40TKBKqPkls9Kc6+lwq7Sw
pxNmGpVeCqsU2atLoIETESrCLPnBjJGX3+7XI8eGWnoSvWrNOjuo49YzEO8TDXHd
zykyL34ReymS3c/Q/RlaTAfHjABB/n+E9HxvZ+4PeICGr30NMmJgxCXT9S09GmhB
lyy6aCf8fhoUZr4Yw4MdRcchMSrjF7GiCYDsXzd7JEwM2/FQpbAqfw0piAtZrjTH
5bVf2G2dAgMBAAECggEAFZ7/eusj1XUlohV9MmZ7nQ41DXDxSi/xJhdoBcC09iXc
qhNZKeMfrTbF/ZM4M1O1NoqhFx6jPHu8F+lUTVGYa4J1XKRjCcDdyi+6+is5Tw65
Zmk+WqmisGSpCUtGR5PuPDB+Pu9sGHZ2owrbjJk1GLAIR5R6E9BPrDltkxrUoEoE
eMejMDIYfj3o3uLo4X3e+W6ILlMPaKT9R39DSp4+25ed9CEd7tQER6lQryrK1orG
V/YBInK6iUGXTUXTrsSTBwNJZEWyAo0m8xTyB3WWe7LC4lB4fR5ON+Z0C08XL2md
D3nizKe9rswldDcqhs/6bIXacbhzc8puayMfR3LQaQKBgQD27fVG9x2DXu+Q2pxb
wLjU7plW3yVPsquew5KajjDaGZRwmEIwspOxBU9tAdP+qzNuIKdJF7YD5IplaniI
EzquJi7s/9JelM9fvJR8AuWXszuaw4prLqu5SyOLQLMLGMgbp74u1v25uC9BdAFi
hom/OvDQDYeqXxsRxTdKnLoDWwKBgQC329TemtdGAGFDayTY0wBkoqlIxKlfTkx9
Bv7COpkGuJMtOnYh+NzHwe+V0p2a49R1lunnxxIRQc14o7U6a5LIz9C9S93pf8Ha
kQ+ZUIuqMokYTf9p/xXzh8d/jZnKe8mD30lC4RL7eC5ikUW9cMPraKh7Bj/ooO4w
GL1VmPN8ZwKBgQDSbGWgW+VilfxAzIqCBfF8QveY9/+rsu5dFPxRiOpIcZP1f0qo
hQUmzQeqNOybEPl614i22OXa2160nc6o5voSfadvf3Gd9+HgC6vdIfrVE3+vmwLR
46ui800O1cu9oRiluIRxFfSR10st09V6SHwJ4ghkw6LgpLtEoXNEudoqEQKBgQCO
Q/0gTqIa2XppZ4O4fvTD6hWhaANC6txGtl30vtDgIXxIt/7m5KE5tLgFr1Yinv4s
Cx1tKl2xmsA6BDrcPJb06dE0WHsbDa9bx3lRgcDAbqAkfV4Qj8BVk4/sBA6nXkec
0e7nYC+HBASoYo6bOqFvC6mqoDhdcgE8mDgQ/uwRKwKBgQCk/okwjPzm89pfsfKN
ZId6j5fHcmwX163R35eukKfD16V+vi4Q2+IzqNTVuHiXXVS9uFXmKqJj4Zf5xB7o
Aue74iY8PBj+MsKudLjeq00VefNF25tMyMKKLuvJAFN8sG082NX8WXzxtpW8c113
HnHoW2k2UzP2wHmoN2VIlUfZYw==
-----END PRIVATE KEY-----";
