//! What the owner of a project may choose, and its end.

use maud::{Markup, html};
use model::project::{CONCURRENCY_MAX, REQUESTS_PER_SERVER_MAX};
use model::{Item, ServerType};

use super::{Project, Tab, frame, wrong};
use crate::Page;
use crate::form::{self, Field, Filled, Kind, Offer};
use crate::layout::Reload;
use crate::words::fill;

/// What the page shows.
#[derive(Debug)]
pub struct Options<'a> {
    /// Whose page it is.
    pub project: Project<'a>,
    /// What the installation can do.
    pub offer: Offer<'a>,
    /// The options as they are, or as they were typed: `wave.N.group` and `wave.N.start` for each
    /// wave.
    pub filled: &'a Filled,
    /// How many waves have a row.
    pub waves: usize,
    /// Whether they have just been saved.
    pub saved: bool,
}

/// The page.
pub fn page(page: &Page<'_>, options: &Options<'_>) -> String {
    let words = &page.words.project;
    let (project, filled) = (options.project, options.filled);
    let tab = html! {
        @if options.saved { div.notice.good role="status" { p { (words.options_saved) } } }
        div.form-head {
            h2 { (words.options) }
            p { (words.options_lead) }
        }
        (wrong(page, words.options_wrong, filled))
        form.new method="post" action=(project.address("/options")) {
            div.sides {
                (speed(page, filled))
                (items(page, options.offer.items, filled))
                (server(page, "default_source", words.options_source, options.offer.source_types, filled))
                (server(page, "default_destination", words.options_destination, options.offer.destination_types, filled))
            }
            (waves(page, filled, options.waves))
            p.buttons.submit { button.primary.large { (words.options_save) } }
        }
        (erase(page, project))
    };
    page.document(words.options, Reload::Never, frame(page, project, Tab::Options, &tab))
}

fn speed(page: &Page<'_>, filled: &Filled) -> Markup {
    let words = &page.words.project;
    let most = |template: &str, most: u32| fill(template, &[("n", &most.to_string())]);
    let at_a_time = most(words.options_concurrency_hint, CONCURRENCY_MAX);
    let at_a_server = most(words.options_requests_hint, REQUESTS_PER_SERVER_MAX);
    let count = |name, label, hint| Field {
        name,
        label,
        hint: Some(hint),
        kind: Kind::Count,
        required: true,
    };
    html! {
        fieldset.card {
            legend { (words.options_speed) }
            (form::field(page, filled, &count("concurrency", words.options_concurrency, &at_a_time)))
            (form::field(page, filled, &count("requests_per_server", words.options_requests, &at_a_server)))
        }
    }
}

fn items(page: &Page<'_>, offered: &[Item], filled: &Filled) -> Markup {
    html! {
        fieldset.card #items {
            legend { (page.words.project.options_items) }
            (form::message(page, filled.error("items"), "items-error"))
            (form::item_boxes(page, offered, filled, false))
        }
    }
}

fn server(
    page: &Page<'_>,
    name: &str,
    title: &str,
    types: &[ServerType],
    filled: &Filled,
) -> Markup {
    let words = page.words;
    let (its_type, url) = (format!("{name}.type"), format!("{name}.url"));
    let none = [("", words.project.options_no_default)];
    let known = types.iter().map(|one| (one.name(), words.server_type(*one)));
    html! {
        fieldset.card {
            legend { (title) }
            p.hint { (words.project.options_default_hint) }
            (form::choice(page, &its_type, words.field_type, filled, none.into_iter().chain(known)))
            (form::field(page, filled, &Field { name: &url, label: words.field_url, hint: Some(words.field_url_hint), kind: Kind::Address, required: false }))
        }
    }
}

fn waves(page: &Page<'_>, filled: &Filled, count: usize) -> Markup {
    let words = &page.words.project;
    html! {
        fieldset.card {
            legend { (words.options_waves) }
            p.hint { (words.options_waves_lead) }
            @for at in 0..count {
                @let (group, start) = (format!("wave.{at}.group"), format!("wave.{at}.start"));
                div.grid.wave {
                    (form::field(page, filled, &Field { name: &group, label: words.options_wave_group, hint: None, kind: Kind::Text, required: false }))
                    (form::field(page, filled, &Field { name: &start, label: words.options_wave_start, hint: None, kind: Kind::Moment, required: false }))
                }
            }
        }
    }
}

fn erase(page: &Page<'_>, project: Project<'_>) -> Markup {
    let words = &page.words.project;
    html! {
        details.card.options {
            summary { span.legend { (words.delete) } }
            form.stack method="post" action=(project.address("/delete")) {
                p.hint { (words.delete_hint) }
                label.check {
                    input type="checkbox" name="confirmed" value="yes" required;
                    span { (words.delete_sure) }
                }
                p.buttons { button.danger { (words.delete_confirm) } }
            }
        }
    }
}
