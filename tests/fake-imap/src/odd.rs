//! Lawful and unlawful oddities of real servers, one message or one style at a time.

/// What is odd about a message, as long as its rule lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Odd {
    /// FETCH without a body leaves it out.
    Unlisted,
    /// SEARCH leaves it out.
    Unsearched,
    /// Its row comes without RFC822.SIZE.
    Unsized,
    /// Its row comes without INTERNALDATE.
    Undated,
    /// Its row comes without FLAGS.
    Unflagged,
    /// Its row comes twice.
    RowTwice,
    /// FETCH of its body leaves it out and answers OK.
    NoBody,
    /// Its body is `NIL`.
    NilBody,
    /// Only so many octets of its body are delivered, in a literal of that size.
    Short(usize),
    /// Its body comes twice.
    BodyTwice,
    /// APPEND stores it and answers with this instead of `OK`.
    StoreAndRefuse(String),
    /// APPEND keeps so many octets of it and answers OK.
    KeepOnly(usize),
    /// APPEND answers OK and keeps nothing.
    Forget,
}

/// How FETCH responses look, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// The body comes first and everything else behind it (RFC 9051 leaves the order open).
    pub body_first: bool,
    /// Items come in reverse order.
    pub reversed: bool,
    /// The items of a row come in two responses.
    pub split: bool,
    /// News of flags, counts and remarks come in between.
    pub chatty: bool,
}

type Predicate = Box<dyn Fn(&[u8]) -> bool + Send>;

struct Rule {
    odd: Odd,
    when: Predicate,
    times: u32,
}

/// All oddities of a server.
#[derive(Default)]
pub(crate) struct Oddities {
    rules: Vec<Rule>,
    pub(crate) style: Style,
    /// SELECTs and EXAMINEs until messages are numbered anew, and how often that happens then.
    pub(crate) renumber: Option<(u32, u32)>,
}

impl Oddities {
    pub(crate) fn add(&mut self, odd: Odd, when: Predicate, times: u32) {
        self.rules.push(Rule { odd, when, times });
    }

    /// Uses up the first rule for this message that `pick` wants.
    pub(crate) fn take<T>(
        &mut self,
        message: &[u8],
        pick: impl Fn(&Odd) -> Option<T>,
    ) -> Option<T> {
        for rule in self.rules.iter_mut().filter(|rule| rule.times > 0) {
            if let Some(found) = pick(&rule.odd)
                && (rule.when)(message)
            {
                rule.times = rule.times.saturating_sub(u32::from(rule.times != u32::MAX));
                return Some(found);
            }
        }
        None
    }

    /// Whether this SELECT finds the mailbox numbered anew.
    pub(crate) fn renumbers(&mut self) -> bool {
        match &mut self.renumber {
            Some((0, times)) if *times > 0 => {
                *times -= 1;
                true
            }
            Some((before, _)) if *before > 0 => {
                *before -= 1;
                false
            }
            _ => false,
        }
    }
}
