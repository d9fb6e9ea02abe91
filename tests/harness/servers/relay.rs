//! A slow line in front of a server, so that a test has time for what it does in between; and one that
//! drips.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::tls::background;

/// Hands octets on at a limited rate, each connection and direction for itself.
pub struct Relay {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens in front of a port.
    pub fn before(port_behind: u16, bytes_per_s: u32) -> Relay {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("a bound socket").port();
        let task = background().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((outer, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port_behind));
                    let Ok(inner) = TcpStream::connect(address).await else { return };
                    let (outer_read, outer_write) = outer.into_split();
                    let (inner_read, inner_write) = inner.into_split();
                    let down = slowly(inner_read, outer_write, bytes_per_s);
                    tokio::join!(slowly(outer_read, inner_write, bytes_per_s), down);
                });
            }
        });
        Relay { port, task }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn slowly(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    bytes_per_s: u32,
) {
    let mut chunk = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        if to.write_all(&chunk[..n]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs_f64(n as f64 / f64::from(bytes_per_s))).await;
    }
    let _ = to.shutdown().await;
}

/// How often an octet comes: often enough for every limit on silence.
const DRIP: Duration = Duration::from_secs(20);

/// Hands octets on as they come, and after a while one by one.
pub struct Drip {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    task: JoinHandle<()>,
}

impl Drip {
    /// Listens in front of a port. The first `honest` connections are passed on as they are; of later
    /// ones the server's octets drip once `octets` of them have gone.
    pub fn before(port_behind: u16, honest: u32, octets: usize) -> Drip {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("a bound socket").port();
        let count = Arc::new(AtomicU32::new(0));
        let task = background().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((outer, _)) = listener.accept().await {
                let honest = count.fetch_add(1, Ordering::SeqCst) < honest;
                let octets = if honest { usize::MAX } else { octets };
                tokio::spawn(async move {
                    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port_behind));
                    let Ok(inner) = TcpStream::connect(address).await else { return };
                    let (mut outer_read, outer_write) = outer.into_split();
                    let (inner_read, mut inner_write) = inner.into_split();
                    // Where the client is gone, so is the line.
                    tokio::select! {
                        _ = tokio::io::copy(&mut outer_read, &mut inner_write) => {}
                        () = dripping(inner_read, outer_write, octets) => {}
                    }
                });
            }
        });
        Drip { port, task }
    }
}

impl Drop for Drip {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn dripping(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut octets: usize,
) {
    let mut chunk = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        let quick = n.min(octets);
        octets -= quick;
        if to.write_all(&chunk[..quick]).await.is_err() {
            return;
        }
        for octet in &chunk[quick..n] {
            tokio::time::sleep(DRIP).await;
            if to.write_all(&[*octet]).await.is_err() {
                return;
            }
        }
    }
}
