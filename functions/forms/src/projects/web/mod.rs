//! The pages' face of projects: forms in, pages and redirections out.
//!
//! Reading order: here who is let in, and the queue; [`tables`] (spreadsheets), [`adding`] (one
//! migration), [`options`].
//!
//! Whoever is not logged in gets the way in (401), and from there comes back to the page that was
//! asked for.

mod adding;
mod options;
mod tables;

use migrate::projects::{self, erase};
use model::{Project, ProjectId};
use pages::project::enter::{self, Notice};
use pages::project::follow::{self, Done, Follow, State};
use project::{guard, members};
use serde_json::{Map, Value, json};
use wire::Secret;

use super::{api, session};
use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::reading::project as reading;
use crate::refusals::{Code, Refusal};
use crate::request::{Request, value};
use crate::shown::project::{self as shown, Overview};
use crate::web::{elsewhere, form_body, language, show};
use crate::{Route, form_fields, route};

/// Every page of a project, and what their forms send.
pub async fn answer<O: Outside>(
    app: &App<O>,
    route: Route,
    id: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    match route {
        Route::ProjectNewForm => {
            return Ok(show(request, 200, |page| enter::new(page, &Default::default())));
        }
        Route::ProjectNew => return make(app, request, body).await,
        Route::ProjectOpenForm => return Ok(open_form(request)),
        Route::ProjectOpen => return open(app, request, body).await,
        Route::ProjectClose => return close(app, id, request).await,
        _ => {}
    }
    let project = session::open(app, id, request).await?;
    let first = address(&project, "");
    match route {
        Route::ProjectPause => {
            projects::pause(app.store(), &project.id, app.now()).await?;
            Ok(Answer::see_other(&first))
        }
        Route::ProjectResume => {
            projects::resume(app.store(), &project.id, app.now()).await?;
            Ok(Answer::see_other(&first))
        }
        Route::ProjectErase => erase(app, &project, request, body).await,
        Route::ProjectImportForm => Ok(tables::import_form(&project, request)),
        Route::ProjectImport => tables::import(app, &project, request, body).await,
        Route::ProjectRetryForm => Ok(tables::retry_form(&project, request)),
        Route::ProjectRetry => tables::retry(app, &project, request, body).await,
        Route::ProjectAddForm => Ok(adding::form(&project, request)),
        Route::ProjectAdd => adding::add(app, &project, request, body).await,
        Route::ProjectOptionsForm => options::form(app, &project, request).await,
        Route::ProjectOptionsSave => options::save(app, &project, request, body).await,
        _ => follow(app, project, request).await,
    }
}

/// The address of one of a project's pages.
fn address(project: &Project, tail: &str) -> String {
    format!("/projects/{}{tail}", project.id)
}

/// What pages call a project.
fn named<'p>(project: &'p Project) -> pages::project::Project<'p> {
    pages::project::Project { id: project.id.as_str(), name: &project.name }
}

async fn make<O: Outside>(app: &App<O>, request: &Request, body: &[u8]) -> Result<Answer, Refusal> {
    let mut fields = form_body(request, body)?;
    let mut object = Map::from_iter([("language".to_owned(), json!(language(request).tag()))]);
    for (name, text) in &mut fields {
        // A password is taken out, so that no second copy is left to be shown.
        let given = if name == "password" { std::mem::take(text) } else { text.clone() };
        if !given.is_empty() {
            object.insert(name.clone(), json!(given));
        }
    }
    let made = match reading::creation(Value::Object(object)) {
        Ok(creation) => api::make(app, creation).await,
        Err(refusal) => Err(refusal),
    };
    match made {
        Ok(id) => {
            let token = guard::begin_session(app.store(), &id, &app.outside, app.now()).await?;
            let answer = Answer::see_other(&format!("/projects/{id}?made=yes"));
            Ok(session::with_cookie(answer, request, &id, &token))
        }
        Err(refusal) if refusal.code == Code::InvalidInput => {
            fields.retain(|(name, _)| name != "password");
            let filled = form_fields::filled(&fields, &refusal);
            Ok(show(request, refusal.code.status(), |page| enter::new(page, &filled)))
        }
        Err(refusal) => Err(refusal),
    }
}

/// The page that leads to where a project is opened, for a request that nobody is logged in for.
pub(crate) fn way_in(request: &Request, id: &str) -> Answer {
    // What a form sent is lost; its page has the same address, or there is none.
    let query: Vec<(String, String)> = match request.method {
        http::Method::GET => request.query.clone(),
        _ => Vec::new(),
    };
    let words: Vec<String> = query
        .iter()
        .filter(|(name, _)| name != "lang")
        .map(|(name, value)| {
            format!("{}={}", pages::layout::encode(name), pages::layout::encode(value))
        })
        .collect();
    let mark = if words.is_empty() { "" } else { "?" };
    let back = format!("{}{mark}{}", request.path, words.join("&"));
    let back = if back_to(id, &back).is_some() { back } else { String::new() };
    opening(request, Notice::SignIn, (id, &back), 401)
}

/// The way in as a page; its address for the language switch is that of the empty form.
fn opening(request: &Request, notice: Notice, (id, back): (&str, &str), status: u16) -> Answer {
    let query = [("id", id), ("back", back)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut asked: Vec<(String, String)> = query.collect();
    asked.extend(request.asked("lang").map(|tag| ("lang".to_owned(), tag.to_owned())));
    let request = elsewhere(request, "/projects/open".to_owned(), asked);
    let answer = show(&request, status, |page| enter::open(page, enter::Open { id, back, notice }));
    if status == 401 { answer.with("www-authenticate", "Bearer") } else { answer }
}

fn open_form(request: &Request) -> Answer {
    let id = request.asked("id").unwrap_or_default();
    let back = request.asked("back").unwrap_or_default();
    let closed = request.asked("closed").is_some();
    let notice = if closed { Notice::Closed } else { Notice::Nothing };
    opening(request, notice, (id, back), 200)
}

/// Where to go once a project is open: a page of that very project.
fn back_to(id: &str, back: &str) -> Option<String> {
    let id = ProjectId::parse(id)?;
    let path = back.split('?').next().unwrap_or_default();
    let its = path.strip_prefix("/projects/")?.split('/').next()?;
    let safe = back.bytes().all(|byte| byte.is_ascii_graphic());
    let known = route("GET", path).is_ok();
    (safe && known && ProjectId::parse(its) == Some(id)).then(|| back.to_owned())
}

async fn open<O: Outside>(app: &App<O>, request: &Request, body: &[u8]) -> Result<Answer, Refusal> {
    let fields = form_body(request, body)?;
    let typed = value(&fields, "id").unwrap_or_default();
    let back = value(&fields, "back").unwrap_or_default();
    let password = Secret::new(value(&fields, "password").unwrap_or_default().to_owned());
    match session::begin(app, typed, &password).await {
        Ok((id, token)) => {
            let to = back_to(typed, back).unwrap_or_else(|| format!("/projects/{id}"));
            Ok(session::with_cookie(Answer::see_other(&to), request, &id, &token))
        }
        Err(refusal) if refusal.code == Code::WrongPassword => {
            Ok(opening(request, Notice::Wrong, (typed, back), 401))
        }
        Err(refusal) if refusal.code == Code::TooManyTries => {
            let seconds = refusal.retry_after_s.unwrap_or(1);
            let answer = opening(request, Notice::Wait(seconds), (typed, back), 429);
            Ok(answer.with("retry-after", seconds.to_string()))
        }
        Err(refusal) => Err(refusal),
    }
}

async fn close<O: Outside>(app: &App<O>, id: &str, request: &Request) -> Result<Answer, Refusal> {
    match session::end(app, id, request).await {
        Ok(()) => {}
        // It was over already.
        Err(refusal) if refusal.code == Code::SignIn => {}
        Err(refusal) => return Err(refusal),
    }
    let Some(id) = ProjectId::parse(id) else { return Ok(way_in(request, id)) };
    let to = format!("{}&closed=yes", enter::address(id.as_str()));
    Ok(session::without_cookie(Answer::see_other(&to), request, &id))
}

async fn erase<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let fields = form_body(request, body)?;
    if value(&fields, "confirmed") != Some("yes") {
        return Ok(Answer::see_other(&address(project, "/options")));
    }
    erase::begin(app.store(), &project.id, app.now().0).await?;
    // The address of the form that was sent shows nothing, so the language switch leads onwards.
    let onwards = elsewhere(request, "/".to_owned(), Vec::new());
    let answer = show(&onwards, 200, enter::erased);
    Ok(session::without_cookie(answer, request, &project.id))
}

/// What the redirection to this page told of.
fn done(request: &Request) -> Done {
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

async fn follow<O: Outside>(
    app: &App<O>,
    project: Project,
    request: &Request,
) -> Result<Answer, Refusal> {
    let (filter, from) = api::asked(request)?;
    let overview = api::overview(app, project).await?;
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
fn shown_row(number: u32, row: &members::Row) -> Option<follow::Row<'_>> {
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
