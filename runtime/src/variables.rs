//! Values of the variables that `spin.toml` declares, and the `{{ name }}` templates using them.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail};

use crate::manifest;

/// Resolved application variables.
#[derive(Default)]
pub struct Variables(BTreeMap<String, String>);

/// Where values come from; the first that has one wins.
pub struct Sources<'a> {
    /// `KEY=VALUE` or `KEY=@FILE` from the command line.
    pub flags: &'a [String],
    /// The value of `SPIN_VARIABLE_KEY`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Values made by this runtime.
    pub made: HashMap<&'static str, String>,
}

impl Variables {
    /// Gives every declared variable its value and refuses values for others.
    pub fn resolve(
        declared: &BTreeMap<String, manifest::Variable>,
        sources: Sources<'_>,
    ) -> Result<Self> {
        let mut flags = HashMap::new();
        for flag in sources.flags {
            let (name, value) = read_flag(flag)?;
            if !declared.contains_key(&name) {
                let known: Vec<&str> = declared.keys().map(String::as_str).collect();
                bail!("--variable {name}: there is no such variable; known: {}", known.join(", "));
            }
            let secret = declared.get(&name).is_some_and(|variable| variable.secret);
            if secret && !flag.contains("=@") && !value.is_empty() {
                log::warn!(
                    "--variable {name}=… is in the list of processes, which other users of this \
                     machine can read; write {name}=@FILE"
                );
            }
            flags.insert(name, value);
        }
        let mut values = BTreeMap::new();
        for (name, variable) in declared {
            let value = flags
                .remove(name)
                .or_else(|| (sources.environment)(&environment_name(name)))
                .or_else(|| sources.made.get(name.as_str()).cloned())
                .or_else(|| variable.default.clone());
            match value {
                Some(value) => values.insert(name.clone(), value),
                None if variable.required => {
                    bail!("the variable {name} has no value: give --variable {name}=…")
                }
                None => None,
            };
        }
        Ok(Variables(values))
    }

    /// Refuses what would make this installation send mails with links that lead nowhere, or to
    /// wherever a request said.
    pub fn check(&self) -> Result<()> {
        let set = |name| self.get(name).is_some_and(|value| !value.trim().is_empty());
        if set("smtp_url") && !set("public_url") {
            bail!(
                "smtp_url is set and public_url is not: mails have links to this installation, so \
                 give --variable public_url=https://…, the address at which its users reach it"
            )
        }
        Ok(())
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Replaces every `{{ name }}`; an unknown name is an error.
    pub fn expand(&self, template: &str) -> Result<String> {
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .with_context(|| format!("spin.toml: {template:?} has {{{{ without }}}}"))?;
            let name = name.trim();
            let value = self.get(name).with_context(|| {
                format!("spin.toml: {template:?} names the variable {name:?}, which has no value")
            })?;
            text.push_str(before);
            text.push_str(value);
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }
}

/// The environment variable Spin reads for `name`.
pub fn environment_name(name: &str) -> String {
    format!("SPIN_VARIABLE_{}", name.to_uppercase())
}

fn read_flag(flag: &str) -> Result<(String, String)> {
    // The value may be a secret: it is never part of the error.
    let (name, value) = flag.split_once('=').context("--variable needs KEY=VALUE or KEY=@FILE")?;
    let value = match value.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("--variable {name}: cannot read {file}"))?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
        None => value.to_owned(),
    };
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> BTreeMap<String, manifest::Variable> {
        let text =
            "a = { default = \"1\" }\nb = { required = true }\nsecret_key = { default = \"\" }";
        toml::from_str(text).unwrap()
    }

    fn resolve(flags: &[&str], environment: &[(&str, &str)]) -> Result<Variables> {
        let flags: Vec<String> = flags.iter().map(|flag| flag.to_string()).collect();
        let environment = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
        };
        let made = HashMap::from([("secret_key", "made".to_owned())]);
        Variables::resolve(&declared(), Sources { flags: &flags, environment: &environment, made })
    }

    #[test]
    fn flag_then_environment_then_made_then_default() {
        let variables = resolve(&["b=x=y"], &[("SPIN_VARIABLE_B", "no")]).unwrap();
        assert_eq!(variables.get("a"), Some("1"));
        assert_eq!(variables.get("b"), Some("x=y"));
        assert_eq!(variables.get("secret_key"), Some("made"));
        let variables =
            resolve(&["secret_key=own"], &[("SPIN_VARIABLE_B", "e"), ("SPIN_VARIABLE_A", "")]);
        let variables = variables.unwrap();
        assert_eq!(variables.get("a"), Some(""));
        assert_eq!(variables.get("b"), Some("e"));
        assert_eq!(variables.get("secret_key"), Some("own"));
    }

    #[test]
    fn mails_need_the_address_that_their_links_have() {
        let declared: BTreeMap<String, manifest::Variable> =
            toml::from_str("smtp_url = { default = \"\" }\npublic_url = { default = \"\" }")
                .unwrap();
        let check = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|flag| flag.to_string()).collect();
            let environment = |_: &str| None;
            let sources =
                Sources { flags: &flags, environment: &environment, made: HashMap::new() };
            Variables::resolve(&declared, sources).unwrap().check()
        };
        assert!(check(&[]).is_ok() && check(&["public_url=https://a.example"]).is_ok());
        let refused = check(&["smtp_url=smtps://u:hunter2@h"]).unwrap_err().to_string();
        assert!(refused.contains("public_url") && !refused.contains("hunter2"), "{refused}");
        assert!(check(&["smtp_url=smtps://h", "public_url=https://a.example"]).is_ok());
    }

    #[test]
    fn refuses_by_name() {
        let said = |flags: &[&str]| format!("{:#}", resolve(flags, &[]).err().unwrap());
        assert!(said(&["b=1", "wrong=hunter2"]).contains("wrong"));
        assert!(!said(&["b=1", "wrong=hunter2"]).contains("hunter2"));
        assert!(said(&[]).contains("variable b"));
        assert!(said(&["b"]).contains("KEY=VALUE"));
        assert!(said(&["b=@/nowhere/at/all"]).contains("/nowhere/at/all"));
    }

    #[test]
    fn files_lose_their_last_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "pem\nlines\n").unwrap();
        let flag = format!("b=@{}", file.path().display());
        assert_eq!(resolve(&[&flag], &[]).unwrap().get("b"), Some("pem\nlines"));
    }

    #[test]
    fn expands() {
        let variables = resolve(&["b={{ a }}"], &[]).unwrap();
        let ok = |template| variables.expand(template).unwrap();
        assert_eq!(ok("x{{a}}y{{ b }}"), "x1y{{ a }}");
        assert_eq!(ok("plain"), "plain");
        assert!(variables.expand("{{ nobody }}").unwrap_err().to_string().contains("nobody"));
        assert!(variables.expand("{{ a").is_err());
    }
}
