//! The component against a store in memory and mail servers that say what a test wants.

mod described;
mod limits;
mod pairs;
mod project_pages;
mod projects;

use std::cell::RefCell;

use autodetect::{Address, Candidate, Detection, Hint};
use base64::Engine;
use bytes::Bytes;
use dial::Plaintext;
use futures::executor::block_on;
use migrate::Side;
use migrate::login::{self, AccountReport, Detail};
use migrate::preflight::{self, Preflight};
use migrate::removal::{Kept, Preview, PreviewError};
use model::{Account, Migration, MigrationId, Options, ServerType, Status};
use serde_json::{Value, json};
use store::memory::Memory;
use store::seal::{Credential, Credentials, Seal};
use store::{Store, keys, records};
use wire::{Clock, Random};
use zeroize::Zeroizing;

use crate::answer::{Answer, Body};
use crate::app::{App, Outside};
use crate::feed::{Feed, Out};
use crate::feeds;
use crate::refusals::{Code, Refusal};
use crate::request::{self, Request};
use crate::routes::{Route, route};

/// Accepts the password `right`, and tokens; counts as time what was slept.
#[derive(Default)]
struct Fake {
    store: Memory,
    now: RefCell<u64>,
    drawn: RefCell<u8>,
    tried: RefCell<Vec<String>>,
}

impl Clock for Fake {
    fn now_ms(&self) -> u64 {
        1_790_000_000_000 + *self.now.borrow()
    }
    fn monotonic_ms(&self) -> u64 {
        *self.now.borrow()
    }
    async fn sleep_ms(&self, ms: u64) {
        *self.now.borrow_mut() += ms;
    }
    async fn give_way(&self) {}
}

impl Random for Fake {
    fn fill(&self, bytes: &mut [u8]) {
        let mut drawn = self.drawn.borrow_mut();
        for byte in bytes {
            *drawn = drawn.wrapping_mul(5).wrapping_add(7);
            *byte = *drawn;
        }
    }
}

impl Outside for Fake {
    type Store = Memory;
    fn store(&self) -> &Memory {
        &self.store
    }
    async fn check(
        &self,
        side: Side,
        account: &Account,
        credential: &Credential,
        _: Detail,
    ) -> Result<AccountReport, login::Refusal> {
        self.tried.borrow_mut().push(format!("{side:?} {} {}", account.url, account.login));
        match credential {
            Credential::Password(secret) if secret.expose() != "right" => {
                Err(login::Refusal::AuthenticationFailed(
                    "the server said [AUTHENTICATIONFAILED] no".into(),
                ))
            }
            _ if account.url.contains("down") => {
                Err(login::Refusal::Unreachable("no answer for 10 s".into()))
            }
            Credential::Password(_) | Credential::Token { .. } => Ok(AccountReport {
                server: "ready".into(),
                capabilities: vec!["IMAP4rev1".into()],
                folders: vec![],
                quota: None,
                append_limit: None,
                inbox: None,
            }),
        }
    }
    async fn preview(
        &self,
        _: &MigrationId,
        from: u32,
        credential: &Credential,
    ) -> Result<Preview, PreviewError> {
        match credential {
            Credential::Password(secret) if secret.expose() != "right" => {
                let refusal = login::Refusal::AuthenticationFailed("no".into());
                Err(PreviewError::Refused(refusal))
            }
            Credential::Password(_) | Credential::Token { .. } => {
                let kept = Kept { folder: "INBOX".into(), messages: 2, reason: "Read.".into() };
                Ok(Preview {
                    messages: u64::from(from) * 10,
                    kept: vec![kept],
                    ..Preview::default()
                })
            }
        }
    }
    async fn detect(&self, address: &Address) -> Result<Detection, store::Error> {
        self.tried.borrow_mut().push(format!("detect {address}"));
        let mut found = Detection::default();
        match address.domain() {
            "nothing.example" => {}
            "silent.example" => found.unanswered = true,
            domain => {
                let ews = format!("https://{domain}/EWS/Exchange.asmx");
                found.add(Candidate::new(ServerType::Exchange, ews, 0.98765, "srv: x"));
                let imap = format!("imaps://imap.{domain}");
                let hint = Some(Hint::AppPassword);
                let imap = Candidate::new(ServerType::Imap, imap, 0.9, "srv: y");
                found.add(Candidate { hint, ..imap });
            }
        }
        Ok(found)
    }
    async fn preflight(
        &self,
        (source, destination): (&Account, &Account),
        credentials: &Credentials,
        options: &Options,
    ) -> Result<Preflight, preflight::Refused> {
        let one = async |side, account, credential| {
            self.check(side, account, credential, Detail::Folders).await.err()
        };
        let refused = preflight::Refused {
            source: one(Side::Source, source, &credentials.source).await,
            destination: one(Side::Destination, destination, &credentials.destination).await,
        };
        if refused.source.is_some() || refused.destination.is_some() {
            return Err(refused);
        }
        let row = |source: &str, bytes| preflight::Row {
            source: source.into(),
            destination: options.folder_map.get(source).cloned().unwrap_or(source.into()),
            exists: source == "INBOX",
            special_use: None,
            messages: 3,
            bytes: Some(bytes),
            remark: None,
        };
        let party = preflight::Party {
            server: "ready".into(),
            capabilities: vec!["IMAP4rev1".into()],
            folders: 2,
            quota: None,
            append_limit: Some(1000),
            round_trip_ms: 12,
        };
        Ok(Preflight {
            source: party.clone(),
            destination: party,
            folders: vec![row("INBOX", 5000), row("Old \"letters\" <b>", 700)],
            more_folders: false,
            left_out: vec!["Junk".into()],
            messages: 6,
            bytes: Some(5700),
            largest: vec![],
            all_sizes: true,
            will_not_fit: vec![preflight::Obstacle {
                reason: preflight::Reason::AppendLimit,
                limit_bytes: 1000,
                messages: Some(2),
                detail: "Two are too large.".into(),
            }],
            forecast: preflight::Forecast {
                seconds: 65,
                bytes_per_second: 1000,
                measured: true,
                rests_on: "Measured.".into(),
            },
        })
    }
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

fn app() -> App<Fake> {
    App {
        outside: Fake::default(),
        seal: Seal::from_variable(&base64::engine::general_purpose::STANDARD.encode([1; 32])),
        plaintext: Plaintext::Refused,
        public_url: String::new(),
        retention_ms: 60 * 86_400_000,
        boot: String::new(),
        client: "192.0.2.1".into(),
        creation_token: wire::Secret::default(),
    }
}

fn send(app: &App<Fake>, method: &str, address: &str, (kind, body): (&str, &[u8])) -> Answer {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut headers = http::HeaderMap::new();
    if !kind.is_empty() {
        headers.insert("content-type", kind.parse().unwrap());
    }
    let request = Request {
        method: method.parse().unwrap(),
        path: path.to_owned(),
        query: request::query(query),
        headers,
        origin: "http://here.example".into(),
        secure: app.public_url.starts_with("https://"),
    };
    answered(app, &request, body)
}

/// The answer, which is as the API's description says.
fn answered(app: &App<Fake>, request: &Request, body: &[u8]) -> Answer {
    let answer = block_on(app.answer(request, Ok(Zeroizing::new(body.to_vec()))));
    described::compare(request, body, &answer);
    answer
}

/// Everything that is stored, but for what limits count.
fn kept(app: &App<Fake>) -> Vec<(String, Vec<u8>)> {
    let all = app.outside.store.all().into_iter();
    all.filter(|(key, _)| !key.starts_with("limits/")).collect()
}

fn get(app: &App<Fake>, address: &str) -> Answer {
    send(app, "GET", address, ("", b""))
}

fn post(app: &App<Fake>, address: &str, body: &Value) -> Answer {
    send(app, "POST", address, ("application/json", body.to_string().as_bytes()))
}

fn form(app: &App<Fake>, address: &str, body: &str) -> Answer {
    send(app, "POST", address, ("application/x-www-form-urlencoded", body.as_bytes()))
}

fn text(answer: &Answer) -> String {
    match &answer.body {
        Body::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Body::Feed(feed) => format!("{feed:?}"),
    }
}

fn object(answer: &Answer) -> Value {
    serde_json::from_str(&text(answer)).unwrap()
}

fn side(host: &str, login: &str, password: &str) -> Value {
    json!({"type": "imap", "url": format!("imaps://{host}"), "login": login, "password": password})
}

fn good() -> Value {
    json!({"source": side("a.example", "Anna@a.example", "right"),
           "destination": side("b.example", "anna@b.example", "right")})
}

/// Begins a migration; its identifier.
fn begun(app: &App<Fake>) -> String {
    object(&post(app, "/api/v1/migrations", &good()))["id"].as_str().unwrap().to_owned()
}

fn set(app: &App<Fake>, id: &str, change: impl Fn(&mut Migration)) {
    let key = format!("m/{id}");
    let mut migration: Migration =
        block_on(records::read(&app.outside.store, &key)).unwrap().unwrap();
    change(&mut migration);
    block_on(records::write(&app.outside.store, &key, &migration)).unwrap();
}

#[test]
fn begins_shows_stops_runs_again_and_erases() {
    let app = app();
    let created = post(&app, "/api/v1/migrations", &good());
    assert_eq!(created.status, 201, "{}", text(&created));
    let object_of_it = object(&created);
    let id = object_of_it["id"].as_str().unwrap();
    assert_eq!(object_of_it["status"], "pending");
    let account = "account=Anna%40a.example";
    assert_eq!(
        object_of_it["links"],
        json!({"self": format!("http://here.example/api/v1/migrations/{id}?{account}"),
               "page": format!("http://here.example/migrations/{id}?{account}")})
    );
    let location = created.header("location").unwrap();
    assert_eq!(location, format!("/api/v1/migrations/{id}?{account}"));
    assert_eq!(
        *app.outside.tried.borrow(),
        ["Source imaps://a.example Anna@a.example", "Destination imaps://b.example anna@b.example"]
    );

    let shown = object(&get(&app, location));
    assert_eq!(shown["actions"], json!(["stop", "pause", "delete"]));
    assert_eq!(
        shown["source"],
        json!({"type": "imap", "url": "imaps://a.example", "login": "Anna@a.example"})
    );
    assert_eq!(shown["progress"]["mail"]["total"], 0);
    assert_eq!(shown["items"], json!(["mail"]));

    let at = |what: &str| format!("/api/v1/migrations/{id}/{what}?account=anna@A.example");
    let stopped = post(&app, &at("stop"), &json!(null));
    assert_eq!((stopped.status, object(&stopped)["status"].clone()), (202, json!("stopped")));
    let again = post(&app, &at("stop"), &json!(null));
    assert_eq!(
        (again.status, object(&again)["title"].clone()),
        (409, json!(Code::NotInThisState.title()))
    );

    let wrong = json!({"source": {"password": "right"}, "destination": {"password": "x"}});
    assert_eq!(
        pointers(&post(&app, &at("synchronise"), &wrong)),
        ["/destination/password authentication_failed"]
    );
    let token = json!({"source": {"password": "right"}, "destination": {"password": {"access_token": "x"}}});
    let running = post(&app, &at("synchronise"), &token);
    assert_eq!((running.status, object(&running)["status"].clone()), (202, json!("pending")));

    let gone = send(&app, "DELETE", &format!("/api/v1/migrations/{id}?{account}"), ("", b""));
    assert_eq!((gone.status, text(&gone).as_str()), (204, ""));
    assert_eq!(get(&app, location).status, 404);
    let left: Vec<_> =
        app.outside.store.all().into_iter().filter(|(key, _)| key.starts_with("m/")).collect();
    assert_eq!(left, []);
}

/// Pointer and code of every error.
fn pointers(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(object(answer)["status"], answer.status);
    let errors = object(answer)["errors"].as_array().cloned().unwrap_or_default();
    let said = |error: &Value| {
        assert!(!error["detail"].as_str().unwrap().is_empty());
        format!("{} {}", error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap())
    };
    errors.iter().map(said).collect()
}

/// Puts `value` at `pointer`, making what is missing.
fn changed(pointer: &str, value: Value) -> Value {
    let mut whole = good();
    let mut place = &mut whole;
    for name in pointer.split('/').skip(1) {
        place = &mut place[name.replace("~1", "/")];
    }
    *place = value;
    whole
}

/// Bodies of `POST /migrations` that are refused, with the pointers and codes of what is told.
fn refused() -> Vec<(Value, &'static str)> {
    let long = |n: usize| json!("x".repeat(n));
    #[rustfmt::skip]
    let cases = vec![
        (changed("/source/password", json!("wrong")), "/source/password authentication_failed"),
        (changed("/destination/url", json!("imaps://down.example")), "/destination/url unreachable"),
        (changed("/source/url", json!("http://a.example")), "/source/url bad_url"),
        (changed("/source/url", json!("imap://a.example?tls=none")), "/source/url bad_url"),
        (changed("/source/url", json!("imaps://anna:secret@a.example")), "/source/url bad_url"),
        (changed("/source/url", json!(7)), "/source/url wrong_type"),
        (changed("/source", json!({"type": "imap", "login": "anna", "password": "right"})), "/source/url required"),
        (changed("/source", json!({"type": "ovh", "password": "right"})), "/source/login required"),
        (changed("/source/url", long(3000)), "/source/url too_long"),
        (changed("/source/login", long(513)), "/source/login too_long"),
        (changed("/source/login", json!("a\r\nb")), "/source/login bad_value"),
        (changed("/source/login", json!("")), "/source/login required"),
        (changed("/source/password", long(20_000)), "/source/password too_long"),
        (changed("/source/password", json!("a\0")), "/source/password bad_value"),
        (changed("/source/password", json!({"access_token": 5})), "/source/password/access_token wrong_type"),
        (changed("/source/password", json!({"token": "x"})), "/source/password/access_token required|/source/password/token unknown_field"),
        (changed("/source/password", json!([])), "/source/password wrong_type"),
        (changed("/source/type", json!("imap4")), "/source/type bad_value"),
        (changed("/source/type", json!("exchange")), "/source/type unsupported"),
        (changed("/destination/type", json!("pop")), "/destination/type unsupported"),
        (changed("/source/caldav_url", json!("https://x")), "/source/caldav_url unsupported"),
        (changed("/source/colour", json!("red")), "/source/colour unknown_field"),
        (changed("/a~b/c", json!(1)), "/a~0b unknown_field"),
        (changed("/destination", json!([1])), "/destination wrong_type"),
        (changed("/destination", json!(null)), "/destination required"),
        (changed("/items", json!(["mail", "mail", "contacts"])), "/items/2 unsupported"),
        (changed("/items", json!(["mails"])), "/items/0 bad_value"),
        (changed("/items", json!([])), "/items required"),
        (changed("/items", json!("mail")), "/items wrong_type"),
        (changed("/items", json!(vec![1; 100])), "/items too_many"),
        (changed("/options", json!("x")), "/options wrong_type"),
        (changed("/options/since", json!("2026-13-01")), "/options/since bad_date"),
        (changed("/options/since", json!("yesterday")), "/options/since bad_date"),
        (changed("/options", json!({"since": "2026-02-01", "until": "2026-02-01"})), "/options/until out_of_order"),
        (changed("/options/start_at", json!("2026-02-01")), "/options/start_at bad_date"),
        (changed("/options/repeat", json!(6)), "/options/repeat wrong_type"),
        (changed("/options/repeat", json!({})), "/options/repeat/every_hours required|/options/repeat/until required"),
        (changed("/options/repeat", json!({"every_hours": 0, "until": "2026-12-01"})), "/options/repeat/every_hours bad_value|/options/repeat/until bad_date"),
        (changed("/options/repeat", json!({"every_hours": "6", "until": "2026-12-01T00:00:00Z", "at": 1})), "/options/repeat/every_hours wrong_type|/options/repeat/at unknown_field"),
        (changed("/options/repeat", json!({"every_hours": 6, "until": "2026-01-01T00:00:00Z"})), "/options/repeat/until bad_value"),
        (changed("/options/repeat", json!({"every_hours": 6, "until": "2028-01-01T00:00:00Z"})), "/options/repeat/until bad_value"),
        (changed("/options", json!({"start_at": "2026-12-02T00:00:00Z", "repeat": {"every_hours": 6, "until": "2026-12-01T00:00:00Z"}})), "/options/repeat/until bad_value"),
        (changed("/options/quiet_hours", json!("night")), "/options/quiet_hours wrong_type"),
        (changed("/options/quiet_hours", json!({"from": "22:00"})), "/options/quiet_hours/to required"),
        (changed("/options/quiet_hours", json!({"from": "24:00", "to": 6})), "/options/quiet_hours/from bad_value|/options/quiet_hours/to wrong_type"),
        (changed("/options/quiet_hours", json!({"from": "06:00", "to": "06:00"})), "/options/quiet_hours/to bad_value"),
        (changed("/options/quiet_hours", json!({"from": "06:00", "to": "07:00", "zone": "Europe/Rome"})), "/options/quiet_hours/zone bad_value"),
        (changed("/options/quiet_hours", json!({"from": "06:00", "to": "07:00", "zone": 900})), "/options/quiet_hours/zone bad_value"),
        (changed("/options/keep_credentials_until", json!("2026-01-01T00:00:00Z")), "/options/keep_credentials_until bad_value"),
        (changed("/options/keep_credentials_until", json!("2028-01-01T00:00:00Z")), "/options/keep_credentials_until bad_value"),
        (changed("/options/keep_credentials_until", json!("soon")), "/options/keep_credentials_until bad_date"),
        (changed("/options/max_item_bytes", json!(-1)), "/options/max_item_bytes wrong_type"),
        (changed("/options/max_item_bytes", json!(0)), "/options/max_item_bytes bad_value"),
        (changed("/options/exclude_folders", json!(["a", 1])), "/options/exclude_folders/1 wrong_type"),
        (changed("/options/exclude_folders", json!(vec!["a"; 201])), "/options/exclude_folders too_many"),
        (changed("/options/folder_map", json!({"a/b": ""})), "/options/folder_map/a~1b required"),
        (changed("/options/folders", json!([])), "/options/folders unknown_field"),
        (changed("/notify", json!({"email": "nobody", "language": "xx"})), "/notify/email bad_value|/notify/language bad_value"),
        (json!([]), " wrong_type"),
        (json!({}), "/source required|/destination required"),
    ];
    cases
}

#[test]
fn refuses_with_a_pointer_and_creates_nothing() {
    let app = app();
    for (body, expected) in refused() {
        let answer = post(&app, "/api/v1/migrations", &body);
        assert_eq!((pointers(&answer).join("|").as_str(), answer.status), (expected, 422));
        assert!(!text(&answer).contains("wrong\""), "a password in {}", text(&answer));
    }
    assert_eq!(kept(&app), []);
}

#[test]
fn servers_are_found_before_a_password_is_tried() {
    let app = app();
    let mut body = good();
    body["source"] = json!({"type": "ovh", "login": "anna@c.example", "password": "right"});
    body["destination"] =
        json!({"type": "imap", "url": "", "login": "anna@d.example", "password": "right"});
    let created = post(&app, "/api/v1/migrations", &body);
    assert_eq!(created.status, 201, "{}", text(&created));
    let id = object(&created)["id"].as_str().unwrap().to_owned();
    let stored: Migration =
        block_on(records::read(&app.outside.store, &format!("m/{id}"))).unwrap().unwrap();
    assert_eq!(stored.source.server_type, ServerType::Imap);
    assert_eq!(stored.source.url, "imaps://imap.c.example");
    assert_eq!(stored.destination.url, "imaps://imap.d.example");
    // Found, then one log-in at each server.
    assert_eq!(
        *app.outside.tried.borrow(),
        [
            "detect anna@c.example",
            "detect anna@d.example",
            "Source imaps://imap.c.example anna@c.example",
            "Destination imaps://imap.d.example anna@d.example"
        ]
    );
    for (login, expected) in [
        ("anna@nothing.example", "/source/url no_server"),
        ("anna@silent.example", "/source/url unreachable"),
    ] {
        let source = json!({"type": "ovh", "login": login, "password": "right"});
        assert_eq!(
            pointers(&post(&app, "/api/v1/migrations", &changed("/source", source))),
            [expected]
        );
    }
    assert_eq!(app.outside.tried.borrow().len(), 6, "a password was tried without a server");
    // A server that is named is not looked for.
    body["source"]["url"] = json!("imaps://a.example");
    assert_eq!(post(&app, "/api/v1/migrations", &body).status, 201);
    let tried = app.outside.tried.borrow();
    assert!(tried.contains(&"Source imaps://a.example anna@c.example".to_owned()), "{tried:?}");
}

#[test]
fn the_form_finds_servers_without_a_script() {
    let app = app();
    let typed = "source.type=ovh&source.url=&source.login=anna%40c.example&source.password=right\
                 &destination.login=bob&items=mail&detect=source";
    let page = form(&app, "/new", typed);
    assert_eq!(page.status, 200);
    let page = text(&page);
    assert!(page.contains("value=\"imaps://imap.c.example\""), "{page}");
    assert!(page.contains("<option value=\"imap\" selected>"), "{page}");
    assert!(page.contains("wants an app password here"), "{page}");
    assert!(!page.contains("value=\"right\""), "a password");
    let nothing = text(&form(&app, "/new", &typed.replace("c.example", "nothing.example")));
    assert!(nothing.contains("No mail server was found for nothing.example."), "{nothing}");
    let no_address =
        text(&form(&app, "/new", &typed.replace("detect=source", "detect=destination")));
    assert!(no_address.contains("id=\"destination-login-error\""), "{no_address}");
    assert_eq!(kept(&app), []);
}

/// The value of a hidden or typed field of a page.
fn field_of(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\"")).unwrap();
    let (_, rest) = rest.split_once("value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[test]
fn a_form_is_checked_and_then_started_with_other_names() {
    let app = app();
    let page = form(&app, "/new", &format!("{FORM}&destination.password=right&check=yes"));
    assert_eq!(page.status, 200);
    let page = text(&page);
    assert_eq!(kept(&app), [], "something was written");
    assert!(
        page.contains("5.7&nbsp;kB") || page.contains("5.70 kB") || page.contains("kB"),
        "{page}"
    );
    assert!(page.contains("2 messages are larger than"), "{page}");
    assert!(page.contains("Old &quot;letters&quot; &lt;b&gt;"), "{page}");
    assert_eq!(field_of(&page, "to.0"), "INBOX");
    let sealed = field_of(&page, "sealed");
    assert!(!page.contains("=\"right\"") && !sealed.contains("right"), "a password");
    let start = |sealed: &str| format!("sealed={sealed}&to.0=INBOX&to.1=New%2FLetters");
    // A seal of another page of this installation, a broken one, and one that is too old.
    let mut broken = sealed.clone().into_bytes();
    broken[40] = if broken[40] == b'A' { b'B' } else { b'A' };
    for wrong in ["", "x", &String::from_utf8(broken).unwrap()] {
        let refused = form(&app, "/new", &start(wrong));
        assert_eq!(refused.status, 409, "{wrong}");
        assert!(text(&refused).contains("too old"));
    }
    assert_eq!(kept(&app), []);
    let started = form(&app, "/new", &start(&sealed));
    assert_eq!(started.status, 303, "{}", text(&started));
    let migrations: Vec<Migration> = app
        .outside
        .store
        .all()
        .into_iter()
        .filter(|(key, _)| key.starts_with("m/") && key.matches('/').count() == 1)
        .map(|(key, value)| records::decode(&key, &value).unwrap())
        .collect();
    let map = &migrations[0].options.folder_map;
    assert_eq!(map.len(), 1, "{map:?}");
    assert_eq!(map["Old \"letters\" <b>"], "New/Letters");
    *app.outside.now.borrow_mut() += 16 * 60_000;
    assert_eq!(form(&app, "/new", &start(&sealed)).status, 409);
}

#[test]
fn a_form_that_is_checked_shows_what_is_wrong() {
    let app = app();
    let wrong = form(
        &app,
        "/new",
        &format!("{FORM}&destination.password=right&check=yes").replace("right", "wrong"),
    );
    assert_eq!(wrong.status, 422);
    assert!(text(&wrong).contains("source-password-error"), "{}", text(&wrong));
    let nothing = format!("{FORM}&destination.password=right&check=yes").replace("&items=mail", "");
    assert_eq!(form(&app, "/new", &nothing).status, 422);
    assert_eq!(kept(&app), []);
}

#[test]
fn a_preflight_tells_all_and_writes_nothing() {
    let app = app();
    let mut body = good();
    body["source"] = json!({"type": "ovh", "login": "anna@c.example", "password": "right"});
    let answer = post(&app, "/api/v1/migrations/preflight", &body);
    assert_eq!(answer.status, 200, "{}", text(&answer));
    let seen = object(&answer);
    assert_eq!(seen["source"]["url"], "imaps://imap.c.example");
    assert_eq!((&seen["messages"], &seen["bytes"]), (&json!(6), &json!(5700)));
    assert_eq!(seen["folders"][0]["source"], "INBOX");
    assert_eq!(seen["will_not_fit"][0]["reason"], "append_limit");
    assert_eq!(seen["cannot_carry"].as_array().unwrap().len(), 6);
    assert_eq!(seen["items"], json!(["mail"]));
    for (body, expected) in [
        (changed("/source/password", json!("wrong")), "/source/password authentication_failed"),
        (
            changed("/destination/url", json!("imaps://down.example")),
            "/destination/url unreachable",
        ),
        (changed("/options/since", json!("x")), "/options/since bad_date"),
    ] {
        assert_eq!(pointers(&post(&app, "/api/v1/migrations/preflight", &body)), [expected]);
    }
    assert_eq!(kept(&app), []);
}

#[test]
fn autodetect_answers_candidates_or_why_there_are_none() {
    let app = app();
    let found = get(&app, "/api/v1/autodetect?address=anna%40c.example");
    assert_eq!(found.status, 200);
    let found = object(&found);
    let first = &found["candidates"][0];
    assert_eq!(
        (&first["type"], &first["url"], &first["confidence"], &first["found_by"]),
        (
            &json!("exchange"),
            &json!("https://c.example/EWS/Exchange.asmx"),
            &json!(0.99),
            &json!("srv: x")
        )
    );
    assert!(first["caldav_url"].is_null() && first["carddav_url"].is_null());
    let second = &found["candidates"][1];
    assert_eq!((&second["type"], &second["hint_code"]), (&json!("imap"), &json!("app_password")));
    assert!(second["hint"].as_str().unwrap().contains("app password"));
    let nothing = object(&get(&app, "/api/v1/autodetect?address=anna%40nothing.example"));
    assert_eq!(nothing["candidates"], json!([]));
    assert_eq!(nothing["detail"], "No mail server was found for nothing.example.");
    for (query, expected) in [
        ("", "/address required"),
        ("?address=", "/address required"),
        ("?address=anna", "/address bad_value"),
        ("?address=anna%40localhost", "/address bad_value"),
        ("?address=anna%40127.0.0.1", "/address bad_value"),
        ("?address=anna%40%5B169.254.169.254%5D", "/address bad_value"),
        ("?address=a%0Ab%40c.example", "/address bad_value"),
    ] {
        let answer = get(&app, &format!("/api/v1/autodetect{query}"));
        assert_eq!((pointers(&answer), answer.status), (vec![expected.to_owned()], 422), "{query}");
    }
}

#[test]
fn takes_what_the_contract_shows() {
    let app = app();
    let mut body = good();
    body["source"]["delegate"] = json!(null);
    body["source"]["caldav_url"] = json!(null);
    body["items"] = json!(["mail"]);
    body["options"] = json!({"exclude_folders": ["Junk"], "folder_map": {"Old": "Archive/Old"},
        "since": "2019-01-01", "until": null, "max_item_bytes": null, "start_at": null});
    body["notify"] = json!({"email": "anna@example.com", "language": "it"});
    let id = object(&post(&app, "/api/v1/migrations", &body))["id"].as_str().unwrap().to_owned();
    let stored: Migration =
        block_on(records::read(&app.outside.store, &format!("m/{id}"))).unwrap().unwrap();
    assert_eq!(stored.options.folder_map["Old"], "Archive/Old");
    assert_eq!(stored.notify.language.as_deref(), Some("it"));
    assert_eq!(stored.destination.url, "imaps://b.example");

    // A bare host is what the account is.
    let app = self::app();
    let mut pop = good();
    (pop["source"]["type"], pop["source"]["url"]) = (json!("pop"), json!("a.example"));
    let id = object(&post(&app, "/api/v1/migrations", &pop))["id"].as_str().unwrap().to_owned();
    let stored: Migration =
        block_on(records::read(&app.outside.store, &format!("m/{id}"))).unwrap().unwrap();
    assert_eq!(stored.source.url, "pops://a.example");

    let app = self::app();
    let mut login_in_url = good();
    login_in_url["source"] =
        json!({"type": "imap", "url": "imaps://anna%40a@a.example", "password": "right"});
    assert_eq!(post(&app, "/api/v1/migrations", &login_in_url).status, 201);
}

const GIVEN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn webhooks_are_checked_before_anything_is_created() {
    let cases = [
        (json!({"webhook": "http://a.example/"}), "/notify/webhook bad_value"),
        (json!({"webhook": "a.example"}), "/notify/webhook bad_value"),
        (json!({"webhook": "https://u:p@a.example/"}), "/notify/webhook bad_value"),
        (
            json!({"webhook": "https://a.example/", "webhook_secret": "whsec_eA=="}),
            "/notify/webhook_secret bad_value",
        ),
        (json!({"webhook_secret": GIVEN}), "/notify/webhook required"),
    ];
    let app = app();
    for (notify, expected) in cases {
        let mut body = good();
        body["notify"] = notify;
        let answer = post(&app, "/api/v1/migrations", &body);
        assert_eq!((pointers(&answer).join("|").as_str(), answer.status), (expected, 422));
    }
    assert_eq!(kept(&app), []);
}

#[test]
fn a_webhook_has_a_secret_that_is_told_at_most_once() {
    let mut body = good();
    for given in [None, Some(GIVEN)] {
        let app = app();
        body["notify"] = json!({"webhook": "https://hook.example/x", "webhook_secret": given});
        let answer = post(&app, "/api/v1/migrations", &body);
        assert_eq!(answer.status, 201, "{}", text(&answer));
        let created = object(&answer);
        let told = created["webhook_secret"].as_str().map(str::to_owned);
        assert_eq!(told.is_none(), given.is_some(), "{created}");
        let secret = told.unwrap_or_else(|| GIVEN.to_owned());
        assert!(notify::signature::is_secret(&wire::Secret::new(secret.clone())));
        let id = model::MigrationId::parse(created["id"].as_str().unwrap()).unwrap();
        let key = keys::webhook_secret(&id);
        let sealed = block_on(app.outside.store.get(&key)).unwrap().unwrap();
        let opened = app.seal.as_ref().unwrap().open_secret(&key, &sealed).unwrap();
        assert_eq!(opened.expose(), secret);
        for (key, value) in app.outside.store.all() {
            assert!(!String::from_utf8_lossy(&value).contains(&secret[6..]), "{key}");
        }
        let path = format!("/api/v1/migrations/{id}?account=anna");
        assert!(!text(&get(&app, &path)).contains("whsec"));
        let outbox = block_on(app.outside.store.get(&keys::notices(&id))).unwrap().unwrap();
        let outbox: notify::Outbox = records::decode("outbox", &outbox).unwrap();
        assert_eq!((outbox.notices.len(), outbox.base.as_str()), (1, ""));
    }
}

#[test]
fn takes_a_schedule() {
    let app = app();
    let mut body = good();
    body["options"] = json!({"start_at": "2026-12-01T00:00:00Z",
        "repeat": {"every_hours": 24, "until": "2027-06-01T00:00:00Z"},
        "quiet_hours": {"from": "22:00", "to": "06:30", "zone": 60}});
    let created = object(&post(&app, "/api/v1/migrations", &body));
    assert_eq!((&created["status"], &created["hook_token"]), (&json!("scheduled"), &json!(null)));
    let id = created["id"].as_str().unwrap().to_owned();
    let at = "account=anna@a.example";
    let shown = object(&get(&app, &format!("/api/v1/migrations/{id}?{at}")));
    assert_eq!(shown["next_run_at"], "2026-12-01T00:00:00Z");
    assert_eq!(shown["options"]["quiet_hours"], body["options"]["quiet_hours"]);
    assert_eq!(shown["options"]["repeat"], body["options"]["repeat"]);
    set(&app, &id, |migration| {
        migration.next_run_at = model::Timestamp::parse("2026-12-03T00:00:00Z");
    });
    let page = text(&get(&app, &format!("/migrations/{id}?{at}&lang=it")));
    assert!(page.contains("Prossimo passaggio alle") && page.contains("2026-12-03T00:00:00Z"));
    body["options"]["quiet_hours"]["zone"] = json!("UTC");
    let app = self::app();
    assert_eq!(post(&app, "/api/v1/migrations", &body).status, 201);
}

/// `POST …/synchronise` with a token.
fn hooked(app: &App<Fake>, id: &str, token: &str, body: &[u8]) -> Answer {
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    headers.insert("content-type", "application/json".parse().unwrap());
    let request = Request {
        method: http::Method::POST,
        path: format!("/api/v1/migrations/{id}/synchronise"),
        query: vec![],
        headers,
        origin: String::new(),
        secure: false,
    };
    answered(app, &request, body)
}

#[test]
fn a_token_begins_a_run_without_passwords() {
    let app = app();
    let mut body = good();
    body["options"] = json!({"keep_credentials_until": "2027-06-01T00:00:00Z"});
    let created = object(&post(&app, "/api/v1/migrations", &body));
    let token = created["hook_token"].as_str().unwrap().to_owned();
    let id = created["id"].as_str().unwrap().to_owned();
    assert!(token.starts_with("hook_") && token.len() == 31);
    assert!(
        app.outside
            .store
            .all()
            .iter()
            .all(|(_, value)| { !value.windows(token.len()).any(|part| part == token.as_bytes()) })
    );
    assert_eq!(hooked(&app, &id, &token, b"").status, 409, "it has only begun");
    set(&app, &id, |migration| migration.status = Status::Completed);
    for (id, token) in [(id.as_str(), "hook_x"), (id.as_str(), ""), (&"0".repeat(26), &token)] {
        let refused = hooked(&app, id, token, b"");
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    }
    let both = br#"{"source": {"password": "x"}}"#;
    assert_eq!(pointers(&hooked(&app, &id, &token, both)), ["/source unknown_field"]);
    assert_eq!(hooked(&app, &id, &token, b"[]").status, 422);
    let begun = hooked(&app, &id, &token, b"{}");
    assert_eq!((begun.status, object(&begun)["status"].clone()), (202, json!("pending")));
    set(&app, &id, |migration| {
        migration.status = Status::Completed;
        migration.options.keep_credentials_until = Some(model::Timestamp(1));
    });
    assert_eq!(hooked(&app, &id, &token, b"").status, 409, "its date is over");
    let gone = format!("/api/v1/migrations/{id}?account=anna@a.example");
    assert_eq!(send(&app, "DELETE", &gone, ("", b"")).status, 204);
    assert_eq!(hooked(&app, &id, &token, b"").status, 401);
}

#[test]
fn a_form_has_a_schedule_and_shows_the_token_once() {
    let app = app();
    let schedule = "&destination.password=right&options.repeat.every_hours=6\
        &options.repeat.until=2026-12-01T10%3A00&options.quiet_hours.from=22%3A00\
        &options.quiet_hours.to=06%3A00&options.keep_credentials_until=2026-12-05T00%3A00";
    let begun = form(&app, "/new", &format!("{FORM}{schedule}"));
    assert_eq!(begun.status, 200, "{}", text(&begun));
    let html = text(&begun);
    assert!(html.contains("hook_") && html.contains("/synchronise"));
    let page = html.split("class=\"button primary\" href=\"").nth(1).unwrap();
    let page = page.split('"').next().unwrap().replace("&amp;", "&");
    assert!(!text(&get(&app, &page)).contains("hook_"), "never again");
    let wrong = schedule.replace("=06%3A00", "=").replace("every_hours=6", "every_hours=often");
    let again = form(&app, "/new", &format!("{FORM}{wrong}"));
    let html = text(&again);
    assert_eq!(again.status, 422);
    for id in ["options-quiet_hours-to-error", "options-repeat-every_hours-error"] {
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert!(html.contains("value=\"often\"") && html.contains("value=\"22:00\""));
}

#[test]
fn a_wrong_account_is_answered_as_an_unknown_identifier() {
    let app = app();
    let id = begun(&app);
    let unknown = "0".repeat(26);
    for what in ["", "/failures", "/failures.csv", "/report", "/report.csv", "/events"] {
        let one = get(&app, &format!("/api/v1/migrations/{id}{what}?account=other"));
        let two = get(&app, &format!("/api/v1/migrations/{unknown}{what}?account=other"));
        let three = get(&app, &format!("/api/v1/migrations/{id}{what}"));
        let four = get(&app, &format!("/api/v1/migrations/x{what}?account=other"));
        assert_eq!(one.status, 404);
        assert!(one == two && two == three && three == four, "{what}");
    }
    let page = get(&app, &format!("/migrations/{id}?account=other"));
    assert_eq!(page.status, 404);
}

#[test]
fn the_wire_is_checked_before_the_words() {
    let app = app();
    let broken =
        send(&app, "POST", "/api/v1/migrations", ("application/json", b"{\"password\": \"s3cret"));
    assert_eq!((pointers(&broken).join("|").as_str(), broken.status), (" unreadable", 422));
    assert!(!text(&broken).contains("s3cret"));
    assert_eq!(send(&app, "POST", "/api/v1/migrations", ("text/plain", b"{}")).status, 415);
    assert_eq!(send(&app, "POST", "/new", ("application/json", b"{}")).status, 415);
    let request = Request {
        method: http::Method::POST,
        path: "/api/v1/migrations".into(),
        query: vec![],
        headers: http::HeaderMap::new(),
        origin: String::new(),
        secure: false,
    };
    let large = block_on(app.answer(&request, Err(Refusal::of(Code::TooLarge))));
    assert_eq!((large.status, pointers(&large).len()), (413, 0));
    let wrong = get(&app, "/api/v1/migrations");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    assert_eq!(get(&app, "/api/v1/nothing").status, 404);
    assert!(text(&get(&app, "/nothing")).starts_with("<!DOCTYPE html>"));
    let unsealed = App { seal: None, ..self::app() };
    assert_eq!(post(&unsealed, "/api/v1/migrations", &good()).status, 503);
    assert_eq!(get(&unsealed, "/api/v1/healthz").status, 503);
    assert_eq!(get(&app, "/healthz").status, 200);
}

#[test]
fn every_row_of_the_table_is_reached() {
    for row in crate::routes::ROUTES {
        let path =
            row.path.replace("{id}", "abc").replace("{name}", "abc").replace("{code}", "abc");
        assert_eq!(route(row.method, &path).map(|(route, _)| route), Ok(row.route));
    }
    assert_eq!(route("GET", "/migrations/abc"), Ok((Route::Tracking, "abc")));
    for path in ["/migrations/", "/migrations/a/b/c", "//", "/new/", ""] {
        assert!(route("GET", path).is_err(), "{path}");
    }
}

const FORM: &str = "source.type=imap&source.url=a.example&source.login=anna&source.password=right\
    &destination.type=imap&destination.url=b.example&destination.login=anna&items=mail";

#[test]
fn a_form_begins_a_migration_without_any_script() {
    let app = app();
    let begun =
        form(&app, "/new", &format!("{FORM}&destination.password=right&notify.language=it"));
    assert_eq!(begun.status, 303, "{}", text(&begun));
    let page = begun.header("location").unwrap().to_owned();
    let shown = get(&app, &page);
    assert_eq!(shown.status, 200);
    assert!(text(&shown).contains("http-equiv=\"refresh\""));
    let (address, _) = page.split_once('?').unwrap();
    let stop = form(&app, &format!("{address}/stop"), "account=anna");
    assert_eq!((stop.status, stop.header("location")), (303, Some(page.as_str())));
    assert_eq!(form(&app, &format!("{address}/stop"), "account=anna").status, 409);
    let wrong = form(
        &app,
        &format!("{address}/synchronise"),
        "account=anna&source.password=no&destination.password=",
    );
    assert_eq!(wrong.status, 422);
    assert!(text(&wrong).contains("id=\"destination-password-error\""));
    let again = form(
        &app,
        &format!("{address}/synchronise"),
        "account=anna&source.password=right&destination.password=right",
    );
    assert_eq!(again.status, 303);
    let id = address.rsplit('/').next().unwrap();
    let found = form(&app, "/find", &format!("id={}&account=ANNA", id.to_uppercase()));
    assert_eq!(found.header("location"), Some(page.as_str()));
    assert_eq!(form(&app, "/find", "id=x&account=%3Cb%3E").status, 404);
    assert_eq!(form(&app, &format!("{address}/delete"), "account=bob").status, 404);
    assert_eq!(form(&app, &format!("{address}/delete"), "account=anna").status, 200);
    assert_eq!(get(&app, &page).status, 404);
}

#[test]
fn a_form_comes_back_with_what_was_typed_but_no_password() {
    let app = app();
    let wrong = form(
        &app,
        "/new?lang=it",
        &format!("{FORM}&destination.password=hunter2&options.max_item_bytes=viel"),
    );
    assert_eq!((wrong.status, wrong.header("content-language")), (422, Some("it")));
    let html = text(&wrong);
    assert!(html.contains("id=\"options-max_item_bytes-error\""));
    assert!(html.contains("value=\"a.example\"") && html.contains("value=\"viel\""));
    let wrong = text(&form(&app, "/new", &format!("{FORM}&destination.password=hunter2")));
    assert!(
        wrong.contains("id=\"destination-password-error\"")
            && wrong.contains("[AUTHENTICATIONFAILED]")
    );
    for html in [html, wrong] {
        assert!(!html.contains("hunter2") && !html.contains("right\""));
    }
    let nothing = form(&app, "/new", &FORM.replace("&items=mail", "&destination.password=right"));
    assert!(text(&nothing).contains("id=\"items-error\""));
    assert_eq!(kept(&app), []);
}

/// What was sent; after `left` pieces nobody reads any more.
struct Reader {
    pieces: Vec<String>,
    left: usize,
}

impl Out for Reader {
    async fn send(&mut self, piece: Bytes) -> bool {
        self.pieces.push(String::from_utf8(piece.to_vec()).unwrap());
        self.left -= 1;
        self.left > 0
    }
}

fn feed(app: &App<Fake>, address: &str, left: usize) -> Vec<String> {
    let answer = get(app, address);
    let Body::Feed(feed) = &answer.body else { panic!("{}", text(&answer)) };
    let mut reader = Reader { pieces: vec![], left };
    block_on(feeds::run(feed, &app.outside.store, &app.outside, &mut reader)).unwrap();
    reader.pieces
}

/// All of a feed.
fn pieces(app: &App<Fake>, feed: &Feed) -> String {
    let mut reader = Reader { pieces: vec![], left: 1000 };
    block_on(feeds::run(feed, &app.outside.store, &app.outside, &mut reader)).unwrap();
    reader.pieces.concat()
}

#[test]
fn events_follow_and_end() {
    let app = app();
    let id = begun(&app);
    let address = format!("/api/v1/migrations/{id}/events?account=anna@a.example");
    // Nothing changes: one object, then a sign of life every 15 s, until nobody reads any more.
    let begin = app.outside.monotonic_ms();
    let pieces = feed(&app, &address, 4);
    assert_eq!(pieces[0], "retry: 2000\n\n");
    assert!(pieces[1].starts_with("data: {") && pieces[1].ends_with("}\n\n"));
    assert_eq!(pieces[2..], [": still here\n\n", ": still here\n\n"]);
    assert_eq!(app.outside.monotonic_ms() - begin, 30_000);
    set(&app, &id, |migration| migration.status = Status::Completed);
    let pieces = feed(&app, &address, 100);
    assert_eq!(pieces.len(), 2, "a finished migration has one event");
    assert!(pieces[1].contains("\"status\":\"completed\""));
}

#[test]
fn an_idle_migration_says_when_it_is_erased() {
    let app = app();
    let id = begun(&app);
    let address = format!("/api/v1/migrations/{id}?account=anna@a.example");
    assert_eq!(object(&get(&app, &address))["expires_at"], json!(null));
    set(&app, &id, |migration| migration.status = Status::Completed);
    let shown = object(&get(&app, &address));
    assert_eq!(shown["updated_at"], "2026-09-21T14:13:20Z");
    assert_eq!(shown["expires_at"], "2026-11-20T14:13:20Z");
    let page = text(&get(&app, &format!("/migrations/{id}?account=anna@a.example")));
    assert!(page.contains("2026-11-20T14:13:20Z"));
}

#[test]
fn tables_and_the_report_are_whole_when_there_is_nothing() {
    let app = app();
    let id = begun(&app);
    let at = |what: &str| format!("/api/v1/migrations/{id}/{what}?account=anna@a.example");
    assert_eq!(text(&get(&app, &at("failures"))), "[]");
    assert_eq!(
        feed(&app, &at("failures.csv"), 9).concat(),
        "item,folder,subject,date,size_bytes,code,reason\r\n"
    );
    let report: Value = serde_json::from_str(&feed(&app, &at("report"), 9).concat()).unwrap();
    assert_eq!(
        report,
        json!({"id": id, "status": "pending", "folders": [], "manifest": null, "verdict": "unknown"})
    );
    assert!(feed(&app, &at("report.csv"), 9).concat().starts_with("source,destination,"));
    assert_eq!(feed(&app, &at("manifest.txt"), 9).concat(), "");
    set(&app, &id, |migration| migration.status = Status::Completed);
    let report: Value = serde_json::from_str(&feed(&app, &at("report"), 9).concat()).unwrap();
    // SHA-256 of nothing.
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(report["manifest"], json!({"lines": 0, "sha256": nothing}));
    let page = text(&get(&app, &format!("/migrations/{id}/report?account=anna@a.example")));
    assert!(page.contains(nothing) && page.contains("/manifest.txt?"), "{page}");
    let mut asked = good();
    asked["options"] = json!({"content_digests": "yes"});
    let refused = object(&post(&app, "/api/v1/migrations", &asked));
    assert_eq!(refused["errors"][0]["pointer"], "/options/content_digests");
}

#[test]
fn secrets_stay_inside() {
    let app = app();
    let id = begun(&app);
    let stored = app.outside.store.all();
    assert!(stored.iter().any(|(key, _)| key.ends_with("/credentials")));
    for (key, value) in stored {
        assert!(!value.windows(5).any(|part| part == b"right"), "{key}");
    }
    let account = "account=anna@a.example";
    for address in [
        format!("/api/v1/migrations/{id}?{account}"),
        format!("/migrations/{id}?{account}"),
        "/metrics".into(),
    ] {
        assert!(!text(&get(&app, &address)).contains("right\""));
    }
}

#[test]
fn accounts_are_looked_at() {
    let app = app();
    let fine = post(&app, "/api/v1/accounts/check", &side("a.example", "anna", "right"));
    assert_eq!((fine.status, object(&fine)["server"].clone()), (200, json!("ready")));
    let wrong = post(&app, "/api/v1/accounts/check", &side("a.example", "anna", "no"));
    assert_eq!(pointers(&wrong), ["/password authentication_failed"]);
    let found = json!({"type": "ovh", "login": "anna@c.example", "password": "right"});
    assert_eq!(post(&app, "/api/v1/accounts/check", &found).status, 200);
    let nothing = json!({"type": "ovh", "login": "anna@nothing.example", "password": "right"});
    let nothing = post(&app, "/api/v1/accounts/check", &nothing);
    assert_eq!(pointers(&nothing), ["/url no_server"]);
    let down = post(&app, "/api/v1/accounts/check", &side("down.example", "anna", "right"));
    assert_eq!(pointers(&down), ["/url unreachable"]);
}

#[test]
fn metrics_count() {
    let app = app();
    begun(&app);
    let text = text(&get(&app, "/metrics"));
    assert!(text.contains("trasloco_migrations_created_total 1\n"), "{text}");
    assert!(text.contains("trasloco_migrations_active 1\n"), "{text}");
    block_on(app.outside.store.increment(&keys::metric("items_migrated"), 7)).unwrap();
    assert!(
        self::text(&get(&app, "/api/v1/metrics")).contains("trasloco_items_migrated_total 7\n")
    );
}

#[test]
fn health_tells_what_waits() {
    let app = app();
    begun(&app);
    let told = |status| {
        let answer = get(&app, "/healthz");
        let told = object(&answer);
        assert_eq!(answer.status, status, "{told}");
        (told["status"].clone(), told["oldest_due_seconds"].clone(), told["store"].clone())
    };
    assert_eq!(told(200), (json!("ok"), json!(0), json!("ok")));
    *app.outside.now.borrow_mut() += 299_000;
    assert_eq!(told(200), (json!("ok"), json!(299), json!("ok")));
    *app.outside.now.borrow_mut() += 2_000;
    assert_eq!(told(503), (json!("failing"), json!(301), json!("ok")));
    let text = text(&get(&app, "/metrics"));
    assert!(text.contains("trasloco_oldest_due_seconds 301\n"), "{text}");
    assert!(text.contains("trasloco_long_slices 0\n"), "{text}");
    for shard in 0..keys::DUE_SHARDS {
        block_on(app.outside.store.set(&keys::due(shard), b"\x01{".to_vec())).unwrap();
    }
    let damaged = json!("a list of what is due is damaged");
    assert_eq!(told(503), (json!("failing"), json!(0), damaged));
    assert_eq!(get(&app, "/metrics").status, 200);
    assert_eq!(get(&app, "/").status, 200);
}

#[test]
fn files_may_be_kept_and_pages_not() {
    let app = app();
    let page = get(&app, "/");
    let html = text(&page);
    let address = html.split("href=\"").find(|part| part.starts_with("/assets/style")).unwrap();
    let style = get(&app, address.split('"').next().unwrap());
    assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'self'"));
    assert_eq!(get(&app, "/assets/nothing").status, 404);
    assert_eq!(get(&app, "/favicon.ico").header("content-type"), Some("image/svg+xml"));
    let italian = get(&app, "/?lang=it");
    assert!(italian.header("set-cookie").unwrap().starts_with("lang=it; Path=/"));
    assert!(text(&italian).contains("<html lang=\"it\">"));
}

/// Every link and every form of a page leads to a route.
#[test]
fn no_page_leads_nowhere() {
    let app = app();
    let id = begun(&app);
    let account = "account=anna@a.example";
    let page = format!("/migrations/{id}?{account}");
    let mut pages = vec![
        text(&get(&app, "/")),
        text(&get(&app, "/new")),
        text(&get(&app, "/find")),
        text(&get(&app, "/nowhere")),
        text(&get(&app, &page)),
        text(&get(&app, &format!("/migrations/{id}/report?{account}"))),
    ];
    set(&app, &id, |migration| migration.status = Status::Completed);
    pages.push(text(&get(&app, &page)));
    pages.push(text(&form(&app, &format!("/migrations/{id}/stop"), "account=anna@a.example")));
    pages.push(text(&form(&app, &format!("/migrations/{id}/stop"), "account=bob")));
    for html in pages {
        for (start, method) in [
            (" href=\"", "GET"),
            (" src=\"", "GET"),
            (" action=\"", "POST"),
            ("data-events=\"", "GET"),
        ] {
            for address in html.split(start).skip(1).filter_map(|part| part.split('"').next()) {
                let path = address.split(['?', '#']).next().unwrap();
                let known = path.is_empty() || path == "/nowhere";
                assert!(known || route(method, path).is_ok(), "{method} {address}");
            }
        }
    }
}

/// A migration that has ended after two runs.
fn ended(app: &App<Fake>) -> String {
    let id = begun(app);
    set(app, &id, |migration| {
        migration.status = model::Status::CompletedWithErrors;
        let point = |number| model::SyncPoint { number, ..model::SyncPoint::default() };
        migration.sync_points = vec![point(1), point(2)];
    });
    id
}

#[test]
fn takes_back_after_showing_what() {
    let app = app();
    let id = ended(&app);
    let at = |what: &str| format!("/api/v1/migrations/{id}/{what}?account=anna@a.example");
    let asked = |from: Value, password: &str, dry_run: bool| {
        let side = json!({"password": password});
        post(
            &app,
            &at("remove"),
            &json!({"from_sync_point": from, "destination": side, "dry_run": dry_run}),
        )
    };
    let preview = object(&asked(json!(2), "right", true));
    assert_eq!((&preview["messages"], &preview["kept"][0]["messages"]), (&json!(20), &json!(2)));
    assert_eq!(object(&get(&app, &at("").replace("/?", "?")))["status"], "completed_with_errors");
    for (from, password, pointer, code) in [
        (json!(3), "right", "/from_sync_point", "bad_value"),
        (json!(0), "right", "/from_sync_point", "bad_value"),
        (json!("x"), "right", "/from_sync_point", "wrong_type"),
        (json!(1), "wrong", "/destination/password", "authentication_failed"),
    ] {
        for dry_run in [true, false] {
            let refused = asked(from.clone(), password, dry_run);
            let told = &object(&refused)["errors"][0];
            assert_eq!((refused.status, &told["pointer"]), (422, &json!(pointer)), "{told}");
            assert_eq!(told["code"], json!(code));
        }
    }
    let begun = asked(json!(1), "right", false);
    assert_eq!((begun.status, object(&begun)["status"].clone()), (202, json!("removing")));
    assert_eq!(asked(json!(1), "right", false).status, 409, "while it runs");
    set(&app, &id, |migration| {
        migration.status = model::Status::Completed;
        migration.sync_points.iter_mut().for_each(|point| point.removed = true);
    });
    assert_eq!(asked(json!(1), "right", true).status, 409, "taken back already");
}

#[test]
fn tries_again_holds_and_goes_on() {
    let app = app();
    let id = ended(&app);
    let at = |what: &str| format!("/api/v1/migrations/{id}/{what}?account=anna@a.example");
    let side = |password: &str| json!({"password": password});
    let both = |one, other| json!({"source": side(one), "destination": side(other)});
    assert_eq!(post(&app, &at("retry"), &both("right", "wrong")).status, 422);
    let status = |answer: Answer| (answer.status, object(&answer)["status"].clone());
    assert_eq!(status(post(&app, &at("retry"), &both("right", "right"))), (202, json!("pending")));
    assert_eq!(status(post(&app, &at("pause"), &json!(null))), (202, json!("paused")));
    assert_eq!(post(&app, &at("pause"), &json!(null)).status, 409);
    assert_eq!(status(post(&app, &at("resume"), &json!(null))), (202, json!("pending")));
    let wrong = post(&app, &at("resume"), &json!(null));
    assert!(text(&wrong).contains("stop, pause, delete"), "{}", text(&wrong));
}

#[test]
fn the_pages_show_first_and_remove_then() {
    let app = app();
    let id = ended(&app);
    let page = text(&get(&app, &format!("/migrations/{id}?account=anna@a.example")));
    assert!(page.contains(&format!("/migrations/{id}/remove")), "{page}");
    let fields = "account=anna%40a.example&from_sync_point=2&destination.password=right";
    let shown = form(&app, &format!("/migrations/{id}/remove"), fields);
    assert_eq!(shown.status, 200);
    assert!(text(&shown).contains("20 messages") && text(&shown).contains("Read."));
    assert!(!text(&shown).contains("right\""), "no password in a page");
    let wrong = form(&app, &format!("/migrations/{id}/remove"), &fields.replace("right", "wrong"));
    assert_eq!(wrong.status, 422);
    let sent = form(&app, &format!("/migrations/{id}/remove"), &format!("{fields}&confirmed=yes"));
    assert_eq!(sent.status, 303);
    let now = object(&get(&app, &format!("/api/v1/migrations/{id}?account=anna@a.example")));
    assert_eq!(now["status"], "removing");
}

#[test]
fn templates_are_handed_out() {
    let app = app();
    for (name, media_type) in [
        ("migrations.csv", "text/csv; charset=utf-8"),
        ("migrations.xlsx", crate::answer::XLSX_MEDIA_TYPE),
    ] {
        let answer = get(&app, &format!("/api/v1/templates/{name}"));
        let disposition = format!("attachment; filename=\"{name}\"");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)));
        assert_eq!(answer.header("content-disposition"), Some(disposition.as_str()));
        let Body::Whole(file) = &answer.body else { panic!("{name}") };
        let rows = ::tables::read_table(file).unwrap();
        assert_eq!(rows[0].cells[0], "Source Type(IMAP/Exchange/POP)");
    }
    assert_eq!(get(&app, "/api/v1/templates/migrations.ods").status, 404);
}
