//! A session with a service in memory.

use model::Item;

use crate::objects::fake::{Shelf, Step, World};
use crate::objects::{
    Access, Collection, Listing, NewCollection, Objects, Part, Place, Put, Read, Removed, Stored,
};
use crate::trouble::{Reason, Rejection, Trouble};

/// A session with a service.
pub struct Fake {
    world: World,
    step: Step,
    parts: Vec<Part>,
}

impl World {
    /// A session.
    pub fn session(&self, step: Step) -> Fake {
        Fake { world: self.clone(), step, parts: Vec::new() }
    }
}

impl Fake {
    async fn begin(&self) {
        (self.step)().await;
        self.world.0.borrow_mut().arrive();
    }

    fn collection(id: &str, shelf: &Shelf, kind: Item) -> Collection {
        Collection {
            place: Place { id: id.to_owned(), kind },
            display_name: shelf.display_name.clone(),
            is_default: false,
            is_single: false,
            access: shelf.access.clone(),
            state: Some(shelf.log.len().to_string()),
            details: Vec::new(),
        }
    }
}

impl Objects for Fake {
    async fn collections(&mut self) -> Result<Vec<Collection>, Trouble> {
        self.begin().await;
        let inner = self.world.0.borrow();
        let mut found = Vec::new();
        for (id, shelf) in &inner.shelves {
            for kind in &shelf.kinds {
                let state = Some(shelf.log.len().to_string()).filter(|_| !inner.odd.no_states);
                found.push(Collection { state, ..Fake::collection(id, shelf, *kind) });
            }
        }
        Ok(found)
    }

    async fn make(
        &mut self,
        new: &NewCollection,
    ) -> Result<Result<Collection, Rejection>, Trouble> {
        self.begin().await;
        let made = {
            let mut inner = self.world.0.borrow_mut();
            if inner.odd(|odd| odd.hang_up) {
                return Err(Trouble::Line(wire::Error::Closed));
            }
            let shelf = inner.shelves.entry(new.name.clone()).or_insert_with(|| Shelf {
                display_name: new.display_name.clone(),
                kinds: [vec![new.kind], new.further_kinds.clone()].concat(),
                access: Access::Writable,
                objects: Default::default(),
                log: Vec::new(),
            });
            Fake::collection(&new.name, shelf, new.kind)
        };
        (self.step)().await;
        let mut inner = self.world.0.borrow_mut();
        if inner.odd(|odd| odd.lose_answer) {
            return Err(Trouble::Line(wire::Error::Closed));
        }
        Ok(Ok(made))
    }

    async fn start_listing(
        &mut self,
        place: &Place,
        since: Option<&str>,
    ) -> Result<Listing, Trouble> {
        self.begin().await;
        let mut inner = self.world.0.borrow_mut();
        let rejected = |reason| {
            let words = "503 later".to_owned();
            Err(Trouble::Rejected(Rejection { reason, wait_s: Some(5), words }))
        };
        if !inner.shelves.contains_key(&place.id) {
            return rejected(Reason::NoFolder);
        }
        if inner.odd(|odd| odd.unlisted) {
            return rejected(Reason::Unavailable);
        }
        let since = since.filter(|_| !inner.odd.no_states).and_then(|it| it.parse().ok());
        if since.is_some() && inner.odd(|odd| odd.expire) {
            return Ok(Listing::Expired);
        }
        self.parts = inner.list(place, since);
        Ok(if since.is_some() { Listing::Since } else { Listing::Whole })
    }

    async fn next_part(&mut self) -> Result<Part, Trouble> {
        self.begin().await;
        self.parts.pop().ok_or(Trouble::Line(wire::Error::Closed))
    }

    async fn read(
        &mut self,
        place: &Place,
        names: &[String],
    ) -> Result<Vec<(String, Read)>, Trouble> {
        self.begin().await;
        let mut inner = self.world.0.borrow_mut();
        let mut answers = Vec::new();
        for name in names {
            if !inner.odd(|odd| odd.unanswered) {
                answers.push((name.clone(), inner.read(place, name)));
            }
        }
        Ok(answers)
    }

    fn named(&self, _: Item, stamp: &str) -> String {
        format!("{stamp}.txt")
    }

    async fn put(&mut self, place: &Place, puts: Vec<Put>) -> Result<Vec<Stored>, Trouble> {
        let mut answers = Vec::new();
        for put in puts {
            self.begin().await;
            let stored = self.world.0.borrow_mut().store_oddly(&place.id, put)?;
            answers.push(stored);
            (self.step)().await;
        }
        Ok(answers)
    }

    async fn remove(&mut self, place: &Place, name: &str, tag: &str) -> Result<Removed, Trouble> {
        self.begin().await;
        let removed = {
            let mut inner = self.world.0.borrow_mut();
            let found = inner.shelves.get(&place.id).and_then(|it| it.objects.get(name));
            match found.map(|it| it.tag.to_string() == tag) {
                None => Removed::Absent,
                Some(false) => Removed::NotMet,
                Some(true) => {
                    if inner.odd(|odd| odd.hang_up) {
                        return Err(Trouble::Line(wire::Error::Closed));
                    }
                    inner.write(&place.id, name, None);
                    if inner.odd(|odd| odd.lose_answer) {
                        return Err(Trouble::Line(wire::Error::Closed));
                    }
                    Removed::Gone
                }
            }
        };
        (self.step)().await;
        Ok(removed)
    }

    async fn remove_collection(&mut self, place: &Place) -> Result<Removed, Trouble> {
        self.begin().await;
        let removed = {
            let mut inner = self.world.0.borrow_mut();
            match inner.shelves.get(&place.id).map(|it| it.objects.is_empty()) {
                None => Removed::Absent,
                Some(false) => Removed::NotMet,
                Some(true) => {
                    inner.shelves.remove(&place.id);
                    Removed::Gone
                }
            }
        };
        (self.step)().await;
        Ok(removed)
    }
}
