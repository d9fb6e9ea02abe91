//! Projects: a queue is worked off, held and let go, and survives whatever dies.

use std::cell::Cell;
use std::collections::BTreeSet;

use fake_imap::{Features, Message};
use futures::FutureExt;
use futures::executor::block_on;
use model::{Account, Item, Options, Project, ProjectId, ProjectOptions, ServerType};
use model::{Status, Timestamp};
use project::members::{self, Filter, Row};
use project::{guard, record};
use store::seal::{Credential, Credentials, Seal};
use store::{due, keys};
use wire::{Random, Secret};

use super::bed::{Bed, CutStore, KEY, credentials};
use crate::projects::add::{Added, Entry, add};
use crate::projects::{self, erase};

/// Never the same twice.
#[derive(Default)]
struct Counter(Cell<u8>);

impl Random for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.set(self.0.get() + 1);
        bytes.fill(0);
        if let Some(last) = bytes.last_mut() {
            *last = self.0.get();
        }
    }
}

pub(super) fn id() -> ProjectId {
    ProjectId::from_random(&[5; 26])
}

fn project(options: ProjectOptions) -> Project {
    Project {
        id: id(),
        name: "Move".into(),
        email: None,
        language: None,
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
        options,
    }
}

/// A bed with a project and no migration; every source folder has a few messages.
pub(super) fn bed(options: ProjectOptions) -> Bed {
    let bed = Bed::new(Features::modern(), Features::modern());
    for n in 0..4 {
        bed.source.mailboxes.add("INBOX", Message::sample(&format!("{n}@x"), 300));
    }
    bed.erase(None).unwrap();
    let hash = "not a hash";
    let retention_ms = super::bed::RETENTION_MS;
    let project = project(options);
    block_on(projects::create(&bed.memory, &project, hash, retention_ms)).unwrap();
    bed
}

fn account(port: u16) -> Account {
    Account {
        server_type: ServerType::Imap,
        url: format!("imap://127.0.0.1:{port}?tls=none"),
        login: "user".into(),
        delegate: None,
    }
}

fn entry(password: &str) -> Entry {
    let source = Credential::Password(Secret::new(password.to_owned()));
    Entry {
        source: account(1),
        destination: account(2),
        items: vec![Item::Mail],
        options: Options::default(),
        credentials: Credentials { source, ..credentials() },
        group: None,
    }
}

/// So many, each of a pair of its own: the servers of a side are one.
pub(super) fn entries(many: usize) -> Vec<Entry> {
    let numbered = (0..u16::try_from(many).unwrap()).map(|n| n * 2);
    let one = |n| Entry { source: account(1 + n), destination: account(2 + n), ..entry("secret") };
    numbered.map(one).collect()
}

/// Adds as the pages do; `None` where the power was cut.
pub(super) fn add_to(bed: &Bed, entries: Vec<Entry>, allowed: Option<u32>) -> Option<Added> {
    let now = Timestamp(bed.now_ms());
    bed.with_power(allowed, |store: CutStore| async move {
        let seal = Seal::from_variable(KEY).unwrap();
        let random = Counter::default();
        let project = project(ProjectOptions::default());
        add(&store, (&seal, &random), &project, &entries, now).await.unwrap()
    })
}

fn rows(bed: &Bed) -> Vec<Row> {
    block_on(async {
        let count = record::queue(&bed.memory, &id()).await.unwrap().count;
        let all = members::list(&bed.memory, &id(), (0, count, 999), &Filter::default()).await;
        all.unwrap().0.into_iter().map(|(_, row)| row).collect()
    })
}

pub(super) fn statuses(bed: &Bed) -> Vec<Status> {
    rows(bed).iter().map(|row| row.status.unwrap()).collect()
}

/// What the sums say is what the rows say.
#[track_caller]
fn assert_sums(bed: &Bed) {
    let totals = block_on(record::sums(&bed.memory, &id())).unwrap().totals();
    let rows = rows(bed);
    assert_eq!(usize::try_from(totals.members()).unwrap(), rows.len());
    assert_eq!(totals.progress.migrated, rows.iter().map(|row| row.progress.migrated).sum::<u64>());
    for status in Status::ALL {
        let rows = rows.iter().filter(|row| row.status == Some(status)).count();
        let summed = totals.by_status.get(&status).copied().unwrap_or(0);
        assert_eq!(usize::try_from(summed).unwrap(), rows, "{status:?}");
    }
}

/// Every message arrived once, and nothing secret is left.
#[track_caller]
pub(super) fn assert_moved(bed: &Bed) {
    bed.assert_same();
    for row in rows(bed) {
        let sealed = block_on(store::Store::get(&bed.memory, &keys::credentials(&row.id)));
        assert_eq!(sealed, Ok(None), "{row:?}");
    }
    assert_sums(bed);
}

/// Every message is there. Of several that bring the same ones side by side each may have brought it:
/// that these have one mailbox is the tests' doing.
#[track_caller]
pub(super) fn assert_arrived(bed: &Bed, at_least: usize) {
    let sent = bed.source.mailboxes.messages("INBOX").len();
    assert!(bed.destination.mailboxes.messages("INBOX").len() >= sent * at_least);
    assert_sums(bed);
}

#[test]
fn a_queue_is_worked_off() {
    let options = ProjectOptions { concurrency: 2, ..ProjectOptions::default() };
    let bed = bed(options);
    let mut all = entries(4);
    let own = |n: u16| (account(101 + n), account(102 + n));
    let (source, destination) = own(0);
    all.insert(1, Entry { source, destination, ..entry("wrong") });
    let Some(Added::All(ids)) = add_to(&bed, all, None) else { panic!() };
    assert_eq!(ids.len(), 5);
    bed.settle();
    let mut expected = vec![Status::Completed; 5];
    expected[1] = Status::Failed;
    assert_eq!(statuses(&bed), expected);
    let wrong = rows(&bed).remove(1);
    let said = wrong.error.unwrap();
    assert!(said.contains("does not accept the login and password"), "{said}");
    assert_moved(&bed);
    assert_eq!(block_on(due::all(&bed.memory)), Ok(vec![]));
}

/// Rows that would be a list of guesses come to little, in whatever project they are, and the right
/// password is not found by them.
#[test]
fn a_list_of_guesses_is_not_tried_to_its_end() {
    let bed = bed(ProjectOptions { concurrency: 4, ..ProjectOptions::default() });
    let to = |n: u16| account(2 + 2 * n);
    let guess = |n| Entry { destination: to(n), ..entry(&format!("guess {n}")) };
    let mut all: Vec<Entry> = (0..30).map(guess).collect();
    all.push(Entry { destination: to(30), ..entry("secret") });
    let Some(Added::All(_)) = add_to(&bed, all, None) else { panic!() };
    for _ in 0..60 {
        bed.tick(None).unwrap();
        bed.wait(1_000);
    }
    let failed = rows(&bed).iter().filter(|row| row.status == Some(Status::Failed)).count();
    assert!((10..=20).contains(&failed), "{failed}");
    let waits = rows(&bed).into_iter().filter_map(|row| row.error);
    assert!(waits.clone().any(|said| said.contains("Too many wrong passwords")), "no sentence");
    assert!(!statuses(&bed).contains(&Status::Completed));
}

#[test]
fn only_so_many_are_due_at_a_time() {
    let bed = bed(ProjectOptions { concurrency: 2, ..ProjectOptions::default() });
    bed.slice_ms.set(0);
    add_to(&bed, entries(6), None).unwrap();
    let mut most = 0;
    for _ in 0..500 {
        bed.tick(None);
        let listed = block_on(due::all(&bed.memory)).unwrap();
        let of_migrations = listed.iter().filter(|(.., task, _)| *task == due::Task::Advance);
        most = most.max(of_migrations.count());
        if listed.is_empty() {
            break;
        }
        bed.wait(10);
    }
    assert_eq!(most, 2);
    assert_eq!(statuses(&bed), vec![Status::Completed; 6]);
}

/// At every operation of a whole run the power fails.
#[test]
fn whatever_dies_every_migration_comes_to_its_end() {
    for cut in 0.. {
        let bed = bed(ProjectOptions { concurrency: 2, ..ProjectOptions::default() });
        add_to(&bed, entries(3), None).unwrap();
        let whole = bed.tick(Some(cut)).is_some();
        bed.settle();
        assert_eq!(statuses(&bed), vec![Status::Completed; 3], "cut after {cut}");
        assert_moved(&bed);
        assert_eq!(block_on(due::all(&bed.memory)), Ok(vec![]), "cut after {cut}");
        if whole {
            assert!(cut > 100, "{cut}");
            break;
        }
    }
}

/// Wherever an addition breaks off, all are added or nothing is left of them.
#[test]
fn all_are_added_or_none() {
    let clean: BTreeSet<String> =
        bed(ProjectOptions::default()).memory.all().into_iter().map(|(key, _)| key).collect();
    let (mut all, mut none) = (0, 0);
    for cut in 0.. {
        let bed = bed(ProjectOptions::default());
        let added = add_to(&bed, entries(3), Some(cut));
        let added_before = rows(&bed).len();
        assert!([0, 3].contains(&added_before), "cut after {cut}");
        bed.settle();
        match rows(&bed).len() {
            0 => {
                none += 1;
                let keys: BTreeSet<String> =
                    bed.memory.all().into_iter().map(|(key, _)| key).collect();
                let left: Vec<_> = keys
                    .difference(&clean)
                    .filter(|key| {
                        !["/members/", "due/", "pairs/"].iter().any(|part| key.contains(part))
                    })
                    .collect();
                assert_eq!(left, Vec::<&String>::new(), "cut after {cut}");
            }
            3 => {
                all += 1;
                assert_eq!(statuses(&bed), vec![Status::Completed; 3], "cut after {cut}");
                assert_moved(&bed);
            }
            some => panic!("{some} of 3 after {cut}"),
        }
        // The project can be added to, as before.
        let before = rows(&bed).len();
        assert!(matches!(add_to(&bed, entries(1), None), Some(Added::All(_))), "cut {cut}");
        assert_eq!(rows(&bed).len(), before + 1);
        if added.is_some() {
            break;
        }
    }
    assert!(all > 1 && none > 1, "{all} {none}");
}

/// The queue is held after each of many operations, and let go.
#[test]
fn a_pause_holds_everything_and_loses_nothing() {
    let mut held = 0;
    for at in (0..120).step_by(3) {
        let bed = bed(ProjectOptions { concurrency: 2, ..ProjectOptions::default() });
        bed.slice_ms.set(0);
        add_to(&bed, entries(3), None).unwrap();
        bed.tick(None);
        let (memory, now) = (bed.memory.clone(), Timestamp(bed.now_ms()));
        let used = bed.used();
        bed.before(used + at, move || {
            projects::pause(&memory, &id(), now).now_or_never().unwrap().unwrap();
        });
        for _ in 0..20 {
            bed.tick(None);
        }
        let paused = block_on(record::queue(&bed.memory, &id())).unwrap().paused;
        if paused && !statuses(&bed).iter().all(|status| status.is_final()) {
            let moves = [Status::Running, Status::Waiting];
            assert!(!statuses(&bed).iter().any(|status| moves.contains(status)), "at {at}");
            held += 1;
        }
        let now = Timestamp(bed.now_ms());
        block_on(projects::resume(&bed.memory, &id(), now)).unwrap();
        bed.settle();
        assert_eq!(statuses(&bed), vec![Status::Completed; 3], "at {at}");
        assert_moved(&bed);
    }
    assert!(held > 5, "{held}");
}

/// Paused and let go at once, again and again, at any place.
#[test]
fn two_who_pause_and_resume_at_once_leave_nothing_behind() {
    for at in 0..80 {
        let bed = bed(ProjectOptions { concurrency: 2, ..ProjectOptions::default() });
        bed.slice_ms.set(0);
        add_to(&bed, entries(3), None).unwrap();
        bed.tick(None);
        let (memory, now) = (bed.memory.clone(), Timestamp(bed.now_ms()));
        block_on(projects::pause(&memory, &id(), now)).unwrap();
        let used = bed.used();
        bed.before(used + at, move || {
            projects::resume(&memory, &id(), now).now_or_never().unwrap().unwrap();
        });
        bed.tick(None);
        let now = Timestamp(bed.now_ms());
        block_on(projects::resume(&bed.memory, &id(), now)).unwrap();
        bed.settle();
        assert_eq!(statuses(&bed), vec![Status::Completed; 3], "at {at}");
        assert_arrived(&bed, 1);
    }
}

/// Before each operation another driver sees to the queue, and may find nothing to do just then.
#[test]
fn a_driver_that_looks_too_early_holds_nothing_up() {
    for at in 0..400 {
        let bed = bed(ProjectOptions { concurrency: 1, ..ProjectOptions::default() });
        add_to(&bed, entries(3), None).unwrap();
        let memory = bed.memory.clone();
        let used = bed.used();
        let now = Timestamp(bed.now_ms());
        bed.before(used + at, move || {
            let looked = async {
                let listed = due::all(&memory).await.unwrap();
                let project = record::read(&memory, &id()).await.unwrap().unwrap();
                for (due_ms, ..) in listed
                    .iter()
                    .filter(|(at, task, _)| *task == due::Task::Project && *at <= now.0)
                {
                    projects::see_to(&memory, &project, (now, "0"), *due_ms).await.unwrap();
                }
            };
            looked.now_or_never().unwrap();
        });
        bed.settle();
        assert_eq!(statuses(&bed), vec![Status::Completed; 3], "at {at}");
    }
}

/// A slice ends with a wait that is over before it has said so (a machine under load): another driver
/// begins the migration again in between, and that must not be undone.
#[test]
fn whoever_is_begun_again_while_its_slice_ends_is_not_forgotten() {
    for at in 0..300 {
        let bed = bed(ProjectOptions { concurrency: 2, ..ProjectOptions::default() });
        let _ = bed.destination.faults.clone().refuse_append(|_| true, "NO [UNAVAILABLE] later", 2);
        add_to(&bed, entries(2), None).unwrap();
        let memory = bed.memory.clone();
        let late = Timestamp(bed.now_ms() + 60_000);
        bed.before(bed.used() + at, move || {
            let looked = async {
                let project = record::read(&memory, &id()).await.unwrap().unwrap();
                let listed = due::all(&memory).await.unwrap();
                for (due_ms, ..) in listed.iter().filter(|(_, task, _)| *task == due::Task::Project)
                {
                    projects::see_to(&memory, &project, (late, "0"), *due_ms).await.unwrap();
                }
            };
            looked.now_or_never().unwrap();
        });
        bed.settle();
        assert_eq!(statuses(&bed), vec![Status::Completed; 2], "at {at}");
        assert_eq!(block_on(due::all(&bed.memory)), Ok(vec![]), "at {at}");
    }
}

#[test]
fn whoever_is_synchronised_goes_through_the_queue_again() {
    let bed = bed(ProjectOptions::default());
    let Some(Added::All(ids)) = add_to(&bed, entries(2), None) else { panic!() };
    bed.settle();
    bed.source.mailboxes.add("INBOX", Message::sample("later@x", 300));
    let seal = Seal::from_variable(KEY).unwrap();
    let (random, now) = (Counter::default(), Timestamp(bed.now_ms()));
    let (own, credentials) = (ids[1].clone(), credentials());
    let again = crate::owner::lifecycle::synchronise(
        &bed.memory,
        (&seal, &random),
        &own,
        &credentials,
        now,
        "",
    );
    assert_eq!(block_on(again), Ok(crate::owner::lifecycle::Outcome::Done));
    assert_eq!(statuses(&bed)[1], Status::Pending);
    bed.settle();
    assert_moved(&bed);
    assert_eq!(rows(&bed)[1].progress.migrated, 1);
}

#[test]
fn waves_begin_when_they_should() {
    let start = Timestamp(5_000_000);
    let options = ProjectOptions { waves: [("b".to_owned(), start)].into(), ..Default::default() };
    let bed = bed(options);
    let mut all = entries(2);
    all[0].group = Some("b".into());
    add_to(&bed, all, None).unwrap();
    bed.tick(None);
    bed.tick(None);
    assert_eq!(statuses(&bed), [Status::Pending, Status::Completed]);
    bed.settle();
    assert!(bed.now_ms() >= start.0);
    assert_eq!(statuses(&bed), [Status::Completed, Status::Completed]);
}

/// At any place the project is erased, and the power fails in that.
#[test]
fn nothing_is_left_of_an_erased_project() {
    for (run, cut) in (0..200).step_by(19).flat_map(|run| (0..40).map(move |cut| (run, cut))) {
        let bed = bed(ProjectOptions { concurrency: 2, ..ProjectOptions::default() });
        add_to(&bed, entries(3), None).unwrap();
        bed.tick(Some(run));
        let now_ms = bed.now_ms();
        let begun = bed.with_power(Some(cut), |store: CutStore| async move {
            erase::begin(&store, &id(), now_ms).await.unwrap();
        });
        if begun.is_some() {
            bed.tick(Some(cut));
        }
        let now_ms = bed.now_ms();
        block_on(erase::begin(&bed.memory, &id(), now_ms)).unwrap();
        bed.settle();
        let left: Vec<String> = bed.memory.all().into_iter().map(|(key, _)| key).collect();
        let theirs = |key: &&String| key.starts_with("p/") || key.starts_with("m/");
        assert_eq!(left.iter().find(theirs), None, "{run} {cut}");
        assert_eq!(block_on(due::all(&bed.memory)), Ok(vec![]), "{run} {cut}");
    }
}

#[test]
fn the_password_is_not_with_the_project() {
    let bed = bed(ProjectOptions::default());
    block_on(async {
        let project = record::read(&bed.memory, &id()).await.unwrap().unwrap();
        assert!(!format!("{project:?}").contains("hash"));
        let password = Secret::new("x".into());
        let refused =
            guard::check(&bed.memory, &id(), &password, ("192.0.2.1", Timestamp(1))).await;
        assert_eq!(refused, Ok(Err(guard::Refused::Wrong)));
    });
}
