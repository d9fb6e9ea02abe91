//! A workbook's first sheet with cells, as text.

use std::io::Cursor;

use calamine::{
    Data, DataType, ExcelDateTime, Ods, Range, Reader, Sheet, SheetType, SheetVisible, Xls, Xlsx,
    XlsxError,
};

use crate::container::damaged;
use crate::grid::{Grid, TableRow, Unreadable};
use crate::{container, ods as open_document, xls as excel_97};

/// The most sheets that are looked at for cells: a cover and the list. All sheets may be one part,
/// read anew each time.
const SHEETS_MAX: usize = 2;
/// Up to here every whole number is exact in a cell (2^53).
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// Days before 1 March 1900 are counted wrongly by Excel, and a time of day is below 1.
const DAY_ONE: f64 = 1.0;

pub(crate) fn xlsx(bytes: &[u8]) -> Result<Vec<TableRow>, Unreadable> {
    container::check(bytes)?;
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsxError::Password => Unreadable::Encrypted,
        error => damaged(&error),
    })?;
    for name in shown(book.sheets_metadata()) {
        let mut grid = Grid::default();
        // Cell by cell: a sheet may say that it reaches to XFD1048576.
        let mut cells = match book.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            Err(XlsxError::NotAWorksheet(_)) => continue,
            Err(error) => return Err(damaged(&error)),
        };
        while let Some(cell) = cells.next_cell().map_err(|error| damaged(&error))? {
            let (row, column) = cell.get_position();
            grid.put(row, usize::try_from(column).unwrap_or(usize::MAX), text(cell.get_value()))?;
        }
        let rows = grid.finish();
        if !rows.is_empty() {
            return Ok(rows);
        }
    }
    Err(Unreadable::NoSheet)
}

pub(crate) fn ods(bytes: &[u8]) -> Result<Vec<TableRow>, Unreadable> {
    container::check(bytes)?;
    open_document::check(bytes)?;
    let mut book = Ods::new(Cursor::new(bytes)).map_err(|error| match error {
        calamine::OdsError::Password => Unreadable::Encrypted,
        error => damaged(&error),
    })?;
    for name in shown(book.sheets_metadata()) {
        let range = book.worksheet_range(&name).map_err(|error| damaged(&error))?;
        let rows = gathered(&range)?;
        if !rows.is_empty() {
            return Ok(rows);
        }
    }
    Err(Unreadable::NoSheet)
}

pub(crate) fn xls(bytes: &[u8]) -> Result<Vec<TableRow>, Unreadable> {
    let sheets = excel_97::sheets(bytes)?;
    for nth in 0..sheets.count().min(SHEETS_MAX) {
        let one = sheets.alone(nth)?;
        let mut book = Xls::new(Cursor::new(one)).map_err(|error| damaged(&error))?;
        let Some(name) = book.sheet_names().into_iter().next() else { continue };
        let range = book.worksheet_range(&name).map_err(|error| damaged(&error))?;
        let rows = gathered(&range)?;
        if !rows.is_empty() {
            return Ok(rows);
        }
    }
    Err(Unreadable::NoSheet)
}

/// Names of the sheets that a user sees, in their order.
fn shown(sheets: &[Sheet]) -> Vec<String> {
    let shown = sheets.iter().filter(|sheet| {
        sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet
    });
    shown.take(SHEETS_MAX).map(|sheet| sheet.name.clone()).collect()
}

fn gathered(range: &Range<Data>) -> Result<Vec<TableRow>, Unreadable> {
    let mut grid = Grid::default();
    let (first_row, first_column) = range.start().unwrap_or_default();
    for (row, column, data) in range.used_cells() {
        let row = u32::try_from(row).unwrap_or(u32::MAX).saturating_add(first_row);
        let first = usize::try_from(first_column).unwrap_or(usize::MAX);
        grid.put(row, column.saturating_add(first), text(data))?;
    }
    Ok(grid.finish())
}

/// A cell as a user would type it: whole numbers without a fraction, days as `2026-11-22`, times
/// as `10:15:00`. A formula has the value that was last worked out; an error (`#N/A`) has none.
fn text(data: &impl DataType) -> String {
    let number = data.get_float().map(decimal);
    let number = number.or_else(|| data.get_int().map(|number| number.to_string()));
    let truth = data.get_bool().map(|truth| if truth { "TRUE" } else { "FALSE" });
    let text = data.get_string().or(truth).or(data.get_duration_iso()).map(str::to_owned);
    let moment = data.get_datetime_iso().map(|moment| moment.replacen('T', " ", 1));
    let moment = moment.or_else(|| data.get_datetime().as_ref().map(date));
    text.or(number).or(moment).unwrap_or_default()
}

/// Excel keeps every number as a fraction, also a password that looks like one.
fn decimal(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        format!("{number:.0}")
    } else {
        number.to_string()
    }
}

fn date(moment: &ExcelDateTime) -> String {
    let days = moment.as_f64();
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let time = format!("{minute:02}:{second:02}");
    if !days.is_finite() || days < 0.0 {
        decimal(days)
    } else if moment.is_duration() {
        let hours = days.floor() * 24.0 + f64::from(hour);
        format!("{hours:.0}:{time}")
    } else if days < DAY_ONE {
        format!("{hour:02}:{time}")
    } else if days.fract() == 0.0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{time}")
    }
}
