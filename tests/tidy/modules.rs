//! Which module of a crate needs which, read from its source: what `use` names, and paths within the
//! code. Tests are left out. A name that a module only hands on (`pub use`) counts for where it is from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module by its names from the root of the crate on; the root itself has none.
type Module = Vec<String>;

/// A crate's modules.
pub(crate) struct Modules {
    sources: BTreeMap<Module, Vec<String>>,
    /// What each module hands on: a name, and the path where it is from. `*` is everything of it.
    handed_on: BTreeMap<Module, Vec<(String, Module)>>,
}

impl Modules {
    /// Reads the crate in `folder` (with `src` in it).
    pub(crate) fn read(folder: &Path) -> Modules {
        let src = folder.join("src");
        let mut sources = BTreeMap::new();
        let root = ["lib.rs", "main.rs"].map(|name| src.join(name));
        let Some(root) = root.iter().find(|path| path.exists()) else {
            return Modules { sources, handed_on: BTreeMap::new() };
        };
        let mut open = vec![(Vec::new(), root.clone(), src)];
        while let Some((module, file, below)) = open.pop() {
            let text = std::fs::read_to_string(&file).unwrap_or_else(|it| panic!("{file:?}: {it}"));
            let tokens = without_inner_modules(&without_tests(tokens(&text)));
            for child in declared(&tokens) {
                let files = [below.join(format!("{child}.rs")), below.join(&child).join("mod.rs")];
                let found = files.iter().find(|path| path.exists());
                let file: &PathBuf = found.unwrap_or_else(|| panic!("{child} of {file:?}"));
                let inner = [module.as_slice(), std::slice::from_ref(&child)].concat();
                open.push((inner, file.clone(), below.join(&child)));
            }
            sources.insert(module, tokens);
        }
        let mut modules = Modules { sources, handed_on: BTreeMap::new() };
        modules.handed_on = modules
            .sources
            .iter()
            .map(|(module, tokens)| (module.clone(), modules.hands_on(module, tokens)))
            .collect();
        modules
    }

    /// Sets of modules that need each other, the largest first; a module that needs only others is in
    /// none.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let needs: BTreeMap<&Module, BTreeSet<&Module>> = self
            .sources
            .iter()
            .map(|(module, tokens)| (module, self.needs(module, tokens)))
            .collect();
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            needs.keys().map(|module| (*module, reach(&needs, module))).collect();
        let mut circles = BTreeSet::new();
        for (module, far) in &reached {
            let both =
                far.iter().filter(|it| reached.get(*it).is_some_and(|back| back.contains(module)));
            let circle: Vec<String> = both.map(|it| named(it)).collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        let mut circles: Vec<_> = circles.into_iter().collect();
        circles.sort_by_key(|circle| usize::MAX - circle.len());
        circles
    }

    /// What a module needs, with a path that shows it; for whoever looks for the way out of a circle.
    pub(crate) fn arrows(&self) -> Vec<(String, String)> {
        let of = |(module, tokens): (&Module, &Vec<String>)| {
            let needs = self.needs(module, tokens);
            needs.into_iter().map(|it| (named(module), named(it))).collect::<Vec<_>>()
        };
        self.sources.iter().flat_map(of).collect()
    }

    fn needs(&self, module: &Module, tokens: &[String]) -> BTreeSet<&Module> {
        let mut paths = Vec::new();
        let mut known: BTreeMap<String, Module> = BTreeMap::new();
        for (path, name, handed_on) in uses(tokens) {
            let Some(path) = self.absolute(module, &path) else { continue };
            if !handed_on {
                known.insert(name, path.clone());
                paths.push(path);
            }
        }
        for path in inline(tokens) {
            let first = path.first().map(String::as_str).unwrap_or_default();
            match known.get(first) {
                Some(full) if path.len() > 1 => {
                    paths.push([full.as_slice(), path.get(1..).unwrap_or_default()].concat());
                }
                _ => paths.extend(self.absolute(module, &path)),
            }
        }
        let owners = paths.iter().filter_map(|path| self.owner(path, 0));
        owners.filter(|owner| *owner != module).collect()
    }

    /// A path from the root on; `None` where it leads into another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module.as_slice(), rest].concat()),
            "super" => {
                let up = path.iter().take_while(|name| *name == "super").count();
                let above = module.len().checked_sub(up)?;
                Some([module.get(..above)?, path.get(up..)?].concat())
            }
            _ => {
                let child = [module.as_slice(), std::slice::from_ref(first)].concat();
                self.sources.contains_key(&child).then(|| [child.as_slice(), rest].concat())
            }
        }
    }

    /// The module that a path leads to, or that has what it leads to.
    fn owner(&self, path: &[String], depth: usize) -> Option<&Module> {
        let length = (0..=path.len()).rev().find(|length| {
            path.get(..*length).is_some_and(|head| self.sources.contains_key(head))
        })?;
        let (module, rest) = path.split_at(length);
        let (module, _) = self.sources.get_key_value(module)?;
        let Some(name) = rest.first().filter(|_| depth < 10) else { return Some(module) };
        let handed_on = self.handed_on.get(module)?;
        let by_name = handed_on.iter().find(|(known, _)| known == name);
        match by_name {
            Some((_, from)) => self.owner(from, depth + 1),
            None => Some(module),
        }
    }

    fn hands_on(&self, module: &Module, tokens: &[String]) -> Vec<(String, Module)> {
        let ours = uses(tokens).into_iter().filter(|(.., handed_on)| *handed_on);
        ours.filter_map(|(path, name, _)| Some((name, self.absolute(module, &path)?))).collect()
    }
}

fn named(module: &Module) -> String {
    if module.is_empty() { "the root".to_owned() } else { module.join("::") }
}

fn reach<'m>(
    needs: &BTreeMap<&'m Module, BTreeSet<&'m Module>>,
    from: &'m Module,
) -> BTreeSet<&'m Module> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        let next = needs.get(module).into_iter().flatten();
        open.extend(next.filter(|it| found.insert(**it)));
    }
    found
}

/// Words and signs, without comments, texts, lifetimes and blanks. `::` is one sign.
fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("r#\"") => {
                rest.get(3..).and_then(|it| it.find("\"#")).map_or(rest.len(), |at| at + 5)
            }
            '"' => text_length(rest),
            '\'' => quote_length(rest),
            _ if rest.starts_with("::") => 2,
            _ if first.is_alphanumeric() || first == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(length.max(1));
        if !token.starts_with(['/', '"', '\'']) && !token.trim().is_empty() && token != "r#" {
            found.push(token.to_owned());
        }
        rest = after;
    }
    found
}

/// A text in quotes, with what is escaped in it.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// A letter in quotes, or only the quote of a lifetime.
fn quote_length(rest: &str) -> usize {
    let mut letters = rest.char_indices().skip(1);
    match (letters.next(), letters.next(), letters.next()) {
        (Some((_, '\\')), Some(_), _) => {
            rest.get(3..).and_then(|it| it.find('\'')).map_or(1, |at| at + 4)
        }
        (Some(_), Some((at, '\'')), _) => at + 1,
        _ => 1,
    }
}

/// Drops every item behind `#[cfg(test)]` and the like.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((first, after)) = rest.split_first() {
        if rest.starts_with(&["#", "[", "cfg", "("].map(str::to_owned)) && tests_only(rest) {
            rest = after_item(rest);
            continue;
        }
        kept.push(first.clone());
        rest = after;
    }
    kept
}

/// Whether only tests have what follows: `test` alone, with `all(test, …)` more than that, and with
/// `any(test, fuzzing)` the laws.
fn tests_only(attribute: &[String]) -> bool {
    let words: Vec<&str> = attribute.iter().skip(4).take(3).map(String::as_str).collect();
    matches!(words.as_slice(), ["test", ..] | ["all" | "any", "(", "test"])
}

/// Code as if modules within the file were not: in them `super` is the file's own module.
fn without_inner_modules(tokens: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    // How deep in braces each open module began.
    let (mut depth, mut begun) = (0_usize, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => {
                let before = at.checked_sub(2).and_then(|at| tokens.get(at));
                begun.extend((before.map(String::as_str) == Some("mod")).then_some(depth));
                depth += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                begun.pop_if(|from| *from == depth);
            }
            _ => {}
        }
        let inner = token == "super" && !begun.is_empty();
        kept.push(if inner { "self".to_owned() } else { token.clone() });
    }
    kept
}

/// What follows an attribute and its item: up to a `;`, or the end of the first braces.
fn after_item(tokens: &[String]) -> &[String] {
    let (mut depth, mut brackets) = (0_usize, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "[" | "(" => brackets += 1,
            "]" | ")" => brackets = brackets.saturating_sub(1),
            "{" => depth += 1,
            "}" if depth == 1 => return tokens.get(at + 1..).unwrap_or_default(),
            "}" => depth = depth.saturating_sub(1),
            ";" if depth == 0 && brackets == 0 => return tokens.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    &[]
}

/// Modules that stand in files of their own.
fn declared(tokens: &[String]) -> Vec<String> {
    let three = tokens.windows(3).filter_map(|it| match it {
        [word, name, end] if word == "mod" && end == ";" => Some(name.clone()),
        _ => None,
    });
    three.collect()
}

/// What `use` brings: the path, the name it has from then on, and whether it is handed on.
fn uses(tokens: &[String]) -> Vec<(Vec<String>, String, bool)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token != "use" {
            continue;
        }
        let before = tokens.get(..at).and_then(|it| it.last()).map(String::as_str);
        let handed_on = matches!(before, Some("pub" | ")"));
        let tree = tokens.get(at + 1..).unwrap_or_default();
        let end = tree.iter().position(|token| token == ";").unwrap_or(0);
        let mut paths = Vec::new();
        branches(tree.get(..end).unwrap_or_default(), &[], &mut paths);
        found.extend(paths.into_iter().map(|(path, name)| (path, name, handed_on)));
    }
    found
}

/// The paths of `a::{b, c::{self, d as e}}`.
fn branches(tree: &[String], head: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let mut path = head.to_vec();
    let mut at = 0;
    while let Some(token) = tree.get(at) {
        match token.as_str() {
            "::" => {}
            "{" => {
                let inner = tree.get(at + 1..tree.len().saturating_sub(1)).unwrap_or_default();
                for branch in parts(inner) {
                    branches(branch, &path, found);
                }
                return;
            }
            "as" => {
                found.push((path, tree.get(at + 1).cloned().unwrap_or_default()));
                return;
            }
            "self" if !path.is_empty() => {}
            name => path.push(name.to_owned()),
        }
        at += 1;
    }
    let name = path.last().cloned().unwrap_or_default();
    if !path.is_empty() {
        found.push((path, name));
    }
}

/// What stands between the commas of the outermost level.
fn parts(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            token == "," && depth == 0
        })
        .filter(|part| !part.is_empty())
        .collect()
}

/// Paths in the code: `crate::a::b`, `super::b`, `child::b`.
fn inline(tokens: &[String]) -> Vec<Vec<String>> {
    let is_word = |token: &String| token.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token == "use" {
            let rest = tokens.get(at..).unwrap_or_default();
            at += rest.iter().position(|token| token == ";").unwrap_or(1);
            continue;
        }
        let mut path = Vec::new();
        while let Some(word) = tokens.get(at).filter(|it| is_word(it)) {
            path.push(word.clone());
            at += 1;
            match tokens.get(at) {
                Some(next) if next == "::" && tokens.get(at + 1).is_some_and(is_word) => at += 1,
                _ => break,
            }
        }
        if path.len() > 1 {
            found.push(path);
        } else if path.is_empty() {
            at += 1;
        }
    }
    found
}
