//! What a reader makes of a server's octets must not depend on how they arrive.

use wire::fed::{Fed, cuts};

/// Gives `bytes` to `run` as a whole and cut in several ways ([`cuts`]).
///
/// # Panics
/// Where `run` comes to another result with one of the cuts.
pub fn any_cut_gives_the_same<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    run: impl Fn(Fed) -> T,
) {
    let whole = run(Fed::new(bytes, &[]));
    for bites in cuts(bytes) {
        assert_eq!(whole, run(Fed::new(bytes, &bites)), "cut into {bites:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use wire::Stream;

    async fn all(mut stream: Fed) -> usize {
        let mut octets = 0;
        while let Ok(bytes) = stream.read().await
            && !bytes.is_empty()
        {
            octets += bytes.len();
        }
        octets
    }

    #[test]
    fn a_reader_of_everything_keeps_the_law() {
        any_cut_gives_the_same(b"* OK hello\r\n", |stream| block_on(all(stream)));
    }

    #[test]
    #[should_panic(expected = "cut into [1]")]
    fn a_reader_of_one_read_breaks_it() {
        any_cut_gives_the_same(b"ab", |mut stream| block_on(stream.read()).map(|read| read.len()));
    }
}
