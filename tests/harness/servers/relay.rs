//! A slow line in front of a server, so that a test has time for what it does in between.

use std::net::{Ipv4Addr, SocketAddr};
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
