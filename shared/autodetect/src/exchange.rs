//! Exchange without a password: where Autodiscover answers, and as what.

use http::HeaderMap;
use serde::Deserialize;

use crate::autoconfig::web_url;

/// Whether a refusal is one of Exchange's: its log-in is asked for in a way that only it has, or
/// it says its version.
pub fn refuses_as_exchange(status: u16, headers: &HeaderMap) -> bool {
    let asked = headers.get_all("www-authenticate").iter().filter_map(|it| it.to_str().ok());
    let windows = |way: &str| {
        let scheme = way.split([' ', ',']).next().unwrap_or_default();
        ["NTLM", "Negotiate"].iter().any(|it| scheme.eq_ignore_ascii_case(it))
    };
    let its_own = ["x-feserver", "x-owa-version", "x-calculatedbetarget", "x-diaginfo"];
    status == 401
        && (asked.into_iter().any(windows)
            || its_own.iter().any(|name| headers.contains_key(*name)))
}

/// The address of the web services in an answer of Autodiscover version 2, a JSON object.
pub fn web_services(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        protocol: String,
        url: String,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    answer.protocol.eq_ignore_ascii_case("ews").then_some(answer.url).and_then(|url| web_url(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refuses() {
        let refusal = |status, headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            refuses_as_exchange(status, &map)
        };
        let basic = ("www-authenticate", "Basic realm=\"x\"");
        assert!(refusal(401, &[basic, ("www-authenticate", "NTLM")]));
        assert!(refusal(401, &[("www-authenticate", "Negotiate, Basic realm=x")]));
        assert!(refusal(401, &[basic, ("x-feserver", "EX01")]));
        assert!(!refusal(401, &[basic]));
        assert!(!refusal(200, &[("x-feserver", "EX01")]));
        assert!(!refusal(401, &[("www-authenticate", "Digest ntlm=1")]));
    }

    #[test]
    fn version_2() {
        let body = br#"{"Protocol":"EWS","Url":"https://ex.example.org/EWS/Exchange.asmx"}"#;
        assert_eq!(web_services(body).as_deref(), Some("https://ex.example.org/EWS/Exchange.asmx"));
        for wrong in [
            &br#"{"Protocol":"EWS","Url":"http://ex.example.org/"}"#[..],
            br#"{"Protocol":"EWS","Url":"https://169.254.169.254/"}"#,
            br#"{"Protocol":"ActiveSync","Url":"https://ex.example.org/"}"#,
            br#"{"ErrorCode":"ProtocolNotSupported"}"#,
            b"<html>",
        ] {
            assert_eq!(web_services(wrong), None);
        }
    }
}
