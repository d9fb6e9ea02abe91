//! XLSX (ECMA-376), row by row: one sheet, every cell a text, never a formula.
//!
//! Texts stand in their cells (`inlineStr`), so that a row is packed and forgotten at once. What
//! builds a workbook in memory first needs more than a hundred mebibytes for 20,000 rows.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The most rows below the header.
pub const ROWS_MAX: u32 = 20_000;
/// The most UTF-16 units of a cell, Excel's own limit; what is longer is cut.
const CELL_MAX_UNITS: usize = 32_767;
/// Rows are packed when their XML has this many bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// How wide a column is shown, in characters.
const COLUMN_WIDTH: u32 = 24;

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const CONTENT_TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>"#;
const PACKAGE_RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const WORKBOOK_RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#;
/// Format 1 is bold; both are text (49), so that what is typed there later stays as it is typed.
const STYLES: &str = r#"<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="2"><xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"#;

/// Why a workbook cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More than [`ROWS_MAX`].
    #[error("A workbook takes at most {ROWS_MAX} rows; use CSV.")]
    TooManyRows,
    /// The zip could not be made.
    #[error("The workbook cannot be written: {0}.")]
    Zip(#[from] zip::result::ZipError),
    /// The zip could not be written.
    #[error("The workbook cannot be written: {0}.")]
    Io(#[from] std::io::Error),
}

/// A workbook that is being written: a header in bold that stays in sight, with filters, and
/// rows of text.
pub struct WorkbookWriter {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    /// XML that is not packed yet.
    xml: String,
    rows: u32,
    last_column: String,
}

impl WorkbookWriter {
    /// Begins a workbook with one sheet. `sheet` is its name, of at most 31 letters.
    pub fn new(sheet: &str, header: &[&str]) -> Result<Self, Error> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let last_column = letters(header.len().saturating_sub(1));
        let sheet: String = sheet.chars().filter(|c| !"[]:*?/\\'".contains(*c)).take(31).collect();
        let workbook = format!(
            r#"<workbook xmlns="{MAIN}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="{}" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
            escaped(&sheet)
        );
        let styles = format!(r#"<styleSheet xmlns="{MAIN}">{STYLES}"#);
        for (name, content) in [
            ("[Content_Types].xml", CONTENT_TYPES),
            ("_rels/.rels", PACKAGE_RELATIONS),
            ("xl/workbook.xml", &workbook),
            ("xl/_rels/workbook.xml.rels", WORKBOOK_RELATIONS),
            ("xl/styles.xml", &styles),
        ] {
            zip.start_file(name, SimpleFileOptions::default())?;
            zip.write_all(DECLARATION.as_bytes())?;
            zip.write_all(content.as_bytes())?;
        }
        zip.start_file("xl/worksheets/sheet1.xml", SimpleFileOptions::default())?;
        let columns = header.len().max(1);
        let xml = format!(
            r#"{DECLARATION}<worksheet xmlns="{MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols><col min="1" max="{columns}" width="{COLUMN_WIDTH}" style="0" customWidth="1"/></cols><sheetData>"#
        );
        let mut writer = WorkbookWriter { zip, xml, rows: 0, last_column };
        writer.put(header, 1)?;
        Ok(writer)
    }

    /// Writes a row.
    pub fn row(&mut self, cells: &[&str]) -> Result<(), Error> {
        if self.rows > ROWS_MAX {
            return Err(Error::TooManyRows);
        }
        self.put(cells, 0)
    }

    fn put(&mut self, cells: &[&str], style: u8) -> Result<(), Error> {
        self.rows += 1;
        let row = self.rows;
        // Writing to a string cannot fail.
        let _ = write!(self.xml, r#"<row r="{row}">"#);
        for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let (column, text) = (letters(column), escaped(cell));
            let _ = write!(
                self.xml,
                r#"<c r="{column}{row}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>"#
            );
        }
        self.xml.push_str("</row>");
        if self.xml.len() >= CHUNK_BYTES {
            self.pack()?;
        }
        Ok(())
    }

    fn pack(&mut self) -> Result<(), Error> {
        self.zip.write_all(self.xml.as_bytes())?;
        self.xml.clear();
        Ok(())
    }

    /// Ends the workbook: the whole file.
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        let filter = format!("A1:{}{}", self.last_column, self.rows);
        let _ = write!(self.xml, r#"</sheetData><autoFilter ref="{filter}"/></worksheet>"#);
        self.pack()?;
        Ok(self.zip.finish()?.into_inner())
    }
}

/// The letters of a column, from 0: A, B, … Z, AA.
fn letters(column: usize) -> String {
    let mut letters = Vec::new();
    let mut left = column + 1;
    while left > 0 {
        letters.push(b'A' + u8::try_from((left - 1) % 26).unwrap_or_default());
        left = (left - 1) / 26;
    }
    letters.iter().rev().map(|letter| char::from(*letter)).collect()
}

/// Text as it stands in XML. What XML cannot have, and a carriage return, which XML readers turn
/// into a line feed, is written `_x000D_` (ECMA-376 part 1, section 22.9.2.19).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut units = 0;
    for (at, letter) in text.char_indices() {
        units += letter.len_utf16();
        if units > CELL_MAX_UNITS {
            break;
        }
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' => escaped.push(letter),
            '_' if looks_escaped(text.get(at..).unwrap_or_default()) => escaped.push_str("_x005F_"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => {
                let _ = write!(escaped, "_x{:04X}_", u32::from(letter));
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn looks_escaped(text: &str) -> bool {
    let mut letters = text.bytes();
    let begins = letters.next() == Some(b'_') && letters.next() == Some(b'x');
    begins
        && letters.by_ref().take(4).filter(u8::is_ascii_hexdigit).count() == 4
        && letters.next() == Some(b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_table;

    #[test]
    fn columns_have_letters() {
        for (column, expected) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(letters(column), expected);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let odd = ["=1+1", "<&>\"'", "a\r\nb", " x ", "_x000D_", "_", "\u{1}", "12345", "ʤ", ""];
        let mut writer = WorkbookWriter::new("Mig/rations & more", &["a", "b"]).unwrap();
        for cell in odd {
            writer.row(&["-", cell]).unwrap();
        }
        let rows = read_table(&writer.finish().unwrap()).unwrap();
        assert_eq!(rows.len(), odd.len() + 1);
        for (row, cell) in rows.iter().skip(1).zip(odd) {
            assert_eq!(row.cells.get(1).map_or("", String::as_str), cell);
        }
    }

    #[test]
    fn twenty_thousand_rows_and_no_more() {
        let mut writer = WorkbookWriter::new("s", &["a"]).unwrap();
        for _ in 0..ROWS_MAX {
            writer.row(&["someone@example.org"]).unwrap();
        }
        assert!(matches!(writer.row(&[""]), Err(Error::TooManyRows)));
        assert!(writer.finish().unwrap().len() < 1 << 20);
    }
}
