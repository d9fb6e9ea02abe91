//! The page of one migration.
//!
//! Parts marked `data-live` are exchanged by the script whenever the migration changes; each is
//! the same markup that a page loaded at that moment has, so there is one rendering of everything.

use maud::{Markup, html};
use model::schedule::QUIET_REASON;
use model::{
    Account, Action, Counters, Failure, FolderReport, Item, Migration, Phase, Status, Timestamp,
};

use crate::Page;
use crate::form::{self, Filled};
use crate::layout::{Reload, encode};
use crate::show::{bytes, duration, moment, number, percent};
use crate::tables;
use crate::words::fill;

/// The most folders shown here; the report has more, the CSV all.
pub const FOLDERS_SHOWN_MAX: usize = 200;
/// The most failures shown at a time.
pub const FAILURES_SHOWN_MAX: usize = 50;

/// What the page shows.
pub struct Tracking<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// The login that opens the page.
    pub account: &'a str,
    /// The first folders.
    pub folders: &'a [FolderReport],
    /// Whether there are more of them.
    pub more_folders: bool,
    /// A page of failures, with their ordinals.
    pub failures: &'a [(u64, Failure)],
    /// Whether there are more of them.
    pub more_failures: bool,
    /// When it is erased unless something happens with it.
    pub expires_at: Option<Timestamp>,
    /// Whether a request to stop is on its way.
    pub stopping: bool,
    /// What is wrong with the form that was sent from this page.
    pub filled: &'a Filled,
}

/// The page.
pub fn page(page: &Page<'_>, tracking: &Tracking<'_>) -> String {
    let words = page.words;
    let migration = tracking.migration;
    let active = !migration.status.is_final();
    let events =
        format!("/api/v1/migrations/{}/events?account={}", migration.id, encode(tracking.account));
    let main = html! {
        article.tracking data-events=[active.then_some(&events)] {
            (form::summary(page, tracking.filled))
            header.title {
                p.eyebrow { (words.migration_title) }
                h1 { bdi { (migration.source.login) } " → " bdi { (migration.destination.login) } }
            }
            (state(page, tracking))
            (progress(page, migration))
            aside { (about(page, tracking)) (actions(page, tracking)) }
            (folders(page, tracking))
            (failures(page, tracking))
        }
    };
    let stands = words.stands(migration.status, migration.removal.as_ref());
    let title = format!("{} – {}", stands, migration.source.login);
    let reload = if active { Reload::WhileActive } else { Reload::Never };
    page.document(&title, reload, main)
}

pub(crate) fn status_class(status: Status) -> &'static str {
    match status {
        Status::Completed => "good",
        Status::CompletedWithErrors | Status::Waiting | Status::Paused | Status::Stopped => "fair",
        Status::Failed => "bad",
        Status::Running | Status::Pending | Status::Removing => "busy",
        Status::AwaitingUpload | Status::AwaitingStart | Status::Scheduled => "open",
    }
}

/// The same for a whole migration: what was taken back is not shown as good.
fn stands_class(migration: &Migration) -> &'static str {
    match (migration.status, &migration.removal) {
        (Status::Completed, Some(_)) => "fair",
        (status, _) => status_class(status),
    }
}

fn state(page: &Page<'_>, tracking: &Tracking<'_>) -> Markup {
    let words = page.words;
    let migration = tracking.migration;
    let class = stands_class(migration);
    html! {
        section.state.(class) data-live="state"
            data-final=[migration.status.is_final().then_some("true")] {
            p.status aria-live="polite" {
                span.badge.(class) { (words.stands(migration.status, migration.removal.as_ref())) }
                @if let (Some(phase), false) = (migration.phase, migration.status.is_final()) {
                    " " span.phase { (words.phase(phase)) }
                }
            }
            @if let Some(removal) = &migration.removal {
                p.hint { (words.taken_back(removal)) }
            } @else if let Some(hint) = words.hint(migration.status) {
                p.hint { (hint) }
            }
            @if let Some(start) = migration.next_run() {
                p { (if migration.next_run_at.is_some() { words.next_run_at } else { words.scheduled_for }) " " (moment(start)) }
            }
            @if let Some(waiting) = &migration.waiting {
                p {
                    (words.waiting_until) " " strong { (moment(waiting.until)) } ". "
                    @if waiting.reason == QUIET_REASON { (words.waiting_quiet) }
                    @else { (words.waiting_reason) " " span.said lang="en" { (waiting.reason) } }
                }
            }
            @if let Some(error) = &migration.last_error {
                p { (words.last_error_title) ": " span.said lang="en" { (error) } }
            }
            @if tracking.stopping { p { (words.stopping) } }
        }
    }
}

fn progress(page: &Page<'_>, migration: &Migration) -> Markup {
    let words = page.words;
    html! {
        section.card.progress aria-labelledby="progress" {
            h2 #progress { (words.progress_title) }
            div data-live="progress" {
                @for (item, counters) in &migration.progress {
                    @if migration.progress.len() > 1 { h3 { (words.item(*item)) } }
                    (bar(page, migration, (*item, counters)))
                    (figures(page, (*item, counters)))
                }
                (pace(page, migration))
            }
        }
    }
}

fn bar(page: &Page<'_>, migration: &Migration, (item, counters): (Item, &Counters)) -> Markup {
    let words = page.words;
    let label = fill(words.progress_label, &[("item", words.item(item))]);
    let known = counters.total > 0 && migration.phase != Some(Phase::Discover);
    if let Some(removal) = &migration.removal {
        // No part of a whole: what has arrived is being, or was, taken back.
        return html! { p.removal { (words.taken_back(removal)) } };
    }
    let all = migration.status == Status::Completed;
    let part = if all { Some(100) } else { percent(counters.done(), counters.total) };
    html! {
        div.bar {
            @if all {
                progress.good max="1" value="1" aria-label=(label) {}
            } @else if known || migration.status.is_final() {
                progress.(status_class(migration.status)) max=(counters.total.max(1))
                    value=(counters.done().min(counters.total)) aria-label=(label) {}
            } @else {
                progress aria-label=(label) {}
            }
            @if let (Some(part), true) = (part, known || all) {
                span.percent { (fill(words.progress_percent, &[("n", &part.to_string())])) }
            }
        }
    }
}

fn figures(page: &Page<'_>, (item, counters): (Item, &Counters)) -> Markup {
    let words = page.words;
    let of = |done: String, total: String| {
        fill(words.progress_of, &[("done", &done), ("total", &total)])
    };
    let n = |count: u64| number(words, count);
    let moved = of(n(counters.migrated), n(counters.total));
    let size = of(bytes(words, counters.bytes_migrated), bytes(words, counters.bytes_total));
    html! {
        dl.figures {
            div { dt { (words.counted(item)) } dd { (moved) } }
            @if counters.bytes_total > 0 || item == Item::Mail {
                div { dt { (words.progress_bytes) } dd { (size) } }
            }
            div { dt { (words.progress_skipped) } dd { (n(counters.skipped)) } }
            @if counters.left_out > 0 {
                div { dt { (words.progress_left_out) } dd { (n(counters.left_out)) } }
            }
            div.(if counters.failed > 0 { "attention" } else { "calm" }) {
                dt { (words.progress_failed) } dd { (n(counters.failed)) }
            }
        }
    }
}

/// How fast it is, whatever it moves.
fn pace(page: &Page<'_>, migration: &Migration) -> Markup {
    let words = page.words;
    if !matches!(migration.status, Status::Running | Status::Waiting) {
        return html! {};
    }
    html! {
        dl.figures {
            div { dt { (words.progress_rate) } dd {
                @if migration.bytes_per_second > 0 { (bytes(words, migration.bytes_per_second)) "/s" } @else { "–" }
            } }
            div { dt { (words.progress_left) } dd {
                @match migration.eta_seconds { Some(left) => (duration(left)), None => (words.progress_unknown) }
            } }
        }
        @if let Some(folder) = &migration.folder {
            p.hint.folder { (fill(words.progress_folder, &[("folder", folder)])) }
        }
    }
}

fn folders(page: &Page<'_>, tracking: &Tracking<'_>) -> Markup {
    let words = page.words;
    html! {
        section.card.folders aria-labelledby="folders" {
            h2 #folders { (words.folders_title) }
            div data-live="folders" {
                @if tracking.folders.is_empty() {
                    p.hint { (words.folders_none) }
                } @else {
                    p.hint { (words.folders_lead) }
                    (folder_table(page, tracking.folders, tracking.migration.removal.is_some()))
                    @if tracking.more_folders {
                        p.hint { (fill(words.folders_more, &[("n", &number(words, tracking.folders.len() as u64))])) }
                    }
                }
            }
        }
    }
}

fn folder_table(page: &Page<'_>, folders: &[FolderReport], taken_back: bool) -> Markup {
    let words = page.words;
    html! {
        table.rows {
            thead { tr {
                th scope="col" { (words.column_folder) }
                th.number scope="col" { (words.column_source_messages) }
                th.number scope="col" { (words.column_migrated) }
                th.number scope="col" { (words.column_adopted) }
                th.number scope="col" { (words.column_failed) }
                th scope="col" { (words.column_verdict) }
            } }
            tbody {
                @for folder in folders {
                    tr {
                        th scope="row" data-label=(words.column_folder) { (tables::folder_name(folder)) }
                        (tables::count(page, words.column_source_messages, folder.source_messages))
                        (tables::count(page, words.column_migrated, folder.migrated))
                        (tables::rest(page, words.column_adopted, folder.adopted))
                        (tables::rest(page, words.column_failed, folder.failed))
                        td.verdict data-label=(words.column_verdict) {
                            (tables::verdict(page, folder, taken_back))
                        }
                    }
                }
            }
        }
    }
}

fn failures(page: &Page<'_>, tracking: &Tracking<'_>) -> Markup {
    let words = page.words;
    let id = &tracking.migration.id;
    let account = encode(tracking.account);
    let last = tracking.failures.last().map_or(0, |(ordinal, _)| *ordinal);
    html! {
        section.card.failures aria-labelledby="failures" {
            h2 #failures { (words.failures_title) }
            div data-live="failures" {
                @if tracking.failures.is_empty() {
                    p.hint { (words.failures_none) }
                } @else {
                    p.hint { (words.failures_lead) }
                    (tables::failures(page, tracking.failures))
                    p.links {
                        @if tracking.more_failures {
                            a href={ "/migrations/" (id) "?account=" (account) "&after=" (last) "#failures" } { (words.failures_more) } " "
                        }
                        a href={ "/api/v1/migrations/" (id) "/failures.csv?account=" (account) } download { (words.failures_all) }
                    }
                }
            }
        }
    }
}

fn actions(page: &Page<'_>, tracking: &Tracking<'_>) -> Markup {
    let words = page.words;
    let migration = tracking.migration;
    let account = tracking.account;
    let path = |action: &str| format!("/migrations/{}/{action}", migration.id);
    let report = format!("{}?account={}", path("report"), encode(account));
    html! {
        section.card.actions aria-labelledby="actions" {
            h2 #actions { (words.actions_title) }
            div data-live="actions" {
                p.buttons {
                    a.button href=(report) { (words.report_link) }
                    @if !migration.status.is_final() {
                        noscript { a.button href={ "/migrations/" (migration.id) "?account=" (encode(account)) } { (words.reload_link) } }
                    }
                }
                @if migration.status.allows(Action::Stop) && !tracking.stopping {
                    form method="post" action=(path("stop")) {
                        input type="hidden" name="account" value=(account);
                        button { (words.action_stop) }
                        p.hint { (words.action_stop_hint) }
                    }
                }
                @if migration.status.allows(Action::Pause) && !tracking.stopping {
                    (button(&path("pause"), account, words.action_pause, words.action_pause_hint))
                }
                @if migration.status.allows(Action::Resume) {
                    (button(&path("resume"), account, words.action_resume, words.action_resume_hint))
                }
                @if migration.status.allows(Action::Synchronise) {
                    (again(page, tracking, (&path("synchronise"), ""), (words.action_synchronise, words.action_synchronise_hint)))
                }
                @if migration.status.allows(Action::Retry) && tracking.failures.iter().any(|(_, failure)| failure.code.is_loss()) {
                    (again(page, tracking, (&path("retry"), "retry-"), (words.action_retry, words.action_retry_hint)))
                }
                @if migration.status.allows(Action::Remove) && !migration.sync_points.iter().all(|point| point.removed) {
                    (remove(page, tracking, &path("remove")))
                }
                @if migration.status.allows(Action::Delete) {
                    details {
                        summary { (words.action_delete) }
                        form method="post" action=(path("delete")) {
                            input type="hidden" name="account" value=(account);
                            p.hint { (words.action_delete_hint) }
                            button.danger { (words.action_delete_confirm) }
                        }
                    }
                }
            }
        }
    }
}

/// A form that is nothing but a button.
fn button(action: &str, account: &str, name: &str, hint: &str) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="account" value=(account);
            button { (name) }
            p.hint { (hint) }
        }
    }
}

/// A form that asks for both passwords again.
fn again(
    page: &Page<'_>,
    tracking: &Tracking<'_>,
    (action, form): (&str, &str),
    (name, hint): (&str, &str),
) -> Markup {
    let words = page.words;
    let migration = tracking.migration;
    let label = |template: &str, account: &Account| fill(template, &[("login", &account.login)]);
    let source = label(words.source_password, &migration.source);
    let destination = label(words.destination_password, &migration.destination);
    // What is wrong is told at the top of the page, and in the form that is mostly meant.
    let nothing = Filled::default();
    let filled = if form.is_empty() { tracking.filled } else { &nothing };
    html! {
        details open[!filled.errors.is_empty()] {
            summary { (name) }
            form method="post" action=(action) data-busy=(words.new_wait) {
                p.hint { (hint) }
                input type="hidden" name="account" value=(tracking.account);
                (form::passwords(page, form, &[("source.password", &source), ("destination.password", &destination)], filled))
                p.buttons { button.primary { (name) } span.busy role="status" {} }
            }
        }
    }
}

/// The first step of a removal: from which run on, and the password.
fn remove(page: &Page<'_>, tracking: &Tracking<'_>, action: &str) -> Markup {
    let words = page.words;
    let migration = tracking.migration;
    let label = fill(words.destination_password, &[("login", &migration.destination.login)]);
    html! {
        details {
            summary { (words.action_remove) }
            form method="post" action=(action) data-busy=(words.new_wait) {
                p.hint { (words.action_remove_hint) }
                input type="hidden" name="account" value=(tracking.account);
                div.field {
                    label for="from_sync_point" { (words.remove_from) }
                    select #from_sync_point name="from_sync_point" {
                        @for point in migration.sync_points.iter().rev().filter(|point| !point.removed) {
                            option value=(point.number) {
                                (fill(words.remove_from_run, &[("number", &point.number.to_string())]))
                            }
                        }
                    }
                }
                (form::passwords(page, "remove-", &[("destination.password", &label)], &Filled::default()))
                p.buttons { button { (words.remove_show) } span.busy role="status" {} }
            }
        }
    }
}

fn about(page: &Page<'_>, tracking: &Tracking<'_>) -> Markup {
    let words = page.words;
    let migration = tracking.migration;
    html! {
        section.card.about aria-labelledby="about" {
            h2 #about { (words.migration_id) }
            p.id { code { @for group in groups(migration.id.as_str()) { span { (group) } } } }
            p.hint { (words.migration_id_hint) }
            dl.figures.wide {
                @for (title, account) in [(words.migration_from, &migration.source), (words.migration_to, &migration.destination)] {
                    div { dt { (title) } dd { bdi { (account.login) } br; span.hint { (account.url) } } }
                }
                div { dt { (words.started_at) } dd { (moment(migration.created_at)) } }
                div { dt { (words.updated_at) } dd data-live="updated" { (moment(migration.updated_at)) } }
            }
            div data-live="expires" {
                @if let Some(at) = tracking.expires_at {
                    p.hint { (words.expires_at) " " (moment(at)) ". " (words.expires_hint) }
                }
            }
            div data-live="runs" { @if migration.sync_points.len() > 1 { (runs(page, migration)) } }
        }
    }
}

/// The identifier in groups that can be read out; the text stays the same when copied.
pub(crate) fn groups(id: &str) -> Vec<&str> {
    let mut groups = Vec::new();
    let mut rest = id;
    while let Some((group, after)) = rest.split_at_checked(4) {
        groups.push(group);
        rest = after;
    }
    groups.push(rest);
    groups
}

fn runs(page: &Page<'_>, migration: &Migration) -> Markup {
    let words = page.words;
    html! {
        h3 { (words.runs_title) }
        table.rows {
            thead { tr {
                th scope="col" { (words.column_run) }
                th scope="col" { (words.column_started) }
                th scope="col" { (words.column_finished) }
                th.number scope="col" { (words.column_items) }
                th.number scope="col" { (words.column_failed) }
            } }
            tbody {
                @for run in &migration.sync_points {
                    tr {
                        th scope="row" data-label=(words.column_run) { (run.number) }
                        td data-label=(words.column_started) { (moment(run.started_at)) }
                        td data-label=(words.column_finished) {
                            @match run.finished_at { Some(at) => (moment(at)), None => (words.run_active) }
                        }
                        (tables::count(page, words.column_items, run.migrated))
                        (tables::count(page, words.column_failed, run.failed))
                    }
                }
            }
        }
    }
}
