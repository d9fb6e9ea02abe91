//! The options of a project, as a form has them.

use std::collections::{BTreeMap, BTreeSet};

use model::project::WAVES_MAX;
use model::{Project, ProjectOptions, Timestamp};
use pages::form::Filled;
use pages::project::options as page_of_options;
use project::record;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::reading::{Errors, escape, form as form_fields};
use crate::refusals::{Code, Refusal};
use crate::request::{Request, value};
use crate::steps::projects as steps_projects;
use crate::web::page::{OFFER, form_body, show};
use crate::web::project::parts::{address, named, server};

/// `GET /projects/{id}/options`.
pub async fn form<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
) -> Result<Answer, Refusal> {
    let queue = record::queue(app.store(), &project.id).await?;
    let (values, waves) = values(&project.options, &queue.groups());
    let filled = Filled { values, ..Filled::default() };
    Ok(form_page(project, request, 200, (&filled, waves)))
}

/// The options as the fields of the form, and how many waves have rows: one for each group that is
/// known, and an empty one.
pub fn values(options: &ProjectOptions, groups: &BTreeSet<&str>) -> (Vec<(String, String)>, usize) {
    let mut values = vec![
        ("concurrency".to_owned(), options.concurrency.to_string()),
        ("requests_per_server".to_owned(), options.requests_per_server.to_string()),
    ];

    values.extend(options.items.iter().map(|item| ("items".to_owned(), item.name().to_owned())));
    values.extend(server("default_source", options.default_source.as_ref()));
    values.extend(server("default_destination", options.default_destination.as_ref()));
    let mut waves: BTreeMap<&str, Option<Timestamp>> =
        groups.iter().map(|group| (*group, None)).collect();
    waves.extend(options.waves.iter().map(|(group, start)| (group.as_str(), Some(*start))));
    let rows = (waves.len() + 1).min(WAVES_MAX);
    // Those that have a time first: what has no row would lose it.
    let (timed, open): (Vec<_>, Vec<_>) = waves.into_iter().partition(|(_, start)| start.is_some());
    for (at, (group, start)) in timed.into_iter().chain(open).take(rows).enumerate() {
        values.push((format!("wave.{at}.group"), group.to_owned()));
        if let Some(start) = start {
            let minute: String = start.rfc3339().chars().take(16).collect();
            values.push((format!("wave.{at}.start"), minute));
        }
    }
    (values, rows)
}

fn form_page(
    project: &Project,
    request: &Request,
    status: u16,
    (filled, waves): (&Filled, usize),
) -> Answer {
    let saved = request.method == http::Method::GET && request.asked("saved").is_some();
    let options =
        page_of_options::Options { project: named(project), offer: OFFER, filled, waves, saved };
    show(request, status, |page| page_of_options::page(page, &options))
}

/// `POST /projects/{id}/options`.
pub async fn save<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let fields = form_body(request, body)?;
    let changed = match object(&fields) {
        Ok(object) => steps_projects::change_options(app, project, object).await,
        Err(refusal) => Err(refusal),
    };
    match changed {
        Ok(()) => Ok(Answer::see_other(&address(project, "/options?saved=yes"))),
        Err(refusal) if refusal.code.status() < 500 => {
            let mut filled = form_fields::filled(&fields, &refusal);
            for error in &mut filled.errors {
                if let Some(at) = wave_of(&fields, &error.field) {
                    error.field = format!("wave.{at}.start");
                }
            }
            let waves = waves(&fields).count().clamp(1, WAVES_MAX);
            Ok(form_page(project, request, refusal.code.status(), (&filled, waves)))
        }
        Err(refusal) => Err(refusal),
    }
}

/// The waves as typed: number of the row, group, start.
pub fn waves(fields: &[(String, String)]) -> impl Iterator<Item = (usize, &str, &str)> {
    (0..WAVES_MAX).map_while(|at| {
        let group = value(fields, &format!("wave.{at}.group"))?;
        let start = value(fields, &format!("wave.{at}.start")).unwrap_or_default();
        Some((at, group.trim(), start.trim()))
    })
}

/// The row that a field of the API's object stands for.
pub fn wave_of(fields: &[(String, String)], field: &str) -> Option<usize> {
    let shown = field.strip_prefix("waves.")?;
    let named = |group: &str| escape(&group.chars().take(60).collect::<String>());
    waves(fields).find(|(_, group, _)| named(group) == shown).map(|(at, ..)| at)
}

/// The object of `PATCH /projects/{id}/options` from a form's fields.
pub fn object(fields: &[(String, String)]) -> Result<Value, Refusal> {
    let word = |name: &str| value(fields, name).unwrap_or_default().trim();
    let number = |name: &str| match word(name).parse::<u64>() {
        Ok(number) => json!(number),
        Err(_) => json!(word(name)),
    };
    let items: Vec<&str> =
        fields.iter().filter(|(name, _)| name == "items").map(|(_, item)| item.as_str()).collect();
    let default = |side: &str| match word(&format!("{side}.type")) {
        "" => Value::Null,
        server_type => json!({"type": server_type, "url": word(&format!("{side}.url"))}),
    };
    let mut errors = Errors::default();
    let mut starts = Map::new();
    for (at, group, start) in waves(fields) {
        if start.is_empty() {
            continue;
        }
        if group.is_empty() {
            let detail = "A start needs the group that it is for.";
            errors.add(format!("/wave.{at}.group"), Code::Required, detail);
        } else if starts.contains_key(group) {
            let detail = "This group has two starts.";
            errors.add(format!("/wave.{at}.group"), Code::Repeated, detail);
        } else {
            starts.insert(group.to_owned(), form_fields::moment(start));
        }
    }
    let object = json!({
        "items": items,
        "concurrency": number("concurrency"),
        "requests_per_server": number("requests_per_server"),
        "default_source": default("default_source"),
        "default_destination": default("default_destination"),
        "waves": starts,
    });
    errors.finish(Some(object))
}
