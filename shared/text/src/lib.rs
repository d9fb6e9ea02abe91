//! Tables of text: spreadsheets and CSV, and the migrations that stand in them.
//!
//! In scope: finding out what a file is (CSV in its dialects and encodings, XLSX, XLS, ODS),
//! reading its first sheet as text, writing CSV and XLSX, the columns of an import of migrations
//! and its templates. Out of scope: whether a server's address may be used, what becomes of a
//! draft, anything that touches a network or a store.
//!
//! Reading order: [`table`] (what a file is, and the limits), with `charset` and `delimited`
//! (CSV), `container` (what a workbook's zip holds), `sheet` (cells to text), `ods` and `xls`
//! (what these two need before they are opened); [`write`] with [`write::csv`] and
//! [`write::xlsx`]; [`header`], [`migrations`], [`templates`].
//!
//! Invariants: a file is what its bytes say, not what its name or media type says; formulas are
//! never evaluated, only the value that the program which wrote the file left beside them is
//! used; a foreign file is measured before a library that holds it whole opens it; a password
//! is a [`wire::Secret`] from the moment its column is known.
#![forbid(unsafe_code)]

pub mod header;
#[cfg(any(test, fuzzing))]
pub mod laws;
pub mod migrations;
pub mod table;
pub mod templates;
pub mod write;
