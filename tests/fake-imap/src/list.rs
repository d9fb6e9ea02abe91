//! LIST and LSUB: RFC 3501, LIST-EXTENDED (RFC 5258), SPECIAL-USE (RFC 6154), LIST-STATUS
//! (RFC 5819).

use std::collections::BTreeSet;

use wire::Stream;

use crate::account::Account;
use crate::command::Arg;
use crate::session::{Outcome, Session, quote};

/// What a LIST asks for.
#[derive(Default)]
struct Query {
    patterns: Vec<String>,
    only_subscribed: bool,
    only_special: bool,
    subscribed: bool,
    status: Vec<Arg>,
}

impl<S: Stream> Session<S> {
    pub(crate) fn list(&mut self, args: &[Arg]) -> Outcome {
        let query = self.list_query(args)?;
        if query.patterns.iter().all(String::is_empty) {
            // An empty pattern asks for the delimiter and the root of the reference.
            let delimiter = quote(&self.features.delimiter);
            self.say(&format!("* LIST (\\Noselect) {delimiter} \"\""));
            return Ok("OK done".into());
        }
        let names = {
            let account = self.account.lock();
            let mut names = with_parents(&account, &self.features.delimiter);
            if query.only_subscribed {
                names.extend(account.subscribed.iter().cloned());
            }
            names
        };
        let delimiter = self.features.delimiter.clone();
        for name in &names {
            if !query.patterns.iter().any(|pattern| matches(pattern, name, &delimiter)) {
                continue;
            }
            let Some(attributes) = self.attributes(name, &names, &query) else { continue };
            let shown = self.name_out(name);
            let attributes = attributes.join(" ");
            self.say(&format!("* LIST ({attributes}) {} {shown}", quote(&delimiter)));
            if !query.status.is_empty()
                && let Some(line) = self.status_line(name, &query.status)?
            {
                self.say(&line);
            }
        }
        Ok("OK done".into())
    }

    fn attributes(
        &self,
        name: &str,
        names: &BTreeSet<String>,
        query: &Query,
    ) -> Option<Vec<String>> {
        let account = self.account.lock();
        let folder = account.folders.get(name);
        let subscribed = account.subscribed.contains(name);
        let special = folder.and_then(|folder| folder.special_use.clone());
        if (query.only_subscribed && !subscribed) || (query.only_special && special.is_none()) {
            return None;
        }
        let mut attributes = Vec::new();
        match folder {
            None if self.features.list_extended => attributes.push("\\NonExistent".to_owned()),
            Some(folder) if !folder.no_select => {}
            None | Some(_) => attributes.push("\\Noselect".to_owned()),
        }
        let below = format!("{name}{}", self.features.delimiter);
        let has_children = names.iter().any(|other| other.starts_with(&below));
        let children = if has_children { "\\HasChildren" } else { "\\HasNoChildren" };
        attributes.push(children.to_owned());
        attributes.extend(special.filter(|_| self.features.special_use));
        if subscribed && (query.subscribed || query.only_subscribed) {
            attributes.push("\\Subscribed".to_owned());
        }
        Some(attributes)
    }

    fn list_query(&self, args: &[Arg]) -> Result<Query, String> {
        let mut query = Query::default();
        let extended = self.features.list_extended || self.rev2;
        let mut args = args;
        if let [Arg::List(options), rest @ ..] = args {
            for option in options.iter().filter_map(Arg::word) {
                match option.as_str() {
                    "SUBSCRIBED" if extended => query.only_subscribed = true,
                    "SPECIAL-USE" if self.features.special_use => query.only_special = true,
                    "REMOTE" | "RECURSIVEMATCH" if extended => {}
                    _ => return Err(format!("BAD list selection option {option}")),
                }
            }
            args = rest;
        }
        let [reference, patterns, rest @ ..] = args else {
            return Err("BAD LIST takes a reference and a pattern".into());
        };
        let reference = reference.text().ok_or("BAD reference")?;
        let patterns = match patterns {
            Arg::List(list) if extended => list.iter().filter_map(Arg::text).collect(),
            Arg::List(_) => return Err("BAD several patterns without LIST-EXTENDED".into()),
            one => vec![one.text().ok_or("BAD pattern")?],
        };
        let join = |pattern: String| match pattern.as_str() {
            "" => String::new(),
            _ => self.inward(&format!("{reference}{pattern}")),
        };
        query.patterns = patterns.into_iter().map(join).collect();
        match rest {
            [] => {}
            [Arg::Atom(word), Arg::List(options)] if word.eq_ignore_ascii_case("RETURN") => {
                self.list_return(options, &mut query)?;
            }
            _ => return Err("BAD list arguments".into()),
        }
        Ok(query)
    }

    fn list_return(&self, options: &[Arg], query: &mut Query) -> Result<(), String> {
        let extended = self.features.list_extended || self.rev2;
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match option.word().as_deref() {
                Some("SUBSCRIBED") if extended => query.subscribed = true,
                Some("CHILDREN") if extended => {}
                Some("SPECIAL-USE") if self.features.special_use => {}
                Some("STATUS") if self.features.list_status || self.rev2 => {
                    let items = options.next().and_then(Arg::list);
                    query.status = items.ok_or("BAD STATUS takes items")?.to_vec();
                }
                _ => return Err("BAD list return option".into()),
            }
        }
        Ok(())
    }

    pub(crate) fn lsub(&mut self, args: &[Arg]) -> Outcome {
        let [reference, pattern] = args else { return Err("BAD LSUB takes two names".into()) };
        let (reference, pattern) = (reference.text(), pattern.text());
        let pattern = format!("{}{}", reference.unwrap_or_default(), pattern.unwrap_or_default());
        let pattern = self.inward(&pattern);
        let delimiter = self.features.delimiter.clone();
        let names = self.account.lock().subscribed.clone();
        for name in names.iter().filter(|name| matches(&pattern, name, &delimiter)) {
            let shown = self.name_out(name);
            self.say(&format!("* LSUB () {} {shown}", quote(&delimiter)));
        }
        Ok("OK done".into())
    }

    /// A pattern as names are kept: modified UTF-7.
    fn inward(&self, pattern: &str) -> String {
        if self.utf8 || self.rev2 { crate::to_utf7(pattern) } else { pattern.to_owned() }
    }
}

/// Names of mailboxes and of the levels above them.
fn with_parents(account: &Account, delimiter: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for name in account.folders.keys() {
        names.insert(name.clone());
        let ends = name.match_indices(delimiter).map(|(at, _)| name[..at].to_owned());
        names.extend(ends);
    }
    names
}

/// `*` matches anything, `%` anything within a level; INBOX in any case.
fn matches(pattern: &str, name: &str, delimiter: &str) -> bool {
    if name == "INBOX" && pattern.eq_ignore_ascii_case("INBOX") {
        return true;
    }
    let mut chars = pattern.chars();
    match chars.next() {
        None => name.is_empty(),
        Some(wild @ ('*' | '%')) => {
            let rest = chars.as_str();
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.take_while(|end| wild == '*' || !name[..*end].contains(delimiter))
                .any(|end| matches(rest, &name[end..], delimiter))
        }
        Some(letter) => {
            name.strip_prefix(letter).is_some_and(|name| matches(chars.as_str(), name, delimiter))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_patterns() {
        for (pattern, name, expected) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%", "a", true),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("inbox", "INBOX", true),
            ("%/b", "a/b", true),
            ("a*c", "abbc", true),
        ] {
            assert_eq!(matches(pattern, name, "/"), expected, "{pattern} {name}");
        }
    }
}
