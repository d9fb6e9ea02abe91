//! Who is let into a project: a password for a token, which a program sends as a bearer token and a
//! browser as a cookie.

use model::{Project, ProjectId};
use project::{guard, record};
use wire::Secret;

use crate::answer::Answer;
use crate::app::{App, Outside};
use crate::refusals::{Code, Refusal};
use crate::request::Request;
use crate::steps::limiting;

/// The cookie of a project; each has its own, so that several are open at a time.
fn cookie_name(id: &ProjectId) -> String {
    format!("project-{id}")
}

/// The same where browsers come by TLS: only this very host sets a cookie of such a name, and only
/// over TLS (RFC 6265bis section 4.1.3.2).
fn host_cookie_name(id: &ProjectId) -> String {
    format!("__Host-project-{id}")
}

/// The token that a request brings for a project.
fn token<'r>(request: &'r Request, id: &ProjectId) -> Option<&'r str> {
    let safe = request.cookie(&host_cookie_name(id)).filter(|_| request.secure);
    // One of before the installation had TLS still leads in, and out.
    request.bearer().or(safe).or_else(|| request.cookie(&cookie_name(id)))
}

/// The project, where the request may open it; else exactly one answer.
pub async fn open<O: Outside>(
    app: &App<O>,
    id: &str,
    request: &Request,
) -> Result<Project, Refusal> {
    let closed = || Refusal::of(Code::SignIn);
    let id = ProjectId::parse(id).ok_or_else(closed)?;
    let token = token(request, &id).ok_or_else(closed)?;
    if !guard::is_open(app.store(), &id, token, app.now()).await? {
        return Err(closed());
    }
    record::read(app.store(), &id).await?.ok_or_else(closed)
}

/// Lets a request's body in: one that may be large only where it may open the project.
pub async fn admit<O: Outside>(app: &App<O>, request: &Request) -> Result<(), Refusal> {
    match request.table_for() {
        Some(id) => open(app, id, request).await.map(|_| ()),
        None => Ok(()),
    }
}

/// Exchanges the password for a token.
pub async fn begin<O: Outside>(
    app: &App<O>,
    id: &str,
    password: &Secret,
) -> Result<(ProjectId, Secret), Refusal> {
    let wrong = || Refusal::of(Code::WrongPassword);
    let id = ProjectId::parse(id).ok_or_else(wrong)?;
    // Hashing a password costs more than anything else here, so what limits it comes first.
    app.spend(&limiting::ENTER).await?;
    match guard::check(app.store(), &id, password, (&app.client, app.now())).await? {
        Ok(()) => app.refund(&limiting::ENTER).await?,
        Err(guard::Refused::Wrong) => return Err(wrong()),
        Err(guard::Refused::Wait(seconds)) => {
            let detail = format!("Too many wrong passwords; try again in {seconds} s.");
            let refusal = Refusal::because(Code::TooManyTries, detail);
            return Err(Refusal { retry_after_s: Some(seconds), ..refusal });
        }
    }
    let token = guard::begin_session(app.store(), &id, &app.outside, app.now()).await?;
    Ok((id, token))
}

/// Gives the token back.
pub async fn end<O: Outside>(app: &App<O>, id: &str, request: &Request) -> Result<(), Refusal> {
    let project = open(app, id, request).await?;
    if let Some(token) = token(request, &project.id) {
        guard::end_session(app.store(), &project.id, token).await?;
    }
    Ok(())
}

/// With the token as a cookie: kept from scripts, and never sent along from other sites
/// (RFC 6265bis section 5.6.7).
pub fn with_cookie(answer: Answer, request: &Request, id: &ProjectId, token: &Secret) -> Answer {
    let seconds = guard::SESSION_MS / 1000;
    answer.with("set-cookie", cookie(request, id, token.expose(), seconds))
}

/// With the cookie taken away, under each name that it may have.
pub fn without_cookie(answer: Answer, request: &Request, id: &ProjectId) -> Answer {
    let answer = answer.with("set-cookie", cookie(request, id, "", 0));
    match request.secure {
        true => answer.and("set-cookie", format!("{}{ENDED}", cookie_name(id))),
        false => answer,
    }
}

/// What ends a cookie of before the installation had TLS.
const ENDED: &str = "=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict";

fn cookie(request: &Request, id: &ProjectId, value: &str, seconds: u64) -> String {
    let (name, secure) = match request.secure {
        true => (host_cookie_name(id), "; Secure"),
        false => (cookie_name(id), ""),
    };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}
