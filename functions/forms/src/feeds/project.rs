//! The state of every migration of a project, as a table.

use ::tables::writing::csv::{CsvWriter, Mark};
use ::tables::writing::{neutral, xlsx};
use model::{ProjectId, Status, Timestamp, Verdict};
use project::members::{self, ROWS_PER_PAGE, Row};
use project::record;
use store::Store;

use crate::answer::{Answer, XLSX_MEDIA_TYPE};
use crate::app::{App, Outside};
use crate::feed::Out;
use crate::refusals::{Code, Refusal};

/// The columns.
const HEADER: [&str; 21] = [
    "Number",
    "Id",
    "Group",
    "Source",
    "Source server",
    "Destination",
    "Destination server",
    "Status",
    "Verdict",
    "Items found",
    "Migrated",
    "Already there",
    "Left out",
    "Failed",
    "Bytes found",
    "Bytes migrated",
    "Started",
    "Finished",
    "Error",
    "Taken back",
    "Not taken back",
];

fn cells(number: u32, row: &Row) -> [String; 21] {
    let moment = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.rfc3339());
    [
        (number + 1).to_string(),
        row.id.to_string(),
        row.group.clone().unwrap_or_default(),
        row.source.clone(),
        row.source_url.clone(),
        row.destination.clone(),
        row.destination_url.clone(),
        row.status.map_or("", Status::name).to_owned(),
        row.verdict.map_or("", Verdict::name).to_owned(),
        row.progress.total.to_string(),
        row.progress.migrated.to_string(),
        row.progress.skipped.to_string(),
        row.progress.left_out.to_string(),
        row.progress.failed.to_string(),
        row.progress.bytes_total.to_string(),
        row.progress.bytes_migrated.to_string(),
        moment(row.started_at),
        moment(row.finished_at),
        row.error.clone().unwrap_or_default(),
        row.removal.map_or_else(String::new, |removal| removal.removed.to_string()),
        row.removal.map_or_else(String::new, |removal| removal.left.to_string()),
    ]
}

/// One page of rows; `None` after the last.
async fn page(
    store: &impl Store,
    id: &ProjectId,
    number: u32,
) -> Result<Option<Vec<[String; 21]>>, store::Error> {
    let count = record::queue(store, id).await?.count;
    if number >= count.div_ceil(ROWS_PER_PAGE) {
        return Ok(None);
    }
    let rows = members::page(store, id, number, count).await?;
    let rows = rows.iter().filter(|(_, row)| row.status.is_some());
    Ok(Some(rows.map(|(number, row)| cells(*number, row)).collect()))
}

/// Sends the CSV.
pub async fn send_csv(
    id: &ProjectId,
    store: &impl Store,
    out: &mut impl Out,
) -> Result<(), store::Error> {
    let mut writer = CsvWriter::new(b',', Mark::Written);
    writer.row(&HEADER);
    for number in 0.. {
        let Some(rows) = page(store, id, number).await? else { break };
        for row in rows {
            writer.row(&row.each_ref().map(String::as_str));
        }
        if !out.send(writer.take().into()).await {
            return Ok(());
        }
    }
    out.send(writer.take().into()).await;
    Ok(())
}

/// The workbook.
pub async fn workbook<O: Outside>(app: &App<O>, id: &ProjectId) -> Result<Answer, Refusal> {
    let failed = |error: xlsx::Error| Refusal::because(Code::Unavailable, error.to_string());
    let mut writer = xlsx::WorkbookWriter::new("Migrations", &HEADER).map_err(failed)?;
    for number in 0.. {
        let Some(rows) = page(app.store(), id, number).await? else { break };
        for row in rows {
            // No text is a formula in a workbook, but it may be saved as CSV from there.
            let cells = row.each_ref().map(|cell| neutral(cell));
            writer.row(&cells.each_ref().map(|cell| &**cell)).map_err(failed)?;
        }
    }
    let bytes = writer.finish().map_err(failed)?;
    Ok(Answer::whole(200, XLSX_MEDIA_TYPE, bytes.into())
        .with("content-disposition", "attachment; filename=\"migrations.xlsx\""))
}
