//! Which language a reader gets.

use crate::words::{Words, en, it};

/// A language that every word is there in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Italian.
    It,
}

impl Language {
    /// Every language, in the order they are offered.
    pub const ALL: [Language; 2] = [Language::En, Language::It];

    /// The tag (RFC 5646), as in `lang=` and the API.
    pub fn tag(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::It => "it",
        }
    }

    /// Its name in itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Language::En => "English",
            Language::It => "Italiano",
        }
    }

    /// Its words.
    pub fn words(self) -> &'static Words {
        match self {
            Language::En => &en::WORDS,
            Language::It => &it::WORDS,
        }
    }

    /// The language of a tag; a region such as in `it-CH` does not matter.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let main = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Language::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(main))
    }

    /// What was asked for in the address wins over what was chosen before (cookie), and that over
    /// what the browser says (`Accept-Language`, RFC 9110 section 12.5.4); else English.
    pub fn choose(asked: Option<&str>, chosen: Option<&str>, accepted: Option<&str>) -> Self {
        asked
            .and_then(Language::from_tag)
            .or_else(|| chosen.and_then(Language::from_tag))
            .or_else(|| accepted.and_then(preferred))
            .unwrap_or(Language::En)
    }
}

/// The most entries of `Accept-Language` that are looked at; browsers send fewer than ten.
const ACCEPTED_MAX: usize = 20;

fn preferred(accepted: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for entry in accepted.split(',').take(ACCEPTED_MAX) {
        let (tag, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = match parameters.trim().strip_prefix("q=") {
            Some(weight) => weight.trim().parse().unwrap_or(0.0),
            None => 1.0_f32,
        };
        let Some(language) = Language::from_tag(tag) else { continue };
        if weight > best.map_or(0.0, |(weight, _)| weight) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_wish_wins() {
        use Language::{En, It};
        for (asked, chosen, accepted, expected) in [
            (None, None, None, En),
            (Some("it"), Some("en"), Some("en"), It),
            (Some("xx"), Some("it"), Some("en"), It),
            (None, None, Some("it-CH, it;q=0.9, en;q=0.8"), It),
            (None, None, Some("de, it;q=0.3, en;q=0.7"), En),
            (None, None, Some("fr, it;q=0.1"), It),
            (None, None, Some("it;q=0"), En),
            (None, None, Some(";;q=,,q="), En),
        ] {
            assert_eq!(Language::choose(asked, chosen, accepted), expected, "{accepted:?}");
        }
    }
}
