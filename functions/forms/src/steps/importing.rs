//! Many migrations from one table: added, all or none, or tried again with other passwords.

use std::collections::BTreeMap;

use migrate::lifecycle::{self, Outcome};
use migrate::projects::add::Entry;
use model::{Account, Options, Project, Status};
use project::members::{self, Filter, Row};
use project::record;

use crate::app::{App, Outside};
use crate::refusals::{Cell, Code, InputError, Refusal};
use crate::shown::tables::{Preview, Retried};
use crate::steps::{adding as add, repeated};
use crate::tables::drafts::ERRORS_MAX;
use crate::tables::entries::{self, Entry as Read, read_entries};

/// What became of a table.
#[derive(Debug)]
pub enum Imported {
    /// It could be added.
    Fits(Preview),
    /// So many were added.
    Added(usize),
}

/// Reads a table and adds all of it, unless anything is wrong or this is only to be seen.
pub async fn run<O: Outside>(
    app: &App<O>,
    project: &Project,
    file: &[u8],
    dry_run: bool,
) -> Result<Imported, Refusal> {
    let entries = read_entries(file, &project.options, app.plaintext)?;
    let count = record::queue(app.store(), &project.id).await?.count;
    let whole = (0, count, usize::MAX);
    let (known, _) = members::list(app.store(), &project.id, whole, &Filter::default()).await?;
    refuse_known(&entries, &known)?;
    repeated::refuse(&entries)?;
    if dry_run {
        return Ok(Imported::Fits(entries::preview(&entries)));
    }
    let lines: Vec<u32> = entries.iter().map(|entry| entry.line).collect();
    let entries: Vec<Entry> = entries.into_iter().map(entry).collect();
    match add::all(app, project, &entries).await? {
        Ok(ids) => Ok(Imported::Added(ids.len())),
        Err(taken) => {
            let rows = taken.iter().filter_map(|(at, _)| lines.get(*at));
            Err(Refusal::input(rows.map(|line| is_taken(*line)).collect()))
        }
    }
}

/// Nobody has logged in to the accounts of a table, so which migration it is is not told.
fn is_taken(line: u32) -> InputError {
    let column = "Destination Mail";
    InputError {
        pointer: format!("/rows/{line}/{column}"),
        code: Code::AlreadyRunning,
        detail: "Another migration of these two accounts is at work; wait for its end.".to_owned(),
        cell: Some(Cell { line, column: column.to_owned() }),
    }
}

fn entry(read: Read) -> Entry {
    Entry {
        source: read.source,
        destination: read.destination,
        items: read.items,
        options: Options::default(),
        credentials: read.credentials,
        group: read.group,
    }
}

/// A mailbox, as far as it can be told from its login and server.
fn mailbox(login: &str, url: &str) -> (String, String) {
    let server = url.split_once("://").map_or(url, |(_, rest)| rest);
    let server = server.rsplit_once('@').map_or(server, |(_, host)| host);
    (login.trim().to_lowercase(), server.to_lowercase())
}

/// Two migrations into one mailbox would each take the other's messages for the owner's.
fn refuse_known(entries: &[Read], known: &[(u32, Row)]) -> Result<(), Refusal> {
    let known: BTreeMap<(String, String), u32> = known
        .iter()
        .map(|(number, row)| (mailbox(&row.destination, &row.destination_url), *number))
        .collect();
    let column = "Destination Mail";
    let found = entries.iter().filter_map(|entry| {
        let Account { login, url, .. } = &entry.destination;
        let number = known.get(&mailbox(login, url))?;
        let detail = format!(
            "Migration {number} of this project goes to the mailbox {login} already.",
            number = number + 1
        );
        Some(InputError {
            pointer: format!("/rows/{}/{column}", entry.line),
            code: Code::Repeated,
            detail,
            cell: Some(Cell { line: entry.line, column: column.to_owned() }),
        })
    });
    let errors: Vec<InputError> = found.take(ERRORS_MAX).collect();
    if errors.is_empty() { Ok(()) } else { Err(Refusal::input(errors)) }
}

/// The same for pages.
pub async fn retry<O: Outside>(
    app: &App<O>,
    project: &Project,
    file: &[u8],
) -> Result<Retried, Refusal> {
    let seal = app.seal()?;
    let entries = read_entries(file, &project.options, app.plaintext)?;
    let count = record::queue(app.store(), &project.id).await?.count;
    let whole = (0, count, usize::MAX);
    let (rows, _) = members::list(app.store(), &project.id, whole, &Filter::default()).await?;
    let pair = |source: &str, destination: &str| {
        (source.trim().to_lowercase(), destination.trim().to_lowercase())
    };
    let known: BTreeMap<(String, String), &Row> =
        rows.iter().map(|(_, row)| (pair(&row.source, &row.destination), row)).collect();
    let mut done = Retried::default();
    for entry in entries {
        let pair = pair(&entry.source.login, &entry.destination.login);
        let Some(row) = known.get(&pair) else {
            done.unknown += 1;
            continue;
        };
        let sealing = (seal, &app.outside);
        let (id, credentials, now) = (&row.id, &entry.credentials, app.now());
        let outcome = match row.status {
            Some(Status::CompletedWithErrors) => {
                lifecycle::retry(app.store(), sealing, id, credentials, now, &app.boot).await?
            }
            // Perhaps it never got as far as having anything to try again.
            Some(Status::Failed | Status::Stopped) => {
                lifecycle::synchronise(app.store(), sealing, id, credentials, now, &app.boot)
                    .await?
            }
            _ => Outcome::Gone,
        };
        match outcome {
            Outcome::Done => done.retried += 1,
            Outcome::Gone | Outcome::Taken | Outcome::NotInThisState(_) => done.skipped += 1,
        }
    }
    Ok(done)
}
