//! Tables of text: spreadsheets and CSV, read within limits and written without formulas.
//!
//! In scope: finding out what a file is (CSV in its dialects and encodings, XLSX, XLS, ODS), reading its
//! first sheet as text, writing CSV and XLSX. Out of scope: what the columns mean, anything that touches
//! a network or a store.
//!
//! Reading order: [`grid`] (rows and limits), `container` (what a workbook's zip holds), `kind` (what a
//! file is); `charset` and `delimited` (CSV), `ods` and `xls` (what these two need before they are
//! opened), `sheet` (cells to text); [`read_table`]; [`writing`] with [`writing::csv`] and
//! [`writing::xlsx`].
//!
//! Invariants: a file is what its bytes say, not what its name or media type says; formulas are never
//! evaluated, only the value that the program which wrote the file left beside them is used; a foreign
//! file is measured before a library that holds it whole opens it.
#![forbid(unsafe_code)]

mod charset;
mod container;
mod delimited;
pub mod grid;
mod kind;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod ods;
mod reading;
mod sheet;
pub mod writing;
mod xls;

pub use container::Kind;
pub use grid::{TableRow, Unreadable};
pub use kind::kind;
pub use reading::read_table;

#[cfg(test)]
mod tests;
