//! What an owner asked for last, and what a slice makes of it.

use model::{Action, Migration, Status, Timestamp};
use project::record;
use store::control::Request;
use store::{Error, Store, control, due};

use crate::trouble::Halt;

/// The run that a slice of `migration` works on: one that closed its sync point begins the next.
pub(crate) fn sync_point(migration: &Migration) -> u32 {
    let open = migration.sync_points.last().is_some_and(|point| point.finished_at.is_none());
    let begins = !open && migration.status != Status::Removing;
    migration.sync_point() + u32::from(begins)
}

/// Ends the slice where its owner asked for that, and meant this run.
pub(crate) fn asked_for(asked: Option<Request>, current: u32) -> Result<(), Halt> {
    match asked {
        Some(Request::Stop { sync_point }) if sync_point >= current => Err(Halt::Stopped),
        Some(Request::Pause { sync_point }) if sync_point >= current => Err(Halt::Paused),
        Some(Request::Stop { .. } | Request::Pause { .. } | Request::Resume { .. }) | None => {
            Ok(())
        }
    }
}

/// Ends the slice of a run that has begun where its owner asked for that.
pub(crate) async fn look_for_requests(
    store: &impl Store,
    migration: &Migration,
) -> Result<(), Halt> {
    asked_for(control::read(store, &migration.id).await?, migration.sync_point())?;
    look_for_project(store, migration).await
}

/// Ends the slice where its project is held. The word that was left for it may be old: what counts
/// is how the project stands now.
pub(crate) async fn look_for_project(
    store: &impl Store,
    migration: &Migration,
) -> Result<(), Halt> {
    let Some(membership) = &migration.project else { return Ok(()) };
    let held = migration.status != Status::Removing
        && control::is_hinted(store, &migration.id).await?
        && record::queue(store, &membership.project).await?.paused;
    if held { Err(Halt::Held) } else { Ok(()) }
}

/// What was asked for of a migration and is still to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To end the run.
    Stop,
    /// To hold it.
    Pause,
    /// To go on with it.
    Resume,
}

/// The request for the present run of `migration`, where it is not as its owner wants it.
pub(crate) async fn request(
    store: &impl Store,
    migration: &Migration,
) -> Result<Option<Asked>, Error> {
    let (status, current) = (migration.status, crate::requests::sync_point(migration));
    let paused = status == Status::Paused;
    Ok(match control::read(store, &migration.id).await? {
        Some(Request::Stop { sync_point }) if sync_point >= current => {
            status.allows(Action::Stop).then_some(Asked::Stop)
        }
        Some(Request::Pause { sync_point }) if sync_point >= current => {
            let wanted = status.allows(Action::Pause) || (paused && migration.held_by_project);
            wanted.then_some(Asked::Pause)
        }
        Some(Request::Resume { sync_point }) if sync_point >= current => {
            (paused && !migration.held_by_project).then_some(Asked::Resume)
        }
        Some(Request::Stop { .. } | Request::Pause { .. } | Request::Resume { .. }) | None => None,
    })
}

/// Whether something was asked for while a slice that is over now wrote how it ended: it is due at
/// once then. To be called when the lease is released, since whoever does not get that counts on the
/// slice to see the request.
pub(crate) async fn asked_meanwhile(
    store: &impl Store,
    migration: &Migration,
    (due_ms, now): (Option<u64>, Timestamp),
) -> Result<Option<u64>, Error> {
    let soon = due_ms.is_some_and(|due_ms| due_ms <= now.0);
    if soon || request(store, migration).await?.is_none() {
        return Ok(due_ms);
    }
    due::set(store, &migration.id, Some(now.0)).await?;
    Ok(Some(now.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_of_an_earlier_run_is_nothing_to_this() {
        let stop = |sync_point| asked_for(Some(Request::Stop { sync_point }), 2);
        assert!(stop(1).is_ok());
        assert!(matches!(stop(2), Err(Halt::Stopped)));
        let pause = asked_for(Some(Request::Pause { sync_point: 3 }), 2);
        assert!(matches!(pause, Err(Halt::Paused)));
        assert!(asked_for(None, 0).is_ok());
    }
}
