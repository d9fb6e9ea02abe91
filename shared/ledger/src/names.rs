//! Names of folders and sets of numbers, as they stand in records.

use mailbox::{MailboxName, Spelling, UidSet};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a folder as its server spells it, which survives JSON whatever octets it has: each is one
/// character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderName {
    raw: String,
    utf8: bool,
}

impl FolderName {
    /// The name as it is stored; `spelling` is that of its server.
    pub fn new(name: &MailboxName, spelling: Spelling) -> Self {
        let raw = name.raw().iter().map(|byte| char::from(*byte)).collect();
        FolderName { raw, utf8: spelling == Spelling::Utf8 }
    }

    /// The name as its server takes it.
    pub fn mailbox(&self) -> MailboxName {
        let raw: Vec<u8> =
            self.raw.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
        let spelling = if self.utf8 { Spelling::Utf8 } else { Spelling::ModifiedUtf7 };
        MailboxName::from_wire(&raw, spelling)
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
    fn names_survive_json_whatever_bytes_they_have() {
        let broken = MailboxName::from_wire(b"caf\xe9 & \x80\xff", Spelling::ModifiedUtf7);
        let name = FolderName::new(&broken, Spelling::ModifiedUtf7);
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(
            serde_json::from_str::<FolderName>(&json).unwrap().mailbox().raw(),
            broken.raw()
        );
    }
}
