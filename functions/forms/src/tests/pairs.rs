//! One migration for a pair of accounts, and requests that are sent again.

use serde_json::{Value, json};

use super::{Answer, App, Fake, app, form, get, good, object, pointers, post, side};
use crate::request::Request;

fn keyed(app: &App<Fake>, key: &str, body: &Value) -> Answer {
    let mut headers = http::HeaderMap::new();
    headers.insert("idempotency-key", key.parse().unwrap());
    headers.insert("content-type", "application/json".parse().unwrap());
    let request = Request {
        method: http::Method::POST,
        path: "/api/v1/migrations".to_owned(),
        query: vec![],
        headers,
        origin: String::new(),
        secure: false,
    };
    super::answered(app, &request, body.to_string().as_bytes())
}

#[test]
fn a_second_migration_of_a_pair_is_refused_with_the_place_of_the_first() {
    let app = app();
    let first = object(&post(&app, "/api/v1/migrations", &good()));
    let spelled = [
        good(),
        json!({"source": side("A.Example.", "ANNA@A.example", "right"),
               "destination": side("b.example:143", " anna@b.example", "right")}),
    ];
    for body in &spelled {
        let second = post(&app, "/api/v1/migrations", body);
        let told = object(&second);
        assert_eq!((second.status, &told["status"]), (409, &json!(409)), "{told}");
        assert!(told["type"].as_str().unwrap().ends_with("/already_running"));
        let id = first["id"].as_str().unwrap();
        assert!(told["links"]["self"].as_str().unwrap().contains(id), "{told}");
        assert!(told["links"]["page"].as_str().unwrap().contains(id), "{told}");
    }
    // A wrong password learns nothing of it.
    let mut wrong = good();
    wrong["source"]["password"] = json!("wrong");
    assert_eq!(post(&app, "/api/v1/migrations", &wrong).status, 422);
    let back = json!({"source": good()["destination"], "destination": good()["source"]});
    assert_eq!(post(&app, "/api/v1/migrations", &back).status, 201, "another pair");
    let at = format!("/api/v1/migrations/{}", first["id"].as_str().unwrap());
    let account = "account=anna@a.example";
    assert_eq!(post(&app, &format!("{at}/stop?{account}"), &json!({})).status, 202);
    let again = object(&post(&app, "/api/v1/migrations", &good()));
    assert_eq!(again["status"], "pending", "{again}");
    let both = json!({"source": {"password": "right"}, "destination": {"password": "right"}});
    let older = post(&app, &format!("{at}/synchronise?{account}"), &both);
    let told = object(&older);
    assert_eq!(older.status, 409, "{told}");
    assert!(told["links"]["self"].as_str().unwrap().contains(again["id"].as_str().unwrap()));
    assert_eq!(object(&get(&app, &format!("{at}?{account}")))["status"], "stopped");
}

#[test]
fn the_same_form_twice_leads_to_one_page() {
    let app = app();
    let fields = "source.type=imap&source.url=a.example&source.login=anna%40a.example\
                  &source.password=right&destination.type=imap&destination.url=b.example\
                  &destination.login=anna%40b.example&destination.password=right&items=mail";
    let (one, two) = (form(&app, "/new", fields), form(&app, "/new", fields));
    assert_eq!((one.status, two.status), (303, 303));
    assert_eq!(one.header("location"), two.header("location"));
}

#[test]
fn the_same_account_at_both_ends_is_refused() {
    let app = app();
    for (url, login) in [
        ("a.example", "anna@a.example"),
        ("A.example.", "Anna@A.EXAMPLE"),
        ("a.example:993", "anna@a.example"),
    ] {
        let destination = side(url, login, "right");
        let body = json!({"source": side("a.example", "anna@a.example", "right"),
                          "destination": destination});
        let answer = post(&app, "/api/v1/migrations", &body);
        assert_eq!(answer.status, 422);
        assert_eq!(pointers(&answer), ["/destination/login same_account"], "{url}");
    }
}

#[test]
fn a_request_that_is_repeated_gets_the_first_answer() {
    let app = app();
    let mut body = good();
    body["notify"] = json!({"webhook": "https://hook.example/x"});
    let first = keyed(&app, "key 1", &body);
    assert_eq!(first.status, 201);
    let second = keyed(&app, "key 1", &body);
    assert_eq!((second.status, object(&second)), (201, object(&first)));
    assert_eq!(second.header("location"), first.header("location"));
    assert!(object(&first)["webhook_secret"].is_string());
    let other = keyed(&app, "key 1", &good());
    assert_eq!(other.status, 422);
    assert!(object(&other)["type"].as_str().unwrap().ends_with("idempotency_key_reused"));
    assert_eq!(keyed(&app, "key 2", &body).status, 409);
    // What was refused may be sent again.
    let app = self::app();
    let mut wrong = good();
    wrong["source"]["password"] = json!("wrong");
    assert_eq!(keyed(&app, "key 3", &wrong).status, 422);
    assert_eq!(keyed(&app, "key 3", &good()).status, 201);
}
