//! Many migrations from a spreadsheet, checked before anything is added.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Project, Tab, frame};
use crate::Page;
use crate::layout::Reload;
use crate::show::number;
use crate::words::fill;

/// A cell that is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// The row of the sheet, or the line of the file.
    pub line: u32,
    /// The column's name; empty where the row as a whole is meant.
    pub column: &'a str,
    /// The refusal's code; its sentence is in the catalogue.
    pub code: &'a str,
    /// What the check said, in its own words.
    pub said: &'a str,
}

/// A row that would be added.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Where it stands in the file.
    pub line: u64,
    /// The login at the source.
    pub source: &'a str,
    /// Its server; empty where it is found from the address.
    pub source_url: &'a str,
    /// The login at the destination.
    pub destination: &'a str,
    /// Its server, likewise.
    pub destination_url: &'a str,
    /// Its wave.
    pub group: &'a str,
}

/// What a file would add.
#[derive(Debug, Clone)]
pub struct Preview<'a> {
    /// Migrations.
    pub rows: u64,
    /// How many of each group; the empty name for those without.
    pub groups: BTreeMap<&'a str, u64>,
    /// How many of each server of the old mailboxes; the empty name for those that are found.
    pub sources: BTreeMap<&'a str, u64>,
    /// The same of the new mailboxes.
    pub destinations: BTreeMap<&'a str, u64>,
    /// The first rows.
    pub first: Vec<Line<'a>>,
}

/// What became of a file.
#[derive(Debug, Clone)]
pub enum Checked<'a> {
    /// None was sent yet.
    Nothing,
    /// The form came without one.
    NoFile,
    /// It is refused as a whole.
    Refused {
        /// The refusal's code; its sentence is in the catalogue.
        code: &'a str,
        /// More words.
        said: &'a str,
    },
    /// Cells are wrong.
    Wrong {
        /// What is wrong.
        cells: Vec<Cell<'a>>,
        /// Whether there may be more than these.
        more: bool,
    },
    /// It could be added.
    Fits(Preview<'a>),
}

/// The page.
pub fn page(page: &Page<'_>, project: Project<'_>, checked: &Checked<'_>) -> String {
    let words = &page.words.project;
    let tab = html! {
        div.form-head {
            h2 { (words.import_title) }
            p { (words.import_lead) }
            p.links {
                a href="/api/v1/templates/migrations.xlsx" download { (words.import_template_xlsx) } " "
                a href="/api/v1/templates/migrations.csv" download { (words.import_template_csv) }
            }
        }
        form.card method="post" enctype="multipart/form-data" action=(project.address("/import#result"))
            data-busy=(words.import_wait) data-check="result" {
            (file(page, words.import_file_hint))
            p.buttons {
                button name="action" value="check" { (words.import_check) }
                button.primary name="action" value="add" { (words.import_all) }
                span.busy role="status" {}
            }
        }
        div.stack #result tabindex="-1" { (result(page, checked)) }
        section.terms aria-labelledby="columns" {
            h2 #columns { (words.import_columns_title) }
            ul {
                @for text in [words.import_columns_servers, words.import_columns_passwords, words.import_columns_delegation, words.import_columns_group] {
                    li { (text) }
                }
            }
        }
    };
    page.document(words.import_title, Reload::Never, frame(page, project, Tab::Import, &tab))
}

/// The field for a spreadsheet.
pub(crate) fn file(page: &Page<'_>, hint: &str) -> Markup {
    html! {
        div.field {
            label for="file" { (page.words.project.import_file) }
            input #file name="file" type="file" required accept=".csv,.txt,.tsv,.xlsx,.xls,.ods"
                aria-describedby="file-hint";
            p.hint #file-hint { (hint) }
        }
    }
}

/// What became of the file.
pub(crate) fn result(page: &Page<'_>, checked: &Checked<'_>) -> Markup {
    let words = &page.words.project;
    html! {
        @match checked {
            Checked::Nothing => {},
            Checked::NoFile => div.notice.bad role="alert" { p { (words.import_no_file) } },
            Checked::Refused { code, said } => div.notice.bad role="alert" {
                h2 { (words.import_bad_title) }
                p { (page.words.refusal(code).unwrap_or(page.words.problem_title)) " " span.said lang="en" { (said) } }
            },
            Checked::Wrong { cells, more } => (wrong(page, cells, *more)),
            Checked::Fits(preview) => (fits(page, preview)),
        }
    }
}

fn wrong(page: &Page<'_>, cells: &[Cell<'_>], more: bool) -> Markup {
    let words = &page.words.project;
    let n = number(page.words, cells.len() as u64);
    html! {
        div.notice.bad role="alert" {
            h2 { (words.import_bad_title) }
            p { (words.import_bad_lead) @if more { " " (fill(words.import_bad_more, &[("n", &n)])) } }
        }
        section.card aria-labelledby="wrong" {
            h2 #wrong { (words.import_wrong) }
            table.rows {
                thead { tr {
                    th.number scope="col" { (words.column_line) }
                    th scope="col" { (words.column_column) }
                    th scope="col" { (page.words.column_reason) }
                } }
                tbody {
                    @for cell in cells {
                        tr {
                            th.number scope="row" data-label=(words.column_line) { (number(page.words, u64::from(cell.line))) }
                            td data-label=(words.column_column) { bdi { (cell.column) } }
                            td.reason data-label=(page.words.column_reason) {
                                (page.words.refusal(cell.code).unwrap_or(page.words.errors_title))
                                " " span.said lang="en" { (cell.said) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn fits(page: &Page<'_>, preview: &Preview<'_>) -> Markup {
    let words = &page.words.project;
    let n = number(page.words, preview.rows);
    let counted = [
        (words.import_sources, &preview.sources, words.import_found),
        (words.import_destinations, &preview.destinations, words.import_found),
        (words.import_groups, &preview.groups, words.import_no_group),
    ];
    html! {
        div.notice.good role="status" {
            h2 { (words.import_good_title) }
            p { (fill(words.import_good_lead, &[("n", &n)])) " " span.again { (words.import_good_again) } }
            dl.figures {
                @for (title, counts, unnamed) in counted {
                    div {
                        dt { (title) }
                        @for (name, count) in counts {
                            dd { (number(page.words, *count)) " × " @if name.is_empty() { (unnamed) } @else { bdi { (name) } } }
                        }
                    }
                }
            }
        }
        section.card aria-labelledby="first" {
            h2 #first { (words.import_rows) }
            table.rows {
                thead { tr {
                    th.number scope="col" { (words.column_line) }
                    th scope="col" { (words.column_old) }
                    th scope="col" { (words.column_new) }
                    th scope="col" { (words.column_group) }
                } }
                tbody {
                    @for line in &preview.first {
                        tr {
                            td.number data-label=(words.column_line) { (number(page.words, line.line)) }
                            th scope="row" data-label=(words.column_old) { (mailbox(page, line.source, line.source_url)) }
                            td.mailbox data-label=(words.column_new) { (mailbox(page, line.destination, line.destination_url)) }
                            td.(if line.group.is_empty() { "zero" } else { "group" }) data-label=(words.column_group) { bdi { (line.group) } }
                        }
                    }
                }
            }
        }
    }
}

fn mailbox(page: &Page<'_>, login: &str, url: &str) -> Markup {
    let server = if url.is_empty() { page.words.project.import_found } else { url };
    html! { span { bdi { (login) } " " span.hint { (server) } } }
}
