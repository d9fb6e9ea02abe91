//! What the frame calls: a run, a removal, the report.

use model::{FolderReport, MigrationId, Verdict};
use services::objects::Objects;
use store::{Error, Store, keys, records};

use crate::context::{Context, Halt};
use crate::lane::{Done, Lane};
use crate::record::{Position, Row, Stage};
use crate::{bring, discover, list, outcome, remove as removal, verify};

/// Works on a run until it is through, or a slice has to end; goes on where the last slice ended.
pub async fn run<C: Context, S: Objects>(
    ctx: &mut C,
    source: &mut S,
    destination: &mut S,
) -> Result<(), Halt<C::Stop>> {
    let mut lane = Lane::load(ctx).await?;
    if lane.position.removing.take().is_some() {
        // A removal was given up: what it took back is looked for at the source again.
        for at in lane.numbers() {
            let row = lane.row_mut(at)?;
            (row.settled, row.sums) = (None, None);
        }
    }
    let position = &mut lane.position;
    if position.run != ctx.sync_point() {
        (position.discovered, position.finished) = (false, false);
    }
    if position.finished {
        return Ok(());
    }
    outcome::reconcile(ctx, &mut lane, (source, destination), false).await?;
    if !lane.position.discovered {
        discover::discover(ctx, &mut lane, (source, destination)).await?;
    }
    for stage in [Stage::List, Stage::Bring] {
        // All collections are listed before anything is brought, so that totals are known.
        for at in lane.numbers() {
            while lane.row(at)?.stage <= stage {
                step(ctx, &mut lane, at, (source, destination)).await?;
                ctx.check_budget().map_err(Halt::Stop)?;
            }
        }
    }
    for at in lane.numbers() {
        while lane.row(at)?.stage != Stage::Done {
            step(ctx, &mut lane, at, (source, destination)).await?;
            ctx.check_budget().map_err(Halt::Stop)?;
        }
    }
    ctx.at_work(None);
    lane.position.finished = true;
    ctx.progressed();
    lane.checkpoint(ctx).await
}

async fn step<C: Context, S: Objects>(
    ctx: &mut C,
    lane: &mut Lane,
    at: u32,
    (source, destination): (&mut S, &mut S),
) -> Done<C> {
    match lane.row(at)?.stage {
        Stage::List => list::list(ctx, lane, at, source).await,
        Stage::Bring => bring::bring(ctx, lane, at, (source, destination)).await,
        Stage::Verify => verify::verify(ctx, lane, at, (source, destination)).await,
        Stage::Done => Ok(()),
    }
}

/// Takes back what sync points from `from` on brought.
pub async fn remove<C: Context, S: Objects>(
    ctx: &mut C,
    from: u32,
    source: &mut S,
    destination: &mut S,
) -> Result<(), Halt<C::Stop>> {
    let mut lane = Lane::load(ctx).await?;
    outcome::reconcile(ctx, &mut lane, (source, destination), true).await?;
    removal::remove(ctx, &mut lane, from, destination).await
}

/// Whether the run of this sync point is through.
pub async fn is_finished<C: Context>(ctx: &C) -> Result<bool, Error> {
    let key = keys::objects(ctx.id());
    let position: Option<Position> = records::read(ctx.store(), &key).await?;
    Ok(position.is_some_and(|it| it.run == ctx.sync_point() && it.finished))
}

/// All collections, as they stand in the report.
pub async fn report(store: &impl Store, id: &MigrationId) -> Result<Vec<FolderReport>, Error> {
    let position: Option<Position> = records::read(store, &keys::objects(id)).await?;
    let mut reports = Vec::new();
    for at in 0..position.unwrap_or_default().rows {
        let key = keys::collection(id, at);
        let row: Option<Row> = records::read(store, &key).await?;
        let gone = || Error::Unreadable { key, reason: "it is gone".into() };
        reports.push(row.ok_or_else(gone)?.report());
    }
    Ok(reports)
}

/// The verdict on all collections that this migration moves: the worst of theirs.
pub async fn verdict(store: &impl Store, id: &MigrationId) -> Result<Verdict, Error> {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Complete => 0,
        Verdict::CompleteButFailures => 1,
        Verdict::Unknown => 2,
        Verdict::Differs => 3,
    };
    let position: Option<Position> = records::read(store, &keys::objects(id)).await?;
    let mut worst = Verdict::Complete;
    for at in 0..position.unwrap_or_default().rows {
        let row: Row = records::read(store, &keys::collection(id, at)).await?.unwrap_or_default();
        let own = row.verdict.unwrap_or(Verdict::Unknown);
        if row.is_moved() && rank(&own) > rank(&worst) {
            worst = own;
        }
    }
    Ok(worst)
}
