//! Two streams that are each other's far end, for a client and a server in one thread.
//!
//! Unbounded: a writer never waits. Bounding it is the business of the code under test, whose
//! peak the tests can read with [`End::queued_bytes`].

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::{Bytes, Error, Stream};

#[derive(Default)]
struct Way {
    queue: VecDeque<Bytes>,
    closed: bool,
    waker: Option<Waker>,
}

/// One end of a pipe; dropping it closes both directions.
pub struct End {
    incoming: Rc<RefCell<Way>>,
    outgoing: Rc<RefCell<Way>>,
}

/// A new pipe.
pub fn pipe() -> (End, End) {
    let (a, b) = (Rc::<RefCell<Way>>::default(), Rc::<RefCell<Way>>::default());
    let left = End { incoming: a.clone(), outgoing: b.clone() };
    (left, End { incoming: b, outgoing: a })
}

impl End {
    /// Bytes written by the other end and not read yet.
    pub fn queued_bytes(&self) -> usize {
        self.incoming.borrow().queue.iter().map(Bytes::len).sum()
    }
}

impl Stream for End {
    async fn read(&mut self) -> Result<Bytes, Error> {
        poll_fn(|context| {
            let mut way = self.incoming.borrow_mut();
            match way.queue.pop_front() {
                Some(bytes) => Poll::Ready(Ok(bytes)),
                None if way.closed => Poll::Ready(Ok(Bytes::new())),
                None => {
                    way.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let mut way = self.outgoing.borrow_mut();
        if way.closed {
            return Err(Error::Closed);
        }
        if !bytes.is_empty() {
            way.queue.push_back(bytes);
        }
        if let Some(waker) = way.waker.take() {
            waker.wake();
        }
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for way in [&self.incoming, &self.outgoing] {
            let mut way = way.borrow_mut();
            way.closed = true;
            if let Some(waker) = way.waker.take() {
                waker.wake();
            }
        }
    }
}
