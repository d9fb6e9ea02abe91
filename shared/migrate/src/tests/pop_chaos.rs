//! Random odd POP3 servers, destinations, hang-ups, power cuts and steps of the clock: the chaos of
//! [`super::chaos`] with a maildrop as the source, under the same law.

use std::collections::BTreeMap;

use fake_imap::{Act, At};
use model::{Item, Migration, Options, Status};

use super::bed::Bed;
use super::chaos;
use super::fake_pop::{PopOdd, PopServer};
use super::pop::{bed_with, fill, sorted, there};
use super::synchronise::Dice;

const ALWAYS: u32 = u32::MAX;

fn oddities(pop: &PopServer, dice: &mut Dice) {
    let ids = ["u1", "u2", "u4", "dots", "double1", "double2", "large", "empty", "bare"];
    for _ in 0..dice.below(4) {
        let odd = *dice.pick(&[PopOdd::Unlisted, PopOdd::Unnamed, PopOdd::Busy, PopOdd::Refused]);
        let (id, times) = (*dice.pick(&ids), *dice.pick(&[1, 2, 3, ALWAYS]));
        // One that is busy for ever is waited for, for two days.
        let times = if odd == PopOdd::Busy { times.min(3) } else { times };
        chaos::say(format_args!("{odd:?} {id} {times}"));
        pop.odd(odd, id, times);
    }
    let mut drop = pop.0.borrow_mut();
    drop.exclusive = dice.below(3) == 0;
    drop.listed_size = *dice.pick(&[(|n| n) as fn(usize) -> usize, |n| n + 7, |_| 1]);
    if dice.below(3) == 0 {
        drop.close_after = Some(1 + dice.below(60));
    }
}

fn counted(all: Vec<String>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    all.into_iter().for_each(|one| *counts.entry(one).or_default() += 1);
    counts
}

/// What contradicts the law.
fn broken(bed: &Bed, pop: &PopServer, migration: &Migration) -> Vec<String> {
    let mut broken = Vec::new();
    let (source, here) = (counted(sorted(pop.expected())), counted(sorted(there(bed, "INBOX"))));
    let missing = source.iter().filter(|(one, n)| here.get(*one) < Some(n)).count();
    // What a destination keeps nothing of looks like the message that is empty.
    let more =
        |one: &String, n: &u32| one != "\\r\\n" && source.get(one).is_some_and(|own| own < n);
    let doubled: Vec<_> = here.iter().filter(|(one, n)| more(one, n)).collect();
    let failures = crate::owner::report::failures(&bed.memory, &bed.id, 0, 100);
    let failures = futures::executor::block_on(failures).unwrap();
    if !doubled.is_empty() {
        broken.push(format!("there more often: {doubled:?}"));
    }
    if missing > 0 && migration.status == Status::Completed {
        let lost: Vec<_> = source.iter().filter(|(one, n)| here.get(*one) < Some(n)).collect();
        broken.push(format!("{missing} missing and complete: {lost:?}"));
    }
    if missing > 0 && failures.is_empty() && migration.status != Status::Failed {
        broken.push(format!("{missing} missing without a failure"));
    }
    let mail = migration.progress[&Item::Mail];
    if migration.status != Status::Failed && mail.done() != mail.total {
        broken.push(format!("the sums do not meet: {mail:?}"));
    }
    broken
}

/// One run; what contradicts the law.
fn play(seed: u64) -> Vec<String> {
    let mut dice = Dice::new(seed ^ 0x9090_9090);
    let pop = PopServer::new();
    fill(&pop);
    // A refused one is repaired, and then another message.
    pop.0.borrow_mut().mails.retain(|mail| mail.unique_id != "lf");
    oddities(&pop, &mut dice);
    let bed = bed_with(&pop, chaos::features(&mut dice), Options::default());
    chaos::destination_oddities(&bed, &mut dice);
    for _ in 0..dice.below(3) {
        let act = dice.pick(&[Act::Close, Act::CloseAfterEffect, Act::Stall]).clone();
        let _ = bed.destination.faults.clone().on(At::any(1 + dice.below(40) as u32), act);
    }
    bed.slice_ms.set(*dice.pick(&[0, 10_000]));
    bed.wait(86_400_000);
    for _ in 0..dice.below(4) {
        if dice.below(2) == 0 {
            chaos::clock_step(&bed, &mut dice);
        }
        bed.tick(Some(dice.below(150) as u32));
    }
    let migration = bed.finish();
    let mut found = broken(&bed, &pop, &migration);
    if migration.status != Status::Failed {
        bed.synchronise();
        let again = bed.finish();
        let second = broken(&bed, &pop, &again);
        found.extend(second.into_iter().map(|it| format!("second run: {it}")));
    }
    if !found.is_empty() {
        chaos::say(format_args!("{:#?}", pop.0.borrow().said));
        chaos::say(format_args!("{:#?}", bed.destination.mailboxes.take_commands()));
    }
    found
}

#[test]
fn the_law_holds_with_a_maildrop() {
    chaos::all(play);
}
