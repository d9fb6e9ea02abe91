//! Holds a law of a reader against many inputs, without any fuzzer; and what laws and dialogues are
//! written with.
//!
//! A law is a function of bytes that panics where it is broken. The fuzz targets in `fuzz/` look
//! for such bytes with the coverage of the code; [`hold`] runs the same laws in the test suite, on
//! the same seeds (`fuzz/seeds/TARGET/`), on mutations of them and on random bytes. The inputs
//! follow from the target's name and the number of the try alone, so a failure comes again.
//!
//! [`Taker`] takes an input apart, [`any_cut_gives_the_same`] and [`play`] hold a reader to the law
//! that it does not matter how octets arrive, [`tell_nothing_of`] to that no secret is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

mod cut;
mod dialogue;
mod discreet;
mod taker;

pub use cut::any_cut_gives_the_same;
pub use dialogue::play;
pub use discreet::{Same, tell_nothing_of};
pub use taker::Taker;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest input in bytes: whatever a reader does with it, it does in milliseconds.
const INPUT_MAX: usize = 4096;
/// Most changes of one seed.
const CHANGES_MAX: usize = 6;
/// Longest time for one law, so that all of them take less than a minute on a slow machine. Where
/// it is over, fewer inputs were tried; which ones is the same for everybody up to there.
const TIME_MAX: Duration = Duration::from_secs(2);
/// Bytes that parsers care about.
const INTERESTING: &[u8] = b"\0\t\n\r \"%&()*+,-./0189:;<=>?@A[\\]{}~\x7f\x80\xc3\xff";

/// Numbers at the edges of what is stored.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "255",
    "65536",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "1e9",
];

/// Holds `law` against the seeds of `target` and against `tries` inputs made of them.
///
/// # Panics
/// Where the law is broken; the number of the try and the input are printed.
pub fn hold(target: &str, tries: u64, law: impl Fn(&[u8])) {
    let seeds = seeds(target);
    let check = |name: &str, input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| law(input))) {
            eprintln!("law {target}, {name}, is broken by b\"{}\"", input.escape_ascii());
            resume_unwind(panic);
        }
    };
    check("the empty input", b"");
    for (name, seed) in &seeds {
        check(name, seed);
    }
    let start = Instant::now();
    for number in 0..tries {
        if start.elapsed() > TIME_MAX {
            break;
        }
        let mut random = Random::new(target, number);
        check(&format!("try {number}"), &input(&mut random, &seeds));
    }
}

/// The top of the repository. Cargo tells where the package under test stands when it runs it; what
/// was true when this crate was compiled may be another clone with the same target folder.
fn repository() -> PathBuf {
    let run = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = run.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    let top = package.ancestors().find(|folder| folder.join("fuzz/seeds").exists());
    top.unwrap_or_else(|| panic!("{package:?} is in no clone of the repository")).to_owned()
}

/// The committed seeds of a target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = repository().join("fuzz/seeds").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut seeds: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{folder:?} holds no seed");
    seeds
}

fn input(random: &mut Random, seeds: &[(String, Vec<u8>)]) -> Vec<u8> {
    if random.below(16) == 0 {
        return (0..random.below(200)).map(|_| random.octet()).collect();
    }
    let mut input = random.pick(seeds).1.clone();
    for _ in 0..=random.below(CHANGES_MAX) {
        change(&mut input, random, seeds);
    }
    input.truncate(INPUT_MAX.max(random.pick(seeds).1.len()));
    input
}

fn change(input: &mut Vec<u8>, random: &mut Random, seeds: &[(String, Vec<u8>)]) {
    let at = random.below(input.len() + 1);
    let end = (at + 1 + random.below(20)).min(input.len());
    match random.below(8) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = *random.pick(INTERESTING),
        2 => input.insert(at, *random.pick(INTERESTING)),
        3 => drop(input.drain(at..end)),
        4 => input.truncate(at),
        5 => {
            let part = input[at..end].to_vec();
            input.splice(at..at, part.repeat(1 + random.below(4)));
        }
        6 => {
            input.splice(at..at, random.pick(NUMBERS).bytes());
        }
        _ => {
            let other = &random.pick(seeds).1;
            let from = random.below(other.len() + 1);
            let to = (from + 1 + random.below(60)).min(other.len());
            input.splice(at..end, other[from..to].iter().copied());
        }
    }
}

/// Numbers that follow from a name and a number (SplitMix64).
struct Random(u64);

impl Random {
    fn new(name: &str, number: u64) -> Random {
        let start = name
            .bytes()
            .fold(number, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Random(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn octet(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every fuzz target is a law that the test suite holds, too, under the target's name.
    #[test]
    fn every_target_is_held() {
        let root = repository();
        let crates = ["shared", "functions"].map(|it| std::fs::read_dir(root.join(it)).unwrap());
        let laws: String = crates
            .into_iter()
            .flatten()
            .filter_map(|it| std::fs::read_to_string(it.unwrap().path().join("src/laws.rs")).ok())
            .collect();
        let targets = std::fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap();
        let mut count = 0;
        for target in targets.map(|it| it.unwrap().path()) {
            let name = target.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(laws.contains(&format!("hold(\"{name}\"")), "no test holds {name}");
            assert!(!seeds(&name).is_empty());
            count += 1;
        }
        assert!(count > 9, "{count}");
    }

    #[test]
    fn inputs_come_again() {
        let seeds = [("a".to_owned(), b"* 1 FETCH (UID 7)".to_vec())];
        let all = || (0..500).map(|n| input(&mut Random::new("x", n), &seeds)).collect::<Vec<_>>();
        assert_eq!(all(), all());
        let different: std::collections::BTreeSet<Vec<u8>> = all().into_iter().collect();
        assert!(different.len() > 400, "{}", different.len());
    }
}
