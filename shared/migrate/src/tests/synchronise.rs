//! Second sync points and removals after random changes on both sides, compared with a model that
//! knows nothing of the engine.

use std::collections::{BTreeMap, BTreeSet};

use fake_imap::{Features, Mailboxes};
use model::{Options, Status};

use super::bed::{Bed, Server};
use super::whole::sample;

/// A generator of numbers: xorshift, so that a seed names a run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Where a message stands and how it is marked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    folder: String,
    flags: BTreeSet<String>,
}

/// Message-ID → places, read from a server.
type State = BTreeMap<String, Vec<Place>>;

fn state(mailboxes: &Mailboxes) -> State {
    let mut found = State::new();
    for (folder, lines) in mailboxes.digest().0 {
        for line in lines {
            let id = line.split(' ').next().unwrap().to_owned();
            let flags = line.rsplit('(').next().unwrap().trim_end_matches(')');
            let flags = flags.split(' ').filter(|f| !f.is_empty()).map(str::to_owned).collect();
            found.entry(id).or_default().push(Place { folder: folder.clone(), flags });
        }
    }
    found
}

/// All messages of a server: wire name of the mailbox, UID, Message-ID.
fn all(mailboxes: &Mailboxes) -> Vec<(String, u32, String)> {
    let mut found = Vec::new();
    for name in mailboxes.mailboxes() {
        for message in mailboxes.messages(&name) {
            let text = String::from_utf8_lossy(&message.bytes).into_owned();
            let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
            found.push((name.clone(), message.uid, id.trim().to_owned()));
        }
    }
    found
}

const FLAGS: [&[&str]; 5] =
    [&[], &["\\Seen"], &["\\Seen", "\\Flagged"], &["\\Answered", "Work"], &["Work", "$Later"]];

struct Play {
    bed: Bed,
    dice: Dice,
    next: u32,
    /// Brought messages that the user moved, deleted or marked at the destination.
    touched: BTreeSet<String>,
    /// Old folder of the source → new one.
    renamed: BTreeMap<String, String>,
}

impl Play {
    fn new(seed: u64, source: Features, destination: Features) -> Self {
        let servers = (Server::new(source), Server::new(destination));
        let bed = Bed::with(servers.0, servers.1, Options::default());
        let dice = Dice::new(seed);
        let mut play =
            Play { bed, dice, next: 0, touched: BTreeSet::new(), renamed: BTreeMap::new() };
        for folder in ["INBOX", "a", "b", "c"] {
            for _ in 0..4 {
                let id = play.fresh("s");
                play.put(true, folder, &id);
            }
        }
        for _ in 0..2 {
            let id = play.fresh("own");
            play.put(false, "INBOX", &id);
        }
        // The user's own copy of a message, which is recognised.
        let id = play.fresh("both");
        play.put(true, "INBOX", &id);
        play.put(false, "INBOX", &id);
        play
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("<{kind}{}@x>", self.next)
    }

    fn put(&mut self, at_source: bool, folder: &str, id: &str) {
        let bare = id.trim_matches(['<', '>']);
        let message = sample(bare, 20).flagged(FLAGS[self.dice.below(FLAGS.len())]);
        let server = if at_source { &self.bed.source } else { &self.bed.destination };
        server.mailboxes.add(&server.name(folder), message);
    }

    /// One change at the source.
    fn at_source(&mut self) {
        let source = self.bed.source.clone();
        let messages = all(&source.mailboxes);
        let (folder, uid, _) = self.dice.pick(&messages).clone();
        match self.dice.below(10) {
            0 | 1 => {
                let id = self.fresh("s");
                let folder = ["INBOX", "b", "d"][self.dice.below(3)];
                self.put(true, folder, &id);
            }
            2..=4 => source.mailboxes.set_flags(&folder, uid, FLAGS[self.dice.below(FLAGS.len())]),
            5 | 6 => {
                let to = ["INBOX", "b", "e"][self.dice.below(3)];
                if source.name(to) != folder {
                    source.mailboxes.move_messages(&folder, &[uid], &source.name(to));
                }
            }
            7 | 8 => source.mailboxes.expunge(&folder, &[uid]),
            _ if self.renamed.is_empty() && !source.mailboxes.messages("c").is_empty() => {
                source.mailboxes.rename("c", "renamed");
                self.renamed.insert("c".into(), "renamed".into());
            }
            _ => {}
        }
    }

    /// One change by the user at the destination.
    fn at_destination(&mut self) {
        let destination = self.bed.destination.clone();
        let messages = all(&destination.mailboxes);
        let (folder, uid, id) = self.dice.pick(&messages).clone();
        match self.dice.below(8) {
            0 | 1 => {
                destination.mailboxes.expunge(&folder, &[uid]);
                self.touched.insert(id);
            }
            2 => {
                destination.mailboxes.move_messages(&folder, &[uid], &destination.name("mine"));
                self.touched.insert(id);
            }
            3 | 4 => {
                let message = &destination.mailboxes.messages(&folder);
                let old = message.iter().find(|it| it.uid == uid).unwrap().flags.clone();
                let mut flags: Vec<&str> = old.iter().map(String::as_str).collect();
                flags.push("Users");
                destination.mailboxes.set_flags(&folder, uid, &flags);
                self.touched.insert(id);
            }
            _ => {
                let id = self.fresh("own");
                self.put(false, "INBOX", &id);
            }
        }
    }

    /// What the destination must hold after a synchronisation.
    fn expected(
        &self,
        (source_before, source): (&State, &State),
        destination: &State,
        can_move: bool,
    ) -> State {
        let mut expected = destination.clone();
        for places in expected.values_mut() {
            for place in places {
                if let Some(new) = self.renamed.get(&place.folder) {
                    place.folder.clone_from(new);
                }
            }
        }
        for (id, now) in source {
            let now = &now[0];
            let Some(before) = source_before.get(id) else {
                expected.insert(id.clone(), vec![now.clone()]);
                continue;
            };
            let before = &before[0];
            let home = self.renamed.get(&before.folder).unwrap_or(&before.folder);
            // Adopted messages are the user's, and so is what the user moved or deleted.
            if id.contains("both") {
                continue;
            }
            let Some(there) = expected.get_mut(id) else { continue };
            let place = &mut there[0];
            if place.folder != *home {
                continue;
            }
            let (added, taken): (Vec<_>, Vec<_>) = (
                now.flags.difference(&before.flags).cloned().collect(),
                before.flags.difference(&now.flags).cloned().collect(),
            );
            let moved = now.folder != *home;
            if moved && !can_move {
                continue;
            }
            place.flags.extend(added);
            taken.iter().for_each(|flag| _ = place.flags.remove(flag));
            if moved {
                place.folder.clone_from(&now.folder);
            }
        }
        expected
    }
}

#[track_caller]
fn same(found: &State, expected: &State, what: &str) {
    for id in found.keys().chain(expected.keys()) {
        assert_eq!(found.get(id), expected.get(id), "{what}: {id}");
    }
}

/// A first run, random changes, a second run, more changes, removals.
fn check(seed: u64, source: Features, destination: Features, cut: Option<u32>) {
    let can_move = destination.move_;
    let mut play = Play::new(seed, source, destination);
    let before_all = state(&play.bed.destination.mailboxes);
    assert_eq!(play.bed.finish().status, Status::Completed, "seed {seed}");
    let source_before = state(&play.bed.source.mailboxes);
    for _ in 0..12 {
        play.at_source();
        if play.dice.below(2) == 0 {
            play.at_destination();
        }
    }
    let source_now = state(&play.bed.source.mailboxes);
    let destination_now = state(&play.bed.destination.mailboxes);
    play.bed.synchronise();
    if let Some(cut) = cut {
        play.bed.tick(Some(cut));
    }
    let migration = play.bed.finish();
    assert_eq!(migration.status, Status::Completed, "seed {seed} {:?}", migration.last_error);
    let expected = play.expected((&source_before, &source_now), &destination_now, can_move);
    let found = state(&play.bed.destination.mailboxes);
    same(&found, &expected, &format!("synchronised, seed {seed}, cut {cut:?}"));
    assert_eq!(play.bed.source.mailboxes.complaints(), Vec::<String>::new());

    for _ in 0..4 {
        play.at_destination();
    }
    let left = state(&play.bed.destination.mailboxes);
    let brought_first: BTreeSet<&String> = source_before.keys().collect();
    let brought_later: BTreeSet<&String> =
        source_now.keys().filter(|id| !brought_first.contains(id)).collect();
    let theirs = |id: &String| id.contains("own") || before_all.contains_key(id);
    for (from, all_gone) in [(2, false), (1, true)] {
        play.bed.remove(from);
        if let Some(cut) = cut {
            play.bed.tick(Some(cut / 2));
        }
        assert_eq!(play.bed.finish().status, Status::Completed, "seed {seed}");
        let found = state(&play.bed.destination.mailboxes);
        let stays = |id: &String| {
            theirs(id) || play.touched.contains(id) || (!all_gone && !brought_later.contains(id))
        };
        let expected: State =
            left.iter().filter(|(id, _)| stays(id)).map(|(a, b)| (a.clone(), b.clone())).collect();
        same(&found, &expected, &format!("removed from {from}, seed {seed}, cut {cut:?}"));
    }
    assert_eq!(play.bed.destination.mailboxes.complaints(), Vec::<String>::new());
    let kept = state(&play.bed.destination.mailboxes);
    let used: BTreeSet<&String> = kept.values().flatten().map(|place| &place.folder).collect();
    for name in play.bed.destination.mailboxes.mailboxes() {
        assert!(
            ["INBOX", "mine"].contains(&name.as_str()) || used.contains(&name),
            "{name} is left"
        );
    }
}

#[test]
fn fifty_seeds() {
    for seed in 1..=50 {
        check(seed, Features::modern(), Features::modern(), None);
    }
}

#[test]
fn servers_of_other_kinds() {
    let modern = Features::modern;
    for seed in 1..=15 {
        check(seed, Features { qresync: false, ..modern() }, modern(), None);
        let plain = Features { qresync: false, condstore: false, ..modern() };
        check(seed, plain, modern(), None);
        check(seed, modern(), Features { move_: false, ..modern() }, None);
        check(seed, modern(), Features { uidplus: false, ..modern() }, None);
        check(seed, Features::bare(), Features::bare(), None);
    }
}

#[test]
fn cuts_at_any_operation() {
    for cut in 0..400 {
        check(7 + u64::from(cut), Features::modern(), Features::modern(), Some(cut));
    }
}
