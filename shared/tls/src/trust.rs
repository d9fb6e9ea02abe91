//! Whom TLS trusts: the public certificate authorities, and those the operator adds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::client::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, version};

use crate::offers::{self, Ciphers};
use crate::record_layer::RecordLayer;

/// Most certificates in `extra_ca`; a private installation has one or two.
const EXTRA_CA_MAX: usize = 100;

/// The trust anchors, and the sessions that can be resumed. Clones share both.
#[derive(Clone)]
pub struct Trust {
    chacha20: Arc<ClientConfig>,
    all: Arc<ClientConfig>,
    now: Arc<Now>,
    records: RecordLayer,
}

/// `extra_ca` cannot be used, in a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTrust {
    /// Not PEM, or a certificate in it cannot be a trust anchor.
    #[error("extra_ca: certificate {number} cannot be read: {reason}")]
    Certificate {
        /// Counted from 1.
        number: usize,
        /// What is wrong, in the library's words.
        reason: String,
    },
    /// Text without any certificate.
    #[error("extra_ca holds no certificate (PEM, BEGIN CERTIFICATE)")]
    Empty,
    /// More than any installation needs.
    #[error("extra_ca holds more than {EXTRA_CA_MAX} certificates")]
    TooMany,
    /// The provider's parts do not fit together; never for an operator to mend.
    #[error("TLS cannot be set up: {0}")]
    Provider(String),
}

impl Trust {
    /// The authorities of Mozilla's root programme, and the certificates in `extra_ca` (PEM, may
    /// be empty).
    pub fn new(extra_ca: &str) -> Result<Trust, BadTrust> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        add_extra(&mut roots, extra_ca)?;
        let (roots, now) = (Arc::new(roots), Arc::<Now>::default());
        Ok(Trust {
            chacha20: config(Ciphers::ChaCha20, &roots, &now)?,
            all: config(Ciphers::All, &roots, &now)?,
            now,
            records: RecordLayer::default(),
        })
    }

    /// The same, with records after the handshake dealt with by `records`.
    pub fn with_records(self, records: RecordLayer) -> Trust {
        Trust { records, ..self }
    }

    /// Who deals with the records after the handshake.
    pub(crate) fn records(&self) -> RecordLayer {
        self.records
    }

    /// The configuration that offers `ciphers`, judging certificates at `now_ms`.
    pub(crate) fn config(&self, ciphers: Ciphers, now_ms: u64) -> Arc<ClientConfig> {
        self.now.0.store(now_ms, Ordering::Relaxed);
        match ciphers {
            Ciphers::ChaCha20 => self.chacha20.clone(),
            Ciphers::All => self.all.clone(),
        }
    }
}

fn add_extra(roots: &mut RootCertStore, extra_ca: &str) -> Result<(), BadTrust> {
    if extra_ca.trim().is_empty() {
        return Ok(());
    }
    let mut number = 0;
    for certificate in CertificateDer::pem_slice_iter(extra_ca.as_bytes()) {
        number += 1;
        if number > EXTRA_CA_MAX {
            return Err(BadTrust::TooMany);
        }
        let bad = |reason: String| BadTrust::Certificate { number, reason };
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if number == 0 { Err(BadTrust::Empty) } else { Ok(()) }
}

fn config(
    ciphers: Ciphers,
    roots: &Arc<RootCertStore>,
    now: &Arc<Now>,
) -> Result<Arc<ClientConfig>, BadTrust> {
    let (provider, now) = (Arc::new(offers::provider(ciphers)), now.clone());
    let mut config = ClientConfig::builder_with_details(provider, now)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| BadTrust::Provider(error.to_string()))?
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    // The records after the handshake are ours, unless they are left to rustls.
    config.enable_secret_extraction = true;
    Ok(Arc::new(config))
}

/// Wall time as it was when the latest handshake began: the clock itself stays with the caller.
#[derive(Debug, Default)]
struct Now(AtomicU64);

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = Duration::from_millis(self.0.load(Ordering::Relaxed));
        Some(UnixTime::since_unix_epoch(since_epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fake_tls::{Authority, NOW_MS};

    #[test]
    fn reads_pem() {
        let two = Authority::generate().pem + &Authority::generate().pem;
        for pem in ["", " \n", &two, &format!("# ours\n{two}# end\n")] {
            assert!(Trust::new(pem).is_ok(), "{pem}");
        }
        assert_eq!(Trust::new("hello").err(), Some(BadTrust::Empty));
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = Trust::new(&(two + bad)).err().unwrap().to_string();
        assert!(error.starts_with("extra_ca: certificate 3 cannot be read: "), "{error}");
        let many = Authority::generate().pem.repeat(EXTRA_CA_MAX + 1);
        assert_eq!(Trust::new(&many).err(), Some(BadTrust::TooMany));
    }

    #[test]
    fn time_comes_from_outside() {
        let trust = Trust::new("").unwrap();
        trust.config(Ciphers::All, NOW_MS);
        let now = trust.now.current_time().map(|now| now.as_secs());
        assert_eq!(now, Some(NOW_MS / 1000));
    }
}
