//! Finds a migration by its number and the source's login.

use maud::html;

use crate::Page;
use crate::layout::Reload;

/// What was typed, and whether it named nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The identifier, as typed.
    pub id: &'a str,
    /// The login, as typed.
    pub account: &'a str,
    /// Whether it was looked for and not found.
    pub unknown: bool,
}

/// The entry to a migration's page.
pub fn page(page: &Page<'_>, asked: Asked<'_>) -> String {
    let words = page.words;
    let invalid = asked.unknown.then_some("true");
    let described = if asked.unknown { "unknown id-hint" } else { "id-hint" };
    let main = html! {
        div.narrow {
            h1 { (words.track_title) }
            p.lead { (words.track_lead) }
            @if asked.unknown {
                div.notice.bad #unknown role="alert" { p { (words.track_unknown) } }
            }
            form.card method="post" action="/find" {
                div.field {
                    label for="id" { (words.field_id) }
                    input #id name="id" value=(asked.id) required maxlength="64"
                        autocomplete="off" autocapitalize="none" spellcheck="false"
                        aria-describedby=(described) aria-invalid=[invalid];
                    p.hint #id-hint { (words.field_id_hint) }
                }
                div.field {
                    label for="account" { (words.field_account) }
                    input #account name="account" value=(asked.account) required maxlength="320"
                        autocomplete="username" autocapitalize="none" spellcheck="false"
                        aria-describedby="account-hint" aria-invalid=[invalid];
                    p.hint #account-hint { (words.field_account_hint) }
                }
                p.buttons { button.primary { (words.track_submit) } }
            }
        }
    };
    page.document(words.track_title, Reload::Never, main)
}
