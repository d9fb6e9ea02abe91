//! The page that shows the token of a migration, once.

use maud::html;

use crate::Page;
use crate::layout::Reload;

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    /// The token.
    pub token: &'a str,
    /// Where it is sent to.
    pub address: &'a str,
    /// Path of the migration's page.
    pub page: &'a str,
}

/// The page.
pub fn page(page: &Page<'_>, shown: &Token<'_>) -> String {
    let words = page.words;
    let main = html! {
        div.form-head {
            h1 { (words.token_title) }
            p.lead { (words.token_lead) }
        }
        section.card {
            h2 { (words.token_name) }
            p.id { code { (shown.token) } }
            p.hint { (words.token_hint) }
            h2 { (words.token_use) }
            pre { code { "curl -X POST -H 'Authorization: Bearer " (shown.token) "' \\\n  " (shown.address) } }
        }
        p.buttons { a.button.primary href=(shown.page) { (words.token_onwards) } }
    };
    page.document(words.token_title, Reload::Never, main)
}
