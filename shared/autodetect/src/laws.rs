//! Laws of what strangers' domains answer; for the fuzz targets and the test suite. Each takes bytes
//! and panics where it is broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use crate::address::{Address, host_name};
use crate::autoconfig;
use crate::exchange;

/// A configuration file: read within its limits or refused; hosts in it are names that another
/// reading leaves as they are.
pub fn configs(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let address = Address::parse("anna@example.org").unwrap();
    let Ok(config) = autoconfig::read(&text, &address) else { return };
    assert!(config.servers.len() <= 20);
    for server in &config.servers {
        assert_eq!(host_name(&server.host).as_deref(), Some(server.host.as_str()));
        assert!(server.port > 0 && server.login.len() <= 2_000);
    }
    for url in [&config.caldav_url, &config.carddav_url, &config.ews_url].into_iter().flatten() {
        assert!(is_https(url), "{url}");
        assert_eq!(autoconfig::web_url(url).as_deref(), Some(url.as_str()));
    }
}

/// Addresses, names and Autodiscover's answers: what is read stays as it is when it is read again.
pub fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(address) = Address::parse(&text) {
        assert_eq!(Address::parse(&address.to_string()).as_ref(), Some(&address));
        assert!(address.encoded().bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if let Some(host) = host_name(&text) {
        assert_eq!(host_name(&host).as_deref(), Some(host.as_str()));
        assert!(host.parse::<std::net::IpAddr>().is_err(), "{host} is an address");
    }
    if let Some(url) = exchange::web_services(bytes) {
        assert!(is_https(&url), "{url}");
    }
}

/// Schemes have no case, RFC 3986 section 3.1.
fn is_https(url: &str) -> bool {
    url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}

#[cfg(test)]
mod tests {
    use laws::hold;

    #[test]
    fn of_configs() {
        hold("autoconfig", 5_000, super::configs);
    }

    #[test]
    fn of_names() {
        hold("names", 10_000, super::names);
    }
}
