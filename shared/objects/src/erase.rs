//! Which records of the lane a migration has, so that nothing of it is left when it is erased.

use model::MigrationId;
use serde::{Deserialize, Serialize};
use store::{Error, Store, keys, records};

use crate::record::{Position, Row};

/// How far an erasure is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Collections whose lists are gone.
    pub rows: u32,
    /// Of the next one, records that are gone.
    pub records: u32,
    /// Rows that are gone.
    pub own: u32,
}

/// The next keys that are to be erased, at most `most`, counted as gone; none where only those are left that
/// every migration has once (`keys::of_migration`). Rows go after the lists of all, whose lengths they know.
pub async fn piece(
    store: &impl Store,
    id: &MigrationId,
    progress: &mut Progress,
    most: usize,
) -> Result<Vec<String>, Error> {
    let position: Option<Position> = records::read(store, &keys::objects(id)).await?;
    let rows = position.unwrap_or_default().rows;
    let mut listed = Vec::new();
    while progress.rows < rows && listed.len() < most {
        let number = progress.rows;
        let row: Option<Row> = records::read(store, &keys::collection(id, number)).await?;
        let all = row.map_or_else(Vec::new, |row| lists(&row));
        let gone = progress.records as usize;
        let room = most - listed.len();
        let some: Vec<Record> = all.into_iter().flatten().skip(gone).take(room).collect();
        if some.len() < room {
            (progress.rows, progress.records) = (number + 1, 0);
        } else {
            progress.records += u32::try_from(some.len()).unwrap_or(0);
        }
        listed.extend(some.iter().map(|record| record.key(id, number)));
    }
    if !listed.is_empty() {
        return Ok(listed);
    }
    while progress.own < rows && listed.len() < most {
        listed.push(keys::collection(id, progress.own));
        progress.own += 1;
    }
    Ok(listed)
}

enum Record {
    Journal(u32),
    Work(u32),
    Standing(u32),
    Before,
}

impl Record {
    fn key(&self, id: &MigrationId, row: u32) -> String {
        match self {
            Record::Journal(number) => keys::objects_journal(id, row, *number),
            Record::Work(number) => keys::objects_work(id, row, *number),
            Record::Standing(number) => keys::objects_standing(id, row, *number),
            Record::Before => keys::objects_before(id, row),
        }
    }
}

/// The records of a collection; of each list one more than is known of, since a write may have been the last.
fn lists(row: &Row) -> Vec<Box<dyn Iterator<Item = Record>>> {
    vec![
        Box::new((0..=row.segments).map(Record::Journal)),
        Box::new((0..=row.work_pages_max).map(Record::Work)),
        Box::new((0..=row.standing_pages).map(Record::Standing)),
        Box::new(std::iter::once(Record::Before)),
    ]
}
