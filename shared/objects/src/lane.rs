//! The state of the lane in a slice: where it is, its rows; everything is written with the next checkpoint.

use std::collections::BTreeSet;

use model::{Failure, FailureCode, Timestamp};
use services::objects::{Object, Place};
use store::{Error, Store, keys, records};

use crate::context::{Context, Halt};
use crate::known::Known;
use crate::record::{Entry, Intention, Position, Row};

/// Rows read at once: some 5 KiB each.
const ROWS_AT_ONCE: usize = 64;
/// Octets kept of a name in a line of the failures.
const TITLE_OCTETS: usize = 1_000;

/// The lane.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) position: Position,
    pub(crate) rows: Vec<Row>,
    dirty: BTreeSet<usize>,
}

/// What a function has to do with: the frame, the lane, and the row that is worked on.
pub(crate) type Done<C, T = ()> = Result<T, Halt<<C as Context>::Stop>>;

impl Lane {
    /// Reads where it stands; an empty one where nothing was done yet.
    pub(crate) async fn load<C: Context>(ctx: &C) -> Result<Lane, Error> {
        let (store, id) = (ctx.store(), ctx.id());
        let position: Option<Position> = records::read(store, &keys::objects(id)).await?;
        let position = position.unwrap_or_default();
        let numbers: Vec<u32> = (0..position.rows).collect();
        let mut rows = Vec::new();
        for some in numbers.chunks(ROWS_AT_ONCE) {
            let names: Vec<String> = some.iter().map(|at| keys::collection(id, *at)).collect();
            for (key, value) in names.iter().zip(store.get_many(&names).await?) {
                let gone = || Error::Unreadable { key: key.clone(), reason: "it is gone".into() };
                rows.push(records::decode(key, &value.ok_or_else(gone)?)?);
            }
        }
        Ok(Lane { position, rows, dirty: BTreeSet::new() })
    }

    /// A row to read.
    pub(crate) fn row(&self, at: u32) -> Result<&Row, Error> {
        self.rows.get(at as usize).ok_or_else(|| missing(at))
    }

    /// A row to change.
    pub(crate) fn row_mut(&mut self, at: u32) -> Result<&mut Row, Error> {
        self.dirty.insert(at as usize);
        self.rows.get_mut(at as usize).ok_or_else(|| missing(at))
    }

    /// A further row.
    pub(crate) fn add(&mut self, row: Row) {
        self.dirty.insert(self.rows.len());
        self.rows.push(row);
        self.position.rows = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
    }

    /// Numbers of all rows.
    pub(crate) fn numbers(&self) -> std::ops::Range<u32> {
        0..self.position.rows
    }

    /// Where the row is at the source.
    pub(crate) fn source(&self, at: u32) -> Result<Place, Error> {
        let row = self.row(at)?;
        Ok(Place { id: row.source.clone(), kind: row.kind })
    }

    /// Where it is at the destination; an error where that is not known yet.
    pub(crate) fn destination(&self, at: u32) -> Result<Place, Error> {
        let row = self.row(at)?;
        let id = row.destination.clone().ok_or_else(|| missing(at))?;
        Ok(Place { id, kind: row.kind })
    }

    /// Adds to the journal of a row.
    pub(crate) fn journal<C: Context>(
        &mut self,
        ctx: &mut C,
        (at, known): (u32, &mut Known),
        entries: &[Entry],
    ) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let segment = self.row(at)?.segments;
        let key = keys::objects_journal(ctx.id(), at, segment);
        let record = match records::encode(&key, &entries) {
            Err(Error::TooLarge { .. }) if entries.len() > 1 => {
                let (first, rest) = entries.split_at(entries.len() / 2);
                self.journal(ctx, (at, known), first)?;
                return self.journal(ctx, (at, known), rest);
            }
            record => record?,
        };
        ctx.stage(key, record);
        self.row_mut(at)?.segments += 1;
        for (entry, place) in entries.iter().zip(0..) {
            known.put(entry, (segment, place));
        }
        Ok(())
    }

    /// Stages what is about to be done; nothing where it is through.
    pub(crate) fn intend<C: Context>(
        &self,
        ctx: &mut C,
        intention: Option<&Intention>,
    ) -> Result<(), Error> {
        let key = keys::objects_intention(ctx.id());
        let value = match intention {
            Some(intention) => records::encode(&key, intention)?,
            None => Vec::new(),
        };
        ctx.stage(key, value);
        Ok(())
    }

    /// Writes everything down.
    pub(crate) async fn checkpoint<C: Context>(&mut self, ctx: &mut C) -> Done<C> {
        for at in std::mem::take(&mut self.dirty) {
            let number = u32::try_from(at).unwrap_or(u32::MAX);
            let key = keys::collection(ctx.id(), number);
            let record = records::encode(&key, self.row(number)?)?;
            ctx.stage(key, record);
        }
        let key = keys::objects(ctx.id());
        let record = records::encode(&key, &self.position)?;
        ctx.stage(key, record);
        ctx.checkpoint().await.map_err(Halt::Stop)
    }

    /// A line in the failures about an object of a row.
    pub(crate) fn tell<C: Context>(
        &self,
        ctx: &mut C,
        at: u32,
        about: &About,
        (code, reason): (FailureCode, String),
    ) -> Result<(), Error> {
        let row = self.row(at)?;
        ctx.fail(Failure {
            item: row.kind,
            folder: row.source_path.clone(),
            subject: about.title.clone(),
            date: about.unix_s.and_then(|s| u64::try_from(s).ok()).map(|s| {
                // Farther than the calendar reaches is told as its end.
                Timestamp(s.min(253_402_300_799) * 1_000).rfc3339()
            }),
            size_bytes: about.size,
            code,
            reason,
        });
        Ok(())
    }
}

/// What is told of an object that has a line in the failures.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) title: String,
    pub(crate) unix_s: Option<i64>,
    pub(crate) size: u64,
}

impl About {
    pub(crate) fn object(object: &Object) -> About {
        About {
            title: wire::plain(&object.title, TITLE_OCTETS),
            unix_s: object.unix_s,
            size: object.body.len() as u64,
        }
    }

    /// One of which only the name is known.
    pub(crate) fn name(name: &str) -> About {
        About { title: wire::plain(name, TITLE_OCTETS), ..About::default() }
    }
}

fn missing(at: u32) -> Error {
    Error::Unreadable { key: format!("collection {at}"), reason: "there is no such row".into() }
}
