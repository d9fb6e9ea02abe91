//! Four 32-bit words that are computed with at once, as ChaCha20 is built for.
//!
//! In a component this is one 128-bit SIMD value; elsewhere four words, so that the same cipher
//! is tested natively.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod words {
    use std::arch::wasm32::{
        u8x16, u8x16_swizzle, u32x4, u32x4_add, u32x4_shl, u32x4_shr, u32x4_shuffle, u64x2,
        u64x2_extract_lane, v128, v128_or, v128_xor,
    };
    use std::hint::black_box;

    /// Four words, lane 0 first.
    #[derive(Clone, Copy)]
    pub(crate) struct Lanes(v128);

    /// Rotations by whole octets, which are one instruction of the processor.
    ///
    /// The compiler must not know them: it turns a known one into a shuffle of two operands, of
    /// which the second does not matter, and Cranelift makes three instructions of that.
    #[derive(Clone, Copy)]
    pub(crate) struct Shuffles {
        bits_16: v128,
        bits_8: v128,
    }

    impl Shuffles {
        #[inline(always)]
        pub(crate) fn new() -> Self {
            let bits_16 = u8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
            let bits_8 = u8x16(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
            Shuffles { bits_16: black_box(bits_16), bits_8: black_box(bits_8) }
        }
    }

    impl Lanes {
        #[inline(always)]
        pub(crate) fn new([a, b, c, d]: [u32; 4]) -> Self {
            Lanes(u32x4(a, b, c, d))
        }

        #[inline(always)]
        pub(crate) fn add(self, other: Self) -> Self {
            Lanes(u32x4_add(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn xor(self, other: Self) -> Self {
            Lanes(v128_xor(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn rotate_bits_16(self, by: Shuffles) -> Self {
            Lanes(u8x16_swizzle(self.0, by.bits_16))
        }

        #[inline(always)]
        pub(crate) fn rotate_bits_12(self) -> Self {
            Lanes(v128_or(u32x4_shl(self.0, 12), u32x4_shr(self.0, 20)))
        }

        #[inline(always)]
        pub(crate) fn rotate_bits_8(self, by: Shuffles) -> Self {
            Lanes(u8x16_swizzle(self.0, by.bits_8))
        }

        #[inline(always)]
        pub(crate) fn rotate_bits_7(self) -> Self {
            Lanes(v128_or(u32x4_shl(self.0, 7), u32x4_shr(self.0, 25)))
        }

        #[inline(always)]
        pub(crate) fn rotate_lanes_1(self) -> Self {
            Lanes(u32x4_shuffle::<1, 2, 3, 0>(self.0, self.0))
        }

        #[inline(always)]
        pub(crate) fn rotate_lanes_2(self) -> Self {
            Lanes(u32x4_shuffle::<2, 3, 0, 1>(self.0, self.0))
        }

        #[inline(always)]
        pub(crate) fn rotate_lanes_3(self) -> Self {
            Lanes(u32x4_shuffle::<3, 0, 1, 2>(self.0, self.0))
        }

        /// XORs the words, little-endian, into `bytes`.
        #[inline(always)]
        pub(crate) fn xor_into(self, bytes: &mut [u8; 16]) {
            let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
            let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            let high = u64::from_le_bytes(rest);
            let text = v128_xor(u64x2(low, high), self.0);
            let low = u128::from(u64x2_extract_lane::<0>(text));
            let high = u128::from(u64x2_extract_lane::<1>(text));
            *bytes = (low | high << 64).to_le_bytes();
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod words {
    /// Four words, lane 0 first.
    #[derive(Clone, Copy)]
    pub(crate) struct Lanes([u32; 4]);

    /// Nothing is needed to rotate words.
    #[derive(Clone, Copy)]
    pub(crate) struct Shuffles;

    impl Shuffles {
        pub(crate) fn new() -> Self {
            Shuffles
        }
    }

    impl Lanes {
        pub(crate) fn new(words: [u32; 4]) -> Self {
            Lanes(words)
        }

        pub(crate) fn add(self, other: Self) -> Self {
            let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
            Lanes([a.wrapping_add(e), b.wrapping_add(f), c.wrapping_add(g), d.wrapping_add(h)])
        }

        pub(crate) fn xor(self, other: Self) -> Self {
            let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
            Lanes([a ^ e, b ^ f, c ^ g, d ^ h])
        }

        pub(crate) fn rotate_bits_16(self, _: Shuffles) -> Self {
            Lanes(self.0.map(|word| word.rotate_left(16)))
        }

        pub(crate) fn rotate_bits_12(self) -> Self {
            Lanes(self.0.map(|word| word.rotate_left(12)))
        }

        pub(crate) fn rotate_bits_8(self, _: Shuffles) -> Self {
            Lanes(self.0.map(|word| word.rotate_left(8)))
        }

        pub(crate) fn rotate_bits_7(self) -> Self {
            Lanes(self.0.map(|word| word.rotate_left(7)))
        }

        pub(crate) fn rotate_lanes_1(self) -> Self {
            let [a, b, c, d] = self.0;
            Lanes([b, c, d, a])
        }

        pub(crate) fn rotate_lanes_2(self) -> Self {
            let [a, b, c, d] = self.0;
            Lanes([c, d, a, b])
        }

        pub(crate) fn rotate_lanes_3(self) -> Self {
            let [a, b, c, d] = self.0;
            Lanes([d, a, b, c])
        }

        /// XORs the words, little-endian, into `bytes`.
        pub(crate) fn xor_into(self, bytes: &mut [u8; 16]) {
            let key = self.0.into_iter().flat_map(u32::to_le_bytes);
            for (byte, key) in bytes.iter_mut().zip(key) {
                *byte ^= key;
            }
        }
    }
}

pub(crate) use words::{Lanes, Shuffles};
