//! Rows of a table, the limits that all kinds of files share, and why a file is refused.

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
pub struct TableRow {
    /// Where it stands, from 1: the sheet's row, or the line of the file it begins on.
    pub line: u32,
    /// Its cells from the first column on; what is missing at the end is empty.
    pub cells: Vec<String>,
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
    pub(crate) fn finish(self) -> Vec<TableRow> {
        self.rows.into_iter().map(|(line, cells)| TableRow { line, cells }).collect()
    }
}
