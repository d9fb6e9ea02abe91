//! From `spin.toml` and `.wasm` files to an [`App`]; whatever is not provided is refused here.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::{Notify, watch};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::app::App;
use crate::bindings;
use crate::bundle::Bundle;
use crate::engine::{self, Code};
use crate::gate::Gate;
use crate::health::Pulse;
use crate::instance::{Ready, Settings, State};
use crate::key_value::{Database, FILE_NAME, Journal};
use crate::manifest::{self, Manifest};
use crate::metrics::Metrics;
use crate::outbound::AllowedHosts;
use crate::own_addresses::OwnAddresses;
use crate::peer::Proxies;
use crate::routes::Routes;
use crate::spin_key_value::Spin;
use crate::state::{Folder, boot_nonce};
use crate::variables::{Sources, Variables};

/// The interfaces beside those of [`PROVIDED_PACKAGES`] that a component may import.
const PROVIDED_INTERFACES: [&str; 5] = [
    "spin:key-value/key-value@3.0.0",
    "spin:variables/variables@3.0.0",
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:keyvalue/atomics@0.2.0-draft2",
    "wasi:keyvalue/batch@0.2.0-draft2",
];

/// Packages of WASI 0.2 and 0.3 that are provided as a whole.
const PROVIDED_PACKAGES: [&str; 7] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// No instance lives longer where nothing else is asked for: half as long again as the longest slice,
/// or what waits for one, may take.
const INSTANCE_MAX: Duration = Duration::from_secs(3 * 3600);

/// Where the application comes from.
pub enum Origin {
    /// The binary itself.
    Bundle(Bundle),
    /// A manifest on disk, sources relative to it.
    Manifest(PathBuf),
}

/// How to load.
pub struct Options {
    /// Where the application comes from.
    pub origin: Origin,
    /// The state folder.
    pub state_dir: PathBuf,
    /// `--variable` flags.
    pub variables: Vec<String>,
    /// Refuse what Spin refuses.
    pub as_spin: bool,
    /// How long an instance may live.
    pub request_timeout: Option<Duration>,
    /// Most linear memory of one instance.
    pub memory_limit_bytes: usize,
    /// Where slices run; among everything else without.
    pub batch: Option<tokio::runtime::Handle>,
}

/// Loads the application.
pub fn load(options: &Options) -> Result<Arc<App>> {
    let manifest = Manifest::parse(&options.origin.manifest()?)?;
    let folder = Folder::open(&options.state_dir)?;
    let variables = variables(&manifest, options, &folder)?;
    let journal = if options.as_spin { Journal::Delete } else { Journal::Wal };
    let own_addresses = Arc::new(OwnAddresses::default());
    let settings = all_settings(&manifest, options, (&variables, &own_addresses))?;
    let components = components(&manifest, options, settings)?;
    let database = Database::open(&folder.private_file(FILE_NAME)?, journal)?;
    Ok(Arc::new(App {
        routes: Routes::new(&manifest),
        components,
        database: Arc::new(database),
        advance_token: variables.get("advance_token").map(str::to_owned),
        metrics: Metrics::default(),
        pulse: Pulse::default(),
        gate: Arc::new(Gate::new(Proxies::parse(
            variables.get("trusted_proxies").unwrap_or_default(),
        )?)),
        public_url: variables.get("public_url").unwrap_or_default().to_owned(),
        own_addresses,
        batch: options.batch.clone(),
        changed: Notify::new(),
        advanced: Notify::new(),
        stopping: watch::Sender::new(false),
        folder,
    }))
}

impl Origin {
    fn manifest(&self) -> Result<String> {
        match self {
            Origin::Bundle(bundle) => Ok(bundle.manifest.clone()),
            Origin::Manifest(path) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn load(&self, engine: &Engine, name: &str, source: &str) -> Result<Component> {
        match self {
            Origin::Bundle(bundle) => {
                let code = bundle
                    .code(name)
                    .with_context(|| format!("the component {name} is not in this binary"))?;
                engine::load(engine, name, code)
            }
            Origin::Manifest(manifest) => {
                let path = manifest.with_file_name("").join(source);
                let wasm = std::fs::read(&path)
                    .with_context(|| format!("component {name}: cannot read {}", path.display()))?;
                engine::load(engine, name, Code { wasm: &wasm, native: None })
            }
        }
    }
}

fn variables(manifest: &Manifest, options: &Options, folder: &Folder) -> Result<Variables> {
    let mut made = HashMap::new();
    if manifest.variables.contains_key("secret_key") {
        made.insert("secret_key", folder.secret_key()?);
    }
    if manifest.variables.contains_key("advance_token") {
        made.insert("advance_token", folder.advance_token()?);
    }
    let environment = |name: &str| std::env::var(name).ok();
    let sources = Sources { flags: &options.variables, environment: &environment, made };
    let variables = Variables::resolve(&manifest.variables, sources)?;
    variables.check()?;
    Ok(variables)
}

fn all_settings(
    manifest: &Manifest,
    options: &Options,
    (variables, own_addresses): (&Variables, &Arc<OwnAddresses>),
) -> Result<Vec<Settings>> {
    let names: Vec<String> = manifest.component.keys().cloned().collect();
    let boot = boot_nonce()?;
    let one = |(name, component): (&String, &manifest::Component)| {
        let hosts = component.allowed_outbound_hosts.iter();
        let hosts = hosts.map(|host| variables.expand(host)).collect::<Result<Vec<_>>>()?;
        let values = component.variables.iter();
        let values = values.map(|(name, text)| Ok((name.clone(), variables.expand(text)?)));
        if options.as_spin
            && let Some(label) = component.key_value_stores.iter().find(|label| *label != "default")
        {
            bail!("spin.toml: {name}: Spin knows no key-value store {label:?}, only \"default\"");
        }
        let mut environment: Vec<_> = component.environment.clone().into_iter().collect();
        if !options.as_spin {
            environment.push(("TRASLOCO_BOOT".to_owned(), boot.clone()));
        }
        Ok(Settings {
            name: name.clone(),
            stores: component.key_value_stores.iter().cloned().collect(),
            variables: values.collect::<Result<_>>()?,
            hosts: Arc::new(AllowedHosts::parse(&hosts, &names)?),
            environment,
            own_addresses: own_addresses.clone(),
            memory_limit_bytes: options.memory_limit_bytes,
            memory_peak_bytes: AtomicU64::new(0),
            as_spin: options.as_spin,
            request_timeout: Some(options.request_timeout.unwrap_or(INSTANCE_MAX)),
        })
    };
    manifest.component.iter().map(one).collect()
}

/// Loads all components at once, since each may have to be compiled.
fn components(
    manifest: &Manifest,
    options: &Options,
    settings: Vec<Settings>,
) -> Result<BTreeMap<String, Arc<Ready>>> {
    let engine = engine::engine()?;
    let linker = linker(&engine)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = manifest
            .component
            .values()
            .zip(settings)
            .map(|(component, settings)| {
                let (engine, linker, source) = (&engine, &linker, &component.source);
                scope.spawn(move || {
                    let component = options.origin.load(engine, &settings.name, source)?;
                    let pre = link(engine, linker, &settings.name, &component)?;
                    let name = settings.name.clone();
                    Ok((name, Arc::new(Ready { settings: Arc::new(settings), pre })))
                })
            })
            .collect();
        let loaded = threads.into_iter().map(|thread| match thread.join() {
            Ok(loaded) => loaded,
            Err(_) => bail!("a component could not be loaded"),
        });
        loaded.collect()
    })
}

fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    bindings::spin::key_value::add_to_linker::<_, Spin>(&mut linker, |state| state)?;
    bindings::spin::variables::add_to_linker::<_, Spin>(&mut linker, |state| state)?;
    use wasmtime::component::HasSelf;
    bindings::wasi::store::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    bindings::wasi::atomics::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    bindings::wasi::batch::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

fn link(
    engine: &Engine,
    linker: &Linker<State>,
    name: &str,
    component: &Component,
) -> Result<ServicePre<State>> {
    for (import, _) in component.component_type().imports(engine) {
        let import = import.to_string();
        ensure!(
            is_provided(&import),
            "the component {name} imports {import}, which this runtime does not provide"
        );
    }
    let pre = linker
        .instantiate_pre(component)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("the component {name} does not fit this runtime"))?;
    ServicePre::new(pre)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("the component {name} answers no HTTP requests"))
}

fn is_provided(import: &str) -> bool {
    PROVIDED_INTERFACES.contains(&import)
        || PROVIDED_PACKAGES.iter().any(|package| import.starts_with(package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_provided_or_refused_by_name() {
        assert!(is_provided("wasi:http/types@0.3.0"));
        assert!(is_provided("wasi:keyvalue/atomics@0.2.0-draft2"));
        assert!(!is_provided("spin:sqlite/sqlite@3.1.0"));
        assert!(!is_provided("wasi:keyvalue/watcher@0.2.0-draft2"));
        assert!(!is_provided("spin:key-value/key-value@2.0.0"));
    }
}
