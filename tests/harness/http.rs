//! A small HTTP/1.1 client for loopback: one request a connection, whole answers or streams.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// How long nothing may come of an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// First field of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the body where it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }
}

/// A request to `http://host:port/path`; no answer at all is an error.
pub fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Response> {
    whole(send(method, url, headers, body, None)?)
}

fn whole((mut lines, status, headers): Opened) -> std::io::Result<Response> {
    let mut body = Vec::new();
    lines.read_to_end(&mut body)?;
    Ok(Response { status, headers, body })
}

/// GET; panics where there is no answer.
pub fn get(url: &str) -> Response {
    request("GET", url, &[], b"").unwrap_or_else(|error| panic!("GET {url}: {error}"))
}

/// POST of JSON; panics where there is no answer.
pub fn post(url: &str, body: &Value) -> Response {
    post_json(None, url, body)
}

/// The same by an address of ours: whoever is asked sees another client.
pub fn post_from(from: Ipv4Addr, url: &str, body: &Value) -> Response {
    post_json(Some(from), url, body)
}

fn post_json(from: Option<Ipv4Addr>, url: &str, body: &Value) -> Response {
    let (body, headers) = (body.to_string(), [("content-type", "application/json")]);
    let sent = send("POST", url, &headers, body.as_bytes(), from);
    sent.and_then(whole).unwrap_or_else(|error| panic!("POST {url}: {error}"))
}

/// Server-Sent Events: name and data of each, until the server ends the stream.
pub fn events(url: &str) -> std::io::Result<impl Iterator<Item = (String, String)>> {
    let (lines, status, fields) = send("GET", url, &[("accept", "text/event-stream")], b"", None)?;
    let kind = fields.iter().find(|(name, _)| name == "content-type");
    let is_stream = kind.is_some_and(|(_, kind)| kind.starts_with("text/event-stream"));
    assert!(status == 200 && is_stream, "GET {url}: {status} {fields:?}");
    let mut lines = BufReader::new(lines).lines();
    Ok(std::iter::from_fn(move || {
        let (mut name, mut data) = ("message".to_owned(), String::new());
        loop {
            let line = lines.next()?.ok()?;
            if let Some(text) = line.strip_prefix("event:") {
                name = text.trim().to_owned();
            } else if let Some(text) = line.strip_prefix("data:") {
                data.push_str(text.trim_start());
            } else if line.is_empty() && !data.is_empty() {
                return Some((name, data));
            }
        }
    }))
}

/// A connection to `host:port`, by this address of ours.
pub fn connect(host: &str, from: Option<Ipv4Addr>) -> std::io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect(host) };
    let to: SocketAddr = host.parse().map_err(std::io::Error::other)?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

type Opened = (Box<dyn Read>, u16, Vec<(String, String)>);

fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    from: Option<Ipv4Addr>,
) -> std::io::Result<Opened> {
    let rest = url.strip_prefix("http://").expect("plain HTTP");
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut stream = connect(host, from)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    let mut head = format!("{method} {} HTTP/1.1\r\n", if path.is_empty() { "/" } else { path });
    head.push_str(&format!("host: {host}\r\nconnection: close\r\n"));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method != "GET" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // A server may answer and hang up before it has read a body that it refuses.
    let sent = stream.write_all(body);
    let mut lines = BufReader::new(stream);
    let read = read_head(&mut lines);
    let (status, fields) = match (read, sent) {
        (Ok(head), _) => head,
        (Err(error), Ok(())) => return Err(error),
        (Err(_), Err(error)) => return Err(error),
    };
    let field = |name: &str| fields.iter().find(|(own, _)| own == name).map(|(_, it)| it.clone());
    let chunked = field("transfer-encoding").is_some_and(|it| it.contains("chunked"));
    let length = field("content-length").and_then(|it| it.parse::<u64>().ok());
    let body: Box<dyn Read> = match length {
        _ if chunked => Box::new(Chunked { lines, left: 0, first: true }),
        Some(length) => Box::new(lines.take(length)),
        None => Box::new(lines),
    };
    Ok((body, status, fields))
}

fn read_head(lines: &mut BufReader<TcpStream>) -> std::io::Result<(u16, Vec<(String, String)>)> {
    let broken = || std::io::Error::other("no HTTP answer");
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
        let status = status.ok_or_else(broken)?;
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(broken)?;
            fields.push((name.to_lowercase(), value.trim().to_owned()));
        }
        if status != 100 {
            return Ok((status, fields));
        }
    }
}

/// A chunked body (RFC 9112 section 7.1).
struct Chunked {
    lines: BufReader<TcpStream>,
    left: usize,
    first: bool,
}

impl Read for Chunked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            if !self.first {
                self.lines.read_line(&mut line)?;
            }
            self.first = false;
            line.clear();
            self.lines.read_line(&mut line)?;
            let size = line.trim().split(';').next().unwrap_or_default();
            self.left = usize::from_str_radix(size, 16).map_err(std::io::Error::other)?;
            if self.left == 0 {
                return Ok(0);
            }
        }
        let most = self.left.min(buffer.len());
        let n = self.lines.read(&mut buffer[..most])?;
        self.left -= n;
        if n == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(n) }
    }
}
