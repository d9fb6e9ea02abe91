//! Projects as programs see them.

use serde_json::{Value, json};

use super::{Fake, app, good, object, text};
use crate::answer::{Answer, Body};
use crate::app::App;

const PASSWORD: &str = "correct horse battery";

/// Sends JSON (or nothing) with these header fields.
fn ask(
    app: &App<Fake>,
    (method, address): (&str, &str),
    headers: &[(&'static str, &str)],
    body: &Value,
) -> Answer {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut map = http::HeaderMap::new();
    map.insert("content-type", "application/json".parse().unwrap());
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let request = crate::request::Request {
        method: method.parse().unwrap(),
        path: path.to_owned(),
        query: crate::request::query(query),
        headers: map,
        origin: "https://here.example".into(),
        secure: true,
    };
    super::answered(app, &request, body.to_string().as_bytes())
}

struct Open {
    app: App<Fake>,
    id: String,
    token: String,
}

impl Open {
    fn new() -> Self {
        let app = app();
        let body = json!({"name": "Acme", "password": PASSWORD, "email": "it@acme.example",
                          "language": "it"});
        let made = ask(&app, ("POST", "/api/v1/projects"), &[], &body);
        assert_eq!(made.status, 201, "{}", text(&made));
        let made = object(&made);
        let word = |name: &str| made[name].as_str().unwrap().to_owned();
        Open { id: word("id"), token: word("token"), app }
    }

    fn call(&self, method: &str, tail: &str, body: &Value) -> Answer {
        let address = format!("/api/v1/projects/{}{tail}", self.id);
        let bearer = format!("Bearer {}", self.token);
        ask(&self.app, (method, &address), &[("authorization", &bearer)], body)
    }

    fn show(&self, tail: &str) -> Value {
        let shown = self.call("GET", tail, &Value::Null);
        assert_eq!(shown.status, 200, "{}", text(&shown));
        object(&shown)
    }
}

#[test]
fn a_project_is_made_opened_and_closed() {
    let open = Open::new();
    let shown = open.show("");
    assert_eq!((&shown["name"], &shown["state"]), (&json!("Acme"), &json!("idle")));
    assert_eq!(shown["totals"]["migrations"], 0);
    let address = format!("/api/v1/projects/{}", open.id);
    let nobody = ask(&open.app, ("GET", &address), &[], &Value::Null);
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Bearer")));
    let login = format!("{address}/login");
    let entered = ask(&open.app, ("POST", &login), &[], &json!({"password": PASSWORD}));
    let cookie = entered.header("set-cookie").unwrap().to_owned();
    for part in ["__Host-project-", "HttpOnly", "SameSite=Strict", "Secure", "Path=/;"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let tls_only = entered.header("strict-transport-security");
    assert_eq!(tls_only, Some("max-age=31536000"));
    let cookie = cookie.split(';').next().unwrap();
    let with_cookie = ask(&open.app, ("GET", &address), &[("cookie", cookie)], &Value::Null);
    assert_eq!(with_cookie.status, 200);
    // What another site makes a browser send is not carried out, cookie or not.
    let foreign = [("cookie", cookie), ("sec-fetch-site", "cross-site")];
    let pause = format!("{address}/pause");
    assert_eq!(ask(&open.app, ("POST", &pause), &foreign, &Value::Null).status, 403);
    assert_eq!(open.call("POST", "/logout", &Value::Null).status, 204);
    assert_eq!(open.call("GET", "", &Value::Null).status, 401);
    assert_eq!(ask(&open.app, ("GET", &address), &[("cookie", cookie)], &Value::Null).status, 200);
}

#[test]
fn guessing_is_slowed_down() {
    let open = Open::new();
    let login = format!("/api/v1/projects/{}/login", open.id);
    let (mut wrong, mut waits) = (0, 0);
    for _ in 0..100 {
        let answer = ask(&open.app, ("POST", &login), &[], &json!({"password": "wrong password"}));
        match answer.status {
            401 => wrong += 1,
            429 => {
                let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!(seconds > 0);
                waits += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!((wrong, waits), (6, 94));
    // Whoever is in is not locked out by somebody else's guesses.
    assert_eq!(open.call("GET", "", &Value::Null).status, 200);
}

#[test]
fn what_is_wrong_with_a_new_project_is_told() {
    let app = app();
    let long = "x".repeat(1001);
    for (body, pointer) in [
        (json!({"password": PASSWORD}), "/name"),
        (json!({"name": " ", "password": PASSWORD}), "/name"),
        (json!({"name": "a", "password": "123456789"}), "/password"),
        (json!({"name": "a", "password": long}), "/password"),
        (json!({"name": "a", "password": 1}), "/password"),
        (json!({"name": "a", "password": PASSWORD, "email": "x"}), "/email"),
        (json!({"name": "a", "password": PASSWORD, "language": "xx"}), "/language"),
        (json!({"name": "a", "password": PASSWORD, "colour": "red"}), "/colour"),
    ] {
        let answer = ask(&app, ("POST", "/api/v1/projects"), &[], &body);
        assert_eq!(answer.status, 422, "{body}");
        assert_eq!(object(&answer)["errors"][0]["pointer"], pointer, "{body}");
    }
}

#[test]
fn options_change_what_is_given_and_refuse_the_rest() {
    let open = Open::new();
    let change = json!({"concurrency": 8, "requests_per_server": 2,
        "default_destination": {"type": "imap", "url": "imaps://mx.example"},
        "waves": {"sales": "2026-11-28T20:00:00Z"}});
    let changed = object(&open.call("PATCH", "/options", &change));
    assert_eq!(changed["options"]["concurrency"], 8);
    assert_eq!(changed["options"]["items"], json!(["mail"]));
    let changed = object(&open.call("PATCH", "/options", &json!({"waves": null})));
    assert_eq!(changed["options"]["waves"], json!({}));
    assert_eq!(changed["options"]["default_destination"]["url"], "imaps://mx.example");
    for (body, pointer) in [
        (json!({"concurrency": 0}), "/concurrency"),
        (json!({"concurrency": 33}), "/concurrency"),
        (json!({"requests_per_server": "many"}), "/requests_per_server"),
        (json!({"items": []}), "/items"),
        (json!({"items": ["stamps"]}), "/items/0"),
        (json!({"items": null}), "/items"),
        (json!({"default_source": {"type": "imap", "url": "http://x"}}), "/default_source/url"),
        (json!({"waves": {"a": "soon"}}), "/waves/a"),
        (json!({"speed": 1}), "/speed"),
    ] {
        let answer = open.call("PATCH", "/options", &body);
        assert_eq!(answer.status, 422, "{body}");
        assert_eq!(object(&answer)["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(open.show("")["options"]["concurrency"], 8, "nothing of it was kept");
}

#[test]
fn a_migration_is_added_with_what_the_project_fills_in() {
    let open = Open::new();
    let defaults = json!({"default_destination": {"type": "imap", "url": "imaps://mx.example"}});
    open.call("PATCH", "/options", &defaults);
    let mut one = good();
    one["destination"].as_object_mut().unwrap().remove("url");
    one["group"] = json!("sales");
    one.as_object_mut().unwrap().remove("items");
    let added = open.call("POST", "/migrations", &one);
    assert_eq!(added.status, 201, "{}", text(&added));
    let shown = open.show("");
    let row = &shown["migrations"][0];
    assert_eq!(row["destination"]["url"], "imaps://mx.example");
    assert_eq!((&row["group"], &row["status"]), (&json!("sales"), &json!("pending")));
    assert_eq!(shown["queue"], json!({"active": 0, "waiting": 1}));
    let mut wrong = good();
    wrong["source"]["password"] = json!("wrong");
    let refused = open.call("POST", "/migrations", &wrong);
    assert_eq!(refused.status, 422);
    assert_eq!(object(&refused)["errors"][0]["pointer"], "/source/password");
    assert_eq!(open.show("")["totals"]["migrations"], 1);
}

#[test]
fn the_list_is_filtered_searched_and_paged() {
    let open = Open::new();
    for n in 0..5 {
        let mut one = good();
        one["source"]["login"] = json!(format!("user{n}@from.example"));
        assert_eq!(open.call("POST", "/migrations", &one).status, 201);
    }
    let numbers = |shown: &Value| -> Vec<u64> {
        let rows = shown["migrations"].as_array().unwrap();
        rows.iter().map(|row| row["number"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&open.show("?search=USER3")), [3]);
    assert_eq!(numbers(&open.show("?status=failed,completed")), [0u64; 0]);
    let first = open.show("?limit=2");
    assert_eq!((numbers(&first), &first["next_after"]), (vec![0, 1], &json!(1)));
    let last = open.show("?limit=2&after=3");
    assert_eq!((numbers(&last), &last["next_after"]), (vec![4], &Value::Null));
    assert_eq!(open.call("GET", "?status=sleeping", &Value::Null).status, 422);
}

#[test]
fn held_let_go_and_erased() {
    let open = Open::new();
    let paused = open.call("POST", "/pause", &Value::Null);
    assert_eq!((paused.status, &object(&paused)["state"]), (202, &json!("paused")));
    let resumed = open.call("POST", "/resume", &Value::Null);
    assert_eq!((resumed.status, &object(&resumed)["state"]), (202, &json!("idle")));
    assert_eq!(open.call("DELETE", "", &Value::Null).status, 204);
    assert_eq!(open.call("GET", "", &Value::Null).status, 401);
    let login = format!("/api/v1/projects/{}/login", open.id);
    let again = ask(&open.app, ("POST", &login), &[], &json!({"password": PASSWORD}));
    assert_eq!(again.status, 401);
}

const HEADER: &str = "Source Type(IMAP/Exchange/POP);Source Server url;Source Login/Mail;\
    Source Password;Destination Type;Destination Url(can be leaved empty if hosted by OVH);\
    Destination Mail;Destination Password;Source admin mail (delegation);\
    Destination Admin Mail (delegation);Group";

/// A table with these rows: source login, source password, destination login.
fn table(rows: &[(&str, &str, &str)]) -> String {
    let rows = rows.iter().map(|(from, password, to)| {
        format!("IMAP;mx.from.example;{from};{password};IMAP;mx.to.example;{to};right;;;sales\r\n")
    });
    format!("{HEADER}\r\n{}", rows.collect::<String>())
}

impl Open {
    fn send_table(&self, tail: &str, file: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", bearer.parse().unwrap());
        headers.insert("content-type", "text/csv".parse().unwrap());
        let address = format!("/api/v1/projects/{}{tail}", self.id);
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        let request = crate::request::Request {
            method: http::Method::POST,
            path: path.to_owned(),
            query: crate::request::query(query),
            headers,
            origin: "https://here.example".into(),
            secure: true,
        };
        super::answered(&self.app, &request, file.as_bytes())
    }
}

#[test]
fn a_table_is_added_as_a_whole_or_not_at_all() {
    let open = Open::new();
    let good = table(&[("a@from.example", "x", "a@to.example"), ("b@from.example", "=;y", "b@to")]);
    let good = good.replace("=;y", "\"=;y\"");
    let seen = open.send_table("/import?dry_run=true", &good);
    assert_eq!(seen.status, 200, "{}", text(&seen));
    assert_eq!((&object(&seen)["rows"], &object(&seen)["added"]), (&json!(2), &json!(0)));
    assert!(!text(&seen).contains("=;y"), "no password comes back");
    assert_eq!(open.show("")["totals"]["migrations"], 0);
    let added = open.send_table("/import", &good);
    assert_eq!((added.status, object(&added)), (201, json!({"added": 2})));
    let shown = open.show("");
    assert_eq!(shown["totals"]["by_status"], json!({"pending": 2}));
    assert_eq!(shown["migrations"][1]["group"], "sales");
    // Nothing was tried: that is for the queue.
    assert!(open.app.outside.tried.borrow().is_empty());
    let again = open.send_table("/import", &table(&[("c@from.example", "x", "A@to.example")]));
    let refused = object(&again);
    assert_eq!(again.status, 422, "{refused}");
    assert_eq!(refused["errors"][0]["line"], 2);
    assert_eq!(refused["errors"][0]["column"], "Destination Mail");
    assert_eq!(refused["errors"][0]["code"], "repeated");
}

#[test]
fn each_bad_row_is_named_and_nothing_is_added() {
    let open = Open::new();
    let rows = [("a@x", "x", "a@to"), ("", "x", "b@to"), ("c@x", "", "c@to"), ("d@x", "x", "A@to")];
    let refused = open.send_table("/import", &table(&rows));
    assert_eq!(refused.status, 422);
    let object = object(&refused);
    let errors = object["errors"].as_array().unwrap();
    let lines: Vec<_> = errors.iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 5], "{object:#}");
    assert_eq!(open.show("")["totals"]["migrations"], 0);
    let json = open.call("POST", "/import", &json!({}));
    assert_eq!(json.status, 415);
}

#[test]
fn exports_are_neutral_and_whole() {
    let open = Open::new();
    let rows = table(&[("=cmd@from.example", "x", "a@to.example"), ("b@x", "x", "b@to.example")]);
    assert_eq!(open.send_table("/import", &rows).status, 201);
    let answer = open.call("GET", "/export.csv", &Value::Null);
    assert_eq!(answer.status, 200);
    let Body::Feed(feed) = &answer.body else { panic!("not a feed") };
    let pieces = super::pieces(&open.app, feed);
    assert!(pieces.contains("'=cmd@from.example"), "{pieces}");
    assert_eq!(pieces.lines().count(), 3, "{pieces}");
    let workbook = open.call("GET", "/export.xlsx", &Value::Null);
    let Body::Whole(bytes) = &workbook.body else { panic!("a feed") };
    let rows = ::tables::read_table(bytes).unwrap();
    assert_eq!(rows.len(), 3);
    assert!(rows[1].cells.iter().any(|cell| cell == "'=cmd@from.example"), "{rows:?}");
}

#[test]
fn what_failed_is_tried_again_with_the_passwords_of_a_table() {
    let open = Open::new();
    let rows = [("a@x", "old", "a@to"), ("b@x", "old", "b@to")];
    assert_eq!(open.send_table("/import", &table(&rows)).status, 201);
    let id = open.show("")["migrations"][0]["id"].as_str().unwrap().to_owned();
    super::set(&open.app, &id, |migration| migration.status = model::Status::Failed);
    let row = open.show("")["migrations"][0].clone();
    assert_eq!(row["status"], "pending", "the list is told by whoever writes the migration");
    let store = &open.app.outside.store;
    futures::executor::block_on(async {
        let id = model::MigrationId::parse(&id).unwrap();
        let migration = migrate::lifecycle::read(store, &id).await.unwrap().unwrap();
        let membership = migration.project.clone().unwrap();
        let row = ::project::members::Row::of(&migration);
        ::project::members::update(store, &membership.project, 0, &row).await.unwrap();
        ::project::record::change_queue(store, &membership.project, |queue| {
            queue.settle(0, ::project::queue::Left::Ended);
        })
        .await
        .unwrap();
    });
    let rows = [("A@x", "new", "a@to"), ("b@x", "new", "b@to"), ("z@x", "new", "z@to")];
    let answer = open.send_table("/retry", &table(&rows));
    assert_eq!(answer.status, 202, "{}", text(&answer));
    assert_eq!(object(&answer), json!({"retried": 1, "skipped": 1, "unknown": 1}));
    let shown = open.show("");
    assert_eq!(shown["migrations"][0]["status"], "pending");
    assert_eq!(shown["queue"], json!({"active": 0, "waiting": 2}));
}
