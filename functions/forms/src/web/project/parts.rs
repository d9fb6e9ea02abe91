//! What all pages of a project have.

use model::{Project, ServerDefault};

/// The address of one of a project's pages.
pub fn address(project: &Project, tail: &str) -> String {
    format!("/projects/{}{tail}", project.id)
}

/// What pages call a project.
pub fn named<'p>(project: &'p Project) -> pages::project::Project<'p> {
    pages::project::Project { id: project.id.as_str(), name: &project.name }
}

/// A default as the fields of a side.
pub fn server(side: &str, default: Option<&ServerDefault>) -> Vec<(String, String)> {
    let Some(default) = default else { return Vec::new() };
    vec![
        (format!("{side}.type"), default.server_type.name().to_owned()),
        (format!("{side}.url"), default.url.clone()),
    ]
}
