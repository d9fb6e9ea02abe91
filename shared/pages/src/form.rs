//! The form for one migration.
//!
//! A field is named by where its value goes in the API's object, with dots: `source.url` is
//! `/source/url`. So one validation serves both, and an error finds its field.

use maud::{Markup, html};
use model::{Item, ServerType};

pub use crate::filled::{FieldError, Filled, Found};
use crate::layout::Reload;
use crate::{Language, Page, detection, labels};

/// What the installation can do.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// Types of server that can be a source.
    pub source_types: &'a [ServerType],
    /// Types of server that can be a destination.
    pub destination_types: &'a [ServerType],
    /// Items that some pair of these carries.
    pub items: &'a [Item],
}

/// How a field is typed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Address,
    Login,
    Password,
    Email,
    Day,
    Moment,
    Time,
    Hours,
    Megabytes,
    Lines,
    Text,
    Count,
    NewPassword,
}

impl Kind {
    fn is_secret(self) -> bool {
        matches!(self, Kind::Password | Kind::NewPassword)
    }
}

/// A field of a form.
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) hint: Option<&'a str>,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// The form, empty or with what was typed and what is wrong.
pub fn page(page: &Page<'_>, offer: Offer<'_>, filled: &Filled) -> String {
    let words = page.words;
    let main = html! {
        div.form-head {
            h1 { (words.new_title) }
            p.lead { (words.new_lead) }
        }
        (summary(page, filled))
        form.new method="post" action="/new" data-busy=(words.new_wait) {
            (detection::first_button())
            div.sides {
                (side(page, "source", (words.source_title, words.source_lead), offer.source_types, filled))
                (side(page, "destination", (words.destination_title, words.destination_lead), offer.destination_types, filled))
            }
            (items(page, offer.items, filled))
            (options(page, filled))
            (schedule(page, filled))
            (notify(page, filled))
            section.terms aria-labelledby="terms" {
                h2 #terms { (words.terms_title) }
                ul {
                    @for term in [words.terms_1, words.terms_2, words.terms_3, words.terms_4] {
                        li { (term) }
                    }
                }
            }
            p.buttons.submit {
                button.primary.large { (words.new_submit) }
                button name="check" value="yes" { (words.new_check) }
                span.busy role="status" {}
            }
            (detection::hints(page))
        }
    };
    page.document(words.new_title, Reload::Never, main)
}

/// What is wrong, with links to the fields; nothing where nothing is.
pub(crate) fn summary(page: &Page<'_>, filled: &Filled) -> Markup {
    let words = page.words;
    html! {
        @if !filled.errors.is_empty() {
            div.notice.bad.summary #errors role="alert" tabindex="-1" aria-labelledby="errors-title" {
                h2 #errors-title { (words.errors_title) }
                p { (words.errors_lead) }
                ul {
                    @for error in &filled.errors {
                        @let sentence = words.refusal(error.code).unwrap_or(words.errors_title);
                        li {
                            @match label_of(page, &error.field) {
                                Some(label) => { a href={ "#" (id_of(&error.field)) } { (label) } " – " (sentence) },
                                None => { (sentence) (said(error)) },
                            }
                        }
                    }
                }
                p { (words.errors_password) }
            }
        }
    }
}

pub(crate) fn label_of(page: &Page<'_>, field: &str) -> Option<String> {
    let words = page.words;
    let (side, rest) = match field.split_once('.') {
        Some(("source", rest)) => (Some(words.migration_from), rest),
        Some(("destination", rest)) => (Some(words.migration_to), rest),
        _ => (None, field),
    };
    let label = match rest {
        "type" => words.field_type,
        "url" => words.field_url,
        "login" => words.field_login,
        "password" => words.field_password,
        "delegate" => words.field_delegate,
        "items" => words.items_title,
        "options.exclude_folders" => words.field_exclude,
        "options.folder_map" => words.field_map,
        "options.since" => words.field_since,
        "options.until" => words.field_until,
        "options.max_item_bytes" => words.field_max,
        "options.start_at" => words.field_start,
        "options.repeat.every_hours" => words.field_every,
        "options.repeat.until" => words.field_repeat_until,
        "options.quiet_hours.from" => words.field_quiet_from,
        "options.quiet_hours.to" => words.field_quiet_to,
        "options.keep_credentials_until" => words.field_kept,
        "notify.email" => words.field_email,
        "notify.language" => words.field_language,
        _ => return labels::of_project(page, field),
    };
    Some(side.map_or(label.to_owned(), |side| format!("{side}: {label}")))
}

pub(crate) fn id_of(field: &str) -> String {
    field.replace('.', "-")
}

pub(crate) fn said(error: &FieldError) -> Markup {
    html! {
        @if let Some(said) = &error.said { " " span.said lang="en" { (said) } }
    }
}

pub(crate) fn side(
    page: &Page<'_>,
    side: &str,
    (title, lead): (&str, &str),
    types: &[ServerType],
    filled: &Filled,
) -> Markup {
    let words = page.words;
    let name = |field: &str| format!("{side}.{field}");
    let delegate = name("delegate");
    html! {
        fieldset.card.side {
            legend { (title) }
            p.hint { (lead) }
            (choice(page, &name("type"), words.field_type, filled, types.iter().map(|server_type| (server_type.name(), words.server_type(*server_type)))))
            (field(page, filled, &Field { name: &name("url"), label: words.field_url, hint: Some(words.field_url_hint), kind: Kind::Address, required: false }))
            (field(page, filled, &Field { name: &name("login"), label: words.field_login, hint: Some(words.field_login_hint), kind: Kind::Login, required: true }))
            (detection::button(page, side, filled))
            (field(page, filled, &Field { name: &name("password"), label: words.field_password, hint: Some(words.field_password_hint), kind: Kind::Password, required: true }))
            details open[filled.touches(&[&delegate])] {
                summary { (words.field_advanced) }
                (field(page, filled, &Field { name: &delegate, label: words.field_delegate, hint: Some(words.field_delegate_hint), kind: Kind::Login, required: false }))
            }
        }
    }
}

pub(crate) fn items(page: &Page<'_>, offered: &[Item], filled: &Filled) -> Markup {
    let words = page.words;
    let fresh = filled.values.is_empty();
    let error = filled.error("items");
    html! {
        fieldset.card #items aria-describedby="items-hint" {
            legend { (words.items_title) }
            p.hint #items-hint { (words.items_lead) }
            (message(page, error, "items-error"))
            (item_boxes(page, offered, filled, fresh))
            label.check {
                input type="checkbox" name="options.content_digests" value="true"
                    aria-describedby="digests-hint"
                    checked[fresh || filled.has("options.content_digests", "true")];
                span { (words.field_digests) }
            }
            p.hint #digests-hint { (words.field_digests_hint) }
        }
    }
}

/// A box for each item that is offered; all are ticked at first.
pub(crate) fn item_boxes(
    page: &Page<'_>,
    offered: &[Item],
    filled: &Filled,
    fresh: bool,
) -> Markup {
    html! {
        div.checks {
            @for item in offered {
                label.check {
                    input type="checkbox" name="items" value=(item.name())
                        checked[fresh || filled.has("items", item.name())];
                    span { (page.words.item(*item)) }
                }
            }
        }
    }
}

pub(crate) fn options(page: &Page<'_>, filled: &Filled) -> Markup {
    let words = page.words;
    let fields = [
        ("options.exclude_folders", words.field_exclude, words.field_exclude_hint, Kind::Lines),
        ("options.folder_map", words.field_map, words.field_map_hint, Kind::Lines),
        ("options.since", words.field_since, words.field_since_hint, Kind::Day),
        ("options.until", words.field_until, words.field_until_hint, Kind::Day),
        ("options.max_item_bytes", words.field_max, words.field_max_hint, Kind::Megabytes),
    ];
    folded(page, filled, (words.options_title, words.options_summary), &fields)
}

fn schedule(page: &Page<'_>, filled: &Filled) -> Markup {
    let words = page.words;
    let fields = [
        ("options.start_at", words.field_start, words.field_start_hint, Kind::Moment),
        ("options.repeat.every_hours", words.field_every, words.field_every_hint, Kind::Hours),
        (
            "options.repeat.until",
            words.field_repeat_until,
            words.field_repeat_until_hint,
            Kind::Moment,
        ),
        (
            "options.quiet_hours.from",
            words.field_quiet_from,
            words.field_quiet_from_hint,
            Kind::Time,
        ),
        ("options.quiet_hours.to", words.field_quiet_to, words.field_quiet_to_hint, Kind::Time),
        ("options.keep_credentials_until", words.field_kept, words.field_kept_hint, Kind::Moment),
    ];
    folded(page, filled, (words.schedule_title, words.schedule_summary), &fields)
}

/// Fields that most people need not see: name, label, hint, kind.
fn folded(
    page: &Page<'_>,
    filled: &Filled,
    (title, about): (&str, &str),
    fields: &[(&str, &str, &str, Kind)],
) -> Markup {
    let names: Vec<&str> = fields.iter().map(|(name, ..)| *name).collect();
    html! {
        details.card.options open[filled.touches(&names)] {
            summary { span.legend { (title) } " " span.hint { (about) } }
            div.grid {
                @for (name, label, hint, kind) in fields {
                    (field(page, filled, &Field { name, label, hint: Some(hint), kind: *kind, required: false }))
                }
            }
        }
    }
}

fn notify(page: &Page<'_>, filled: &Filled) -> Markup {
    let words = page.words;
    let languages = Language::ALL.map(|language| (language.tag(), language.own_name()));
    let mut chosen = filled.clone();
    if chosen.value("notify.language").is_empty() {
        chosen.values.push(("notify.language".to_owned(), page.language.tag().to_owned()));
    }
    html! {
        fieldset.card {
            legend { (words.notify_title) }
            div.grid {
                (field(page, filled, &Field { name: "notify.email", label: words.field_email, hint: Some(words.field_email_hint), kind: Kind::Email, required: false }))
                (choice(page, "notify.language", words.field_language, &chosen, languages.into_iter()))
            }
        }
    }
}

pub(crate) fn choice<'w>(
    page: &Page<'_>,
    name: &str,
    label: &str,
    filled: &Filled,
    choices: impl Iterator<Item = (&'w str, &'w str)>,
) -> Markup {
    let id = id_of(name);
    let error = filled.error(name);
    let error_id = format!("{id}-error");
    html! {
        div.field {
            label for=(id) { (label) }
            select id=(id) name=(name) aria-describedby=[error.map(|_| &error_id)] {
                @for (value, text) in choices {
                    option value=(value) selected[filled.has(name, value)] { (text) }
                }
            }
            (message(page, error, &error_id))
        }
    }
}

pub(crate) fn field(page: &Page<'_>, filled: &Filled, field: &Field<'_>) -> Markup {
    field_of(page, "", filled, field)
}

fn field_of(page: &Page<'_>, form: &str, filled: &Filled, field: &Field<'_>) -> Markup {
    let id = format!("{form}{}", id_of(field.name));
    let error = filled.error(field.name);
    let (hint_id, error_id) = (format!("{id}-hint"), format!("{id}-error"));
    let described = match (error, field.hint) {
        (Some(_), Some(_)) => Some(format!("{error_id} {hint_id}")),
        (Some(_), None) => Some(error_id.clone()),
        (None, Some(_)) => Some(hint_id.clone()),
        (None, None) => None,
    };
    html! {
        div.field {
            label for=(id) {
                (field.label)
                @if !field.required { " " span.optional { "(" (page.words.optional) ")" } }
            }
            (input(&id, field, filled, described.as_deref()))
            (message(page, error, &error_id))
            @if let Some(hint) = field.hint { p.hint id=(hint_id) { (hint) } }
        }
    }
}

fn input(id: &str, field: &Field<'_>, filled: &Filled, described: Option<&str>) -> Markup {
    let invalid = filled.error(field.name).map(|_| "true");
    // A password is never written into a page, whatever the caller passed.
    let value = if field.kind.is_secret() { "" } else { filled.value(field.name) };
    let (input_type, mode, complete) = match field.kind {
        Kind::Lines => ("text", None, "off"),
        Kind::Address => ("text", Some("url"), "off"),
        Kind::Login => ("text", Some("email"), "off"),
        Kind::Password => ("password", None, "off"),
        Kind::NewPassword => ("password", None, "new-password"),
        Kind::Text => ("text", None, "off"),
        Kind::Email => ("email", Some("email"), "email"),
        Kind::Day => ("date", None, "off"),
        Kind::Moment => ("datetime-local", None, "off"),
        Kind::Time => ("time", None, "off"),
        Kind::Hours | Kind::Megabytes | Kind::Count => ("number", Some("numeric"), "off"),
    };
    html! {
        @if field.kind == Kind::Lines {
            textarea id=(id) name=(field.name) rows="3" spellcheck="false"
                aria-describedby=[described] aria-invalid=[invalid] { "\n" (value) }
        } @else {
            input id=(id) name=(field.name) type=(input_type) value=(value) inputmode=[mode]
                required[field.required] autocomplete=(complete) autocapitalize="none"
                spellcheck="false" min=[(input_type == "number").then_some("1")]
                aria-describedby=[described] aria-invalid=[invalid];
        }
    }
}

pub(crate) fn message(page: &Page<'_>, error: Option<&FieldError>, id: &str) -> Markup {
    html! {
        @if let Some(error) = error {
            p.error id=(id) {
                (page.words.refusal(error.code).unwrap_or(page.words.errors_title)) (said(error))
            }
        }
    }
}

/// Password fields of a small form; `form` keeps their identifiers apart where a page has several.
pub(crate) fn passwords(
    page: &Page<'_>,
    form: &str,
    labels: &[(&str, &str)],
    filled: &Filled,
) -> Markup {
    html! {
        @for (name, label) in labels {
            (field_of(page, form, filled, &Field { name, label, hint: None, kind: Kind::Password, required: true }))
        }
    }
}
