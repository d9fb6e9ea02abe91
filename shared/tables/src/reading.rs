//! Reading a table, whatever kind of file it is.

use crate::container::Kind;
use crate::grid::{FILE_MAX_BYTES, TableRow, Unreadable};
use crate::kind::kind;
use crate::{delimited, sheet};

/// Reads the rows of a table that have something in them, the header first: of a workbook, the
/// first visible sheet with cells. Nothing is taken from the file's name or media type.
pub fn read_table(bytes: &[u8]) -> Result<Vec<TableRow>, Unreadable> {
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
