//! What an OpenDocument sheet would take in memory.
//!
//! A row or cell says how often it is repeated, and the reader makes them all. Its loops end with
//! the tags they wait for, so the document must be whole (`container` has seen to that).

use std::io::BufReader;

use quick_xml::events::{BytesStart, Event};

use crate::container::{self, damaged};
use crate::grid::{COLUMNS_MAX, ROWS_MAX, TEXT_MAX_BYTES, Unreadable};

/// The most cells of all sheets, counting the empty ones between; the reader keeps six copies of
/// each for a while.
const CELLS_MAX: usize = (ROWS_MAX + 1) * COLUMNS_MAX / 2;
/// Attributes of a cell up to this length are its style and type, not its content.
const ATTRIBUTES_BYTES: usize = 256;

/// Refuses a document whose repetitions are too many.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Unreadable> {
    let mut archive = container::open(bytes)?;
    let entry = archive.by_name("content.xml").map_err(|error| damaged(&error))?;
    let mut reader = quick_xml::Reader::from_reader(BufReader::new(entry));
    let mut buffer = Vec::new();
    let mut size = Size::default();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(|error| damaged(&error))? {
            Event::Start(tag) => size.begin(&tag, true)?,
            Event::Empty(tag) => size.begin(&tag, false)?,
            Event::Text(text) => size.text(text.len()),
            Event::CData(text) => size.text(text.len()),
            Event::GeneralRef(_) => size.text(4),
            Event::End(tag) if tag.name().as_ref() == "table:table-row" => size.end_row()?,
            Event::End(tag) if tag.name().as_ref() == "table:table" => size.end_table()?,
            Event::Eof => return Ok(()),
            _ => (),
        }
    }
}

#[derive(Default)]
struct Size {
    /// Of the table: rows up to the last that has something, rows since, columns that are used.
    rows: usize,
    empty_rows: usize,
    columns: usize,
    /// Of the row.
    row_repeats: usize,
    row_columns: usize,
    row_used: usize,
    row_bytes: usize,
    /// Of the cell.
    cell_repeats: usize,
    /// Of everything.
    cells: usize,
    bytes: usize,
}

impl Size {
    fn begin(&mut self, tag: &BytesStart<'_>, open: bool) -> Result<(), Unreadable> {
        match tag.name().as_ref() {
            "table:table" => (self.rows, self.empty_rows, self.columns) = (0, 0, 0),
            "table:table-row" => {
                self.row_repeats = repeats(tag, "table:number-rows-repeated")?;
                (self.row_columns, self.row_used, self.row_bytes) = (0, 0, 0);
                if !open {
                    self.end_row()?;
                }
            }
            "table:table-cell" | "table:covered-table-cell" => {
                let raw = tag.attributes_raw();
                self.cell_repeats = repeats(tag, "table:number-columns-repeated")?;
                self.row_columns = self.row_columns.saturating_add(self.cell_repeats);
                if open || raw.contains("office:") || raw.contains("table:formula") {
                    self.row_used = self.row_columns;
                }
                if raw.len() > ATTRIBUTES_BYTES {
                    self.text(raw.len());
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn text(&mut self, bytes: usize) {
        self.row_bytes = self.row_bytes.saturating_add(bytes.saturating_mul(self.cell_repeats));
    }

    fn end_row(&mut self) -> Result<(), Unreadable> {
        if self.row_used == 0 {
            self.empty_rows = self.empty_rows.saturating_add(self.row_repeats);
            return Ok(());
        }
        let rows = self.rows.saturating_add(self.empty_rows).saturating_add(self.row_repeats);
        (self.rows, self.empty_rows) = (rows, 0);
        self.columns = self.columns.max(self.row_used);
        if self.columns > COLUMNS_MAX {
            let line = u32::try_from(self.rows).unwrap_or(u32::MAX);
            return Err(Unreadable::TooManyColumns { line });
        }
        self.fits()?;
        self.bytes = self.bytes.saturating_add(self.row_bytes.saturating_mul(self.row_repeats));
        if self.bytes > TEXT_MAX_BYTES { Err(Unreadable::TooMuchText) } else { Ok(()) }
    }

    fn end_table(&mut self) -> Result<(), Unreadable> {
        self.fits()?;
        self.cells = self.cells.saturating_add(self.rows.saturating_mul(self.columns));
        (self.rows, self.empty_rows, self.columns) = (0, 0, 0);
        Ok(())
    }

    fn fits(&self) -> Result<(), Unreadable> {
        let area = self.rows.saturating_mul(self.columns);
        if self.cells.saturating_add(area) > CELLS_MAX {
            let what = format!("it has more than {CELLS_MAX} cells");
            return Err(Unreadable::Bomb { what });
        }
        Ok(())
    }
}

/// How often; what is no number would stop the reader, too.
fn repeats(tag: &BytesStart<'_>, name: &str) -> Result<usize, Unreadable> {
    let mut attributes = tag.attributes();
    let found = attributes.with_checks(false).find_map(|it| match it {
        Ok(it) if it.key.as_ref() == name => Some(it.value.trim().parse::<usize>()),
        _ => None,
    });
    match found {
        None => Ok(1),
        Some(Ok(count)) => Ok(count),
        Some(Err(_)) => Err(Unreadable::Damaged { why: format!("{name} is no number") }),
    }
}
