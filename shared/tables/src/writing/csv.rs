//! CSV (RFC 4180), row by row: UTF-8, lines that end in CR LF, no formulas.

use ::csv::{Terminator, Writer as Rows, WriterBuilder};

use super::neutral;

/// The byte order mark, without which Excel takes UTF-8 for the computer's own encoding.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Whether the file begins with a byte order mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// For spreadsheets.
    Written,
    /// For programs.
    LeftOut,
}

/// A file that is being written; [`CsvWriter::take`] hands out what is ready.
#[derive(Debug)]
pub struct CsvWriter {
    rows: Rows<Vec<u8>>,
    delimiter: u8,
}

impl CsvWriter {
    /// Begins a file whose cells are separated by `delimiter`, an ASCII character.
    pub fn new(delimiter: u8, mark: Mark) -> Self {
        let begun = match mark {
            Mark::Written => MARK.to_vec(),
            Mark::LeftOut => Vec::new(),
        };
        CsvWriter { rows: rows(delimiter, begun), delimiter }
    }

    /// Writes a row.
    pub fn row(&mut self, cells: &[&str]) {
        let cells = cells.iter().map(|cell| neutral(cell).into_owned());
        // Writing to memory cannot fail, and rows may differ in length.
        let _ = self.rows.write_record(cells.map(String::into_bytes));
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        let next = rows(self.delimiter, Vec::new());
        std::mem::replace(&mut self.rows, next).into_inner().unwrap_or_default()
    }
}

fn rows(delimiter: u8, into: Vec<u8>) -> Rows<Vec<u8>> {
    let mut builder = WriterBuilder::new();
    builder.delimiter(delimiter).flexible(true).terminator(Terminator::CRLF).from_writer(into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_rfc_4180_says() {
        let mut writer = CsvWriter::new(b';', Mark::Written);
        writer.row(&["name", "with \"quotes\"", "a;b", "a,b", "line\r\nline", ""]);
        let first = writer.take();
        writer.row(&["=1+1", "+39", "-1", "@x", "\tx", "\rx", "1-1", "'"]);
        writer.row(&[""]);
        let expected = "\u{feff}name;\"with \"\"quotes\"\"\";\"a;b\";a,b;\"line\r\nline\";\r\n\
                        '=1+1;'+39;'-1;'@x;'\tx;\"'\rx\";1-1;'\r\n\"\"\r\n";
        assert_eq!(String::from_utf8([first, writer.take()].concat()).unwrap(), expected);
    }
}
