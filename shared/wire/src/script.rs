//! Plays a transcript: lines `C: …` are what the code under test must send, `S: …` what it gets.
//!
//! A line ends with CRLF on the wire. `C~ n` and `S~ n` stand for n octets of `x`, for literals.
//! The script knows no protocol, so a test is as right as its transcript.

use std::collections::VecDeque;
use std::future::pending;

use crate::{Bytes, Error, Stream};

enum Turn {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// A stream that follows a transcript and reports the first departure from it.
pub struct Script {
    turns: VecDeque<Turn>,
    heard: Vec<u8>,
    bite: usize,
    may_look: bool,
    departure: Option<String>,
}

impl Script {
    /// Reads a transcript; indentation is ignored. `bite` is the most bytes a read gives, so that
    /// every test can be played whole (`usize::MAX`) and byte by byte (1).
    pub fn new(transcript: &str, bite: usize) -> Self {
        let mut turns = VecDeque::new();
        for line in transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            let (side, text) = line.split_at(line.len().min(2));
            let text = text.strip_prefix(' ').unwrap_or(text);
            let crlf = || [text.as_bytes(), b"\r\n"].concat();
            let many = || vec![b'x'; text.parse().unwrap_or(0)];
            let (client, bytes) = match side {
                "C:" => (true, crlf()),
                "S:" => (false, crlf()),
                "C~" => (true, many()),
                "S~" => (false, many()),
                _ => (true, format!("bad transcript line {line:?}").into_bytes()),
            };
            match (turns.back_mut(), client) {
                (Some(Turn::Client(said)), true) | (Some(Turn::Server(said)), false) => {
                    said.extend_from_slice(&bytes);
                }
                (_, true) => turns.push_back(Turn::Client(bytes)),
                (_, false) => turns.push_back(Turn::Server(bytes)),
            }
        }
        Script { turns, heard: Vec::new(), bite, may_look: false, departure: None }
    }

    /// The same for code that looks whether something has come while it is its own turn: such a read
    /// waits, so the test has to poll once and not to wait.
    pub fn with_looks(self) -> Self {
        Script { may_look: true, ..self }
    }

    /// `Err` with the first departure, or with what the transcript had left.
    pub fn finish(&self) -> Result<(), String> {
        if let Some(departure) = &self.departure {
            return Err(departure.clone());
        }
        match self.turns.front() {
            None => Ok(()),
            Some(Turn::Client(rest)) => Err(format!("never sent: {}", show(rest))),
            Some(Turn::Server(rest)) => Err(format!("never read: {}", show(rest))),
        }
    }
}

impl Stream for Script {
    async fn read(&mut self) -> Result<Bytes, Error> {
        match self.turns.front_mut() {
            Some(Turn::Server(bytes)) => {
                let n = bytes.len().min(self.bite);
                let bite: Vec<u8> = bytes.drain(..n).collect();
                if bytes.is_empty() {
                    self.turns.pop_front();
                }
                Ok(bite.into())
            }
            Some(Turn::Client(_)) if self.may_look => pending().await,
            Some(Turn::Client(expected)) => {
                self.departure.get_or_insert(format!("reads, but should send {}", show(expected)));
                Ok(Bytes::new())
            }
            None => Ok(Bytes::new()),
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.heard.extend_from_slice(&bytes);
        while !self.heard.is_empty() {
            let Some(Turn::Client(expected)) = self.turns.front_mut() else {
                let heard = show(&self.heard);
                self.departure.get_or_insert(format!("sends {heard} out of turn"));
                return Err(Error::Closed);
            };
            let n = expected.len().min(self.heard.len());
            if expected.get(..n) != self.heard.get(..n) {
                let said = format!("sends {}, not {}", show(&self.heard), show(expected));
                self.departure.get_or_insert(said);
                return Err(Error::Closed);
            }
            self.heard.drain(..n);
            expected.drain(..n);
            if expected.is_empty() {
                self.turns.pop_front();
            }
        }
        Ok(())
    }
}

fn show(bytes: &[u8]) -> String {
    let start: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    fn play(sent: &str) -> Result<(), String> {
        let mut script = Script::new("S: * OK\n C: a NOOP\n S: a OK", usize::MAX);
        block_on(async {
            let _ = script.read().await;
            let _ = script.write(Bytes::copy_from_slice(sent.as_bytes())).await;
            let _ = script.read().await;
        });
        script.finish()
    }

    #[test]
    fn reports_departures() {
        assert_eq!(play("a NOOP\r\n"), Ok(()));
        assert_eq!(play("a NOOB\r\n"), Err(r#"sends "a NOOB\r\n", not "a NOOP\r\n""#.into()));
    }
}
