//! DNS over HTTPS (RFC 8484): for the tests' names, where every name under `trasloco.test` is
//! 127.0.0.1; before a DNS server; and resolvers that do not do their work.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};

/// How a resolver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Every name under `trasloco.test` is 127.0.0.1.
    Ours,
    /// As the DNS server on this UDP port says.
    From(u16),
    /// Never.
    Never,
    /// With something that is no DNS message.
    Garbage,
}

/// A resolver on loopback; its thread ends with the process.
pub struct Doh {
    port: u16,
    asked: Arc<AtomicU32>,
}

impl Doh {
    /// Starts one for the tests' names.
    pub fn start() -> Doh {
        Doh::with(Answers::Ours)
    }

    /// Starts one that answers like this.
    pub fn with(answers: Answers) -> Doh {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("a bound socket").port();
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = count.clone();
                std::thread::spawn(
                    move || while serve(&stream, &count, answers).unwrap_or(false) {},
                );
            }
        });
        Doh { port, asked }
    }

    /// For `doh_url`; plain HTTP, which only loopback is good for.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/dns-query", self.port)
    }

    /// How many questions it has answered.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// One exchange; `false` at the end of the connection.
fn serve(stream: &TcpStream, asked: &AtomicU32, answers: Answers) -> std::io::Result<bool> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    if lines.read_line(&mut request)? == 0 {
        return Ok(false);
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut question = vec![0; length];
    lines.read_exact(&mut question)?;
    if let Some((_, query)) = request.split_once("dns=") {
        let coded = query.split([' ', '&']).next().unwrap_or_default();
        question = URL_SAFE_NO_PAD.decode(coded).map_err(std::io::Error::other)?;
    }
    let answer = match answers {
        Answers::Ours => answer(&question),
        Answers::From(port) => forward(&question, port).unwrap_or_default(),
        Answers::Garbage => b"<html>captive portal</html>".to_vec(),
        Answers::Never => {
            asked.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(60));
            return Ok(false);
        }
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    // Before the answer, so that whoever has it finds itself counted.
    asked.fetch_add(1, Ordering::Relaxed);
    let mut out = stream;
    out.write_all(&[head.as_bytes(), &answer].concat())?;
    Ok(true)
}

/// Asks the DNS server on this port of loopback; `None` without an answer in two seconds.
pub fn forward(question: &[u8], port: u16) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    socket.send_to(question, (Ipv4Addr::LOCALHOST, port)).ok()?;
    let mut answer = vec![0; 65_535];
    let n = loop {
        match socket.recv(&mut answer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            received => break received.ok()?,
        }
    };
    answer.truncate(n);
    Some(answer)
}

fn answer(question: &[u8]) -> Vec<u8> {
    let query = Message::from_vec(question).expect("a DNS question");
    let mut reply = query.clone();
    reply.metadata.message_type = MessageType::Response;
    for asked in &query.queries {
        let name = asked.name().to_ascii();
        if !name.trim_end_matches('.').ends_with("trasloco.test") {
            reply.metadata.response_code = ResponseCode::NXDomain;
        } else if asked.query_type() == RecordType::A {
            let address = RData::A(A(Ipv4Addr::LOCALHOST));
            reply.answers.push(Record::from_rdata(asked.name().clone(), 60, address));
        }
    }
    reply.to_vec().expect("a DNS answer")
}
