//! The part of a form that finds a mail server from the address.

use maud::{Markup, html};

use crate::Page;
use crate::filled::{Filled, Found};
use crate::words::fill;

/// The button that finds the server, and what it found. Without the script the form comes back
/// filled in.
pub(crate) fn button(page: &Page<'_>, side: &str, filled: &Filled) -> Markup {
    let words = page.words;
    html! {
        div.detect data-detect=(side) data-wait=(words.detect_wait) data-found=(words.detect_found)
            data-known=(words.detect_known) data-nothing=(words.refusal("no_server").unwrap_or_default())
            data-failed=(words.detect_failed) data-link=(words.detect_app_password) {
            button name="detect" value=(side) formnovalidate { (words.detect) }
            p.hint role="status" {
                @for found in filled.found.iter().filter(|found| found.side == side) {
                    (told(page, found))
                }
            }
        }
    }
}

fn told(page: &Page<'_>, found: &Found) -> Markup {
    let words = page.words;
    html! {
        @match &found.provider {
            Some(name) => { (fill(words.detect_known, &[("name", name)])) },
            None => { (words.detect_found) },
        }
        @if let Some(sentence) = found.hint.as_deref().and_then(|hint| words.detect_hint(hint)) {
            " " (sentence)
        }
        @if let Some(url) = &found.app_password_url {
            " " a href=(url) rel="noreferrer" target="_blank" { (words.detect_app_password) }
        }
    }
}

/// The sentences of all hints, for the script.
pub(crate) fn hints(page: &Page<'_>) -> Markup {
    html! {
        template #hints {
            @for (hint, sentence) in page.words.detect_hints() {
                p data-hint=(hint) { (sentence) }
            }
        }
    }
}

/// Enter presses the first button of a form, which would be the one that looks for servers.
pub(crate) fn first_button() -> Markup {
    html! { button.unseen tabindex="-1" aria-hidden="true" {} }
}
