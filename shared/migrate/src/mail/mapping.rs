//! Which folder of the source becomes which folder of the destination. Pure.
//!
//! The rules, in order: what `exclude_folders` names is left out; `folder_map` moves a branch; a
//! folder with a purpose (Sent, Trash, …) goes to the destination's folder of that purpose; all
//! others keep their path, written with the destination's prefix and delimiter. A part that the
//! destination cannot spell is changed, and two folders never become one: the second gets ` (2)`.
//! Every changed name is a remark in the report.

use std::collections::{BTreeMap, BTreeSet};

use mailbox::{Hierarchy, MailboxName, SpecialUse};
use model::Options;

/// The longest name of one level, in bytes: the limit of most file systems under mail servers,
/// less what Maildir++ and modified UTF-7 add.
const PART_MAX_BYTES: usize = 200;

/// A folder as one side lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: MailboxName,
    /// What the server marks it as.
    pub special_use: Option<SpecialUse>,
    /// Whether it can hold messages.
    pub selectable: bool,
    /// Whether the user subscribed to it.
    pub subscribed: bool,
}

/// Where a folder of the source goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Index into the source's list.
    pub source: usize,
    /// `/` between levels, without the prefix.
    pub source_path: String,
    /// Its name at the destination.
    pub destination: MailboxName,
    /// `/` between levels, without the prefix.
    pub destination_path: String,
    /// Whether the destination has it.
    pub exists: bool,
    /// Its purpose.
    pub special_use: Option<SpecialUse>,
    /// Why the name is another one.
    pub remark: Option<String>,
}

/// Names of one side, made of levels.
trait Spell {
    /// The name of these levels, and whether a level had to be changed.
    fn name(&self, path: &[String]) -> (MailboxName, Vec<String>);
    /// `part` without what the destination cannot have in a level's name.
    fn spellable(&self, part: &str) -> String;
}

impl Spell for Hierarchy {
    fn name(&self, path: &[String]) -> (MailboxName, Vec<String>) {
        if let [only] = path
            && only.eq_ignore_ascii_case("INBOX")
        {
            return (MailboxName::inbox(), vec!["INBOX".to_owned()]);
        }
        // Where everything lies below INBOX, what lay below INBOX elsewhere lies there by itself.
        let below_inbox = self.prefix.to_ascii_uppercase().starts_with("INBOX");
        let path = match path {
            [first, rest @ ..] if below_inbox && !rest.is_empty() && first == "INBOX" => rest,
            all => all,
        };
        let parts: Vec<String> = path.iter().map(|part| self.spellable(part)).collect();
        let joint = self.delimiter.map_or("_".to_owned(), String::from);
        let text = format!("{}{}", self.prefix, parts.join(&joint));
        (MailboxName::new(&text, self.spelling), parts)
    }

    fn spellable(&self, part: &str) -> String {
        let mut out = String::new();
        for c in part.chars() {
            let bad = Some(c) == self.delimiter || c.is_control() || c == '%' || c == '*';
            // Dovecot and Courier refuse `/` in any name, whatever their delimiter.
            let c = if bad || c == '/' { '_' } else { c };
            if out.len() + c.len_utf8() > PART_MAX_BYTES {
                break;
            }
            out.push(c);
        }
        let trimmed = out.trim();
        match trimmed {
            "" | "." | ".." => format!("_{trimmed}"),
            _ if trimmed.starts_with('~') => format!("_{trimmed}"),
            _ => trimmed.to_owned(),
        }
    }
}

/// Maps every selectable folder of the source that is not left out.
pub fn map(
    (source, source_hierarchy): (&[Listed], &Hierarchy),
    (destination, destination_hierarchy): (&[Listed], &Hierarchy),
    options: &Options,
) -> Vec<Mapped> {
    let purposes = purposes(destination, destination_hierarchy);
    let existing: BTreeMap<&[u8], &Listed> =
        destination.iter().map(|folder| (folder.name.raw(), folder)).collect();
    let mut taken = Taken::default();
    let special = special_branches((source, source_hierarchy), (&purposes, destination_hierarchy));
    let chosen = options.folder_map.iter().map(|(from, to)| (levels(from), levels(to)));
    // Of two for one branch the folder's purpose counts, and of these the last.
    let branches: Branches = chosen.chain(special).collect();
    let excluded = Excluded::of(options);

    let mut order: Vec<usize> = (0..source.len()).collect();
    // Exact homes first: a folder with a purpose is not pushed aside by a namesake.
    order.sort_by_key(|at| source.get(*at).is_none_or(|folder| folder.special_use.is_none()));
    let mut mapped = Vec::new();
    for at in order {
        let Some(folder) = source.get(at) else { continue };
        let path: Vec<String> =
            source_hierarchy.path(&folder.name).into_iter().map(str::to_owned).collect();
        if !folder.selectable || excluded.covers(folder, &path) {
            continue;
        }
        let wanted = moved(&path, &branches);
        let (name, parts) = taken.free_name(destination_hierarchy, &wanted);
        let remark = (parts != wanted).then(|| {
            format!(
                "The destination cannot spell this name; it is called {} there.",
                parts.join("/")
            )
        });
        mapped.push(Mapped {
            source: at,
            source_path: path.join("/"),
            destination_path: parts.join("/"),
            exists: existing.get(name.raw()).is_some_and(|folder| folder.selectable),
            destination: name,
            special_use: folder.special_use,
            remark,
        });
    }
    mapped.sort_by_key(|folder| folder.source);
    mapped
}

fn levels(path: &str) -> Vec<String> {
    path.split('/').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// What `exclude_folders` names, in small letters: levels of branches, and purposes.
struct Excluded {
    branches: BTreeSet<Vec<String>>,
    purposes: BTreeSet<String>,
}

impl Excluded {
    fn of(options: &Options) -> Self {
        let small: Vec<String> =
            options.exclude_folders.iter().map(|named| named.to_lowercase()).collect();
        let branches = small.iter().map(|named| levels(named)).filter(|named| !named.is_empty());
        Excluded { branches: branches.collect(), purposes: small.into_iter().collect() }
    }

    /// Whether a folder is left out: itself, one above it, or its purpose is named.
    fn covers(&self, folder: &Listed, path: &[String]) -> bool {
        let small: Vec<String> = path.iter().map(|part| part.to_lowercase()).collect();
        let purpose = folder
            .special_use
            .map(|purpose| purpose.attribute().trim_start_matches('\\').to_lowercase());
        prefixes(&small).any(|above| self.branches.contains(above))
            || purpose.is_some_and(|word| self.purposes.contains(&word))
    }
}

/// `path` and what is above it, the longest first.
fn prefixes(path: &[String]) -> impl Iterator<Item = &[String]> {
    (1..=path.len()).rev().filter_map(|levels| path.get(..levels))
}

/// Source branch → destination branch.
type Branches = BTreeMap<Vec<String>, Vec<String>>;

/// The longest branch that covers `path`, replaced.
fn moved(path: &[String], branches: &Branches) -> Vec<String> {
    // A branch without levels is all there is.
    let mut above = prefixes(path).chain([&[][..]]);
    match above.find_map(|from| Some((from, branches.get(from)?))) {
        Some((from, to)) => to.iter().chain(path.iter().skip(from.len())).cloned().collect(),
        None => path.to_vec(),
    }
}

/// The destination's folder of each purpose, by attribute, else by a top-level name.
fn purposes(folders: &[Listed], hierarchy: &Hierarchy) -> Vec<(SpecialUse, Vec<String>)> {
    let mut found: Vec<(SpecialUse, Vec<String>)> = Vec::new();
    let marked = folders.iter().filter_map(|folder| Some((folder.special_use?, folder)));
    let named =
        folders.iter().filter_map(|folder| Some((purpose_by_name(folder, hierarchy)?, folder)));
    for (purpose, folder) in marked.chain(named) {
        if folder.selectable && found.iter().all(|(known, _)| *known != purpose) {
            let path = hierarchy.path(&folder.name).into_iter().map(str::to_owned).collect();
            found.push((purpose, path));
        }
    }
    found
}

fn purpose_by_name(folder: &Listed, hierarchy: &Hierarchy) -> Option<SpecialUse> {
    match hierarchy.path(&folder.name)[..] {
        [only] => mailbox::SpecialUse::of_name(only),
        _ => None,
    }
}

/// Source branch → destination branch, for every purpose both sides have a folder for.
fn special_branches(
    (source, source_hierarchy): (&[Listed], &Hierarchy),
    (purposes, _): (&[(SpecialUse, Vec<String>)], &Hierarchy),
) -> Vec<(Vec<String>, Vec<String>)> {
    let own = self::purposes(source, source_hierarchy);
    let pairs = own.into_iter().filter_map(|(purpose, from)| {
        let to = purposes.iter().find(|(other, _)| *other == purpose)?;
        Some((from, to.1.clone()))
    });
    // A folder that the destination has under its very name stays there.
    pairs.filter(|(from, to)| from != to).collect()
}

/// The names that source folders have got.
#[derive(Default)]
struct Taken {
    names: BTreeSet<Vec<u8>>,
    /// Of a name that several want: the number that the next of them tries first.
    next: BTreeMap<Vec<u8>, u32>,
}

impl Taken {
    /// The name for `wanted` that no other source folder has got yet.
    fn free_name(
        &mut self,
        hierarchy: &Hierarchy,
        wanted: &[String],
    ) -> (MailboxName, Vec<String>) {
        let (first, spelled) = hierarchy.name(wanted);
        if self.names.insert(first.raw().to_vec()) {
            let shown = if spelled.len() < wanted.len() { wanted.to_vec() } else { spelled };
            return (first, shown);
        }
        let from = self.next.get(first.raw()).copied().unwrap_or(2);
        for n in from.. {
            let mut path = wanted.to_vec();
            if let Some(last) = path.last_mut() {
                // The number must not be what is cut off at the end of a long name.
                let number = format!(" ({n})");
                *last = hierarchy.spellable(last);
                *last = wire::cut(last, PART_MAX_BYTES - number.len()).to_owned() + &number;
            }
            let (name, parts) = hierarchy.name(&path);
            if self.names.insert(name.raw().to_vec()) {
                self.next.insert(first.raw().to_vec(), n + 1);
                let shown = if parts.len() < path.len() { path } else { parts };
                return (name, shown);
            }
        }
        (first, wanted.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(delimiter: char, prefix: &str) -> Hierarchy {
        let spelling = mailbox::Spelling::default();
        Hierarchy { delimiter: Some(delimiter), prefix: prefix.into(), spelling }
    }

    fn folders(names: &[&str], hierarchy: &Hierarchy) -> Vec<Listed> {
        let folder = |text: &&str| {
            let (name, purpose) = text.split_once('=').map_or((*text, None), |(n, p)| (n, Some(p)));
            Listed {
                name: MailboxName::new(name, hierarchy.spelling),
                special_use: purpose.and_then(mailbox::SpecialUse::of_attribute),
                selectable: true,
                subscribed: false,
            }
        };
        names.iter().map(folder).collect()
    }

    #[track_caller]
    fn check(source: (&[&str], char, &str), destination: (&[&str], char, &str), expected: &[&str]) {
        check_with(source, destination, &Options::default(), expected);
    }

    #[track_caller]
    fn check_with(
        source: (&[&str], char, &str),
        destination: (&[&str], char, &str),
        options: &Options,
        expected: &[&str],
    ) {
        let (from, to) = (side(source.1, source.2), side(destination.1, destination.2));
        let (mine, theirs) = (folders(source.0, &from), folders(destination.0, &to));
        let mapped = map((&mine, &from), (&theirs, &to), options);
        let line = |folder: &Mapped| {
            let sign = if folder.exists { "=" } else { "+" };
            let star = if folder.remark.is_some() { " *" } else { "" };
            format!("{} {sign} {}{star}", folder.source_path, folder.destination.text())
        };
        assert_eq!(mapped.iter().map(line).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn prefixes_and_delimiters() {
        check(
            (&["INBOX", "INBOX.a", "INBOX.a.b"], '.', "INBOX."),
            (&["INBOX", "a"], '/', ""),
            &["INBOX = INBOX", "a = a", "a/b + a/b"],
        );
        check(
            (&["INBOX", "a/b", "INBOX/c"], '/', ""),
            (&["INBOX"], '.', "INBOX."),
            &["INBOX = INBOX", "a/b + INBOX.a.b", "INBOX/c + INBOX.c"],
        );
    }

    #[test]
    fn purposes_meet() {
        check(
            (&["Gesendet=\\Sent", "Gesendet/2019", "Papierkorb"], '/', ""),
            (&["Sent Items", "Trash=\\Trash"], '/', ""),
            &["Gesendet = Sent Items", "Gesendet/2019 + Sent Items/2019", "Papierkorb = Trash"],
        );
        check(
            (&["Sent=\\Sent", "Sent Items"], '/', ""),
            (&["Sent Items=\\Sent"], '/', ""),
            &["Sent = Sent Items", "Sent Items + Sent Items (2) *"],
        );
    }

    #[test]
    fn impossible_names_are_changed_and_never_meet() {
        check(
            (&["v1.2", "v1_2", "a\\b", "~x"], '/', ""),
            (&[], '.', ""),
            &["v1.2 + v1_2 *", "v1_2 + v1_2 (2) *", "a\\b + a\\b", "~x + _~x *"],
        );
    }

    /// Names that differ only where they are cut off, or only in what cannot be spelled.
    #[test]
    fn as_many_as_there_may_be_never_meet() {
        let (from, to) = (side('/', ""), side('.', ""));
        let long = |n: usize| format!("{}{n}", "x".repeat(PART_MAX_BYTES));
        let alike =
            |n: usize| (0..15).map(|bit| if n >> bit & 1 == 1 { '.' } else { '_' }).collect();
        for name in [&long as &dyn Fn(usize) -> String, &alike] {
            let names: Vec<String> = (0..20_000).map(name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mine = folders(&names, &from);
            let mapped = map((&mine, &from), (&[], &to), &Options::default());
            let different: BTreeSet<&[u8]> =
                mapped.iter().map(|own| own.destination.raw()).collect();
            assert_eq!(different.len(), 20_000);
        }
    }

    #[test]
    fn options_rule() {
        let options = Options {
            exclude_folders: vec!["junk".into(), "Old/2001".into()],
            folder_map: BTreeMap::from([("Old".into(), "Archive/Old".into())]),
            ..Options::default()
        };
        check_with(
            (&["Spam=\\Junk", "Old", "Old/2001", "Old/2001/x", "Old/2002", "Older"], '/', ""),
            (&[], '/', ""),
            &options,
            &["Old + Archive/Old", "Old/2002 + Archive/Old/2002", "Older + Older"],
        );
    }
}
