//! A store in memory, for tests. Clones share their content, like handles of one database.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::{Error, Store, check_size};

/// Keys and values in memory.
#[derive(Clone, Default)]
pub struct Memory(Rc<RefCell<BTreeMap<String, Vec<u8>>>>);

impl Memory {
    /// Every key with its value.
    pub fn all(&self) -> Vec<(String, Vec<u8>)> {
        self.0.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl Store for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.borrow().get(key).cloned())
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        Ok(keys.iter().map(|key| self.0.borrow().get(key).cloned()).collect())
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        check_size(key, &value)?;
        self.0.borrow_mut().insert(key.to_owned(), value);
        Ok(())
    }

    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        for (key, value) in &pairs {
            check_size(key, value)?;
        }
        self.0.borrow_mut().extend(pairs);
        Ok(())
    }

    async fn set_many_if(
        &self,
        (key, expected): (&str, &[u8]),
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<Result<(), Vec<(String, Vec<u8>)>>, Error> {
        if self.0.borrow().get(key).map(Vec::as_slice) != Some(expected) {
            return Ok(Err(pairs));
        }
        self.set_many(pairs).await.map(Ok)
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.0.borrow_mut().remove(key);
        Ok(())
    }

    async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        let mut content = self.0.borrow_mut();
        keys.iter().for_each(|key| {
            content.remove(key);
        });
        Ok(())
    }

    async fn increment(&self, key: &str, by: u64) -> Result<u64, Error> {
        let mut content = self.0.borrow_mut();
        let old = match content.get(key).map(|value| <[u8; 8]>::try_from(value.as_slice())) {
            None => 0,
            Some(Ok(bytes)) => u64::from_le_bytes(bytes),
            Some(Err(_)) => return Err(Error::Store(format!("{key} is not a counter"))),
        };
        content.insert(key.to_owned(), (old + by).to_le_bytes().to_vec());
        Ok(old + by)
    }

    async fn swap(&self, key: &str, expected: &[u8], new: Vec<u8>) -> Result<bool, Error> {
        let mut content = self.0.borrow_mut();
        match content.get_mut(key) {
            Some(value) if value == expected => {
                *value = new;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }
}
