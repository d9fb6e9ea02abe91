//! What is held of a large collection, counted: a component has 64 MiB, for 200,000 objects and the rest.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek, SeekFrom, Write};
use std::rc::Rc;

use futures::executor::block_on;
use model::{Counters, Failure, Item, MigrationId, Options};
use services::objects::{
    Access, Collection, Digest, Listed, Listing, NewCollection, Object, Objects, PART_MAX, Part,
    Place, Put, Read, Removed, Stored,
};
use services::{Rejection, Trouble};
use store::{Error, Store};

use crate::context::{Context, Deed};
use crate::record::Print;

#[global_allocator]
static COUNTING: counting::Counting = counting::Counting;

/// Objects of the collection in an ordinary run of the tests; `TRASLOCO_OBJECTS` says how many else.
const OBJECTS: u32 = 5_000;
/// What is held whatever the size of the collection: a batch, a page, a part of a listing.
const FIXED: usize = 8 << 20;
/// What is held of each object: in the index, in the listings of both sides, and by the service of this test.
const EACH: usize = 250;

/// A store on disk, so that what it holds is not counted.
struct OnDisk(RefCell<Disk>);

/// The file, where in it values are, and where it ends.
type Disk = (File, BTreeMap<String, (u64, usize)>, u64);

impl OnDisk {
    fn new() -> OnDisk {
        let path = std::env::temp_dir().join(format!("objects-memory-{}", std::process::id()));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        OnDisk(RefCell::new((file, BTreeMap::new(), 0)))
    }
}

impl OnDisk {
    fn value(&self, key: &str) -> Option<Vec<u8>> {
        let (file, index, _) = &mut *self.0.borrow_mut();
        let (offset, length) = index.get(key).copied()?;
        let mut value = vec![0; length];
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.read_exact(&mut value).unwrap();
        Some(value)
    }

    fn write(&self, key: String, value: &[u8]) -> Result<(), Error> {
        store::check_size(&key, value)?;
        let (file, index, end) = &mut *self.0.borrow_mut();
        file.seek(SeekFrom::Start(*end)).unwrap();
        file.write_all(value).unwrap();
        index.insert(key, (*end, value.len()));
        *end += value.len() as u64;
        Ok(())
    }
}

impl Store for OnDisk {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.value(key))
    }
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        Ok(keys.iter().map(|key| self.value(key)).collect())
    }
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.write(key.to_owned(), &value)
    }
    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        pairs.into_iter().try_for_each(|(key, value)| self.write(key, &value))
    }
    async fn delete(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }
    async fn delete_many(&self, _: &[String]) -> Result<(), Error> {
        Ok(())
    }
    async fn increment(&self, _: &str, _: u64) -> Result<u64, Error> {
        Ok(0)
    }
    async fn swap(&self, _: &str, _: &[u8], _: Vec<u8>) -> Result<bool, Error> {
        Ok(false)
    }
}

/// A side with a large collection: objects of the source are made when they are asked for, of those at the
/// destination only the numbers of their names are kept.
struct Large {
    count: u32,
    next: u32,
    stored: Option<Rc<RefCell<BTreeSet<u128>>>>,
    last: Option<u128>,
}

fn name_of(number: u128) -> String {
    format!("{number:032x}")
}

impl Large {
    fn listed(&mut self) -> Option<Listed> {
        let number = match &self.stored {
            None => {
                self.next += 1;
                (self.next <= self.count).then_some(u128::from(self.next))
            }
            Some(stored) => {
                let from = self.last.map_or(0, |last| last + 1);
                self.last = stored.borrow().range(from..).next().copied();
                self.last
            }
        };
        number.map(|number| Listed { name: name_of(number), tag: Some("\"1\"".into()) })
    }
}

impl Objects for Large {
    async fn collections(&mut self) -> Result<Vec<Collection>, Trouble> {
        Ok(vec![Collection {
            place: Place { id: "all".into(), kind: Item::Contacts },
            display_name: "All".into(),
            is_default: true,
            is_single: false,
            access: Access::Writable,
            state: None,
            details: Vec::new(),
        }])
    }
    async fn make(&mut self, _: &NewCollection) -> Result<Result<Collection, Rejection>, Trouble> {
        panic!("it is there")
    }
    async fn start_listing(&mut self, _: &Place, _: Option<&str>) -> Result<Listing, Trouble> {
        (self.next, self.last) = (0, None);
        Ok(Listing::Whole)
    }
    async fn next_part(&mut self) -> Result<Part, Trouble> {
        let there: Vec<Listed> = (0..PART_MAX).map_while(|_| self.listed()).collect();
        Ok(match there.is_empty() {
            true => Part::End { state: None },
            false => Part::Some { there, gone: Vec::new() },
        })
    }
    async fn read(&mut self, _: &Place, names: &[String]) -> Result<Vec<(String, Read)>, Trouble> {
        let object = |name: &String| Object {
            name: name.clone(),
            tag: Some("\"1\"".into()),
            identity: format!("{name}@example.org"),
            digest: Digest(Print::of(&["x"]).0),
            unix_s: None,
            title: "Somebody".into(),
            body: vec![b'x'; 2_000].into(),
        };
        Ok(names.iter().map(|name| (name.clone(), Read::Found(object(name)))).collect())
    }
    fn named(&self, _: Item, stamp: &str) -> String {
        stamp.to_owned()
    }
    async fn put(&mut self, _: &Place, puts: Vec<Put>) -> Result<Vec<Stored>, Trouble> {
        let mut stored = self.stored.as_ref().unwrap().borrow_mut();
        let keep = |put: Put| {
            stored.insert(u128::from_str_radix(&put.name, 16).unwrap());
            Stored::As { name: put.name, tag: Some("\"1\"".into()) }
        };
        Ok(puts.into_iter().map(keep).collect())
    }
    async fn remove(&mut self, _: &Place, name: &str, _: &str) -> Result<Removed, Trouble> {
        let number = u128::from_str_radix(name, 16).unwrap();
        let gone = self.stored.as_ref().unwrap().borrow_mut().remove(&number);
        Ok(if gone { Removed::Gone } else { Removed::Absent })
    }
    async fn remove_collection(&mut self, _: &Place) -> Result<Removed, Trouble> {
        Ok(Removed::NotMet)
    }
}

struct Frame {
    store: OnDisk,
    id: MigrationId,
    run: u32,
    options: Options,
    counters: Counters,
    staged: Vec<(String, Vec<u8>)>,
}

impl Context for Frame {
    type Store = OnDisk;
    type Stop = ();
    fn store(&self) -> &OnDisk {
        &self.store
    }
    fn id(&self) -> &MigrationId {
        &self.id
    }
    fn sync_point(&self) -> u32 {
        self.run
    }
    fn is_retry(&self) -> bool {
        false
    }
    fn options(&self) -> &Options {
        &self.options
    }
    fn wants(&self, _: Item) -> bool {
        true
    }
    fn counters(&mut self, _: Item) -> &mut Counters {
        &mut self.counters
    }
    fn fail(&mut self, failure: Failure) {
        panic!("{failure:?}");
    }
    fn count(&mut self, _: Deed, _: u64) {}
    fn stage(&mut self, key: String, value: Vec<u8>) {
        self.staged.push((key, value));
    }
    fn at_work(&mut self, _: Option<&str>) {}
    fn progressed(&mut self) {}
    fn check_budget(&self) -> Result<(), ()> {
        Ok(())
    }
    async fn checkpoint(&mut self) -> Result<(), ()> {
        let staged = std::mem::take(&mut self.staged);
        self.store.set_many(staged).await.unwrap();
        Ok(())
    }
}

#[allow(clippy::disallowed_methods, reason = "who runs the test says how large")]
fn count() -> u32 {
    std::env::var("TRASLOCO_OBJECTS").map_or(OBJECTS, |text| text.parse().unwrap())
}

#[test]
fn a_large_collection_is_held_as_numbers() {
    let count = count();
    let stored: Rc<RefCell<BTreeSet<u128>>> = Rc::default();
    let mut source = Large { count, next: 0, stored: None, last: None };
    let mut destination = Large { count: 0, next: 0, stored: Some(stored.clone()), last: None };
    let mut frame = Frame {
        store: OnDisk::new(),
        id: MigrationId::from_random(&[5; 26]),
        run: 1,
        options: Options::default(),
        counters: Counters::default(),
        staged: Vec::new(),
    };
    let most = FIXED + count as usize * EACH;
    let check = |what: &str, peak: usize| {
        assert!(peak < most, "{what}: {peak} octets for {count} objects, {most} are allowed");
        println!("{what}: {} octets an object", peak / count as usize);
    };
    let (done, peak) =
        counting::peak_of(|| block_on(crate::run(&mut frame, &mut source, &mut destination)));
    done.unwrap();
    assert_eq!(frame.counters.migrated, u64::from(count));
    check("a first run", peak);
    frame.run = 2;
    let (done, peak) =
        counting::peak_of(|| block_on(crate::run(&mut frame, &mut source, &mut destination)));
    done.unwrap();
    check("a second run", peak);
    let (done, peak) =
        counting::peak_of(|| block_on(crate::remove(&mut frame, 1, &mut source, &mut destination)));
    done.unwrap();
    check("a removal", peak);
    assert_eq!(stored.borrow().len(), 0);
}
