//! Which component answers a path: an exact route first, then the longest prefix.

use crate::manifest::{Manifest, Route};

/// The public routes of an application.
#[derive(Debug)]
pub struct Routes(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    /// Without the `/...` of a prefix.
    base: String,
    prefix: bool,
    component: String,
}

/// A route that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// The component that answers.
    pub component: &'a str,
    /// The path of the route, without `/...`.
    pub base: &'a str,
}

impl Routes {
    /// The routes of `manifest`; private ones are left out.
    pub fn new(manifest: &Manifest) -> Self {
        let mut entries: Vec<Entry> = manifest
            .trigger
            .http
            .iter()
            .filter_map(|trigger| match &trigger.route {
                Route::Path(path) => {
                    let (base, prefix) = match path.strip_suffix("/...") {
                        Some(base) => (base, true),
                        None => (path.as_str(), false),
                    };
                    let component = trigger.component.clone();
                    Some(Entry { base: base.to_owned(), prefix, component })
                }
                Route::Private { .. } => None,
            })
            .collect();
        entries.sort_by_key(|entry| (entry.prefix, std::cmp::Reverse(entry.base.len())));
        Routes(entries)
    }

    /// The route that answers `path`.
    pub fn find(&self, path: &str) -> Option<Match<'_>> {
        self.0
            .iter()
            .find(|entry| entry.answers(path))
            .map(|entry| Match { component: entry.component.as_str(), base: entry.base.as_str() })
    }
}

impl Entry {
    fn answers(&self, path: &str) -> bool {
        if !self.prefix {
            // As in Spin, a slash at the end makes no difference.
            return path.trim_end_matches('/') == self.base.trim_end_matches('/');
        }
        path.strip_prefix(self.base.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_then_longest() {
        let text = "spin_manifest_version = 2\n[application]\nname = \"a\"\n\
            [[trigger.http]]\nroute = \"/...\"\ncomponent = \"forms\"\n\
            [[trigger.http]]\nroute = \"/api/v1/uploads/...\"\ncomponent = \"upload\"\n\
            [[trigger.http]]\nroute = \"/api/v1/advance\"\ncomponent = \"advance\"\n\
            [[trigger.http]]\nroute = { private = true }\ncomponent = \"secret\"\n\
            [component]\nforms = { source = \"f\" }\nupload = { source = \"u\" }\n\
            advance = { source = \"a\" }\nsecret = { source = \"s\" }";
        let routes = Routes::new(&Manifest::parse(text).unwrap());
        for (path, component) in [
            ("/", "forms"),
            ("/api/v1/advance", "advance"),
            ("/api/v1/advance/", "advance"),
            ("/api/v1/advanced", "forms"),
            ("/api/v1/advance/x", "forms"),
            ("/api/v1/uploads", "upload"),
            ("/api/v1/uploads/1", "upload"),
            ("/api/v1/uploadsx", "forms"),
        ] {
            assert_eq!(routes.find(path).unwrap().component, component, "{path}");
        }
        assert_eq!(routes.find("/api/v1/uploads/1").unwrap().base, "/api/v1/uploads");
    }
}
