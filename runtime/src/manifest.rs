//! `spin.toml`, manifest version 2: what this runtime takes from it.
//!
//! A key that is not listed here is refused by name, since an application that asks for it would
//! not work: <https://spinframework.dev/v3/manifest-reference>.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// A checked manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    spin_manifest_version: u32,
    #[serde(rename = "application")]
    _application: Application,
    /// Declared variables by name.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// What starts components.
    pub trigger: Triggers,
    /// Components by name.
    pub component: BTreeMap<String, Component>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    #[serde(rename = "name")]
    _name: String,
    #[serde(default, rename = "version")]
    _version: String,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default, rename = "authors")]
    _authors: Vec<String>,
}

/// A declared variable.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// The value where none is given.
    pub default: Option<String>,
    /// Whether a value must be given.
    #[serde(default)]
    pub required: bool,
    /// Whether its value is to be seen by nobody.
    #[serde(default)]
    pub secret: bool,
    #[serde(default, rename = "description")]
    _description: String,
}

/// The triggers; only HTTP is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triggers {
    /// HTTP triggers.
    #[serde(default)]
    pub http: Vec<HttpTrigger>,
}

/// One HTTP trigger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTrigger {
    #[serde(default, rename = "id")]
    _id: String,
    /// The path it answers.
    pub route: Route,
    /// The component that answers.
    pub component: String,
}

/// The path of a trigger.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Route {
    /// `/exact` or `/prefix/...`.
    Path(String),
    /// Reachable from other components only.
    Private {
        /// Always true.
        private: bool,
    },
}

/// One component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Path of the `.wasm` file, relative to the manifest.
    pub source: String,
    #[serde(default, rename = "description")]
    _description: String,
    /// `scheme://host:port` patterns; `{{ name }}` is replaced.
    #[serde(default)]
    pub allowed_outbound_hosts: Vec<String>,
    /// Labels of key-value stores it may open.
    #[serde(default)]
    pub key_value_stores: Vec<String>,
    /// Its variables; `{{ name }}` is replaced.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default, rename = "build")]
    _build: Option<toml::Table>,
}

impl Manifest {
    /// Reads and checks a manifest.
    pub fn parse(text: &str) -> Result<Self> {
        let manifest: Manifest = toml::from_str(text)
            .context("spin.toml asks for something this runtime does not provide")?;
        ensure!(
            manifest.spin_manifest_version == 2,
            "spin.toml has spin_manifest_version {}, and only 2 is known",
            manifest.spin_manifest_version
        );
        for trigger in &manifest.trigger.http {
            trigger.check(&manifest)?;
        }
        Ok(manifest)
    }
}

impl HttpTrigger {
    fn check(&self, manifest: &Manifest) -> Result<()> {
        let name = &self.component;
        ensure!(
            manifest.component.contains_key(name),
            "spin.toml: a trigger names the component {name:?}, which is not declared"
        );
        match &self.route {
            Route::Private { private: true } => Ok(()),
            Route::Private { private: false } => {
                bail!("spin.toml: the route of {name} must be a path or {{ private = true }}")
            }
            Route::Path(path) => {
                ensure!(path.starts_with('/'), "spin.toml: route {path:?} must start with /");
                let plain = path.strip_suffix("/...").unwrap_or(path);
                ensure!(
                    !plain.contains(['*', ':']) && !plain.contains("..."),
                    "spin.toml: route {path:?} has a pattern this runtime does not provide; \
                     known are /exact and /prefix/..."
                );
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "spin_manifest_version = 2\n[application]\nname = \"a\"\n";

    fn error(rest: &str) -> String {
        format!("{:#}", Manifest::parse(&format!("{START}{rest}")).unwrap_err())
    }

    #[test]
    fn reads_the_manifest_of_this_project() {
        let manifest = Manifest::parse(include_str!("../../spin.toml")).unwrap();
        assert_eq!(manifest.component.len(), 3);
        assert_eq!(manifest.component["forms"].key_value_stores, ["default"]);
        assert_eq!(manifest.variables["allow_plaintext"].default.as_deref(), Some("false"));
    }

    #[test]
    fn refuses_by_name() {
        let trigger = "[[trigger.http]]\nroute = \"/...\"\ncomponent = \"a\"\n";
        let component = "[component.a]\nsource = \"a.wasm\"\n";
        for (rest, word) in [
            (format!("{trigger}{component}sqlite_databases = [\"x\"]"), "sqlite_databases"),
            (format!("{trigger}{component}ai_models = [\"x\"]"), "ai_models"),
            (format!("{trigger}{component}files = [\"x\"]"), "files"),
            (format!("{trigger}[[trigger.redis]]\nchannel = \"x\"\n{component}"), "redis"),
            (trigger.to_owned() + "[component]", "not declared"),
            (format!("{trigger}{component}").replace("/...", "/:user"), "/:user"),
            (format!("{trigger}{component}").replace("/...", "x"), "must start with /"),
        ] {
            let said = error(&rest);
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn private_routes() {
        let rest = "[[trigger.http]]\nroute = { private = true }\ncomponent = \"a\"\n[component.a]\nsource = \"a\"";
        Manifest::parse(&format!("{START}{rest}")).unwrap();
        assert!(error(&rest.replace("true", "false")).contains("private"));
    }
}
