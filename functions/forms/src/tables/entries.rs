//! From a table to migrations that could be made, and everything that is wrong with it.
//!
//! Each row is read as the object of `POST /projects/{id}/migrations` would be, with the project's
//! servers where it names none, and what is wrong is told with its line and column.

use std::collections::BTreeMap;

use ::tables::Unreadable;
use dial::Plaintext;
use migrate::pairs;
use model::offer;
use model::{Account, Item, ProjectOptions, ServerDefault, ServerType};
use store::seal::{Credential, Credentials};

use super::columns::Column;
use super::drafts::{CellError, Draft, ERRORS_MAX, Fault, Side, read_drafts};

use crate::reading::account::AccountBody;
use crate::reading::project::GROUP_MAX_BYTES;
use crate::reading::values::{Password, Text};
use crate::reading::{Errors, escape};
use crate::refusals::{Cell, Code, InputError, Refusal};
use crate::shown::tables::{Preview, PreviewRow, Servers};

/// The most rows that a preview shows.
pub const PREVIEW_MAX: usize = 100;

/// A row that could become a migration.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it stands in the file.
    pub line: u32,
    /// Where from; its URL is empty where the server is to be found.
    pub source: Account,
    /// Where to; its URL is empty where the server is to be found.
    pub destination: Account,
    /// What opens both.
    pub credentials: Credentials,
    /// What is moved: what the project moves and this pair carries.
    pub items: Vec<Item>,
    /// The wave it starts with.
    pub group: Option<String>,
}

/// Reads a file: all its rows, or everything that is wrong, so that nothing is added. No server is
/// called.
pub fn read_entries(
    file: &[u8],
    options: &ProjectOptions,
    plaintext: Plaintext,
) -> Result<Vec<Entry>, Refusal> {
    let listed = read_drafts(file).map_err(|error| unreadable(&error))?;
    let mut faults = Faults { total: listed.total, ..Faults::default() };
    faults.told.extend(listed.errors.into_iter().map(told));
    let drafts = listed.drafts.into_iter();
    let entries: Vec<_> =
        drafts.filter_map(|draft| entry(draft, options, plaintext, &mut faults)).collect();
    if faults.total == 0 { Ok(entries) } else { Err(faults.refusal()) }
}

/// What a file would add: how many, of which groups and servers, and the first rows, without
/// passwords.
pub fn preview(entries: &[Entry]) -> Preview {
    Preview {
        added: 0,
        rows: entries.len(),
        groups: counted(entries, |entry| entry.group.as_deref().unwrap_or_default()),
        servers: Servers {
            source: counted(entries, |entry| &entry.source.url),
            destination: counted(entries, |entry| &entry.destination.url),
        },
        migrations: entries.iter().take(PREVIEW_MAX).map(row).collect(),
    }
}

fn counted(entries: &[Entry], of: impl Fn(&Entry) -> &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(of(entry).to_owned()).or_default() += 1;
    }
    counts
}

fn row(entry: &Entry) -> PreviewRow {
    PreviewRow {
        line: entry.line,
        source: entry.source.clone(),
        destination: entry.destination.clone(),
        items: entry.items.clone(),
        group: entry.group.clone(),
    }
}

fn unreadable(error: &Unreadable) -> Refusal {
    let code = match error {
        Unreadable::TooLarge { .. } | Unreadable::Bomb { .. } => Code::TooLarge,
        Unreadable::TooManyRows
        | Unreadable::TooManyColumns { .. }
        | Unreadable::CellTooLong { .. }
        | Unreadable::TooMuchText => Code::TooMany,
        Unreadable::NotATable { .. } | Unreadable::BinaryWorkbook => Code::MediaType,
        Unreadable::Empty
        | Unreadable::Encrypted
        | Unreadable::NoSheet
        | Unreadable::Binary { .. }
        | Unreadable::Damaged { .. } => Code::Unreadable,
    };
    Refusal::because(code, error.to_string())
}

/// Everything that is wrong with a file.
#[derive(Default)]
struct Faults {
    told: Vec<InputError>,
    total: usize,
}

impl Faults {
    fn add(&mut self, cell: Cell, code: Code, detail: String) {
        self.total += 1;
        if self.told.len() < ERRORS_MAX {
            self.told.push(at(cell, code, detail));
        }
    }

    fn refusal(mut self) -> Refusal {
        let line = |error: &InputError| error.cell.as_ref().map_or(0, |cell| cell.line);
        self.told.sort_by_key(line);
        let things = if self.total == 1 { "One thing is" } else { "Several things are" };
        let shown = self.told.len();
        let detail = if self.total > shown {
            format!(
                "{} things are wrong in the table, of which the first {shown} are listed; nothing \
                 was added.",
                self.total
            )
        } else {
            format!("{things} wrong in the table ({shown}); nothing was added.")
        };
        Refusal { detail, ..Refusal::input(self.told) }
    }
}

fn at(cell: Cell, code: Code, detail: String) -> InputError {
    let column = match cell.column.as_str() {
        "" => String::new(),
        column => format!("/{}", escape(column)),
    };
    let pointer = format!("/rows/{}{column}", cell.line);
    InputError { pointer, code, detail, cell: Some(cell) }
}

/// What the table's reader has found.
fn told(error: CellError) -> InputError {
    let code = match error.fault {
        Fault::MissingColumn | Fault::Required | Fault::NoRows => Code::Required,
        Fault::UnknownColumn | Fault::ExtraCell => Code::UnknownField,
        Fault::RepeatedColumn | Fault::Repeated => Code::Repeated,
        Fault::UnknownType => Code::BadValue,
        Fault::Example => Code::Example,
    };
    at(Cell { line: error.line, column: error.column }, code, error.detail)
}

fn entry(
    draft: Draft,
    options: &ProjectOptions,
    plaintext: Plaintext,
    faults: &mut Faults,
) -> Option<Entry> {
    let Draft { line, source, destination, group } = draft;
    let from = side(line, source, &SOURCE, options.default_source.as_ref(), plaintext, faults);
    let default = options.default_destination.as_ref();
    let to = side(line, destination, &DESTINATION, default, plaintext, faults);
    if let Some(group) = &group
        && (group.len() > GROUP_MAX_BYTES || group.chars().any(char::is_control))
    {
        let detail = format!("A group's name is a word of at most {GROUP_MAX_BYTES} bytes.");
        faults.add(cell(line, Column::Group), Code::TooLong, detail);
        return None;
    }
    let ((source, from), (destination, to)) = (from?, to?);
    if pairs::is_same(&source, &destination) {
        let detail = "Source and destination are the same account, so there is nothing to move.";
        let cell = cell(line, Column::DestinationLogin);
        faults.add(cell, Code::SameAccount, detail.to_owned());
        return None;
    }
    let items = items(line, &source, &destination, options, faults)?;
    let credentials = Credentials { source: from, destination: to };
    Some(Entry { line, source, destination, credentials, items, group })
}

/// The columns of one side, by the names of the API's fields.
type Columns = [(&'static str, Column); 5];

const SOURCE: Columns = [
    ("/type", Column::SourceType),
    ("/url", Column::SourceUrl),
    ("/login", Column::SourceLogin),
    ("/password", Column::SourcePassword),
    ("/delegate", Column::SourceDelegate),
];

const DESTINATION: Columns = [
    ("/type", Column::DestinationType),
    ("/url", Column::DestinationUrl),
    ("/login", Column::DestinationLogin),
    ("/password", Column::DestinationPassword),
    ("/delegate", Column::DestinationDelegate),
];

fn side(
    line: u32,
    side: Side,
    columns: &Columns,
    default: Option<&ServerDefault>,
    plaintext: Plaintext,
    faults: &mut Faults,
) -> Option<(Account, Credential)> {
    let Side { server_type, url, login, password, delegate } = side;
    // The project's server, where the row names none and does not want another kind.
    let default = default.filter(|default| {
        url.is_empty() && server_type.is_none_or(|wanted| wanted == default.server_type)
    });
    let (server_type, url) = match default {
        Some(default) => (default.server_type, default.url.clone()),
        None => (server_type.unwrap_or(ServerType::Ovh), url),
    };
    let mut errors = Errors::default();
    let body = AccountBody {
        r#type: Some(server_type),
        url: Text::checked(&mut errors, "/url", url),
        login: Text::checked(&mut errors, "/login", login),
        password: Password::checked(&mut errors, "/password", password),
        delegate: Text::checked(&mut errors, "/delegate", delegate.unwrap_or_default()),
        caldav_url: None,
        carddav_url: None,
        sieve_url: None,
    };
    let account = body.check(&mut errors, "", plaintext);
    for error in errors.into_inner() {
        let column = columns.iter().find(|(field, _)| *field == error.pointer);
        let column = column.map_or("", |(_, column)| column.name()).to_owned();
        faults.add(Cell { line, column }, error.code, error.detail);
    }
    account
}

/// What is moved; told at the types where the pair cannot be used.
fn items(
    line: u32,
    source: &Account,
    destination: &Account,
    options: &ProjectOptions,
    faults: &mut Faults,
) -> Option<Vec<Item>> {
    let (from, to) = (spoken(source.server_type), spoken(destination.server_type));
    let mut good = true;
    for (lack, column) in [
        (offer::no_source(from), Column::SourceType),
        (offer::no_destination(to), Column::DestinationType),
    ] {
        if let Some(detail) = lack {
            faults.add(cell(line, column), Code::Unsupported, detail);
            good = false;
        }
    }
    let carried = offer::carried(from, to);
    let items: Vec<_> = options.items.iter().copied().filter(|it| carried.contains(it)).collect();
    if good && items.is_empty() {
        let detail = "Nothing of what the project moves can be moved between these two servers.";
        faults.add(cell(line, Column::SourceType), Code::Unsupported, detail.to_owned());
    }
    (good && !items.is_empty()).then_some(items)
}

/// How a server is spoken to once it is found.
fn spoken(server_type: ServerType) -> ServerType {
    match server_type {
        ServerType::Ovh => ServerType::Imap,
        other => other,
    }
}

fn cell(line: u32, column: Column) -> Cell {
    Cell { line, column: column.name().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use store::seal::Credential::Password;
    use wire::Secret;

    const HEADER: &str = "Source Type;Source Server url;Source Login/Mail;Source Password;Destination Type;Destination Url;Destination Mail;Destination Password;Source admin mail (delegation);Group\n";

    fn taken(rows: &str, options: &ProjectOptions) -> Result<Vec<Entry>, Refusal> {
        read_entries(format!("{HEADER}{rows}").as_bytes(), options, Plaintext::Refused)
    }

    fn account(server_type: ServerType, url: &str, login: &str) -> Account {
        Account { server_type, url: url.into(), login: login.into(), delegate: None }
    }

    #[test]
    fn rows_become_accounts() {
        let rows = "IMAP;imap.x.example;a@x.example;p;q;;;;;\n";
        assert!(taken(rows, &ProjectOptions::default()).is_err(), "a cell too far");
        let rows = "IMAP;imap.x.example;a@x.example; p ;;;b@y.example;q;;wave 1\n\
                    imap;imap://x.example:1143;c@x.example;p;IMAP;;d@y.example;q;root;\n";
        let entries = taken(rows, &ProjectOptions::default()).unwrap();
        let (imap, ovh) = (ServerType::Imap, ServerType::Ovh);
        let from = account(imap, "imaps://imap.x.example", "a@x.example");
        assert_eq!((entries[0].line, &entries[0].source), (2, &from));
        assert_eq!(entries[0].destination, account(ovh, "", "b@y.example"));
        assert_eq!(entries[0].credentials.source, Password(Secret::new(" p ".into())));
        assert_eq!(entries[0].group.as_deref(), Some("wave 1"));
        assert_eq!(entries[1].source.delegate.as_deref(), Some("root"));
        assert_eq!(entries[1].source.url, "imap://x.example:1143");
        assert_eq!(entries[1].destination, account(imap, "", "d@y.example"));
        assert_eq!(entries[1].items, [Item::Mail]);
        let shown = json!(preview(&entries));
        assert_eq!(shown["rows"], 2);
        assert_eq!(shown["groups"], json!({"wave 1": 1, "": 1}));
        assert_eq!(shown["servers"]["destination"], json!({"": 2}));
        assert_eq!(shown["migrations"][0]["source"]["login"], "a@x.example");
        assert!(!shown.to_string().contains("\"q\""));
    }

    #[test]
    fn the_projects_servers_are_filled_in() {
        let server = |server_type, url: &str| Some(ServerDefault { server_type, url: url.into() });
        let options = ProjectOptions {
            default_source: server(ServerType::Imap, "imaps://old.example"),
            default_destination: server(ServerType::Ovh, ""),
            ..ProjectOptions::default()
        };
        let rows = ";;a@x.example;p;IMAP;;b@y.example;q;;\n\
                    IMAP;;c@x.example;p;;;d@y.example;q;;\n\
                    OVH;;e@x.example;p;;imaps://new.example;f@y.example;q;;\n";
        let entries = taken(rows, &options).unwrap();
        let servers: Vec<_> = entries
            .iter()
            .map(|it| (it.source.url.as_str(), it.destination.server_type, &*it.destination.url))
            .collect();
        assert_eq!(
            servers,
            [
                ("imaps://old.example", ServerType::Imap, ""),
                ("imaps://old.example", ServerType::Ovh, ""),
                ("", ServerType::Imap, "imaps://new.example"),
            ]
        );
    }

    #[test]
    fn everything_wrong_is_told_with_line_and_column() {
        let rows = "IMAP;ftp://x.example;a@x.example;p;IMAP;y.example;;q;;\n\
                    IMAP;imap://x.example?tls=none;b@x.example;p;IMAP;y.example;b@y.example;q;;\n\
                    Exchange;;c@x.example;p;IMAP;y.example;c@y.example;q;;\n\
                    Lotus;x.example;d@x.example;p;IMAP;y.example;d@y.example;q;;\n\
                    IMAP;x.example;e@x.example;p;IMAP;y.example;B@Y.example;q;;\n\
                    IMAP;x.example;f@x.example;p;Zimbra;https://y.example;f@y.example;q;;\n";
        let refusal = taken(rows, &ProjectOptions::default()).unwrap_err();
        let told: Vec<_> = refusal.errors.iter().map(|it| (it.pointer.as_str(), it.code)).collect();
        assert_eq!(
            told,
            [
                ("/rows/2/Destination Mail", Code::Required),
                ("/rows/3/Source Server url", Code::BadUrl),
                ("/rows/4/Source Server url", Code::Required),
                ("/rows/5/Source Type(IMAP~1Exchange~1POP)", Code::BadValue),
                ("/rows/6/Destination Mail", Code::Repeated),
                ("/rows/7/Destination Url(can be leaved empty if hosted by OVH)", Code::BadUrl),
            ]
        );
        let problem = json!(refusal.problem());
        assert_eq!(problem["status"], 422);
        assert_eq!(problem["errors"][0]["line"], 2);
        assert_eq!(problem["errors"][0]["column"], "Destination Mail");
        assert_eq!(
            problem["detail"],
            "Several things are wrong in the table (6); nothing was added."
        );
    }

    #[test]
    fn files_that_are_no_tables() {
        let options = ProjectOptions::default();
        let refused = |file: &[u8]| read_entries(file, &options, Plaintext::Refused).unwrap_err();
        let pdf = refused(b"%PDF-1.4");
        assert_eq!((pdf.code.status(), pdf.errors.len()), (415, 0));
        let rows = ";;a;p;;;b;q;;\n".repeat(5_001);
        assert_eq!(refused(format!("{HEADER}{rows}").as_bytes()).code, Code::TooMany);
        let large = vec![b'x'; ::tables::grid::FILE_MAX_BYTES + 1];
        assert_eq!(refused(&large).code.status(), 413);
        let template = crate::tables::template::csv();
        assert_eq!(refused(&template).errors[0].code, Code::Example);
        let bad = ";https://x;a;p;;;b;;;\n".repeat(3_000);
        let refusal = refused(format!("{HEADER}{bad}").as_bytes());
        assert_eq!(refusal.errors.len(), ERRORS_MAX);
        assert!(refusal.detail.starts_with("3000 things"), "{}", refusal.detail);
    }
}
