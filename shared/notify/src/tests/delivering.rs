//! What arrives, how often, and what happens where it does not.

use model::{Event, Notify, Outcome, Status, Timestamp, Verdict};
use store::{Store, keys, records};
use wire::{Bytes, Secret};

use super::bed::{Bed, Mood, SECRET};
use crate::delivery::{BUSY_MS, Delivery, GIVE_UP_MS};
use crate::signature;

fn by_mail() -> Notify {
    Notify { email: Some("anna@b.example".into()), language: Some("it".into()), webhook: None }
}

fn by_webhook() -> Notify {
    Notify { email: None, language: None, webhook: Some("http://hook.example/x".into()) }
}

fn both() -> Notify {
    Notify { webhook: by_webhook().webhook, ..by_mail() }
}

fn outcome() -> Outcome {
    Outcome {
        sync_point: 1,
        status: Status::Completed,
        started_at: Some(Timestamp(1_790_000_000_000)),
        progress: Default::default(),
        failures: 0,
        folders: 2,
        verdict: Verdict::Complete,
        last_error: None,
        removal: None,
    }
}

/// Checks the signature and gives identifier and body.
fn signed((headers, body): &(http::HeaderMap, Bytes)) -> (String, serde_json::Value) {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let id = text("webhook-id");
    let timestamp_s = text("webhook-timestamp").parse().unwrap();
    let secret = Secret::new(SECRET.into());
    let expected = signature::sign(&secret, &id, timestamp_s, body).unwrap();
    assert_eq!(text("webhook-signature"), expected);
    (id, serde_json::from_slice(body).unwrap())
}

#[test]
fn an_event_goes_both_ways_once() {
    let bed = Bed::new(both());
    assert_eq!(bed.finish(), Vec::<String>::new());
    let (mails, calls) = (bed.mails(), bed.calls());
    assert_eq!((mails.len(), calls.len()), (1, 1));
    for line in [
        "From: \"Trasloco\" <news@move.example>",
        "To: <anna@b.example>",
        "Auto-Submitted: auto-generated",
        "Content-Language: it",
    ] {
        assert!(mails[0].contains(line), "{line} in {}", mails[0]);
    }
    let (id, body) = signed(&calls[0]);
    assert_eq!(id, format!("msg_{}_2", bed.id()));
    assert_eq!(body["type"], "migration.created");
    assert_eq!(body["data"]["id"], bed.id().as_str());
    let page = body["data"]["links"]["page"].as_str().unwrap();
    assert!(page.starts_with("https://here.example/migrations/"), "{page}");
}

/// Before the mark nothing is lost, after it nothing is doubled.
#[test]
fn the_power_is_cut_after_every_operation() {
    let whole = Bed::new(both());
    whole.tell(|outbox, migration, now| outbox.ended(migration, outcome(), now));
    whole.finish();
    assert_eq!((whole.mails().len(), whole.calls().len()), (2, 2));
    let operations = whole.used();
    assert!(operations > 30, "{operations}");
    let mut unknown = 0;
    for first in 0..operations {
        for second in [None, Some(first % 5), Some(first % 23)] {
            let bed = Bed::new(both());
            bed.tell(|outbox, migration, now| outbox.ended(migration, outcome(), now));
            assert!(bed.tick(Some(first)).is_none(), "cut after {first}");
            if let Some(second) = second {
                bed.wait(BUSY_MS);
                bed.tick(Some(second));
            }
            bed.finish();
            let given_up = bed.log();
            let where_ = format!("cut after {first}, then {second:?}: {given_up:?}");
            let mut mails = bed.mails();
            let sent = mails.len();
            mails.sort();
            mails.dedup();
            assert_eq!(mails.len(), sent, "no mail comes twice, {where_}");
            assert!(sent + given_up.len() >= 2, "a mail is lost, {where_}");
            assert!(given_up.iter().all(|it| it.contains("not known whether")), "{where_}");
            if second.is_none() {
                unknown += 2 - sent;
            }
            let mut ids: Vec<String> = bed.calls().iter().map(|call| signed(call).0).collect();
            assert!(ids.len() <= 4, "{where_}");
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 2, "{where_}");
        }
    }
    // Only between the mark and the line that ends a mail, for each of the two.
    assert_eq!(unknown, 2);
}

#[test]
fn two_drivers_do_not_meet() {
    let bed = Bed::new(both());
    assert!(bed.tick(Some(8)).is_none(), "one that is cut off looks like one that is slow");
    bed.tick(None).unwrap();
    assert_eq!((bed.mails().len(), bed.calls().len()), (0, 0));
    bed.wait(BUSY_MS);
    bed.finish();
    assert_eq!((bed.mails().len(), bed.calls().len()), (1, 1));
}

#[test]
fn what_comes_meanwhile_is_not_overlooked() {
    for first in 0..40 {
        let bed = Bed::new(both());
        bed.tick(Some(first));
        bed.tell(|outbox, migration, now| outbox.ended(migration, outcome(), now));
        bed.finish();
        let ids: Vec<String> = bed.calls().iter().map(|call| signed(call).0).collect();
        assert!(ids.contains(&format!("msg_{}_4", bed.id())), "{first}: {ids:?}");
    }
}

#[test]
fn a_server_that_refuses_for_the_moment_is_asked_again() {
    let bed = Bed::new(by_mail());
    bed.mood.borrow_mut().recipient = Some("452 4.2.2 mailbox full");
    for _ in 0..3 {
        let told = bed.tick(None).unwrap();
        assert_eq!((told.sent, told.given_up), (0, vec![]));
        let due_ms = bed.due_ms().unwrap();
        assert!(due_ms >= bed.now_ms() + 30_000, "backs off");
        bed.wait(due_ms - bed.now_ms());
    }
    *bed.mood.borrow_mut() = Mood::default();
    assert_eq!(bed.finish(), Vec::<String>::new());
    assert_eq!(bed.mails().len(), 1);
}

#[test]
fn nothing_is_tried_for_ever() {
    let bed = Bed::new(both());
    bed.mood.borrow_mut().message = Some("451 4.3.0 later");
    bed.webhook_status.set(500);
    let begin_ms = bed.now_ms();
    let given_up = bed.finish();
    assert!(bed.now_ms() - begin_ms <= GIVE_UP_MS);
    assert_eq!(given_up.len(), 2, "{given_up:?}");
    assert!(given_up.iter().any(|it| it.contains("451 4.3.0 later")), "{given_up:?}");
    assert!(given_up.iter().any(|it| it.contains("status 500")), "{given_up:?}");
    let ids: Vec<String> = bed.calls().iter().map(|call| signed(call).0).collect();
    assert!(ids.len() > 20 && ids.iter().all(|id| *id == ids[0]), "the same in each try");
}

#[test]
fn a_refusal_for_good_ends_it() {
    let bed = Bed::new(both());
    bed.mood.borrow_mut().recipient = Some("550 5.1.1 no such user");
    bed.webhook_status.set(410);
    let given_up = bed.tick(None).unwrap().given_up;
    assert_eq!(given_up.len(), 2);
    assert!(
        given_up[0].ends_with("the mail server refused: 550 5.1.1 no such user."),
        "{given_up:?}"
    );
    assert_eq!(bed.due_ms(), None);
}

#[test]
fn a_mail_that_may_have_been_taken_is_not_sent_again() {
    for mood in
        [Mood { message: Some(""), ..Mood::default() }, Mood { silent: true, ..Mood::default() }]
    {
        let bed = Bed::new(by_mail());
        *bed.mood.borrow_mut() = mood;
        let given_up = bed.finish();
        assert!(given_up[0].contains("not known whether"), "{given_up:?}");
        assert_eq!(bed.mails().len(), 1);
    }
}

#[test]
fn private_addresses_are_for_the_operator_only() {
    let webhook = |url: &str| Notify { webhook: Some(url.into()), ..Notify::default() };
    let bed = Bed::new(webhook("http://inside.example/x"));
    let given_up = bed.finish();
    assert!(given_up[0].contains("10.0.0.6 is a private"), "{given_up:?}");
    assert_eq!(bed.calls().len(), 0);
    assert_eq!(bed.connected.borrow().len(), 0);
    let mut bed = Bed::new(webhook("http://inside.example/x"));
    bed.networks = "10.0.0.0/24";
    assert_eq!(bed.finish(), Vec::<String>::new());
    assert_eq!(bed.calls().len(), 1);
    let mut bed = Bed::new(webhook("http://hook.example/x"));
    bed.plaintext = false;
    assert_eq!((bed.finish().len(), bed.calls().len()), (1, 0), "not without TLS");
    assert_eq!(bed.connected.borrow().len(), 0);
}

/// What is checked is what is connected to: a name that leads elsewhere the second time has no
/// second time.
#[test]
fn a_webhook_is_resolved_once_and_connected_to_exactly_that() {
    let bed = Bed::new(by_webhook());
    assert_eq!(bed.finish(), Vec::<String>::new());
    assert_eq!(*bed.looked_up.borrow(), ["hook.example"]);
    assert_eq!(*bed.connected.borrow(), ["9.9.9.9:80".parse().unwrap()]);
    // Over https the line begins with TLS, which this server does not speak.
    let bed = Bed::new(Notify { webhook: Some("https://hook.example/x".into()), ..by_webhook() });
    bed.tick(None).unwrap();
    assert_eq!(bed.connected.borrow()[0], "9.9.9.9:443".parse().unwrap());
    assert_eq!((bed.looked_up.borrow().is_empty(), bed.calls().len()), (false, 0));
}

#[test]
fn a_redirection_is_not_followed() {
    let bed = Bed::new(by_webhook());
    bed.webhook_status.set(302);
    bed.tick(None).unwrap();
    assert_eq!(bed.calls().len(), 1);
    assert!(
        bed.connected.borrow().iter().all(|it| it.port() == 80 && it.ip().to_string() == "9.9.9.9")
    );
}

#[test]
fn without_a_mail_server_nobody_waits() {
    let mut bed = Bed::new(both());
    bed.settings.smtp_url = Secret::default();
    assert_eq!(bed.finish(), Vec::<String>::new());
    assert_eq!((bed.mails().len(), bed.calls().len()), (0, 1));
    let mut bed = Bed::new(by_mail());
    bed.settings.smtp_url = Secret::new("imap://h".into());
    assert!(bed.finish()[0].contains("smtp_url must begin with"));
}

/// What a request said of this installation's address may be anybody's: it is in no mail, and in no
/// call, not even out of a record of before.
#[test]
fn without_an_address_of_its_own_no_mail_is_sent() {
    let mut bed = Bed::new(both());
    bed.settings.public_url = String::new();
    let given_up = bed.finish();
    assert!(given_up[0].contains("public_url must be set"), "{given_up:?}");
    assert_eq!((bed.mails().len(), bed.calls().len()), (0, 1));
    let call = String::from_utf8_lossy(&bed.calls()[0].1).into_owned();
    assert!(!call.contains("here.example") && call.contains("\"page\":\"/migrations/"), "{call}");
    // Set right within a day, all is told.
    let mut bed = Bed::new(by_mail());
    bed.settings.public_url = String::new();
    bed.tick(None).unwrap();
    bed.settings.public_url = "https://move.example".into();
    assert_eq!(bed.finish(), Vec::<String>::new());
    assert!(bed.mails()[0].contains("https://move.example/migrations/"), "{}", bed.mails()[0]);
}

#[test]
fn one_address_gets_so_many_mails_and_no_more() {
    let bed = Bed::new(by_mail());
    futures::executor::block_on(async {
        let rule = store::limits::Rule { name: "mails to", burst: 60, refill_ms: 600_000 };
        for _ in 0..60 {
            let taken = store::limits::take(&bed.memory, &rule, "anna@b.example", 1, bed.now_ms());
            taken.await.unwrap().unwrap();
        }
    });
    bed.tick(None).unwrap();
    assert_eq!(bed.mails().len(), 0);
    assert_eq!(bed.finish(), Vec::<String>::new(), "it comes later");
    assert_eq!(bed.mails().len(), 1);
}

#[test]
fn what_is_erased_is_not_told() {
    let bed = Bed::new(both());
    futures::executor::block_on(bed.memory.delete_many(&keys::of_migration(&bed.id().clone())))
        .unwrap();
    assert_eq!(bed.tick(None).unwrap(), Default::default());
    assert_eq!((bed.due_ms(), bed.mails().len(), bed.calls().len()), (None, 0, 0));
}

#[test]
fn each_event_of_a_sync_point_is_told_once() {
    let mut bed = Bed::new(by_webhook());
    bed.migration.sync_points = vec![model::SyncPoint { number: 1, ..Default::default() }];
    let waiting = model::Waiting { until: Timestamp(0), reason: "The source is down.".into() };
    for _ in 0..3 {
        bed.tell(|outbox, migration, now| outbox.started(migration, now));
    }
    bed.migration.waiting = Some(waiting);
    for _ in 0..20 {
        bed.tell(|outbox, migration, now| outbox.settled(migration, false, now));
        bed.wait(Event::WAITING_MS / 8);
    }
    for _ in 0..3 {
        bed.tell(|outbox, migration, now| outbox.ended(migration, outcome(), now));
    }
    bed.finish();
    let types: Vec<_> = bed.calls().iter().map(|call| signed(call).1["type"].clone()).collect();
    assert_eq!(
        types,
        ["migration.created", "migration.started", "migration.waiting", "migration.ended"]
    );
}

#[test]
fn who_moves_now_and_then_does_not_wait() {
    let mut bed = Bed::new(by_webhook());
    bed.migration.sync_points = vec![model::SyncPoint { number: 1, ..Default::default() }];
    let reason = "The source is down.".into();
    bed.migration.waiting = Some(model::Waiting { until: Timestamp(0), reason });
    for turn in 0..20 {
        bed.tell(|outbox, migration, now| outbox.settled(migration, turn % 5 == 0, now));
        bed.wait(Event::WAITING_MS / 6);
    }
    bed.finish();
    assert_eq!(bed.calls().len(), 1, "only the creation");
}

/// What version 1 wrote must stay readable.
#[test]
fn reads_records_of_version_1() {
    let outbox =
        b"\x01{\"base\":\"https://h\",\"last\":2,\"notices\":[{\"number\":2,\"channel\":\"mail\",\
        \"at\":\"2026-11-22T15:04:05Z\",\"event\":{\"event\":\"started\",\"sync_point\":1}}],\
        \"started\":1,\"waited\":0,\"ended\":null,\"waiting_since\":null}";
    let read: crate::Outbox = records::decode("k", outbox).unwrap();
    assert_eq!((read.last, read.notices.len()), (2, 1));
    let delivery = b"\x01{\"seen\":2,\"turn\":7,\"busy_until_ms\":0,\"settled\":1,\"beyond\":[],\
        \"tries\":{\"2\":{\"count\":1,\"next_ms\":5,\"sending\":true}},\"log\":[]}";
    let read: Delivery = records::decode("k", delivery).unwrap();
    assert!(read.is_settled(1) && read.may_be_sent(2));
}
