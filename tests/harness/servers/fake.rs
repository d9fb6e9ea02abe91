//! Scripted servers on real sockets: the IMAP server in memory, one that never speaks, and one
//! that speaks something else.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use fake_imap::{Faults, Mailboxes, serve};
use futures::executor::block_on;
use socket2::SockRef;
use wire::{Bytes, Error, Stream};

use crate::tls::TlsFront;

/// Accepts connections until dropped, each in a thread of its own.
struct Listener {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    accepted: Arc<AtomicU32>,
}

impl Listener {
    fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Listener {
        Listener::at((Ipv4Addr::LOCALHOST, 0).into(), serve)
    }

    fn at(address: SocketAddr, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Listener {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().expect("a bound socket");
        let (ended, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (stop, count, serve) = (ended.clone(), accepted.clone(), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let serve = serve.clone();
                std::thread::spawn(move || serve(stream));
            }
        });
        Listener { address, ended, accepted }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// How the line behaves below IMAP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line {
    /// Waited before every write, as a busy server or a long line does.
    pub delay: Duration,
    /// A connection that the server drops is reset (RST), not closed in order.
    pub reset: bool,
}

/// The IMAP server in memory on a port, plain and with TLS.
pub struct Fake {
    /// Its account: login `user`, password `secret` unless told otherwise.
    pub account: Mailboxes,
    listener: Listener,
    front: TlsFront,
}

impl Fake {
    /// Starts one on a quick and orderly line.
    pub fn start(account: Mailboxes, faults: Faults) -> Fake {
        Fake::on(account, faults, Line::default())
    }

    /// Starts one on this line.
    pub fn on(account: Mailboxes, faults: Faults, line: Line) -> Fake {
        let listener = Listener::start(speak(account.clone(), faults, line));
        let front = TlsFront::before(listener.address.port());
        Fake { account, listener, front }
    }

    /// Port of plain IMAP.
    pub fn port(&self) -> u16 {
        self.listener.address.port()
    }

    /// Port of IMAP over TLS.
    pub fn tls_port(&self) -> u16 {
        self.front.port
    }

    /// Connections so far.
    pub fn connections(&self) -> u32 {
        self.listener.accepted.load(Ordering::Relaxed)
    }
}

/// The IMAP server in memory at an address that is known beforehand, without TLS.
pub struct Plain(#[expect(dead_code, reason = "ends with this value")] Listener);

impl Plain {
    /// Starts one; ended, another may take its address.
    pub fn start(address: SocketAddr, account: Mailboxes, faults: Faults, line: Line) -> Plain {
        Plain(Listener::at(address, speak(account, faults, line)))
    }
}

fn speak(account: Mailboxes, faults: Faults, line: Line) -> impl Fn(TcpStream) + Send + Sync {
    move |stream| {
        let _ = stream.set_nodelay(true);
        if line.reset {
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        let stream = Blocking { stream, delay: line.delay };
        block_on(serve(stream, account.clone(), faults.clone()));
    }
}

/// A socket as `wire` has streams; it blocks its thread, which it has to itself.
struct Blocking {
    stream: TcpStream,
    delay: Duration,
}

impl Stream for Blocking {
    async fn read(&mut self) -> Result<Bytes, Error> {
        let mut octets = vec![0; 64 << 10];
        let n = self.stream.read(&mut octets).map_err(|_| Error::Closed)?;
        octets.truncate(n);
        Ok(octets.into())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        self.stream.write_all(&bytes).map_err(|_| Error::Closed)
    }
}

/// Accepts connections and never says anything.
pub struct Silent(Listener);

impl Silent {
    /// Starts one.
    pub fn start() -> Silent {
        Silent(Listener::start(|mut stream| {
            let mut octets = [0; 4096];
            while stream.read(&mut octets).is_ok_and(|n| n > 0) {}
        }))
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }
}

/// Says one thing at once and another to whatever it hears: a server of some other protocol.
pub struct Talker(Listener);

impl Talker {
    /// Starts one; after `answer` it hangs up.
    pub fn start(greeting: &'static [u8], answer: &'static [u8]) -> Talker {
        Talker(Listener::start(move |mut stream| {
            let mut octets = [0; 4096];
            if stream.write_all(greeting).is_ok() && stream.read(&mut octets).is_ok_and(|n| n > 0) {
                let _ = stream.write_all(answer);
            }
        }))
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }
}
