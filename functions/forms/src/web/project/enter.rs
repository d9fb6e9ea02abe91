//! A project that is made, and the way in and out.

use model::ProjectId;
use pages::project::enter::{self, Notice};
use project::guard;
use serde_json::{Map, Value, json};
use wire::Secret;

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::reading::{form as form_fields, project as reading};
use crate::refusals::{Code, Refusal};
use crate::request::{Request, value};
use crate::routes::route;
use crate::steps::{projects as steps_projects, session};
use crate::web::page::{elsewhere, form_body, language, show};

pub(super) async fn make<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let mut fields = form_body(request, body)?;
    let mut object = Map::from_iter([("language".to_owned(), json!(language(request).tag()))]);
    for (name, text) in &mut fields {
        // A password is taken out, so that no second copy is left to be shown.
        let given = if name == "password" { std::mem::take(text) } else { text.clone() };
        if !given.is_empty() {
            object.insert(name.clone(), json!(given));
        }
    }
    let made = match reading::creation(Value::Object(object)) {
        Ok(creation) => steps_projects::make(app, creation).await,
        Err(refusal) => Err(refusal),
    };
    match made {
        Ok(id) => {
            let token = guard::begin_session(app.store(), &id, &app.outside, app.now()).await?;
            let answer = Answer::see_other(&format!("/projects/{id}?made=yes"));
            Ok(session::with_cookie(answer, request, &id, &token))
        }
        Err(refusal) if refusal.code == Code::InvalidInput => {
            fields.retain(|(name, _)| name != "password");
            let filled = form_fields::filled(&fields, &refusal);
            Ok(show(request, refusal.code.status(), |page| enter::new(page, &filled)))
        }
        Err(refusal) => Err(refusal),
    }
}

/// The page that leads to where a project is opened, for a request that nobody is logged in for.
pub fn way_in(request: &Request, id: &str) -> Answer {
    // What a form sent is lost; its page has the same address, or there is none.
    let query: Vec<(String, String)> = match request.method {
        http::Method::GET => request.query.clone(),
        _ => Vec::new(),
    };
    let words: Vec<String> = query
        .iter()
        .filter(|(name, _)| name != "lang")
        .map(|(name, value)| {
            format!("{}={}", pages::layout::encode(name), pages::layout::encode(value))
        })
        .collect();
    let mark = if words.is_empty() { "" } else { "?" };
    let back = format!("{}{mark}{}", request.path, words.join("&"));
    let back = if back_to(id, &back).is_some() { back } else { String::new() };
    opening(request, Notice::SignIn, (id, &back), 401)
}

/// The way in as a page; its address for the language switch is that of the empty form.
pub fn opening(request: &Request, notice: Notice, (id, back): (&str, &str), status: u16) -> Answer {
    let query = [("id", id), ("back", back)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut asked: Vec<(String, String)> = query.collect();
    asked.extend(request.asked("lang").map(|tag| ("lang".to_owned(), tag.to_owned())));
    let request = elsewhere(request, "/projects/open".to_owned(), asked);
    let answer = show(&request, status, |page| enter::open(page, enter::Open { id, back, notice }));
    if status == 401 { answer.with("www-authenticate", "Bearer") } else { answer }
}

pub(super) fn open_form(request: &Request) -> Answer {
    let id = request.asked("id").unwrap_or_default();
    let back = request.asked("back").unwrap_or_default();
    let closed = request.asked("closed").is_some();
    let notice = if closed { Notice::Closed } else { Notice::Nothing };
    opening(request, notice, (id, back), 200)
}

/// Where to go once a project is open: a page of that very project.
pub fn back_to(id: &str, back: &str) -> Option<String> {
    let id = ProjectId::parse(id)?;
    let path = back.split('?').next().unwrap_or_default();
    let its = path.strip_prefix("/projects/")?.split('/').next()?;
    let safe = back.bytes().all(|byte| byte.is_ascii_graphic());
    let known = route("GET", path).is_ok();
    (safe && known && ProjectId::parse(its) == Some(id)).then(|| back.to_owned())
}

pub(super) async fn open<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let fields = form_body(request, body)?;
    let typed = value(&fields, "id").unwrap_or_default();
    let back = value(&fields, "back").unwrap_or_default();
    let password = Secret::new(value(&fields, "password").unwrap_or_default().to_owned());
    match session::begin(app, typed, &password).await {
        Ok((id, token)) => {
            let to = back_to(typed, back).unwrap_or_else(|| format!("/projects/{id}"));
            Ok(session::with_cookie(Answer::see_other(&to), request, &id, &token))
        }
        Err(refusal) if refusal.code == Code::WrongPassword => {
            Ok(opening(request, Notice::Wrong, (typed, back), 401))
        }
        Err(refusal) if refusal.code == Code::TooManyTries => {
            let seconds = refusal.retry_after_s.unwrap_or(1);
            let answer = opening(request, Notice::Wait(seconds), (typed, back), 429);
            Ok(answer.with("retry-after", seconds.to_string()))
        }
        Err(refusal) => Err(refusal),
    }
}

pub(super) async fn close<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refusal> {
    match session::end(app, id, request).await {
        Ok(()) => {}
        // It was over already.
        Err(refusal) if refusal.code == Code::SignIn => {}
        Err(refusal) => return Err(refusal),
    }
    let Some(id) = ProjectId::parse(id) else { return Ok(way_in(request, id)) };
    let to = format!("{}&closed=yes", enter::address(id.as_str()));
    Ok(session::without_cookie(Answer::see_other(&to), request, &id))
}
