//! The migrations that stand in a table, or everything that is wrong with it.

use std::collections::HashMap;

use model::ServerType;
use wire::Secret;

use ::tables::{TableRow, Unreadable, read_table};

use super::columns::{Column, Header, Wrong, bare};
use super::template;

/// The most errors that are told one by one; nobody reads more, and all are counted.
pub const ERRORS_MAX: usize = 1_000;

/// One side of a migration, as it stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The type; `None` where neither type nor server is named, so that it is the project's, or
    /// to be found.
    pub server_type: Option<ServerType>,
    /// A URL with a scheme; empty where the server is to be found from the address.
    pub url: String,
    /// The login.
    pub login: String,
    /// The password, not trimmed.
    pub password: Secret,
    /// The administrator whose password it is.
    pub delegate: Option<String>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Where it stands in the file.
    pub line: u32,
    /// Where from.
    pub source: Side,
    /// Where to.
    pub destination: Side,
    /// The wave it starts with.
    pub group: Option<String>,
}

/// What is wrong with a cell, a row or the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A column that is needed is not there.
    MissingColumn,
    /// A column that no import has.
    UnknownColumn,
    /// A column that is there twice.
    RepeatedColumn,
    /// A cell that is needed is empty.
    Required,
    /// A cell where the header has no column.
    ExtraCell,
    /// A type that is not one of ours.
    UnknownType,
    /// The same row, or the same destination, stands elsewhere in the file.
    Repeated,
    /// The template's example.
    Example,
    /// A header and nothing below it.
    NoRows,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellError {
    /// The row's place in the file.
    pub line: u32,
    /// The column's name; empty where the row as a whole is meant.
    pub column: String,
    /// Why.
    pub fault: Fault,
    /// A sentence. It never has a password in it.
    pub detail: String,
}

/// The migrations of a file. Nothing of it may be used unless `total` is 0: rows that are wrong
/// are not among the drafts, which are given so that more may be said about the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The rows that are whole.
    pub drafts: Vec<Draft>,
    /// What is wrong: the first [`ERRORS_MAX`], in the order of the rows.
    pub errors: Vec<CellError>,
    /// How many things are wrong.
    pub total: usize,
}

/// Reads all migrations of a file, and everything that is wrong with them.
pub fn read_drafts(bytes: &[u8]) -> Result<Listed, Unreadable> {
    let rows = read_table(bytes)?;
    let mut errors = Errors::default();
    let mut rows = rows.into_iter().filter(|row| row.cells.iter().any(|it| !it.trim().is_empty()));
    let first = rows.next().ok_or(Unreadable::Empty)?;
    let drafts = match Header::of(&first) {
        Ok(header) => below(&header, &first, rows, &mut errors),
        Err(wrong) => {
            errors.header(first.line, wrong);
            Vec::new()
        }
    };
    repetitions(&drafts, &mut errors);
    // Repetitions were found after everything else.
    errors.told.sort_by_key(|error| error.line);
    Ok(Listed { drafts, errors: errors.told, total: errors.total })
}

fn below(
    header: &Header,
    first: &TableRow,
    rows: impl Iterator<Item = TableRow>,
    errors: &mut Errors,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut some = false;
    for row in rows {
        some = true;
        drafts.extend(draft(header, row, errors));
    }
    if !some {
        errors.add(first.line, "", Fault::NoRows, "There is a header, and no row below it.");
    }
    drafts
}

/// Everything that is wrong.
#[derive(Default)]
struct Errors {
    told: Vec<CellError>,
    total: usize,
}

impl Errors {
    fn add(&mut self, line: u32, column: &str, fault: Fault, detail: impl Into<String>) {
        self.total += 1;
        if self.told.len() < ERRORS_MAX {
            let (column, detail) = (column.to_owned(), detail.into());
            self.told.push(CellError { line, column, fault, detail });
        }
    }

    fn header(&mut self, line: u32, wrong: Wrong) {
        let (missing, unknown, repeated) = match wrong {
            Wrong::NoHeader => (Column::NEEDED.to_vec(), Vec::new(), Vec::new()),
            Wrong::Columns { missing, unknown, repeated } => (missing, unknown, repeated),
        };
        for column in missing {
            let detail = format!(
                "The first row must name the columns, as the template does; {} is missing.",
                column.name()
            );
            self.add(line, column.name(), Fault::MissingColumn, detail);
        }
        for name in unknown {
            let detail = "There is no such column in an import; delete it, or correct its name.";
            self.add(line, &name, Fault::UnknownColumn, detail);
        }
        for column in repeated {
            let detail = "This column is there twice.";
            self.add(line, column.name(), Fault::RepeatedColumn, detail);
        }
    }
}

/// The cells of a row, taken out one by one.
struct Cells<'h> {
    header: &'h Header,
    row: TableRow,
}

impl Cells<'_> {
    fn take(&mut self, column: Column) -> String {
        let place = self.header.place(column);
        let cell = place.and_then(|place| self.row.cells.get_mut(place));
        cell.map(std::mem::take).unwrap_or_default()
    }

    fn trimmed(&mut self, column: Column) -> String {
        let mut cell = self.take(column);
        let end = cell.trim_end().len();
        cell.truncate(end);
        let begin = cell.len() - cell.trim_start().len();
        cell.drain(..begin);
        cell
    }
}

/// The columns of one side.
struct Columns {
    server_type: Column,
    url: Column,
    login: Column,
    password: Column,
    delegate: Column,
}

const SOURCE: Columns = Columns {
    server_type: Column::SourceType,
    url: Column::SourceUrl,
    login: Column::SourceLogin,
    password: Column::SourcePassword,
    delegate: Column::SourceDelegate,
};

const DESTINATION: Columns = Columns {
    server_type: Column::DestinationType,
    url: Column::DestinationUrl,
    login: Column::DestinationLogin,
    password: Column::DestinationPassword,
    delegate: Column::DestinationDelegate,
};

fn draft(header: &Header, row: TableRow, errors: &mut Errors) -> Option<Draft> {
    let line = row.line;
    let mut cells = Cells { header, row };
    let source = side(&SOURCE, &mut cells, errors);
    let destination = side(&DESTINATION, &mut cells, errors);
    let group = Some(cells.trimmed(Column::Group)).filter(|group| !group.is_empty());
    let beyond = |(at, cell): (usize, &String)| header.at(at).is_none() && !cell.trim().is_empty();
    if cells.row.cells.iter().enumerate().any(beyond) {
        let detail = "This row has more cells than the header; a cell with a delimiter in it must \
                      stand in quotation marks.";
        errors.add(line, "", Fault::ExtraCell, detail);
        return None;
    }
    let (source, destination) = (source?, destination?);
    if template::is_example(&source.login, &destination.login) {
        let detail = "This is the template's example; replace it, or delete the row.";
        errors.add(line, "", Fault::Example, detail);
        return None;
    }
    Some(Draft { line, source, destination, group })
}

fn side(columns: &Columns, cells: &mut Cells<'_>, errors: &mut Errors) -> Option<Side> {
    let line = cells.row.line;
    let named = cells.trimmed(columns.server_type);
    let server_type = type_named(&named);
    if server_type.is_none() {
        // What stands there is not repeated: where a cell is shifted, it may be a password.
        let detail = "This is not one of IMAP, Exchange, POP, Zimbra and OVH; an empty cell has \
                      the server found from the address.";
        errors.add(line, columns.server_type.name(), Fault::UnknownType, detail);
    }
    let server = cells.trimmed(columns.url);
    let login = cells.trimmed(columns.login);
    let password = Secret::new(cells.take(columns.password));
    let delegate = Some(cells.trimmed(columns.delegate)).filter(|login| !login.is_empty());
    let empty = [(columns.login, &*login), (columns.password, password.expose())];
    let empty: Vec<_> = empty.iter().filter(|(_, cell)| cell.is_empty()).collect();
    for (column, _) in &empty {
        errors.add(line, column.name(), Fault::Required, "This cell is needed.");
    }
    if !empty.is_empty() {
        return None;
    }
    let server_type = match server_type? {
        None if server.is_empty() => None,
        // Where OVH's server is named, it need not be found.
        None | Some(ServerType::Ovh) if !server.is_empty() => Some(type_of(&server)),
        known => known,
    };
    let url = url(server_type, server);
    Some(Side { server_type, url, login, password, delegate })
}

/// The type of that name; `Some(None)` where none is named.
fn type_named(name: &str) -> Option<Option<ServerType>> {
    Some(match bare(name).as_str() {
        "" => None,
        "imap" | "imaps" => Some(ServerType::Imap),
        "pop" | "pop3" | "pops" => Some(ServerType::Pop),
        "exchange" | "ews" => Some(ServerType::Exchange),
        "zimbra" => Some(ServerType::Zimbra),
        "ovh" | "hostedbyovh" | "hostedbyovh(autodetect)" | "autodetect" => Some(ServerType::Ovh),
        _ => return None,
    })
}

/// What a server is, where only its address is given.
fn type_of(server: &str) -> ServerType {
    let server = server.to_ascii_lowercase();
    if server.starts_with("pop") && server.contains("://") {
        ServerType::Pop
    } else if server.ends_with(".asmx") {
        ServerType::Exchange
    } else if server.starts_with("https://zimbra") {
        ServerType::Zimbra
    } else {
        ServerType::Imap
    }
}

/// The server with a scheme: TLS from the first byte, but on the ports where it begins later.
fn url(server_type: Option<ServerType>, server: String) -> String {
    if server.is_empty() || server.contains("://") {
        return server;
    }
    let scheme = match server_type {
        Some(ServerType::Exchange | ServerType::Zimbra) => "https",
        Some(ServerType::Pop) if server.ends_with(":110") => "pop",
        Some(ServerType::Pop) => "pops",
        _ if server.ends_with(":143") => "imap",
        _ => "imaps",
    };
    format!("{scheme}://{server}")
}

/// Notes rows and destinations that are there twice; case does not matter.
fn repetitions(drafts: &[Draft], errors: &mut Errors) {
    let place = |side: &Side| (side.login.to_lowercase(), side.url.to_lowercase());
    let mut known: HashMap<(String, String), &Draft> = HashMap::new();
    for draft in drafts {
        let destination = place(&draft.destination);
        let Some(first) = known.get(&destination) else {
            known.insert(destination, draft);
            continue;
        };
        let detail = if place(&first.source) == place(&draft.source) {
            format!("Lines {} and {} are the same migration.", first.line, draft.line)
        } else {
            format!(
                "Lines {} and {} have the same destination; their mail would be mixed.",
                first.line, draft.line
            )
        };
        let column = Column::DestinationLogin.name();
        errors.add(draft.line, column, Fault::Repeated, detail);
    }
}

#[cfg(test)]
mod tests;
