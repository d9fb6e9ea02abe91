//! What a workbook's zip holds, measured before anything is read from it.
//!
//! The reader of workbooks holds the shared strings and the styles whole, and believes counts
//! that the file states. So every entry is unpacked once to nowhere, with the same libraries,
//! and what would need too much memory or time is refused.

use std::io::{BufReader, Cursor, Read};

use memchr::memmem;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::grid::Unreadable;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text with delimiters, RFC 4180 and its dialects.
    Delimited,
    /// Office Open XML (ECMA-376): `.xlsx`, `.xlsm`.
    Xlsx,
    /// Excel 97 to 2003 (MS-XLS): `.xls`.
    Xls,
    /// OpenDocument (ODF 1.2): `.ods`.
    Ods,
}

/// The most entries; a workbook has about ten, one with many sheets and pictures some hundred.
const ENTRIES_MAX: usize = 2_000;
/// The most bytes of one entry, unpacked: 5,000 rows of eleven cells are 4 MiB of XML.
const ENTRY_MAX_BYTES: u64 = 12 << 20;
/// The most bytes of all entries, unpacked; what takes half a second to read.
const UNPACKED_MAX_BYTES: u64 = 24 << 20;
/// The most tags: 5,000 rows of eleven cells with their texts have 500,000, and to read a million
/// takes the component a third of a second.
const TAGS_MAX: u64 = 1_000_000;
/// The most bytes between two tags: a cell has at most 32,767 characters, here escaped.
const BETWEEN_TAGS_MAX_BYTES: u64 = 256 << 10;
/// How deep tags may stand in each other; a sheet needs ten.
const DEPTH_MAX: usize = 256;
/// The most different texts that a file may announce, for which room is made at once.
const STRINGS_MAX: u64 = 400_000;
/// The most bytes of what is copied for each cell format: its font's name and number format.
const FORMATS_MAX_BYTES: usize = 8 << 20;
/// The most letters and digits of a cell's place.
const PLACE_MAX: (usize, usize) = (3, 7);
/// What is kept for each of these is up to some hundred bytes, so there is a most of each; more
/// than any workbook needs that a person looks after.
const KEPT: &[(&str, usize)] = &[
    ("si", 400_000),
    ("definedName", 50_000),
    ("Relationship", 10_000),
    ("xf", 16_000),
    ("font", 16_000),
    ("fill", 16_000),
    ("border", 16_000),
    ("numFmt", 16_000),
    ("sheet", 1_000),
    ("table", 1_000),
];

pub(crate) type Archive<'b> = ZipArchive<Cursor<&'b [u8]>>;

/// Which kind of document the zip is.
pub(crate) fn kind(bytes: &[u8]) -> Result<Kind, Unreadable> {
    let mut archive = open(bytes)?;
    if let Ok(mut entry) = archive.by_name("mimetype") {
        let mut mime = Vec::new();
        let _ = entry.by_ref().take(80).read_to_end(&mut mime);
        return match mime.as_slice() {
            b"application/vnd.oasis.opendocument.spreadsheet" => Ok(Kind::Ods),
            _ => Err(Unreadable::NotATable { what: "another kind of document" }),
        };
    }
    let has = |start: &str| {
        let names = archive.file_names().filter_map(Result::ok);
        names.map(|name| name.replace('\\', "/").to_ascii_lowercase()).any(|it| it == start)
    };
    if has("xl/workbook.bin") {
        return Err(Unreadable::BinaryWorkbook);
    }
    if has("word/document.xml") {
        return Err(Unreadable::NotATable { what: "a text document" });
    }
    if has("_rels/.rels") {
        return Ok(Kind::Xlsx);
    }
    Err(Unreadable::NotATable { what: "a ZIP archive" })
}

/// Opens the zip, once it is known how many entries its reader will make room for.
pub(crate) fn open(bytes: &[u8]) -> Result<Archive<'_>, Unreadable> {
    let too_many = || bomb(format!("it has more than {ENTRIES_MAX} parts"));
    let headers = memmem::find_iter(bytes, b"PK\x01\x02").take(ENTRIES_MAX + 1);
    if headers.count() > ENTRIES_MAX {
        return Err(too_many());
    }
    for at in memmem::find_iter(bytes, b"PK\x05\x06") {
        // APPNOTE.TXT section 4.3.16: the total number of entries, two bytes from the tenth.
        let count = bytes.get(at + 10..at + 12).and_then(|it| it.try_into().ok());
        let wide = at.checked_sub(20).and_then(|locator| bytes.get(locator..locator + 4));
        let many = count.is_some_and(|it| usize::from(u16::from_le_bytes(it)) > ENTRIES_MAX);
        if many || wide == Some(b"PK\x06\x07") {
            return Err(too_many());
        }
    }
    ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))
}

/// Unpacks everything to nowhere, and reads as XML what is that.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Unreadable> {
    let mut archive = open(bytes)?;
    let mut budget = Budget::default();
    for at in 0..archive.len() {
        let entry = archive.by_index(at).map_err(|error| broken(&error))?;
        let name = entry.name().map_err(|error| broken(&error))?.to_ascii_lowercase();
        budget.entry_bytes = 0;
        budget.since_tag = 0;
        budget.is_xml = name.ends_with(".xml") || name.ends_with(".rels");
        let is_xml = budget.is_xml;
        let mut guarded = Guarded { inner: entry, budget: &mut budget };
        let read = if is_xml {
            xml(guarded, name.ends_with("styles.xml"))
        } else {
            let copied = std::io::copy(&mut guarded, &mut std::io::sink());
            copied.map(drop).map_err(|error| damaged(&error))
        };
        if let Some(what) = budget.exceeded.take() {
            return Err(bomb(what));
        }
        read?;
    }
    Ok(())
}

/// Reads a part as XML; it must be whole.
fn xml(entry: impl Read, styles: bool) -> Result<(), Unreadable> {
    let mut reader = quick_xml::Reader::from_reader(BufReader::new(entry));
    let mut buffer = Vec::new();
    let mut depth = 0_usize;
    let mut kept = Kept::default();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) => {
                depth += 1;
                announced(&tag)?;
                kept.see(&tag)?;
            }
            Ok(Event::Text(text)) => kept.text(text.len())?,
            Ok(Event::CData(text)) => kept.text(text.len())?,
            Ok(Event::Empty(tag)) => {
                announced(&tag)?;
                kept.see(&tag)?;
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) if depth == 0 => break,
            Ok(Event::Eof) => return Err(Unreadable::Damaged { why: "a part is cut".into() }),
            Ok(_) => (),
            Err(error) => return Err(damaged(&error)),
        }
        if depth > DEPTH_MAX {
            return Err(bomb("tags stand too deep in each other"));
        }
    }
    if styles { kept.check_formats() } else { Ok(()) }
}

/// Room is made for as many strings as are announced; so that number must be one.
fn announced(tag: &BytesStart<'_>) -> Result<(), Unreadable> {
    let Some((_, value)) = tag.attributes_raw().split_once("uniqueCount") else { return Ok(()) };
    let digits = value.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let digits = digits.get(..end).unwrap_or_default();
    let again = value.contains("uniqueCount");
    match digits.parse::<u64>() {
        Ok(count) if count <= STRINGS_MAX && !again => Ok(()),
        Ok(_) | Err(_) => Err(bomb("it announces too many texts")),
    }
}

/// Places such as `XFD1048576` are numbers to the reader, and it subtracts the first of a range
/// from the last.
fn place(tag: &BytesStart<'_>) -> Result<(), Unreadable> {
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| damaged(&error))?;
        if !matches!(attribute.key.as_ref(), "r" | "ref") {
            continue;
        }
        let places: Option<Vec<_>> = attribute.value.split(':').map(position).collect();
        let is_good = match places.as_deref() {
            Some([first, last]) => first.0 <= last.0 && first.1 <= last.1,
            Some(_) => true,
            None => false,
        };
        if !is_good {
            return Err(Unreadable::Damaged { why: "a cell is beyond every sheet".into() });
        }
    }
    Ok(())
}

/// Column and row, from 1; `None` where no sheet goes that far.
fn position(place: &str) -> Option<(u32, u32)> {
    let digits = place.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = place.len() - digits.len();
    let column = place.bytes().take(letters).fold(0_u32, |column, letter| {
        let value = u32::from(letter.to_ascii_uppercase().saturating_sub(b'A')) + 1;
        column.saturating_mul(26).saturating_add(value)
    });
    let row = digits
        .bytes()
        .filter(u8::is_ascii_digit)
        .fold(0_u32, |row, digit| row.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    let is_good = letters <= PLACE_MAX.0 && digits.len() <= PLACE_MAX.1;
    is_good.then_some((column, row))
}

/// What a reader would keep of a part.
#[derive(Default)]
struct Kept {
    counts: [usize; KEPT.len()],
    /// Of the texts that become one, the bytes; `None` before the first cell.
    text_bytes: Option<usize>,
    /// The longest of what each cell format is given a copy of.
    copied_bytes: usize,
}

impl Kept {
    fn see(&mut self, tag: &BytesStart<'_>) -> Result<(), Unreadable> {
        let name = tag.local_name();
        let name = name.as_ref();
        if matches!(name, "si" | "c" | "table-cell") {
            self.text_bytes = Some(0);
        }
        if matches!(name, "c" | "row" | "dimension") {
            place(tag)?;
        }
        if matches!(name, "numFmt" | "name") {
            self.copied_bytes = self.copied_bytes.max(tag.attributes_raw().len());
        }
        for (count, (known, most)) in self.counts.iter_mut().zip(KEPT) {
            if *known == name {
                *count += 1;
                if *count > *most {
                    return Err(bomb(format!("it has more than {most} times {known}")));
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, bytes: usize) -> Result<(), Unreadable> {
        self.text_bytes = self.text_bytes.map(|before| before.saturating_add(bytes));
        let most = usize::try_from(BETWEEN_TAGS_MAX_BYTES).unwrap_or(usize::MAX);
        if self.text_bytes.is_some_and(|bytes| bytes > most) {
            return Err(bomb(format!("a cell has more than {most} bytes")));
        }
        Ok(())
    }

    fn check_formats(&self) -> Result<(), Unreadable> {
        let formats = KEPT.iter().zip(&self.counts).find(|((name, _), _)| *name == "xf");
        let count = formats.map_or(0, |(_, count)| *count);
        if count.saturating_mul(self.copied_bytes) > FORMATS_MAX_BYTES {
            return Err(bomb("its cell formats are too long"));
        }
        Ok(())
    }
}

/// What may still be unpacked.
#[derive(Default)]
struct Budget {
    unpacked_bytes: u64,
    entry_bytes: u64,
    tags: u64,
    since_tag: u64,
    /// Pictures have no tags.
    is_xml: bool,
    exceeded: Option<String>,
}

impl Budget {
    fn spend(&mut self, piece: &[u8]) -> Option<String> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.unpacked_bytes = self.unpacked_bytes.saturating_add(length);
        self.entry_bytes = self.entry_bytes.saturating_add(length);
        let mut last = None;
        for at in memchr::memchr_iter(b'<', piece) {
            self.tags += 1;
            last = Some(at);
        }
        let since = piece.len() - last.unwrap_or_default();
        let before = if last.is_some() { 0 } else { self.since_tag };
        self.since_tag = before + u64::try_from(since).unwrap_or(u64::MAX);
        if self.entry_bytes > ENTRY_MAX_BYTES {
            Some(format!("a part has more than {ENTRY_MAX_BYTES} bytes"))
        } else if self.unpacked_bytes > UNPACKED_MAX_BYTES {
            Some(format!("it has more than {UNPACKED_MAX_BYTES} bytes"))
        } else if self.tags > TAGS_MAX {
            Some(format!("it has more than {TAGS_MAX} tags"))
        } else if self.is_xml && self.since_tag > BETWEEN_TAGS_MAX_BYTES {
            Some(format!("a cell has more than {BETWEEN_TAGS_MAX_BYTES} bytes"))
        } else {
            None
        }
    }
}

/// An entry that is unpacked within its budget.
struct Guarded<'b, R> {
    inner: R,
    budget: &'b mut Budget,
}

impl<R: Read> Read for Guarded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(into)?;
        self.budget.exceeded = self.budget.spend(into.get(..length).unwrap_or_default());
        match &self.budget.exceeded {
            Some(what) => Err(std::io::Error::other(what.clone())),
            None => Ok(length),
        }
    }
}

fn bomb(what: impl Into<String>) -> Unreadable {
    Unreadable::Bomb { what: what.into() }
}

/// The words of a reader, as a reason; some of them span lines.
pub(crate) fn damaged(error: &impl std::fmt::Display) -> Unreadable {
    let why: String = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    Unreadable::Damaged { why: why.chars().take(200).collect() }
}

fn broken(error: &ZipError) -> Unreadable {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => Unreadable::Encrypted,
        error => damaged(error),
    }
}
