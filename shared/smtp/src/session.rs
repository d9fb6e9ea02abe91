//! A connection to a submission server: greeting, EHLO, STARTTLS, commands.

use wire::echo::Sent;
use wire::{Bytes, Stream};

use crate::error::Error;
use crate::extensions::Extensions;
use crate::input::Input;
use crate::reply::Reply;

/// Longest command line that is sent. RFC 5321 section 4.5.3.1.4 has 512 octets; RFC 4954
/// section 4 gives AUTH 12,288.
pub(crate) const COMMAND_MAX: usize = 12_288;

/// A session with a server that has greeted.
#[derive(Debug)]
pub struct Session<S> {
    pub(crate) stream: S,
    pub(crate) input: Input,
    pub(crate) extensions: Extensions,
    /// What the server was told while it was logged in to; nothing of it is handed on.
    pub(crate) sent: Sent,
}

impl<S: Stream> Session<S> {
    /// Reads the greeting and says EHLO (or HELO, where the server knows only that). `name` is
    /// how this client calls itself: a domain (RFC 5321 section 4.1.1.1).
    pub async fn greet(stream: S, name: &str) -> Result<Self, Error> {
        let mut session = Session::new(stream);
        let greeting = session.heard().await?;
        if !greeting.is_done() {
            return Err(Error::Refused(greeting));
        }
        session.hello(name).await?;
        Ok(session)
    }

    /// Goes on after STARTTLS, on the line that is encrypted by now: everything said before is
    /// forgotten (RFC 3207 section 4.2).
    pub async fn resume(stream: S, name: &str) -> Result<Self, Error> {
        let mut session = Session::new(stream);
        session.hello(name).await?;
        Ok(session)
    }

    fn new(stream: S) -> Self {
        let (input, extensions) = (Input::default(), Extensions::default());
        Session { stream, input, extensions, sent: Sent::default() }
    }

    /// Asks for TLS and gives the line back, without a byte read beyond the server's reply: what
    /// somebody had put there in plain text would pass for the server's words.
    pub async fn start_tls(mut self) -> Result<S, Error> {
        if !self.extensions.start_tls {
            return Err(Error::NoStartTls);
        }
        self.done("STARTTLS").await?;
        if !self.input.is_empty() {
            let what = "there is more before encryption begins";
            return Err(Error::Unreadable { what, sample: String::new() });
        }
        Ok(self.stream)
    }

    /// What the server announced.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Says good-bye; what the server answers, if anything, changes nothing.
    pub async fn quit(mut self) {
        if self.say("QUIT").await.is_ok() {
            let _ = self.heard().await;
        }
    }

    async fn hello(&mut self, name: &str) -> Result<(), Error> {
        let reply = self.command(&format!("EHLO {name}")).await?;
        if reply.is_done() {
            self.extensions = Extensions::read(&reply);
            return Ok(());
        }
        // RFC 5321 section 3.2: a server that does not know EHLO says so with 500 or 502.
        if matches!(reply.code, 500 | 502) {
            return self.done(&format!("HELO {name}")).await;
        }
        Err(Error::Refused(reply))
    }

    /// Sends a command, without waiting for its reply.
    pub(crate) async fn say(&mut self, command: &str) -> Result<(), Error> {
        if command.len() > COMMAND_MAX || command.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err(Error::Unsendable { what: "a login or address of this form" });
        }
        let line = [command.as_bytes(), b"\r\n"].concat();
        Ok(self.stream.write(Bytes::from(line)).await?)
    }

    /// The next reply. 421 says that the server is about to hang up (RFC 5321 section 3.8).
    pub(crate) async fn heard(&mut self) -> Result<Reply, Error> {
        let reply = match self.input.reply(&mut self.stream).await {
            Ok(reply) if reply.is_done() => reply,
            Ok(reply) => Reply { lines: self.sent.cleaned_lines(&reply.lines), ..reply },
            Err(Error::Unreadable { what, sample }) => {
                return Err(Error::Unreadable { what, sample: self.sent.cleaned(&sample) });
            }
            Err(error) => return Err(error),
        };
        if reply.code == 421 { Err(Error::Refused(reply)) } else { Ok(reply) }
    }

    /// Sends a command and reads its reply.
    pub(crate) async fn command(&mut self, command: &str) -> Result<Reply, Error> {
        self.say(command).await?;
        self.heard().await
    }

    /// Sends a command that must succeed.
    pub(crate) async fn done(&mut self, command: &str) -> Result<(), Error> {
        let reply = self.command(command).await?;
        if reply.is_done() { Ok(()) } else { Err(Error::Refused(reply)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laws::play;
    use wire::script::Script;

    fn greeted(dialogue: &str) -> Result<Extensions, Error> {
        play(dialogue, async |script: Script| match Session::greet(script, "a.example").await {
            Ok(session) => (Ok(session.extensions), Some(session.stream)),
            Err(error) => (Err(error), None),
        })
    }

    #[test]
    fn learns_what_the_server_can_do() {
        let extensions = greeted(
            "S: 220-mail.example\nS: 220 ready\nC: EHLO a.example\nS: 250-mail.example hello\n\
             S: 250-SIZE 1000\nS: 250-8BITMIME\nS: 250-PIPELINING\nS: 250-STARTTLS\n\
             S: 250-AUTH plain LOGIN\nS: 250-AUTH=LOGIN\nS: 250 SMTPUTF8",
        )
        .unwrap();
        assert_eq!(extensions.size, Some(1000));
        assert_eq!(extensions.mechanisms, ["PLAIN", "LOGIN"]);
        assert!(extensions.pipelining && extensions.start_tls);
        assert!(extensions.eight_bit_mime && extensions.smtp_utf8);
    }

    #[test]
    fn an_old_server_is_spoken_to_as_such() {
        let dialogue = "S: 220 x\nC: EHLO a.example\nS: 502 what?\nC: HELO a.example\nS: 250 hi";
        assert_eq!(greeted(dialogue), Ok(Extensions::default()));
    }

    #[test]
    fn refusals_are_in_the_servers_words() {
        let refused = |dialogue: &str| match greeted(dialogue) {
            Err(error) => (error.is_permanent(), error.to_string()),
            Ok(extensions) => panic!("{extensions:?}"),
        };
        let (permanent, words) = refused("S: 554 5.7.1 you are listed");
        assert!(permanent);
        assert_eq!(words, "the mail server refused: 554 5.7.1 you are listed");
        assert!(!refused("S: 421 4.3.2 too busy").0);
        assert!(!refused("S: 220 x\nC: EHLO a.example\nS: 450 later").0);
        assert_eq!(greeted(""), Err(Error::Wire(wire::Error::Closed)));
    }

    #[test]
    fn encryption_begins_with_nothing_left_over() {
        let started = |tail: &str| {
            let dialogue = format!(
                "S: 220 x\nC: EHLO a.example\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\n{tail}"
            );
            let script = Script::new(&dialogue, usize::MAX);
            futures::executor::block_on(async {
                let session = Session::greet(script, "a.example").await.unwrap();
                session.start_tls().await.map(|_| ())
            })
        };
        assert_eq!(started("S: 220 go"), Ok(()));
        assert!(matches!(started("S: 454 not now"), Err(Error::Refused(_))));
        let injected = started("S: 220 go\nS: 250 injected");
        assert!(matches!(injected, Err(Error::Unreadable { .. })), "{injected:?}");
        let none = "S: 220 x\nC: EHLO a.example\nS: 250 x";
        let result = play(none, async |script: Script| {
            let session = Session::greet(script, "a.example").await.unwrap();
            (session.start_tls().await.map(|_| ()), None)
        });
        assert_eq!(result, Err(Error::NoStartTls));
    }
}
