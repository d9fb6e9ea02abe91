//! Odd services, cuts, second drivers, and users at work meanwhile: what the run says in the end is true.
//!
//! The law, whatever a service does: what users wrote stays as they left it; each object of the source is at the
//! destination once, or the run says that something is wrong; a removal takes back what was brought and says
//! what stays.

use std::collections::BTreeMap;

use model::Verdict;
use services::objects::fake::{Odd, line};

use super::bed::{Ask, Bed, Dice, Ended, Texts, text, texts};
use super::life::all;
use super::whole::KINDS;

fn oddities(dice: &mut Dice) -> Odd {
    let one_in = |dice: &mut Dice| [0, 0, 2, 4, 9][dice.below(5)];
    Odd {
        renames: dice.below(5) == 0,
        tells_name: dice.below(2) == 0,
        rewrites: dice.below(5) == 0,
        silent_tags: dice.below(4) == 0,
        no_tags: dice.below(8) == 0,
        restless_tags: dice.below(5) == 0,
        ignores_absence: dice.below(5) == 0,
        unique: dice.below(3) == 0,
        no_states: dice.below(3) == 0,
        part: dice.below(4),
        refuses: (dice.below(5) == 0).then(|| "ID e1".to_owned()),
        refuse: one_in(dice),
        store_and_refuse: one_in(dice),
        lose_answer: one_in(dice),
        hang_up: one_in(dice),
        late: one_in(dice),
        twice: if dice.below(6) == 0 { 4 } else { 0 },
        omit: one_in(dice),
        repeat: one_in(dice),
        unanswered: one_in(dice),
        expire: one_in(dice),
        unlisted: one_in(dice),
        times: dice.below(20),
    }
}

/// Of the destination and of the source.
fn oddities_of(seed: u64) -> (Odd, Odd) {
    let mut dice = Dice::new(seed + 77);
    let odd = oddities(&mut dice);
    let source = Odd { renames: false, rewrites: false, twice: 0, ..oddities(&mut dice) };
    (odd, source)
}

struct Play {
    bed: Bed,
    dice: Dice,
    next: u32,
    destination_lists_all: bool,
    /// What users wrote at the destination and did not change since: collection, name, text.
    users: BTreeMap<(String, String), String>,
}

impl Play {
    fn new(seed: u64) -> Play {
        let mut dice = Dice::new(seed);
        let bed = Bed::new();
        for name in ["a", "b"] {
            bed.source.shelf(name, &KINDS);
        }
        bed.destination.shelf("a", &KINDS);
        let mut play = Play {
            bed,
            dice: Dice::new(seed + 7),
            next: 0,
            users: BTreeMap::new(),
            destination_lists_all: true,
        };
        for n in 0..dice.below(10) {
            let (shelf, id) = (*dice.pick(&["a", "b"]), format!("e{n}"));
            play.bed.source.write(shelf, &format!("{id}.ics"), Some(&text(&id, 1)));
            if dice.below(5) == 0 {
                play.users_write("a", &format!("users-{n}"), &id, dice.below(2) as u32 + 1);
            }
        }
        let (odd, source) = oddities_of(seed);
        play.destination_lists_all = odd.omit == 0;
        play.bed.source.set_odd(source, seed);
        play.bed.destination.set_odd(odd, seed + 1);
        play
    }

    fn users_write(&mut self, shelf: &str, name: &str, id: &str, version: u32) {
        let body = text(id, version);
        self.bed.destination.write(shelf, name, Some(&body));
        self.users.insert((shelf.to_owned(), name.to_owned()), body);
    }

    /// The user changes, deletes or makes something at the destination.
    fn user(&mut self) {
        self.next += 1;
        let all: Vec<(String, String, String)> = self
            .bed
            .destination
            .all()
            .into_iter()
            .flat_map(|(id, shelf)| {
                let named = shelf.objects.into_iter();
                named.map(move |(name, it)| (id.clone(), name, it.text)).collect::<Vec<_>>()
            })
            .collect();
        match self.dice.below(3) {
            0 => {
                let id = format!("own{}", self.next);
                self.users_write("a", &format!("users-{id}"), &id, 1);
            }
            _ if all.is_empty() => {}
            1 => {
                let (shelf, name, body) = self.dice.pick(&all).clone();
                let id = line(&body, "ID").unwrap().to_owned();
                self.users_write(&shelf, &name, &id, 500 + self.next);
            }
            _ => {
                let (shelf, name, _) = self.dice.pick(&all).clone();
                self.bed.destination.write(&shelf, &name, None);
                self.users.remove(&(shelf, name));
            }
        }
    }

    /// Slices with cuts and drivers until it is through; gives up where the service never does.
    fn carry_out(&mut self, ask: Ask, user: bool) -> bool {
        for _ in 0..self.dice.below(5) {
            let cut = self.dice.below(60) as u32;
            if self.bed.tick(ask, Some(cut)) == Ended::Done {
                return true;
            }
            if user && self.dice.below(3) == 0 {
                self.user();
            }
        }
        if self.dice.below(5) == 0 && self.bed.two_drivers(ask, &mut self.dice) {
            return true;
        }
        (0..300).any(|_| self.bed.tick(ask, None) == Ended::Done)
    }

    /// What users wrote and is not there as they wrote it.
    fn harmed(&self) -> Vec<String> {
        let there = self.bed.destination.all();
        let is_there = |((shelf, name), body): &(&(String, String), &String)| {
            there.get(shelf).and_then(|it| it.objects.get(name)).map(|it| &it.text) == Some(*body)
        };
        let harmed = self.users.iter().filter(|it| !is_there(it));
        harmed.map(|it| format!("the user's {it:?} was changed")).collect()
    }

    /// What contradicts the law after a run without a user at work.
    fn untrue(&self, early: &Texts, late: &Texts) -> Vec<String> {
        let mut broken = self.harmed();
        let saved = self.bed.saved();
        let (source, destination) = (texts(&self.bed.source), texts(&self.bed.destination));
        let complete = self.bed.verdict() == Verdict::Complete && saved.losses() == 0;
        let bare = |text: &String| text.replace("\nREWRITTEN", "");
        for (key, own) in &source {
            let there = destination.get(key).cloned().unwrap_or_default();
            // What arrived after the end of the run, where nothing changed since, is not looked for.
            let arrived = early.get(key).map(Vec::len) != late.get(key).map(Vec::len);
            // Of what the last listing leaves out nobody can know.
            let listed = self.destination_lists_all;
            if there.len() > 1 && !arrived && listed && complete {
                broken.push(format!("{key:?} is there {} times, and it is not said", there.len()));
            }
            if complete && !there.iter().any(|it| bare(it) == own[0]) {
                broken.push(format!("{key:?} is missing and it is complete: {there:?}"));
            }
        }
        if !saved.all().meet() {
            broken.push(format!("the sums do not meet: {:?}", saved.all()));
        }
        for row in self.bed.report() {
            if row.verdict == Verdict::Complete && !row.sums.is_some_and(|it| it.meet()) {
                broken.push(format!("complete without a proof: {row:?}"));
            }
        }
        broken
    }
}

/// One run, with nobody else at work, and its removal.
fn play(seed: u64) -> Vec<String> {
    let mut play = Play::new(seed);
    let before = texts(&play.bed.destination);
    if !play.carry_out(Ask::Run, false) {
        return play.harmed();
    }
    let first = play.bed.saved();
    let early = texts(&play.bed.destination);
    play.bed.destination.settle();
    let late = texts(&play.bed.destination);
    let mut broken = Vec::new();
    // What arrives after the end of a run is seen by the next one.
    play.bed.again();
    if !play.carry_out(Ask::Run, false) {
        return play.harmed();
    }
    broken.extend(play.untrue(&early, &late).into_iter().map(|it| format!("run: {it}")));
    // What was told as failed may stand there as something that is not known to be ours.
    let foreign: u64 = play.bed.report().iter().map(|it| it.adopted + it.failed).sum();
    play.bed.destination.settle();
    let late = texts(&play.bed.destination);
    let doubled: u64 = late.values().map(|it| it.len() as u64 - 1).sum();
    if !play.carry_out(Ask::Remove(1), false) {
        return play.harmed();
    }
    broken.extend(play.harmed());
    let saved = play.bed.saved();
    let count = |it: &Texts| it.values().map(Vec::len).sum::<usize>() as u64;
    let rest = count(&texts(&play.bed.destination)).saturating_sub(count(&before));
    if rest > saved.kept + foreign + doubled {
        broken.push(format!("{rest} objects stay, {} of them told", saved.kept));
    }
    if !broken.is_empty() {
        let odd = oddities_of(seed);
        broken.push(format!("source {:?}, destination {:?}, first {first:?}", odd.1, odd.0));
        broken.push(format!("{:?}", saved.failures));
        broken.push(format!("before {before:?} after {:?}", texts(&play.bed.destination)));
    }
    broken
}

/// Runs and removals with a user who is at work between all slices.
fn play_with_user(seed: u64) -> Vec<String> {
    let mut play = Play::new(seed);
    let mut odd = oddities_of(seed).0;
    if odd.ignores_absence {
        // What such a service stores late, it stores over what the user has changed meanwhile: nobody can
        // prevent that.
        odd.late = 0;
    }
    play.bed.destination.set_odd(odd, seed + 1);
    let mut broken = Vec::new();
    for number in 1..=3 {
        play.carry_out(Ask::Run, true);
        broken.extend(play.harmed().into_iter().map(|it| format!("run {number}: {it}")));
        for n in 0..play.dice.below(4) {
            let id = format!("e{n}");
            let version = 10 * number + n as u32;
            play.bed.source.write("a", &format!("{id}.ics"), Some(&text(&id, version)));
            play.user();
        }
        if play.dice.below(3) == 0 {
            play.carry_out(Ask::Remove(number), true);
            broken.extend(play.harmed().into_iter().map(|it| format!("removal: {it}")));
        }
        play.bed.again();
    }
    play.carry_out(Ask::Remove(1), true);
    broken.extend(play.harmed().into_iter().map(|it| format!("last removal: {it}")));
    if !broken.is_empty() {
        broken.push(format!("destination {:?}", oddities_of(seed).0));
    }
    broken
}

#[test]
fn chaos_of_odd_services() {
    all(play);
}

#[test]
fn chaos_of_users_at_work_meanwhile() {
    all(play_with_user);
}
