//! Identifiers that cannot be guessed and can be read out.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Crockford's base 32 in lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of an identifier: 26 × 5 bits = 130 bits.
pub const LENGTH: usize = 26;

/// Identifies a migration; whoever has it and the login may see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MigrationId(String);

impl MigrationId {
    /// From randomness; uses five bits of each byte.
    pub fn from_random(bytes: &[u8; LENGTH]) -> Self {
        let letter =
            |byte: &u8| ALPHABET.get(usize::from(byte & 31)).map_or('0', |l| char::from(*l));
        MigrationId(bytes.iter().map(letter).collect())
    }

    /// Reads what a person typed: case, blanks and hyphens are ignored, and `o`, `i`, `l` are
    /// taken for the digits they look like.
    pub fn parse(text: &str) -> Option<Self> {
        let plain: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .take(LENGTH + 1)
            .map(|c| match c.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            })
            .collect();
        let good = plain.len() == LENGTH && plain.bytes().all(|byte| ALPHABET.contains(&byte));
        good.then_some(MigrationId(plain))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for MigrationId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Identifier".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let about = "130 bits of randomness, short enough to be read out.";
        json_schema!({"type": "string", "pattern": "^[0-9a-hjkmnp-tv-z]{26}$", "description": about})
    }
}

impl TryFrom<String> for MigrationId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        MigrationId::parse(&text).ok_or("not an identifier")
    }
}

impl From<MigrationId> for String {
    fn from(id: MigrationId) -> String {
        id.0
    }
}

impl std::fmt::Display for MigrationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgives_reading_out() {
        let id = MigrationId::from_random(b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19");
        assert_eq!(id.as_str(), "0123456789abcdefghjkmnpqrs");
        let spoken = "OI23-4567 89ab-cdef ghjk-mnpq RS";
        assert_eq!(MigrationId::parse(spoken), Some(id));
        for bad in
            ["", "0123456789abcdefghjkmnpqr", "0123456789abcdefghjkmnpqrsu", "../../etc/passwd"]
        {
            assert_eq!(MigrationId::parse(bad), None);
        }
    }
}
