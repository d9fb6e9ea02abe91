//! Error pages.

use maud::html;

use crate::Page;
use crate::layout::Reload;
use crate::words::fill;

/// What is told about something that did not work.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// The refusal's code; its sentence is in the catalogue.
    pub code: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// What a server or the store said, in its own words.
    pub said: Option<&'a str>,
}

/// A page for `problem`.
pub fn page(page: &Page<'_>, problem: Problem<'_>) -> String {
    let words = page.words;
    let sentence = words.refusal(problem.code).unwrap_or(words.problem_title);
    let main = html! {
        div.narrow {
            p.eyebrow { (fill(words.problem_status, &[("n", &problem.status.to_string())])) }
            h1 { (words.problem_title) }
            p.lead { (sentence) }
            @if let Some(said) = problem.said {
                p.said lang="en" { (said) }
            }
            p.buttons {
                a.button.primary href="/" { (words.problem_home) }
                a.button href="/find" { (words.problem_back) }
            }
        }
    };
    page.document(words.problem_title, Reload::Never, main)
}

/// What is shown once a migration is erased.
pub fn erased(page: &Page<'_>) -> String {
    let words = page.words;
    let main = html! {
        div.narrow {
            h1 { (words.deleted_title) }
            p.lead { (words.deleted_lead) }
            p.buttons { a.button.primary href="/" { (words.problem_home) } }
        }
    };
    page.document(words.deleted_title, Reload::Never, main)
}
