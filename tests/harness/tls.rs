//! Certificates of the tests' own authority, and TLS in front of plain servers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Every name that test servers go by.
pub const NAMES: [&str; 3] = ["localhost", "mail.trasloco.test", "127.0.0.1"];

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Valid {
    /// From yesterday, for ten years.
    Yes,
    /// Until the year 2020.
    Expired,
}

/// A certificate with its key, in PEM.
pub struct Certificate {
    /// The chain.
    pub chain: String,
    /// The key.
    pub key: String,
}

/// The authority that signs for all servers of a test run.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate in PEM, for `extra_ca`.
    pub pem: String,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "trasloco test root");
    let pem = params.self_signed(&key).expect("a root").pem();
    Authority { issuer: Issuer::new(params, key), pem }
});

/// The authority of this run.
pub fn authority() -> &'static Authority {
    &AUTHORITY
}

impl Authority {
    /// A certificate for these names.
    pub fn issue(&self, names: &[&str], valid: Valid) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        if valid == Valid::Expired {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certificate { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes `ca.pem`, `server.pem` and `server.key` into a folder, readable to all.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder");
        let certificate = self.issue(&NAMES, Valid::Yes);
        std::fs::write(folder.join("ca.pem"), &self.pem).expect("ca.pem");
        std::fs::write(folder.join("server.pem"), certificate.chain).expect("server.pem");
        std::fs::write(folder.join("server.key"), certificate.key).expect("server.key");
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client that trusts the authority only.
pub fn client_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority().pem.as_bytes()).expect("our own PEM");
    roots.add(root).expect("our own root");
    let config = ClientConfig::builder_with_provider(provider());
    let config = config.with_safe_default_protocol_versions().expect("versions");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// A server with this certificate.
pub fn server_config(certificate: &Certificate) -> Arc<ServerConfig> {
    let chain = CertificateDer::from_pem_slice(certificate.chain.as_bytes()).expect("a chain");
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider());
    let config = config.with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![chain], key);
    Arc::new(config.expect("a certificate that fits its key"))
}

/// Where proxies run.
pub fn background() -> &'static Runtime {
    static BACKGROUND: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("a runtime")
    });
    &BACKGROUND
}

/// TLS on a port of its own in front of a plain server; ends when dropped.
pub struct TlsFront {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Listens with a valid certificate.
    pub fn before(plain_port: u16) -> TlsFront {
        TlsFront::with(plain_port, &authority().issue(&NAMES, Valid::Yes))
    }

    /// Listens with this certificate.
    pub fn with(plain_port: u16, certificate: &Certificate) -> TlsFront {
        let acceptor = TlsAcceptor::from(server_config(certificate));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("a bound socket").port();
        let task = background().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((outer, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let handshake = acceptor.accept(outer);
                    let Ok(Ok(mut outer)) =
                        tokio::time::timeout(Duration::from_secs(10), handshake).await
                    else {
                        return;
                    };
                    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, plain_port));
                    if let Ok(mut inner) = TcpStream::connect(address).await {
                        let _ = copy_bidirectional(&mut outer, &mut inner).await;
                    }
                });
            }
        });
        TlsFront { port, task }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}
