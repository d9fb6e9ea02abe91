//! The least that a service of objects can be: one document, without tags and states of its own, as a script
//! of rules is. Its adapter makes tags of the content, and compares right before it writes.

use std::cell::RefCell;
use std::rc::Rc;

use model::Item;
use sha2::{Digest as _, Sha256};

use crate::objects::{
    Access, Collection, Digest, Guard, Listed, Listing, NewCollection, Object, Objects, Part,
    Place, Put, Read, Removed, Stored,
};
use crate::trouble::{Reason, Rejection, Trouble};

/// The name of the one document.
pub const DOCUMENT: &str = "active";

/// An account with a script of rules; clones are the same account.
#[derive(Debug, Clone, Default)]
pub struct Toy {
    /// The script; `None` where there is none.
    pub script: Rc<RefCell<Option<String>>>,
    listed: bool,
}

impl Toy {
    fn tag(&self) -> Option<String> {
        self.script.borrow().as_ref().map(|text| format!("{:x}", Sha256::digest(text)))
    }
}

impl Objects for Toy {
    async fn collections(&mut self) -> Result<Vec<Collection>, Trouble> {
        Ok(vec![Collection {
            place: Place { id: "rules".into(), kind: Item::Rules },
            display_name: "Rules".into(),
            is_default: true,
            is_single: true,
            access: Access::Writable,
            state: None,
            details: Vec::new(),
        }])
    }

    async fn make(&mut self, _: &NewCollection) -> Result<Result<Collection, Rejection>, Trouble> {
        let words = "there is one list of rules only".to_owned();
        Ok(Err(Rejection { reason: Reason::Forbidden, wait_s: None, words }))
    }

    async fn start_listing(&mut self, _: &Place, _: Option<&str>) -> Result<Listing, Trouble> {
        self.listed = false;
        Ok(Listing::Whole)
    }

    async fn next_part(&mut self) -> Result<Part, Trouble> {
        if std::mem::replace(&mut self.listed, true) {
            return Ok(Part::End { state: None });
        }
        let there = self.tag().map(|tag| Listed { name: DOCUMENT.into(), tag: Some(tag) });
        Ok(Part::Some { there: there.into_iter().collect(), gone: Vec::new() })
    }

    async fn read(&mut self, _: &Place, names: &[String]) -> Result<Vec<(String, Read)>, Trouble> {
        let script = self.script.borrow();
        let read = |name: &String| match script.as_ref().filter(|_| name == DOCUMENT) {
            None => (name.clone(), Read::Absent),
            Some(text) => {
                let digest = Sha256::digest(text).first_chunk().copied().unwrap_or_default();
                let object = Object {
                    name: name.clone(),
                    tag: self.tag(),
                    identity: DOCUMENT.into(),
                    digest: Digest(digest),
                    unix_s: None,
                    title: "Rules".into(),
                    body: text.clone().into(),
                };
                (name.clone(), Read::Found(object))
            }
        };
        Ok(names.iter().map(read).collect())
    }

    fn named(&self, _: Item, _: &str) -> String {
        DOCUMENT.into()
    }

    async fn put(&mut self, _: &Place, puts: Vec<Put>) -> Result<Vec<Stored>, Trouble> {
        let mut answers = Vec::new();
        for Put { guard, object, .. } in puts {
            let met = match guard {
                Guard::Absent => self.tag().is_none(),
                Guard::Is(tag) => self.tag() == Some(tag),
            };
            if met {
                let text = String::from_utf8_lossy(&object.body).into_owned();
                *self.script.borrow_mut() = Some(text);
            }
            answers.push(match met {
                true => Stored::As { name: DOCUMENT.into(), tag: self.tag() },
                false => Stored::NotMet,
            });
        }
        Ok(answers)
    }

    async fn remove(&mut self, _: &Place, _: &str, tag: &str) -> Result<Removed, Trouble> {
        Ok(match self.tag() {
            None => Removed::Absent,
            Some(now) if now == tag => {
                *self.script.borrow_mut() = None;
                Removed::Gone
            }
            Some(_) => Removed::NotMet,
        })
    }

    async fn remove_collection(&mut self, _: &Place) -> Result<Removed, Trouble> {
        Ok(Removed::NotMet)
    }
}
