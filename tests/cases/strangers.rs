//! The same request twice, one account at both ends, guessed passwords, looked-for ports: what an
//! installation that is open to anybody refuses, before the binary as people run it.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::app::{App, Migration, Setup, binary, imap_account, mail_migration};
use e2e::doh::Doh;
use e2e::http::{get, post, post_from, request};
use e2e::servers::{Fake, Recipient, Talker};
use fake_imap::Faults;
use serde_json::{Value, json};

use crate::projects::{HEADER, Project};
use crate::truth::{Pair, at, empty, filled, slowly};

/// A disk that is full after some writes.
const DISK_KIB: u32 = 4 << 10;
/// Messages of a mailbox that takes several batches.
const MANY: usize = 4_500;

/// Point 5.
#[test]
fn the_same_request_twice() {
    let pair = Pair::slow(40, 128 << 10);
    let app = App::start(slowly());
    let body = pair.body();
    // A double click: both are on their way at once.
    let (first, second) = std::thread::scope(|scope| {
        let again = scope.spawn(|| app.post("/migrations", &body));
        (app.post("/migrations", &body), again.join().unwrap())
    });
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", first.text(), second.text());
    let (made, refused) = if first.status == 201 { (first, second) } else { (second, first) };
    let answer = made.json();
    let id = answer["id"].as_str().expect("an id").to_owned();
    assert!(refused.text().contains(&id), "{}", refused.text());
    let state = app.wait(&Migration { id, account: "user".to_owned(), answer }, 120);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert_eq!(pair.destination.account.messages("INBOX").len(), 40);
}

/// Point 9.
#[test]
fn one_account_at_both_ends() {
    let only = Fake::start(filled(5), Faults::none());
    let app = App::start(Setup::default());
    let plainly = mail_migration(at(&only), at(&only));
    let by_address = {
        let url = format!("imaps://127.0.0.1:{}", only.tls_port());
        mail_migration(at(&only), imap_account(&url, "USER", "secret"))
    };
    let mut mapped = plainly.clone();
    mapped["options"] = json!({"folder_map": {"INBOX": "Copy"}});
    for body in [plainly, by_address, mapped] {
        let answer = app.post("/migrations", &body);
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert_eq!(only.account.messages("INBOX").len(), 5);
    }
}

/// Point 14: whatever a pause meets, a resumed project goes on to its end.
#[test]
fn paused_and_resumed_within_a_slice() {
    let pairs: Vec<Pair> = (0..4).map(|_| Pair::slow_of((MANY, 300), 384 << 10)).collect();
    // Fewer at work than run, so that some are between two slices.
    let app = App::start(slowly().variable("parallel_slices", "2"));
    let project = Project::create(&app);
    for pair in &pairs {
        project.json(&app, "POST", "/migrations", &pair.body());
    }
    for _ in 0..4 {
        // In the middle of a batch, which lasts for seconds: it sees neither before its end.
        let deadline = Instant::now() + Duration::from_secs(60);
        while !pairs.iter().any(Pair::asked_for_bodies) {
            assert!(Instant::now() < deadline, "no bodies are asked for");
            std::thread::sleep(Duration::from_millis(5));
        }
        project.json(&app, "POST", "/pause", &json!({}));
        // One that nobody works on is held at once, the others are told so.
        let is_held = |row: &Value| row["status"] == "paused";
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline && !project.rows(&app).iter().any(is_held) {
            std::thread::sleep(Duration::from_millis(5));
        }
        project.json(&app, "POST", "/resume", &json!({}));
    }
    project.wait(&app, 180);
    for (row, pair) in project.rows(&app).iter().zip(&pairs) {
        assert_eq!(row["status"], "completed", "{row:#}");
        assert_eq!(pair.arrived(), MANY);
    }
}

/// Point 17: passwords are not guessed through us.
#[test]
fn log_ins_that_fail_are_limited() {
    let only = Fake::start(filled(1), Faults::none());
    let app = App::start(Setup::default());
    let url = format!("imaps://localhost:{}", only.tls_port());
    let tried = (0..50).map(|n| imap_account(&url, "user", &format!("guess {n}")));
    let refusals = tried.map(|account| app.post("/accounts/check", &account));
    let refused = refusals.filter(|answer| answer.status == 429).count();
    assert!(refused > 30, "{refused}");
}

/// Point 17: nor by a table that has the right one among many.
#[test]
fn a_table_of_guesses_shows_nothing() {
    let only = Fake::start(filled(1), Faults::none());
    let to = Fake::start(empty(), Faults::none());
    let app = App::start(Setup::default());
    let project = Project::create(&app);
    let mut table = HEADER.join(";") + "\n";
    let (from, to) = (only.tls_port(), to.tls_port());
    for n in 0..40 {
        let password = if n == 37 { "secret".to_owned() } else { format!("guess {n}") };
        table.push_str(&format!(
            "IMAP;imaps://localhost:{from};user;{password};\
             IMAP;imaps://localhost:{to};other{n};wrong;;\n"
        ));
    }
    only.account.take_commands();
    let answer = project.call(&app, ("POST", "/import"), ("text/csv", table.as_bytes()));
    assert!(answer.status >= 400, "{} {}", answer.status, answer.text());
    let commands = only.account.take_commands();
    let tried = commands.iter().filter(|it| it.contains("AUTHENTICATE") || it.contains("LOGIN"));
    let tried = tried.count();
    assert!(tried <= 15, "{tried} passwords were tried");
}

/// Point 17: what is no mail server is not described.
#[test]
fn ports_are_not_looked_into() {
    let other = Talker::start(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", b"Protocol mismatch.\r\n");
    let setup = Setup::default().variable("allow_plaintext", "true");
    let app = App::start(setup);
    let url = format!("imap://localhost:{}?tls=none", other.port());
    let answer = app.post("/accounts/check", &imap_account(&url, "user", "secret"));
    for word in ["SSH", "OpenSSH", "mismatch"] {
        assert!(!answer.text().contains(word), "{}", answer.text());
    }
}

/// Point 17: nor is the store filled by whoever likes.
#[test]
fn projects_are_limited() {
    let app = App::start(Setup::default());
    let body = json!({"name": "Weekend", "password": "long enough for this"});
    let made = (0..60).map(|_| app.post("/projects", &body).status);
    let made = made.filter(|status| *status == 201).count();
    assert!(made <= 40, "{made} projects");
}

/// Point 18: mails have links of an address that the operator named, or there are none.
#[test]
fn mails_need_the_address_of_the_installation() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(binary());
    command.arg("serve").arg("--state-dir").arg(folder.path());
    command.args(["--listen", "127.0.0.1:0"]);
    let setup = Setup::default()
        .variable("smtp_url", "smtp://127.0.0.1:2525?tls=none")
        .variable("allow_plaintext", "true")
        .variable("mail_from", "notices@move.example");
    setup.apply(&mut command, folder.path());
    let log = std::fs::File::create(folder.path().join("log")).expect("a file");
    let mut child = command.stdout(Stdio::null()).stderr(log).spawn().expect("it runs");
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    let said = std::fs::read_to_string(folder.path().join("log")).expect("a file");
    let status = status.expect("it serves without an address for its links");
    assert!(!status.success() && said.contains("public_url"), "{status} {said}");
}

/// Point 20: a webhook is called where its name was seen to lead when it was checked.
#[test]
fn a_webhook_is_looked_up_once() {
    let pair = Pair::new((filled(3), Faults::none()), (empty(), Faults::none()));
    let recipient = Recipient::start();
    let names = Doh::start();
    let setup = slowly().flag("--as-spin").variable("doh_url", &names.url());
    let app = App::start(setup);
    let mut body = pair.body();
    // Nobody else knows this name: who looks it up in another way does not find it.
    let webhook = recipient.webhook().replace("127.0.0.1", "hook.trasloco.test");
    body["notify"] = json!({"webhook": webhook});
    let migration = app.create(&body);
    app.wait(&migration, 60);
    let deadline = Instant::now() + Duration::from_secs(30);
    while recipient.calls().len() < 3 {
        assert!(Instant::now() < deadline, "{} calls\n{}", recipient.calls().len(), app.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Point 22: the way in from outside is none from inside.
#[test]
fn own_addresses_are_refused() {
    // Of AS112 (RFC 7535), where nobody answers.
    let own = "192.31.196.1";
    let setup = Setup::default().variable("public_url", &format!("https://{own}"));
    let app = App::start(setup);
    let answer = app.post("/accounts/check", &imap_account(&format!("imaps://{own}"), "user", "x"));
    assert!(answer.text().contains("private or local address"), "{}", answer.text());
}

/// Point 21: behind TLS everything that a browser keeps is for TLS.
#[test]
fn cookies_are_secure_behind_tls() {
    let app = App::start(Setup::default().variable("public_url", "https://move.example"));
    let made =
        app.post("/projects", &json!({"name": "a", "password": "long enough for this"})).json();
    let id = made["id"].as_str().expect("an id");
    let headers = [("content-type", "application/json"), ("host", "move.example")];
    let url = app.api(&format!("/projects/{id}/login"));
    let body = json!({"password": "long enough for this"}).to_string();
    let answer = request("POST", &url, &headers, body.as_bytes()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    for word in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(answer.header("strict-transport-security").is_some());
}

/// Point 23: a stranger's wrong passwords do not keep the owner out.
#[test]
fn strangers_do_not_keep_the_owner_out() {
    let app = App::start(Setup::default());
    let made = app.post("/projects", &json!({"name": "a", "password": "long enough for this"}));
    let made = made.json();
    let path = app.api(&format!("/projects/{}/login", made["id"].as_str().expect("an id")));
    let mut last = 0;
    for n in 0..30 {
        let guess = json!({"password": format!("a guess of somebody {n}")});
        last = post_from(Ipv4Addr::new(127, 99, 0, 7), &path, &guess).status;
    }
    assert_eq!(last, 429, "the stranger");
    let owner = post(&path, &json!({"password": "long enough for this"}));
    assert_eq!(owner.status, 200, "{}", owner.text());
}

/// Point 24: whoever watches an installation is told that its disk is full.
#[test]
fn a_full_disk_is_told() {
    let app = App::start(Setup::default().disk_kib(DISK_KIB));
    let health = || get(&format!("{}/healthz", app.url));
    assert_eq!(health().status, 200, "{}", health().text());
    let body = json!({"name": "a", "password": "long enough for this"});
    // Each by another stranger, since one may not make so many.
    let mut strangers = (1..=250).map(|n| Ipv4Addr::new(127, n, 0, 1));
    let is_full = |from| post_from(from, &app.api("/projects"), &body).status >= 500;
    assert!(strangers.any(is_full), "there is room without an end");
    assert_eq!(health().status, 503, "{}", health().text());
}
