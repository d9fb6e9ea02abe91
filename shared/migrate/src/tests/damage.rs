//! Records that cannot be read or do not fit, and a store that fails: whose trouble that is.

use fake_imap::Features;
use futures::executor::block_on;
use model::{
    Account, Item, Migration, MigrationId, Notify, Options, ServerType, Status, Timestamp,
};
use store::seal::Seal;
use store::{Store, keys};

use super::bed::{Bed, KEY, Server, credentials};
use super::fake_pop::PopServer;
use super::power::Failing;
use super::whole::{fill, sample};
use crate::fruitless::FRUITLESS_MAX;
use crate::owner::lifecycle;

/// Somebody else's migration in the same store, with other accounts at the same servers.
fn other(bed: &Bed) -> MigrationId {
    let id = MigrationId::from_random(&[8; 26]);
    let account = |port| Account {
        server_type: ServerType::Imap,
        url: format!("imap://127.0.0.1:{port}?tls=none"),
        login: "user".into(),
        delegate: None,
    };
    // Both have the destination as their source, so that it is done whatever the other one does.
    let (sides, now) = ((account(2), account(4)), Timestamp(bed.now_ms()));
    let (options, notify) = (Options::default(), Notify::default());
    let new = Migration::new(id.clone(), now, sides, vec![Item::Mail], options, notify);
    let seal = Seal::from_variable(KEY).unwrap();
    let (host, contact, credentials) = (bed.host(), lifecycle::Contact::default(), credentials());
    let created = lifecycle::create(&bed.memory, (&seal, &host), &new, &credentials, contact);
    block_on(created).unwrap();
    id
}

/// Beds in the middle of everything that leaves records.
fn beds() -> Vec<(String, Bed)> {
    let mut beds = Vec::new();
    let new = || {
        let server = || Server::new(Features::modern());
        let email = Some("anna@b.example".to_owned());
        let notify = Notify { email, ..Notify::default() };
        let options = Options { content_digests: true, ..Options::default() };
        let bed = Bed::telling(server(), server(), options, notify);
        fill(&bed);
        bed
    };
    let whole = new();
    whole.finish();
    let operations = whole.used();
    for part in 1..8 {
        let bed = new();
        bed.tick(Some(operations * part / 8));
        beds.push((format!("cut in part {part}"), bed));
    }
    for part in [20, 40, 60] {
        let bed = new();
        bed.finish();
        bed.remove(1);
        bed.tick(Some(part));
        beds.push((format!("cut after {part} of a removal"), bed));
    }
    let pop = PopServer::new();
    for n in 0..7 {
        pop.add(&format!("u{n}"), sample(&format!("p{n}@x"), 100).bytes.to_vec());
    }
    let mut source = Server::new(Features::modern());
    source.pop = Some(pop);
    let bed = Bed::with(source, Server::new(Features::modern()), Options::default());
    bed.tick(Some(60));
    beds.push(("cut in a maildrop".into(), bed));
    beds
}

/// Makes the same bed again, and damages one record.
fn damaged(at: usize, key: &str, value: &[u8]) -> (String, Bed) {
    let (place, bed) = beds().swap_remove(at);
    block_on(bed.memory.set(key, value.to_vec())).unwrap();
    (format!("{place}, {key}"), bed)
}

fn status(bed: &Bed, id: &MigrationId) -> Option<Migration> {
    block_on(lifecycle::read(&bed.memory, id)).ok().flatten()
}

#[track_caller]
fn check_others_go_on(at: usize, key: &str, value: &[u8]) {
    let (place, bed) = damaged(at, key, value);
    let id = other(&bed);
    let began_ms = bed.now_ms();
    while status(&bed, &id).unwrap().status != Status::Completed {
        assert!(bed.now_ms() < began_ms + 120_000, "{place}: {:?}", status(&bed, &id));
        let next_ms = bed.tick(None).unwrap().next_due_ms.unwrap_or(bed.now_ms() + 1_000);
        bed.wait(next_ms.saturating_sub(bed.now_ms()).clamp(50, 1_000));
    }
    // What became of the damaged one.
    for _ in 0..60 {
        bed.tick(None).unwrap();
        bed.wait(2_000);
    }
    let Some(migration) = status(&bed, &bed.id) else { return };
    if migration.status == Status::Failed {
        let told = migration.last_error.unwrap();
        for internal in ["m/", "due/", bed.id.as_str(), "column", "version", "journal/"] {
            assert!(!told.contains(internal), "{place}: {told}");
        }
        let sealed = block_on(bed.memory.get(&keys::credentials(&bed.id))).unwrap();
        assert!(sealed.is_none_or(|sealed| sealed.is_empty()), "{place}: passwords are kept");
    }
}

#[test]
fn whatever_record_is_damaged_the_others_go_on() {
    let mut seen = std::collections::BTreeSet::new();
    for at in 0..beds().len() {
        let (place, bed) = beds().swap_remove(at);
        for (key, value) in bed.memory.all() {
            // Counters are no records: a store gives them, and would fail for everybody.
            if value.len() == 8 || value.is_empty() {
                continue;
            }
            let kind = key.replace(bed.id.as_str(), "ID");
            if !seen.insert((kind, place.contains("removal"))) {
                continue;
            }
            // Every way of being damaged, where it is about one record more.
            let ways = [&b"\x01{damaged"[..], b"\x09{}", b""];
            for value in ways.into_iter().take(if at == 3 { 3 } else { 1 }) {
                check_others_go_on(at, &key, value);
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}

#[test]
fn ten_slices_without_a_result_end_the_run() {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    let key = keys::fruitless(&bed.id);
    for n in 1..=FRUITLESS_MAX {
        // An instance that runs out of memory, in a process that lives on: nothing more is written.
        bed.dies_in_the_middle(14);
        let before: serde_json::Value =
            block_on(store::records::read(&bed.memory, &key)).unwrap().unwrap();
        assert_eq!(before["fruitless"], n);
        assert_eq!(bed.migration().status, Status::Running);
    }
    bed.tick(None).unwrap();
    let migration = bed.migration();
    assert_eq!(migration.status, Status::Failed);
    assert!(migration.last_error.unwrap().contains("10 times"));
    let sealed = block_on(bed.memory.get(&keys::credentials(&bed.id))).unwrap();
    assert_eq!(sealed, None);
    // Its owner may try again.
    bed.synchronise();
    assert_eq!(bed.finish().status, Status::Completed);
    bed.assert_same();
}

#[test]
fn a_store_that_fails_at_any_call_loses_and_doubles_nothing() {
    let new = || {
        let bed = Bed::new(Features::modern(), Features::modern());
        fill(&bed);
        bed
    };
    let whole = new();
    let before = whole.store_calls();
    whole.finish();
    let calls = whole.store_calls() - before;
    assert!(calls > 60, "{calls}");
    for from in 0..calls {
        for (times, done) in [(1, false), (6, false), (1, true)] {
            let bed = new();
            bed.store_fails(Some(Failing { from, times, done }));
            let mut rounds = 0;
            while bed.migration().status != Status::Completed {
                rounds += 1;
                let place = format!("{times} from {from}, {done}: {:?}", bed.migration());
                assert!(rounds < 200, "{place}");
                let migration = bed.migration();
                assert!(!migration.status.is_final(), "{place}");
                let next_ms = bed.try_tick(None).unwrap().ok().and_then(|tick| tick.next_due_ms);
                bed.wait(next_ms.unwrap_or(0).saturating_sub(bed.now_ms()).clamp(50, 2_000));
            }
            let place = format!("{times} from {from}, done {done}");
            let (source, destination) =
                (bed.source.mailboxes.digest(), bed.destination.mailboxes.digest());
            assert_eq!(source, destination, "{place}");
            let mail = bed.migration().progress[&Item::Mail];
            assert_eq!((mail.total, mail.migrated + mail.skipped), (13, 13), "{place}");
        }
    }
}
