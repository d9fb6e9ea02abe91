//! Writing tables that spreadsheets open.

pub mod csv;
pub mod xlsx;

use std::borrow::Cow;

/// A cell that no spreadsheet takes for a formula: what begins with `=`, `+`, `-`, `@`, a tab or
/// a carriage return gets an apostrophe in front. Where texts of others are exported, any of
/// them may be one that fetches from elsewhere when the file is opened.
pub fn neutral(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}
