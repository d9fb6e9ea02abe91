//! Commands about the connection itself: CAPABILITY, STARTTLS, COMPRESS, ID, ENABLE, NOOP, LOGOUT.

use mailbox::Spelling;
use wire::Stream;

use crate::capability::Capabilities;
use crate::cursor::{Cursor, Malformed};
use crate::dialogue::Heard;
use crate::error::Error;
use crate::input::Bodies;
use crate::response::Line;
use crate::session::Session;

/// Most responses read after LOGOUT: a BYE is due at once, and nobody waits for more.
const FAREWELL_MAX: usize = 100;

impl<S: Stream> Session<S> {
    /// Asks for CAPABILITY where it is not known.
    pub async fn learn_capabilities(&mut self) -> Result<(), Error> {
        if self.state.capabilities.is_empty() {
            let command = self.command("CAPABILITY");
            self.run(command, |_| Ok(())).await?;
        }
        Ok(())
    }

    /// STARTTLS; the caller then takes the stream, wraps it and resumes. Capabilities are
    /// forgotten, because nobody vouches for them.
    ///
    /// A `PREAUTH` session cannot be encrypted any more: going on would let an attacker choose
    /// what we see (RFC 9051 section 11.1).
    pub async fn start_tls(&mut self) -> Result<(), Error> {
        if self.state.preauth {
            return Err(Error::NoStartTls);
        }
        self.learn_capabilities().await?;
        if !self.state.capabilities.start_tls() {
            return Err(Error::NoStartTls);
        }
        let command = self.command("STARTTLS");
        self.run(command, |_| Ok(())).await?;
        self.state.capabilities = Capabilities::default();
        self.state.server_id = None;
        Ok(())
    }

    /// COMPRESS DEFLATE (RFC 4978); the caller then takes the stream, wraps it and resumes.
    pub async fn compress(&mut self) -> Result<(), Error> {
        let command = self.command("COMPRESS DEFLATE");
        self.run(command, |_| Ok(())).await?;
        Ok(())
    }

    /// Says who we are and asks who the server is (RFC 2971); nothing where not announced.
    pub async fn id(&mut self, name: &str, version: &str) -> Result<(), Error> {
        if !self.state.capabilities.id() {
            return Ok(());
        }
        let what = "the name of this program";
        let command = self.command("ID (\"name\"").string(name.as_bytes(), what)?;
        let command = command.text(" \"version\"").string(version.as_bytes(), what)?.text(")");
        let mut found = None;
        let reply = self
            .answer(command, |line| {
                if let Line::Id(mut fields) = line {
                    found = Some(read_id(&mut fields)?);
                }
                Ok(())
            })
            .await?;
        // Servers that announce ID and then refuse it are no reason to stop.
        if reply.is_ok() {
            self.state.server_id = found.filter(|found| !found.is_empty());
            self.state.choose_quirks();
        }
        Ok(())
    }

    /// ENABLE (RFC 5161), for those of `what` that are announced; gives those that were enabled.
    /// UTF8=ACCEPT changes [`Session::spelling`]: names made before must be made anew.
    pub async fn enable(&mut self, what: &[&str]) -> Result<Vec<String>, Error> {
        let announced = |word: &&&str| {
            let capabilities = &self.state.capabilities;
            capabilities.has(word) || (**word == "CONDSTORE" && capabilities.condstore())
        };
        let words: Vec<&str> = what.iter().filter(announced).copied().collect();
        if words.is_empty() || !self.state.capabilities.enable() {
            return Ok(Vec::new());
        }
        let command = self.command("ENABLE").text(" ").text(&words.join(" "));
        let mut enabled: Vec<String> = Vec::new();
        self.run(command, |line| {
            if let Line::Enabled(text) = line {
                let words = String::from_utf8_lossy(text).to_ascii_uppercase();
                let asked = |word: &&str| what.iter().any(|own| own.eq_ignore_ascii_case(word));
                enabled = words.split_ascii_whitespace().filter(asked).map(str::to_owned).collect();
            }
            Ok(())
        })
        .await?;
        if enabled.iter().any(|word| word == "UTF8=ACCEPT" || word == "IMAP4REV2") {
            self.state.spelling = Spelling::Utf8;
        }
        self.state.enabled.extend(enabled.iter().cloned());
        Ok(enabled)
    }

    /// NOOP.
    pub async fn noop(&mut self) -> Result<(), Error> {
        let command = self.command("NOOP");
        self.run(command, |_| Ok(())).await?;
        Ok(())
    }

    /// Says goodbye; the work is done, so an error of the line is none.
    pub async fn logout(mut self) {
        self.say_goodbye().await;
    }

    /// Says LOGOUT and does not wait for the answer, where nothing is under way.
    pub async fn leave(mut self) {
        let command = self.command("LOGOUT");
        if self.send(command).await.is_ok() {
            // The line is given up in any case.
            let _ = self.flush().await;
        }
    }

    async fn say_goodbye(&mut self) {
        let command = self.command("LOGOUT");
        if self.send(command).await.is_ok() && self.flush().await.is_ok() {
            for _ in 0..FAREWELL_MAX {
                let Ok(Heard::Data(_) | Heard::Status(_)) = self.hear(Bodies::Within).await else {
                    return;
                };
            }
        }
    }
}

/// `id-params-list`: name, vendor and version are kept, in that order.
fn read_id(cursor: &mut Cursor<'_>) -> Result<String, Malformed> {
    let mut found = [const { String::new() }; 3];
    cursor.spaces();
    if !cursor.eat(b'(') {
        return Ok(String::new());
    }
    loop {
        cursor.spaces();
        if cursor.eat(b')') || cursor.at_end() {
            break;
        }
        let field = cursor.nstring()?.unwrap_or_default().to_ascii_lowercase();
        cursor.spaces();
        let value = cursor.nstring()?.unwrap_or_default();
        let slot = match &field[..] {
            b"name" => found.first_mut(),
            b"vendor" => found.get_mut(1),
            b"version" => found.get_mut(2),
            _ => None,
        };
        if let Some(slot) = slot {
            *slot = String::from_utf8_lossy(&value).into_owned();
        }
    }
    let said: Vec<&str> = found.iter().map(String::as_str).filter(|s| !s.is_empty()).collect();
    Ok(said.join(" "))
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use wire::script::Script;

    use super::*;
    use crate::testing::play;

    #[test]
    fn start_tls_forgets_what_was_announced() {
        let upgraded = play(
            "STARTTLS LOGINDISABLED",
            "C: A1 STARTTLS
             S: A1 OK go ahead",
            async |session| {
                session.start_tls().await?;
                Ok::<_, Error>(session.capabilities().is_empty())
            },
        );
        assert_eq!(upgraded, Ok(true));
        assert_eq!(play("AUTH=PLAIN", "", async |s| s.start_tls().await), Err(Error::NoStartTls));
        let preauth = block_on(async {
            let stream = Script::new("S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi", 9);
            Session::greet(stream).await?.start_tls().await
        });
        assert_eq!(preauth, Err(Error::NoStartTls));
    }

    #[test]
    fn injected_answers_are_noticed() {
        let transcript = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi
             C: A1 STARTTLS
             S: A1 OK go ahead
             S: * CAPABILITY IMAP4rev1 AUTH=PLAIN";
        let injected = block_on(async {
            let mut session = Session::greet(Script::new(transcript, usize::MAX)).await?;
            session.start_tls().await?;
            session.into_stream().map(drop)
        });
        assert!(matches!(injected, Err(Error::Unreadable { .. })), "{injected:?}");
    }

    #[test]
    fn resumes_on_another_stream() {
        let transcript = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] Cyrus
             C: A1 STARTTLS
             S: A1 OK go ahead
             C: A2 CAPABILITY
             S: * CAPABILITY IMAP4rev1 ID
             S: A2 OK done";
        block_on(async {
            let mut session = Session::greet(Script::new(transcript, 5)).await.unwrap();
            session.start_tls().await.unwrap();
            let (stream, resume) = session.into_stream().unwrap();
            let mut session = Session::resume(stream, resume);
            session.learn_capabilities().await.unwrap();
            assert!(session.capabilities().id() && session.greeting() == "Cyrus");
            assert_eq!(session.stream.finish(), Ok(()));
        });
    }

    #[test]
    fn identifies() {
        let id = play(
            "ID",
            "C: A1 ID (\"name\" \"trasloco\" \"version\" \"1.0\")
             S: * ID (\"version\" \"3.8\" \"name\" {5}
             S: Cyrus \"os\" NIL)
             S: A1 OK done",
            async |session| {
                session.id("trasloco", "1.0").await?;
                Ok::<_, Error>(session.server_id().map(str::to_owned))
            },
        );
        assert_eq!(id, Ok(Some("Cyrus 3.8".into())));
        let refused = play(
            "ID",
            "C: A1 ID (\"name\" \"x\" \"version\" \"1\")
             S: A1 BAD what",
            async |session| session.id("x", "1").await,
        );
        assert_eq!(refused, Ok(()));
    }

    #[test]
    fn enables_what_is_announced() {
        let enabled = play(
            "ENABLE UTF8=ACCEPT CONDSTORE",
            "C: A1 ENABLE UTF8=ACCEPT CONDSTORE
             S: * ENABLED utf8=accept
             S: A1 OK done",
            async |session| {
                let enabled = session.enable(&["UTF8=ACCEPT", "CONDSTORE", "QRESYNC"]).await?;
                Ok::<_, Error>((enabled, session.spelling()))
            },
        );
        assert_eq!(enabled, Ok((vec!["UTF8=ACCEPT".into()], Spelling::Utf8)));
    }

    #[test]
    fn logout_is_polite_and_brief() {
        for answers in ["S: * BYE see you", "S: A1 OK done", "S: * 1 EXPUNGE\nS: A1 BAD no", ""] {
            let said = format!("C: A1 LOGOUT\n{answers}");
            play("", &said, async |session| session.say_goodbye().await);
        }
    }
}
