//! State folders of an earlier version (`tests/samples/stores`) are opened by the binary and go on.

use e2e::app::{App, Migration, Setup};
use e2e::http::request;
use e2e::stored::{as_of, fill, serve};
use serde_json::{Value, json};
use stored::{FIRST_PORT, PROJECT_PASSWORD, Sample};

/// The application on the state of a sample, at the time that it was stored.
fn open(sample: &Sample) -> App {
    let setup = Setup::default().variable("allow_plaintext", "true");
    App::start_on(as_of(sample, setup), |state| fill(sample, state))
}

fn migration(sample: &Sample) -> Migration {
    let mut ids = sample.pairs.keys().filter_map(|key| key.strip_prefix("m/"));
    let id = ids.find(|id| !id.contains('/')).expect("a migration").to_owned();
    Migration { id, account: "user".to_owned(), answer: Value::Null }
}

#[track_caller]
fn assert_same(sample: &Sample, port: u16) {
    let [source, destination] = [port, port + 1].map(|port| sample.servers[&port].digest());
    assert_eq!(source, destination, "port {port}");
    assert_eq!(sample.servers[&(port + 1)].complaints(), Vec::<String>::new());
}

#[test]
fn paused_goes_on() {
    let sample = Sample::read("5148ca2/paused");
    let _servers = serve(1, &sample);
    let app = open(&sample);
    let migration = migration(&sample);
    assert_eq!(app.status(&migration)["status"], "paused");
    let answer = app.post(&migration.path("/resume"), &json!({}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let state = app.wait(&migration, 60);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_same(&sample, FIRST_PORT);
}

#[test]
fn killed_goes_on() {
    let sample = Sample::read("5148ca2/killed");
    let _servers = serve(2, &sample);
    let app = open(&sample);
    let state = app.wait(&migration(&sample), 60);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_same(&sample, FIRST_PORT);
}

#[test]
fn finished_is_synchronised_and_taken_back() {
    let sample = Sample::read("5148ca2/finished");
    let _servers = serve(3, &sample);
    let app = open(&sample);
    let migration = migration(&sample);
    let passwords =
        json!({"source": {"password": "secret"}, "destination": {"password": "secret"}});
    let before = sample.servers[&(FIRST_PORT + 1)].digest();
    let answer = app.post(&migration.path("/synchronise"), &passwords);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let state = app.wait_for(&migration, 60, |state| {
        let points = state["sync_points"].as_array().map_or(0, Vec::len);
        points == 3 && e2e::app::ended(state)
    });
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(sample.servers[&(FIRST_PORT + 1)].digest(), before, "nothing is new");
    let password = json!({"destination": {"password": "secret"}, "from_sync_point": 1});
    let answer = app.post(&migration.path("/remove"), &password);
    assert_eq!(answer.status, 202, "{}", answer.text());
    app.wait_for(&migration, 60, |state| {
        let points = state["sync_points"].as_array().cloned().unwrap_or_default();
        points.iter().all(|point| point["removed"] == true) && e2e::app::ended(state)
    });
    let left = sample.servers[&(FIRST_PORT + 1)].digest().0;
    let left: Vec<&str> =
        left.values().flatten().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(left, ["<own@x>", "<fw2@x>"]);
}

#[test]
fn a_project_goes_on() {
    let sample = Sample::read("5148ca2/project");
    let _servers = serve(4, &sample);
    let app = open(&sample);
    let mut ids = sample.pairs.keys().filter_map(|key| key.strip_prefix("p/"));
    let id = ids.find(|id| !id.contains('/')).expect("a project");
    let path = format!("/projects/{id}");
    let opened = app.post(&format!("{path}/login"), &json!({"password": PROJECT_PASSWORD}));
    assert_eq!(opened.status, 200, "{}", opened.text());
    let bearer = format!("Bearer {}", opened.json()["token"].as_str().expect("a token"));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let state = loop {
        let headers = [("authorization", bearer.as_str())];
        let state = request("GET", &app.api(&path), &headers, b"").expect("an answer").json();
        if state["state"] == "idle" {
            break state;
        }
        assert!(std::time::Instant::now() < deadline, "{state:#}\n{}", app.log());
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    let rows = state["migrations"].as_array().expect("a list").iter();
    let statuses: Vec<&Value> = rows.map(|row| &row["status"]).collect();
    assert_eq!(statuses, ["completed", "failed", "completed", "completed", "completed"]);
    for row in [0, 2, 3, 4] {
        assert_same(&sample, FIRST_PORT + 2 * row);
    }
}
