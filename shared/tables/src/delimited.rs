//! CSV (RFC 4180) with comma, semicolon or tab.

use std::io::Read;

use crate::charset::Decoded;
use crate::grid::{CELL_MAX_BYTES, COLUMNS_MAX, Grid, TableRow, Unreadable};

/// How much of the file is looked at for its delimiter: a header is shorter.
const HEADER_MAX_BYTES: u64 = 16 << 10;
/// The most bytes of a row: every column as long as a cell may be. Beyond that a quotation mark
/// is open.
const ROW_MAX_BYTES: usize = COLUMNS_MAX * CELL_MAX_BYTES;

pub(crate) fn read(bytes: &[u8]) -> Result<Vec<TableRow>, Unreadable> {
    let (delimiter, is_named) = delimiter(bytes);
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(Window::new(bytes));
    let mut grid = Grid::default();
    let mut record = ::csv::ByteRecord::new();
    loop {
        let more = reader.read_byte_record(&mut record);
        let end = reader.position().byte();
        let line = reader.get_mut().pass(end);
        match more {
            Ok(true) => (),
            Ok(false) => return Ok(grid.finish()),
            // The only error there is: a row that does not end.
            Err(_) => return Err(Unreadable::CellTooLong { line }),
        }
        if is_named && line == 1 {
            continue;
        }
        for (column, cell) in record.iter().enumerate() {
            let odd = |b: &u8| b.is_ascii_control() && !matches!(*b, b'\t' | b'\r' | b'\n');
            if cell.iter().any(odd) {
                return Err(Unreadable::Binary { line });
            }
            // What was decoded is UTF-8, and a cell cannot cut a character: quotation marks,
            // delimiters and line ends are ASCII.
            let text = String::from_utf8_lossy(cell).into_owned();
            grid.put(line.saturating_sub(1), column, text)?;
        }
    }
}

/// The delimiter, and whether the first line does nothing but name it (`sep=;`, as Excel
/// understands it); else the most frequent of the three in the header, outside quotation marks.
fn delimiter(bytes: &[u8]) -> (u8, bool) {
    let mut head = Vec::new();
    // Reading from memory cannot fail.
    let _ = Decoded::new(bytes).take(HEADER_MAX_BYTES).read_to_end(&mut head);
    let is_named = head.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"sep="));
    if let (true, Some(named), Some(b'\r' | b'\n')) = (is_named, head.get(4), head.get(5)) {
        return (*named, true);
    }
    let mut counts = [(b';', 0), (b',', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in head.trim_ascii_start() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => (),
            byte => counts.iter_mut().filter(|(it, _)| it == byte).for_each(|(_, n)| *n += 1),
        }
    }
    // The first of the most frequent.
    let best = counts.iter().rev().max_by_key(|(_, count)| *count);
    (best.map_or(b';', |(delimiter, _)| *delimiter), false)
}

/// The text on its way to the reader, kept until its lines are counted: the reader counts none
/// that end in a carriage return, and blank lines to the row behind them.
struct Window<'b> {
    text: Decoded<'b>,
    kept: Vec<u8>,
    /// Where in the text `kept` begins.
    from: u64,
    /// Lines that ended before that.
    lines: u32,
    after_return: bool,
}

impl<'b> Window<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        let text = Decoded::new(bytes);
        Window { text, kept: Vec::new(), from: 0, lines: 0, after_return: false }
    }

    /// Forgets what is before `end`, and tells on which line it began, blank lines left out.
    fn pass(&mut self, end: u64) -> u32 {
        let length = usize::try_from(end.saturating_sub(self.from)).unwrap_or(usize::MAX);
        let mut begun = None;
        for byte in self.kept.drain(..length.min(self.kept.len())) {
            let ends_line = byte == b'\r' || (byte == b'\n' && !self.after_return);
            self.after_return = byte == b'\r';
            if !matches!(byte, b'\r' | b'\n') {
                begun = begun.or(Some(self.lines));
            }
            self.lines = self.lines.saturating_add(u32::from(ends_line));
        }
        self.from = end;
        begun.unwrap_or(self.lines).saturating_add(1)
    }
}

impl Read for Window<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.kept.len() > ROW_MAX_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        let length = self.text.read(into)?;
        self.kept.extend_from_slice(into.get(..length).unwrap_or_default());
        Ok(length)
    }
}
