//! A refusal that asks for patience, and is about one message: a limit on the size of a message
//! is told as `[LIMIT]` by some servers (observed: Dovecot with `quota_max_mail_size`), which is
//! what others say when commands come too fast. And `[OVERQUOTA]` is told of a mailbox that is full as
//! well as of one message that does not fit, where smaller ones do.
//!
//! Words about sizes decide. Without them the message is waited for, and then set aside, and the next
//! are tried: if one of them is taken, the refusal was the message's own, and others as large are set
//! aside at once. What was set aside is found again by the comparison at the end, which asks the
//! source what is still to come. Where one after the other is refused, it is not about messages: the
//! next is waited for as for any server that asks for patience.

use ledger::journal::Intention;
use model::Phase;
use services::{Reason, Rejection};
use store::Store;

use crate::run::Run;
use crate::trouble::Halt;
use crate::world::Host;

/// Tries of a message while others are taken, each after a wait.
const TRIES_BESIDE: u32 = 3;
/// Tries of a message that nothing else can be tried beside, each after a wait.
const TRIES_ALONE: u32 = 10;
/// Messages in a row that are set aside after waiting; the one after them is waited for, so that the
/// rest of the mailbox does not come out of order.
const ASIDE_IN_A_ROW: u32 = 8;

/// Whether a refused message is to be tried again later; `size` is in octets.
pub(crate) fn waits(why: &Rejection, size: u64) -> bool {
    why.wait_s.is_some() && !(size > 0 && is_about_size(why))
}

/// Whether the server refuses this message for its size.
pub(crate) fn is_about_size(why: &Rejection) -> bool {
    match why.reason {
        Reason::TooLarge => true,
        Reason::Limit | Reason::Full | Reason::Other => {
            let text = why.words.to_lowercase();
            let words = [
                "too large",
                "too big",
                "larger than",
                "bigger than",
                "size limit",
                "maximum size",
                "maximum message size",
                "maximum mail size",
                "max message size",
                "message size exceeds",
                "size exceeded",
                "exceeds the maximum size",
                "size is larger",
                "allocation size",
            ];
            words.iter().any(|word| text.contains(word))
        }
        Reason::Throttled
        | Reason::Unavailable
        | Reason::NoFolder
        | Reason::Exists
        | Reason::Forbidden
        | Reason::Permanent => false,
    }
}

/// Takes a message that was refused alone out of the intention, if others are to be tried first.
pub(crate) fn set_aside<H: Host, S: Store>(
    run: &mut Run<'_, H, S>,
    why: &Rejection,
    intention: &mut Intention,
) -> Result<(), Halt> {
    let about_this = matches!(why.reason, Reason::Limit | Reason::Full);
    let size = intention.batch.entries.first().map_or(0, |entry| entry.size);
    // The same one was waited for, and refused again: the next may be taken.
    let waited = run.cursor.attempts >= TRIES_BESIDE && run.cursor.limited < ASIDE_IN_A_ROW;
    let like_others = run.cursor.limit_size.is_some_and(|limit| size >= limit);
    if !about_this || run.cursor.phase != Phase::Mail || !(waited || like_others) {
        return Ok(());
    }
    run.cursor.limited += 1;
    run.cursor.aside_size = Some(run.cursor.aside_size.map_or(size, |other| other.min(size)));
    if waited {
        run.cursor.attempts = 0;
    }
    if !intention.batch.entries.is_empty() {
        intention.batch.entries.remove(0);
    }
    Ok(())
}

/// A message was taken: those that were set aside before it were refused for themselves.
pub(crate) fn taken<H: Host, S: Store>(run: &mut Run<'_, H, S>) {
    if run.cursor.limited > 0 {
        run.cursor.limited = 0;
        run.cursor.limit_size = run.cursor.aside_size;
    }
}

/// Whether a message that was set aside, and is refused again at the end, is given up: soon where
/// others were taken since, later where nothing else could be tried. A mailbox that is full may get
/// room again, so that its owner is given time (`ATTEMPTS_MAX` ends that).
pub(crate) fn is_given_up<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    why: &Rejection,
    size: u64,
) -> bool {
    let known = run.cursor.limit_size.is_some_and(|limit| size >= limit);
    let others = run.cursor.limited == 0;
    let tries = match why.reason {
        Reason::Limit if others && known => 0,
        Reason::Limit if others => TRIES_BESIDE,
        Reason::Limit => TRIES_ALONE,
        Reason::Full if others => TRIES_BESIDE,
        _ => return false,
    };
    run.cursor.phase == Phase::Verify && run.cursor.attempts >= tries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(reason: Reason, wait_s: Option<u64>, words: &str) -> Rejection {
        Rejection { reason, wait_s, words: words.into() }
    }

    #[test]
    fn words_tell_a_size_from_a_rate() {
        for text in [
            "Requested allocation size is too large",
            "Mail size is larger than the maximum size allowed by server configuration",
            "message exceeds the maximum size of 10 MB",
            "Message too big",
        ] {
            assert!(!waits(&said(Reason::Limit, Some(60), text), 9), "{text}");
        }
        for text in ["slow down", "too many commands", "Rate limit exceeded"] {
            assert!(waits(&said(Reason::Limit, Some(60), text), 9), "{text}");
        }
        let full = "Quota exceeded (mailbox for user is full)";
        assert!(waits(&said(Reason::Full, Some(600), full), 9));
        assert!(!waits(&said(Reason::Other, None, "no"), 9), "an ordinary refusal is for good");
    }
}
