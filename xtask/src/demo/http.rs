//! As much HTTP/1.0 as the demonstration needs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::shell::Done;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Gets a JSON text.
pub(super) fn get(address: &str, path: &str) -> Done<String> {
    exchange(address, &format!("GET {path} HTTP/1.0"), "")
}

/// Posts a JSON text and gets another.
pub(super) fn post(address: &str, path: &str, body: &str) -> Done<String> {
    exchange(address, &format!("POST {path} HTTP/1.0"), body)
}

fn exchange(address: &str, line: &str, body: &str) -> Done<String> {
    let host = address.trim_start_matches("http://");
    let request = format!(
        "{line}\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let talk = || {
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = talk().map_err(|error| format!("{address}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer is no HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') { Ok(body.to_owned()) } else { Err(format!("{line}: {answer}")) }
}

/// The first string of this name in a JSON text.
pub(super) fn text_of(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    rest.split_once('"').map(|(text, _)| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_strings() {
        let json = r#"{"id": "x1","status" : "completed", "n": 1}"#;
        assert_eq!(text_of(json, "id").as_deref(), Some("x1"));
        assert_eq!(text_of(json, "status").as_deref(), Some("completed"));
        assert_eq!(text_of(json, "n"), None);
    }
}
