//! The report of one migration, to be printed or kept.

use maud::{Markup, html};
use model::{Failure, FolderReport, Migration, Verdict};

use crate::Page;
use crate::layout::{Reload, encode};
use crate::show::{bytes, moment, number};
use crate::tables;
use crate::words::fill;

/// The most folders on the page; the CSV has all.
pub const FOLDERS_SHOWN_MAX: usize = 2000;
/// The most failures on the page; the CSV has all.
pub const FAILURES_SHOWN_MAX: usize = 500;

/// What the report shows.
pub struct Report<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// The login that opens the page.
    pub account: &'a str,
    /// The first folders.
    pub folders: &'a [FolderReport],
    /// Whether there are more of them.
    pub more_folders: bool,
    /// The first failures.
    pub failures: &'a [(u64, Failure)],
    /// Whether there are more of them.
    pub more_failures: bool,
    /// Lines of the manifest and its SHA-256, once it is complete.
    pub manifest: Option<(u64, &'a str)>,
}

/// The verdict over several folders: the worst of theirs; `Unknown` while any is not compared.
pub fn overall(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Complete => 0,
        Verdict::CompleteButFailures => 1,
        Verdict::Unknown => 2,
        Verdict::Differs => 3,
    };
    verdicts.into_iter().max_by_key(|verdict| rank(*verdict)).unwrap_or(Verdict::Unknown)
}

/// The page.
pub fn page(page: &Page<'_>, report: &Report<'_>) -> String {
    let words = page.words;
    let migration = report.migration;
    let account = encode(report.account);
    let api = format!("/api/v1/migrations/{}", migration.id);
    let verdict = overall(report.folders.iter().map(|folder| folder.verdict));
    let sentence = match verdict {
        Verdict::Complete => words.report_complete,
        Verdict::CompleteButFailures => words.report_failures,
        Verdict::Differs => words.report_differs,
        Verdict::Unknown => words.report_unknown,
    };
    let main = html! {
        article.report {
            header.title {
                p.eyebrow { (words.report_title) }
                h1 { bdi { (migration.source.login) } " → " bdi { (migration.destination.login) } }
                p.lead { (words.report_lead) }
            }
            section.state.(if migration.removal.is_some() { "fair" } else { tables::verdict_class(verdict) }) {
                @match &migration.removal {
                    Some(removal) => {
                        p.status { span.badge.fair { (words.stands(migration.status, Some(removal))) } }
                        p { (words.taken_back(removal)) }
                    }
                    None => {
                        p.status { span.badge.(tables::verdict_class(verdict)) { (words.verdict(verdict)) } }
                        p { (sentence) }
                    }
                }
                @if let Some((lines, sha256)) = report.manifest {
                    p.hint.said { (fill(words.report_manifest_is, &[("lines", &number(words, lines)), ("sha256", sha256)])) }
                }
                p.hint { (words.stands(migration.status, migration.removal.as_ref())) " · " (words.report_made) " " (moment(migration.updated_at)) }
            }
            p.buttons.screen {
                button data-print="true" hidden { (words.report_print) }
                a.button href={ (api) "/report.csv?account=" (account) } download { (words.report_csv) }
                a.button href={ (api) "/manifest.txt?account=" (account) } download { (words.report_manifest) }
                a.button href={ (api) "/failures.csv?account=" (account) } download { (words.failures_csv) }
                a.button href={ "/migrations/" (migration.id) "?account=" (account) } { (words.report_back) }
            }
            section.card aria-labelledby="folders" {
                h2 #folders { (words.folders_title) }
                (folders(page, report))
            }
            section.card aria-labelledby="failures" {
                h2 #failures { (words.failures_title) }
                @if report.failures.is_empty() { p.hint { (words.failures_none) } }
                @else { (tables::failures(page, report.failures)) }
                @if report.more_failures {
                    p.hint { a href={ (api) "/failures.csv?account=" (account) } download { (words.failures_all) } }
                }
            }
            section.card aria-labelledby="about" {
                h2 #about { (words.migration_id) }
                p.id { code { (migration.id) } }
            }
        }
    };
    page.document(words.report_title, Reload::Never, main)
}

fn folders(page: &Page<'_>, report: &Report<'_>) -> Markup {
    let words = page.words;
    if report.folders.is_empty() {
        return html! { p.hint { (words.folders_none) } };
    }
    html! {
        table.rows {
            thead { tr {
                th scope="col" { (words.column_folder) }
                th.number scope="col" { (words.column_source_messages) }
                th.number scope="col" { (words.column_destination_messages) }
                th.number scope="col" { (words.column_migrated) }
                th.number scope="col" { (words.column_adopted) }
                th.number scope="col" { (words.column_left_out) }
                th.number scope="col" { (words.column_failed) }
                th scope="col" { (words.column_verdict) }
            } }
            tbody {
                @for folder in report.folders { (folder_row(page, folder, report.migration.removal.is_some())) }
            }
            tfoot { (totals(page, report.folders)) }
        }
        @if report.more_folders {
            p.hint { (fill(words.report_folders_more, &[("n", &number(words, report.folders.len() as u64))])) }
        }
    }
}

fn with_bytes(page: &Page<'_>, label: &str, messages: u64, size: u64) -> Markup {
    html! {
        td.number data-label=(label) {
            (number(page.words, messages)) br; span.hint { (bytes(page.words, size)) }
        }
    }
}

fn folder_row(page: &Page<'_>, folder: &FolderReport, taken_back: bool) -> Markup {
    let words = page.words;
    html! {
        tr {
            th scope="row" data-label=(words.column_folder) {
                (tables::folder_name(folder))
                @for remark in &folder.remarks { p.hint.said lang="en" { (remark) } }
            }
            (with_bytes(page, words.column_source_messages, folder.source_messages, folder.source_bytes))
            (with_bytes(page, words.column_destination_messages, folder.destination_messages, folder.destination_bytes))
            (tables::count(page, words.column_migrated, folder.migrated))
            (tables::rest(page, words.column_adopted, folder.adopted))
            (tables::rest(page, words.column_left_out, folder.left_out))
            (tables::rest(page, words.column_failed, folder.failed))
            td.verdict data-label=(words.column_verdict) {
                (tables::verdict(page, folder, taken_back))
            }
        }
    }
}

fn totals(page: &Page<'_>, folders: &[FolderReport]) -> Markup {
    let words = page.words;
    let sum = |of: fn(&FolderReport) -> u64| {
        folders.iter().map(of).fold(0, |total: u64, n| total.saturating_add(n))
    };
    html! {
        tr {
            th scope="row" data-label=(words.column_folder) { (words.report_totals) }
            (with_bytes(page, words.column_source_messages, sum(|f| f.source_messages), sum(|f| f.source_bytes)))
            (with_bytes(page, words.column_destination_messages, sum(|f| f.destination_messages), sum(|f| f.destination_bytes)))
            (tables::count(page, words.column_migrated, sum(|f| f.migrated)))
            (tables::rest(page, words.column_adopted, sum(|f| f.adopted)))
            (tables::rest(page, words.column_left_out, sum(|f| f.left_out)))
            (tables::rest(page, words.column_failed, sum(|f| f.failed)))
            td {}
        }
    }
}
