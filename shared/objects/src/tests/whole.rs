//! Whole runs between services that do as they should.

use model::{FailureCode, Item, Options, Verdict};
use services::objects::Access;
use services::objects::fake::Odd;

use super::bed::{Ask, Bed, text, texts};

pub(super) const KINDS: [Item; 2] = [Item::Calendars, Item::Tasks];

/// Two collections at the source, of which the destination has one, with an object of the user's, one that
/// both have, and one that differs.
pub(super) fn filled() -> Bed {
    let bed = Bed::new();
    bed.source.shelf("home", &KINDS);
    bed.source.shelf("work", &KINDS);
    for n in 0..5 {
        let (event, task) = (format!("e{n}"), format!("t{n}"));
        bed.source.write("home", &format!("{event}.ics"), Some(&text(&event, 1)));
        bed.source.write("work", &format!("{task}.ics"), Some(&text(&task, 1)));
    }
    bed.destination.shelf("home", &KINDS);
    bed.destination.write("home", "own", Some(&text("own", 7)));
    bed.destination.write("home", "both", Some(&text("e0", 1)));
    bed
}

#[test]
fn everything_arrives_once() {
    let bed = filled();
    let before = texts(&bed.source);
    let saved = bed.finish(Ask::Run);
    let mut expected = before.clone();
    expected.insert(("home".into(), "own".into()), vec![text("own", 7)]);
    assert_eq!(texts(&bed.destination), expected);
    assert_eq!(texts(&bed.source), before);
    let all = saved.all();
    assert_eq!((all.total, all.migrated, all.skipped, all.failed), (10, 9, 1, 0));
    assert_eq!(saved.failures, []);
    assert_eq!(bed.verdict(), Verdict::Complete);
    let reports = bed.report();
    assert!(reports.iter().all(|it| it.sums.unwrap().meet()), "{reports:?}");
    assert_eq!(reports.iter().map(|it| it.migrated).sum::<u64>(), 9);
    // One calendar of events and tasks is one at the destination.
    assert_eq!(bed.destination.all().len(), 2);
}

#[test]
fn an_unchanged_collection_costs_nothing() {
    let bed = filled();
    bed.finish(Ask::Run);
    bed.again();
    let before = bed.used();
    let all = bed.finish(Ask::Run).all();
    assert_eq!((all.total, all.skipped), (10, 10));
    // Both lists of collections, and what is written down.
    assert!(bed.used() - before <= 8, "{}", bed.used() - before);
    assert_eq!(bed.verdict(), Verdict::Complete);
}

#[test]
fn changes_go_over_and_the_users_stay() {
    let bed = filled();
    bed.finish(Ask::Run);
    for (name, version) in [("e0.ics", 2), ("e1.ics", 2), ("e2.ics", 2)] {
        bed.source.write("home", name, Some(&text(&name[..2], version)));
    }
    bed.source.write("home", "e3.ics", None);
    bed.source.write("home", "e9.ics", Some(&text("e9", 1)));
    let own = bed.destination.all()["home"].objects.clone();
    let name_of = |id: &str| {
        let is_it = |text: &str| text.contains(&format!("ID {id}\n"));
        own.iter().find(|(_, it)| is_it(&it.text)).unwrap().0.clone()
    };
    bed.destination.write("home", &name_of("e2"), Some(&text("e2", 77)));
    bed.destination.write("home", &name_of("e4"), None);
    bed.again();
    let saved = bed.finish(Ask::Run);
    let found = texts(&bed.destination);
    let there = |id: &str| found.get(&("home".to_owned(), id.to_owned())).cloned();
    assert_eq!(there("e0"), Some(vec![text("e0", 1)]), "the user's own copy");
    assert_eq!(there("e1"), Some(vec![text("e1", 2)]));
    assert_eq!(there("e2"), Some(vec![text("e2", 77)]), "changed on both sides");
    assert_eq!(there("e3"), Some(vec![text("e3", 1)]), "deletions are not carried out");
    assert_eq!(there("e4"), None, "not brought back");
    assert_eq!(there("e9"), Some(vec![text("e9", 1)]));
    let codes: Vec<_> = saved.failures.iter().map(|it| (it.subject.as_str(), it.code)).collect();
    assert_eq!(codes, [("e0", FailureCode::Differs), ("e2", FailureCode::Kept)]);
    let all = saved.all();
    assert_eq!((all.total, all.migrated, all.skipped, all.failed), (10, 2, 7, 1));
    assert_eq!((saved.brought, saved.updated), (1, 1));
    assert_eq!(bed.verdict(), Verdict::CompleteButFailures);
}

#[test]
fn a_removal_takes_back_exactly_what_was_brought() {
    let bed = filled();
    let before = texts(&bed.destination);
    bed.finish(Ask::Run);
    let first = texts(&bed.destination);
    bed.source.write("work", "t9.ics", Some(&text("t9", 1)));
    bed.again();
    bed.finish(Ask::Run);
    let saved = bed.finish(Ask::Remove(2));
    assert_eq!((saved.removed, saved.kept), (1, 0));
    assert_eq!(texts(&bed.destination), first);
    let saved = bed.finish(Ask::Remove(1));
    assert_eq!((saved.removed, saved.kept), (10, 0));
    assert_eq!(texts(&bed.destination), before);
    assert_eq!(bed.destination.all().len(), 1, "the collection that was made is gone");
    bed.again();
    assert_eq!(bed.finish(Ask::Run).all().migrated, 10);
    assert_eq!(texts(&bed.destination).len(), first.len() + 1);
}

#[test]
fn what_the_user_changed_is_kept_and_told() {
    let bed = filled();
    bed.finish(Ask::Run);
    let shelves = bed.destination.all();
    let (id, work) = shelves.iter().find(|(id, _)| *id != "home").unwrap();
    let name = work.objects.keys().next().unwrap();
    bed.destination.write(id, name, Some(&text("t0", 5)));
    let saved = bed.finish(Ask::Remove(1));
    assert_eq!((saved.removed, saved.kept), (8, 1));
    assert_eq!(saved.failures.iter().map(|it| it.code).collect::<Vec<_>>(), [FailureCode::Kept]);
    assert_eq!(bed.destination.all()[id].objects.len(), 1);
}

#[test]
fn refused_objects_are_tried_again_by_a_retry() {
    let bed = filled();
    let no = Odd { refuses: Some("ID e3".into()), ..Odd::default() };
    bed.destination.set_odd(no, 1);
    let saved = bed.finish(Ask::Run);
    assert_eq!((saved.all().failed, saved.losses()), (1, 1));
    assert_eq!(bed.verdict(), Verdict::CompleteButFailures);
    assert!(saved.failures[0].reason.contains("403 no"), "{saved:?}");
    bed.destination.set_odd(Odd::default(), 1);
    bed.source.write("home", "new.ics", Some(&text("e8", 1)));
    bed.again();
    let all = bed.finish(Ask::Retry).all();
    assert_eq!((all.total, all.migrated, all.failed), (1, 1, 0));
    bed.again();
    assert_eq!(bed.finish(Ask::Run).all().migrated, 1, "what is new comes with the next run");
    assert_eq!(bed.verdict(), Verdict::Complete);
}

#[test]
fn what_is_not_to_be_copied_is_said() {
    let mut bed = filled();
    bed.source.change("work", |it| it.access = Access::NotCopied("It is subscribed.".into()));
    bed.source.write("home", "large", Some(&format!("{}\n{}", text("e7", 1), "x".repeat(900))));
    bed.source.write("home", "huge", Some(&format!("{}\n{}", text("e8", 1), "x".repeat(1 << 20))));
    bed.source.write("home", "bad", Some(&format!("{}\nDAMAGED yes", text("e9", 1))));
    bed.options = Options { max_item_bytes: Some(500), ..Options::default() };
    let saved = bed.finish(Ask::Run);
    let all = saved.all();
    assert_eq!((all.total, all.migrated, all.left_out, all.failed), (8, 4, 1, 2));
    assert!(all.meet());
    let codes: Vec<_> = saved.failures.iter().map(|it| it.code).collect();
    assert_eq!(codes, [FailureCode::Unreadable, FailureCode::TooLarge]);
    let remarks: Vec<String> = bed.report().into_iter().flat_map(|it| it.remarks).collect();
    assert_eq!(remarks, ["It is subscribed.", "It is subscribed."]);
    // What is left out stays so, and is counted so again.
    bed.again();
    let again = bed.finish(Ask::Run).all();
    assert_eq!((again.total, again.left_out, again.failed, again.meet()), (8, 1, 2, true));
}

#[test]
fn nothing_is_left_when_a_migration_is_erased() {
    let bed = filled();
    bed.finish(Ask::Run);
    let mut progress = crate::erase::Progress::default();
    futures::executor::block_on(async {
        use store::Store;
        loop {
            let listed = crate::erase::piece(&bed.memory, &bed.id, &mut progress, 3).await.unwrap();
            if listed.is_empty() {
                break;
            }
            assert!(listed.len() <= 3);
            bed.memory.delete_many(&listed).await.unwrap();
        }
        bed.memory.delete_many(&store::keys::of_migration(&bed.id)).await.unwrap();
    });
    assert_eq!(bed.memory.all(), []);
}

#[test]
fn an_object_that_was_renamed_at_the_source_is_the_same() {
    let bed = filled();
    bed.finish(Ask::Run);
    bed.source.write("home", "e1.ics", None);
    bed.source.write("home", "other.ics", Some(&text("e1", 4)));
    bed.again();
    let all = bed.finish(Ask::Run).all();
    assert_eq!((all.total, all.migrated, all.skipped), (10, 1, 9));
    let there = texts(&bed.destination);
    assert_eq!(there[&("home".to_owned(), "e1".to_owned())], [text("e1", 4)]);
    let saved = bed.finish(Ask::Remove(1));
    assert_eq!((saved.removed, saved.kept), (9, 0), "it was brought by the first run");
}

#[test]
fn a_collection_that_the_user_removed_comes_back_for_what_is_new() {
    let bed = filled();
    bed.finish(Ask::Run);
    let made = bed.destination.all().into_keys().find(|id| id != "home").unwrap();
    bed.destination.forget(&made);
    bed.source.write("home", "e8.ics", Some(&text("e8", 1)));
    bed.again();
    bed.finish(Ask::Run);
    assert_eq!(bed.destination.all().len(), 1);
    bed.source.write("work", "t8.ics", Some(&text("t8", 1)));
    bed.again();
    bed.finish(Ask::Run);
    let work: Vec<_> =
        texts(&bed.destination).into_keys().filter(|(name, _)| name == "work").collect();
    assert_eq!(work, [("work".to_owned(), "t8".to_owned())]);
}
