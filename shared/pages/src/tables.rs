//! Tables that more than one page shows: folders, failures.

use maud::{Markup, html};
use model::{Failure, FailureCode, FolderReport, Item, Timestamp, Verdict};

use crate::Page;
use crate::show::{bytes, moment, number};

/// How a verdict looks; the words beside it say the same.
pub(crate) fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Complete => "good",
        Verdict::CompleteButFailures => "fair",
        Verdict::Differs => "bad",
        Verdict::Unknown => "open",
    }
}

/// What was found out about a folder; nothing of one that was taken back and not compared since.
pub(crate) fn verdict(page: &Page<'_>, folder: &FolderReport, taken_back: bool) -> Markup {
    let verdict = folder.verdict;
    html! {
        @if taken_back && verdict == Verdict::Unknown { "–" }
        @else { span.badge.(verdict_class(verdict)) { (page.words.verdict(verdict)) } }
    }
}

/// A folder's name; the destination's beside it where it is another one.
pub(crate) fn folder_name(folder: &FolderReport) -> Markup {
    html! {
        bdi { (folder.source) }
        @if folder.destination != folder.source && !folder.destination.is_empty() {
            " " span.renamed { "→ " bdi { (folder.destination) } }
        }
    }
}

/// A table cell with a number.
pub(crate) fn count(page: &Page<'_>, label: &str, n: u64) -> Markup {
    html! { td.number data-label=(label) { (number(page.words, n)) } }
}

/// A table cell with a number that is mostly zero; narrow screens then leave it out.
pub(crate) fn rest(page: &Page<'_>, label: &str, n: u64) -> Markup {
    let class = if n == 0 { "number zero" } else { "number" };
    html! { td class=(class) data-label=(label) { (number(page.words, n)) } }
}

/// Failures, one row each; the reason is the server's, so it is marked as English.
pub(crate) fn failures(page: &Page<'_>, failures: &[(u64, Failure)]) -> Markup {
    let words = page.words;
    let kinds = failures.iter().any(|(_, failure)| failure.item != Item::Mail);
    html! {
            table.rows {
                thead { tr {
                    th scope="col" { (words.column_subject) }
                    @if kinds { th scope="col" { (words.items_title) } }
                    th scope="col" { (words.column_folder) }
                    th scope="col" { (words.column_date) }
                    th.number scope="col" { (words.column_size) }
                    th scope="col" { (words.column_reason) }
                } }
                tbody {
                    @for (_, failure) in failures { (failure_row(page, failure, kinds)) }
                }
            }
    }
}

/// A failure; with its kind where not all are of mail.
fn failure_row(page: &Page<'_>, failure: &Failure, kinds: bool) -> Markup {
    let words = page.words;
    let about_folder =
        matches!(failure.code, FailureCode::FolderRefused | FailureCode::FolderRenamed);
    let date = failure.date.as_deref().map(|date| match Timestamp::parse(date) {
        Some(at) => moment(at),
        None => html! { (date) },
    });
    html! {
        tr {
            th scope="row" data-label=(words.column_subject) {
                @if !failure.subject.is_empty() { bdi { (failure.subject) } }
                @else if about_folder { "–" }
                @else { (words.no_subject) }
            }
            @if kinds { td data-label=(words.items_title) { (words.item(failure.item)) } }
            td data-label=(words.column_folder) { bdi { (failure.folder) } }
            td data-label=(words.column_date) { @match date { Some(date) => (date), None => "–" } }
            td.number data-label=(words.column_size) {
                @if failure.size_bytes > 0 { (bytes(words, failure.size_bytes)) } @else { "–" }
            }
            td.reason data-label=(words.column_reason) {
                span.badge.(if failure.code.is_loss() { "bad" } else { "fair" }) { (words.failure(failure.code)) }
                " " span.said lang="en" { (failure.reason) }
            }
        }
    }
}
