//! Plays a dialogue against a session, whole and in small bites, and compares the results.

use std::fmt::Debug;

use futures::executor::block_on;
use wire::script::Script;

use crate::session::Session;

/// Runs `run` on a session that was greeted with the timestamp of RFC 1939 section 7. The dialogue
/// after the greeting must be followed to its end, and give the same result however it is cut.
pub(crate) fn play<T: PartialEq + Debug>(
    dialogue: &str,
    run: impl AsyncFn(&mut Session<Script>) -> T,
) -> T {
    let greeting = "S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>";
    let transcript = format!("{greeting}\n{dialogue}");
    let results = [usize::MAX, 1, 7].map(|bite| {
        block_on(async {
            let mut session = Session::greet(Script::new(&transcript, bite)).await.unwrap();
            let result = run(&mut session).await;
            let followed = session.stream.finish();
            assert_eq!(followed, Ok(()), "bite {bite}, result {result:?}");
            assert!(session.input.is_empty(), "bite {bite}: unread octets");
            result
        })
    });
    let [whole, single, small] = results;
    assert_eq!(whole, single);
    assert_eq!(whole, small);
    whole
}
