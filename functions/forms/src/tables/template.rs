//! The templates of an import: the header, and one row that shows what belongs there.

use ::tables::writing::csv::{CsvWriter, Mark};
use ::tables::writing::xlsx::{self, WorkbookWriter};

use super::columns::Column;

/// The example, in the order of the columns; its domains belong to nobody (RFC 2606).
const EXAMPLE: &[&str] = &[
    "IMAP",
    "imap.example.org",
    "anna@example.org",
    "the password there",
    "IMAP",
    "imap.example.net",
    "anna@example.net",
    "the password there",
    "",
    "",
];

/// The columns of the template, as the commercial original has them.
fn header() -> Vec<&'static str> {
    Column::ALL.iter().map(|column| column.name()).take(EXAMPLE.len()).collect()
}

/// Whether a row has the example's accounts, so that nobody has replaced it.
pub(super) fn is_example(source: &str, destination: &str) -> bool {
    let logins = (EXAMPLE.get(2).copied(), EXAMPLE.get(6).copied());
    (Some(source), Some(destination)) == logins
}

/// `migrations.csv`, with semicolons, as the original has it.
pub fn csv() -> Vec<u8> {
    let mut writer = CsvWriter::new(b';', Mark::Written);
    writer.row(&header());
    writer.row(EXAMPLE);
    writer.take()
}

/// `migrations.xlsx`.
pub fn xlsx() -> Result<Vec<u8>, xlsx::Error> {
    let mut writer = WorkbookWriter::new("Migrations", &header())?;
    writer.row(EXAMPLE)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::drafts::{Fault, read_drafts};
    use ::tables::read_table;

    #[test]
    fn the_header_is_the_original_one() {
        let original = "\"Source Type(IMAP/Exchange/POP)\";Source Server url;Source Login/Mail;\
                        Source Password;Destination Type;\
                        \"Destination Url(can be leaved empty if hosted by OVH)\";\
                        Destination Mail;Destination Password;Source admin mail (delegation);\
                        Destination Admin Mail (delegation)";
        let original = read_table(original.as_bytes()).unwrap().remove(0).cells;
        for template in [csv(), xlsx().unwrap()] {
            let rows = read_table(&template).unwrap();
            assert_eq!(rows.first().unwrap().cells, original);
            assert_eq!(rows.len(), 2);
        }
    }

    #[test]
    fn an_untouched_template_is_refused() {
        for template in [csv(), xlsx().unwrap()] {
            let listed = read_drafts(&template).unwrap();
            assert_eq!((listed.drafts.len(), listed.total), (0, 1));
            let errors = listed.errors;
            assert_eq!((errors[0].line, errors[0].fault), (2, Fault::Example));
        }
    }
}
