//! A service of objects in memory, with the oddities of real ones, for tests of the engine.
//!
//! Content is lines of text: `KIND contacts`, `ID` and what identifies it, `TITLE`, and any others. Lines that
//! begin with `X-STAMP` are what servers stamp on what they store: they do not count for the digest.

mod session;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use model::Item;
use sha2::{Digest as _, Sha256};

use crate::objects::{
    Access, Digest, Guard, Listed, OBJECT_MAX_OCTETS, Object, Part, Place, Put, Read, Stored,
};
use crate::trouble::{Reason, Rejection, Trouble};
pub use session::Fake;

/// What is called before and after everything that a service does: here the tests cut the power.
pub type Step = Rc<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>>>;

/// How the service is odd. Those that are numbers happen one time in so many, never where they are 0, and
/// [`Odd::times`] times altogether.
#[derive(Debug, Clone, Default)]
pub struct Odd {
    /// Stores under a name of its own.
    pub renames: bool,
    /// Says which name that is.
    pub tells_name: bool,
    /// Changes what it stores, beyond stamps.
    pub rewrites: bool,
    /// Tells no tag when something is put.
    pub silent_tags: bool,
    /// Has no tags at all.
    pub no_tags: bool,
    /// Tags change by themselves whenever they are told.
    pub restless_tags: bool,
    /// Stores also where there is one of the name already.
    pub ignores_absence: bool,
    /// Takes an identity only once in a collection.
    pub unique: bool,
    /// Keeps no states.
    pub no_states: bool,
    /// Lists this many at a time; 0 for all.
    pub part: usize,
    /// Refuses what has this in it, for ever.
    pub refuses: Option<String>,
    /// Refuses once, without storing.
    pub refuse: usize,
    /// Refuses once, and has stored it.
    pub store_and_refuse: usize,
    /// Stores it, and the answer is lost.
    pub lose_answer: usize,
    /// Hangs up before it has stored it.
    pub hang_up: usize,
    /// Hangs up, and stores it some operations later.
    pub late: usize,
    /// Stores it twice, under two names.
    pub twice: usize,
    /// Leaves one out of a listing.
    pub omit: usize,
    /// Lists one twice.
    pub repeat: usize,
    /// Does not answer about one that was asked for.
    pub unanswered: usize,
    /// A state is no longer valid.
    pub expire: usize,
    /// Refuses a listing as a whole.
    pub unlisted: usize,
    /// How often something of this happens.
    pub times: usize,
}

/// What stands in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its text.
    pub text: String,
    tag: u64,
}

/// A collection.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// For people.
    pub display_name: String,
    /// What it may hold.
    pub kinds: Vec<Item>,
    /// Whether it may be written.
    pub access: Access,
    /// Objects by name.
    pub objects: BTreeMap<String, Content>,
    /// Names in the order of their changes; a state is a place in it.
    log: Vec<String>,
}

type Late = (u32, String, Put);

/// The content of a service; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct World(Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    shelves: BTreeMap<String, Shelf>,
    odd: Odd,
    seed: u64,
    tag: u64,
    operations: u32,
    late: Vec<Late>,
    /// What was left out of a listing.
    omitted: BTreeSet<String>,
}

/// The value of a line of a text.
pub fn line<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
}

/// The digest of a text.
pub fn digest(text: &str) -> Digest {
    let mut hash = Sha256::new();
    let counted = text.lines().filter(|line| !line.starts_with("X-STAMP"));
    counted.for_each(|line| hash.update(format!("{line}\n")));
    Digest(hash.finalize().first_chunk().copied().unwrap_or_default())
}

fn is_of(text: &str, kind: Item) -> bool {
    line(text, "KIND").is_none_or(|own| own == kind.name())
}

impl Inner {
    fn below(&mut self, n: usize) -> usize {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % n as u64) as usize
    }

    /// Whether something odd happens now.
    fn odd(&mut self, which: fn(&Odd) -> usize) -> bool {
        let n = which(&self.odd);
        if n == 0 || self.odd.times == 0 || self.below(n) != 0 {
            return false;
        }
        self.odd.times -= 1;
        true
    }

    fn write(&mut self, id: &str, name: &str, text: Option<String>) {
        self.tag += 1;
        let tag = self.tag;
        let Some(shelf) = self.shelves.get_mut(id) else { return };
        match text {
            Some(text) => _ = shelf.objects.insert(name.to_owned(), Content { text, tag }),
            None => _ = shelf.objects.remove(name),
        }
        shelf.log.push(name.to_owned());
    }

    /// What has been under way for long enough arrives.
    fn arrive(&mut self) {
        self.operations += 1;
        let now = self.operations;
        let due: Vec<Late> = self.late.extract_if(.., |late| late.0 <= now).collect();
        for (_, id, put) in due {
            self.store(&id, put);
        }
    }

    /// Stores as a plain server does.
    fn store(&mut self, id: &str, put: Put) -> Stored {
        let Some(shelf) = self.shelves.get(id) else { return refused(Reason::NoFolder) };
        let text = String::from_utf8_lossy(&put.object.body).into_owned();
        let there = shelf.objects.get(&put.name);
        let met = match &put.guard {
            Guard::Absent => there.is_none() || self.odd.ignores_absence,
            Guard::Is(tag) => there.is_some_and(|it| it.tag.to_string() == *tag),
        };
        if !met {
            return Stored::NotMet;
        }
        let same = |(name, it): (&String, &Content)| {
            *name != put.name && line(&it.text, "ID") == line(&text, "ID")
        };
        if self.odd.unique && shelf.objects.iter().any(same) {
            return refused(Reason::Other);
        }
        if self.odd.refuses.as_ref().is_some_and(|it| text.contains(it)) {
            return refused(Reason::Other);
        }
        let asked = put.name.clone();
        let renamed = self.odd.renames && put.guard == Guard::Absent;
        let name = if renamed { format!("own-{}", self.tag) } else { put.name };
        let text = if self.odd.rewrites { format!("{text}\nREWRITTEN") } else { text };
        let stamped = format!("{text}\nX-STAMP {}", self.tag);
        self.write(id, &name, Some(stamped));
        let silent = self.odd.silent_tags || self.odd.no_tags || self.odd.rewrites;
        let tag = (!silent).then(|| self.tag.to_string());
        // One that renames and does not tell is believed to have done as it was asked.
        let told = if self.odd.tells_name { name } else { asked };
        Stored::As { name: told, tag }
    }

    /// Stores as an odd one does.
    fn store_oddly(&mut self, id: &str, put: Put) -> Result<Stored, Trouble> {
        let lost = || Err(Trouble::Line(wire::Error::Closed));
        if self.odd(|odd| odd.hang_up) {
            return lost();
        }
        if self.odd(|odd| odd.late) {
            let due = self.operations + 1 + self.below(12) as u32;
            self.late.push((due, id.to_owned(), put));
            return lost();
        }
        if self.odd(|odd| odd.refuse) {
            return Ok(refused(Reason::Other));
        }
        if self.odd(|odd| odd.twice) {
            let text = String::from_utf8_lossy(&put.object.body).into_owned();
            let name = format!("again-{}", self.tag);
            self.write(id, &name, Some(text));
        }
        let stored = self.store(id, put);
        if self.odd(|odd| odd.lose_answer) {
            return lost();
        }
        if self.odd(|odd| odd.store_and_refuse) {
            return Ok(refused(Reason::Other));
        }
        Ok(stored)
    }

    /// The tag of an object as it is told now.
    fn tell_tag(&mut self, id: &str, name: &str) -> Option<String> {
        if self.odd.no_tags {
            return None;
        }
        let restless = self.odd.restless_tags;
        self.tag += 1;
        let fresh = self.tag;
        let content = self.shelves.get_mut(id)?.objects.get_mut(name)?;
        if restless {
            content.tag = fresh;
        }
        Some(content.tag.to_string())
    }

    fn names(&self, place: &Place) -> Vec<String> {
        let Some(shelf) = self.shelves.get(&place.id) else { return Vec::new() };
        let own = shelf.objects.iter().filter(|(_, it)| is_of(&it.text, place.kind));
        own.map(|(name, _)| name.clone()).collect()
    }

    /// The parts of a listing, the last one first.
    fn list(&mut self, place: &Place, since: Option<usize>) -> Vec<Part> {
        let shelf = self.shelves.get(&place.id);
        let log = shelf.map_or_else(Vec::new, |shelf| shelf.log.clone());
        let all = self.names(place);
        let (mut names, mut gone) = (all.clone(), Vec::new());
        if let Some(since) = since {
            let mut changed = log.get(since..).unwrap_or_default().to_vec();
            changed.sort();
            changed.dedup();
            (names, gone) = changed.into_iter().partition(|name| all.contains(name));
        }
        if !names.is_empty() && since.is_none() && self.odd(|odd| odd.omit) {
            let at = self.below(names.len());
            // Each once: of what no listing has, nobody can know.
            let name = names.remove(at);
            if !self.omitted.insert(name.clone()) {
                names.insert(at, name);
            }
        }
        if !names.is_empty() && self.odd(|odd| odd.repeat) {
            let at = self.below(names.len());
            names.extend(names.get(at).cloned());
        }
        let mut there = Vec::new();
        for name in names {
            let tag = self.tell_tag(&place.id, &name);
            there.push(Listed { name, tag });
        }
        let state = (!self.odd.no_states).then(|| log.len().to_string());
        let mut parts = vec![Part::End { state }];
        let size = if self.odd.part == 0 { 1_000 } else { self.odd.part };
        parts.extend(
            there.chunks(size).map(|some| Part::Some { there: some.to_vec(), gone: vec![] }),
        );
        parts.extend(
            gone.chunks(size).map(|some| Part::Some { there: vec![], gone: some.to_vec() }),
        );
        parts
    }

    fn read(&mut self, place: &Place, name: &str) -> Read {
        let tag = self.tell_tag(&place.id, name);
        let Some(content) = self.shelves.get(&place.id).and_then(|it| it.objects.get(name)) else {
            return Read::Absent;
        };
        let text = content.text.clone();
        if text.len() > OBJECT_MAX_OCTETS {
            let words = format!("{} octets", text.len());
            return Read::Refused(Rejection { reason: Reason::TooLarge, wait_s: None, words });
        }
        if line(&text, "DAMAGED").is_some() {
            let words = "it is damaged".to_owned();
            return Read::Refused(Rejection { reason: Reason::Other, wait_s: None, words });
        }
        Read::Found(Object {
            name: name.to_owned(),
            tag,
            identity: line(&text, "ID").unwrap_or("none").to_owned(),
            digest: digest(&text),
            unix_s: line(&text, "DATE").and_then(|it| it.parse().ok()),
            title: line(&text, "TITLE").unwrap_or_default().to_owned(),
            body: text.into(),
        })
    }
}

fn refused(reason: Reason) -> Stored {
    Stored::Refused(Rejection { reason, wait_s: None, words: "403 no".into() })
}

impl World {
    /// Sets how it is odd; `seed` says when.
    pub fn set_odd(&self, odd: Odd, seed: u64) {
        let mut inner = self.0.borrow_mut();
        (inner.odd, inner.seed) = (odd, seed);
    }

    /// Makes a collection.
    pub fn shelf(&self, id: &str, kinds: &[Item]) {
        let shelf = Shelf {
            display_name: id.to_owned(),
            kinds: kinds.to_vec(),
            access: Access::Writable,
            objects: BTreeMap::new(),
            log: Vec::new(),
        };
        self.0.borrow_mut().shelves.insert(id.to_owned(), shelf);
    }

    /// Changes a collection.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Shelf)) {
        if let Some(shelf) = self.0.borrow_mut().shelves.get_mut(id) {
            change(shelf);
        }
    }

    /// Takes a collection away, with all that is in it.
    pub fn forget(&self, id: &str) {
        self.0.borrow_mut().shelves.remove(id);
    }

    /// Writes an object, or takes it away, as a user does.
    pub fn write(&self, id: &str, name: &str, text: Option<&str>) {
        self.0.borrow_mut().write(id, name, text.map(str::to_owned));
    }

    /// Everything that is under way arrives.
    pub fn settle(&self) {
        let mut inner = self.0.borrow_mut();
        for (_, id, put) in std::mem::take(&mut inner.late) {
            inner.store(&id, put);
        }
    }

    /// All collections with what is in them.
    pub fn all(&self) -> BTreeMap<String, Shelf> {
        self.0.borrow().shelves.clone()
    }
}
