//! How a project stands: its sums, its queue, its migrations.
//!
//! Parts marked `data-live` are exchanged by the script while the page stays where it is; the
//! search is not among them, so that nobody is interrupted while typing.

use std::collections::BTreeMap;

use maud::{Markup, html};
use model::{Item, Removal, Status};

use super::{Project, Tab, frame, identifier};
use crate::Page;
use crate::layout::{Reload, encode};
use crate::show::{bytes, duration, number, percent};
use crate::tracking::status_class;
use crate::words::fill;

/// Rows of one page.
pub const ROWS: usize = 50;

/// What the queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its owner holds it.
    Paused,
    /// Something is to be done.
    Running,
    /// Nothing is.
    Idle,
}

/// The sums of a project.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // as of the engine's totals
pub struct Totals<'a> {
    pub by_status: &'a BTreeMap<Status, u32>,
    pub migrations: u32,
    pub ended: u32,
    pub total: u64,
    /// Items that were dealt with, whatever became of them.
    pub done: u64,
    pub failed: u64,
    pub bytes_total: u64,
    pub bytes_migrated: u64,
}

/// A migration in the list.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its number, as people count.
    pub number: u64,
    /// Identifies it.
    pub id: &'a str,
    /// The login at the source.
    pub source: &'a str,
    /// The login at the destination.
    pub destination: &'a str,
    /// Its wave.
    pub group: Option<&'a str>,
    /// Where it stands.
    pub status: Status,
    /// What became of the last removal, where no run began after it.
    pub removal: Option<Removal>,
    /// Items found.
    pub total: u64,
    /// Items that were dealt with.
    pub done: u64,
    /// Why it waits or failed.
    pub error: Option<&'a str>,
}

/// Which part of the list is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part<'a> {
    /// The statuses, as the address has them; empty for all.
    pub status: &'a str,
    /// The words that are looked for.
    pub search: &'a str,
    /// The number after which it begins, as the address has it.
    pub after: &'a str,
    /// The number after which the next part begins.
    pub next: Option<u32>,
}

/// What has just been done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the variants say it
pub enum Done {
    #[default]
    Nothing,
    Made,
    Added(u64),
    Retried {
        retried: u64,
        skipped: u64,
        unknown: u64,
    },
}

/// What the page shows.
#[derive(Debug)]
pub struct Follow<'a> {
    /// Whose page it is.
    pub project: Project<'a>,
    /// What the queue does.
    pub state: State,
    /// What its migrations move.
    pub items: &'a [Item],
    /// Its sums.
    pub totals: Totals<'a>,
    /// Seconds until everything has ended, where they can be told.
    pub eta_seconds: Option<u64>,
    /// A part of the list.
    pub rows: &'a [Row<'a>],
    /// Which part.
    pub part: Part<'a>,
    /// What has just been done.
    pub done: Done,
}

/// The page.
pub fn page(page: &Page<'_>, follow: &Follow<'_>) -> String {
    let project = follow.project;
    let poll = format!(
        "/api/v1/projects/{}?status={}&search={}&after={}&limit={ROWS}",
        project.id,
        encode(follow.part.status),
        encode(follow.part.search),
        encode(follow.part.after),
    );
    let empty = follow.totals.migrations == 0;
    let tab = html! {
        (done(page, follow))
        div.stack data-poll=(poll) data-empty[empty] {
            (state(page, follow))
            @if !empty {
                (progress(page, follow))
                (list(page, follow))
            }
        }
    };
    let main = frame(page, project, Tab::Follow, &tab);
    let active = follow.state == State::Running;
    let reload = if active { Reload::WhileActive } else { Reload::Never };
    page.document(project.name, reload, main)
}

fn done(page: &Page<'_>, follow: &Follow<'_>) -> Markup {
    let words = &page.words.project;
    let n = |n: u64| number(page.words, n);
    html! {
        @match follow.done {
            Done::Nothing => {},
            Done::Made => div.notice.good role="status" {
                h2 { (words.made_title) }
                p.id.keep { (identifier(follow.project.id)) }
                p { (words.made) }
            },
            Done::Added(added) => div.notice.good role="status" {
                p { (fill(words.added, &[("n", &n(added))])) }
            },
            Done::Retried { retried, skipped, unknown } => div.notice.good role="status" {
                p { (fill(words.retried, &[("retried", &n(retried)), ("skipped", &n(skipped)), ("unknown", &n(unknown))])) }
            },
        }
    }
}

fn state(page: &Page<'_>, follow: &Follow<'_>) -> Markup {
    let words = &page.words.project;
    let project = follow.project;
    let empty = follow.totals.migrations == 0;
    let (class, name, hint) = match follow.state {
        State::Paused => ("fair", words.paused, words.paused_hint),
        State::Running => ("busy", words.running, words.running_hint),
        State::Idle if empty => ("open", words.empty, words.empty_hint),
        State::Idle => ("good", words.idle, words.idle_hint),
    };
    html! {
        section.state.(class) data-live="state" {
            p.status aria-live="polite" {
                span.badge.(class) { (name) }
            }
            p.hint { (hint) }
            div.buttons {
                @if follow.state == State::Paused {
                    form method="post" action=(project.address("/resume")) { button.primary { (page.words.action_resume) } }
                } @else if follow.state == State::Running {
                    form method="post" action=(project.address("/pause")) { button { (words.pause) } }
                }
                @if empty {
                    a.button.primary href=(project.address("/import")) { (words.import) }
                    a.button href=(project.address("/add")) { (words.add) }
                }
            }
        }
    }
}

fn progress(page: &Page<'_>, follow: &Follow<'_>) -> Markup {
    let (words, totals) = (page.words, &follow.totals);
    let (ended, members) = (u64::from(totals.ended), u64::from(totals.migrations));
    let of = |done: String, total: String| {
        fill(words.progress_of, &[("done", &done), ("total", &total)])
    };
    let n = |count: u64| number(words, count);
    let all = ended == members && members > 0;
    html! {
        section.card.progress aria-labelledby="progress" {
            h2 #progress { (words.progress_title) }
            div data-live="progress" {
                div.bar {
                    progress.(if all { "good" } else { "busy" }) max=(members.max(1)) value=(ended)
                        aria-label=(words.project.progress_label) {}
                    @if let Some(part) = percent(ended, members) {
                        span.percent { (fill(words.progress_percent, &[("n", &part.to_string())])) }
                    }
                }
                dl.figures {
                    div { dt { (words.project.ended) } dd { (of(n(ended), n(members))) } }
                    div { dt { (words.counted_together(follow.items)) } dd { (of(n(totals.done), n(totals.total))) } }
                    div { dt { (words.progress_bytes) } dd { (of(bytes(words, totals.bytes_migrated), bytes(words, totals.bytes_total))) } }
                    div.(if totals.failed > 0 { "attention" } else { "calm" }) {
                        dt { (words.progress_failed) } dd { (n(totals.failed)) }
                    }
                    @if follow.state == State::Running {
                        div { dt { (words.progress_left) } dd {
                            @match follow.eta_seconds { Some(left) => (duration(left)), None => (words.progress_unknown) }
                        } }
                    }
                }
            }
        }
    }
}

/// The address of a part of the list.
fn part(project: Project<'_>, status: &str, search: &str, after: Option<u32>) -> String {
    let mut fields = Vec::new();
    for (name, value) in [("status", status), ("search", search)] {
        if !value.is_empty() {
            fields.push(format!("{name}={}", encode(value)));
        }
    }
    if let Some(after) = after {
        fields.push(format!("after={after}"));
    }
    let query = if fields.is_empty() { String::new() } else { format!("?{}", fields.join("&")) };
    project.address(&format!("{query}#migrations"))
}

fn list(page: &Page<'_>, follow: &Follow<'_>) -> Markup {
    let words = &page.words.project;
    let (project, shown) = (follow.project, follow.part);
    let api = |file: &str| format!("/api/v1/projects/{}/{file}", project.id);
    html! {
        section.card.list aria-labelledby="migrations" {
            h2 #migrations { (words.migrations) }
            (statuses(page, follow))
            form.search method="get" action=(project.address("")) role="search" {
                @if !shown.status.is_empty() { input type="hidden" name="status" value=(shown.status); }
                div.field {
                    label for="search" { (words.search) }
                    input #search name="search" type="search" value=(shown.search) maxlength="200"
                        autocomplete="off" autocapitalize="none" spellcheck="false" aria-describedby="search-hint";
                    p.hint #search-hint { (words.search_hint) }
                }
                button { (words.search_submit) }
            }
            div data-live="rows" {
                @if follow.rows.is_empty() { p.hint { (words.none) } } @else { (rows(page, follow.rows)) }
                p.links {
                    @if !shown.after.is_empty() {
                        a href=(part(project, shown.status, shown.search, None)) { (words.first) } " "
                    }
                    @if let Some(next) = shown.next {
                        a href=(part(project, shown.status, shown.search, Some(next))) { (words.next) }
                    }
                }
            }
            div data-live="onwards" {
                p.links {
                    a href=(api("export.csv")) download { (words.export_csv) } " "
                    a href=(api("export.xlsx")) download { (words.export_xlsx) } " "
                    @if retryable(follow.totals.by_status) {
                        a href=(project.address("/retry")) { (words.retry) }
                    }
                }
            }
        }
    }
}

/// Whether anything came to an end that another run may better.
fn retryable(by_status: &BTreeMap<Status, u32>) -> bool {
    let bad = [Status::Failed, Status::Stopped, Status::CompletedWithErrors];
    bad.iter().any(|status| by_status.get(status).is_some_and(|count| *count > 0))
}

/// The totals by status, each of which shows only its own.
fn statuses(page: &Page<'_>, follow: &Follow<'_>) -> Markup {
    let words = &page.words.project;
    let (project, shown) = (follow.project, follow.part);
    let link = |status: &str| part(project, status, shown.search, None);
    let n = |count: u32| number(page.words, u64::from(count));
    let current = |status: &str| (shown.status == status).then_some("true");
    html! {
        nav.statuses data-live="statuses" aria-label=(words.by_status) {
            a.badge href=(link("")) aria-current=[current("")] { (words.every) " " b { (n(follow.totals.migrations)) } }
            @for (status, count) in follow.totals.by_status.iter().filter(|(status, count)| **count > 0 || shown.status == status.name()) {
                " "
                a.badge.(status_class(*status)) href=(link(status.name())) aria-current=[current(status.name())] {
                    (page.words.status(*status)) " " b { (n(*count)) }
                }
            }
        }
    }
}

fn rows(page: &Page<'_>, rows: &[Row<'_>]) -> Markup {
    let words = &page.words.project;
    html! {
        table.rows {
            thead { tr {
                th.number scope="col" { (words.column_number) }
                th scope="col" { (words.column_mailbox) }
                th scope="col" { (words.column_group) }
                th scope="col" { (words.column_state) }
                th scope="col" { (page.words.progress_title) }
                th scope="col" { (page.words.column_reason) }
            } }
            tbody { @for one in rows { (row(page, one)) } }
        }
    }
}

fn row(page: &Page<'_>, row: &Row<'_>) -> Markup {
    let words = page.words;
    let address = format!("/migrations/{}?account={}", row.id, encode(row.source));
    let class = if row.removal.is_some() { "fair" } else { status_class(row.status) };
    html! {
        tr {
            td.number data-label=(words.project.column_number) { (number(words, row.number)) }
            th scope="row" data-label=(words.project.column_mailbox) {
                a href=(address) { bdi { (row.source) } " → " bdi { (row.destination) } }
            }
            td.(if row.group.is_some() { "group" } else { "group zero" }) data-label=(words.project.column_group) {
                bdi { (row.group.unwrap_or_default()) }
            }
            td.verdict data-label=(words.project.column_state) {
                span.badge.(class) { (words.stands(row.status, row.removal.as_ref())) }
            }
            td.(if row.total > 0 { "part" } else { "part zero" }) data-label=(words.progress_title) {
                @if let Some(removal) = &row.removal {
                    span.hint { (words.taken_back(removal)) }
                } @else if row.total > 0 {
                    progress.(class) max=(row.total) value=(row.done.min(row.total)) aria-label=(words.progress_title) {}
                    span.hint { (fill(words.progress_of, &[("done", &number(words, row.done)), ("total", &number(words, row.total))])) }
                }
            }
            td.(if row.error.is_some() { "reason" } else { "reason zero" }) data-label=(words.column_reason) {
                span.said lang="en" { (row.error.unwrap_or_default()) }
            }
        }
    }
}
