//! A project is made, opened, and erased.

use maud::{Markup, html};

use super::wrong;
use crate::Page;
use crate::form::{self, Field, Filled, Kind};
use crate::layout::{Reload, encode};
use crate::words::fill;

/// The form for a new project.
pub fn new(page: &Page<'_>, filled: &Filled) -> String {
    let words = &page.words.project;
    let text =
        |name, label, hint, kind| Field { name, label, hint: Some(hint), kind, required: true };
    let main = html! {
        div.narrow {
            h1 { (words.new_title) }
            p.lead { (words.new_lead) }
            (wrong(page, page.words.errors_lead, filled))
            form.card method="post" action="/projects/new" {
                (form::field(page, filled, &text("name", words.name, words.name_hint, Kind::Text)))
                (form::field(page, filled, &text("password", words.password, words.password_hint, Kind::NewPassword)))
                (form::field(page, filled, &Field { required: false, ..text("email", page.words.field_email, words.email_hint, Kind::Email) }))
                p.buttons { button.primary { (words.new_submit) } }
            }
            p { (words.new_other) " " a href="/projects/open" { (words.open_submit) } }
        }
    };
    page.document(words.new_title, Reload::Never, main)
}

/// How a project is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open<'a> {
    /// The identifier, as it was typed or as the address has it.
    pub id: &'a str,
    /// The page that was asked for, to come back to; empty for the first.
    pub back: &'a str,
    /// What is to be said.
    pub notice: Notice,
}

/// What is said where a project is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notice {
    /// Nothing.
    #[default]
    Nothing,
    /// Its pages were asked for, but nobody is logged in.
    SignIn,
    /// Identifier and password do not belong together.
    Wrong,
    /// So many seconds are to be waited.
    Wait(u64),
    /// The owner has logged out.
    Closed,
}

/// The way into a project.
pub fn open(page: &Page<'_>, open: Open<'_>) -> String {
    let words = &page.words.project;
    let described = if open.notice == Notice::Wrong { "notice id-hint" } else { "id-hint" };
    let invalid = (open.notice == Notice::Wrong).then_some("true");
    let main = html! {
        div.narrow {
            h1 { (words.open_title) }
            p.lead { (words.open_lead) }
            (told(page, open.notice))
            form.card method="post" action="/projects/open" {
                @if !open.back.is_empty() { input type="hidden" name="back" value=(open.back); }
                div.field {
                    label for="id" { (words.id) }
                    input #id name="id" value=(open.id) required maxlength="64"
                        autocomplete="username" autocapitalize="none" spellcheck="false"
                        aria-describedby=(described) aria-invalid=[invalid];
                    p.hint #id-hint { (page.words.field_id_hint) }
                }
                div.field {
                    label for="password" { (words.password) }
                    input #password name="password" type="password" required
                        autocomplete="current-password" aria-invalid=[invalid];
                }
                p.buttons { button.primary { (words.open_submit) } }
            }
            p { (words.open_other) " " a href="/projects/new" { (words.new_submit) } }
        }
    };
    page.document(words.open_title, Reload::Never, main)
}

fn told(page: &Page<'_>, notice: Notice) -> Markup {
    let words = page.words;
    let refusal = |code| words.refusal(code).unwrap_or(words.problem_title).to_owned();
    let (class, role, text) = match notice {
        Notice::Nothing => return html! {},
        Notice::SignIn => ("notice", "status", refusal("sign_in")),
        Notice::Closed => ("notice", "status", words.project.closed.to_owned()),
        Notice::Wrong => ("notice bad", "alert", refusal("wrong_password")),
        Notice::Wait(seconds) => {
            ("notice bad", "alert", fill(words.project.wait, &[("n", &seconds.to_string())]))
        }
    };
    html! { div class=(class) #notice role=(role) { p { (text) } } }
}

/// What is shown once a project is erased.
pub fn erased(page: &Page<'_>) -> String {
    let words = &page.words.project;
    let main = html! {
        div.narrow {
            h1 { (words.deleted_title) }
            p.lead { (words.deleted_lead) }
            p.buttons { a.button.primary href="/" { (page.words.problem_home) } }
        }
    };
    page.document(words.deleted_title, Reload::Never, main)
}

/// The address of the way into a project.
pub fn address(id: &str) -> String {
    format!("/projects/open?id={}", encode(id))
}
