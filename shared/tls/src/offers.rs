//! Which cipher suites are offered to a server.
//!
//! In a component ChaCha20-Poly1305 is five times faster than AES-GCM, which has no instructions
//! there. But a server that follows its own preference chooses AES wherever both are offered. So
//! the first offer is ChaCha20-Poly1305 alone, which nearly every server since 2016 can speak, and
//! only those that cannot get a second offer. Observed: Dovecot 2.3.19 with OpenSSL 3.0 follows
//! the client's order, and takes either offer; `openssl s_server -serverpref` takes AES from the
//! full one.
//!
//! The handshake is ring's; the records after it are [`crate::records`]'.

use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, SupportedCipherSuite};

/// Which cipher suites are offered to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ciphers {
    /// ChaCha20-Poly1305 only.
    ChaCha20,
    /// Every suite, ChaCha20-Poly1305 first.
    All,
}

/// The provider that offers `ciphers`.
pub(crate) fn provider(ciphers: Ciphers) -> CryptoProvider {
    let mut cipher_suites = ring::ALL_CIPHER_SUITES.to_vec();
    match ciphers {
        Ciphers::All => cipher_suites.sort_by_key(|suite| !is_chacha20(suite)),
        Ciphers::ChaCha20 => cipher_suites.retain(is_chacha20),
    }
    CryptoProvider { cipher_suites, ..ring::default_provider() }
}

fn is_chacha20(suite: &SupportedCipherSuite) -> bool {
    matches!(
        suite.suite(),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers() {
        let names = |ciphers| {
            let suites = provider(ciphers).cipher_suites;
            suites.iter().map(|suite| format!("{:?}", suite.suite())).collect::<Vec<_>>()
        };
        let chacha = [
            "TLS13_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        ];
        assert_eq!(names(Ciphers::ChaCha20), chacha);
        let all = names(Ciphers::All);
        assert_eq!(all.len(), 9);
        assert_eq!(all[..3], chacha);
    }
}
