//! What every page has: head, header with the language switch, footer.

use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::words::Words;
use crate::{Language, assets};

/// All but what is unreserved, RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Nothing but our own files; nothing inline; no frames; forms only to ourselves.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; \
    script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

/// How often an active page is loaded again where the script does not run.
const RELOAD_SECONDS: u32 = 5;

/// Who reads a page, and under which address.
#[derive(Clone)]
pub struct Page<'a> {
    /// The reader's language.
    pub language: Language,
    /// Its words.
    pub words: &'a Words,
    /// Path of the page, for the language switch.
    pub path: &'a str,
    /// Query of the page without `lang`; the switch adds its own.
    pub query: &'a [(String, String)],
}

/// Whether a page is loaded again by itself where the script does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// It stays as it is.
    Never,
    /// Something is going on.
    WhileActive,
}

impl<'a> Page<'a> {
    /// A page for a reader of `language`.
    pub fn new(language: Language, path: &'a str, query: &'a [(String, String)]) -> Self {
        Page { language, words: language.words(), path, query }
    }

    /// The whole document.
    pub fn document(&self, title: &str, reload: Reload, main: Markup) -> String {
        let words = self.words;
        let document = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="same-origin";
                    title { (title) " · " (words.site_name) }
                    link rel="stylesheet" href=(assets::STYLE.address());
                    link rel="icon" type="image/svg+xml" href=(assets::LOGO.address());
                    script src=(assets::SCRIPT.address()) defer {}
                    @if reload == Reload::WhileActive {
                        noscript { meta http-equiv="refresh" content={ (RELOAD_SECONDS) ";url=" (self.address()) }; }
                    }
                }
                body {
                    a.skip href="#main" { (words.skip_to_content) }
                    (self.header())
                    main #main tabindex="-1" { (main) }
                    (self.footer())
                }
            }
        };
        document.into_string()
    }

    fn header(&self) -> Markup {
        let words = self.words;
        html! {
            header.site {
                div.wide {
                    a.brand href="/" {
                        img src=(assets::LOGO.address()) alt="" width="32" height="32";
                        span { (words.site_name) }
                    }
                    nav aria-label=(words.navigation) {
                        (self.navigation_link("/new", words.nav_new))
                        (self.navigation_link("/find", words.nav_track))
                        (self.navigation_link("/projects/open", words.nav_project))
                    }
                }
            }
        }
    }

    fn navigation_link(&self, address: &str, text: &str) -> Markup {
        let current = (self.path == address).then_some("page");
        html! { a href=(address) aria-current=[current] { (text) } }
    }

    fn footer(&self) -> Markup {
        let words = self.words;
        html! {
            footer.site {
                div.wide {
                    p { (words.footer) }
                    nav aria-label=(words.language_label) {
                        @for language in Language::ALL {
                            @if language == self.language {
                                span aria-current="true" lang=(language.tag()) { (language.own_name()) }
                            } @else {
                                a href=(self.address_in(language)) lang=(language.tag())
                                    hreflang=(language.tag()) { (language.own_name()) }
                            }
                        }
                        a href="/api/v1/openapi.json" { (words.footer_source) }
                    }
                }
            }
        }
    }

    /// Where the page is loaded again from: without a fragment, since a browser goes to that
    /// instead of loading anything.
    fn address(&self) -> String {
        let pairs = self.query.iter();
        let pairs: Vec<String> =
            pairs.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        if pairs.is_empty() {
            return self.path.to_owned();
        }
        format!("{}?{}", self.path, pairs.join("&"))
    }

    fn address_in(&self, language: Language) -> String {
        let mut address = format!("{}?lang={}", self.path, language.tag());
        for (name, value) in self.query {
            address.push_str(&format!("&{}={}", encode(name), encode(value)));
        }
        address
    }
}

/// Percent-encodes what is not unreserved (RFC 3986 section 2.3), for paths and queries.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
