//! Plays a dialogue against a session, whole and in small bites, and compares the results.

use std::fmt::Debug;

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
    laws::play(&transcript, async |script| {
        let mut session = Session::greet(script).await.unwrap();
        let result = run(&mut session).await;
        assert!(session.input.is_empty(), "unread octets");
        (result, Some(session.stream))
    })
}
