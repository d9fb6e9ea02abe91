//! The authenticator Poly1305, RFC 8439 section 2.5.
//!
//! Numbers modulo 2^130 - 5 are four words of 32 bits and what is above them, so that
//! WebAssembly's 64-bit products hold their sums. Bits of r are zero where that makes its words
//! small and divisible by four: what a product has beyond 2^130 comes back as five quarters.

use zeroize::Zeroize;

/// Octets of a block.
pub(crate) const BLOCK: usize = 16;

const WORD_BITS: u32 = 32;
const WORD_MASK: u64 = (1 << WORD_BITS) - 1;
/// Bits of r that must be zero are zero here, RFC 8439 section 2.5.
const CLAMP: u128 = 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;

/// Least significant first, the last one with the bits from 2^128 on: at most 3. Between blocks
/// the words are not carried: below 2^32 + 2^32.6, 2^32, 2^33 and 2^32.
type Words = [u64; 5];

/// What to multiply by.
#[derive(Clone, Copy)]
struct Factor {
    /// r, each word below 2^28.
    once: [u64; 4],
    /// Five quarters of its words 1 to 3, each below 2^28.4.
    over: [u64; 3],
}

/// The state of one message, wiped when it is dropped.
pub(crate) struct Poly1305 {
    r: Factor,
    sum: Words,
    /// The second half of the key, added at the end.
    last: u128,
}

impl Poly1305 {
    /// The key must never be used for another message.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let (low, high) = key.split_at(BLOCK);
        let half = |octets: &[u8]| {
            octets.iter().rev().fold(0, |half: u128, octet| half << 8 | u128::from(*octet))
        };
        Poly1305 { r: Factor::new(half(low) & CLAMP), sum: [0; 5], last: half(high) }
    }

    /// Takes in octets, filled with zeros to a whole block as RFC 8439 section 2.8 asks for.
    pub(crate) fn take_padded(&mut self, octets: &[u8]) {
        let (blocks, rest) = octets.as_chunks::<BLOCK>();
        for block in blocks {
            self.take(block);
        }
        if rest.is_empty() {
            return;
        }
        let mut padded = [0; BLOCK];
        for (to, from) in padded.iter_mut().zip(rest) {
            *to = *from;
        }
        self.take(&padded);
    }

    /// Takes in one block: adds it, with a one above it, and multiplies by r.
    // Sums: the products of one word are below 2^61.7, 2^61.4, 2^62 and 2^61.4, so four fit.
    #[inline(always)]
    pub(crate) fn take(&mut self, block: &[u8; BLOCK]) {
        let Factor { once: [r0, r1, r2, r3], over: [s1, s2, s3] } = self.r;
        let [a, b, c, d, e] = self.sum;
        let [low, high] = halves(u128::from_le_bytes(*block));
        let (a, b) = (a + (low & WORD_MASK), b + (low >> WORD_BITS));
        let (c, d) = (c + (high & WORD_MASK), d + (high >> WORD_BITS));
        let e = e + 1;
        let v = a * r0 + b * s3 + c * s2 + d * s1;
        let w = a * r1 + b * r0 + c * s3 + d * s2 + e * s1;
        let x = a * r2 + b * r1 + c * r0 + d * s3 + e * s2;
        let y = a * r3 + b * r2 + c * r1 + d * r0 + e * s3;
        // Carried in two chains at once, no further than the next block needs: a block waits for
        // the one before it, and that wait is all the time this takes.
        let w = w + (v >> WORD_BITS);
        let y = y + (x >> WORD_BITS);
        let e = e * r0 + (y >> WORD_BITS);
        let beyond = (e >> 2) * 5;
        self.sum = [
            (v & WORD_MASK) + beyond,
            w & WORD_MASK,
            (x & WORD_MASK) + (w >> WORD_BITS),
            y & WORD_MASK,
            e & 3,
        ];
    }

    /// The tag.
    pub(crate) fn finish(self) -> [u8; 16] {
        let [a, b, c, d, e] = self.sum.map(u128::from);
        // The words but for their multiples of 2^128; the sum of four words may exceed it once.
        let (low, over) = (a + (b << 32) + (c << 64)).overflowing_add(d << 96);
        let above = e + u128::from(over);
        let (low, over) = low.overflowing_add((above >> 2) * 5);
        let above = (above & 3) + u128::from(over);
        // Where the sum is 2^130 - 5 or more, adding 5 carries out of it. Chosen by mask, since
        // the time taken must not depend on the sum.
        let (less, over) = low.overflowing_add(5);
        let mask = ((above + u128::from(over)) >> 2).wrapping_neg();
        let whole = (less & mask) | (low & !mask);
        whole.wrapping_add(self.last).to_le_bytes()
    }
}

impl Drop for Poly1305 {
    fn drop(&mut self) {
        self.r.once.zeroize();
        self.r.over.zeroize();
        self.sum.zeroize();
        self.last.zeroize();
    }
}

impl Factor {
    fn new(r: u128) -> Self {
        let ([a, b], word) = (halves(r), |half: u64| [half & WORD_MASK, half >> WORD_BITS]);
        let ([r0, r1], [r2, r3]) = (word(a), word(b));
        Factor { once: [r0, r1, r2, r3], over: [r1, r2, r3].map(|word| word / 4 * 5) }
    }
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // the halves of 128 bits
fn halves(whole: u128) -> [u64; 2] {
    [whole as u64, (whole >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
    }

    fn check(key: &str, text: &[u8], tag: &str) {
        let mut mac = Poly1305::new(&hex(key).try_into().unwrap());
        mac.take_padded(text);
        assert_eq!(mac.finish().to_vec(), hex(tag), "{key}");
    }

    /// RFC 8439 appendix A.3, the vectors of whole blocks: sums and carries at their edges.
    #[test]
    fn rfc_8439_appendix_a_3() {
        let (zeros, ones) = ("00".repeat(16), "ff".repeat(16));
        let of = |first: &str, second: &str| format!("{first}{second}");
        let two = "02000000000000000000000000000000";
        let one = "01000000000000000000000000000000";
        let four = "04000000000000000000000000000000";
        check(&of(&zeros, &zeros), &[0; 64], &zeros);
        check(&of(two, &zeros), &hex(&ones), "03000000000000000000000000000000");
        check(&of(two, &ones), &hex(two), "03000000000000000000000000000000");
        let nine = format!("{ones}f0{}11000000000000000000000000000000", "ff".repeat(15));
        check(&of(one, &zeros), &hex(&nine), "05000000000000000000000000000000");
        let ten = format!("{ones}fbfefefefefefefefefefefefefefefe{}", "01".repeat(16));
        check(&of(one, &zeros), &hex(&ten), &zeros);
        check(
            &of(two, &zeros),
            &hex(&format!("fd{}", "ff".repeat(15))),
            &format!("fa{}", "ff".repeat(15)),
        );
        let text = "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000";
        let key = of("01000000000000000400000000000000", &zeros);
        check(&key, &hex(text), "14000000000000005500000000000000");
        check(&key, &hex(&text[..96]), "13000000000000000000000000000000");
        // Not in the RFC: 2^128 times 4 is 5.
        check(&of(four, &zeros), &[0; 16], "05000000000000000000000000000000");
    }

    /// The sum is the same whatever is taken in together.
    #[test]
    fn any_cut_agrees() {
        for fill in [0u8, 0x55, 0xff] {
            let text: Vec<u8> = (0..=255).map(|at: u8| fill ^ (at / 3)).collect();
            for key in [[0xff; 32], [0x5a; 32]] {
                let (mut whole, mut parts) = (Poly1305::new(&key), Poly1305::new(&key));
                whole.take_padded(&text);
                for block in text.chunks(BLOCK) {
                    parts.take_padded(block);
                }
                assert_eq!(whole.finish(), parts.finish());
            }
        }
    }
}
