//! One migration that a browser adds.

use model::{Account, Project};
use pages::form::Filled;
use pages::layout::encode;
use pages::project::add as page_of_add;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::reading::{form as form_fields, project as reading};
use crate::refusals::Refusal;
use crate::request::{Request, value};
use crate::steps::{adding, projects as steps_projects};
use crate::web::new::detected;
use crate::web::page::{OFFER, form_body, show};
use crate::web::project::parts::{address, named, server};

/// `GET /projects/{id}/add`: the form with the project's servers and items.
pub fn form(project: &Project, request: &Request) -> Answer {
    let mut values = Vec::new();
    let options = &project.options;
    values.extend(server("source", options.default_source.as_ref()));
    values.extend(server("destination", options.default_destination.as_ref()));
    for item in &options.items {
        values.push(("items".to_owned(), item.name().to_owned()));
    }
    values.push(("options.content_digests".to_owned(), "true".to_owned()));
    // Who adds several of one group types it once.
    values.extend(request.asked("group").map(|group| ("group".to_owned(), group.to_owned())));
    let filled = Filled { values, ..Filled::default() };
    form_page(project, request, 200, &filled)
}

fn form_page(project: &Project, request: &Request, status: u16, filled: &Filled) -> Answer {
    let added = request.method == http::Method::GET && request.asked("added").is_some();
    let add = page_of_add::Add { project: named(project), offer: OFFER, filled, added };
    show(request, status, |page| page_of_add::page(page, &add))
}

/// `POST /projects/{id}/add`.
pub async fn add<O: Outside>(
    app: &App<O>,
    project: &Project,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let mut fields = form_body(request, body)?;
    if let Some(side) = value(&fields, "detect").map(str::to_owned) {
        let filled = detected(app, &mut fields, &side).await?;
        return Ok(form_page(project, request, 200, &filled));
    }
    let keep = value(&fields, "keep") == Some("yes");
    let group = value(&fields, "group").unwrap_or_default().to_owned();
    match try_to_add(app, project, &mut fields, keep).await {
        Ok(()) => {
            let with = if group.is_empty() { String::new() } else { "&group=".to_owned() };
            let to = format!("/add?added=yes{with}{}", encode(&group));
            Ok(Answer::see_other(&address(project, &to)))
        }
        Err(refusal) if refusal.code.status() < 500 => {
            // So that boxes which are not ticked stay so.
            fields.push((String::new(), String::new()));
            let filled = form_fields::filled(&fields, &refusal);
            Ok(form_page(project, request, refusal.code.status(), &filled))
        }
        Err(refusal) => Err(refusal),
    }
}

async fn try_to_add<O: Outside>(
    app: &App<O>,
    project: &Project,
    fields: &mut [(String, String)],
    keep: bool,
) -> Result<(), Refusal> {
    let wanted = fields.iter().any(|(name, _)| name == "items");
    let mut object = form_fields::object(fields);
    if let Some(object) = object.as_object_mut() {
        object.remove("keep");
        // Without a box ticked a browser sends no field at all, which the API takes for "as usual".
        if !wanted {
            object.insert("items".to_owned(), json!([]));
        }
    }
    let (asked, group) = reading::member(object, &project.options, app.plaintext)?;
    let defaults = json!({"default_source": default(&asked.source),
                          "default_destination": default(&asked.destination)});
    adding::add_one(app, project, asked, group).await?;
    if keep {
        steps_projects::change_options(app, project, defaults).await?;
    }
    Ok(())
}

/// What is kept of an account: its server.
pub fn default(account: &Account) -> Value {
    json!({"type": account.server_type.name(), "url": account.url})
}
