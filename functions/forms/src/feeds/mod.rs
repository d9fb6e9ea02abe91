//! Answers that are made while they are sent: events, tables, the report.
//!
//! A page of rows is read, written and forgotten, so the memory does not grow with the mailbox.
//!
//! Reading order: here, [`project`].

pub mod project;

use ::tables::writing::csv::{CsvWriter, Mark};
use bytes::Bytes;
use migrate::manifest::{self, Manifest};
use migrate::{lifecycle, report};
use model::{Failure, FolderReport, MigrationId, Status, Verdict};
use serde::Serialize;
use store::{Error, Store};
use wire::Clock;

use crate::feed::{Feed, Out};
use crate::shown::migration as shown;
use crate::shown::report::{Fingerprint, ReportEnd, ReportHead};

/// How often the store is asked whether a migration changed.
const LOOK_EVERY_MS: u64 = 500;

/// How often something is sent although nothing changed, so that proxies keep the line and a
/// reader who has left is noticed.
const PING_EVERY_MS: u64 = 15_000;

/// How long one answer with events lasts; the reader connects again by itself.
const EVENTS_MAX_MS: u64 = 3_600_000;

/// Failures read at a time.
const FAILURES_AT_A_TIME: usize = 200;

/// Makes `feed` and sends it. An error cuts the answer short, so that it is not taken for whole.
pub async fn run(
    feed: &Feed,
    store: &impl Store,
    clock: &impl Clock,
    out: &mut impl Out,
) -> Result<(), Error> {
    match feed {
        Feed::Events(id, retention_ms) => events((id, *retention_ms), store, clock, out).await,
        Feed::FailuresCsv(id) => failures_csv(id, store, out).await,
        Feed::Report(id, status) => report_json(id, *status, store, out).await,
        Feed::ReportCsv(id) => report_csv(id, store, out).await,
        Feed::ProjectCsv(id) => project::send_csv(id, store, out).await,
        Feed::Manifest(id) => manifest(id, store, out).await,
    }
}

async fn events(
    (id, retention_ms): (&MigrationId, u64),
    store: &impl Store,
    clock: &impl Clock,
    out: &mut impl Out,
) -> Result<(), Error> {
    let begun = clock.monotonic_ms();
    let mut sent_at = begun;
    let mut last = String::new();
    if !out.send(Bytes::from_static(b"retry: 2000\n\n")).await {
        return Ok(());
    }
    while clock.monotonic_ms().saturating_sub(begun) < EVENTS_MAX_MS {
        let Some(migration) = lifecycle::read(store, id).await? else { return Ok(()) };
        let text = written(&shown::object(&migration, retention_ms))?;
        let now = clock.monotonic_ms();
        if text != last {
            if !out.send(format!("data: {text}\n\n").into()).await {
                return Ok(());
            }
            (sent_at, last) = (now, text);
        } else if now.saturating_sub(sent_at) >= PING_EVERY_MS {
            if !out.send(Bytes::from_static(b": still here\n\n")).await {
                return Ok(());
            }
            sent_at = now;
        }
        if migration.status.is_final() {
            return Ok(());
        }
        clock.sleep_ms(LOOK_EVERY_MS).await;
    }
    Ok(())
}

/// A row of CSV, in which no cell is a formula.
fn row(cells: &[&str]) -> Bytes {
    let mut writer = CsvWriter::new(b',', Mark::LeftOut);
    writer.row(cells);
    writer.take().into()
}

async fn failures_csv(
    id: &MigrationId,
    store: &impl Store,
    out: &mut impl Out,
) -> Result<(), Error> {
    let head = row(&["item", "folder", "subject", "date", "size_bytes", "code", "reason"]);
    if !out.send(head).await {
        return Ok(());
    }
    let mut after = 0;
    loop {
        let failures = report::failures(store, id, after, FAILURES_AT_A_TIME).await?;
        let Some((last, _)) = failures.last() else { return Ok(()) };
        after = *last;
        let rows: Vec<Bytes> = failures.iter().map(|(_, failure)| failure_row(failure)).collect();
        if !out.send(rows.concat().into()).await {
            return Ok(());
        }
    }
}

fn failure_row(failure: &Failure) -> Bytes {
    row(&[
        failure.item.name(),
        &failure.folder,
        &failure.subject,
        failure.date.as_deref().unwrap_or_default(),
        &failure.size_bytes.to_string(),
        failure.code.name(),
        &failure.reason,
    ])
}

async fn report_json(
    id: &MigrationId,
    status: Status,
    store: &impl Store,
    out: &mut impl Out,
) -> Result<(), Error> {
    // One object, whose middle is made while it is read: head and end are whole objects without
    // their braces.
    let head = inner(&ReportHead { id, status })?;
    if !out.send(format!("{{{head},\"folders\":[").into()).await {
        return Ok(());
    }
    let mut verdicts: Vec<Verdict> = Vec::new();
    let (mut page, mut first) = (0, true);
    while let Some(folders) = report::folders(store, id, page).await? {
        let mut piece = String::new();
        for folder in &folders {
            piece.push_str(if first { "" } else { "," });
            piece.push_str(&written(folder)?);
            first = false;
        }
        verdicts.extend(folders.iter().map(|folder| folder.verdict));
        // The worst so far is all that is needed of the verdicts.
        verdicts = vec![pages::report::overall(verdicts)];
        if !out.send(piece.into()).await {
            return Ok(());
        }
        page += 1;
    }
    let verdict = if first { Verdict::Unknown } else { pages::report::overall(verdicts) };
    // Of what is still on its way there is no last word.
    let manifest = match status.is_final() {
        true => {
            let (lines, sha256) = manifest::fingerprint(store, id).await?;
            Some(Fingerprint { lines, sha256 })
        }
        false => None,
    };
    let end = inner(&ReportEnd { verdict, manifest })?;
    out.send(format!("],{end}}}").into()).await;
    Ok(())
}

/// An object as JSON.
fn written(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Store(error.to_string()))
}

/// The fields of an object without the braces around them.
fn inner(value: &impl Serialize) -> Result<String, Error> {
    let text = written(value)?;
    let fields = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    Ok(fields.unwrap_or_default().to_owned())
}

async fn manifest(id: &MigrationId, store: &impl Store, out: &mut impl Out) -> Result<(), Error> {
    let mut manifest = Manifest::open(store, id).await?;
    while let Some((text, _)) = manifest.next(store).await? {
        if !out.send(text.into()).await {
            return Ok(());
        }
    }
    Ok(())
}

const REPORT_HEAD: [&str; 12] = [
    "source",
    "destination",
    "source_messages",
    "source_bytes",
    "destination_messages",
    "destination_bytes",
    "migrated",
    "adopted",
    "left_out",
    "failed",
    "verdict",
    "remarks",
];

async fn report_csv(id: &MigrationId, store: &impl Store, out: &mut impl Out) -> Result<(), Error> {
    if !out.send(row(&REPORT_HEAD)).await {
        return Ok(());
    }
    let mut page = 0;
    while let Some(folders) = report::folders(store, id, page).await? {
        let rows: Vec<Bytes> = folders.iter().map(folder_row).collect();
        if !out.send(rows.concat().into()).await {
            return Ok(());
        }
        page += 1;
    }
    Ok(())
}

fn folder_row(folder: &FolderReport) -> Bytes {
    let numbers = [
        folder.source_messages,
        folder.source_bytes,
        folder.destination_messages,
        folder.destination_bytes,
        folder.migrated,
        folder.adopted,
        folder.left_out,
        folder.failed,
    ]
    .map(|n| n.to_string());
    let remarks = folder.remarks.join("; ");
    let mut cells = vec![folder.source.as_str(), folder.destination.as_str()];
    cells.extend(numbers.iter().map(String::as_str));
    cells.extend([folder.verdict.name(), &remarks]);
    row(&cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        for (cells, expected) in [
            (&["a", "b"][..], "a,b\r\n"),
            (&["a,b", "say \"x\"", "two\nlines"], "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\r\n"),
            (&["=1+1", "-5", "@x", "+1,2"], "'=1+1,'-5,'@x,\"'+1,2\"\r\n"),
            (&["", "ä"], ",ä\r\n"),
        ] {
            assert_eq!(row(cells), expected);
        }
    }
}
