//! The first page.

use maud::{Markup, html};

use crate::Page;
use crate::layout::Reload;

/// What this is, what one can rely on, and how it goes.
pub fn page(page: &Page<'_>) -> String {
    let words = page.words;
    let points = [
        ("shield", words.home_safe_title, words.home_safe),
        ("check", words.home_complete_title, words.home_complete),
        ("loop", words.home_alone_title, words.home_alone),
        ("key", words.home_secret_title, words.home_secret),
    ];
    let steps = [
        (words.home_step_1_title, words.home_step_1),
        (words.home_step_2_title, words.home_step_2),
        (words.home_step_3_title, words.home_step_3),
    ];
    let main = html! {
        section.hero {
            div {
                h1 { (words.home_title) }
                p.lead { (words.home_lead) }
                p.buttons {
                    a.button.primary href="/new" { (words.home_new) }
                    a.button href="/find" { (words.home_track) }
                }
            }
            (picture())
        }
        section aria-labelledby="points" {
            h2 #points { (words.home_points_title) }
            ul.points {
                @for (icon, title, text) in points {
                    li { (symbol(icon)) h3 { (title) } p { (text) } }
                }
            }
        }
        section.card aria-labelledby="project" {
            h2 #project { (words.home_project_title) }
            p { (words.home_project) }
            p.buttons {
                a.button href="/projects/new" { (words.home_project_new) }
                a.button href="/projects/open" { (words.home_project_open) }
            }
        }
        section aria-labelledby="steps" {
            h2 #steps { (words.home_steps_title) }
            ol.steps {
                @for (title, text) in steps {
                    li { h3 { (title) } p { (text) } }
                }
            }
        }
    };
    page.document(words.home_title, Reload::Never, main)
}

/// Two mailboxes and what goes from one to the other.
fn picture() -> Markup {
    html! {
        svg.picture viewBox="0 0 320 200" aria-hidden="true" focusable="false" {
            g.box.old {
                rect x="12" y="70" width="92" height="92" rx="12" {}
                path d="M12 92 l46 34 46 -34" {}
            }
            g.box.new {
                rect x="216" y="70" width="92" height="92" rx="12" {}
                path d="M216 92 l46 34 46 -34" {}
                path.tick d="M246 48 l12 12 22 -26" {}
            }
            path.way d="M92 56 C 130 8, 190 8, 222 52" {}
            g.letter.one { rect x="104" y="22" width="30" height="21" rx="3" {} path d="M104 25 l15 10 15 -10" {} }
            g.letter.two { rect x="144" y="8" width="30" height="21" rx="3" {} path d="M144 11 l15 10 15 -10" {} }
            g.letter.three { rect x="184" y="20" width="30" height="21" rx="3" {} path d="M184 23 l15 10 15 -10" {} }
        }
    }
}

fn symbol(name: &str) -> Markup {
    let path = match name {
        "shield" => "M12 3 l7 3 v5 c0 5 -3 8 -7 10 c-4 -2 -7 -5 -7 -10 V6 z",
        "check" => "M4 12.5 l5 5 L20 6.5",
        "loop" => "M20 12 a8 8 0 1 1 -3 -6.2 M20 3 v4 h-4",
        _ => "M14 10 a4 4 0 1 0 -2.6 3.7 L13 15 h2 v2 h2 v2 h3 v-3 l-6.2 -4.4 A4 4 0 0 0 14 10",
    };
    html! {
        svg.symbol viewBox="0 0 24 24" aria-hidden="true" focusable="false" { path d=(path) {} }
    }
}
