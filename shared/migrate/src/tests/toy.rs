//! The engine over a protocol that is none of its own (`services::toy`): what it does rests on the questions of
//! `services::mail` alone.

use fake_imap::{Features, Mailboxes, Message};
use mailbox::{InternalDate, UidSet};
use model::{Item, Status};
use wire::pipe::End;
use wire::{Bytes, Stream};

use super::bed::{Bed, Server};
use super::whole::fill;

/// Serves the protocol from an account of the other fake.
pub(super) async fn serve(mut line: End, account: Mailboxes) {
    let mut rest = Vec::new();
    let mut open = String::new();
    while let Some(words) = hear(&mut line, &mut rest).await {
        let word = |at: usize| words.get(at).cloned().unwrap_or_default();
        let there = |name: &str| account.mailboxes().iter().any(|own| own == name);
        let answer: Vec<u8> = match word(0).as_str() {
            "folders" => format!("ok\t{}\n", account.mailboxes().join("\t")).into(),
            "open" | "status" if !there(&word(1)) => b"none\tno such folder\n".to_vec(),
            command @ ("open" | "status") => {
                if command == "open" {
                    open = word(1);
                }
                let (validity, next) = account.uids(&word(1));
                format!("ok\t{}\t{validity}\t{next}\n", account.messages(&word(1)).len()).into()
            }
            "make" if there(&word(1)) => b"no\tit is there\n".to_vec(),
            "make" => {
                account.create(&word(1));
                b"ok\n".to_vec()
            }
            "drop" => {
                account.remove(&word(1));
                b"ok\n".to_vec()
            }
            "rename" => {
                account.rename(&word(1), &word(2));
                b"ok\n".to_vec()
            }
            "rows" => rows(&account, &open, &word(1), word(2) == "body"),
            "put" => match put(&mut line, &mut rest, &account, &words).await {
                Some(answer) => answer.into(),
                None => return,
            },
            "mark" => mark(&account, &open, &words),
            "remove" => {
                let uids: Vec<u32> = set(&word(1)).iter().collect();
                account.expunge(&open, &uids);
                b"ok\n".to_vec()
            }
            "here" | "marked" => {
                let wanted = set(&word(1));
                let all =
                    account.messages(&open).into_iter().filter(|own| match word(0).as_str() {
                        "here" => wanted.contains(own.uid),
                        _ => own.flags.iter().any(|flag| flag == "\\Deleted"),
                    });
                format!("ok\t{}\n", all.map(|own| own.uid).collect::<UidSet>()).into()
            }
            _ => b"ok\n".to_vec(),
        };
        if line.write(answer.into()).await.is_err() {
            return;
        }
    }
}

async fn hear(line: &mut End, rest: &mut Vec<u8>) -> Option<Vec<String>> {
    loop {
        if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let text: Vec<u8> = rest.drain(..=end).collect();
            let text = String::from_utf8(text).unwrap();
            return Some(text.trim_end_matches('\n').split('\t').map(str::to_owned).collect());
        }
        let bytes = line.read().await.ok().filter(|bytes| !bytes.is_empty())?;
        rest.extend_from_slice(&bytes);
    }
}

fn set(text: &str) -> UidSet {
    UidSet::parse(text.as_bytes()).unwrap_or_default()
}

fn rows(account: &Mailboxes, open: &str, which: &str, body: bool) -> Vec<u8> {
    let messages = account.messages(open);
    let bounds = |text: &str| {
        let (first, last) = text.split_once('-').unwrap();
        (first.parse::<u32>().unwrap(), last.parse::<u32>().unwrap_or(u32::MAX))
    };
    let wanted = |(place, uid): (usize, u32)| match which.strip_prefix('#') {
        Some(places) => {
            let (first, last) = bounds(places);
            (first..=last).contains(&(u32::try_from(place).unwrap() + 1))
        }
        None if which.contains('-') => uid >= bounds(which).0,
        None => set(which).contains(uid),
    };
    let mut out = Vec::new();
    for (_, own) in messages.iter().enumerate().filter(|(at, own)| wanted((*at, own.uid))) {
        let date = InternalDate::parse(own.internal_date.as_bytes()).unwrap();
        let end = own.bytes.windows(4).position(|part| part == b"\r\n\r\n").map_or(0, |at| at + 4);
        let head = if body { 0 } else { end };
        let flags: Vec<&str> =
            own.flags.iter().map(String::as_str).filter(|it| *it != "\\Recent").collect();
        let (size, unix_s, zone) = (own.bytes.len(), date.unix_s(), date.zone_minutes());
        let line =
            format!("row\t{}\t{size}\t{unix_s}\t{zone}\t{}\t{head}\n", own.uid, flags.join(" "));
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(if body { &own.bytes } else { &own.bytes[..head] });
    }
    out.extend_from_slice(b"ok\n");
    out
}

/// Takes a message; `None` where the line ends in the midst of it.
async fn put(
    line: &mut End,
    rest: &mut Vec<u8>,
    account: &Mailboxes,
    words: &[String],
) -> Option<String> {
    let size: usize = words[2].parse().unwrap();
    while rest.len() < size {
        let bytes = line.read().await.ok().filter(|bytes| !bytes.is_empty())?;
        rest.extend_from_slice(&bytes);
    }
    let bytes: Bytes = rest.drain(..size).collect::<Vec<u8>>().into();
    if !account.mailboxes().contains(&words[1]) {
        return Some("none\tno such folder\n".into());
    }
    let date = InternalDate::new(words[3].parse().unwrap(), words[4].parse().unwrap()).unwrap();
    let flags = words[5].split_ascii_whitespace().map(str::to_owned).collect();
    let uid = account.add(&words[1], Message { bytes, flags, internal_date: date.to_string() });
    Some(format!("at\t{uid}\t{}\n", account.uids(&words[1]).0))
}

fn mark(account: &Mailboxes, open: &str, words: &[String]) -> Vec<u8> {
    let wanted = set(&words[1]);
    let named: Vec<&str> = words[2].split_ascii_whitespace().collect();
    for own in account.messages(open).iter().filter(|own| wanted.contains(own.uid)) {
        let mut flags: Vec<&str> = own.flags.iter().map(String::as_str).collect();
        flags.retain(|flag| !named.contains(flag));
        if words[3] == "add" {
            flags.extend(&named);
        }
        account.set_flags(open, own.uid, &flags);
    }
    b"ok\n".to_vec()
}

fn toy() -> Server {
    let mut server = Server::new(Features::modern());
    server.toy = true;
    server
}

fn imap() -> Server {
    Server::new(Features::modern())
}

fn filled(source: Server, destination: Server) -> Bed {
    let bed = Bed::with(source, destination, model::Options::default());
    fill(&bed);
    bed
}

/// Contents of both sides, whatever their folders are called.
#[track_caller]
fn assert_moved(bed: &Bed, told: &str) {
    let contents = |server: &Server| {
        let folders = server.mailboxes.mailboxes().into_iter();
        let mut all: Vec<_> = folders
            .flat_map(|name| server.mailboxes.messages(&name))
            .map(|own| {
                let date = InternalDate::parse(own.internal_date.as_bytes()).unwrap();
                (own.bytes.clone(), date.unix_s(), date.zone_minutes())
            })
            .collect();
        all.sort();
        all
    };
    let (source, destination) = (contents(&bed.source), contents(&bed.destination));
    assert_eq!(source.len(), destination.len(), "{told}");
    for (own, there) in source.iter().zip(&destination) {
        assert_eq!(own, there, "{told}");
    }
}

#[test]
fn from_it_to_it_and_between() {
    for (source, destination) in [(toy(), imap()), (imap(), toy()), (toy(), toy())] {
        let bed = filled(source, destination);
        let migration = bed.finish();
        assert_eq!(migration.status, Status::Completed, "{:?}", migration.last_error);
        assert_eq!(migration.progress[&Item::Mail].migrated, 13);
        assert_moved(&bed, "at once");
    }
}

/// The power is cut after every operation: each message once.
#[test]
fn whatever_is_cut() {
    for (source, destination) in [(toy as fn() -> Server, imap as fn() -> Server), (imap, toy)] {
        let whole = filled(source(), destination());
        whole.finish();
        for first in 0..whole.used() {
            let bed = filled(source(), destination());
            bed.tick(Some(first));
            let migration = bed.finish();
            let told = format!("cut after {first}");
            assert_eq!(migration.status, Status::Completed, "{told}: {:?}", migration.last_error);
            assert_moved(&bed, &told);
        }
    }
}

/// A second run brings what is new and what changed; a removal takes exactly that back which is ours.
#[test]
fn a_second_run_and_the_way_back() {
    let bed = filled(imap(), toy());
    bed.finish();
    let fresh = bed.source.mailboxes.add("INBOX", Message::sample("new@x", 40));
    bed.source.mailboxes.set_flags("INBOX", fresh, &["\\Seen"]);
    bed.synchronise();
    let again = bed.finish();
    assert_eq!((again.status, again.progress[&Item::Mail].migrated), (Status::Completed, 1));
    assert_moved(&bed, "second run");
    bed.destination.mailboxes.add("INBOX", Message::sample("own@x", 10));
    bed.remove(1);
    let removed = bed.finish();
    assert_eq!(removed.status, Status::Completed, "{:?}", removed.last_error);
    let left: Vec<_> = bed
        .destination
        .mailboxes
        .mailboxes()
        .iter()
        .flat_map(|name| bed.destination.mailboxes.messages(name))
        .collect();
    assert_eq!(left.len(), 1, "only the user's own");
}
