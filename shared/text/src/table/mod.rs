//! Reading a table: what kind of file it is, the limits that all kinds share, its rows.

mod charset;
mod container;
mod delimited;
mod ods;
mod sheet;
mod xls;

/// The most bytes of a file: 5,000 rows are one megabyte, and a workbook with pictures in it
/// must still fit beside what is read from it.
pub const FILE_MAX_BYTES: usize = 16 << 20;
/// The most rows below the header that are read.
pub const ROWS_MAX: usize = 5_000;
/// The most columns; an import has eleven, a report of ours twenty.
pub const COLUMNS_MAX: usize = 64;
/// The most bytes of a cell, as many as a password or token may have.
pub const CELL_MAX_BYTES: usize = 16 << 10;
/// The most bytes of all cells together: 5,000 rows of eleven cells with 150 bytes each.
pub const TEXT_MAX_BYTES: usize = 8 << 20;

/// One row that has something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it stands, from 1: the sheet's row, or the line of the file it begins on.
    pub line: u32,
    /// Its cells from the first column on; what is missing at the end is empty.
    pub cells: Vec<String>,
}

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

/// Why a file cannot be read, as a sentence for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No bytes, or no row.
    #[error("The file is empty.")]
    Empty,
    /// More than [`FILE_MAX_BYTES`], or than a kind of file may have.
    #[error("The file has {bytes} bytes; {max} are read. Save it as CSV, or split it.")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// More than [`ROWS_MAX`] below the header.
    #[error("The file has more than {ROWS_MAX} rows; split it.")]
    TooManyRows,
    /// More than [`COLUMNS_MAX`].
    #[error("Row {line} has more than {COLUMNS_MAX} columns.")]
    TooManyColumns {
        /// The row.
        line: u32,
    },
    /// More than [`CELL_MAX_BYTES`].
    #[error(
        "A cell in row {line} has more than {CELL_MAX_BYTES} bytes; perhaps a quotation mark is not closed."
    )]
    CellTooLong {
        /// The row.
        line: u32,
    },
    /// More than [`TEXT_MAX_BYTES`].
    #[error("The cells have more than {TEXT_MAX_BYTES} bytes together; split the file.")]
    TooMuchText,
    /// A workbook that grows beyond all measure when it is unpacked.
    #[error("Unpacked, the workbook is too large: {what}. Save it as CSV.")]
    Bomb {
        /// What there is too much of.
        what: String,
    },
    /// Encrypted.
    #[error("The workbook is protected with a password; save it without one.")]
    Encrypted,
    /// No sheet that has cells.
    #[error("The workbook has no sheet with cells.")]
    NoSheet,
    /// Something else than a table.
    #[error("This is {what}, not a table; send CSV or XLSX.")]
    NotATable {
        /// What it is, with its article.
        what: &'static str,
    },
    /// `.xlsb`, whose readers believe every length in it.
    #[error("Excel's binary workbooks (.xlsb) are not read; save it as .xlsx or CSV.")]
    BinaryWorkbook,
    /// A NUL or another control character in text.
    #[error("Line {line} has characters that are no text; save the table as CSV or XLSX.")]
    Binary {
        /// The line.
        line: u32,
    },
    /// Broken or cut.
    #[error("The workbook is damaged: {why}. Open it and save it once more.")]
    Damaged {
        /// The reader's words.
        why: String,
    },
}

/// Reads the rows of a table that have something in them, the header first: of a workbook, the
/// first visible sheet with cells. Nothing is taken from the file's name or media type.
pub fn read(bytes: &[u8]) -> Result<Vec<Row>, Unreadable> {
    if bytes.len() > FILE_MAX_BYTES {
        return Err(Unreadable::TooLarge { bytes: bytes.len(), max: FILE_MAX_BYTES });
    }
    let rows = match kind(bytes)? {
        Kind::Delimited => delimited::read(bytes)?,
        Kind::Xlsx => sheet::xlsx(bytes)?,
        Kind::Ods => sheet::ods(bytes)?,
        Kind::Xls => sheet::xls(bytes)?,
    };
    if rows.is_empty() { Err(Unreadable::Empty) } else { Ok(rows) }
}

/// Beginnings of files that are no tables, as `file(1)` knows them.
const OTHERS: &[(&[u8], &str)] = &[
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"{\\rtf", "a text document"),
    (b"\x1f\x8b", "a compressed file"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file"),
    (b"Rar!", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"\xfd7zXZ", "a compressed file"),
    (b"SQLite format 3", "a database"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"!BDN", "an Outlook data file"),
    (b"BEGIN:VCARD", "an address book"),
    (b"BEGIN:VCALENDAR", "a calendar"),
];

/// What the file is, from its bytes.
pub fn kind(bytes: &[u8]) -> Result<Kind, Unreadable> {
    if bytes.is_empty() {
        return Err(Unreadable::Empty);
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(Unreadable::NotATable { what });
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return container::kind(bytes);
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Ok(Kind::Xls);
    }
    let head = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins =
        |word: &[u8]| head.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins(b"<!doctype") || begins(b"<html") || begins(b"<table") {
        return Err(Unreadable::NotATable { what: "a web page" });
    }
    if begins(b"<?xml") {
        return Err(Unreadable::NotATable { what: "an XML document" });
    }
    Ok(Kind::Delimited)
}

/// Rows that are being gathered, cell by cell, within the limits.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    rows: std::collections::BTreeMap<u32, Vec<String>>,
    text_bytes: usize,
}

impl Grid {
    /// Puts `text` into a cell; `row` and `column` count from 0. Empty text takes no room.
    pub(crate) fn put(&mut self, row: u32, column: usize, text: String) -> Result<(), Unreadable> {
        if text.is_empty() {
            return Ok(());
        }
        let line = row.saturating_add(1);
        if column >= COLUMNS_MAX {
            return Err(Unreadable::TooManyColumns { line });
        }
        if text.len() > CELL_MAX_BYTES {
            return Err(Unreadable::CellTooLong { line });
        }
        self.text_bytes = self.text_bytes.saturating_add(text.len());
        if self.text_bytes > TEXT_MAX_BYTES {
            return Err(Unreadable::TooMuchText);
        }
        // The header and what is below it.
        if self.rows.len() > ROWS_MAX && !self.rows.contains_key(&line) {
            return Err(Unreadable::TooManyRows);
        }
        let cells = self.rows.entry(line).or_default();
        if cells.len() <= column {
            cells.resize(column + 1, String::new());
        }
        if let Some(cell) = cells.get_mut(column) {
            *cell = text;
        }
        Ok(())
    }

    /// The rows, in their order.
    pub(crate) fn finish(self) -> Vec<Row> {
        self.rows.into_iter().map(|(line, cells)| Row { line, cells }).collect()
    }
}

#[cfg(test)]
mod tests;
