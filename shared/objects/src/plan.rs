//! What is to be done with an object: one decision, with a table of all cases.
//!
//! The source's changes go over. What the user changed or deleted at the destination stays as the user left
//! it; what was there before is recognised and never touched; deletions at the source are not carried out at
//! the destination, as with mail.

/// What the source says about an object, compared with what was settled last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtSource {
    /// It is there, and its content is not the one that was settled, or was never settled.
    Changed,
    /// It is there with the content that was settled.
    Same,
    /// It is not there any more.
    Gone,
}

/// What we know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is new, or was refused so far.
    Nothing,
    /// We put it at the destination.
    Placed,
    /// It was at the destination before.
    Adopted,
    /// We put it there, and it is the user's since: changed or deleted at the destination.
    Left,
}

/// What stands at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtDestination {
    /// No such object.
    Absent,
    /// The one that we left, or recognised, as it was then.
    AsLeft,
    /// One with the content that the source has now.
    Equal,
    /// One with another content.
    Other,
}

/// Why an object stays as it is at the destination although the source has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The user changed what we had put there; the change at the source is not brought.
    Edited,
    /// The user deleted what we had put there, or what was there before.
    Deleted,
    /// It was there before, and is the user's; it differs from what the source has.
    Theirs,
    /// It is gone at the source.
    GoneAtSource,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Put it there, if there is none.
    Create,
    /// Replace the one that is there, if it is as we left it.
    Replace,
    /// It is there already: recognise it.
    Adopt,
    /// It is nothing of ours any more.
    Forget,
    /// Leave what is there.
    Keep(Reason),
    /// It is as it should be.
    Nothing,
}

/// Decides. `single` is for a collection that is one document, which is replaced in any case; what was there
/// before is kept, to be put back.
pub fn plan(source: AtSource, known: Known, destination: AtDestination, single: bool) -> Step {
    use AtDestination::{Absent, AsLeft, Equal, Other};
    match (source, known, destination) {
        // Also of what was there before: it may come back under another name.
        (AtSource::Gone, Known::Placed | Known::Adopted | Known::Left, _) => {
            Step::Keep(Reason::GoneAtSource)
        }
        (AtSource::Gone, Known::Nothing, _) => Step::Forget,

        (AtSource::Same, Known::Placed | Known::Adopted | Known::Left, _) => Step::Nothing,

        (AtSource::Changed | AtSource::Same, Known::Nothing, Absent) => Step::Create,
        (AtSource::Changed | AtSource::Same, Known::Nothing, Equal) => Step::Adopt,
        (AtSource::Changed | AtSource::Same, Known::Nothing, AsLeft | Other) if single => {
            Step::Replace
        }
        (AtSource::Changed | AtSource::Same, Known::Nothing, AsLeft | Other) => {
            Step::Keep(Reason::Theirs)
        }

        (AtSource::Changed, Known::Placed, AsLeft) => Step::Replace,
        // The user made the same change: it is the user's.
        (AtSource::Changed, Known::Placed, Equal | Other) => Step::Keep(Reason::Edited),
        (AtSource::Changed, Known::Placed, Absent) => Step::Keep(Reason::Deleted),

        (AtSource::Changed, Known::Adopted, Equal) => Step::Adopt,
        (AtSource::Changed, Known::Adopted, AsLeft | Other) if single => Step::Replace,
        (AtSource::Changed, Known::Adopted, AsLeft | Other) => Step::Keep(Reason::Theirs),
        (AtSource::Changed, Known::Adopted, Absent) => Step::Keep(Reason::Deleted),

        (AtSource::Changed, Known::Left, _) => Step::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All cases, one a line: source, what is known, what is to be done with Absent, AsLeft, Equal, Other
    /// at the destination.
    #[test]
    fn the_table() {
        use AtSource::{Changed, Gone, Same};
        use Known::{Adopted, Left, Nothing, Placed};
        use Step::{Adopt, Create, Forget, Replace};
        let keep = Step::Keep;
        let (theirs, edited) = (keep(Reason::Theirs), keep(Reason::Edited));
        let (deleted, gone) = (keep(Reason::Deleted), keep(Reason::GoneAtSource));
        let no = Step::Nothing;
        for (source, known, steps) in [
            (Changed, Nothing, [Create, theirs, Adopt, theirs]),
            (Changed, Placed, [deleted, Replace, edited, edited]),
            (Changed, Adopted, [deleted, theirs, Adopt, theirs]),
            (Changed, Left, [no, no, no, no]),
            (Same, Nothing, [Create, theirs, Adopt, theirs]),
            (Same, Placed, [no, no, no, no]),
            (Same, Adopted, [no, no, no, no]),
            (Same, Left, [no, no, no, no]),
            (Gone, Nothing, [Forget, Forget, Forget, Forget]),
            (Gone, Placed, [gone, gone, gone, gone]),
            (Gone, Adopted, [gone, gone, gone, gone]),
            (Gone, Left, [gone, gone, gone, gone]),
        ] {
            let all = [
                AtDestination::Absent,
                AtDestination::AsLeft,
                AtDestination::Equal,
                AtDestination::Other,
            ];
            for (destination, step) in all.into_iter().zip(steps) {
                let found = plan(source, known, destination, false);
                assert_eq!(found, step, "{source:?} {known:?} {destination:?}");
                // One document is replaced where another keeps what is there before us, and nowhere else.
                let single = plan(source, known, destination, true);
                let replaced = if step == theirs { Replace } else { step };
                assert_eq!(single, replaced, "single: {source:?} {known:?} {destination:?}");
            }
        }
    }
}
