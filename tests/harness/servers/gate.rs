//! Counts the connections of a server, and lets in only so many.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::tls::background;

/// How long the end of an earlier connection may take to be noticed here.
const NOTICE: Duration = Duration::from_millis(60);

#[derive(Default)]
struct Counts {
    now: AtomicU32,
    most: AtomicU32,
    refused: AtomicU32,
    all: AtomicU32,
}

/// Stands in front of a server.
pub struct Gate {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Gate {
    /// Lets `limit` connections in at a time; hangs up on the rest without a word.
    pub fn before(port_behind: u16, limit: u32) -> Gate {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("a bound socket").port();
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        let task = background().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((outer, _)) = listener.accept().await {
                tokio::spawn(pass(outer, port_behind, limit, shared.clone()));
            }
        });
        Gate { port, counts, task }
    }

    /// The most connections there were at a time.
    pub fn most(&self) -> u32 {
        self.counts.most.load(Ordering::SeqCst)
    }

    /// Connections that were let in.
    pub fn all(&self) -> u32 {
        self.counts.all.load(Ordering::SeqCst)
    }

    /// Connections that were hung up on.
    pub fn refused(&self) -> u32 {
        self.counts.refused.load(Ordering::SeqCst)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(outer: TcpStream, port_behind: u16, limit: u32, counts: Arc<Counts>) {
    if counts.now.load(Ordering::SeqCst) >= counts.most.load(Ordering::SeqCst).min(limit) {
        tokio::time::sleep(NOTICE).await;
    }
    let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
    if now > limit {
        counts.now.fetch_sub(1, Ordering::SeqCst);
        counts.refused.fetch_add(1, Ordering::SeqCst);
        return;
    }
    counts.most.fetch_max(now, Ordering::SeqCst);
    counts.all.fetch_add(1, Ordering::SeqCst);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port_behind));
    if let Ok(inner) = TcpStream::connect(address).await {
        let _ = outer.set_nodelay(true);
        let _ = inner.set_nodelay(true);
        let (mut outer_read, mut outer_write) = outer.into_split();
        let (mut inner_read, mut inner_write) = inner.into_split();
        // Nobody who speaks IMAP closes one half only: where one side is gone, so is the line.
        tokio::select! {
            _ = copy(&mut outer_read, &mut inner_write) => {}
            _ = copy(&mut inner_read, &mut outer_write) => {}
        }
    }
    counts.now.fetch_sub(1, Ordering::SeqCst);
}
