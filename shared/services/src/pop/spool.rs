//! Holds a message until its size is known.

use wire::Bytes;

/// The most octets held: twice what common servers let a mail have is more than a component's
/// memory bears beside everything else. A larger message is read twice, first to count.
pub const SPOOL_MAX: u64 = 16 << 20;

/// Smaller pieces are put together: a stream that comes in single octets would otherwise cost
/// many times their memory.
const PIECE_MIN: usize = 4 << 10;

/// Octets in order.
#[derive(Debug, Default)]
pub struct Spool {
    pieces: std::collections::VecDeque<Bytes>,
    small: Vec<u8>,
}

impl Spool {
    /// Adds a piece.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < PIECE_MIN {
            self.small.extend_from_slice(&bytes);
            if self.small.len() >= PIECE_MIN {
                self.pieces.push_back(std::mem::take(&mut self.small).into());
            }
            return;
        }
        if !self.small.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.small).into());
        }
        self.pieces.push_back(bytes);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Spool::default();
    }

    /// Takes the first octets; `None` when nothing is left.
    pub fn pop(&mut self) -> Option<Bytes> {
        let last = || (!self.small.is_empty()).then(|| std::mem::take(&mut self.small).into());
        self.pieces.pop_front().or_else(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_and_no_crumbs() {
        for sizes in [&[1usize; 10_000][..], &[5000, 1, 2, 9000, 3], &[4096, 4095, 1], &[]] {
            let mut spool = Spool::default();
            let mut expected = Vec::new();
            for (n, size) in sizes.iter().enumerate() {
                let piece = vec![u8::try_from(n % 251).unwrap(); *size];
                expected.extend_from_slice(&piece);
                spool.push(piece.into());
            }
            assert!(spool.pieces.len() <= 1 + expected.len() / 1000);
            let mut found = Vec::new();
            while let Some(piece) = spool.pop() {
                found.extend_from_slice(&piece);
            }
            assert_eq!(found, expected);
        }
    }
}
