//! What must not be told, and randomness that tells nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::Random;

/// Something was taken out of `words`, and neither `secret` nor half of it, in any case or in
/// base64, is left, nor any of `derived`.
///
/// # Panics
/// Where it is not so.
pub fn tell_nothing_of(secret: &str, derived: &[&str], words: &str) {
    assert!(words.contains(wire::echo::MASK), "{words}");
    let (first, last) = secret.split_at(secret.len() / 2);
    let (upper, alone) = (secret.to_uppercase(), STANDARD.encode(secret));
    for piece in [secret, &upper, first, last, &alone].iter().chain(derived) {
        assert!(!words.contains(piece), "{piece} in {words}");
    }
}

/// Randomness that is the same octet each time, so that a dialogue can be written down.
#[derive(Debug, Clone, Copy)]
pub struct Same(pub u8);

impl Random for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_left_is_found() {
        tell_nothing_of("correct-horse", &["abc"], "no: ***");
        for words in ["nothing", "*** correct-horse", "*** CORRECT-HORSE", "*** t-horse", "*** abc"]
        {
            let told =
                std::panic::catch_unwind(|| tell_nothing_of("correct-horse", &["abc"], words));
            assert!(told.is_err(), "{words}");
        }
    }
}
