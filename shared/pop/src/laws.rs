//! Laws that hold for whatever a server sends; for the fuzz targets and the test suite.
//!
//! Each takes the bytes of a server, from the greeting on, and panics where it is broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use std::fmt::Write as _;

use futures::executor::block_on;
use laws::{Same, any_cut_gives_the_same};
use sasl::Credentials;
use wire::Secret;
use wire::fed::{Fed, cuts};

use crate::error::Error;
use crate::messages::{Command, Listed};
use crate::session::Session;

/// An error without the bytes that happened to be at hand.
fn shown(error: &Error) -> String {
    match error {
        Error::Unreadable { what, .. } => format!("unreadable: {what}"),
        Error::NotPop { .. } => "not POP".to_owned(),
        other => format!("{other:?}"),
    }
}

/// CAPA, UIDL and LIST: the same however they arrive.
pub fn listing(bytes: &[u8]) {
    any_cut_gives_the_same(bytes, |stream| {
        block_on(async {
            let mut session = match Session::greet(stream).await {
                Ok(session) => session,
                Err(error) => return shown(&error),
            };
            let learnt = session.learn_capabilities().await.map_err(|error| shown(&error));
            let mut said = format!("{learnt:?} {:?}", session.capabilities());
            let listed = session
                .listing(|line| {
                    let _ = writeln!(said, "{line:?}");
                    let number = match line {
                        Listed::Named { number, .. } | Listed::Sized { number, .. } => number,
                    };
                    assert!(number > 0, "messages count from 1");
                })
                .await;
            let _ = write!(said, "{:?}", listed.map_err(|error| shown(&error)));
            said
        })
    });
}

/// Messages: the same however they arrive, and the same that a plain reading of RFC 1939 section 3
/// makes of them.
pub fn content(bytes: &[u8]) {
    any_cut_gives_the_same(bytes, |stream| {
        block_on(async {
            let mut session = match Session::greet(stream).await {
                Ok(session) => session,
                Err(error) => return shown(&error),
            };
            let mut said = String::new();
            for command in [Command::Retrieve(1), Command::Header(2), Command::Retrieve(3)] {
                if let Err(error) = one(&mut session, command, &mut said).await {
                    return said + &shown(&error);
                }
            }
            said
        })
    });
    whole_content_is_unstuffed(bytes);
}

async fn one(session: &mut Session<Fed>, what: Command, said: &mut String) -> Result<(), Error> {
    session.ask(&[what]).await?;
    let reply = session.answer().await?;
    let _ = writeln!(said, "{reply:?}");
    if !reply.ok {
        return Ok(());
    }
    let mut content = Vec::new();
    let ended = loop {
        match session.chunk().await {
            Ok(Some(chunk)) => {
                assert!(!chunk.is_empty(), "a chunk holds something");
                content.extend_from_slice(&chunk);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if ended.is_ok() {
        let _ = writeln!(said, "{}", content.escape_ascii());
    }
    ended
}

/// What a server makes of a text (dots doubled at the start of lines, a dot alone at the end) is
/// read as that text.
fn whole_content_is_unstuffed(text: &[u8]) {
    let mut sent = b"+OK hello\r\n+OK\r\n".to_vec();
    let mut expected = Vec::new();
    for line in text.split(|byte| matches!(byte, b'\r' | b'\n')) {
        if line.first() == Some(&b'.') {
            sent.push(b'.');
        }
        for part in [line, b"\r\n"] {
            sent.extend_from_slice(part);
            expected.extend_from_slice(part);
        }
    }
    sent.extend_from_slice(b".\r\n");
    for bites in cuts(text) {
        let mut said = String::new();
        block_on(async {
            let mut session = Session::greet(Fed::new(&sent, &bites)).await.expect("a greeting");
            one(&mut session, Command::Retrieve(1), &mut said).await.expect("a message");
            assert!(session.input.is_empty(), "nothing is left");
        });
        assert!(said.ends_with(&format!("\n{}\n", expected.escape_ascii())), "{said}");
    }
}

/// Logging in: the same however the answers arrive.
pub fn login(bytes: &[u8]) {
    for encrypted in [true, false] {
        any_cut_gives_the_same(bytes, |stream| {
            block_on(async {
                let mut session = match Session::greet(stream).await {
                    Ok(session) => session,
                    Err(error) => return shown(&error),
                };
                if encrypted {
                    session.set_encrypted();
                }
                let password = Secret::new("secret".into());
                let credentials = Credentials::password("anna", password);
                let done = session.authenticate(&credentials, &Same(9)).await;
                format!("{:?} {:?}", done.map_err(|error| shown(&error)), session.capabilities())
            })
        });
    }
}

#[cfg(test)]
mod tests {
    use laws::hold;

    #[test]
    fn of_listing() {
        hold("pop_listing", 3_000, super::listing);
    }

    #[test]
    fn of_content() {
        hold("pop_content", 3_000, super::content);
    }

    #[test]
    fn of_login() {
        hold("pop_login", 3_000, super::login);
    }
}
