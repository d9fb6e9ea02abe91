//! The files that pages name: style, script, logo. Each carries its hash in the address, so that
//! browsers may keep it for ever.

/// A file that pages name.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its name below `/assets/`.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    hash: u64,
}

const fn asset(name: &'static str, media_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name, media_type, bytes, hash: fnv(bytes) }
}

/// FNV-1a, 64 bits: tells versions of a file apart, nothing else.
const fn fnv(mut bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    while let [first, rest @ ..] = bytes {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        bytes = rest;
    }
    hash
}

/// The style of every page.
pub static STYLE: Asset =
    asset("style.css", "text/css; charset=utf-8", include_bytes!("../assets/style.css"));
/// The script of every page; no page needs it.
pub static SCRIPT: Asset =
    asset("script.js", "text/javascript; charset=utf-8", include_bytes!("../assets/script.js"));
/// The logo.
pub static LOGO: Asset = asset("logo.svg", "image/svg+xml", include_bytes!("../assets/logo.svg"));

/// Finds a file by its name.
pub fn find(name: &str) -> Option<&'static Asset> {
    [&STYLE, &SCRIPT, &LOGO].into_iter().find(|asset| asset.name == name)
}

impl Asset {
    /// Its address, with the hash.
    pub fn address(&self) -> String {
        format!("/assets/{}?v={:016x}", self.name, self.hash)
    }

    /// Its entity tag (RFC 9110 section 8.8.3).
    pub fn etag(&self) -> String {
        format!("\"{:016x}\"", self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of FNV-1a: the empty text and `a`.
    #[test]
    fn hashes_as_published() {
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        for asset in [&STYLE, &SCRIPT, &LOGO] {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for outside in ["http:", "https:", "@import", "//cdn", "url("] {
                assert!(!text.contains(outside), "{} names {outside}", asset.name);
            }
            assert_eq!(find(asset.name), Some(asset));
        }
        assert_eq!(find("../Cargo.toml"), None);
    }
}
