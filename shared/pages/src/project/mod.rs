//! The pages of a project: many migrations behind one password.
//!
//! Reading order: [`enter`] (it is made, opened, erased), then one module a tab: [`follow`],
//! [`import`] (with [`retry`], the same for what failed), [`add`], [`options`].

pub mod add;
pub mod enter;
pub mod follow;
pub mod import;
pub mod options;
pub mod retry;

use maud::{Markup, html};

use crate::Page;
use crate::form::{self, Filled};
use crate::tracking::groups;

/// Whose pages these are.
#[derive(Debug, Clone, Copy)]
pub struct Project<'a> {
    /// Identifies it.
    pub id: &'a str,
    /// What its owner calls it.
    pub name: &'a str,
}

/// The parts of a project's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Follow,
    Import,
    Add,
    Options,
}

impl Project<'_> {
    /// The address of one of its pages; empty for the first.
    pub(crate) fn address(&self, tail: &str) -> String {
        format!("/projects/{}{tail}", self.id)
    }
}

/// What every page of a project has: its name, the tabs, the way out.
pub(crate) fn frame(page: &Page<'_>, project: Project<'_>, tab: Tab, main: &Markup) -> Markup {
    let words = &page.words.project;
    let tabs = [
        (Tab::Follow, "", words.follow),
        (Tab::Import, "/import", words.import),
        (Tab::Add, "/add", words.add),
        (Tab::Options, "/options", words.options),
    ];
    html! {
        div.project {
            header.title {
                p.eyebrow { (words.title) }
                form method="post" action=(project.address("/logout")) {
                    button { (words.log_out) }
                }
                h1 { bdi { (project.name) } }
                p.id { span.hint { (words.id) } " " (identifier(project.id)) }
            }
            nav.tabs aria-label=(words.tabs) {
                @for (its, tail, name) in tabs {
                    a href=(project.address(tail)) aria-current=[(its == tab).then_some("page")] { (name) }
                }
            }
            (main)
        }
    }
}

/// An identifier in groups that can be read out.
fn identifier(id: &str) -> Markup {
    html! { code { @for group in groups(id) { span { (group) } } } }
}

/// What is wrong with a form of a project, with links to its fields; nothing where nothing is.
fn wrong(page: &Page<'_>, lead: &str, filled: &Filled) -> Markup {
    html! {
        @if !filled.errors.is_empty() {
            div.notice.bad.summary #errors role="alert" tabindex="-1" aria-labelledby="errors-title" {
                h2 #errors-title { (page.words.errors_title) }
                p { (lead) }
                ul {
                    @for error in &filled.errors {
                        @let sentence = page.words.refusal(error.code).unwrap_or(page.words.errors_title);
                        li {
                            @match form::label_of(page, &error.field) {
                                Some(label) => { a href={ "#" (form::id_of(&error.field)) } { (label) } " – " (sentence) },
                                None => { (sentence) (form::said(error)) },
                            }
                        }
                    }
                }
            }
        }
    }
}
