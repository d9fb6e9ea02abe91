//! Plays a dialogue against a session, whole and in small bites, and compares the results.

use std::fmt::Debug;

use futures::executor::block_on;
use wire::script::Script;

use crate::error::Error;
use crate::session::Session;
use mailbox::{MailboxName, Spelling};

/// Runs `run` on a session whose greeting announced `capabilities`. The dialogue after the
/// greeting must be followed to its end, and give the same result however it is cut.
pub(crate) fn play<T: PartialEq + Debug>(
    capabilities: &str,
    dialogue: &str,
    run: impl AsyncFn(&mut Session<Script>) -> T,
) -> T {
    let transcript = format!("S: * OK [CAPABILITY IMAP4rev1 {capabilities}] ready\n{dialogue}");
    laws::play(&transcript, async |script| {
        let mut session = Session::greet(script).await.unwrap();
        let result = run(&mut session).await;
        assert!(session.input.is_empty(), "unread octets");
        (result, Some(session.stream))
    })
}

/// As [`play`], for dialogues that end in an error and leave the rest unread.
pub(crate) fn play_error<T: Debug>(
    dialogue: &str,
    run: impl AsyncFn(&mut Session<Script>) -> Result<T, Error>,
) -> Error {
    let transcript =
        format!("S: * OK [CAPABILITY IMAP4rev1 LITERAL+ MULTIAPPEND] ready\n{dialogue}");
    block_on(async {
        let mut session = Session::greet(Script::new(&transcript, usize::MAX)).await.unwrap();
        run(&mut session).await.map(|value| panic!("{value:?}")).unwrap_err()
    })
}

pub(crate) fn name(text: &str) -> MailboxName {
    MailboxName::new(text, Spelling::ModifiedUtf7)
}
