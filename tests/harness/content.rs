//! Mail to migrate, and the comparison of two accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::mailbox::{Client, Mail, Snapshot};
use crate::process::repository;

/// Nested, non-ASCII, with characters that matter in modified UTF-7, in order of creation.
pub const FOLDERS: [&str; 6] =
    ["Work", "Work/2024", "Work/2024/Q1 plan", "Ärger & Größe", "日本語/書類", "Perché no"];

/// A folder that stays empty.
pub const EMPTY: &str = "Vuota";

/// INTERNALDATEs with zones east and west, at the turn of a year and of a century.
const DATES: [&str; 6] = [
    " 1-Jan-2020 00:30:00 +0200",
    "31-Dec-2019 23:59:59 -0800",
    "29-Feb-2024 12:00:00 +0530",
    " 7-Jul-2001 07:07:07 +0000",
    "15-Mar-2015 18:45:31 -0330",
    "31-Dec-1999 12:34:56 +1300",
];

const FLAGS: [&[&str]; 7] = [
    &[],
    &["\\Seen"],
    &["\\Seen", "\\Answered"],
    &["\\Flagged"],
    &["\\Draft", "\\Seen"],
    &["\\Seen", "$Forwarded"],
    &["MyKeyword", "\\Flagged", "\\Seen"],
];

/// A message of about this size that no other has: `n` goes into its Message-ID.
pub fn message(folder: &str, n: usize, bytes: usize) -> Vec<u8> {
    let id = format!("{n}.{}@example.test", hex(folder));
    let mut text = format!(
        "Return-Path: <anna@example.test>\r\nFrom: Anna <anna@example.test>\r\n\
         To: bob@example.test\r\nSubject: Message {n}\r\nMessage-ID: <{id}>\r\n\
         Date: Wed, 1 Jan 2020 10:00:00 +0100\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Größe: {n}\r\n.\r\n..\r\nFrom the beginning of a line\r\n"
    );
    let mut line = 0;
    while text.len() < bytes {
        line += 1;
        text.push_str(&format!("line {line} of message {n}, with a few words to fill it\r\n"));
    }
    text.into_bytes()
}

fn hex(text: &str) -> String {
    text.bytes().map(|octet| format!("{octet:02x}")).collect()
}

/// Fills an account: every folder of [`FOLDERS`], INBOX and the mailbox for sent mail with
/// `each` messages, and [`EMPTY`].
pub fn fill(client: &mut Client, each: usize) {
    let sent = client.special_uses().into_iter().find(|(_, special)| special == "\\Sent");
    let sent = sent.map_or_else(|| "Sent".to_owned(), |(path, _)| path);
    for folder in FOLDERS.iter().copied().chain([EMPTY, sent.as_str()]) {
        client.create(folder);
    }
    let mut turn = 0;
    for folder in FOLDERS.iter().copied().chain(["INBOX", sent.as_str()]) {
        for n in 0..each {
            let size = 300 + (turn * 797) % 9000;
            let (flags, date) = (FLAGS[turn % FLAGS.len()], DATES[turn % DATES.len()]);
            let appended = client.append(folder, flags, date, &message(folder, n, size));
            appended.unwrap_or_else(|refusal| panic!("{folder}: {refusal}"));
            turn += 1;
        }
    }
}

/// Adds so many messages to INBOX, numbered from `from` on.
pub fn add(client: &mut Client, from: usize, n: usize, bytes: usize) {
    for number in from..from + n {
        let (flags, date) = (FLAGS[number % FLAGS.len()], DATES[number % DATES.len()]);
        let text = message("INBOX", number, bytes);
        client.append("INBOX", flags, date, &text).expect("INBOX takes it");
    }
}

/// Sample messages: those of the repository, and those of the corpus beside it where it is.
pub fn samples() -> Vec<(String, Vec<u8>)> {
    let own = repository().join("tests/samples");
    let corpus = repository().join("../shared/corpus/eml");
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in [&own, &corpus] {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let paths = entries.map(|entry| entry.expect("a file").path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|it| it == "eml")));
    }
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read(path).expect("a sample"))
    };
    files.into_iter().map(read).collect()
}

/// What a folder stands for: its special use, told or by a name that people know, or its path.
fn place(path: &str, special_uses: &BTreeMap<String, String>) -> String {
    if let Some(special) = special_uses.get(path) {
        return special.clone();
    }
    let known = [
        ("Sent", "\\Sent"),
        ("Gesendet", "\\Sent"),
        ("Drafts", "\\Drafts"),
        ("Entwürfe", "\\Drafts"),
        ("Trash", "\\Trash"),
        ("Papierkorb", "\\Trash"),
        ("Junk", "\\Junk"),
        ("Spam", "\\Junk"),
    ];
    let found = known.into_iter().find(|(name, _)| *name == path);
    found.map_or_else(|| path.to_owned(), |(_, special)| special.to_owned())
}

/// An account by what its folders stand for.
pub fn by_place(client: &mut Client) -> Snapshot {
    let special_uses = client.special_uses();
    let snapshot = client.snapshot().into_iter();
    snapshot.map(|(path, mails)| (place(&path, &special_uses), mails)).collect()
}

/// Asserts that the destination has every folder of the source with exactly its messages, in its
/// order. Folders that only the destination has are special-use folders or levels above others,
/// which some servers make by themselves, and empty.
pub fn assert_same(source: &Snapshot, destination: &Snapshot, whose: &str) {
    let mut faults = Vec::new();
    for (folder, mails) in source {
        match destination.get(folder) {
            // A special-use mailbox that nothing is in need not be made.
            None if mails.is_empty() && folder.starts_with('\\') => {}
            None => faults.push(format!("{folder}: missing with {} messages", mails.len())),
            Some(found) if found == mails => {}
            Some(found) => faults.extend(differences(folder, mails, found)),
        }
    }
    for (folder, mails) in destination {
        let level = format!("{folder}/");
        let made_by_server =
            folder.starts_with('\\') || source.keys().any(|name| name.starts_with(&level));
        let harmless = made_by_server && mails.is_empty();
        if !source.contains_key(folder) && !harmless {
            faults.push(format!("{folder}: surplus, {} messages", mails.len()));
        }
    }
    assert!(faults.is_empty(), "{whose}:\n{}", faults.join("\n"));
}

fn differences(folder: &str, wanted: &[Mail], found: &[Mail]) -> Vec<String> {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = (wanted.iter().collect(), found.iter().collect());
    let mut faults = vec![format!("{folder}: {} messages, not {}", found.len(), wanted.len())];
    let show = |word: &str, mails: Vec<&&Mail>| -> Vec<String> {
        mails.into_iter().take(3).map(|mail| format!("  {word} {mail:?}")).collect()
    };
    faults.extend(show("missing", a.difference(&b).collect()));
    faults.extend(show("surplus", b.difference(&a).collect()));
    if a == b && a.len() == wanted.len() && b.len() == found.len() {
        faults.push("  same messages in another order".into());
    }
    faults
}
