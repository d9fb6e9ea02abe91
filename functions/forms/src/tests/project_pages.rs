//! Projects as people see them.

use std::cell::RefCell;

use futures::executor::block_on;
use model::{MigrationId, ProjectId, Status};
use project::members::Row;
use zeroize::Zeroizing;

use super::{Fake, app, text};
use crate::answer::Answer;
use crate::app::App;
use crate::request::{self, Request};
use crate::routes::route;

const PASSWORD: &str = "correct horse battery";
const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data; boundary=XX";
const HEADER: &str = "Source Type;Source Server url;Source Login/Mail;Source Password;Destination Type;Destination Url;Destination Mail;Destination Password;Source admin mail (delegation);Destination Admin Mail (delegation);Group\n";

/// A browser: it keeps the cookie that it is given.
struct Person {
    app: App<Fake>,
    cookie: RefCell<String>,
    id: String,
}

impl Person {
    /// Who has just made a project.
    fn new() -> Self {
        let person = Person { app: app(), cookie: RefCell::default(), id: String::new() };
        let made = person.send("/projects/new", &format!("name=Acme&password={PASSWORD}&email="));
        assert_eq!(made.status, 303, "{}", text(&made));
        let to = made.header("location").unwrap();
        let id = to.strip_prefix("/projects/").unwrap().split('?').next().unwrap().to_owned();
        let page = person.get(to);
        assert!(text(&page).contains("Keep this ID"));
        Person { id, ..person }
    }

    fn ask(&self, method: &str, address: &str, kind: &str, body: &[u8]) -> Answer {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        headers.insert("cookie", self.cookie.borrow().parse().unwrap());
        headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
        let request = Request {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            query: request::query(query),
            headers,
            origin: "https://here.example".into(),
            secure: true,
        };
        let answer = super::answered(&self.app, &request, body);
        if let Some(cookie) =
            answer.header("set-cookie").filter(|it| it.starts_with("__Host-project-"))
        {
            let pair = cookie.split(';').next().unwrap();
            *self.cookie.borrow_mut() = pair.to_owned();
        }
        answer
    }

    fn get(&self, address: &str) -> Answer {
        self.ask("GET", address, FORM, b"")
    }

    fn send(&self, address: &str, form: &str) -> Answer {
        self.ask("POST", address, FORM, form.as_bytes())
    }

    fn at(&self, tail: &str) -> String {
        format!("/projects/{}{tail}", self.id)
    }

    /// The page, which must be there.
    fn page(&self, tail: &str) -> String {
        let page = self.get(&self.at(tail));
        assert_eq!(page.status, 200, "{tail}: {}", text(&page));
        text(&page)
    }

    fn upload(&self, tail: &str, file: &str, action: &str) -> Answer {
        let body = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
             Content-Type: text/csv\r\n\r\n{file}\r\n--XX\r\n\
             Content-Disposition: form-data; name=\"action\"\r\n\r\n{action}\r\n--XX--\r\n"
        );
        self.ask("POST", &self.at(tail), PARTS, body.as_bytes())
    }

    /// Says of a migration what a slice would.
    fn becomes(&self, number: u32, change: impl Fn(&mut Row)) {
        let id = ProjectId::parse(&self.id).unwrap();
        let store = &self.app.outside.store;
        let listed = block_on(project::members::page(store, &id, 0, number + 1)).unwrap();
        let (_, mut row) = listed[number as usize].clone();
        change(&mut row);
        block_on(project::members::update(store, &id, number, &row)).unwrap();
    }
}

/// Rows of a table; with `wrong` the one of that number lacks a password.
fn rows(count: usize, wrong: &[usize]) -> String {
    let row = |n: usize| {
        let password = if wrong.contains(&n) { "" } else { "s3cret-of-it" };
        let group = if n.is_multiple_of(2) { "sales" } else { "" };
        format!(
            "IMAP;old.example;u{n}@x.example;{password};IMAP;new.example;u{n}@y.example;q;;;{group}\n"
        )
    };
    HEADER.to_owned() + &(0..count).map(row).collect::<String>()
}

#[test]
fn a_project_is_made_left_and_opened_again() {
    let person = Person::new();
    assert!(person.page("").contains("Acme"));
    assert!(!person.page("").contains(PASSWORD));
    let left = person.send(&person.at("/logout"), "");
    let way_in = left.header("location").unwrap();
    assert_eq!(
        (left.status, way_in),
        (303, &*format!("/projects/open?id={}&closed=yes", person.id))
    );
    assert!(text(&person.get(way_in)).contains(&format!("value=\"{}\"", person.id)));

    // The page that was asked for is where the way in leads to.
    let asked = person.get(&person.at("/options?lang=it"));
    assert_eq!((asked.status, asked.header("www-authenticate")), (401, Some("Bearer")));
    let back = format!("name=\"back\" value=\"{}\"", person.at("/options"));
    assert!(text(&asked).contains(&back), "{}", text(&asked));
    let form =
        |back: &str, password: &str| format!("id={}&back={back}&password={password}", person.id);
    let wrong = person.send("/projects/open", &form("", "wrong password"));
    assert_eq!(wrong.status, 401);
    assert!(text(&wrong).contains("There is no project with this"));
    let entered = person.send("/projects/open", &form(&person.at("/options"), PASSWORD));
    assert_eq!((entered.status, entered.header("location")), (303, Some(&*person.at("/options"))));
    for part in ["HttpOnly", "SameSite=Strict", "Secure"] {
        assert!(entered.header("set-cookie").unwrap().contains(part));
    }
    assert_eq!(person.get(&person.at("/options")).status, 200);
    // Nowhere else, though.
    for elsewhere in
        ["https://evil.example/", "//evil.example", "/", "/projects/open", "/projects/new?x"]
    {
        let entered = person.send("/projects/open", &form(elsewhere, PASSWORD));
        assert_eq!(entered.header("location"), Some(&*person.at("")), "{elsewhere}");
    }
}

#[test]
fn every_page_asks_who_one_is() {
    let person = Person::new();
    person.cookie.borrow_mut().clear();
    for tail in ["", "/import", "/add", "/options", "/retry", "?status=failed&search=a%20b"] {
        let page = person.get(&person.at(tail));
        assert_eq!(page.status, 401, "{tail}");
        assert!(!text(&page).contains("Acme"));
        let back = person.at(tail).replace('&', "&amp;");
        assert!(text(&page).contains(&format!("value=\"{back}\"")), "{tail}: {}", text(&page));
    }
    for tail in ["/import", "/add", "/options", "/retry", "/pause", "/resume", "/delete"] {
        assert_eq!(person.send(&person.at(tail), "confirmed=yes").status, 401, "{tail}");
    }
    // A project that is not there answers the same.
    let other = person.get("/projects/00000000000000000000000000");
    assert_eq!(other.status, 401);
}

#[test]
fn guesses_have_to_wait() {
    let person = Person::new();
    let form = format!("id={}&password=wrong%20password", person.id);
    let refused = (0..20).map(|_| person.send("/projects/open", &form)).find(|it| it.status != 401);
    let refused = refused.unwrap();
    let seconds = refused.header("retry-after").unwrap();
    assert_eq!(refused.status, 429);
    assert!(text(&refused).contains(&format!("Try again in {seconds} seconds.")));
}

#[test]
fn what_is_wrong_with_a_new_project_is_told() {
    let app = app();
    let person = Person { app, cookie: RefCell::default(), id: String::new() };
    let refused = person.send("/projects/new", "name=My+firm&password=too+short&email=x");
    assert_eq!(refused.status, 422);
    let page = text(&refused);
    assert!(page.contains("value=\"My firm\"") && !page.contains("too short\""));
    assert!(page.contains("href=\"#password\"") && page.contains("href=\"#email\""));
    assert_eq!(super::kept(&person.app), []);
}

#[test]
fn a_table_is_checked_corrected_and_added() {
    let person = Person::new();
    let bad = person.upload("/import", &rows(6, &[1, 2, 4]), "add");
    assert_eq!(bad.status, 422);
    let page = text(&bad);
    for line in [3, 4, 6] {
        assert!(page.contains(&format!("data-label=\"Line\">{line}</th>")), "{line}: {page}");
    }
    assert_eq!(page.matches("Source Password").count(), 3, "{page}");
    assert!(!page.contains("s3cret-of-it"));
    assert!(person.page("").contains("There are no migrations yet"));

    let good = person.upload("/import", &rows(6, &[]), "check");
    assert_eq!(good.status, 200);
    let page = text(&good);
    for shown in ["The file is in order", "u5@y.example", "imaps://old.example", "sales", "6 × "] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("s3cret-of-it"));
    assert!(person.page("").contains("There are no migrations yet"));

    let added = person.upload("/import", &rows(6, &[]), "add");
    assert_eq!((added.status, added.header("location")), (303, Some(&*person.at("?added=6"))));
    assert!(person.page("?added=6").contains("Migrations added: 6."));
    // Once more is once too often.
    let again = person.upload("/import", &rows(6, &[]), "add");
    assert_eq!(again.status, 422);
    let none = person.ask("POST", &person.at("/import"), PARTS, b"--XX--\r\n");
    assert_eq!(none.status, 422);
    assert!(text(&none).contains("Choose a file first"));
    let pdf = person.upload("/import", "%PDF-1.4", "check");
    assert_eq!(pdf.status, 415);
    assert!(text(&pdf).contains("Nothing was added"));
    assert_eq!(person.send(&person.at("/import"), "action=add").status, 415);
}

#[test]
fn the_list_is_filtered_searched_and_goes_on() {
    let person = Person::new();
    person.upload("/import", &rows(60, &[]), "add");
    person.becomes(7, |row| {
        row.status = Some(Status::Failed);
        row.progress =
            model::Counters { total: 10, migrated: 3, failed: 1, ..model::Counters::default() };
        row.error = Some("NO [AUTHENTICATIONFAILED] <b>".into());
    });
    let all = person.page("");
    assert_eq!(all.matches("<tr>").count(), 51);
    assert!(all.contains("?after=49#migrations") && all.contains("&lt;b&gt;"));
    assert!(all.contains("export.csv") && all.contains(&person.at("/retry")));
    let rest = person.page("?after=49");
    assert_eq!(rest.matches("<tr>").count(), 11);
    assert!(rest.contains("u59@x.example") && rest.contains("Back to the first"));
    let failed = person.page("?status=failed");
    assert_eq!(failed.matches("<tr>").count(), 2);
    assert!(failed.contains("u7@x.example"));
    let found = person.page("?search=U42%40&status=pending");
    assert_eq!(found.matches("<tr>").count(), 2);
    assert!(found.contains("value=\"U42@\"") && found.contains("status=pending&amp;search=U42%40"));
    assert!(person.page("?search=nobody").contains("No migration is like this"));
    assert_eq!(person.get(&person.at("?status=asleep")).status, 422);
}

#[test]
fn held_and_let_go() {
    let person = Person::new();
    person.upload("/import", &rows(3, &[]), "add");
    assert!(person.page("").contains(&person.at("/pause")));
    let paused = person.send(&person.at("/pause"), "");
    assert_eq!((paused.status, paused.header("location")), (303, Some(&*person.at(""))));
    let page = person.page("");
    assert!(page.contains("On hold") && page.contains(&person.at("/resume")));
    person.send(&person.at("/resume"), "");
    assert!(person.page("").contains("At work"));
}

#[test]
fn what_failed_is_tried_again_with_a_corrected_table() {
    let person = Person::new();
    person.upload("/import", &rows(2, &[]), "add");
    let id = ProjectId::parse(&person.id).unwrap();
    let store = &person.app.outside.store;
    let listed = block_on(project::members::page(store, &id, 0, 2)).unwrap();
    let first: MigrationId = listed[0].1.id.clone();
    super::set(&person.app, first.as_str(), |migration| migration.status = Status::Failed);
    person.becomes(0, |row| row.status = Some(Status::Failed));
    let refused = person.upload("/retry", &rows(1, &[0]), "");
    assert_eq!(refused.status, 422);
    assert!(text(&refused).contains("Source Password"));
    let retried = person.upload("/retry", &rows(3, &[]), "");
    let to = person.at("?retried=1&skipped=1&unknown=1");
    assert_eq!((retried.status, retried.header("location")), (303, Some(&*to)));
    let told =
        "Begun anew: 1. Left alone, since they are at work or complete: 1. Not in this project: 1.";
    assert!(text(&person.get(&to)).contains(told));
}

#[test]
fn one_is_added_and_its_servers_are_kept() {
    let person = Person::new();
    let form = |password: &str| {
        format!(
            "source.type=imap&source.url=a.example&source.login=anna&source.password={password}&\
             source.delegate=&destination.type=imap&destination.url=b.example&\
             destination.login=bea&destination.password=right&group=two+words&keep=yes&items=mail&\
             options.exclude_folders=Junk"
        )
    };
    let refused = person.send(&person.at("/add"), &form("wrong"));
    assert_eq!(refused.status, 422);
    let page = text(&refused);
    assert!(page.contains("href=\"#source-password\"") && page.contains("AUTHENTICATIONFAILED"));
    assert!(page.contains("value=\"two words\"") && !page.contains("value=\"wrong\""));
    let added = person.send(&person.at("/add"), &form("right"));
    let to = person.at("/add?added=yes&group=two%20words");
    assert_eq!((added.status, added.header("location")), (303, Some(&*to)), "{}", text(&added));
    let page = text(&person.get(&to));
    for shown in ["Migrations added: 1.", "imaps://a.example", "imaps://b.example", "two words"] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(person.page("").contains("two words"));
    // Nothing is moved where no box is ticked.
    let nothing = person.send(&person.at("/add"), &form("right").replace("&items=mail", ""));
    assert_eq!(nothing.status, 422);
    assert!(text(&nothing).contains("href=\"#items\""));
}

#[test]
fn options_are_shown_changed_and_refused() {
    let person = Person::new();
    person.upload("/import", &rows(3, &[]), "add");
    assert!(person.page("/options").contains("value=\"sales\""), "a group that is known has a row");
    let form = "concurrency=6&requests_per_server=3&items=mail&default_source.type=&default_source.url=&\
                default_destination.type=imap&default_destination.url=mx.example&wave.0.group=sales&\
                wave.0.start=2026-11-28T20%3A00&wave.1.group=it&wave.1.start=";
    let saved = person.send(&person.at("/options"), form);
    assert_eq!(
        (saved.status, saved.header("location")),
        (303, Some(&*person.at("/options?saved=yes"))),
        "{}",
        text(&saved)
    );
    let page = person.page("/options?saved=yes");
    for shown in [
        "The options are saved",
        "value=\"6\"",
        "value=\"imaps://mx.example\"",
        "value=\"2026-11-28T20:00\"",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    for (from, to, at) in [
        ("concurrency=6", "concurrency=99", "#concurrency"),
        ("requests_per_server=3", "requests_per_server=lots", "#requests_per_server"),
        ("&items=mail", "", "#items"),
        ("mx.example", "ftp://mx.example", "#default_destination-url"),
        ("2026-11-28T20%3A00", "tomorrow", "#wave-0-start"),
        ("wave.0.group=sales", "wave.0.group=", "#wave-0-group"),
        ("group=it&wave.1.start=", "group=sales&wave.1.start=2026-11-28T20%3A00", "#wave-1-group"),
    ] {
        let refused = person.send(&person.at("/options"), &form.replace(from, to));
        assert_eq!(refused.status, 422, "{to}");
        let page = text(&refused);
        assert!(page.contains(&format!("href=\"{at}\"")), "{to}: {page}");
    }
    assert!(person.page("/options").contains("value=\"6\""), "nothing of it was kept");
}

#[test]
fn erased_only_when_confirmed() {
    let person = Person::new();
    let asked = person.send(&person.at("/delete"), "");
    assert_eq!(asked.header("location"), Some(&*person.at("/options")));
    assert_eq!(person.get(&person.at("")).status, 200);
    let erased = person.send(&person.at("/delete"), "confirmed=yes");
    assert_eq!(erased.status, 200);
    assert!(erased.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(text(&erased).contains("The project is erased"));
    assert_eq!(person.get(&person.at("")).status, 401);
}

#[test]
fn other_sites_cannot_send_these_forms() {
    let person = Person::new();
    for tail in ["/pause", "/import", "/retry", "/add", "/options", "/delete", "/logout"] {
        let mut headers = http::HeaderMap::new();
        headers.insert("cookie", person.cookie.borrow().parse().unwrap());
        headers.insert("content-type", FORM.parse().unwrap());
        headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
        let request = Request {
            method: http::Method::POST,
            path: person.at(tail),
            query: vec![],
            headers,
            origin: "https://here.example".into(),
            secure: true,
        };
        let body = Ok(Zeroizing::new(b"confirmed=yes".to_vec()));
        assert_eq!(block_on(person.app.answer(&request, body)).status, 403, "{tail}");
    }
    assert!(person.page("").contains("Acme"));
}

/// What is large is refused before it is read; a browser that sent it is led to the way in.
#[test]
fn a_table_of_a_stranger_leads_to_the_way_in() {
    let person = Person::new();
    let request = Request {
        method: http::Method::POST,
        path: person.at("/import"),
        query: vec![],
        headers: http::HeaderMap::new(),
        origin: "https://here.example".into(),
        secure: false,
    };
    let refused = Err(crate::refusals::Refusal::of(crate::refusals::Code::SignIn));
    let answer = block_on(person.app.answer(&request, refused));
    assert_eq!(answer.status, 401);
    let back = format!("name=\"back\" value=\"{}\"", person.at("/import"));
    assert!(text(&answer).contains(&back), "{}", text(&answer));
}

#[test]
fn a_server_is_found_without_the_script() {
    let person = Person::new();
    let typed = "source.type=ovh&source.url=&source.login=anna@old.example&source.password=s3cret&\
                 destination.type=ovh&destination.url=&destination.login=&destination.password=&\
                 group=sales&detect=source";
    let found = person.send(&person.at("/add"), typed);
    assert_eq!(found.status, 200);
    let page = text(&found);
    for shown in ["imaps://imap.old.example", "anna@old.example", "value=\"sales\""] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("s3cret") && !page.contains("Migrations added"));
    assert!(person.page("").contains("There are no migrations yet"));
}

/// Every link and every form of a page leads to a route.
#[test]
fn no_page_leads_nowhere() {
    let person = Person::new();
    person.upload("/import", &rows(60, &[]), "add");
    person.becomes(0, |row| row.status = Some(Status::Failed));
    let mut pages: Vec<String> =
        ["", "?after=9", "?made=yes", "/import", "/retry", "/add", "/options"]
            .map(|tail| person.page(tail))
            .to_vec();
    person.send(&person.at("/pause"), "");
    pages.push(person.page(""));
    pages.push(text(&person.upload("/import", &rows(1, &[0]), "check")));
    pages.push(text(&person.send(&person.at("/delete"), "confirmed=yes")));
    pages.push(text(&person.get(&person.at("/import"))));
    pages.push(text(&person.get("/projects/new")));
    pages.push(text(&person.get("/projects/open")));
    let mut seen = 0;
    for html in pages {
        let forms = html.split("<form").skip(1);
        for tag in forms.filter_map(|part| part.split('>').next()) {
            let method = if tag.contains("method=\"get\"") { "GET" } else { "POST" };
            let address = tag.split(" action=\"").nth(1).unwrap().split('"').next().unwrap();
            let path = address.split('#').next().unwrap();
            assert!(route(method, path).is_ok(), "{method} {address}");
            seen += 1;
        }
        for start in [" href=\"", " src=\"", "data-poll=\""] {
            for address in html.split(start).skip(1).filter_map(|part| part.split('"').next()) {
                let path = address.split(['?', '#']).next().unwrap();
                assert!(path.is_empty() || route("GET", path).is_ok(), "GET {address}");
                seen += 1;
            }
        }
    }
    assert!(seen > 300, "{seen}");
}
