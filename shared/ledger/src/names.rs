//! Names of folders and sets of numbers, as they stand in records.

use mailbox::UidSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a folder as its server spells it, which survives JSON whatever octets it has: each is one
/// character. Only the adapter of the protocol reads it; it is compared as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderName {
    raw: String,
    utf8: bool,
}

impl FolderName {
    /// From the octets of a name; `utf8` tells how they are spelt, for whoever spelt them.
    pub fn from_octets(octets: &[u8], utf8: bool) -> Self {
        FolderName { raw: octets.iter().map(|byte| char::from(*byte)).collect(), utf8 }
    }

    /// The octets of the name.
    pub fn octets(&self) -> Vec<u8> {
        self.raw.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
    }

    /// Whether they are UTF-8; else they are spelt as [`FolderName::from_octets`] was told.
    pub fn is_utf8(&self) -> bool {
        self.utf8
    }
}

/// A set of UIDs in a record, as RFC 9051 spells sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uids(pub UidSet);

impl Uids {
    /// The most octets that it takes in a record.
    pub fn octets(&self) -> usize {
        // Two numbers of ten digits and two signs for each range.
        self.0.range_count() * 22
    }
}

impl Serialize for Uids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Uids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Uids::default());
        }
        let set = UidSet::parse(text.as_bytes());
        set.map(Uids).ok_or_else(|| serde::de::Error::custom("not a set of UIDs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_json_whatever_octets_they_have() {
        let broken = b"caf\xe9 & \x80\xff";
        let name = FolderName::from_octets(broken, false);
        let json = serde_json::to_string(&name).unwrap();
        let read: FolderName = serde_json::from_str(&json).unwrap();
        assert_eq!((read.octets().as_slice(), read.is_utf8()), (&broken[..], false));
    }
}
