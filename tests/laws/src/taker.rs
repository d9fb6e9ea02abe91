//! Takes an input apart, so that a fuzzer chooses numbers and pieces by its octets.

/// Takes numbers and pieces off the front of an input; zeros and nothing once it is used up.
#[derive(Debug, Clone)]
pub struct Taker<'a>(&'a [u8]);

impl<'a> Taker<'a> {
    /// Begins at the front of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Taker(input)
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// An octet.
    pub fn octet(&mut self) -> u8 {
        self.piece(1).first().copied().unwrap_or(0)
    }

    /// A number below 256, for lengths and choices.
    pub fn small(&mut self) -> usize {
        usize::from(self.octet())
    }

    /// A number of two octets, the high one first.
    pub fn number(&mut self) -> usize {
        self.small() << 8 | self.small()
    }

    /// So many octets, or what is left.
    pub fn piece(&mut self, length: usize) -> &'a [u8] {
        let (piece, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        piece
    }

    /// So many octets, filled up with zeros.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let piece = self.piece(N);
        std::array::from_fn(|at| piece.get(at).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_from_the_front_and_then_zeros() {
        let mut taker = Taker::new(&[1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((taker.octet(), taker.number(), taker.piece(2)), (1, 0x203, &[4, 5][..]));
        assert_eq!(taker.rest(), [6, 7]);
        assert_eq!(taker.array(), [6, 7, 0]);
        assert_eq!((taker.small(), taker.number(), taker.piece(9)), (0, 0, &[][..]));
    }
}
