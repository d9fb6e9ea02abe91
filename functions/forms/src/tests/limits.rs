//! What strangers cannot make an installation do.

use serde_json::{Value, json};

use super::{Fake, app, form, get, good, kept, object, post, send, side, text};
use crate::answer::Answer;
use crate::app::App;
use crate::steps::limiting;
use wire::Secret;

fn wait(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 429, "{}", text(answer));
    answer.header("retry-after").unwrap().parse().unwrap()
}

fn check(app: &App<Fake>, login: &str, password: &str) -> Answer {
    post(app, "/api/v1/accounts/check", &side("a.example", login, password))
}

#[test]
fn a_password_is_not_guessed() {
    let mut app = app();
    let guessed = (0..40).filter(|n| check(&app, "anna", &format!("guess {n}")).status == 422);
    assert_eq!(guessed.count(), 6);
    assert!(wait(&check(&app, "anna", "right")) <= 600);
    assert!(text(&check(&app, "anna", "right")).contains("try again in"), "a sentence");
    // Neither in another way.
    let body = json!({"source": side("a.example", "anna", "x"),
                      "destination": side("b.example", "anna@b.example", "right")});
    let tried = app.outside.tried.borrow().len();
    for path in ["/api/v1/migrations", "/api/v1/migrations/preflight"] {
        assert!(wait(&post(&app, path, &body)) <= 600);
    }
    let of_anna = app.outside.tried.borrow_mut().split_off(tried);
    assert!(of_anna.iter().all(|it| !it.contains("a.example anna")), "{of_anna:?}");
    // The owner, from elsewhere, is let in.
    app.client = "198.51.100.7".into();
    assert_eq!(check(&app, "anna", "right").status, 200);
}

/// Where the operator turned limits off, and where the command is typed in a terminal.
#[test]
fn without_limits_nobody_is_counted() {
    let mut app = app();
    app.client = String::new();
    let guessed = (0..100).filter(|n| check(&app, "anna", &format!("guess {n}")).status == 422);
    assert_eq!(guessed.count(), 100);
    let body = good();
    assert_eq!(post(&app, "/api/v1/migrations", &body).status, 201);
    let counted = app.outside.store.all().into_iter().any(|(key, _)| key.starts_with("limits/"));
    assert!(!counted);
}

#[test]
fn a_list_of_accounts_is_not_tried_either() {
    let app = app();
    let tries = (0..200).filter(|n| check(&app, &format!("user{n}"), "spring").status == 422);
    assert_eq!(tries.count(), 30);
    app.outside.now.replace(60_000);
    assert_eq!(check(&app, "somebody", "spring").status, 422, "one a minute");
}

#[test]
fn who_moves_a_company_is_not_hindered() {
    let app = app();
    for n in 0..300 {
        let body = json!({"source": side("a.example", &format!("user{n}@a.example"), "right"),
                          "destination": side("b.example", &format!("user{n}@b.example"), "right")});
        assert_eq!(post(&app, "/api/v1/migrations", &body).status, 201, "{n}");
    }
}

#[test]
fn projects_are_made_and_entered_within_limits() {
    let app = app();
    let body = json!({"name": "x", "password": "long enough", "email": "a@b.example"});
    let made = (0..25).map(|_| post(&app, "/api/v1/projects", &body));
    let made: Vec<Answer> = made.collect();
    assert_eq!(made.iter().filter(|it| it.status == 201).count(), 20);
    assert!(wait(made.last().unwrap()) <= 180);
    // Of projects that are not there no more is hashed than of others.
    let entered = (0..50).map(|n| {
        let id = format!("{n:026}").replace(['i', 'l', 'o', 'u'], "0");
        post(&app, &format!("/api/v1/projects/{id}/login"), &json!({"password": "x"}))
    });
    let statuses: Vec<u16> = entered.map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 30);
}

#[test]
fn servers_are_not_looked_for_without_end() {
    let app = app();
    let found = (0..100)
        .filter(|n| get(&app, &format!("/api/v1/autodetect?address=a@d{n}.example")).status == 200);
    assert_eq!(found.count(), 60);
}

#[test]
fn one_network_cannot_fill_the_list_of_what_is_due() {
    let app = app();
    let begin = |n: usize| {
        let body = json!({"source": side("a.example", &format!("u{n}@a.example"), "right"),
                          "destination": side("b.example", &format!("u{n}@b.example"), "right"),
                          "options": {"start_at": "2027-01-01T00:00:00Z"}});
        post(&app, "/api/v1/migrations", &body)
    };
    let mut last = Value::Null;
    for n in 0..limiting::UNFINISHED_MAX {
        let answer = begin(n);
        assert_eq!(answer.status, 201, "{n} {}", text(&answer));
        last = object(&answer);
    }
    let before = kept(&app).len();
    let refused = begin(5_000);
    assert!(wait(&refused) > 0 && text(&refused).contains("have not ended"), "{}", text(&refused));
    assert_eq!(kept(&app).len(), before);
    // What ended makes room.
    let path = last["links"]["self"].as_str().unwrap().replace("http://here.example", "");
    let (id, query) = path.split_once('?').unwrap();
    assert_eq!(post(&app, &format!("{id}/stop?{query}"), &Value::Null).status, 202);
    app.outside.now.replace(120_000);
    assert_eq!(begin(5_001).status, 201);
}

#[test]
fn mails_go_to_so_many_addresses_only() {
    let app = app();
    let begin = |n: usize, email: &str| {
        let body = json!({"source": side("a.example", &format!("u{n}@a.example"), "right"),
                          "destination": side("b.example", &format!("u{n}@b.example"), "right"),
                          "notify": {"email": email}});
        post(&app, "/api/v1/migrations", &body).status
    };
    let begun = (0..30).filter(|n| begin(*n, &format!("victim{n}@c.example")) == 201);
    assert_eq!(begun.count(), 20);
    // One that was named before may be named again.
    assert!((100..200).all(|n| begin(n, "Victim0@c.example") == 201));
}

#[test]
fn only_who_has_the_token_begins_something() {
    let mut app = app();
    app.creation_token = Secret::new("open to friends".into());
    let refused = post(&app, "/api/v1/migrations", &good());
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    for path in ["/api/v1/projects", "/api/v1/accounts/check", "/api/v1/migrations/preflight"] {
        assert_eq!(post(&app, path, &good()).status, 401, "{path}");
    }
    let page = get(&app, "/new");
    let asks = page.header("www-authenticate").unwrap();
    assert!(page.status == 401 && asks.starts_with("Basic realm="), "a browser asks");
    assert_eq!(form(&app, "/projects/new", "name=x").status, 401);
    assert!(app.outside.tried.borrow().is_empty());
    let with = |value: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", value.parse().unwrap());
        let request = crate::request::Request {
            method: http::Method::GET,
            path: "/new".into(),
            query: vec![],
            headers,
            origin: "http://here.example".into(),
            secure: false,
        };
        futures::executor::block_on(app.answer(&request, Ok(Default::default()))).status
    };
    assert_eq!(with("Bearer open to friends"), 200);
    assert_eq!(with("Basic YW55OndoYXQ="), 401);
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode("any:open to friends");
    assert_eq!(with(&format!("Basic {pair}")), 200);
    assert_eq!(get(&app, "/").status, 200);
    assert_eq!(get(&app, "/api/v1/healthz").status, 200);
}

/// The name that a request came under is in no mail: whoever sends the request chooses it.
#[test]
fn a_foreign_name_is_refused_or_at_least_not_repeated_to_others() {
    let mut app = app();
    let mut body = good();
    body["notify"] = json!({"email": "victim@c.example", "webhook": "https://hook.example/"});
    assert_eq!(post(&app, "/api/v1/migrations", &body).status, 201);
    for (key, value) in app.outside.store.all() {
        assert!(!String::from_utf8_lossy(&value).contains("here.example"), "{key}");
    }
    app.public_url = "https://move.example".into();
    let refused = get(&app, "/new");
    assert_eq!(refused.status, 421, "{}", text(&refused));
    assert_eq!(get(&app, "/healthz").status, 200);
    assert_eq!(send(&app, "GET", "/metrics", ("", b"")).status, 200);
}
