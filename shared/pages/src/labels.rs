//! What fields are called where their errors are listed.

use crate::Page;

/// The label of a field that only projects have.
pub(crate) fn of_project(page: &Page<'_>, field: &str) -> Option<String> {
    let words = &page.words.project;
    let label = match field {
        "name" => words.name,
        "password" => words.password,
        "email" => page.words.field_email,
        "group" => words.add_group,
        "concurrency" => words.options_concurrency,
        "requests_per_server" => words.options_requests,
        "default_source.type" | "default_source.url" => words.options_source,
        "default_destination.type" | "default_destination.url" => words.options_destination,
        _ if field.starts_with("wave.") => words.options_waves,
        _ => return None,
    };
    Some(label.to_owned())
}
