//! One migration is added to a project.

use maud::html;

use super::{Project, Tab, frame, wrong};
use crate::form::{self, Field, Filled, Kind, Offer};
use crate::layout::Reload;
use crate::words::fill;
use crate::{Page, detection};

/// What the page shows.
#[derive(Debug)]
pub struct Add<'a> {
    /// Whose page it is.
    pub project: Project<'a>,
    /// What the installation can do.
    pub offer: Offer<'a>,
    /// What the form is filled in with: at first the project's servers and items.
    pub filled: &'a Filled,
    /// Whether one has just been added.
    pub added: bool,
}

/// The page.
pub fn page(page: &Page<'_>, add: &Add<'_>) -> String {
    let words = &page.words.project;
    let (filled, offer) = (add.filled, add.offer);
    let sides = [
        ("source", (page.words.source_title, page.words.source_lead), offer.source_types),
        (
            "destination",
            (page.words.destination_title, page.words.destination_lead),
            offer.destination_types,
        ),
    ];
    let tab = html! {
        @if add.added {
            div.notice.good role="status" { p { (fill(words.added, &[("n", "1")])) } }
        }
        div.form-head {
            h2 { (words.add_title) }
            p { (words.add_lead) }
        }
        (wrong(page, page.words.errors_lead, filled))
        form.new method="post" action=(add.project.address("/add")) data-busy=(page.words.new_wait) {
            (detection::first_button())
            div.sides {
                @for (side, titles, types) in sides { (form::side(page, side, titles, types, filled)) }
            }
            div.card {
                (form::field(page, filled, &Field { name: "group", label: words.add_group, hint: Some(words.add_group_hint), kind: Kind::Text, required: false }))
                label.check {
                    input type="checkbox" name="keep" value="yes" checked[filled.has("keep", "yes")];
                    span { (words.add_keep) }
                }
            }
            (form::items(page, offer.items, filled))
            (form::options(page, filled))
            p.buttons.submit {
                button.primary.large { (words.add_submit) }
                span.busy role="status" {}
            }
            (detection::hints(page))
        }
    };
    page.document(words.add_title, Reload::Never, frame(page, add.project, Tab::Add, &tab))
}
