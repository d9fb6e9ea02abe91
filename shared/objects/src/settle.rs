//! What became of an object that was put: decided from what was answered, and from what is seen afterwards.

use services::Rejection;

use crate::asking::Seen;
use crate::plan::Known as PlanKnown;
use crate::record::{Entry, Intended, Print, State};

/// What the destination answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It stored it.
    Stored,
    /// The guard was not met.
    NotMet,
    /// It refused.
    Refused(Rejection),
    /// Nobody knows: the power was cut, or the line broke.
    Lost,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there as we put it, or as the service keeps it.
    Placed { tag: Option<String>, left: Print },
    /// It is there, and nobody can tell whether it is as we left it, or the user has changed it since.
    Unsure,
    /// What stands there was changed by the user before we came.
    Edited,
    /// What stood there was deleted by the user before we came.
    Deleted,
    /// Not under this name: the collection has to be looked through.
    Missing,
    /// Nothing has happened: it is done again.
    Again,
    /// The destination does not take it; a sentence.
    Failed(String),
}

/// Decides about an object that is created.
pub(crate) fn created(intended: &Entry, answer: &Answer, seen: &Seen) -> Fate {
    match (answer, seen) {
        (_, Seen::There(sight)) if sight.identity != intended.identity => {
            Fate::Failed("Another object has its place at the destination.".to_owned())
        }
        (_, Seen::There(sight)) if sight.content == intended.content => {
            Fate::Placed { tag: sight.tag.clone(), left: sight.content }
        }
        (Answer::Stored, Seen::There(sight)) => {
            Fate::Placed { tag: sight.tag.clone(), left: sight.content }
        }
        (Answer::NotMet | Answer::Refused(_) | Answer::Lost, Seen::There(_)) => Fate::Unsure,
        (_, Seen::Absent) => Fate::Missing,
        // Whether it is there at all is not known either.
        (Answer::Stored | Answer::NotMet, Seen::Refused(why)) => Fate::Failed(format!(
            "The destination said that it has it, and does not give it: {}.",
            why.words.trim_end_matches('.')
        )),
        (Answer::Refused(why), Seen::Refused(_)) => Fate::Failed(refusal(why)),
        (Answer::Lost, Seen::Refused(_)) => Fate::Again,
    }
}

/// Decides about an object that replaces one of content `old`.
pub(crate) fn replaced(intended: &Entry, old: Print, answer: &Answer, seen: &Seen) -> Fate {
    match (answer, seen) {
        (_, Seen::There(sight)) if sight.content == intended.content => {
            Fate::Placed { tag: sight.tag.clone(), left: sight.content }
        }
        (answer, Seen::There(sight)) if sight.content == old => match answer {
            Answer::Stored => Fate::Failed(
                "The destination said that it stored the change, and did not.".to_owned(),
            ),
            Answer::Refused(why) => Fate::Failed(refusal(why)),
            Answer::NotMet | Answer::Lost => Fate::Again,
        },
        (Answer::Stored, Seen::There(sight)) => {
            Fate::Placed { tag: sight.tag.clone(), left: sight.content }
        }
        (Answer::NotMet | Answer::Refused(_) | Answer::Lost, Seen::There(_)) => Fate::Edited,
        (Answer::Stored, Seen::Absent) => Fate::Missing,
        (Answer::NotMet | Answer::Refused(_) | Answer::Lost, Seen::Absent) => Fate::Deleted,
        (_, Seen::Refused(_)) => Fate::Unsure,
    }
}

/// Decides about one that is nowhere, also where the whole collection was looked through.
pub(crate) fn nowhere(answer: &Answer) -> Fate {
    match answer {
        Answer::Stored => {
            Fate::Failed("The destination said that it stored it, and does not have it.".to_owned())
        }
        Answer::NotMet => Fate::Failed(
            "The destination said that there is such an object already, and does not have it."
                .to_owned(),
        ),
        Answer::Refused(why) => Fate::Failed(refusal(why)),
        Answer::Lost => Fate::Again,
    }
}

/// The sentence about what the destination refuses.
pub(crate) fn refusal(why: &Rejection) -> String {
    format!("The destination refused it: {}.", why.words.trim_end_matches('.'))
}

/// What is known of an object, for the plan.
pub(crate) fn known_as(entry: Option<&Entry>) -> PlanKnown {
    match entry.map(|entry| entry.state) {
        None | Some(State::Nothing | State::LeftOut | State::Twin | State::Forgotten) => {
            PlanKnown::Nothing
        }
        Some(State::Placed) => PlanKnown::Placed,
        Some(State::Adopted) => PlanKnown::Adopted,
        Some(State::Left) => PlanKnown::Left,
    }
}

/// Whether these are of a put that replaces another object, and what that one was.
pub(crate) fn judge(intended: &Intended, answer: &Answer, seen: &Seen) -> Fate {
    match &intended.replaces {
        None => created(&intended.entry, answer, seen),
        Some((old, _)) => replaced(&intended.entry, *old, answer, seen),
    }
}

#[cfg(test)]
mod tests {
    use services::Reason;

    use super::*;
    use crate::asking::Sight;

    fn entry() -> Entry {
        Entry {
            source: "s".into(),
            source_tag: None,
            identity: Print::of(&["id"]),
            content: Print::of(&["new"]),
            destination: Some("d".into()),
            tag: None,
            left: Print::of(&["new"]),
            sync_point: 1,
            put_in: 1,
            settled_in: 1,
            state: State::Placed,
            failed: false,
            gone: false,
            size: 3,
        }
    }

    fn there(identity: &str, content: &str) -> Seen {
        let (identity, content) = (Print::of(&[identity]), Print::of(&[content]));
        Seen::There(Sight { tag: Some("t".into()), identity, content })
    }

    fn no() -> Rejection {
        Rejection { reason: Reason::Other, wait_s: None, words: "403 no.".into() }
    }

    fn word(fate: &Fate) -> &'static str {
        match fate {
            Fate::Placed { .. } => "placed",
            Fate::Unsure => "unsure",
            Fate::Edited => "edited",
            Fate::Deleted => "deleted",
            Fate::Missing => "missing",
            Fate::Again => "again",
            Fate::Failed(_) => "failed",
        }
    }

    /// All cases: what is seen, and what follows from Stored, NotMet, Refused, Lost.
    #[test]
    fn the_tables() {
        let answers = [Answer::Stored, Answer::NotMet, Answer::Refused(no()), Answer::Lost];
        let own = there("id", "new");
        for (seen, fates) in [
            (own.clone(), ["placed", "placed", "placed", "placed"]),
            (there("id", "else"), ["placed", "unsure", "unsure", "unsure"]),
            (there("other", "new"), ["failed", "failed", "failed", "failed"]),
            (Seen::Absent, ["missing", "missing", "missing", "missing"]),
            (Seen::Refused(no()), ["failed", "failed", "failed", "again"]),
        ] {
            let found = answers.each_ref().map(|answer| word(&created(&entry(), answer, &seen)));
            assert_eq!(found, fates, "created, {seen:?}");
        }
        for (seen, fates) in [
            (own, ["placed", "placed", "placed", "placed"]),
            (there("id", "old"), ["failed", "again", "failed", "again"]),
            (there("id", "else"), ["placed", "edited", "edited", "edited"]),
            (Seen::Absent, ["missing", "deleted", "deleted", "deleted"]),
            (Seen::Refused(no()), ["unsure", "unsure", "unsure", "unsure"]),
        ] {
            let judged = |answer| word(&replaced(&entry(), Print::of(&["old"]), answer, &seen));
            assert_eq!(answers.each_ref().map(judged), fates, "replaced, {seen:?}");
        }
        let rest = answers.each_ref().map(|answer| word(&nowhere(answer)));
        assert_eq!(rest, ["failed", "failed", "failed", "again"]);
        assert_eq!(refusal(&no()), "The destination refused it: 403 no.");
    }
}
