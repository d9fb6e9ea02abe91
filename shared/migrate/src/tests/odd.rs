//! Servers that do lawful or merely odd things: what the run says in the end is true.
//!
//! The law: either every message of the source is at the destination, once, and the run says
//! *completed*; or it does not say so, and what is missing or not whole has a line in the failures.

use std::collections::BTreeMap;

use fake_imap::{Act, At, Features, Message, Odd, Style};
use model::{FailureCode, Item, Migration, Options, Status, Verdict};

use super::bed::{Bed, Server};
use super::whole::fill;

const ALWAYS: u32 = u32::MAX;

fn has(id: &'static str) -> impl Fn(&[u8]) -> bool + Send {
    let text = format!("<{id}@x>");
    move |bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn any(_: &[u8]) -> bool {
    true
}

/// Bodies by content, with how often each is there, in all folders.
fn contents(server: &Server) -> BTreeMap<(String, Vec<u8>), u32> {
    let mut found = BTreeMap::new();
    for name in server.mailboxes.mailboxes() {
        for message in server.mailboxes.messages(&name) {
            *found.entry((server.plain(&name), message.bytes.to_vec())).or_default() += 1;
        }
    }
    found
}

pub(super) fn failures(bed: &Bed) -> Vec<FailureCode> {
    let work = crate::owner::report::failures(&bed.memory, &bed.id, 0, 1_000);
    let listed = futures::executor::block_on(work).unwrap();
    let losses = listed.into_iter().map(|(_, failure)| failure.code);
    losses.filter(|code| code.is_loss()).collect()
}

/// Says what contradicts the law; empty where nothing does.
pub(super) fn broken(bed: &Bed, migration: &Migration) -> Vec<String> {
    let mut broken = Vec::new();
    let (source, destination) = (contents(&bed.source), contents(&bed.destination));
    let missing: u32 = source
        .iter()
        .map(|(key, count)| count.saturating_sub(*destination.get(key).unwrap_or(&0)))
        .sum();
    let doubled: u32 = destination
        .iter()
        .filter_map(|(key, count)| Some(count.saturating_sub(*source.get(key)?)))
        .sum();
    let failures = failures(bed).len();
    let mail = migration.progress[&Item::Mail];
    let complete = migration.status == Status::Completed;
    let verdict = migration.sync_points.last().and_then(|point| point.verdict);
    if missing > 0 && complete {
        let lost = source.iter().filter(|(key, count)| destination.get(key) < Some(count));
        let lost: Vec<_> = lost.map(|((name, bytes), _)| (name, bytes.len())).collect();
        broken.push(format!("{missing} messages are missing and it is complete: {lost:?}"));
    }
    if doubled > 0 {
        let more = destination
            .iter()
            .filter(|(key, count)| source.get(key).is_some_and(|own| own < count));
        let more: Vec<_> = more.map(|((name, bytes), _)| (name, bytes.len())).collect();
        broken
            .push(format!("{doubled} messages are there more often than at the source: {more:?}"));
    }
    if missing > 0 && failures == 0 && migration.status != Status::Failed {
        broken.push(format!("{missing} messages are missing and there is no failure"));
    }
    if complete && (mail.failed > 0 || verdict != Some(Verdict::Complete)) {
        broken.push(format!("completed, with {} failures and {verdict:?}", mail.failed));
    }
    if migration.status != Status::Failed && mail.done() != mail.total {
        broken.push(format!("the sums do not meet: {mail:?}"));
    }
    broken
}

fn bed() -> Bed {
    let bed = Bed::new(Features::modern(), Features::modern());
    fill(&bed);
    bed
}

/// Everything arrives although the source is odd.
#[track_caller]
fn arrives(bed: &Bed) {
    let migration = bed.finish();
    assert_eq!(broken(bed, &migration), Vec::<String>::new(), "{:#?}", migration.progress);
    assert_eq!(
        migration.status,
        Status::Completed,
        "{:?} {:?}",
        migration.last_error,
        failures(bed)
    );
    assert_eq!(bed.source.mailboxes.digest(), bed.destination.mailboxes.digest());
    let mail = migration.progress[&Item::Mail];
    assert_eq!((mail.total, mail.migrated), (13, 13), "{mail:?}");
}

/// One message is lost or not whole, and that is said.
#[track_caller]
fn is_told(bed: &Bed, expected: &[FailureCode]) -> Migration {
    let migration = bed.finish();
    assert_eq!(broken(bed, &migration), Vec::<String>::new(), "{:#?}", migration.progress);
    assert_eq!(migration.status, Status::CompletedWithErrors);
    assert_eq!(failures(bed), expected);
    let mail = migration.progress[&Item::Mail];
    assert_eq!((mail.total, mail.migrated, mail.failed), (13, 12, 1), "{mail:?}");
    migration
}

#[test]
fn the_uid_may_come_behind_the_body() {
    for style in [
        Style { body_first: true, ..Style::default() },
        Style { reversed: true, ..Style::default() },
        Style { split: true, ..Style::default() },
        Style { chatty: true, ..Style::default() },
        Style { body_first: true, reversed: true, split: true, chatty: true },
    ] {
        for features in [Features::modern(), Features::bare()] {
            let bed = Bed::new(features, Features::modern());
            fill(&bed);
            let _ = bed.source.faults.clone().style(style);
            arrives(&bed);
        }
    }
}

#[test]
fn what_is_left_out_once_is_asked_for_again() {
    for odd in [Odd::NoBody, Odd::Unlisted, Odd::Unsized, Odd::Undated, Odd::Unflagged] {
        for times in [1, 2] {
            let bed = bed();
            let _ = bed.source.faults.clone().odd(odd.clone(), has("i4"), times);
            let migration = bed.finish();
            assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "{odd:?} {times}");
        }
        let bed = bed();
        let _ = bed.source.faults.clone().odd(odd, has("i4"), 1);
        let migration = bed.finish();
        assert_eq!(migration.status, Status::Completed, "{:?}", failures(&bed));
        assert_eq!(contents(&bed.source), contents(&bed.destination));
    }
    for odd in [Odd::RowTwice, Odd::BodyTwice] {
        let bed = bed();
        let _ = bed.source.faults.clone().odd(odd, any, ALWAYS);
        arrives(&bed);
    }
}

#[test]
fn a_message_that_is_never_delivered_is_a_failure() {
    for odd in [Odd::NoBody, Odd::NilBody, Odd::Short(0)] {
        let bed = bed();
        let _ = bed.source.faults.clone().odd(odd, has("i4"), ALWAYS);
        is_told(&bed, &[FailureCode::Unreadable]);
    }
}

#[test]
fn a_message_that_is_never_listed_is_a_failure() {
    let bed = bed();
    let _ = bed.source.faults.clone().odd(Odd::Unlisted, has("i4"), ALWAYS);
    let told = is_told(&bed, &[FailureCode::Unreadable]);
    assert_ne!(told.sync_points[0].verdict, Some(Verdict::Complete));
    // Nor found by a search: only the source's own number tells.
    let bed = self::bed();
    let faults = bed.source.faults.clone().odd(Odd::Unlisted, has("i4"), ALWAYS);
    let _ = faults.odd(Odd::Unsearched, has("i4"), ALWAYS);
    let told = is_told(&bed, &[FailureCode::Differs]);
    assert_eq!(told.sync_points[0].verdict, Some(Verdict::Differs));
}

#[test]
fn a_message_without_a_date_arrives() {
    let bed = bed();
    let _ = bed.source.faults.clone().odd(Odd::Undated, has("i4"), ALWAYS);
    let migration = bed.finish();
    assert_eq!(broken(&bed, &migration), Vec::<String>::new());
    assert_eq!(migration.status, Status::Completed);
}

/// Nobody can tell whether it was delivered whole, wherever the line breaks.
#[test]
fn a_message_without_a_size_is_copied_and_is_told() {
    for (short, cut) in
        [true, false].into_iter().flat_map(|short| (0..160).map(move |n| (short, n)))
    {
        let bed = bed();
        let faults = bed.source.faults.clone().odd(Odd::Unsized, has("i4"), ALWAYS);
        if short {
            let _ = faults.odd(Odd::Short(60), has("i4"), ALWAYS);
        }
        bed.tick(Some(cut));
        let migration = bed.finish();
        assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "{short}, cut after {cut}");
        assert_eq!(migration.status, Status::CompletedWithErrors, "{short}, cut after {cut}");
        assert_eq!(failures(&bed), [FailureCode::Incomplete], "{short}, cut after {cut}");
        let whole = contents(&bed.source) == contents(&bed.destination);
        assert_eq!(whole, !short, "{short}, cut after {cut}");
    }
}

#[test]
fn a_message_that_is_shorter_than_announced_is_copied_and_is_a_failure() {
    let bed = bed();
    let _ = bed.source.faults.clone().odd(Odd::Short(50), has("i4"), ALWAYS);
    is_told(&bed, &[FailureCode::Incomplete]);
    let there: usize = contents(&bed.destination).values().map(|count| *count as usize).sum();
    assert_eq!(there, 13, "what was delivered was copied");
}

#[test]
fn a_destination_that_keeps_a_part_or_nothing_is_found_out() {
    for odd in [Odd::KeepOnly(60), Odd::Forget] {
        for features in [Features::modern(), Features::bare()] {
            let bed = Bed::new(Features::modern(), features);
            fill(&bed);
            let _ = bed.destination.faults.clone().odd(odd.clone(), has("i4"), ALWAYS);
            let migration = bed.finish();
            assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "{odd:?}");
            assert_eq!(migration.status, Status::CompletedWithErrors, "{odd:?}");
            assert!(failures(&bed).contains(&FailureCode::Differs), "{odd:?}");
        }
    }
}

#[test]
fn sizes_that_count_line_ends_as_one_octet_are_true() {
    let features = Features::modern();
    let small = Bed::new(features.clone(), features);
    let bytes = Message::sample("only@x", 40);
    let line_feeds = bytes.bytes.iter().filter(|octet| **octet == b'\n').count() as i64;
    small.source.mailboxes.add("INBOX", bytes);
    let _ = small.source.faults.clone().size_lie(-line_feeds);
    let migration = small.finish();
    assert_eq!(migration.status, Status::Completed, "{:?}", failures(&small));
}

#[test]
fn a_source_that_numbers_anew_in_mid_run() {
    for before in 0..12 {
        for times in [1, 2, 5] {
            let bed = bed();
            bed.slice_ms.set(0);
            let _ = bed.source.faults.clone().renumber(before, times);
            let migration = bed.finish();
            let told = format!("after {before}, {times} times: {:#?}", migration.progress);
            assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "{told}");
            let (from, to) = (contents(&bed.source), contents(&bed.destination));
            assert_eq!(from, to, "{told}");
            if times == 1 {
                assert_eq!(migration.status, Status::Completed, "{told}");
                assert_eq!(migration.progress[&Item::Mail].total, 13, "{told}");
            }
        }
    }
}

#[test]
fn a_source_that_always_numbers_anew_is_never_complete() {
    let bed = bed();
    let _ = bed.source.faults.clone().renumber(0, ALWAYS);
    let migration = bed.finish();
    assert_eq!(contents(&bed.source), contents(&bed.destination));
    assert_eq!(migration.status, Status::CompletedWithErrors);
    assert_eq!(broken(&bed, &migration), Vec::<String>::new());
}

#[test]
fn what_was_stored_and_refused_is_not_sent_again() {
    for reply in ["NO no", "NO [UNAVAILABLE] backend timed out", "NO [SERVERBUG] oops", "BAD what"]
    {
        for features in [
            Features::modern(),
            Features { multiappend: false, ..Features::modern() },
            Features::bare(),
        ] {
            for times in [1, 2, ALWAYS] {
                let bed = Bed::new(Features::modern(), features.clone());
                fill(&bed);
                let odd = Odd::StoreAndRefuse(reply.into());
                let _ = bed.destination.faults.clone().odd(odd, any, times);
                let migration = bed.finish();
                let told = format!("{reply}, {times} times: {:?}", migration.last_error);
                assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "{told}");
                assert_eq!(migration.status, Status::Completed, "{told}");
                let (from, to) = (contents(&bed.source), contents(&bed.destination));
                assert_eq!(from, to, "{told}");
            }
        }
    }
}

/// Drafts of one letter and of one size, of which the first was refused; then the source numbers its
/// messages anew, and the second must not be taken for the first.
#[test]
fn look_alikes_are_told_apart_by_their_content() {
    for times in [3, ALWAYS] {
        let bed = bed();
        bed.slice_ms.set(0);
        let draft = |last: u8| {
            let mut draft = Message::sample("draft@x", 40);
            let mut bytes = draft.bytes.to_vec();
            bytes.push(last);
            draft.bytes = bytes.into();
            draft
        };
        for last in [b'a', b'b', b'c'] {
            bed.source.mailboxes.add("INBOX", draft(last));
        }
        let first = draft(b'a').bytes;
        let faults = bed.destination.faults.clone();
        let _ = faults.refuse_append(move |bytes| bytes == &first[..], "NO not this one", times);
        let _ = bed.source.faults.clone().renumber(8, 1);
        let migration = bed.finish();
        assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "{times}");
        let there = bed.destination.mailboxes.messages("INBOX").len();
        assert_eq!(there, if times == ALWAYS { 12 } else { 13 }, "{times}");
    }
}

/// The same where the source announces no sizes, wherever the line breaks.
#[test]
fn look_alikes_without_a_size() {
    for operations in 0..120 {
        let bed = Bed::new(Features::modern(), Features::bare());
        for size in [20, 20, 40] {
            bed.source.mailboxes.add("INBOX", Message::sample("draft@x", size));
        }
        let _ = bed.source.faults.clone().odd(Odd::Unsized, any, ALWAYS);
        bed.tick(Some(operations));
        let migration = bed.finish();
        assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "cut after {operations}");
    }
}

/// Drafts of one letter: the first is refused, the second stored, and then the line breaks.
#[test]
fn two_messages_with_one_message_id() {
    for operations in 0..120 {
        let single = Features { multiappend: false, ..Features::modern() };
        let bed = Bed::new(Features::modern(), single);
        let draft = |size| Message::sample("draft@x", size);
        for size in [40, 60, 80, 60] {
            bed.source.mailboxes.add("INBOX", draft(size));
        }
        let first = draft(40).bytes;
        let faults = bed.destination.faults.clone();
        let _ = faults.refuse_append(move |bytes| bytes == &first[..], "NO not this one", 3);
        bed.tick(Some(operations));
        let migration = bed.finish();
        let told = format!("cut after {operations}: {:?}", migration.last_error);
        assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "{told}");
    }
}

#[test]
fn a_limit_on_the_size_of_a_message_holds_nobody_up() {
    for (reply, code, at_most_s) in [
        ("NO [LIMIT] Requested allocation size is too large", FailureCode::TooLarge, 30),
        ("NO [LIMIT] no", FailureCode::Refused, 600),
        ("NO [TOOBIG] no", FailureCode::TooLarge, 30),
        ("NO [OVERQUOTA] Message is too large", FailureCode::TooLarge, 30),
        // That there is no room for it may be over in a while.
        ("NO [OVERQUOTA] Quota exceeded", FailureCode::Refused, 3 * 3600),
    ] {
        for id in ["i4", "i0", "a"] {
            let bed = bed();
            let began_ms = bed.now_ms();
            let faults = bed.destination.faults.clone();
            let _ = faults.refuse_append(has(id), reply, ALWAYS);
            is_told(&bed, &[code]);
            let took_s = (bed.now_ms() - began_ms) / 1000;
            assert!(took_s < at_most_s, "{reply} {id}: {took_s} s");
        }
    }
}

#[test]
fn a_limit_that_the_owner_set_is_no_failure() {
    let options = Options { max_item_bytes: Some(8_000), ..Options::default() };
    let servers = (Server::new(Features::modern()), Server::new(Features::modern()));
    let bed = Bed::with(servers.0, servers.1, options);
    fill(&bed);
    bed.source.mailboxes.add("INBOX", Message::sample("large@x", 9_000));
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Completed, "{:?}", failures(&bed));
    let mail = migration.progress[&Item::Mail];
    assert_eq!((mail.total, mail.migrated, mail.left_out), (14, 13, 1));
    assert_eq!(migration.sync_points[0].verdict, Some(Verdict::Complete));
}

/// The next batch is on its way while a large message is refused: it must not be taken for it.
#[test]
fn a_large_message_that_is_refused_is_repaired_from_its_own_octets() {
    let bed = Bed::new(Features::modern(), Features::modern());
    let mut large = Message::sample("large@x", 6_000_000);
    large.bytes = [&large.bytes[..], b"a\0b\r\n"].concat().into();
    bed.source.mailboxes.add("INBOX", large);
    for n in 0..5 {
        bed.source.mailboxes.add("INBOX", Message::sample(&format!("small{n}@x"), 30));
    }
    let _ = bed.destination.faults.clone().strict_appends();
    let migration = bed.finish();
    assert_eq!(migration.status, Status::Completed, "{:?}", failures(&bed));
    let there = bed.destination.mailboxes.messages("INBOX");
    assert_eq!(there.len(), 6);
    assert!(there.iter().any(|message| message.bytes.ends_with(b"ab\r\n")));
}

#[test]
fn a_fetch_that_is_refused_as_a_whole_costs_what_cannot_be_read() {
    for times in [1, 2] {
        let bed = bed();
        let refused = Act::Refuse("NO [SERVERBUG] internal error".into());
        let _ = bed.source.faults.clone().on(At::nth("UID FETCH", 1).times(times), refused);
        let migration = bed.finish();
        assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "{times}");
        assert!(failures(&bed).len() < 2, "{times}: {:?}", failures(&bed));
    }
}

/// A server that tells nothing of a folder before it is opened says nothing of what is in it: neither
/// that it is empty nor how it is numbered.
#[test]
fn a_folder_of_which_nothing_was_told_is_not_empty() {
    for reply in ["NO no", "NO [UNAVAILABLE] later"] {
        let times = if reply.contains("UNAVAILABLE") { 5 } else { ALWAYS };
        for (at_source, at_destination) in [(true, false), (false, true), (true, true)] {
            for (renumber, cut) in (0..8).zip([40, 80, 120, 150].into_iter().cycle()) {
                let bed = Bed::new(Features::bare(), Features::bare());
                fill(&bed);
                for there in bed.source.mailboxes.messages("INBOX").into_iter().take(3) {
                    let (bytes, flags, internal_date) =
                        (there.bytes, there.flags, there.internal_date);
                    bed.destination.mailboxes.add("INBOX", Message { bytes, flags, internal_date });
                }
                let refuse = || (At::every("STATUS").times(times), Act::Refuse(reply.into()));
                for (refuses, server) in
                    [(at_source, &bed.source), (at_destination, &bed.destination)]
                {
                    let (at, act) = refuse();
                    let _ = refuses.then(|| server.faults.clone().on(at, act));
                }
                let _ = bed.source.faults.clone().renumber(renumber, 3);
                let told = format!(
                    "{reply} at {at_source} {at_destination}, numbered anew after {renumber}, {cut}"
                );
                bed.tick(Some(cut));
                bed.tick(Some(cut));
                let migration = bed.finish();
                assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "{told}");
                bed.synchronise();
                let migration = bed.finish();
                assert_eq!(broken(&bed, &migration), Vec::<String>::new(), "again: {told}");
                assert_eq!(migration.status, Status::Completed, "{told}");
            }
        }
    }
}
