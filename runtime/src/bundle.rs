//! What the released binary carries: `spin.toml`, the components, and native code made of them.
//!
//! One block of bytes: a magic word, the length of an index (8 bytes, little endian), the index
//! as JSON, then the files it points into. `cargo xtask build` makes it with [`make`] and compiles
//! it into the binary; a binary without one has an empty block and needs `--manifest`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::engine::{self, Code};
use crate::manifest::Manifest;

const MAGIC: &[u8] = b"TRASLOCO-BUNDLE1";

/// The application inside a binary.
pub struct Bundle {
    /// The text of `spin.toml`.
    pub manifest: String,
    components: BTreeMap<String, Entry>,
    files: &'static [u8],
}

#[derive(Serialize, Deserialize)]
struct Index {
    manifest: String,
    components: BTreeMap<String, Entry>,
}

/// Offsets from the end of the index.
#[derive(Serialize, Deserialize)]
struct Entry {
    wasm: Range<usize>,
    native: Range<usize>,
}

impl Bundle {
    /// Reads a bundle; `None` where there is none.
    pub fn read(bytes: &'static [u8]) -> Result<Option<Self>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let damaged = "the application inside this binary is damaged";
        let rest = bytes.strip_prefix(MAGIC).context(damaged)?;
        let (length, rest) = rest.split_first_chunk::<8>().context(damaged)?;
        let length = usize::try_from(u64::from_le_bytes(*length))?;
        let (index, files) = rest.split_at_checked(length).context(damaged)?;
        let Index { manifest, components } = serde_json::from_slice(index).context(damaged)?;
        Ok(Some(Bundle { manifest, components, files }))
    }

    /// The code of a component.
    pub fn code(&self, name: &str) -> Option<Code<'static>> {
        let entry = self.components.get(name)?;
        let wasm = self.files.get(entry.wasm.clone())?;
        Some(Code { wasm, native: self.files.get(entry.native.clone()) })
    }
}

/// Makes a bundle of a manifest and the `.wasm` files it names.
pub fn make(manifest_path: &Path) -> Result<Vec<u8>> {
    let text = std::fs::read_to_string(manifest_path)
        .with_context(|| format!("cannot read {}", manifest_path.display()))?;
    let manifest = Manifest::parse(&text)?;
    let engine = engine::engine()?;
    let mut files = Vec::new();
    let mut components = BTreeMap::new();
    for (name, component) in &manifest.component {
        let path = manifest_path.with_file_name("").join(&component.source);
        let wasm = std::fs::read(&path)
            .with_context(|| format!("component {name}: cannot read {}", path.display()))?;
        let native = engine::compile(&engine, &wasm)
            .with_context(|| format!("{} is not a Wasm component", path.display()))?;
        let (wasm, native) = (append(&mut files, &wasm), append(&mut files, &native));
        components.insert(name.clone(), Entry { wasm, native });
    }
    let index = serde_json::to_vec(&Index { manifest: text, components })?;
    let length = (index.len() as u64).to_le_bytes();
    Ok([MAGIC, &length, &index, &files].concat())
}

fn append(files: &mut Vec<u8>, file: &[u8]) -> Range<usize> {
    let start = files.len();
    files.extend_from_slice(file);
    start..files.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EMPTY;

    #[test]
    fn carries_components() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = "spin_manifest_version = 2\n[application]\nname = \"a\"\n[trigger]\n\
            [component.one]\nsource = \"one.wasm\"\n[component.two]\nsource = \"two.wasm\"\n";
        std::fs::write(folder.path().join("spin.toml"), manifest).unwrap();
        let two = [EMPTY, b"\0\x02\x01x"].concat();
        std::fs::write(folder.path().join("one.wasm"), EMPTY).unwrap();
        std::fs::write(folder.path().join("two.wasm"), &two).unwrap();
        let bytes = make(&folder.path().join("spin.toml")).unwrap().leak();
        let bundle = Bundle::read(bytes).unwrap().unwrap();
        assert_eq!(bundle.manifest, manifest);
        let code = bundle.code("two").unwrap();
        assert_eq!(code.wasm, two);
        let engine = engine::engine().unwrap();
        engine::load(&engine, "two", code).unwrap();
        assert!(bundle.code("three").is_none());
    }

    #[test]
    fn tells_absent_from_damaged() {
        assert!(Bundle::read(b"").unwrap().is_none());
        assert!(Bundle::read(b"TRASLOCO-BUNDLE1\xff\xff\xff\xff\0\0\0\0{}").is_err());
        assert!(Bundle::read(b"something else").is_err());
    }
}
