//! Reading and writing records: JSON with a version in front.
//!
//! The first byte is the version of the record's kind; a version this program does not know is an
//! error that names the key, never a fresh start.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Store};

/// The version all JSON records have so far.
pub const VERSION: u8 = 1;

/// The bytes of a record.
pub fn encode<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| Error::Unreadable { key: key.to_owned(), reason: error.to_string() })?;
    crate::check_size(key, &bytes)?;
    Ok(bytes)
}

/// A list as several records, each small enough for the store; one even where it is empty. An
/// error where a single value is too large for a record of its own.
pub fn encode_split<T: Serialize>(key: &str, values: &[T]) -> Result<Vec<Vec<u8>>, Error> {
    let mut records = Vec::new();
    let mut bytes = vec![VERSION, b'['];
    for value in values {
        let start = bytes.len();
        serde_json::to_writer(&mut bytes, value).map_err(|error| Error::Unreadable {
            key: key.to_owned(),
            reason: error.to_string(),
        })?;
        // What separates it from the one before, and what ends the list.
        if start > 2 && bytes.len() + 2 > crate::VALUE_MAX_BYTES {
            let mut next = vec![VERSION, b'['];
            next.extend(bytes.drain(start..));
            // The comma behind the one before.
            bytes.pop();
            bytes.push(b']');
            records.push(std::mem::replace(&mut bytes, next));
        }
        bytes.push(b',');
        crate::check_size(key, &bytes)?;
    }
    if bytes.len() > 2 {
        bytes.pop();
    }
    bytes.push(b']');
    records.push(bytes);
    Ok(records)
}

/// The value of a record's bytes.
pub fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    let unreadable = |reason: String| Error::Unreadable { key: key.to_owned(), reason };
    match bytes.split_first() {
        Some((&VERSION, json)) => {
            serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))
        }
        Some((version, _)) => Err(unreadable(format!("version {version} is not known"))),
        None => Err(unreadable("it is empty".to_owned())),
    }
}

/// Reads a record; `None` where there is none.
pub async fn read<T: DeserializeOwned>(store: &impl Store, key: &str) -> Result<Option<T>, Error> {
    store.get(key).await?.map(|bytes| decode(key, &bytes)).transpose()
}

/// Writes a record.
pub async fn write<T: Serialize>(store: &impl Store, key: &str, value: &T) -> Result<(), Error> {
    store.set(key, encode(key, value)?).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Account, Migration, MigrationId, ServerType, Timestamp};

    /// What version 1 wrote must stay readable.
    #[test]
    fn reads_a_migration_of_version_1() -> Result<(), Error> {
        let stored = b"\x01{\"id\":\"0123456789abcdefghjkmnpqrs\",\"status\":\"running\",\"phase\":\"mail\",\
            \"created_at\":\"2026-11-22T15:04:05Z\",\"updated_at\":\"2026-11-22T15:04:06Z\",\"waiting\":null,\
            \"last_error\":null,\"source\":{\"type\":\"imap\",\"url\":\"imaps://a.example\",\"login\":\"anna\"},\
            \"destination\":{\"type\":\"imap\",\"url\":\"imaps://b.example\",\"login\":\"anna\"},\
            \"items\":[\"mail\"],\"options\":{},\"notify\":{},\"progress\":{\"mail\":{\"total\":2,\"migrated\":1,\
            \"skipped\":0,\"failed\":0,\"removed\":0,\"bytes_total\":20,\"bytes_migrated\":10}},\
            \"sync_points\":[{\"number\":1,\"started_at\":\"2026-11-22T15:04:05Z\",\"finished_at\":null,\
            \"migrated\":1,\"failed\":0,\"removed\":false}]}";
        let migration: Migration = decode("m/x", stored)?;
        assert_eq!((migration.sync_point(), migration.source.login.as_str()), (1, "anna"));
        assert_eq!(decode::<Migration>("m/x", &encode("m/x", &migration)?)?, migration);
        Ok(())
    }

    #[test]
    fn lists_are_split_by_bytes() -> Result<(), Error> {
        for length in [0, 1, 7, 100_000, crate::VALUE_MAX_BYTES / 2 - 4, crate::VALUE_MAX_BYTES / 2]
        {
            for count in [0, 1, 2, 3, 30] {
                let values = vec!["\"".repeat(length / 2); count];
                let records = encode_split("k", &values)?;
                let mut back = Vec::new();
                for record in &records {
                    crate::check_size("k", record)?;
                    back.extend(decode::<Vec<String>>("k", record)?);
                }
                assert_eq!(back, values, "{length} {count}");
                let bytes: usize = records.iter().map(Vec::len).sum();
                assert!(records.len() <= 2 * bytes / crate::VALUE_MAX_BYTES + 1);
            }
        }
        let giant = ["x".repeat(crate::VALUE_MAX_BYTES)];
        assert!(matches!(encode_split("k", &giant), Err(Error::TooLarge { .. })));
        Ok(())
    }

    #[test]
    fn a_foreign_version_is_an_error() {
        for bytes in [&b""[..], b"\x09{}", b"\x01{", b"{}"] {
            assert!(matches!(decode::<Migration>("m/x", bytes), Err(Error::Unreadable { .. })));
        }
    }

    #[test]
    fn a_new_migration_survives_the_store() -> Result<(), Error> {
        let account = Account {
            server_type: ServerType::Imap,
            url: "imaps://a.example".into(),
            login: "anna".into(),
            delegate: None,
        };
        let id = MigrationId::from_random(&[7; 26]);
        let sides = (account.clone(), account);
        let new = Migration::new(
            id,
            Timestamp(1000),
            sides,
            vec![],
            Default::default(),
            Default::default(),
        );
        assert_eq!(decode::<Migration>("k", &encode("k", &new)?)?, new);
        Ok(())
    }
}
