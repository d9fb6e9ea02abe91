//! What an owner does with a migration that has begun: try again, hold, go on, take back.

use migrate::Side;
use migrate::lifecycle::{self, Outcome};
use migrate::login::Detail;
use migrate::removal::{Preview, PreviewError};
use migrate::tries::{Ended, Try};
use model::{Action, Migration};
use store::seal::Credentials;

use crate::app::{App, Outside, done, refused};
use crate::reading::Errors;
use crate::reading::removal::Removal;
use crate::refusals::{Code, Refusal};
use crate::steps::limiting;

fn allowed(migration: &Migration, action: Action) -> Result<(), Refusal> {
    match migration.status.allows(action) {
        true => Ok(()),
        false => done(Outcome::NotInThisState(migration.status)),
    }
}

/// Holds it, for a week at most.
pub async fn pause<O: Outside>(app: &App<O>, migration: &Migration) -> Result<(), Refusal> {
    done(lifecycle::pause(app.store(), &migration.id, app.now(), &app.boot).await?)
}

/// Goes on after a pause.
pub async fn resume<O: Outside>(app: &App<O>, migration: &Migration) -> Result<(), Refusal> {
    done(lifecycle::resume(app.store(), &migration.id, app.now(), &app.boot).await?)
}

/// Tries once more what was refused, once both log-ins have worked.
pub async fn retry<O: Outside>(
    app: &App<O>,
    migration: &Migration,
    credentials: &Credentials,
) -> Result<(), Refusal> {
    let (seal, random) = (app.seal()?, &app.outside);
    allowed(migration, Action::Retry)?;
    let sides = (&migration.source, &migration.destination);
    app.try_both(sides, credentials, Detail::PasswordOnly).await?;
    let (id, now, boot) = (&migration.id, app.now(), &app.boot);
    let outcome = lifecycle::retry(app.store(), (seal, random), id, credentials, now, boot).await?;
    app.begun(migration, outcome).await
}

/// Begins a removal, or tells what it would do.
pub async fn remove<O: Outside>(
    app: &App<O>,
    migration: &Migration,
    removal: Removal,
) -> Result<Option<Preview>, Refusal> {
    let (seal, random) = (app.seal()?, &app.outside);
    let Removal { from, dry_run, credential } = removal;
    allowed(migration, Action::Remove)?;
    let mut later = migration.sync_points.iter().filter(|point| point.number >= from);
    if later.all(|point| point.removed) {
        let detail = "What these sync points brought has been taken back already.";
        return Err(Refusal::because(Code::NotInThisState, detail));
    }
    let id = &migration.id;
    if dry_run {
        let one = Try::new(&app.client, &migration.destination);
        one.begin(app.store(), app.now()).await??;
        let seen = app.outside.preview(id, from, &credential).await;
        let ended = match &seen {
            Ok(_) | Err(PreviewError::Store(_)) => Ended::In,
            Err(PreviewError::Refused(refusal)) => limiting::ended(Some(refusal)),
            Err(PreviewError::Broke(_)) => Ended::Elsewhere,
        };
        one.end(app.store(), ended, app.now()).await?;
        return match seen {
            Ok(preview) => Ok(Some(preview)),
            Err(PreviewError::Refused(refusal)) => {
                let mut errors = Errors::default();
                refused(&mut errors, "/destination", refusal);
                errors.finish(None)
            }
            Err(PreviewError::Broke(sentence)) => {
                let mut errors = Errors::default();
                errors.add("/destination/url", Code::Unreachable, sentence);
                errors.finish(None)
            }
            Err(PreviewError::Store(error)) => Err(error.into()),
        };
    }
    let check = app.try_account(
        Side::Destination,
        &migration.destination,
        &credential,
        Detail::PasswordOnly,
    );
    if let Err(refusal) = check.await? {
        let mut errors = Errors::default();
        refused(&mut errors, "/destination", refusal);
        return errors.finish(None);
    }
    let (now, boot) = (app.now(), &app.boot);
    let begun =
        lifecycle::remove(app.store(), (seal, random), id, (from, credential), now, boot).await?;
    app.begun(migration, begun).await.map(|()| None)
}
