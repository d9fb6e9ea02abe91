//! Excel 97 to 2003 (MS-XLS), made safe for its reader.
//!
//! The reader follows sector chains, string lengths and formula tokens without looking whether
//! they lead anywhere, and copies a shared string for every cell. So the container is opened by
//! one that looks, the records that carry cells are checked one by one, and the reader gets a
//! new container with one sheet in which nothing else is left.

use std::io::{Cursor, Read, Write};

use crate::container::damaged;
use crate::grid::{COLUMNS_MAX, ROWS_MAX, TEXT_MAX_BYTES, Unreadable};

/// The most bytes of such a file; its reader keeps several copies of it.
const FILE_MAX_BYTES: usize = 4 << 20;
/// The most shared strings, and the most records that they go on in.
const STRINGS_MAX: usize = 400_000;
const CONTINUED_MAX: usize = 2_000;
/// The most cells between the first and the last, counting empty ones.
const CELLS_MAX: usize = (ROWS_MAX + 1) * COLUMNS_MAX;
/// Shorter streams are kept in a stream of streams; ours is padded beyond that.
const SMALL_STREAM_BYTES: usize = 4_096;

// MS-XLS section 2.3.1.
const FORMULA: u16 = 0x0006;
const END: u16 = 0x000A;
const DATE_MODE: u16 = 0x0022;
const FILE_PASS: u16 = 0x002F;
const CONTINUE: u16 = 0x003C;
const CODE_PAGE: u16 = 0x0042;
const BOUND_SHEET: u16 = 0x0085;
const MUL_RK: u16 = 0x00BD;
const RICH_STRING: u16 = 0x00D6;
const XF: u16 = 0x00E0;
const SHARED_STRINGS: u16 = 0x00FC;
const LABEL_SHARED: u16 = 0x00FD;
const NUMBER: u16 = 0x0203;
const LABEL: u16 = 0x0204;
const BOOL_ERR: u16 = 0x0205;
const STRING: u16 = 0x0207;
const RK: u16 = 0x027E;
const FORMAT: u16 = 0x041E;
const BEGIN: u16 = 0x0809;

/// A workbook whose sheets can be taken out one by one.
#[derive(Debug)]
pub(crate) struct Sheets {
    stream: Vec<u8>,
    globals: Vec<u8>,
    /// Bytes of each shared string, decoded, at most.
    strings: Vec<usize>,
    /// Where the visible sheets begin in the stream.
    sheets: Vec<usize>,
}

/// Opens a workbook.
pub(crate) fn sheets(bytes: &[u8]) -> Result<Sheets, Unreadable> {
    let stream = workbook(bytes)?;
    let mut found =
        Sheets { stream: Vec::new(), globals: Vec::new(), strings: Vec::new(), sheets: Vec::new() };
    let mut records = Records { rest: &stream }.peekable();
    while let Some(record) = records.next() {
        let (kind, data) = record?;
        match kind {
            END => break,
            FILE_PASS => return Err(Unreadable::Encrypted),
            BEGIN => found.keep(kind, data, 4)?,
            CODE_PAGE | DATE_MODE | FORMAT => found.keep(kind, data, 2)?,
            XF => found.keep(kind, data, 4)?,
            SHARED_STRINGS => {
                found.keep(kind, data, 8)?;
                let mut pieces = vec![data.get(8..).unwrap_or_default()];
                while let Some(Ok((_, more))) =
                    records.next_if(|next| matches!(next, Ok((CONTINUE, _))))
                {
                    found.keep(CONTINUE, more, 1)?;
                    pieces.push(more);
                    if pieces.len() > CONTINUED_MAX {
                        return Err(cut());
                    }
                }
                found.strings = lengths(&pieces)?;
            }
            BOUND_SHEET => found.sheets.extend(sheet_at(data)),
            _ => (),
        }
    }
    found.stream = stream;
    Ok(found)
}

/// The stream that has everything.
fn workbook(bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut file =
        ::cfb::CompoundFile::open(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    if file.exists("/EncryptedPackage") {
        return Err(Unreadable::Encrypted);
    }
    if bytes.len() > FILE_MAX_BYTES {
        return Err(Unreadable::TooLarge { bytes: bytes.len(), max: FILE_MAX_BYTES });
    }
    let name = ["/Workbook", "/Book"].into_iter().find(|name| file.is_stream(name));
    let Some(name) = name else {
        return Err(Unreadable::NotATable { what: "another kind of document" });
    };
    let stream = file.open_stream(name).map_err(|error| damaged(&error))?;
    let mut whole = Vec::new();
    // A chain of sectors may claim to be longer than the file.
    let most = u64::try_from(FILE_MAX_BYTES).unwrap_or(u64::MAX);
    stream.take(most).read_to_end(&mut whole).map_err(|error| damaged(&error))?;
    Ok(whole)
}

/// Where a visible worksheet begins (MS-XLS section 2.4.28).
fn sheet_at(data: &[u8]) -> Option<usize> {
    let [a, b, c, d, state, kind, ..] = data else { return None };
    let shown = state & 0x3f == 0 && *kind == 0;
    shown.then(|| usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).ok()).flatten()
}

impl Sheets {
    fn keep(&mut self, kind: u16, data: &[u8], least: usize) -> Result<(), Unreadable> {
        if data.len() < least {
            return Err(cut());
        }
        push(&mut self.globals, kind, data);
        Ok(())
    }

    /// How many sheets are visible.
    pub(crate) fn count(&self) -> usize {
        self.sheets.len()
    }

    /// A workbook with that sheet only.
    pub(crate) fn alone(&self, nth: usize) -> Result<Vec<u8>, Unreadable> {
        let at = self.sheets.get(nth).copied().unwrap_or(usize::MAX);
        let from = self.stream.get(at..).ok_or_else(cut)?;
        let mut stream = self.globals.clone();
        // One visible worksheet named S, behind this record (of 4 and 9 bytes) and the end's.
        let begin = u32::try_from(stream.len() + 4 + 9 + 4).map_err(|_| cut())?;
        let mut bound = begin.to_le_bytes().to_vec();
        bound.extend([0, 0, 1, 0, b'S']);
        push(&mut stream, BOUND_SHEET, &bound);
        push(&mut stream, END, &[]);
        self.cells(from, &mut stream)?;
        push(&mut stream, END, &[]);
        stream.resize(stream.len().max(SMALL_STREAM_BYTES), 0);
        let wrapped = || -> std::io::Result<Vec<u8>> {
            let mut file = ::cfb::CompoundFile::create_with_version(
                ::cfb::Version::V3,
                Cursor::new(Vec::new()),
            )?;
            let mut inside = file.create_stream("/Workbook")?;
            inside.write_all(&stream)?;
            inside.flush()?;
            drop(inside);
            file.flush()?;
            Ok(file.into_inner().into_inner())
        };
        wrapped().map_err(|error| damaged(&error))
    }

    /// Copies what carries cells, up to the sheet's end.
    fn cells(&self, from: &[u8], into: &mut Vec<u8>) -> Result<(), Unreadable> {
        let mut records = Records { rest: from };
        let Some(Ok((BEGIN, begin))) = records.next() else { return Err(cut()) };
        push(into, BEGIN, begin);
        // Charts stand in the sheet as sheets of their own.
        let mut inside = 0_usize;
        let mut area = Area::default();
        let mut text_bytes = 0_usize;
        for record in records {
            let (kind, data) = record?;
            match kind {
                BEGIN => inside += 1,
                END if inside == 0 => return Ok(()),
                END => inside -= 1,
                _ if inside > 0 => (),
                NUMBER | LABEL | RICH_STRING | BOOL_ERR | RK | LABEL_SHARED => {
                    area.see(data, column(data)?)?;
                    text_bytes = text_bytes.saturating_add(data.len());
                    if let (LABEL_SHARED, Some(nth)) = (kind, data.get(6..10)) {
                        let nth = nth.try_into().map(u32::from_le_bytes).unwrap_or(u32::MAX);
                        let nth = usize::try_from(nth).unwrap_or(usize::MAX);
                        let length = self.strings.get(nth).copied().unwrap_or_default();
                        text_bytes = text_bytes.saturating_add(length);
                    }
                    push(into, kind, data);
                }
                MUL_RK => {
                    area.see(data, last_column(data)?)?;
                    push(into, kind, data);
                }
                FORMULA => {
                    area.see(data, column(data)?)?;
                    // The value that was worked out; of the formula, its length of zero.
                    let mut value = data.get(..20).ok_or_else(cut)?.to_vec();
                    value.extend([0, 0]);
                    push(into, kind, &value);
                }
                STRING => push(into, kind, data),
                _ => (),
            }
            if text_bytes > TEXT_MAX_BYTES {
                return Err(Unreadable::TooMuchText);
            }
        }
        Err(cut())
    }
}

fn u16_at(data: &[u8], at: usize) -> Result<u16, Unreadable> {
    let bytes = data.get(at..at.saturating_add(2)).and_then(|two| two.try_into().ok());
    bytes.map(u16::from_le_bytes).ok_or_else(cut)
}

fn column(data: &[u8]) -> Result<u16, Unreadable> {
    u16_at(data, 2)
}

/// The last column of several numbers in a row (MS-XLS section 2.4.175).
fn last_column(data: &[u8]) -> Result<u16, Unreadable> {
    let (first, last) = (column(data)?, u16_at(data, data.len().saturating_sub(2))?);
    let count = usize::from(last.checked_sub(first).ok_or_else(cut)?) + 1;
    if data.len() == 6 + 6 * count { Ok(last) } else { Err(cut()) }
}

/// The rectangle that the reader makes of the cells.
#[derive(Default)]
struct Area {
    rows: Option<(u16, u16)>,
}

impl Area {
    fn see(&mut self, data: &[u8], column: u16) -> Result<(), Unreadable> {
        let row = u16_at(data, 0)?;
        if usize::from(column) >= COLUMNS_MAX {
            return Err(Unreadable::TooManyColumns { line: u32::from(row) + 1 });
        }
        let (first, last) = self.rows.unwrap_or((row, row));
        let (first, last) = (first.min(row), last.max(row));
        self.rows = Some((first, last));
        if (usize::from(last - first) + 1) * COLUMNS_MAX > CELLS_MAX {
            return Err(Unreadable::TooManyRows);
        }
        Ok(())
    }
}

/// How long the shared strings are, decoded, at most (MS-XLS sections 2.4.265 and 2.5.293). They
/// go on from one record to the next.
fn lengths(pieces: &[&[u8]]) -> Result<Vec<usize>, Unreadable> {
    let mut at = Pieces { now: &[], rest: pieces.iter() };
    let mut lengths = Vec::new();
    while !at.now.is_empty() || at.next_piece() {
        if lengths.len() >= STRINGS_MAX {
            return Err(Unreadable::TooMuchText);
        }
        if at.now.is_empty() {
            lengths.push(0);
            continue;
        }
        let mut left = usize::from(u16_at(at.now, 0)?);
        // UTF-16 as UTF-8.
        lengths.push(left * 3);
        let flags = at.now.get(2).copied().ok_or_else(cut)?;
        at.take(3)?;
        let mut runs = 0;
        if flags & 8 != 0 {
            runs = usize::from(u16_at(at.now, 0)?) * 4;
            at.take(2)?;
        }
        let mut extra = 0;
        if flags & 4 != 0 {
            let bytes = at.now.get(..4).and_then(|four| four.try_into().ok()).ok_or_else(cut)?;
            extra = usize::try_from(i32::from_le_bytes(bytes)).map_err(|_| cut())?;
            at.take(4)?;
        }
        let mut width = 1 + usize::from(flags & 1);
        while left > 0 {
            let here = (at.now.len() / width).min(left);
            at.take(here * width)?;
            left -= here;
            if left > 0 {
                if !at.next_piece() {
                    return Err(cut());
                }
                // What goes on says anew how wide its characters are.
                width = 1 + usize::from(at.now.first().copied().ok_or_else(cut)? & 1);
                at.take(1)?;
            }
        }
        at.skip(runs.saturating_add(extra))?;
    }
    Ok(lengths)
}

/// Records that are read as one.
struct Pieces<'b, 'p> {
    now: &'b [u8],
    rest: std::slice::Iter<'p, &'b [u8]>,
}

impl Pieces<'_, '_> {
    fn next_piece(&mut self) -> bool {
        let next = self.rest.next();
        self.now = next.copied().unwrap_or(self.now);
        next.is_some()
    }

    fn take(&mut self, bytes: usize) -> Result<(), Unreadable> {
        self.now = self.now.get(bytes..).ok_or_else(cut)?;
        Ok(())
    }

    fn skip(&mut self, mut bytes: usize) -> Result<(), Unreadable> {
        while bytes > 0 {
            if self.now.is_empty() && !self.next_piece() {
                return Err(cut());
            }
            let here = bytes.min(self.now.len());
            self.take(here)?;
            bytes -= here;
        }
        Ok(())
    }
}

fn push(stream: &mut Vec<u8>, kind: u16, data: &[u8]) {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    stream.extend(kind.to_le_bytes());
    stream.extend(length.to_le_bytes());
    stream.extend(data);
}

fn cut() -> Unreadable {
    Unreadable::Damaged { why: "a record of it is cut".to_owned() }
}

/// The records of a stream (MS-XLS section 2.1.4).
struct Records<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Records<'b> {
    type Item = Result<(u16, &'b [u8]), Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = || {
            let (kind, length) = (u16_at(self.rest, 0)?, usize::from(u16_at(self.rest, 2)?));
            let data = self.rest.get(4..4 + length).ok_or_else(cut)?;
            Ok((kind, data))
        };
        let record = record();
        let used = record.as_ref().map_or(self.rest.len(), |(_, data)| data.len() + 4);
        self.rest = self.rest.get(used..).unwrap_or_default();
        Some(record)
    }
}
