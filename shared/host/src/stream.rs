//! A TCP connection, over the streams of `wasi:sockets`.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use spin_sdk::wasip3::clocks::monotonic_clock;
use spin_sdk::wasip3::sockets::types::{ErrorCode, TcpSocket};
use spin_sdk::wasip3::wit_stream;
use spin_sdk::wit_bindgen::rt::async_support::{
    AbiBuffer, RawStreamRead, RawStreamWrite, StreamVtable,
};
use spin_sdk::wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};
use wire::{Bytes, Error, Stream};

use crate::idle::Idle;

/// Most octets in one read. Measured: 64 KiB and more reach the full speed of the host.
const READ_MAX: usize = 128 * 1024;
/// A read of at least this size hands the buffer itself over; a smaller one is copied out of it,
/// so that short lines do not each hold a whole buffer.
const HAND_OVER_MIN: usize = READ_MAX / 4;

/// Octets that are sent at once; fewer are held until more come or an answer is waited for.
///
/// The sockets of `wasi:sockets` cannot be told to send small segments without waiting for the
/// peer's acknowledgement of the one before (TCP_NODELAY), and peers delay that by 40 ms.
/// Observed with wasmtime 48: three small writes before each read make 22 round trips a second,
/// one write 15,000.
const SEND_AT: usize = 64 * 1024;

/// A read of at least this many octets may be one record of a stream of them. Servers send TLS
/// records of 16 KiB one by one, and waking up for each costs more than opening it.
const RECORD_MIN: usize = 4 * 1024;
/// After so many such reads in a row the next ones wait a moment for more.
const RECORDS_IN_A_ROW: u32 = 4;
/// That moment.
const GATHER_NS: u64 = 500_000;

/// An open connection.
pub struct Tcp {
    incoming: StreamReader<u8>,
    outgoing: StreamWriter<u8>,
    /// How reading ended, once it has and until that was asked for.
    received: Option<FutureReader<Result<(), ErrorCode>>>,
    /// Kept, since the host may stop sending when nobody is interested in how it ends.
    _sent: FutureReader<Result<(), ErrorCode>>,
    /// The buffer of the next read.
    spare: Vec<u8>,
    /// What an abandoned read had read already.
    rescued: Vec<u8>,
    /// Taken to be sent, and not sent yet.
    held: Vec<u8>,
    /// Reads in a row that look like single records.
    records: u32,
    idle: Idle,
    _socket: TcpSocket,
}

impl Tcp {
    pub(crate) fn new(socket: TcpSocket, idle: Idle) -> Self {
        let (outgoing, data) = wit_stream::new();
        let sent = socket.send(data);
        let (incoming, received) = socket.receive();
        Tcp {
            incoming,
            outgoing,
            received: Some(received),
            _sent: sent,
            spare: Vec::new(),
            rescued: Vec::new(),
            held: Vec::new(),
            records: 0,
            idle,
            _socket: socket,
        }
    }

    /// Hands the filled buffer over, or a copy of little that is in it.
    fn hand_over(&mut self, mut buffer: Vec<u8>) -> Bytes {
        if buffer.len() >= HAND_OVER_MIN {
            return buffer.into();
        }
        let bytes = Bytes::copy_from_slice(&buffer);
        buffer.clear();
        self.spare = buffer;
        bytes
    }

    /// Adds what has come meanwhile to a read that looks like one record of many.
    async fn gather(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        if !(RECORD_MIN..HAND_OVER_MIN).contains(&buffer.len()) {
            self.records = 0;
            return buffer;
        }
        self.records += 1;
        if self.records <= RECORDS_IN_A_ROW {
            return buffer;
        }
        monotonic_clock::wait_for(GATHER_NS).await;
        let mut more = None;
        {
            let operation = pin!(self.incoming.read(buffer));
            let mut reading = pin!(Reading { operation, rescued: &mut self.rescued, done: false });
            // Nothing there is an answer too: then the read is given up, which rescues the buffer.
            poll_fn(|context| {
                if let Poll::Ready((_, buffer)) = reading.as_mut().poll(context) {
                    more = Some(buffer);
                }
                Poll::Ready(())
            })
            .await;
        }
        more.unwrap_or_else(|| std::mem::take(&mut self.rescued))
    }

    /// Sends what is held.
    async fn send(&mut self) -> Result<(), Error> {
        // Each turn sends something, or fails.
        while !self.held.is_empty() {
            let buffer = std::mem::take(&mut self.held);
            let (result, rest) = {
                let operation = pin!(self.outgoing.write(buffer));
                let writing = Writing { operation, held: &mut self.held, done: false };
                self.idle.watch(writing).await?
            };
            self.held = rest.into_vec();
            if result == StreamResult::Dropped && !self.held.is_empty() {
                return Err(Error::Closed);
            }
        }
        Ok(())
    }
}

impl Stream for Tcp {
    /// May be abandoned: what was read by then comes with the next read.
    async fn read(&mut self) -> Result<Bytes, Error> {
        match self.send().await {
            // What the server said last tells more than that it no longer listens.
            Err(Error::Closed) => self.held.clear(),
            sent => sent?,
        }
        if !self.rescued.is_empty() {
            return Ok(std::mem::take(&mut self.rescued).into());
        }
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.reserve_exact(READ_MAX);
        let (result, buffer) = {
            let operation = pin!(self.incoming.read(buffer));
            let reading = Reading { operation, rescued: &mut self.rescued, done: false };
            self.idle.watch(reading).await?
        };
        match (result, self.received.take()) {
            (StreamResult::Complete(_), received) if !buffer.is_empty() => {
                self.received = received;
                let buffer = self.gather(buffer).await;
                Ok(self.hand_over(buffer))
            }
            (_, None) => Ok(Bytes::new()),
            (_, Some(received)) => match self.idle.watch(received.into_future()).await? {
                Ok(()) => Ok(Bytes::new()),
                Err(_) => Err(Error::Closed),
            },
        }
    }

    /// May be abandoned: what was taken by then is sent all the same.
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        if bytes.is_empty() {
            return self.send().await;
        }
        if self.held.is_empty() && bytes.len() >= SEND_AT {
            self.held = bytes.into();
        } else {
            self.held.extend_from_slice(&bytes);
        }
        if self.held.len() >= SEND_AT { self.send().await } else { Ok(()) }
    }
}

type Octets = &'static StreamVtable<u8>;

/// A read that, when it is dropped half-way, keeps what the host had read already.
struct Reading<'o, 'a> {
    operation: Pin<&'o mut RawStreamRead<'a, Octets>>,
    rescued: &'o mut Vec<u8>,
    done: bool,
}

impl Future for Reading<'_, '_> {
    type Output = (StreamResult, Vec<u8>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.operation.as_mut().poll(context);
        self.done = polled.is_ready();
        polled
    }
}

impl Drop for Reading<'_, '_> {
    fn drop(&mut self) {
        if !self.done {
            let (_, buffer) = self.operation.as_mut().cancel();
            *self.rescued = buffer;
        }
    }
}

/// A write that, when it is dropped half-way, keeps what the host had not taken.
struct Writing<'o, 'a> {
    operation: Pin<&'o mut RawStreamWrite<'a, Octets>>,
    held: &'o mut Vec<u8>,
    done: bool,
}

impl Future for Writing<'_, '_> {
    type Output = (StreamResult, AbiBuffer<Octets>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.operation.as_mut().poll(context);
        self.done = polled.is_ready();
        polled
    }
}

impl Drop for Writing<'_, '_> {
    fn drop(&mut self) {
        if !self.done {
            let (_, buffer) = self.operation.as_mut().cancel();
            *self.held = buffer.into_vec();
        }
    }
}
