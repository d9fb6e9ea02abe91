//! Files that others made, read as independent readers read them; and what becomes of them when
//! they are cut or changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code: a panic is a failed test, and it reads files and how long that takes"
)]

use std::io::{Cursor, Read, Write};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tables::{Kind, TableRow, Unreadable, read_table};
use zip::write::SimpleFileOptions;

/// No file may take longer; a development build is some twenty times slower than the component.
const TIME_MAX: Duration = Duration::from_secs(20);

/// The corpus beside the repository, or where `TRASLOCO_CORPUS` says; `None` where it is absent.
fn corpus() -> Option<PathBuf> {
    // Cargo tells at run time which clone is tested; the one that this was compiled in may be another.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let beside = package.join("../../../shared/corpus");
    let root = std::env::var_os("TRASLOCO_CORPUS").map_or(beside, PathBuf::from);
    let folder = root.join("xlsx");
    if !folder.is_dir() {
        eprintln!("SKIPPED: no corpus at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.is_file() && path.extension().is_some_and(|it| it != "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// A cell of theirs in our words: they write whole numbers with a fraction, and truth otherwise.
fn ours(cell: &Value) -> String {
    let cell = cell.as_str().unwrap_or_default();
    let whole = cell.strip_suffix(".0").filter(|digits| digits.parse::<i64>().is_ok());
    match (whole, cell) {
        (Some(whole), _) => whole.to_owned(),
        (None, "True") => "TRUE".to_owned(),
        (None, "False") => "FALSE".to_owned(),
        (None, "10 days, 15:10:10") => "255:10:10".to_owned(),
        (None, cell) => cell.trim_end_matches(" 00:00:00").to_owned(),
    }
}

/// The rows of a sheet that have something in them, as far as the summary has them.
fn expected(sheet: &Value) -> Vec<Vec<String>> {
    let rows = sheet["first_rows"].as_array().unwrap().iter();
    let rows = rows.map(|row| {
        let mut cells: Vec<_> = row.as_array().unwrap().iter().map(ours).collect();
        let used = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |at| at + 1);
        cells.truncate(used);
        cells
    });
    rows.filter(|row| !row.is_empty()).collect()
}

#[test]
fn others_files_are_read_as_others_read_them() {
    let Some(folder) = corpus() else { return };
    let summary = std::fs::read_to_string(folder.join("expected/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let (mut compared, mut refused) = (0, Vec::new());
    for (name, bytes) in files(&folder) {
        let begun = Instant::now();
        let read = read_table(&bytes);
        assert!(begun.elapsed() < TIME_MAX, "{name}: {:?}", begun.elapsed());
        let theirs = &summary["files"][&name];
        let readers = [&theirs["calamine"], &theirs["openpyxl"]];
        let sheets =
            readers.iter().find_map(|it| it["sheets"].as_array().filter(|s| !s.is_empty()));
        let rows = sheets.and_then(|sheets| sheets.iter().map(expected).find(|it| !it.is_empty()));
        let rows = rows.or_else(|| answer(&folder, &name));
        match (read, rows) {
            (Ok(read), Some(rows)) => {
                compare(&name, &read, &rows);
                compared += 1;
            }
            (Err(refusal), rows) => refused.push((name, refusal.to_string(), rows.is_some())),
            // A line of text whose name says that it is a workbook.
            (Ok(read), None) => {
                assert_eq!((name.as_str(), read.len()), ("calamine__too_small.xls", 1));
            }
        }
    }
    for (name, sentence, _) in &refused {
        println!("{name}: {sentence}");
        assert!(sentence.ends_with('.'), "{sentence}");
    }
    let names: Vec<_> = refused.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names, REFUSED, "{refused:#?}");
    assert!(compared > 35, "{compared}");
}

/// What the author of a CSV file says stands in it: an object for each row.
fn answer(folder: &std::path::Path, name: &str) -> Option<Vec<Vec<String>>> {
    let json = std::fs::read_to_string(folder.join(name).with_extension("json")).ok()?;
    let objects: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&json).unwrap();
    let header = read_table(&std::fs::read(folder.join(name)).unwrap()).unwrap().remove(0).cells;
    let rows = objects.iter().map(|object| {
        assert_eq!(object.len(), header.len(), "{name}");
        let mut cells: Vec<_> = header.iter().map(|key| ours(&object[key])).collect();
        let used = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |at| at + 1);
        cells.truncate(used);
        cells
    });
    Some([header.clone()].into_iter().chain(rows).collect())
}

/// A binary workbook, one without cells, one with errors only, and an encrypted one.
const REFUSED: &[&str] = &[
    "calamine__any_sheets.xlsb",
    "calamine__empty_sheet.xlsx",
    "calamine__errors.xlsx",
    "calamine__pass_protected.xlsx",
];

fn compare(name: &str, read: &[TableRow], rows: &[Vec<String>]) {
    for (row, theirs) in read.iter().zip(rows) {
        let cells: Vec<_> = row.cells.iter().map(|it| it.replace("\r\n", "\n")).collect();
        // Some readers leave out the columns before the first that is used.
        let skip = cells.iter().take_while(|cell| cell.is_empty()).count();
        let theirs: Vec<_> = theirs.iter().map(|it| it.replace("\r\n", "\n")).collect();
        let lead = theirs.iter().take_while(|cell| cell.is_empty()).count();
        assert_eq!(cells[skip..], theirs[lead..], "{name} line {}", row.line);
    }
    assert!(!read.is_empty(), "{name}");
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % below.max(1)
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.roll(bytes.len());
            match self.roll(6) {
                0 => bytes[at] ^= 1 << self.roll(8),
                1 => bytes[at] = [0, 0xff, b'<', b'9', b'"', 0x80][self.roll(6)],
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, b'0'),
                4 => bytes.truncate(at),
                _ => {
                    let end = (at + self.roll(64)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = self.roll(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
        }
    }
}

/// The same workbook with one part changed, so that its checksums are right.
fn repacked(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let changed = dice.roll(archive.len());
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if at == changed {
            dice.change(&mut content);
        }
        let name = entry.name().unwrap().into_owned();
        writer.start_file(name, options).unwrap();
        writer.write_all(&content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The same workbook of Excel 97 with its records changed, in a container that is whole; `None`
/// where there is no such stream.
fn rewritten(bytes: &[u8], dice: &mut Dice) -> Option<Vec<u8>> {
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).ok()?;
    let mut records = Vec::new();
    file.open_stream("/Workbook").ok()?.read_to_end(&mut records).unwrap();
    dice.change(&mut records);
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_stream("/Workbook").unwrap().write_all(&records).unwrap();
    file.flush().unwrap();
    Some(file.into_inner().into_inner())
}

/// Reads what may be anything; nothing of it may panic or take long.
fn survives(name: &str, bytes: &[u8]) -> bool {
    let begun = Instant::now();
    let read = catch_unwind(|| read_table(bytes));
    let bad = read.is_err() || begun.elapsed() > TIME_MAX;
    if bad {
        let kept = std::env::temp_dir().join(format!("trasloco-{name}"));
        std::fs::write(&kept, bytes).unwrap();
        panic!("{name}: {:?} ({:?}); kept at {}", read.is_err(), begun.elapsed(), kept.display());
    }
    matches!(read, Ok(Ok(_)))
}

#[test]
fn nothing_that_is_cut_or_changed_does_harm() {
    let Some(folder) = corpus() else { return };
    let rounds = std::env::var("ROUNDS").map_or(40, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("SEED").map_or(0x9e37_79b9_7f4a_7c15, |seed| seed.parse().unwrap());
    let mut dice = Dice(seed);
    let (mut read, mut refused) = (0, 0);
    for (name, bytes) in files(&folder) {
        let zipped = matches!(tables::kind(&bytes), Ok(Kind::Xlsx | Kind::Ods));
        for round in 0..rounds {
            let mut changed = bytes.clone();
            match round % 4 {
                0 => changed.truncate(dice.roll(bytes.len())),
                1 | 2 if zipped => changed = repacked(&bytes, &mut dice),
                1 | 2 if matches!(tables::kind(&bytes), Ok(Kind::Xls)) => {
                    changed = rewritten(&bytes, &mut dice).unwrap_or(changed);
                }
                _ => dice.change(&mut changed),
            }
            if survives(&name, &changed) { read += 1 } else { refused += 1 }
        }
    }
    assert!(read > rounds && refused > rounds, "{read} {refused}");
}

#[test]
fn a_damaged_workbook_has_a_sentence() {
    let Some(folder) = corpus() else { return };
    let bytes = std::fs::read(folder.join("calamine__any_sheets.xlsx")).unwrap();
    let refusal = read_table(&bytes[..bytes.len() / 2]).unwrap_err();
    assert!(matches!(refusal, Unreadable::Damaged { .. }), "{refusal}");
}
