//! The second run and the way back, on real servers, with the power cut in between: what the
//! source changed comes over, what the user changed stays, and what was brought can be taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::app::{App, Migration, Setup, account, mail_migration};
use e2e::content::{fill, message};
use e2e::mailbox::Client;
use e2e::servers::{Courier, Cyrus, Dovecot, Layout, PASSWORD, Server};
use serde_json::{Value, json};

/// Message-ID → folder and flags of each copy.
type Places = BTreeMap<String, Vec<(String, BTreeSet<String>)>>;

fn places(client: &mut Client) -> Places {
    let mut found = Places::new();
    for (folder, mails) in client.snapshot() {
        for mail in mails {
            found.entry(mail.message_id).or_default().push((folder.clone(), mail.flags));
        }
    }
    found
}

/// Moves as clients without MOVE do.
fn shift(client: &mut Client, from: &str, number: usize, to: &str) {
    let (from, to) = (client.raw(from), client.raw(to));
    client.ok(&format!("SELECT \"{from}\""));
    client.ok(&format!("COPY {number} \"{to}\""));
    client.ok(&format!("STORE {number} +FLAGS.SILENT (\\Deleted)"));
    client.ok("EXPUNGE");
}

fn mark(client: &mut Client, folder: &str, change: &str) {
    let raw = client.raw(folder);
    client.ok(&format!("SELECT \"{raw}\""));
    client.ok(&format!("STORE {change}"));
}

const RENAMED: (&str, &str) = ("Ärger & Größe", "Ärger vorbei");

fn change_source(client: &mut Client) {
    mark(client, "Work", "1 +FLAGS.SILENT (\\Flagged)");
    mark(client, "Work", "2 -FLAGS.SILENT (\\Seen)");
    mark(client, "Work", "3 +FLAGS.SILENT (Later)");
    mark(client, "INBOX", "4 +FLAGS.SILENT (\\Answered)");
    shift(client, "Work/2024", 1, "INBOX");
    shift(client, "INBOX", 5, "Work/2024/Q1 plan");
    client.delete("INBOX", "2");
    client.create("Nuova");
    let new = message("Nuova", 7000, 900);
    client.append("Nuova", &["\\Seen"], " 1-Jan-2021 00:30:00 +0200", &new).unwrap();
    client.append("INBOX", &[], " 1-Jan-2021 00:30:00 +0200", &message("x", 7001, 900)).unwrap();
    let (old, new) = (client.raw(RENAMED.0), client.raw(RENAMED.1));
    client.ok(&format!("RENAME \"{old}\" \"{new}\""));
}

/// What the user does at the destination meanwhile; the Message-IDs that are the user's from then on.
fn change_destination(client: &mut Client) -> BTreeSet<String> {
    client.create("Mine");
    let work = client.raw("Work");
    let ids: Vec<String> = client.messages(&work).into_iter().map(|mail| mail.message_id).collect();
    mark(client, "Work", "6 +FLAGS.SILENT (\\Answered)");
    shift(client, "Work", 5, "Mine");
    client.delete("Work", "4");
    let own = message("own", 8000, 500);
    client.append("INBOX", &[], " 1-Jan-2021 00:30:00 +0200", &own).unwrap();
    [&ids[3], &ids[4], &ids[5]].into_iter().cloned().collect()
}

/// What the destination must hold after a synchronisation.
fn expected(before: &Places, now: &Places, there: &Places, can_move: bool) -> Places {
    let home = |folder: &String| match folder == RENAMED.0 {
        true => RENAMED.1.to_owned(),
        false => folder.clone(),
    };
    let mut expected = there.clone();
    expected.values_mut().flatten().for_each(|place| place.0 = home(&place.0));
    for (id, places) in now {
        let (folder, flags) = &places[0];
        let Some(old) = before.get(id) else {
            expected.insert(id.clone(), places.clone());
            continue;
        };
        let Some(place) = expected.get_mut(id).map(|places| &mut places[0]) else { continue };
        let moved = *folder != home(&old[0].0);
        if place.0 != home(&old[0].0) || (moved && !can_move) {
            continue;
        }
        place.0.clone_from(folder);
        flags.difference(&old[0].1).for_each(|flag| _ = place.1.insert(flag.clone()));
        old[0].1.difference(flags).for_each(|flag| _ = place.1.remove(flag));
    }
    expected
}

#[track_caller]
fn same(found: &Places, expected: &Places, what: &str) {
    for id in found.keys().chain(expected.keys()) {
        assert_eq!(found.get(id), expected.get(id), "{what}: {id}");
    }
}

/// Cuts the power a few times while something runs, then waits for its end.
fn through_cuts(app: &mut App, migration: &Migration, cuts: &[u64]) -> Value {
    for ms in cuts {
        std::thread::sleep(Duration::from_millis(*ms));
        app.cut_power();
    }
    app.wait(migration, 120)
}

fn check(source: &dyn Server, destination: &dyn Server, can_move: bool, cuts: &[u64]) {
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut from = Client::on(source, &login);
    let mut to = Client::on(destination, &target);
    fill(&mut from, 12);
    let own = message("before", 9000, 700);
    to.append("INBOX", &["\\Seen"], " 1-Jan-2019 00:30:00 +0200", &own).unwrap();
    let at_first = places(&mut to);
    let mut app = App::start(Setup::default());
    let body = mail_migration(account(source, &login), account(destination, &target));
    let migration = app.create(&body);
    let state = app.wait(&migration, 120);
    assert_eq!(state["status"], "completed", "{state:#}");

    let before = places(&mut from);
    change_source(&mut from);
    let touched = change_destination(&mut to);
    let (now, there) = (places(&mut from), places(&mut to));
    let side = json!({"password": PASSWORD});
    let wrong = json!({"source": side, "destination": {"password": "wrong"}});
    assert_eq!(app.post(&migration.path("/synchronise"), &wrong).status, 422);
    let both = json!({"source": side, "destination": side});
    let answer = app.post(&migration.path("/synchronise"), &both);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let state = through_cuts(&mut app, &migration, cuts);
    assert_eq!(state["status"], "completed", "{state:#}");
    let wanted = expected(&before, &now, &there, can_move);
    same(&places(&mut Client::on(destination, &target)), &wanted, "synchronised");

    take_back(&mut app, &migration, cuts);
    let found = places(&mut Client::on(destination, &target));
    let users = |id: &String| {
        at_first.contains_key(id)
            || touched.contains(id)
            || !(before.contains_key(id) || now.contains_key(id))
    };
    let left: Places = wanted.into_iter().filter(|(id, _)| users(id)).collect();
    same(&found, &left, "taken back");
    assert_eq!(places(&mut from), now, "the source is as it was");
}

/// Looks first, then takes everything back.
fn take_back(app: &mut App, migration: &Migration, cuts: &[u64]) {
    let ask = |app: &App, dry_run: bool, from: u32| {
        let body = json!({"from_sync_point": from, "destination": {"password": PASSWORD}, "dry_run": dry_run});
        app.post(&migration.path("/remove"), &body)
    };
    let preview = ask(app, true, 1);
    assert_eq!(preview.status, 200, "{}", preview.text());
    let told = preview.json();
    assert!(told["messages"].as_u64().unwrap() > 80, "{told:#}");
    assert_eq!(told["kept"][0]["messages"], 1, "{told:#}");
    assert_eq!(ask(app, true, 3).status, 422, "there is no third sync point");
    let answer = ask(app, false, 1);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let state = through_cuts(app, migration, cuts);
    assert_eq!(state["status"], "completed", "{state:#}");
    assert!(state["sync_points"].as_array().unwrap().iter().all(|it| it["removed"] == true));
    assert_eq!(ask(app, false, 1).status, 409, "once is enough");
}

#[test]
fn dovecot_to_dovecot() {
    check(&Dovecot::start(Layout::Maildir), &Dovecot::start(Layout::Mdbox), true, &[]);
}

#[test]
fn through_power_cuts() {
    let cuts = [40, 90, 160, 60, 240];
    check(&Dovecot::start(Layout::Mdbox), &Dovecot::start(Layout::Maildir), true, &cuts);
}

#[test]
fn cyrus_to_dovecot() {
    check(&Cyrus::start(), &Dovecot::start(Layout::Mdbox), true, &[]);
}

#[test]
fn dovecot_to_cyrus() {
    check(&Dovecot::start(Layout::Maildir), &Cyrus::start(), true, &[]);
}

#[test]
fn courier_to_dovecot() {
    check(&Courier::start(), &Dovecot::start(Layout::Mdbox), true, &[]);
}
