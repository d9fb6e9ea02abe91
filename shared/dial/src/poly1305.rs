//! The authenticator Poly1305, RFC 8439 section 2.5.
//!
//! Numbers modulo 2^130 - 5 are five limbs of 26 bits, so that WebAssembly's 64-bit products hold
//! their sums. Four blocks are taken at a time, multiplied by r^4, r^3, r^2 and r: these products
//! do not wait for each other, and carries are propagated once for all four.

/// Octets of a block.
const BLOCK: usize = 16;
/// Octets taken at a time.
const STRIDE: usize = 4 * BLOCK;

const LIMB_BITS: u32 = 26;
const LIMB_MASK: u64 = (1 << LIMB_BITS) - 1;
/// Bits of r that must be zero are zero here, RFC 8439 section 2.5.
const CLAMP: u128 = 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;

/// Least significant first. Below 2^27 each, except in products that were not carried yet.
type Limbs = [u64; 5];

/// A number to multiply by, and five times its limbs: what goes beyond 2^130 comes back times 5.
struct Factor {
    once: Limbs,
    times_5: Limbs,
}

/// The state of one message.
pub(crate) struct Poly1305 {
    r1: Factor,
    r2: Factor,
    r3: Factor,
    r4: Factor,
    sum: Limbs,
    /// The second half of the key, added at the end.
    last: u128,
}

impl Poly1305 {
    /// The key must never be used for another message.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let (r, last) = halves(key);
        let r1 = Factor::new(limbs(r & CLAMP, 0));
        let r2 = Factor::new(carried(product(r1.once, &r1)));
        let r3 = Factor::new(carried(product(r2.once, &r1)));
        let r4 = Factor::new(carried(product(r3.once, &r1)));
        Poly1305 { r1, r2, r3, r4, sum: [0; 5], last }
    }

    /// Takes in octets, filled with zeros to a whole block as RFC 8439 section 2.8 asks for.
    pub(crate) fn take_padded(&mut self, octets: &[u8]) {
        let mut sum = self.sum;
        let (strides, rest) = octets.as_chunks::<STRIDE>();
        for stride in strides {
            let [a, b, c, d] = blocks(stride);
            let a = product(plus(sum, limbs(a, 1)), &self.r4);
            let b = product(limbs(b, 1), &self.r3);
            let c = product(limbs(c, 1), &self.r2);
            let d = product(limbs(d, 1), &self.r1);
            sum = carried(plus(plus(a, b), plus(c, d)));
        }
        for block in rest.chunks(BLOCK) {
            let mut padded = [0; BLOCK];
            for (to, from) in padded.iter_mut().zip(block) {
                *to = *from;
            }
            sum = carried(product(plus(sum, limbs(u128::from_le_bytes(padded), 1)), &self.r1));
        }
        self.sum = sum;
    }

    /// The tag.
    pub(crate) fn finish(self) -> [u8; 16] {
        let sum = carried(carried(self.sum));
        // Where the sum is 2^130 - 5 or more, adding 5 carries out of the last limb. Chosen by
        // mask, since the time taken must not depend on the sum.
        let [a, b, c, d, e] = sum;
        let a = a + 5;
        let b = b + (a >> LIMB_BITS);
        let c = c + (b >> LIMB_BITS);
        let d = d + (c >> LIMB_BITS);
        let e = e + (d >> LIMB_BITS);
        let mask = (e >> LIMB_BITS).wrapping_neg();
        let mut whole = 0;
        for (at, (less, same)) in (0..).zip([a, b, c, d, e].into_iter().zip(sum)) {
            let limb = (less & LIMB_MASK & mask) | (same & !mask);
            whole |= u128::from(limb).wrapping_shl(at * LIMB_BITS);
        }
        whole.wrapping_add(self.last).to_le_bytes()
    }
}

impl Factor {
    fn new(once: Limbs) -> Self {
        Factor { once, times_5: once.map(|limb| limb * 5) }
    }
}

fn halves(key: &[u8; 32]) -> (u128, u128) {
    let half = |octets: &[u8]| {
        octets.iter().rev().fold(0, |half: u128, octet| half << 8 | u128::from(*octet))
    };
    let (low, high) = key.split_at(BLOCK);
    (half(low), half(high))
}

#[inline(always)]
fn blocks(stride: &[u8; STRIDE]) -> [u128; 4] {
    let (blocks, _) = stride.as_chunks::<BLOCK>();
    match blocks {
        [a, b, c, d] => [a, b, c, d].map(|block| u128::from_le_bytes(*block)),
        _ => [0; 4],
    }
}

/// A block as a number; `top` is the bit above it.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // the halves of 128 bits
fn limbs(block: u128, top: u64) -> Limbs {
    let (low, high) = (block as u64, (block >> 64) as u64);
    [
        low & LIMB_MASK,
        (low >> 26) & LIMB_MASK,
        (low >> 52 | high << 12) & LIMB_MASK,
        (high >> 14) & LIMB_MASK,
        high >> 40 | top << 24,
    ]
}

#[inline(always)]
fn plus([a, b, c, d, e]: Limbs, [f, g, h, i, j]: Limbs) -> Limbs {
    [a + f, b + g, c + h, d + i, e + j]
}

/// Not carried: each limb is below 2^59, so four of these can be added.
#[inline(always)]
fn product([a, b, c, d, e]: Limbs, by: &Factor) -> Limbs {
    let [r0, r1, r2, r3, r4] = by.once;
    let [_, s1, s2, s3, s4] = by.times_5;
    [
        a * r0 + b * s4 + c * s3 + d * s2 + e * s1,
        a * r1 + b * r0 + c * s4 + d * s3 + e * s2,
        a * r2 + b * r1 + c * r0 + d * s4 + e * s3,
        a * r3 + b * r2 + c * r1 + d * r0 + e * s4,
        a * r4 + b * r3 + c * r2 + d * r1 + e * r0,
    ]
}

/// Brings each limb below 2^26 plus a little. Two chains at once, which meet in limb 3 and 1.
#[inline(always)]
fn carried([a, b, c, d, e]: Limbs) -> Limbs {
    let (b, a) = (b + (a >> LIMB_BITS), a & LIMB_MASK);
    let (e, d) = (e + (d >> LIMB_BITS), d & LIMB_MASK);
    let (c, b) = (c + (b >> LIMB_BITS), b & LIMB_MASK);
    let (a, e) = (a + (e >> LIMB_BITS) * 5, e & LIMB_MASK);
    let (d, c) = (d + (c >> LIMB_BITS), c & LIMB_MASK);
    let (b, a) = (b + (a >> LIMB_BITS), a & LIMB_MASK);
    let (e, d) = (e + (d >> LIMB_BITS), d & LIMB_MASK);
    [a, b, c, d, e]
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

    /// Strides and single blocks are two ways to the same sum.
    #[test]
    fn strides_and_blocks_agree() {
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
