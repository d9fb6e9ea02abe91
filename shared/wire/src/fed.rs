//! Streams that arrive in pieces of any size: [`Fed`] gives bytes which are there from the start,
//! [`Bitten`] what another stream gives.
//!
//! For laws like "any cut gives the same": what a reader makes of a server's bytes must not depend
//! on how they arrive. What is
//! written to [`Fed`] is dropped, so the other side is deaf.

use crate::{Bytes, Error, Stream};

/// The stream. After the last byte it is at its end.
#[derive(Debug, Clone)]
pub struct Fed {
    bytes: Bytes,
    bites: Vec<usize>,
    turn: usize,
}

impl Fed {
    /// Gives `bytes` in pieces as long as `bites` says, one after the other and then from the start
    /// again; 0 counts as 1, and without `bites` everything comes at once.
    pub fn new(bytes: &[u8], bites: &[usize]) -> Fed {
        Fed { bytes: Bytes::copy_from_slice(bytes), bites: bites.to_vec(), turn: 0 }
    }
}

/// Ways to cut `bytes` that a law tries besides the whole: octet by octet, in threes, and at places
/// that follow from the bytes, so that a fuzzer chooses them.
pub fn cuts(bytes: &[u8]) -> [Vec<usize>; 3] {
    let own = bytes.iter().rev().take(8).map(|byte| usize::from(byte % 32)).collect();
    [vec![1], vec![3], own]
}

impl Stream for Fed {
    async fn read(&mut self) -> Result<Bytes, Error> {
        let bite = self.bites.get(self.turn).copied().unwrap_or(usize::MAX).max(1);
        self.turn = (self.turn + 1) % self.bites.len().max(1);
        Ok(self.bytes.split_to(bite.min(self.bytes.len())))
    }

    async fn write(&mut self, _: Bytes) -> Result<(), Error> {
        Ok(())
    }
}

/// Another stream whose reads are cut into pieces of at most `bite` octets.
#[derive(Debug)]
pub struct Bitten<S> {
    stream: S,
    bite: usize,
    rest: Bytes,
}

impl<S> Bitten<S> {
    /// Cuts what `stream` gives; `bite` is at least 1.
    pub fn new(stream: S, bite: usize) -> Self {
        Bitten { stream, bite, rest: Bytes::new() }
    }
}

impl<S: Stream> Stream for Bitten<S> {
    async fn read(&mut self) -> Result<Bytes, Error> {
        if self.rest.is_empty() {
            self.rest = self.stream.read().await?;
        }
        Ok(self.rest.split_to(self.bite.min(self.rest.len())))
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.stream.write(bytes).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    #[test]
    fn gives_all_in_pieces() {
        let pieces = |bites: &[usize]| {
            let mut fed = Fed::new(b"abcdef", bites);
            let mut read = || block_on(fed.read()).map(|bytes| bytes.to_vec());
            std::iter::from_fn(|| read().ok().filter(|it| !it.is_empty())).collect::<Vec<_>>()
        };
        assert_eq!(pieces(&[]), [b"abcdef"]);
        assert_eq!(pieces(&[1, 3]), [&b"a"[..], b"bcd", b"e", b"f"]);
        assert_eq!(pieces(&[0]).len(), 6);
        assert_eq!(cuts(b"ab")[2], [2, 1]);
    }
}
