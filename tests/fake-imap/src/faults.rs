//! Scripted misbehaviour.

use std::sync::{Arc, Mutex};

use crate::odd::{Odd, Oddities, Style};

/// Which commands a fault befalls. Commands are counted from 1 over all connections that share
/// one [`Faults`], so that a cut at the n-th command happens once and not again on the next line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    name: Option<String>,
    from: u32,
    times: u32,
}

impl At {
    /// The n-th command of any name.
    pub fn any(n: u32) -> Self {
        At { name: None, from: n, times: 1 }
    }

    /// The n-th command of this name, such as `APPEND` or `UID FETCH`.
    pub fn nth(name: &str, n: u32) -> Self {
        At { name: Some(name.to_ascii_uppercase()), from: n, times: 1 }
    }

    /// Every command of this name.
    pub fn every(name: &str) -> Self {
        At { name: Some(name.to_ascii_uppercase()), from: 1, times: u32::MAX }
    }

    /// The same for so many commands in a row.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// What happens to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The connection is dropped before the command has any effect.
    Close,
    /// The command has its effect and the connection is dropped before the reply.
    CloseAfterEffect,
    /// The command is read and never answered; the line stays open.
    Stall,
    /// The command has its effect and is never answered; the line stays open.
    StallAfterEffect,
    /// Untagged BYE with this text, then the connection is dropped; no effect.
    Bye(String),
    /// This reply, without tag, such as `NO [LIMIT] slow down`; no effect.
    Refuse(String),
    /// Another client marks the messages that hold this text as deleted right before the command,
    /// which is carried out.
    OwnerDeletes(String),
    /// `OK` without effect: a lie.
    PretendOk,
    /// These octets in place of a reply; the line stays open.
    Raw(Vec<u8>),
    /// A line that does not end, at most this many octets of it, then the connection is dropped.
    EndlessLine(u64),
    /// A FETCH response with a literal of size `{-1}`.
    NegativeLiteral,
    /// A FETCH response that announces a literal of this size and sends a few octets of it.
    HugeLiteral(u64),
}

struct Rule {
    at: At,
    act: Act,
    seen: u32,
}

type Predicate = Box<dyn Fn(&[u8]) -> bool + Send>;

struct Refusal {
    when: Predicate,
    reply: String,
    times: u32,
}

#[derive(Default)]
struct Script {
    rules: Vec<Rule>,
    refusals: Vec<Refusal>,
    close_after_sent: Option<u64>,
    close_after_received: Option<u64>,
    greeting: Option<Vec<u8>>,
    size_lie: i64,
    literal_lie: i64,
    odd: Oddities,
    fired: u32,
}

/// A script of faults; clones share it and its counters. The default is none.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Script>>);

impl Faults {
    /// A server that behaves.
    pub fn none() -> Self {
        Faults::default()
    }

    fn with(self, change: impl FnOnce(&mut Script)) -> Self {
        change(&mut self.0.lock().unwrap());
        self
    }

    /// Lets this happen to these commands; the first rule that fits counts.
    #[must_use]
    pub fn on(self, at: At, act: Act) -> Self {
        self.with(|script| script.rules.push(Rule { at, act, seen: 0 }))
    }

    /// The connection is dropped once the server has sent so many octets, all connections
    /// together; happens once.
    #[must_use]
    pub fn close_after_sent(self, octets: u64) -> Self {
        self.with(|script| script.close_after_sent = Some(octets))
    }

    /// The same counting octets received: those beyond are never seen.
    #[must_use]
    pub fn close_after_received(self, octets: u64) -> Self {
        self.with(|script| script.close_after_received = Some(octets))
    }

    /// Refuses APPEND of messages that `when` picks with this reply (without tag), so many times.
    #[must_use]
    pub fn refuse_append(
        self,
        when: impl Fn(&[u8]) -> bool + Send + 'static,
        reply: &str,
        times: u32,
    ) -> Self {
        let refusal = Refusal { when: Box::new(when), reply: reply.into(), times };
        self.with(|script| script.refusals.push(refusal))
    }

    /// Refuses what strict servers refuse: NUL, bare LF or CR, octets above 127 in the header.
    #[must_use]
    pub fn strict_appends(self) -> Self {
        self.refuse_append(|bytes| bytes.contains(&0), "NO Message contains NUL characters", NEVER)
            .refuse_append(bare_newline, "NO Message contains bare newlines", NEVER)
            .refuse_append(eight_bit_header, "NO Message contains non-ASCII headers", NEVER)
    }

    /// Greets with these octets in place of the greeting, such as those of a POP server.
    #[must_use]
    pub fn greeting(self, octets: &[u8]) -> Self {
        self.with(|script| script.greeting = Some(octets.to_vec()))
    }

    /// Adds this to every RFC822.SIZE.
    #[must_use]
    pub fn size_lie(self, octets: i64) -> Self {
        self.with(|script| script.size_lie = octets)
    }

    /// Adds this to the announced size of every message literal, not to the literal.
    #[must_use]
    pub fn literal_lie(self, octets: i64) -> Self {
        self.with(|script| script.literal_lie = octets)
    }

    /// Lets this be odd about messages that `when` picks, so many times.
    #[must_use]
    pub fn odd(self, odd: Odd, when: impl Fn(&[u8]) -> bool + Send + 'static, times: u32) -> Self {
        self.with(|script| script.odd.add(odd, Box::new(when), times))
    }

    /// How all FETCH responses look.
    #[must_use]
    pub fn style(self, style: Style) -> Self {
        self.with(|script| script.odd.style = style)
    }

    /// Numbers the messages of a mailbox anew, with another UIDVALIDITY, at the SELECT or EXAMINE
    /// after the first `before`, and at so many of them in a row.
    #[must_use]
    pub fn renumber(self, before: u32, times: u32) -> Self {
        self.with(|script| script.odd.renumber = Some((before, times)))
    }

    pub(crate) fn oddity<T>(&self, bytes: &[u8], pick: impl Fn(&Odd) -> Option<T>) -> Option<T> {
        let mut script = self.0.lock().unwrap();
        let found = script.odd.take(bytes, pick);
        script.fired += u32::from(found.is_some());
        found
    }

    pub(crate) fn is(&self, bytes: &[u8], odd: &Odd) -> bool {
        self.oddity(bytes, |it| (it == odd).then_some(())).is_some()
    }

    pub(crate) fn look(&self) -> Style {
        self.0.lock().unwrap().odd.style
    }

    pub(crate) fn renumbers(&self) -> bool {
        self.0.lock().unwrap().odd.renumbers()
    }

    /// How many faults have happened; a power-cut test ends when a run goes by without one.
    pub fn fired(&self) -> u32 {
        self.0.lock().unwrap().fired
    }

    pub(crate) fn befall(&self, name: &str) -> Option<Act> {
        let mut script = self.0.lock().unwrap();
        let mut found = None;
        for rule in &mut script.rules {
            if rule.at.name.as_ref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            rule.seen += 1;
            let past = rule.seen.checked_sub(rule.at.from);
            if found.is_none() && past.is_some_and(|past| past < rule.at.times) {
                found = Some(rule.act.clone());
            }
        }
        script.fired += u32::from(found.is_some());
        found
    }

    pub(crate) fn refused(&self, message: &[u8]) -> Option<String> {
        let mut script = self.0.lock().unwrap();
        let found = script.refusals.iter_mut().find(|it| it.times > 0 && (it.when)(message));
        let reply = found.map(|refusal| {
            if refusal.times != NEVER {
                refusal.times -= 1;
            }
            refusal.reply.clone()
        });
        script.fired += u32::from(reply.is_some());
        reply
    }

    pub(crate) fn greeting_octets(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap().greeting.clone()
    }

    pub(crate) fn sizes(&self) -> (i64, i64) {
        let script = self.0.lock().unwrap();
        (script.size_lie, script.literal_lie)
    }

    /// How many of `octets` may still be sent, and whether the line is cut behind them.
    pub(crate) fn allow_sent(&self, octets: usize) -> (usize, bool) {
        let script = &mut *self.0.lock().unwrap();
        spend(&mut script.close_after_sent, octets, &mut script.fired)
    }

    pub(crate) fn allow_received(&self, octets: usize) -> (usize, bool) {
        let script = &mut *self.0.lock().unwrap();
        spend(&mut script.close_after_received, octets, &mut script.fired)
    }
}

/// `times` of a refusal that does not wear off.
const NEVER: u32 = u32::MAX;

fn spend(left: &mut Option<u64>, octets: usize, fired: &mut u32) -> (usize, bool) {
    let Some(budget) = left else { return (octets, false) };
    if (octets as u64) < *budget {
        *budget -= octets as u64;
        return (octets, false);
    }
    let allowed = usize::try_from(*budget).unwrap();
    *left = None;
    *fired += 1;
    (allowed, true)
}

fn bare_newline(bytes: &[u8]) -> bool {
    let lf = |at: usize| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r');
    let cr = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    (0..bytes.len()).any(|at| lf(at) || cr(at))
}

fn eight_bit_header(bytes: &[u8]) -> bool {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    !bytes[..end].is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_over_connections() {
        let faults = Faults::none().on(At::nth("NOOP", 2), Act::Close);
        let other = faults.clone();
        assert_eq!(faults.befall("NOOP"), None);
        assert_eq!(other.befall("SELECT"), None);
        assert_eq!(other.befall("NOOP"), Some(Act::Close));
        assert_eq!(faults.befall("NOOP"), None);
        assert_eq!(faults.fired(), 1);
    }

    #[test]
    fn cuts_once() {
        let faults = Faults::none().close_after_sent(10);
        assert_eq!(faults.allow_sent(8), (8, false));
        assert_eq!(faults.allow_sent(8), (2, true));
        assert_eq!(faults.allow_sent(8), (8, false));
    }
}
