//! What is stored of the lane, and how it is spelt: JSON with a version in front (`store::records`).
//!
//! Fields are only added, with what they were before as the default. Names of fields that stand in a record
//! once for each object are short there.

use model::{FolderReport, Item, Sums, Verdict};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use services::objects::Digest;
use sha2::Digest as _;

/// A fingerprint of a text or a content, 128 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Print(pub [u8; 16]);

impl Print {
    /// Of several texts, told apart by what no name has in it.
    pub fn of(texts: &[&str]) -> Print {
        let mut hash = sha2::Sha256::new();
        for text in texts {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        Print(hash.finalize().first_chunk().copied().unwrap_or_default())
    }

    /// As 32 hexadecimal digits.
    pub fn hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// Its first half, for tables in memory. A collection of 200,000 has two that meet once in a thousand
    /// million cases.
    pub(crate) fn short(self) -> u64 {
        self.0.first_chunk().map_or(0, |half| u64::from_be_bytes(*half))
    }
}

impl From<Digest> for Print {
    fn from(digest: Digest) -> Print {
        Print(digest.0)
    }
}

impl Serialize for Print {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Print {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = u128::from_str_radix(&text, 16).map_err(serde::de::Error::custom)?;
        Ok(Print(number.to_be_bytes()))
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is not at the destination.
    Nothing,
    /// We put it there.
    Placed,
    /// It was there before.
    Adopted,
    /// We put it there, and it is the user's since.
    Left,
    /// Left out by the owner's options.
    LeftOut,
    /// The collection has it under another name, too, with the same content.
    Twin,
    /// Nothing of ours any more: taken back, or known under another name.
    Forgotten,
}

/// An object of the source, and what became of it: an entry of the journal. The last one of a name counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name at the source.
    #[serde(rename = "s")]
    pub source: String,
    /// Its tag there when it was settled; `None` where the service tells none.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub source_tag: Option<String>,
    /// Of what identifies it.
    #[serde(rename = "i")]
    pub identity: Print,
    /// Of the content that the source had when it was settled.
    #[serde(rename = "c")]
    pub content: Print,
    /// Its name at the destination.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Its tag there, as we left it.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Of the content that stood there when we left it: services may rewrite what they store.
    #[serde(rename = "l", default)]
    pub left: Print,
    /// The sync point that put it there.
    #[serde(rename = "p")]
    pub sync_point: u32,
    /// The sync point that put it there last, as a new one or as a changed one.
    #[serde(rename = "q", default)]
    pub put_in: u32,
    /// The sync point that settled it last.
    #[serde(rename = "r")]
    pub settled_in: u32,
    /// What became of it.
    #[serde(rename = "x")]
    pub state: State,
    /// Whether the source's content of now could not be brought; a line in the failures says why.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// Whether it is gone at the source.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Octets.
    #[serde(rename = "o", default)]
    pub size: u64,
}

impl Entry {
    /// One of which nothing is known but where it is listed.
    pub(crate) fn blank(work: &Work) -> Entry {
        Entry {
            source: work.source.clone(),
            source_tag: work.tag.clone(),
            identity: Print::default(),
            content: Print::default(),
            destination: None,
            tag: None,
            left: Print::default(),
            sync_point: 0,
            put_in: 0,
            settled_in: 0,
            state: State::Nothing,
            failed: false,
            gone: false,
            size: 0,
        }
    }

    /// The same as nothing of ours any more.
    pub(crate) fn forgotten(self) -> Entry {
        Entry { state: State::Forgotten, ..self }
    }

    /// Whether it has, or had, a place at the destination.
    pub(crate) fn has_place(&self) -> bool {
        matches!(self.state, State::Placed | State::Adopted | State::Left)
    }
}

/// An object of the source that is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Its name.
    #[serde(rename = "s")]
    pub source: String,
    /// Its tag.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// An object of the destination that we did not bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    #[serde(rename = "d")]
    pub name: String,
    /// Its tag.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Of what identifies it; `None` where it cannot be read.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Print>,
    /// Of its content.
    #[serde(rename = "c", default)]
    pub content: Print,
    /// Whether it is gone.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// What is about to be done at the destination: written before it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intention {
    /// The collection's row.
    pub row: u32,
    /// Objects that are put: as they will be where it succeeds.
    pub puts: Vec<Intended>,
    /// Names of objects that are removed.
    pub removals: Vec<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intended {
    /// What it will be.
    pub entry: Entry,
    /// What stands there before, where it is replaced: its content, and its tag.
    #[serde(default)]
    pub replaces: Option<(Print, String)>,
    /// What the object was called at the source before, where it has another name now.
    #[serde(default)]
    pub was: Option<Entry>,
    /// For people.
    pub title: String,
}

/// How far the work on a collection is in this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The source is asked what there is.
    #[default]
    List,
    /// What is new or changed is brought.
    Bring,
    /// Both sides are asked once more.
    Verify,
    /// Nothing is left to do.
    Done,
}

/// A collection of the source, and its place at the destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// The kind of its objects.
    pub kind: Item,
    /// As the source names it.
    pub source: String,
    /// The same for people.
    pub source_path: String,
    /// As the destination names it; `None` while it is to be made.
    pub destination: Option<String>,
    /// The same for people.
    pub destination_path: String,
    /// What else a new collection gets.
    pub details: Vec<(String, String)>,
    /// What the source's collection holds besides.
    pub further_kinds: Vec<Item>,
    /// Whether it is one document.
    pub is_single: bool,
    /// The sync point in which we made the destination's collection; 0 if we did not.
    pub created_in: u32,
    /// Whether the user removed it at the destination: it is made again only for what is new.
    pub removed: bool,
    /// Whether the source still has it.
    pub listed: bool,
    /// Why it is not copied; a sentence.
    pub left_out: Option<String>,
    /// Why the destination has no place for it; a sentence.
    pub refused: Option<String>,
    /// The state of the source's collection up to which everything is settled.
    pub settled: Option<String>,
    /// As found by this run.
    pub found: Option<String>,
    /// Whether this run listed the source's collection as a whole, so that it is verified as a whole.
    pub listed_whole: bool,
    /// How far this run is.
    pub stage: Stage,
    /// Segments in its journal.
    pub segments: u32,
    /// Pages of work; `None` while the source is being listed.
    pub work_pages: Option<u32>,
    /// The most pages there ever were.
    pub work_pages_max: u32,
    /// The page whose objects are dealt with now.
    pub work_page: u32,
    /// Objects of it that are dealt with.
    pub work_place: u32,
    /// Objects that the work is about.
    pub work_total: u64,
    /// How often the next of them were sent, without anything having become of it.
    pub tries: u32,
    /// How often the destination was looked at after a refusal, and had nothing of it.
    pub in_vain: u32,
    /// Pages of what stands at the destination.
    pub standing_pages: u32,
    /// The sync point in which the destination was looked at.
    pub looked_in: u32,
    /// Whether the destination was seen to store objects under names of its own.
    pub renames: bool,
    /// How often this run found out that it had missed something.
    pub rounds: u32,
    /// Put there by us, all sync points.
    pub migrated: u64,
    /// Objects of the source and what each of them is, once it was asked.
    pub sums: Option<Sums>,
    /// Objects of ours that the verification found.
    pub found_there: u64,
    /// Of what we brought in this run, what does not stand there as it should.
    pub wrong: u64,
    /// Objects that stand there twice.
    pub doubled: u64,
    /// Objects that stand there and cannot be read.
    pub unreadable: u64,
    /// What the verification says.
    pub verdict: Option<Verdict>,
    /// For people.
    pub remarks: Vec<String>,
}

impl Default for Row {
    fn default() -> Self {
        Row {
            kind: Item::Contacts,
            source: String::new(),
            source_path: String::new(),
            destination: None,
            destination_path: String::new(),
            details: Vec::new(),
            further_kinds: Vec::new(),
            is_single: false,
            created_in: 0,
            removed: false,
            listed: false,
            left_out: None,
            refused: None,
            settled: None,
            found: None,
            listed_whole: false,
            stage: Stage::List,
            segments: 0,
            work_pages: None,
            work_pages_max: 0,
            work_page: 0,
            work_place: 0,
            work_total: 0,
            tries: 0,
            in_vain: 0,
            standing_pages: 0,
            looked_in: 0,
            renames: false,
            rounds: 0,
            migrated: 0,
            sums: None,
            found_there: 0,
            wrong: 0,
            doubled: 0,
            unreadable: 0,
            verdict: None,
            remarks: Vec::new(),
        }
    }
}

impl Row {
    /// The most remarks kept of one collection.
    const REMARKS_MAX: usize = 20;
    /// Octets kept of a remark.
    const REMARK_OCTETS: usize = 2_000;

    /// Adds a sentence once.
    pub(crate) fn remark(&mut self, sentence: &str) {
        let sentence = wire::plain(sentence, Row::REMARK_OCTETS);
        if self.remarks.len() < Row::REMARKS_MAX && !self.remarks.contains(&sentence) {
            self.remarks.push(sentence);
        }
    }

    /// Whether this run has something to do with it.
    pub(crate) fn is_moved(&self) -> bool {
        self.listed && self.left_out.is_none() && self.refused.is_none()
    }

    /// Its line in the report.
    pub fn report(&self) -> FolderReport {
        let sums = self.sums.unwrap_or_default();
        FolderReport {
            source: self.source_path.clone(),
            destination: self.destination_path.clone(),
            source_messages: sums.source,
            source_bytes: 0,
            destination_messages: self.found_there,
            destination_bytes: 0,
            migrated: self.migrated,
            adopted: sums.adopted,
            left_out: sums.left_out,
            failed: sums.failed,
            verdict: self.verdict.unwrap_or(Verdict::Unknown),
            sums: self.sums,
            remarks: self.remarks.clone(),
        }
    }
}

/// How far the lane is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Position {
    /// Collections.
    pub rows: u32,
    /// The sync point that is under way, or ended last.
    pub run: u32,
    /// Whether both sides' collections are known in this run.
    pub discovered: bool,
    /// Whether the run is through.
    pub finished: bool,
    /// While objects are taken back: the collection that is looked at, and what of it is dealt with.
    pub removing: Option<Removing>,
}

/// How far a removal is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removing {
    /// From which sync point on.
    pub from: u32,
    /// The collection.
    pub row: u32,
    /// Segments of its journal that are dealt with.
    pub segment: u32,
    /// Objects of the next one that are dealt with.
    pub place: u32,
    /// Segments that there were when it began.
    pub segments: Option<u32>,
    /// Objects that stay and have a line in the failures.
    pub told: u64,
    /// Objects that stay and have none.
    pub untold: u64,
}

#[cfg(test)]
mod tests {
    use store::records;

    use super::*;

    /// What version 1 wrote must stay readable.
    #[test]
    fn reads_version_1() -> Result<(), store::Error> {
        let print = "000102030405060708090a0b0c0d0e0f";
        let stored = format!(
            "\x01[{{\"s\":\"e1.ics\",\"t\":\"\\\"1\\\"\",\"i\":\"{print}\",\"c\":\"{print}\",\"d\":\"x.ics\",\
             \"g\":\"\\\"2\\\"\",\"l\":\"{print}\",\"p\":1,\"q\":2,\"r\":3,\"x\":\"placed\",\"o\":40}}]"
        );
        let entries: Vec<Entry> = records::decode("k", stored.as_bytes())?;
        let entry = &entries[0];
        assert_eq!((entry.source.as_str(), entry.state), ("e1.ics", State::Placed));
        assert_eq!((entry.sync_point, entry.put_in, entry.settled_in), (1, 2, 3));
        assert_eq!((entry.identity.hex().as_str(), entry.size, entry.gone), (print, 40, false));
        assert_eq!(records::encode("k", &entries)?, stored.as_bytes());
        let row: Row = records::decode(
            "k",
            b"\x01{\"kind\":\"tasks\",\"source\":\"a\",\"source_path\":\"A\",\"destination\":\"b\",\
            \"stage\":\"bring\",\"segments\":4,\"listed\":true,\"settled\":\"s\"}",
        )?;
        assert_eq!((row.kind, row.stage, row.segments), (Item::Tasks, Stage::Bring, 4));
        assert!(row.is_moved());
        let position: Position = records::decode("k", b"\x01{\"rows\":2,\"run\":3}")?;
        assert_eq!((position.rows, position.run, position.finished), (2, 3, false));
        Ok(())
    }
}
