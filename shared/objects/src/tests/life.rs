//! Random life on both sides, run after run, compared with a model that knows nothing of the lane: exactly once,
//! exact removal, and what users change stays as they left it.
//!
//! A seed names a life; `TRASLOCO_SEEDS=FROM..TO` plays others than the usual ones.

use std::collections::{BTreeMap, BTreeSet};

use model::Verdict;
use services::objects::fake::{Odd, line};

use super::bed::{Ask, Bed, Dice, Ended, Texts, text, texts};
use super::whole::KINDS;

/// Seeds of an ordinary run of the tests.
const SEEDS: std::ops::Range<u64> = 0..120;

type Key = (String, String);

/// What is expected of the destination.
#[derive(Default)]
struct Model {
    /// What stands there, once each.
    there: BTreeMap<Key, String>,
    /// What was brought, by which run, and the text that it had at the source when it was brought or updated.
    brought: BTreeMap<Key, (u32, String)>,
    /// What was there before, and the text of the source that it is the same as; none where the user has
    /// deleted it and the source has changed since.
    adopted: BTreeMap<Key, Option<String>>,
    /// Brought objects that the user changed or deleted.
    touched: BTreeSet<Key>,
}

impl Model {
    /// A run. Gives what must be told as lost.
    fn run(&mut self, number: u32, source: &Texts) -> BTreeSet<Key> {
        let mut lost = BTreeSet::new();
        for (key, texts) in source {
            let text = &texts[0];
            let there = self.there.get(key).cloned();
            if let Some((_, known)) = self.brought.get_mut(key) {
                if self.touched.contains(key) || known == text {
                    continue;
                }
                known.clone_from(text);
            } else if let Some(adopted) = self.adopted.get_mut(key) {
                match (there, adopted.as_deref()) {
                    (_, None) => {}
                    (_, Some(known)) if known == text => {}
                    (None, Some(_)) => *adopted = None,
                    (Some(there), Some(_)) if there == *text => *adopted = Some(there),
                    (Some(_), Some(_)) => _ = lost.insert(key.clone()),
                }
                continue;
            } else if let Some(there) = there {
                if there == *text {
                    self.adopted.insert(key.clone(), Some(there));
                } else {
                    lost.insert(key.clone());
                }
                continue;
            } else {
                self.brought.insert(key.clone(), (number, text.clone()));
            }
            self.there.insert(key.clone(), text.clone());
        }
        lost
    }

    /// A removal; how many are removed, and how many stay.
    fn remove(&mut self, from: u32) -> (u64, u64) {
        let (mut removed, mut kept) = (0, 0);
        let of: Vec<Key> = self
            .brought
            .iter()
            .filter(|(_, it)| it.0 >= from)
            .map(|(key, _)| key.clone())
            .collect();
        for key in of {
            if !self.touched.contains(&key) {
                self.there.remove(&key);
                removed += 1;
            } else if self.there.contains_key(&key) {
                kept += 1;
                continue;
            }
            self.touched.remove(&key);
            self.brought.remove(&key);
        }
        (removed, kept)
    }
}

struct Play {
    bed: Bed,
    dice: Dice,
    model: Model,
    next: u32,
    /// Objects that stand on both sides from the beginning with the source's changes of the adopted.
    collections: Vec<String>,
}

impl Play {
    fn new(seed: u64) -> Play {
        let mut dice = Dice::new(seed);
        let bed = Bed::new();
        for name in ["a", "b", "c"] {
            bed.source.shelf(name, &KINDS);
            if dice.below(2) == 0 {
                bed.destination.shelf(name, &KINDS);
            }
        }
        if dice.below(2) == 0 {
            bed.destination.shelf("z", &KINDS);
        }
        let kind = |dice: &mut Dice| Odd {
            no_states: dice.below(3) == 0,
            part: dice.below(4),
            restless_tags: dice.below(4) == 0,
            silent_tags: dice.below(3) == 0,
            unique: dice.below(3) == 0,
            ignores_absence: dice.below(4) == 0,
            repeat: dice.below(3) * 3,
            expire: dice.below(3) * 2,
            times: 1_000,
            ..Odd::default()
        };
        let source = Odd { no_tags: dice.below(4) == 0, ..kind(&mut dice) };
        bed.source.set_odd(source, seed);
        bed.destination.set_odd(kind(&mut dice), seed + 1);
        let collections = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut play = Play { bed, dice, model: Model::default(), next: 0, collections };
        for _ in 0..play.dice.below(20) {
            play.create_at_source();
        }
        for _ in 0..play.dice.below(6) {
            play.create_at_destination();
        }
        play
    }

    fn version(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn create_at_source(&mut self) {
        let collection = self.dice.pick(&self.collections).clone();
        let (kind, n) = (*self.dice.pick(&["e", "t"]), self.dice.below(12));
        let (id, version) = (format!("{kind}{n}"), self.version());
        if texts(&self.bed.source).contains_key(&(collection.clone(), id.clone())) {
            return;
        }
        let name = format!("{id}-{version}.ics");
        self.bed.source.write(&collection, &name, Some(&text(&id, version)));
    }

    /// The user's own: another one, or a copy of what the source has, or one that differs from it.
    fn create_at_destination(&mut self) {
        let at_source = texts(&self.bed.source);
        let all: Vec<(&Key, &Vec<String>)> = at_source.iter().collect();
        let (mut key, mut body) = ((String::from("z"), format!("own{}", self.version())), None);
        if !all.is_empty() && self.dice.below(2) == 0 {
            let (found, texts) = *self.dice.pick(&all);
            (key, body) = (found.clone(), Some(texts[0].clone()));
        }
        if self.dice.below(2) == 0 {
            body = None;
        }
        let ours = self.model.brought.contains_key(&key) || self.model.adopted.contains_key(&key);
        let shelves = self.bed.destination.all();
        let shelf = shelves.iter().find(|(_, it)| it.display_name == key.0);
        let (Some((id, _)), false, false) = (shelf, ours, self.model.there.contains_key(&key))
        else {
            return;
        };
        let body = body.unwrap_or_else(|| text(&key.1, 9_000 + self.next));
        let name = format!("user-{}", self.version());
        self.bed.destination.write(id, &name, Some(&body));
        self.model.there.insert(key, body);
    }

    /// One change at the source.
    fn at_source(&mut self) {
        let shelves = self.bed.source.all();
        let all: Vec<(String, String, String)> = shelves
            .iter()
            .flat_map(|(id, shelf)| {
                shelf.objects.iter().map(|(name, it)| (id.clone(), name.clone(), it.text.clone()))
            })
            .collect();
        let deed = self.dice.below(6);
        if all.is_empty() || deed == 0 {
            return self.create_at_source();
        }
        let (shelf, name, body) = self.dice.pick(&all).clone();
        let id = line(&body, "ID").unwrap().to_owned();
        let version = self.version();
        match deed {
            1 | 2 => self.bed.source.write(&shelf, &name, Some(&text(&id, version))),
            3 => self.bed.source.write(&shelf, &name, None),
            4 => {
                self.bed.source.write(&shelf, &name, None);
                self.bed.source.write(&shelf, &format!("renamed-{version}"), Some(&body));
            }
            _ => {
                let to = self.dice.pick(&self.collections).clone();
                if !texts(&self.bed.source).contains_key(&(to.clone(), id.clone())) {
                    self.bed.source.write(&shelf, &name, None);
                    self.bed.source.write(&to, &name, Some(&body));
                }
            }
        }
    }

    /// One change by the user at the destination.
    fn at_destination(&mut self) {
        let shelves = self.bed.destination.all();
        let mut all = Vec::new();
        for (id, shelf) in &shelves {
            for (name, it) in &shelf.objects {
                let key = (shelf.display_name.clone(), line(&it.text, "ID").unwrap().to_owned());
                all.push((id.clone(), name.clone(), key));
            }
        }
        let deed = self.dice.below(3);
        if all.is_empty() || deed == 0 {
            return self.create_at_destination();
        }
        let (shelf, name, key) = self.dice.pick(&all).clone();
        if self.model.brought.contains_key(&key) {
            self.model.touched.insert(key.clone());
        }
        if deed == 1 {
            let body = text(&key.1, 5_000 + self.version());
            self.bed.destination.write(&shelf, &name, Some(&body));
            self.model.there.insert(key, body);
        } else {
            self.bed.destination.write(&shelf, &name, None);
            self.model.there.remove(&key);
        }
    }

    /// Asks, with cuts, tiny slices and second drivers as the dice say.
    fn carry_out(&mut self, ask: Ask) -> super::bed::Saved {
        let tiny = self.dice.below(3) == 0;
        self.bed.tiny_slices(tiny);
        for _ in 0..self.dice.below(4) {
            let cut = self.dice.below(120) as u32;
            if self.bed.tick(ask, Some(cut)) == Ended::Done {
                return self.bed.saved();
            }
        }
        if self.dice.below(4) == 0 && self.bed.two_drivers(ask, &mut self.dice) {
            return self.bed.saved();
        }
        self.bed.finish(ask)
    }

    fn differences(&self, what: &str) -> Vec<String> {
        let found = texts(&self.bed.destination);
        let mut broken = Vec::new();
        for key in found.keys().chain(self.model.there.keys()) {
            let expected: Vec<String> = self.model.there.get(key).cloned().into_iter().collect();
            let there = found.get(key).cloned().unwrap_or_default();
            if there != expected {
                broken.push(format!("{what}: {key:?}: {there:?}, expected {expected:?}"));
            }
        }
        broken.dedup();
        broken
    }
}

/// One life; what contradicts the model.
fn play(seed: u64) -> Vec<String> {
    let mut play = Play::new(seed);
    let mut broken = Vec::new();
    let rounds = 2 + play.dice.below(3) as u32;
    for number in 1..=rounds {
        let source = texts(&play.bed.source);
        let lost = play.model.run(number, &source);
        let saved = play.carry_out(Ask::Run);
        let what = format!("run {number}");
        broken.extend(play.differences(&what));
        let all = saved.all();
        let total: usize = source.values().map(Vec::len).sum();
        if !all.meet() || all.total != total as u64 || saved.losses() != lost.len() {
            broken.push(format!(
                "{what}: {all:?}, {total} objects, lost {lost:?} {:?}",
                saved.failures
            ));
        }
        let expected =
            if lost.is_empty() { Verdict::Complete } else { Verdict::CompleteButFailures };
        if play.bed.verdict() != expected {
            broken.push(format!("{what}: {:?}", play.bed.verdict()));
        }
        if texts(&play.bed.source) != source {
            broken.push(format!("{what}: the source was changed"));
        }
        for _ in 0..play.dice.below(12) {
            play.at_source();
            if play.dice.below(2) == 0 {
                play.at_destination();
            }
        }
        if number < rounds && play.dice.below(5) == 0 {
            let from = 1 + play.dice.below(number as usize) as u32;
            removal(&mut play, from, &mut broken);
        }
        play.bed.again();
    }
    for from in [2, 1] {
        removal(&mut play, from, &mut broken);
    }
    let left: BTreeSet<&str> = play.model.there.keys().map(|(name, _)| name.as_str()).collect();
    for (id, shelf) in play.bed.destination.all() {
        let ours = id.len() == 32;
        if ours && !left.contains(shelf.display_name.as_str()) {
            broken.push(format!("the collection {} is left", shelf.display_name));
        }
    }
    broken
}

fn removal(play: &mut Play, from: u32, broken: &mut Vec<String>) {
    let (removed, kept) = play.model.remove(from);
    let before = play.bed.saved();
    let saved = play.carry_out(Ask::Remove(from));
    let what = format!("removed from {from}");
    broken.extend(play.differences(&what));
    let found = (saved.removed - before.removed, saved.kept - before.kept);
    if found != (removed, kept) {
        broken.push(format!("{what}: {found:?}, expected {:?}", (removed, kept)));
    }
}

#[allow(clippy::disallowed_methods, reason = "who runs the test says which seeds")]
fn seeds() -> std::ops::Range<u64> {
    let range = std::env::var("TRASLOCO_SEEDS").ok();
    let range = range.as_deref().and_then(|text| text.split_once(".."));
    range.map_or(SEEDS, |(from, to)| from.parse().unwrap()..to.parse().unwrap())
}

/// Plays every seed; panics with what contradicts the law.
pub(super) fn all(play: impl Fn(u64) -> Vec<String> + std::panic::RefUnwindSafe) {
    let mut broken = Vec::new();
    for seed in seeds() {
        let played = std::panic::catch_unwind(|| play(seed));
        let found = played.unwrap_or_else(|_| vec!["it panicked".to_owned()]);
        if !found.is_empty() {
            broken.push(format!("seed {seed}: {found:#?}"));
        }
    }
    assert!(broken.is_empty(), "{} seeds: {}", broken.len(), broken.join("\n"));
}

#[test]
fn chaos_of_life_on_both_sides() {
    all(play);
}

/// What is stored between the look at its name and the look through the collection has our name all the same,
/// and is ours: a removal takes it back.
#[test]
fn what_came_late_under_our_name_is_ours() {
    for seed in [366, 811, 1091] {
        assert_eq!(play(seed), Vec::<String>::new(), "seed {seed}");
    }
}
