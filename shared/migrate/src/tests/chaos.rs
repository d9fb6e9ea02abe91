//! Random odd servers, refusals, hang-ups, power cuts, steps of the clock and second drivers, over
//! small mailboxes.
//!
//! The law is that of [`super::odd`]: source = destination + failures, each once, or the run is not
//! *completed*. A seed names a run; `TRASLOCO_SEEDS=FROM..TO` runs others than the usual ones.

use fake_imap::{Act, At, Features, Message, Odd, Style};
use model::{Item, Status};

use super::bed::Bed;
use super::odd::broken;
use super::synchronise::Dice;
use super::whole::{fill, sample};

const ALWAYS: u32 = u32::MAX;
/// Seeds of an ordinary run of the tests.
const SEEDS: std::ops::Range<u64> = 0..400;

/// Picks about one message in `n`, always the same ones.
fn some(n: u64, salt: u64) -> impl Fn(&[u8]) -> bool + Send {
    move |bytes| {
        let hash = bytes
            .iter()
            .fold(salt, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        (hash >> 7) % n == 0
    }
}

/// Says what a seed does, to whoever asked for it.
pub(super) fn say(what: std::fmt::Arguments<'_>) {
    if asked("TRASLOCO_TALK").is_some() {
        println!("{what}");
    }
}

pub(super) fn features(dice: &mut Dice) -> Features {
    let modern = Features::modern();
    match dice.below(6) {
        0 => Features::bare(),
        1 => Features { multiappend: false, ..modern },
        2 => Features { uidplus: false, ..modern },
        3 => Features { esearch: false, condstore: false, qresync: false, ..modern },
        4 => Features::modern().under("INBOX.", "."),
        _ => modern,
    }
}

fn source_oddities(bed: &Bed, dice: &mut Dice) {
    let mut faults = bed.source.faults.clone();
    for _ in 0..dice.below(3) {
        let odd = dice
            .pick(&[
                Odd::Unlisted,
                Odd::Unsearched,
                Odd::Unsized,
                Odd::Undated,
                Odd::Unflagged,
                Odd::RowTwice,
                Odd::NoBody,
                Odd::NilBody,
                Odd::BodyTwice,
                Odd::Short(0),
                Odd::Short(60),
            ])
            .clone();
        let times = *dice.pick(&[1, 2, 3, ALWAYS]);
        let salt = dice.below(1 << 20) as u64;
        say(format_args!("{odd:?} {times}"));
        faults = faults.odd(odd, some(4, salt), times);
    }
    if dice.below(4) == 0 {
        let (after, times) = (dice.below(8) as u32, *dice.pick(&[1, 1, 2, 3]));
        say(format_args!("renumber {after} {times}"));
        faults = faults.renumber(after, times);
    }
    let _ = faults.style(Style {
        body_first: dice.below(5) == 0,
        reversed: dice.below(5) == 0,
        split: dice.below(5) == 0,
        chatty: dice.below(3) == 0,
    });
}

pub(super) fn destination_oddities(bed: &Bed, dice: &mut Dice) {
    let mut faults = bed.destination.faults.clone();
    for _ in 0..dice.below(3) {
        let stored = ["NO no", "NO [UNAVAILABLE] timed out", "NO [LIMIT] wait", "BAD no"];
        let odd = match dice.below(4) {
            0 | 1 => Odd::StoreAndRefuse((*dice.pick(&stored)).to_owned()),
            2 => Odd::KeepOnly(dice.below(100)),
            _ => Odd::Forget,
        };
        let times = *dice.pick(&[1, 2, 3, ALWAYS]);
        let salt = dice.below(1 << 20) as u64;
        say(format_args!("{odd:?} {times}"));
        faults = faults.odd(odd, some(4, salt), times);
    }
    for _ in 0..dice.below(3) {
        let (reply, times) = *dice.pick(&[
            ("NO no", 1),
            ("NO no", ALWAYS),
            ("NO [TOOBIG] no", ALWAYS),
            ("NO [LIMIT] no", 2),
            ("NO [LIMIT] no", ALWAYS),
            ("NO [UNAVAILABLE] later", 3),
            ("NO [OVERQUOTA] full", 2),
            ("NO [INUSE] held", 2),
        ]);
        let salt = dice.below(1 << 20) as u64;
        say(format_args!("refuse {reply} {times}"));
        faults = faults.refuse_append(some(5, salt), reply, times);
    }
}

fn hang_ups(bed: &Bed, dice: &mut Dice) {
    for _ in 0..dice.below(4) {
        let at_source = dice.below(2) == 0;
        let server = if at_source { &bed.source } else { &bed.destination };
        let act = match dice.below(6) {
            0 => Act::Close,
            1 => Act::CloseAfterEffect,
            2 => Act::Stall,
            3 => Act::StallAfterEffect,
            4 => Act::Bye("busy".into()),
            _ => Act::Refuse("NO [UNAVAILABLE] not now".into()),
        };
        let at = 1 + dice.below(40) as u32;
        say(format_args!("{} {at} {act:?}", if at_source { "source" } else { "destination" }));
        let _ = server.faults.clone().on(At::any(at), act);
    }
}

fn messages(bed: &Bed, dice: &mut Dice) {
    fill(bed);
    // Drafts of one letter, some of which look alike in everything but their content.
    for _ in 0..dice.below(6) {
        let mut draft = sample("draft@x", *dice.pick(&[20, 20, 40]));
        let mut bytes = draft.bytes.to_vec();
        if let Some(last) = bytes.last_mut() {
            *last = *dice.pick(b"abc");
        }
        draft.bytes = bytes.into();
        bed.source.mailboxes.add("INBOX", draft);
    }
    for n in 0..dice.below(3) {
        bed.destination.mailboxes.add("INBOX", Message::sample(&format!("own{n}@x"), 10));
    }
}

/// Sets the wall clock at some operation.
pub(super) fn clock_step(bed: &Bed, dice: &mut Dice) {
    let by_ms = *dice.pick(&[45_000, -45_000, 600_000, 3_600_000, -3_600_000, 86_400_000]);
    let set_by_ms = bed.timers.set_by_ms.clone();
    let at = bed.used() + dice.below(200) as u32;
    say(format_args!("clock {by_ms} at {at}"));
    bed.before(at, move || set_by_ms.set(set_by_ms.get() + by_ms));
}

/// One run; what contradicts the law.
fn play(seed: u64) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let bed = Bed::new(features(&mut dice), features(&mut dice));
    messages(&bed, &mut dice);
    source_oddities(&bed, &mut dice);
    destination_oddities(&bed, &mut dice);
    hang_ups(&bed, &mut dice);
    bed.slice_ms.set(*dice.pick(&[0, 10_000]));
    // So that the clock can be set back.
    bed.wait(86_400_000);
    let steps = dice.below(2) == 0;
    for _ in 0..dice.below(4) {
        if steps {
            clock_step(&bed, &mut dice);
        }
        bed.tick(Some(dice.below(150) as u32));
    }
    if steps {
        clock_step(&bed, &mut dice);
    }
    if dice.below(4) == 0 {
        let boot = *dice.pick(&["a", ""]);
        say(format_args!("two drivers"));
        bed.drivers_for(boot, 20);
    }
    let migration = bed.finish();
    let mut found = broken(&bed, &migration);
    if migration.status == Status::Failed {
        let told = migration.last_error.clone().unwrap_or_default();
        if told.is_empty() {
            found.push("failed without a sentence".to_owned());
        }
        return found;
    }
    bed.synchronise();
    let again = bed.finish();
    found.extend(broken(&bed, &again).into_iter().map(|it| format!("second run: {it}")));
    if !found.is_empty() {
        let mail = again.progress.get(&Item::Mail);
        found.push(format!("{:?} then {:?} {mail:?}", migration.status, again.status));
        if asked("TRASLOCO_TALK").is_some() {
            found.extend(bed.source.mailboxes.take_commands());
            found.extend(bed.destination.mailboxes.take_commands());
        }
    }
    found
}

#[allow(clippy::disallowed_methods, reason = "who runs the test says which seeds")]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn seeds() -> std::ops::Range<u64> {
    let range = asked("TRASLOCO_SEEDS");
    let range = range.as_deref().and_then(|text| text.split_once(".."));
    range.map_or(SEEDS, |(from, to)| from.parse().unwrap()..to.parse().unwrap())
}

/// Plays every seed; panics with what contradicts the law.
pub(super) fn all(play: impl Fn(u64) -> Vec<String> + std::panic::RefUnwindSafe) {
    let mut broken = Vec::new();
    for seed in seeds() {
        say(format_args!("seed {seed}"));
        let played = std::panic::catch_unwind(|| play(seed));
        let found = played.unwrap_or_else(|_| vec!["it panicked".to_owned()]);
        if !found.is_empty() {
            broken.push(format!("seed {seed}: {found:#?}"));
        }
    }
    assert!(broken.is_empty(), "{} seeds: {}", broken.len(), broken.join("\n"));
}

#[test]
fn the_law_holds_whatever_servers_do() {
    all(play);
}
