//! What a migration would do, between the form and its start.

use maud::{Markup, html};
use model::offer::Lack;
use model::{Account, Item, Timestamp};

use crate::Page;
use crate::layout::Reload;
use crate::show::{bytes, duration, moment, number};
use crate::words::fill;

/// What the page shows.
pub struct Preflight<'a> {
    /// Both accounts, with the servers that were found, and their quota: used, limit.
    pub sides: [(&'a Account, Option<(u64, u64)>); 2],
    /// Folders in the order of the source.
    pub folders: Vec<Row<'a>>,
    /// How many of them can be given another name here.
    pub editable: usize,
    /// Whether there are more.
    pub more_folders: bool,
    /// Folders that are left out.
    pub left_out: &'a [String],
    /// Messages in all.
    pub messages: u64,
    /// Their bytes, where the source tells.
    pub bytes: Option<u64>,
    /// The largest messages: folder, size, date.
    pub largest: Vec<(&'a str, u64, Option<Timestamp>)>,
    /// Whether all messages were looked at for that.
    pub all_sizes: bool,
    /// What will not arrive: the reason's name, the limit in bytes, and how many messages.
    pub obstacles: Vec<(&'static str, u64, Option<u64>)>,
    /// What this pair of servers cannot carry.
    pub not_carried: &'a [(Item, Lack)],
    /// How long it would take, in seconds.
    pub seconds: u64,
    /// The rate that it rests on, in bytes a second.
    pub bytes_per_second: u64,
    /// Whether that was measured.
    pub measured: bool,
    /// What was typed, sealed; only this installation can open it, and only for a while.
    pub sealed: &'a str,
    /// How long, in minutes.
    pub minutes: u64,
}

/// A folder.
pub struct Row<'a> {
    /// At the source.
    pub source: &'a str,
    /// At the destination.
    pub destination: &'a str,
    /// Whether it is there already.
    pub exists: bool,
    /// Messages in it.
    pub messages: u64,
    /// Their bytes.
    pub bytes: Option<u64>,
}

/// The page; its form begins the migration.
pub fn page(page: &Page<'_>, seen: &Preflight<'_>) -> String {
    let words = page.words;
    let main = html! {
        article.preflight {
            h1 { (words.preflight_title) }
            p.lead { (words.preflight_lead) }
            (summary(page, seen))
            (obstacles(page, seen))
            form method="post" action="/new" data-busy=(words.new_wait) {
                input type="hidden" name="sealed" value=(seen.sealed);
                (folders(page, seen))
                p.buttons.submit {
                    button.primary.large { (words.preflight_start) }
                    a.button href="/new" { (words.preflight_back) }
                    span.busy role="status" {}
                }
                p.hint { (fill(words.preflight_sealed, &[("minutes", &seen.minutes.to_string())])) }
            }
            (largest(page, seen))
        }
    };
    page.document(words.preflight_title, Reload::Never, main)
}

fn summary(page: &Page<'_>, seen: &Preflight<'_>) -> Markup {
    let words = page.words;
    let total = match seen.bytes {
        Some(sum) => fill(
            words.preflight_total,
            &[("messages", &number(words, seen.messages)), ("bytes", &bytes(words, sum))],
        ),
        None => {
            fill(words.preflight_total_messages, &[("messages", &number(words, seen.messages))])
        }
    };
    let rate = bytes(words, seen.bytes_per_second);
    let rests = if seen.measured { words.preflight_measured } else { words.preflight_assumed };
    html! {
        section.card {
            dl.facts {
                @for ((account, quota), label) in seen.sides.iter().zip([words.migration_from, words.migration_to]) {
                    dt { (label) }
                    dd {
                        bdi { (account.login) } " – " bdi { (account.url) }
                        @if let Some((used, limit)) = quota {
                            br; span.hint { (fill(words.preflight_quota, &[("used", &bytes(words, *used)), ("limit", &bytes(words, *limit))])) }
                        }
                    }
                }
                dt { (words.preflight_amount) }
                dd { (total) }
                dt { (words.preflight_time) }
                dd { (fill(words.preflight_about, &[("time", &duration(seen.seconds))])) br; span.hint { (fill(rests, &[("rate", &rate)])) } }
            }
        }
    }
}

fn obstacles(page: &Page<'_>, seen: &Preflight<'_>) -> Markup {
    let words = page.words;
    let sentence = |(reason, limit, messages): &(&str, u64, Option<u64>)| {
        let template = match *reason {
            "quota" => words.preflight_quota_short,
            "append_limit" => words.preflight_append_limit,
            _ => words.preflight_max_item,
        };
        let count = number(words, messages.unwrap_or(0));
        fill(template, &[("limit", &bytes(words, *limit)), ("messages", &count)])
    };
    html! {
        @if !seen.obstacles.is_empty() {
            div.notice.bad role="alert" {
                h2 { (words.preflight_not_fit) }
                ul { @for one in &seen.obstacles { li { (sentence(one)) } } }
            }
        }
        @if !seen.not_carried.is_empty() {
            section.card {
                h2 { (words.preflight_not_carried) }
                ul {
                    @for (item, lack) in seen.not_carried {
                        li { (words.item(*item)) ": " span.hint { (words.lack(*lack)) } }
                    }
                }
            }
        }
    }
}

fn folders(page: &Page<'_>, seen: &Preflight<'_>) -> Markup {
    let words = page.words;
    html! {
        section.card {
            h2 { (words.preflight_folders) }
            p.hint { (words.preflight_folders_hint) }
            table.rows {
                thead { tr {
                    th scope="col" { (words.preflight_from) }
                    th scope="col" { (words.preflight_to) }
                    th.number scope="col" { (words.preflight_messages) }
                    th.number scope="col" { (words.column_size) }
                } }
                tbody {
                    @for (at, row) in seen.folders.iter().enumerate() {
                        tr {
                            th scope="row" {
                                @if at < seen.editable { label for={ "to-" (at) } { bdi { (row.source) } } }
                                @else { bdi { (row.source) } }
                            }
                            td data-label=(words.preflight_to) {
                                @if at < seen.editable {
                                    input id={ "to-" (at) } name={ "to." (at) } value=(row.destination) spellcheck="false"
                                        autocapitalize="none";
                                } @else { bdi { (row.destination) } }
                                @if !row.exists { " " span.hint { (words.preflight_new) } }
                            }
                            td.number data-label=(words.preflight_messages) { (number(words, row.messages)) }
                            td.number data-label=(words.column_size) { @if let Some(size) = row.bytes { (bytes(words, size)) } }
                        }
                    }
                }
            }
            @if seen.more_folders { p.hint { (words.preflight_more) } }
            @if !seen.left_out.is_empty() {
                details {
                    summary { (words.preflight_left_out) }
                    ul { @for name in seen.left_out { li { bdi { (name) } } } }
                }
            }
        }
    }
}

fn largest(page: &Page<'_>, seen: &Preflight<'_>) -> Markup {
    let words = page.words;
    html! {
        @if !seen.largest.is_empty() {
            details.card {
                summary { span.legend { (words.preflight_largest) } }
                @if !seen.all_sizes { p.hint { (words.preflight_some_sizes) } }
                ul {
                    @for (folder, size, date) in &seen.largest {
                        li { (bytes(words, *size)) " – " bdi { (folder) } @if let Some(at) = date { ", " (moment(*at)) } }
                    }
                }
            }
        }
    }
}
