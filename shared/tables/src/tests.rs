//! What a file is, what stands in it, and that no file does harm.

use super::grid::*;
use super::*;

fn csv(text: &str) -> Vec<(u32, Vec<String>)> {
    read_table(text.as_bytes()).unwrap().into_iter().map(|row| (row.line, row.cells)).collect()
}

fn row(line: u32, cells: &[&str]) -> (u32, Vec<String>) {
    (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
}

#[test]
fn dialects_of_csv() {
    let expected = [row(1, &["a", "b c", "d"]), row(2, &["1", "", "3"])];
    for text in [
        "a;b c;d\r\n1;;3\r\n",
        "a,b c,d\n1,,3",
        "a\tb c\td\r1\t\t3\r",
        "\u{feff}a;b c;d\r\n1;;3",
        "\"a\";\"b c\";\"d\"\r\n\"1\";\"\";\"3\"\r\n",
        "a;\"b c\";d\n1;;3;;;\n",
    ] {
        assert_eq!(csv(text), expected, "{text:?}");
    }
    // A comma in a header in quotes is none; Excel's own line is no row.
    assert_eq!(csv("\"a,b,c\";d\n1;2"), [row(1, &["a,b,c", "d"]), row(2, &["1", "2"])]);
    assert_eq!(csv("sep=,\r\na;x,b\r\n1,2\r\n"), [row(2, &["a;x", "b"]), row(3, &["1", "2"])]);
}

#[test]
fn lines_are_those_of_the_file() {
    let text = "a;b\r\n\r\n\r\n\"one\r\ntwo\";x\r\n;;\r\n\"q\"\"q\";y\r\n\n\nlast;z";
    let expected = [
        row(1, &["a", "b"]),
        row(4, &["one\r\ntwo", "x"]),
        row(7, &["q\"q", "y"]),
        row(10, &["last", "z"]),
    ];
    assert_eq!(csv(text), expected);
    assert_eq!(csv(&format!("{text}\n")), expected);
    assert_eq!(csv("\n\na;b\n1;2"), [row(3, &["a", "b"]), row(4, &["1", "2"])]);
}

#[test]
fn passwords_with_everything_in_them() {
    let text = "a;b\n\"p;\"\",\t'=x\ny\";\" lead\"\n=1+1;@x\n";
    let expected =
        [row(1, &["a", "b"]), row(2, &["p;\",\t'=x\ny", " lead"]), row(4, &["=1+1", "@x"])];
    assert_eq!(csv(text), expected);
}

#[test]
fn what_is_no_table() {
    let refused = |bytes: &[u8]| read_table(bytes).unwrap_err().to_string();
    for (bytes, sentence) in [
        (&b""[..], "The file is empty."),
        (b"\xef\xbb\xbf\r\n\r\n", "The file is empty."),
        (b"%PDF-1.7 migrations.csv", "This is a PDF, not a table; send CSV or XLSX."),
        (
            b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            "This is a ZIP archive, not a table; send CSV or XLSX.",
        ),
        (b"  <!DOCTYPE html><table>", "This is a web page, not a table; send CSV or XLSX."),
        (
            b"a;b\n1;\0;2\n",
            "Line 2 has characters that are no text; save the table as CSV or XLSX.",
        ),
        (
            b"\x01\x02\x03garbage\xff\xfe",
            "Line 1 has characters that are no text; save the table as CSV or XLSX.",
        ),
    ] {
        assert_eq!(refused(bytes), sentence);
    }
    assert!(refused(b"PK\x03\x04and then nothing").contains("damaged"));
    assert!(refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1and then nothing").contains("damaged"));
}

#[test]
fn limits_of_a_table() {
    let table = |rows: usize| "a;b\n".to_owned() + &"1;2\n".repeat(rows);
    assert_eq!(csv(&table(ROWS_MAX)).len(), ROWS_MAX + 1);
    let refused = |text: &str| read_table(text.as_bytes()).unwrap_err();
    assert_eq!(refused(&table(ROWS_MAX + 1)), Unreadable::TooManyRows);
    assert_eq!(csv(&"x;".repeat(COLUMNS_MAX)).len(), 1);
    assert_eq!(refused(&"x;".repeat(COLUMNS_MAX + 1)), Unreadable::TooManyColumns { line: 1 });
    let long = "x".repeat(CELL_MAX_BYTES);
    assert_eq!(csv(&format!("a\n{long}")).len(), 2);
    assert_eq!(refused(&format!("a\n{long}x")), Unreadable::CellTooLong { line: 2 });
    // A quotation mark that nobody closes takes the rest of the file with it.
    let open = "a;b\n1;\"2\n".to_owned() + &"3;4\n".repeat(1 << 20);
    assert_eq!(refused(&open), Unreadable::CellTooLong { line: 2 });
    let much = format!("a\n{}", format!("{long}\n").repeat(TEXT_MAX_BYTES / CELL_MAX_BYTES + 1));
    assert_eq!(refused(&much), Unreadable::TooMuchText);
    let large = vec![b'x'; FILE_MAX_BYTES + 1];
    assert!(matches!(read_table(&large), Err(Unreadable::TooLarge { .. })));
}

/// A zip with these parts, packed.
fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const RELATIONS: &str = r#"<Relationships><Relationship Id="r1" Type="x/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const SHEETS: &str = r#"<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
const BOOK: &str = r#"<workbook><sheets><sheet name="S" r:id="r1"/></sheets></workbook>"#;

/// A workbook with one sheet, and perhaps other parts.
fn workbook(sheet: &str, others: &[(&str, &[u8])]) -> Vec<u8> {
    let parts: [(&str, &[u8]); 4] = [
        ("_rels/.rels", RELATIONS.as_bytes()),
        ("xl/workbook.xml", BOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", SHEETS.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ];
    zipped(&[&parts, others].concat())
}

fn sheet(cells: &str) -> String {
    format!("<worksheet><sheetData>{cells}</sheetData></worksheet>")
}

fn bomb(bytes: &[u8]) -> String {
    match read_table(bytes) {
        Err(Unreadable::Bomb { what }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_days_and_formulas_are_text() {
    let styles = r#"<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="46"/></cellXfs></styleSheet>"#;
    let row = r##"<row r="3"><c r="B3"><v>12345</v></c><c><v>1.5</v></c><c><v>1E+20</v></c><c s="1"><v>44197</v></c><c s="2"><v>44197.5</v></c><c s="3"><v>1.5</v></c><c t="b"><v>1</v></c><c t="e"><v>#N/A</v></c><c t="str"><f>HYPERLINK("http://x")</f><v>12</v></c><c t="inlineStr"><is><t>=1+1</t></is></c></row>"##;
    let book = workbook(&sheet(row), &[("xl/styles.xml", styles.as_bytes())]);
    let cells = [
        "",
        "12345",
        "1.5",
        "100000000000000000000",
        "2021-01-01",
        "2021-01-01 12:00:00",
        "36:00:00",
        "TRUE",
        "",
        "12",
        "=1+1",
    ];
    let expected = [TableRow { line: 3, cells: cells.map(str::to_owned).to_vec() }];
    assert_eq!(read_table(&book).unwrap(), expected);
}

#[test]
fn bombs_are_refused_before_they_burst() {
    // Sixteen mebibytes of blanks are sixteen kibibytes.
    let blanks = vec![b' '; 17 << 20];
    assert!(bomb(&workbook(&sheet(""), &[("docProps/a.bin", &blanks)])).contains("12582912"));
    let half = vec![b' '; 9 << 20];
    let three = [("a.bin", &half[..]), ("b.bin", &half[..]), ("c.bin", &half[..])];
    assert!(bomb(&workbook(&sheet(""), &three)).contains("25165824"));
    let tags = "<a/>".repeat(1_000_001);
    assert!(bomb(&workbook(&sheet(&tags), &[])).contains("1000000 tags"));
    let run = format!("<c t=\"inlineStr\"><is><t>{}</t></is></c>", "x".repeat(300 << 10));
    assert!(bomb(&workbook(&sheet(&run), &[])).contains("cell"));
    let deep = "<a>".repeat(1_000);
    assert!(bomb(&workbook(&sheet(&deep), &[])).contains("deep"));
    let strings = r#"<sst uniqueCount = "4000000000"><si><t>x</t></si></sst>"#;
    let strings = [("xl/sharedStrings.xml", strings.as_bytes())];
    assert!(bomb(&workbook(&sheet(""), &strings)).contains("announces"));
    let long = format!("<name val=\"{}\"/>", "x".repeat(20_000));
    let formats =
        format!("<fonts><font>{long}</font></fonts>{}", "<xf fontId=\"0\"/>".repeat(9_000));
    let styles = format!("<styleSheet>{formats}</styleSheet>");
    let book = workbook(&sheet(""), &[("xl/styles.xml", styles.as_bytes())]);
    assert!(bomb(&book).contains("formats"));
    for (part, tag, count) in [
        ("xl/sharedStrings.xml", "<si/>", 400_001),
        ("xl/styles.xml", "<font/>", 16_001),
        ("xl/other.xml", "<sheet/>", 1_001),
    ] {
        let many = format!("<x>{}</x>", tag.repeat(count));
        assert!(bomb(&workbook(&sheet(""), &[(part, many.as_bytes())])).contains("times"));
    }
    let rich =
        format!("<sst><si>{}</si></sst>", format!("<r>{}</r>", "x".repeat(99_999)).repeat(3));
    let rich = [("xl/sharedStrings.xml", rich.as_bytes())];
    assert!(bomb(&workbook(&sheet(""), &rich)).contains("cell"));
    let names: Vec<_> = (0..2_001).map(|n| format!("a{n}")).collect();
    let parts: Vec<_> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(bomb(&workbook("", &parts)).contains("parts"));
}

#[test]
fn a_zip_that_lies_about_its_sizes() {
    let blanks = vec![b' '; 17 << 20];
    let mut book = workbook(&sheet(""), &[("a.bin", &blanks)]);
    // Both headers of the last part say that it has one byte.
    let size = u32::try_from(blanks.len()).unwrap().to_le_bytes();
    for at in 0..book.len() - 4 {
        if book[at..at + 4] == size {
            book[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
        }
    }
    assert!(matches!(read_table(&book), Err(Unreadable::Bomb { .. } | Unreadable::Damaged { .. })));
    // The end says that there are 65,535 parts.
    let mut book = workbook(&sheet(""), &[]);
    let end = book.windows(4).rposition(|it| it == b"PK\x05\x06").unwrap();
    book[end + 8..end + 12].fill(0xff);
    assert!(bomb(&book).contains("parts"));
}

#[test]
fn a_sheet_as_large_as_excel_allows_with_one_cell() {
    let far = r#"<worksheet><dimension ref="A1:XFD1048576"/><sheetData><c r="A1048576"><v>1</v></c></sheetData></worksheet>"#;
    let rows = read_table(&workbook(far, &[])).unwrap();
    assert_eq!(rows, [TableRow { line: 1_048_576, cells: vec!["1".to_owned()] }]);
    let wide = sheet(r#"<c r="XFD1"><v>1</v></c>"#);
    assert_eq!(read_table(&workbook(&wide, &[])), Err(Unreadable::TooManyColumns { line: 1 }));
    let backwards = r#"<worksheet><dimension ref="C3:A1"/><sheetData/></worksheet>"#;
    assert!(matches!(read_table(&workbook(backwards, &[])), Err(Unreadable::Damaged { .. })));
    for beyond in ["A99999999999", "ABCDEFGH1"] {
        let cell = sheet(&format!("<c r=\"{beyond}\"><v>1</v></c>"));
        assert!(matches!(read_table(&workbook(&cell, &[])), Err(Unreadable::Damaged { .. })));
    }
    let rows: String = (1..=5_002).map(|n| format!("<c r=\"A{n}\"><v>1</v></c>")).collect();
    assert_eq!(read_table(&workbook(&sheet(&rows), &[])), Err(Unreadable::TooManyRows));
    // One text in every cell.
    let strings = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(CELL_MAX_BYTES));
    let cells: String = (1..=600).map(|n| format!("<c r=\"A{n}\" t=\"s\"><v>0</v></c>")).collect();
    let book = workbook(&sheet(&cells), &[("xl/sharedStrings.xml", strings.as_bytes())]);
    assert_eq!(read_table(&book), Err(Unreadable::TooMuchText));
}

#[test]
fn a_workbook_without_sheets() {
    let book = zipped(&[
        ("_rels/.rels", RELATIONS.as_bytes()),
        ("xl/workbook.xml", b"<workbook/>"),
        ("xl/_rels/workbook.xml.rels", b"<Relationships/>"),
    ]);
    assert_eq!(read_table(&book), Err(Unreadable::NoSheet));
    assert_eq!(read_table(&workbook(&sheet(""), &[])), Err(Unreadable::NoSheet));
    assert_eq!(read_table(&zipped(&[("xl/workbook.bin", b"")])), Err(Unreadable::BinaryWorkbook));
    let letter = zipped(&[("word/document.xml", b"<x/>"), ("_rels/.rels", b"<x/>")]);
    assert_eq!(read_table(&letter), Err(Unreadable::NotATable { what: "a text document" }));
}

fn open_document(rows: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><table:table table:name=\"S\">{rows}</table:table></office:document-content>"
    );
    zipped(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
        ("content.xml", content.as_bytes()),
    ])
}

fn open_row(rows: &str, columns: &str, text: &str) -> String {
    format!(
        "<table:table-row {rows}><table:table-cell {columns} office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell></table:table-row>"
    )
}

#[test]
fn repetitions_of_an_open_document_are_counted() {
    let rows = |n: u64| format!("table:number-rows-repeated=\"{n}\"");
    let columns = |n: u64| format!("table:number-columns-repeated=\"{n}\"");
    let empty = format!(
        "<table:table-row {}><table:table-cell {}/></table:table-row>",
        rows(1_048_000),
        columns(16_384)
    );
    let good =
        open_document(&(open_row("", "", "a") + &open_row(&rows(2), &columns(2), "b") + &empty));
    assert_eq!(read_table(&good).unwrap().len(), 3);
    let late = open_document(&(open_row("", "", "a") + &empty + &open_row("", "", "b")));
    assert!(bomb(&late).contains("cells"));
    let many = open_document(&open_row(&rows(u64::MAX), "", "a"));
    assert!(bomb(&many).contains("cells"));
    let wide = open_document(&open_row("", &columns(16_384), "a"));
    assert!(matches!(read_table(&wide), Err(Unreadable::TooManyColumns { .. })));
    let text = open_document(&open_row(&rows(5_000), &columns(30), &"x".repeat(1_000)));
    assert_eq!(read_table(&text), Err(Unreadable::TooMuchText));
    // A table that never ends would never end the reader.
    let cut = zipped(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
        ("content.xml", b"<office:document-content><table:table table:name=\"S\">"),
    ]);
    assert!(matches!(read_table(&cut), Err(Unreadable::Damaged { .. })));
}

#[test]
fn what_is_written_as_csv_is_read() {
    let pieces =
        ["a", ";", ",", "\"", "\t", "\r\n", "\n", "'", "=", " ", "ü", "€", "-", "x y", "\"\""];
    let mut state = 88_172_645_463_325_252_u64;
    let mut roll = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 20).unwrap() % below
    };
    for round in 0..300 {
        let delimiter = [b';', b',', b'\t'][round % 3];
        let mark =
            [crate::writing::csv::Mark::Written, crate::writing::csv::Mark::LeftOut][round % 2];
        let mut writer = crate::writing::csv::CsvWriter::new(delimiter, mark);
        let mut expected = vec![vec!["one".to_owned(), "two".into(), "three".into()]];
        writer.row(&["one", "two", "three"]);
        for _ in 0..roll(6) {
            let mut cell = || (0..roll(5)).map(|_| pieces[roll(pieces.len())]).collect::<String>();
            let cells = [cell(), cell(), format!("{}.", cell())];
            writer.row(&cells.each_ref().map(String::as_str));
            let guarded = cells.iter().map(|cell| crate::writing::neutral(cell).into_owned());
            expected.push(guarded.collect());
        }
        let rows = read_table(&writer.take()).unwrap();
        let cells: Vec<_> = rows.into_iter().map(|row| row.cells).collect();
        assert_eq!(cells, expected, "round {round}");
    }
}
