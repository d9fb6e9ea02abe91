//! What a removal would do, before it is done.

use std::collections::BTreeMap;

use maud::html;
use model::Migration;

use crate::Page;
use crate::form::{self, Filled};
use crate::layout::{Reload, encode};
use crate::show::{bytes, number};
use crate::words::fill;

/// What the page shows.
pub struct Removal<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// The login that opens its page.
    pub account: &'a str,
    /// The first sync point that is taken back.
    pub from: u32,
    /// Messages that would be removed.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages by folder.
    pub per_folder: &'a BTreeMap<String, u64>,
    /// Folders that go too, where they are empty then.
    pub folders: &'a [String],
    /// What stays: folder, messages, reason.
    pub kept: &'a [(&'a str, u64, &'a str)],
    /// Messages that the user removed already.
    pub gone: u64,
    /// Whether there is more than was looked at.
    pub truncated: bool,
}

/// The page; its form does it.
pub fn page(page: &Page<'_>, removal: &Removal<'_>) -> String {
    let words = page.words;
    let migration = removal.migration;
    let login = &migration.destination.login;
    let count = |n: u64| number(words, n);
    let sizes = [("messages", &*count(removal.messages)), ("bytes", &*bytes(words, removal.bytes))];
    let label = fill(words.destination_password, &[("login", login)]);
    let nothing = removal.messages == 0 && removal.folders.is_empty() && !removal.truncated;
    let back = format!("/migrations/{}?account={}", migration.id, encode(removal.account));
    let main = html! {
        article.narrow {
            h1 { (words.remove_title) }
            p.lead { (fill(words.remove_lead, &[("login", login)])) }
            section.card {
                @if nothing { p { (words.remove_nothing) } } @else { h2 { (fill(words.remove_count, &sizes)) } }
                @if removal.truncated { p.hint { (words.remove_truncated) } }
                ul {
                    @for (folder, messages) in removal.per_folder { li { bdi { (folder) } ": " (count(*messages)) } }
                }
                @if !removal.folders.is_empty() {
                    h3 { (words.remove_folders) }
                    ul { @for folder in removal.folders { li { bdi { (folder) } } } }
                }
                @if removal.gone > 0 { p.hint { (fill(words.remove_gone, &[("messages", &count(removal.gone))])) } }
            }
            @if !removal.kept.is_empty() {
                section.card {
                    h2 { (words.remove_kept) }
                    ul { @for (folder, messages, reason) in removal.kept { li { bdi { (folder) } ": " (count(*messages)) ". " (reason) } } }
                }
            }
            @if !nothing {
                form.card method="post" action={ "/migrations/" (migration.id) "/remove" } data-busy=(words.new_wait) {
                    input type="hidden" name="account" value=(removal.account);
                    input type="hidden" name="from_sync_point" value=(removal.from);
                    input type="hidden" name="confirmed" value="yes";
                    (form::passwords(page, "", &[("destination.password", &label)], &Filled::default()))
                    p.buttons { button.danger { (words.remove_confirm) } span.busy role="status" {} }
                }
            }
            p.links { a href=(back) { (words.track_title) } }
        }
    };
    page.document(words.remove_title, Reload::Never, main)
}
