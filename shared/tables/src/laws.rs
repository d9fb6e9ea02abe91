//! Laws of tables, whatever a stranger sends; for the fuzz targets and the test suite. Each takes a
//! file's bytes and panics where it is broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use crate::grid::{CELL_MAX_BYTES, COLUMNS_MAX, ROWS_MAX, TEXT_MAX_BYTES, TableRow};
use crate::read_table;
use crate::writing::csv::{CsvWriter, Mark};
use crate::writing::neutral;
use crate::writing::xlsx::WorkbookWriter;

/// A file: read within the limits or refused; what is read of it, written as a workbook and as CSV,
/// is read as the same.
pub fn tables(bytes: &[u8]) {
    let Ok(rows) = read_table(bytes) else { return };
    assert!(!rows.is_empty() && rows.len() <= ROWS_MAX + 1, "{} rows", rows.len());
    assert!(rows.is_sorted_by(|one, other| one.line < other.line), "rows in their order");
    let mut text_bytes = 0;
    for row in &rows {
        assert!(row.cells.len() <= COLUMNS_MAX);
        for cell in &row.cells {
            assert!(cell.len() <= CELL_MAX_BYTES);
            text_bytes += cell.len();
        }
    }
    assert!(text_bytes <= TEXT_MAX_BYTES);
    if rows.len() < 50 && text_bytes < 4096 {
        written_and_read(&rows);
    }
}

/// The cells of rows that have something in them, up to the last that has.
fn cells(rows: &[TableRow]) -> Vec<Vec<String>> {
    let used = |row: &TableRow| row.cells.iter().rposition(|it| !it.is_empty()).map(|at| at + 1);
    rows.iter().filter_map(|row| Some(row.cells.get(..used(row)?)?.to_vec())).collect()
}

fn written_and_read(rows: &[TableRow]) {
    // What XML cannot have is no text of a workbook, and formulas get an apostrophe.
    let plain = |cell: &String| {
        let clean = cell.chars().all(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'));
        clean && neutral(cell) == cell.as_str() && !cell.contains("_x")
    };
    let expected = cells(rows);
    if expected.is_empty() || !expected.iter().flatten().all(plain) {
        return;
    }
    let as_text = |row: &Vec<String>| row.iter().map(String::as_str).collect::<Vec<_>>().join("\t");
    let (first, rest) = expected.split_first().unwrap();
    let header: Vec<&str> = first.iter().map(String::as_str).collect();
    let mut book = WorkbookWriter::new("law", &header).unwrap();
    for row in rest {
        book.row(&row.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    }
    let file = book.finish().unwrap();
    let read = cells(&read_table(&file).expect("our own workbook"));
    assert_eq!(
        read.iter().map(as_text).collect::<Vec<_>>(),
        expected.iter().map(as_text).collect::<Vec<_>>()
    );
    // What parts the cells is found out from the header, so that must be parted, and by one thing.
    let parts = [';', '\t', '|', ','];
    if first.len() < 2 || expected.iter().flatten().any(|cell| cell.contains(parts)) {
        return;
    }
    let mut csv = CsvWriter::new(b',', Mark::Written);
    expected.iter().for_each(|row| csv.row(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    let read = read_table(&csv.take()).map(|rows| cells(&rows));
    assert_eq!(read, Ok(expected));
}

/// Workbooks, taken apart so that a fuzzer need not pack them: the parts of an XLSX and of an ODS,
/// with a 0xFF between them.
pub fn workbooks(bytes: &[u8]) {
    let mut parts = bytes.splitn(4, |byte| *byte == 0xff);
    let mut part = || parts.next().unwrap_or_default();
    let (sheet, strings, styles, book) = (part(), part(), part(), part());
    let book = if book.is_empty() { BOOK.as_bytes() } else { book };
    tables(&zipped(&[
        ("_rels/.rels", RELATIONS.as_bytes()),
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", SHEETS.as_bytes()),
        ("xl/sharedStrings.xml", strings),
        ("xl/styles.xml", styles),
        ("xl/worksheets/sheet1.xml", sheet),
    ]));
    tables(&zipped(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
        ("content.xml", sheet),
    ]));
}

const RELATIONS: &str = r#"<Relationships><Relationship Id="r1" Type="x/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const SHEETS: &str = r#"<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="x/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="r3" Type="x/styles" Target="styles.xml"/></Relationships>"#;
const BOOK: &str = r#"<workbook><sheets><sheet name="S" r:id="r1"/></sheets></workbook>"#;

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in parts {
        writer.start_file(*name, stored).unwrap();
        std::io::Write::write_all(&mut writer, content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Workbooks of Excel 97 to 2003: the input is the stream of records, put into its container.
pub fn records(bytes: &[u8]) {
    let mut container = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
    let mut stream = container.create_stream("/Workbook").unwrap();
    std::io::Write::write_all(&mut stream, bytes).unwrap();
    drop(stream);
    tables(&container.into_inner().into_inner());
}

#[cfg(test)]
mod tests {
    use laws::hold;

    #[test]
    fn of_tables() {
        hold("tables", 2_000, super::tables);
    }

    #[test]
    fn of_workbooks() {
        hold("workbooks", 1_000, super::workbooks);
    }

    #[test]
    fn of_records() {
        hold("xls_records", 1_000, super::records);
    }
}
