//! What failed begins anew, with the passwords of a corrected spreadsheet.

use maud::html;

use super::import::{Checked, file, result};
use super::{Project, Tab, frame};
use crate::Page;
use crate::layout::Reload;

/// The page.
pub fn page(page: &Page<'_>, project: Project<'_>, checked: &Checked<'_>) -> String {
    let words = &page.words.project;
    let tab = html! {
        div.form-head {
            h2 { (words.retry_title) }
            p { (words.retry_lead) }
        }
        form.card method="post" enctype="multipart/form-data" action=(project.address("/retry#result"))
            data-busy=(words.import_wait) {
            (file(page, words.retry_why))
            p.buttons {
                button.primary { (words.retry_submit) }
                a.button href=(project.address("")) { (words.follow) }
                span.busy role="status" {}
            }
        }
        div.stack #result tabindex="-1" { (result(page, checked)) }
    };
    page.document(words.retry_title, Reload::Never, frame(page, project, Tab::Follow, &tab))
}
