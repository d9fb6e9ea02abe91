//! The manifest: one line for each message that was put at the destination, so that anyone can
//! check what arrived: folder, Message-ID, size and, where `content_digests` asks for it, SHA-256.
//!
//! Lines are stored with the journal segment of the same number, in the same write. What stood at
//! the destination before has no line; the report counts it.

use std::collections::BTreeSet;

use model::{Migration, MigrationId};
use sha2::{Digest, Sha256};
use store::{Error, Store, keys, records};

use crate::cursor::Cursor;
use crate::table;

/// Lines held at a time while the manifest is written: about 150 bytes each.
const LINES_MAX: usize = 50_000;
/// The most bytes of a Message-ID in a line, so that the lines of a batch fit into one value.
const MESSAGE_ID_MAX: usize = 200;
const VERSION: u8 = 1;

/// Lines that are put together.
#[derive(Default)]
pub struct Lines(Vec<String>);

impl Lines {
    /// Adds a message of `size` octets; the digest is the SHA-256 of its content, where it was taken.
    pub fn put(&mut self, message_id: &[u8], size: u64, digest: Option<&[u8; 32]>) {
        let id = message_id.get(..MESSAGE_ID_MAX).unwrap_or(message_id);
        let id: String = String::from_utf8_lossy(id)
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        // What is no UTF-8 has become longer.
        let id = wire::cut(&id, MESSAGE_ID_MAX).to_owned();
        let id = if id.is_empty() { "-".to_owned() } else { id };
        let digest = digest.map_or_else(|| "-".to_owned(), |digest| hex(digest));
        self.0.push(format!("{id}\t{size}\t{digest}\n"));
    }

    /// The stored bytes.
    pub fn finish(self, sync_point: u32) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(format!("{sync_point}\n").as_bytes());
        self.0.iter().for_each(|line| bytes.extend_from_slice(line.as_bytes()));
        bytes
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the manifest piece by piece: lines `folder TAB message-id TAB size TAB sha256`, in
/// order of their bytes within a folder, folders in order of their names at the source. Lines of
/// sync points that were taken back are left out.
pub struct Manifest {
    id: MigrationId,
    /// Source path, row and segments, the last folder first.
    folders: Vec<(String, u32, u32)>,
    removed: BTreeSet<u32>,
    /// The last line written of the first folder: its text, segment and place there.
    after: Option<(String, u32, usize)>,
    /// Lines that are held at a time.
    lines_max: usize,
}

/// A line, with what tells equal ones apart.
type Line = (String, u32, usize);

impl Manifest {
    /// Begins; nothing is read of the lines yet.
    pub async fn open(store: &impl Store, id: &MigrationId) -> Result<Self, Error> {
        let cursor: Option<Cursor> = records::read(store, &keys::cursor(id)).await?;
        let rows = table::all(store, id, cursor.map_or(0, |cursor| cursor.folders)).await?;
        let mut folders: Vec<(String, u32, u32)> = rows
            .into_iter()
            .zip(0u32..)
            .map(|(row, number)| (row.source_path, number, row.segments))
            .collect();
        folders.sort_by(|one, other| other.cmp(one));
        let migration: Option<Migration> = records::read(store, &keys::migration(id)).await?;
        let points = migration.map(|migration| migration.sync_points).unwrap_or_default();
        let removed = points.iter().filter(|point| point.removed).map(|point| point.number);
        Ok(Manifest {
            id: id.clone(),
            folders,
            removed: removed.collect(),
            after: None,
            lines_max: LINES_MAX,
        })
    }

    /// The same in pieces of at most so many lines.
    pub fn in_pieces(self, lines_max: usize) -> Self {
        Manifest { lines_max, ..self }
    }

    /// The next piece and how many lines it has; `None` at the end.
    pub async fn next(&mut self, store: &impl Store) -> Result<Option<(String, u64)>, Error> {
        while let Some((path, number, segments)) = self.folders.last().cloned() {
            let lines = self.window(store, number, segments).await?;
            let Some(last) = lines.last().cloned() else {
                self.folders.pop();
                self.after = None;
                continue;
            };
            self.after = Some(last);
            let path: String = path.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            let text = lines.iter().map(|(line, ..)| format!("{path}\t{line}")).collect();
            return Ok(Some((text, lines.len() as u64)));
        }
        Ok(None)
    }

    /// The first lines of a folder after the last one written.
    async fn window(
        &self,
        store: &impl Store,
        number: u32,
        segments: u32,
    ) -> Result<BTreeSet<Line>, Error> {
        let mut first = BTreeSet::new();
        for segment in 0..segments {
            let key = keys::manifest(&self.id, number, segment);
            let Some(bytes) = store.get(&key).await? else { continue };
            let damaged = || Error::Unreadable {
                key: key.clone(),
                reason: "the lines of the manifest are damaged".to_owned(),
            };
            let text = match bytes.split_first() {
                Some((&VERSION, text)) => std::str::from_utf8(text).map_err(|_| damaged())?,
                _ => return Err(damaged()),
            };
            let (sync_point, lines) = text.split_once('\n').ok_or_else(damaged)?;
            if self.removed.contains(&sync_point.parse().map_err(|_| damaged())?) {
                continue;
            }
            for (place, line) in lines.split_inclusive('\n').enumerate() {
                let line = (line.to_owned(), segment, place);
                if self.after.as_ref().is_none_or(|after| line > *after) {
                    first.insert(line);
                }
                if first.len() > self.lines_max {
                    first.pop_last();
                }
            }
        }
        Ok(first)
    }
}

/// How many lines the manifest has, and the SHA-256 of all of it in hexadecimal digits.
pub async fn fingerprint(store: &impl Store, id: &MigrationId) -> Result<(u64, String), Error> {
    let mut manifest = Manifest::open(store, id).await?;
    let (mut count, mut hash) = (0, Sha256::new());
    while let Some((text, lines)) = manifest.next(store).await? {
        hash.update(text.as_bytes());
        count += lines;
    }
    Ok((count, hex(&hash.finalize())))
}
