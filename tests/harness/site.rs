//! Web servers with TLS on port 443, each at a loopback address of its own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::tls::{Valid, authority, background, server_config};

/// A web server; ends when dropped.
pub struct Site {
    /// Its address; the port is 443.
    pub ip: IpAddr,
    heard: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// Loopback addresses of this process that are in use already.
static USED: AtomicU8 = AtomicU8::new(0);

fn listener() -> StdListener {
    let process = std::process::id().to_be_bytes();
    // Several test processes run at a time: each has addresses of its own.
    for _ in 0..200 {
        let last = USED.fetch_add(1, Ordering::Relaxed).max(1);
        let ip = Ipv4Addr::new(127, 100 + process[2] % 100, process[3], last);
        match StdListener::bind((ip, 443)) {
            Ok(listener) => return listener,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => panic!(
                "port 443 is not for us: run as root, or allow it with \
                 `sudo sysctl net.ipv4.ip_unprivileged_port_start=443`"
            ),
            Err(_) => {}
        }
    }
    panic!("no loopback address is free")
}

impl Site {
    /// Answers paths by a table, everything else with 404, for these names.
    pub fn start(names: &[&str], pages: &[(&str, String)]) -> Site {
        let listener = listener();
        listener.set_nonblocking(true).expect("a socket");
        let ip = listener.local_addr().expect("a bound socket").ip();
        let acceptor = TlsAcceptor::from(server_config(&authority().issue(names, Valid::Yes)));
        let pages: HashMap<String, String> =
            pages.iter().map(|(path, page)| ((*path).to_owned(), page.clone())).collect();
        let (pages, heard) = (Arc::new(pages), Arc::new(Mutex::new(Vec::new())));
        let log = heard.clone();
        let task = background().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, pages, log) = (acceptor.clone(), pages.clone(), log.clone());
                log.lock().expect("a log").push("connection".to_owned());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = answer(stream, &pages, &log).await;
                    }
                });
            }
        });
        Site { ip, heard, task }
    }

    /// The connections and requests it had.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("a log").clone()
    }
}

async fn answer(
    mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    pages: &HashMap<String, String>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..n]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().expect("a log").push(request);
    let missing = || "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
    let page = pages.get(&path).cloned().unwrap_or_else(missing);
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A page that is found.
pub fn found(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A listener that must not be connected to.
pub fn forbidden(ip: Ipv4Addr, port: u16) -> (StdListener, SocketAddr) {
    let listener = StdListener::bind((ip, port)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("a bound socket");
    (listener, address)
}
