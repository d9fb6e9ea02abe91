//! Accounts that are in several rows: passwords of one account would be tried one after the other.
//!
//! A mailbox is moved once, and whoever may log in to it has one password. A table with one login
//! and many passwords is a list of guesses, and would be answered with the right one.

use std::collections::BTreeMap;

use migrate::tries;
use model::Account;
use store::seal::Credential;

use crate::refusals::{Cell, Code, InputError, Refusal};
use crate::tables::drafts::ERRORS_MAX;
use crate::tables::entries::Entry;

/// What a column has of an account.
struct Column {
    login: &'static str,
    password: &'static str,
}

const SOURCE: Column = Column { login: "Source Login/Mail", password: "Source Password" };
const DESTINATION: Column = Column { login: "Destination Mail", password: "Destination Password" };

/// Refuses rows with a source of an earlier row, and rows that log in as somebody of an earlier row with
/// another password. What other tables brought has no password any more that could be compared; how often
/// log-ins may fail holds for all of them together ([`tries`]).
pub(super) fn refuse(entries: &[Entry]) -> Result<(), Refusal> {
    let mut errors = Vec::new();
    let mut sources: BTreeMap<String, u32> = BTreeMap::new();
    let mut logins: [BTreeMap<String, (u32, &Credential)>; 2] = Default::default();
    for entry in entries {
        if let Some(line) = sources.insert(mailbox(&entry.source), entry.line) {
            let detail =
                format!("The account {} is the source of line {line}, too.", entry.source.login);
            errors.push(at(entry.line, SOURCE.login, detail));
        }
        let sides = [
            (&entry.source, &entry.credentials.source, SOURCE.password),
            (&entry.destination, &entry.credentials.destination, DESTINATION.password),
        ];
        for ((account, credential, column), logins) in sides.into_iter().zip(&mut logins) {
            let identity = tries::identity(account);
            match logins.get(&identity) {
                Some((line, other)) if *other != credential => {
                    let detail =
                        format!("Line {line} logs in as the same one with another password.");
                    errors.push(at(entry.line, column, detail));
                }
                Some(_) => {}
                None => {
                    logins.insert(identity, (entry.line, credential));
                }
            }
        }
    }
    errors.truncate(ERRORS_MAX);
    if errors.is_empty() { Ok(()) } else { Err(Refusal::input(errors)) }
}

fn at(line: u32, column: &str, detail: String) -> InputError {
    InputError {
        pointer: format!("/rows/{line}/{column}"),
        code: Code::Repeated,
        detail,
        cell: Some(Cell { line, column: column.to_owned() }),
    }
}

/// A mailbox: whoever logs in to it, and where.
fn mailbox(account: &Account) -> String {
    let own = Account { delegate: None, ..account.clone() };
    format!("{} {}", tries::identity(&own), tries::host(account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ProjectOptions;

    const HEADER: &str = "Source Type;Source Server url;Source Login/Mail;Source Password;\
        Destination Type;Destination Url;Destination Mail;Destination Password;\
        Source admin mail (delegation);Destination Admin Mail (delegation)\n";

    fn refused(rows: &[&str]) -> Vec<String> {
        let file = format!("{HEADER}{}\n", rows.join("\n"));
        let options = ProjectOptions::default();
        let read = crate::tables::entries::read_entries(
            file.as_bytes(),
            &options,
            dial::Plaintext::Refused,
        );
        let entries = read.unwrap();
        match refuse(&entries) {
            Ok(()) => Vec::new(),
            Err(refusal) => refusal
                .errors
                .iter()
                .map(|it| format!("{} {}", it.cell.as_ref().unwrap().line, it.pointer))
                .collect(),
        }
    }

    fn row(source: &str, password: &str, destination: &str) -> String {
        format!("IMAP;mail.a.example;{source};{password};IMAP;b.example;{destination};p;;")
    }

    #[test]
    fn a_list_of_guesses_is_no_table_of_migrations() {
        let rows = [
            row("anna@a.example", "one", "anna@b.example"),
            row("Anna@a.example", "two", "ann@b.example"),
            row("bob@a.example", "one", "bob@b.example"),
        ];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let expected = ["3 /rows/3/Source Login/Mail", "3 /rows/3/Source Password"];
        assert_eq!(refused(&rows), expected);
        assert_eq!(refused(&[rows[0], rows[2]]), Vec::<String>::new());
    }

    #[test]
    fn neither_by_way_of_an_administrator() {
        let by = |user: &str, password: &str| {
            format!(
                "IMAP;a.example;{user}@a.example;{password};IMAP;b.example;{user}@b.example;p;root@a.example;"
            )
        };
        let rows = [by("anna", "one"), by("bob", "one"), by("carl", "two")];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(refused(&rows), ["4 /rows/4/Source Password"]);
    }
}
