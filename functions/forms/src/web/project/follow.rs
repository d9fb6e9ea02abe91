//! How far a project is.

use model::Project;
use pages::project::follow::{self, Done, Follow, State};
use project::members;

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::refusals::Refusal;
use crate::request::Request;
use crate::shown::project::{self as shown, Overview};
use crate::steps::projects as steps_projects;
use crate::web::page::show;
use crate::web::project::parts::named;

/// What the redirection to this page told of.
pub fn done(request: &Request) -> Done {
    let number = |name| request.asked(name).and_then(|text| text.parse::<u64>().ok());
    match (request.asked("made"), number("added"), number("retried")) {
        (Some(_), _, _) => Done::Made,
        (None, Some(added), _) => Done::Added(added),
        (None, None, Some(retried)) => Done::Retried {
            retried,
            skipped: number("skipped").unwrap_or_default(),
            unknown: number("unknown").unwrap_or_default(),
        },
        (None, None, None) => Done::Nothing,
    }
}

pub(super) async fn follow<O: Outside>(
    app: &App<O>,
    project: Project,
    request: &Request,
) -> Result<Answer, Refusal> {
    let (filter, from) = steps_projects::asked(request)?;
    let overview = steps_projects::overview(app, project).await?;
    let (id, count) = (&overview.project.id, overview.queue.count);
    let (listed, more) =
        members::list(app.store(), id, (from, count, follow::ROWS), &filter).await?;
    let rows: Vec<follow::Row<'_>> =
        listed.iter().filter_map(|(number, row)| shown_row(*number, row)).collect();
    let word = |name| request.asked(name).unwrap_or_default();
    let last = listed.last().filter(|_| more.is_some()).map(|(number, _)| *number);
    let part = follow::Part {
        status: word("status"),
        search: word("search"),
        after: word("after"),
        next: last,
    };
    let follow = Follow {
        project: named(&overview.project),
        state: state(&overview),
        items: &overview.project.options.items,
        totals: totals(&overview),
        eta_seconds: overview.eta_seconds,
        rows: &rows,
        part,
        done: done(request),
    };
    Ok(show(request, 200, |page| follow::page(page, &follow)))
}

fn state(overview: &Overview) -> State {
    match overview.state() {
        shown::State::Paused => State::Paused,
        shown::State::Running => State::Running,
        shown::State::Idle => State::Idle,
    }
}

fn totals(overview: &Overview) -> follow::Totals<'_> {
    let totals = &overview.totals;
    follow::Totals {
        by_status: &totals.by_status,
        migrations: totals.members(),
        ended: totals.ended(),
        total: totals.progress.total,
        done: totals.progress.done(),
        failed: totals.progress.failed,
        bytes_total: totals.progress.bytes_total,
        bytes_migrated: totals.progress.bytes_migrated,
    }
}

/// A migration of the list; nothing of one that was erased.
pub fn shown_row(number: u32, row: &members::Row) -> Option<follow::Row<'_>> {
    Some(follow::Row {
        number: u64::from(number) + 1,
        id: row.id.as_str(),
        source: &row.source,
        destination: &row.destination,
        group: row.group.as_deref(),
        status: row.status?,
        removal: row.removal,
        total: row.progress.total,
        done: row.progress.done(),
        error: row.error.as_deref(),
    })
}
