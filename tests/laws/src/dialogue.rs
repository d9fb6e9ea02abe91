//! Dialogues written down, played whole and in small bites.

use std::fmt::Debug;

use futures::executor::block_on;
use wire::script::Script;

/// Plays `transcript` against `run`, whole, octet by octet and in bites of seven. `run` gives its
/// result, and the script where it must have been followed to its end.
///
/// # Panics
/// Where the transcript was left, or the results differ.
pub fn play<T: PartialEq + Debug>(
    transcript: &str,
    run: impl AsyncFn(Script) -> (T, Option<Script>),
) -> T {
    let results = [usize::MAX, 1, 7].map(|bite| {
        let (result, script) = block_on(run(Script::new(transcript, bite)));
        if let Some(script) = script {
            assert_eq!(script.finish(), Ok(()), "bite {bite}, result {result:?}");
        }
        result
    });
    let [whole, single, small] = results;
    assert_eq!(whole, single);
    assert_eq!(whole, small);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Bytes, Stream};

    const TRANSCRIPT: &str = "S: hello\nC: bye";

    #[test]
    fn a_transcript_is_followed_whatever_the_bites() {
        let said = play(TRANSCRIPT, async |mut script| {
            let mut said = Vec::new();
            while !said.ends_with(b"\n") {
                said.extend_from_slice(&script.read().await.unwrap());
            }
            script.write(Bytes::from_static(b"bye\r\n")).await.unwrap();
            (said, Some(script))
        });
        assert_eq!(said, b"hello\r\n");
    }

    #[test]
    #[should_panic(expected = "never sent")]
    fn what_is_left_of_it_is_noticed() {
        play(TRANSCRIPT, async |mut script| {
            let mut octets = 0;
            while octets < 7 {
                octets += script.read().await.unwrap().len();
            }
            (octets, Some(script))
        });
    }
}
