//! A mailbox as it grows over the years: folders, names in several languages, flags, dates.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::shell::Done;

/// A folder: its name in a Maildir (modified UTF-7, RFC 3501 section 5.1.3), and its subjects.
struct Folder {
    name: &'static str,
    n_messages: u32,
    subjects: &'static [&'static str],
}

const FOLDERS: [Folder; 6] = [
    Folder {
        name: "",
        n_messages: 40,
        subjects: &["Lunch on Thursday?", "Your parcel is on its way", "Re: the garden fence"],
    },
    Folder { name: ".Sent", n_messages: 25, subjects: &["Re: Lunch on Thursday?", "Application"] },
    Folder { name: ".Archive", n_messages: 20, subjects: &["Minutes of the meeting"] },
    Folder { name: ".Archive.2019", n_messages: 20, subjects: &["Happy new year", "Invoice"] },
    Folder { name: ".Caff&AOg-", n_messages: 10, subjects: &["Espresso, 1 kg", "Nuova miscela"] },
    Folder { name: ".Drafts", n_messages: 5, subjects: &["Letter to the editor"] },
];

const SENDERS: [&str; 4] = ["Carla", "David", "Emma", "Farid"];

/// 2019-01-05, where the mailbox begins, seconds since 1970.
const BEGINNING_S: u64 = 1_546_700_000;

/// From one message to the next.
const STEP_S: u64 = 16 * 3600 + 7 * 60 + 11;

/// Writes the mailbox into a Maildir.
pub(super) fn write(maildir: &Path) -> Done {
    let mut number = 0;
    for folder in FOLDERS {
        let place = maildir.join(folder.name);
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(place.join(sub)).map_err(|error| error.to_string())?;
        }
        if !folder.name.is_empty() {
            fs::write(place.join("maildirfolder"), "").map_err(|error| error.to_string())?;
        }
        for index in 0..folder.n_messages {
            write_message(&place, &folder, index, number)?;
            number += 1;
        }
    }
    let names = FOLDERS.map(|folder| folder.name.trim_start_matches('.').replace('.', "/") + "\n");
    let subscribed = "V\t2\n\n".to_owned() + names.concat().replace('/', "\t").trim_start();
    fs::write(maildir.join("subscriptions"), subscribed).map_err(|error| error.to_string())
}

fn write_message(place: &Path, folder: &Folder, index: u32, number: u32) -> Done {
    let when_s = BEGINNING_S + u64::from(number) * STEP_S;
    let nth = |list: &[&'static str]| {
        list.iter().cycle().nth(index as usize).copied().unwrap_or_default()
    };
    let (subject, sender) = (nth(folder.subjects), nth(&SENDERS));
    let text = format!(
        "From: {sender} <{}@friends.example>\r\nTo: me@old.example\r\nSubject: {subject}\r\n\
         Date: {}\r\nMessage-ID: <demo-{number}@old.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         This is message {number} of the demonstration.\r\n{}",
        sender.to_lowercase(),
        date(when_s),
        "Tanti saluti, schöne Grüße, best regards.\r\n".repeat(1 + number as usize % 40),
    );
    let flags = match (folder.name, index % 7) {
        (".Drafts", _) => "DS",
        (_, 0) => "",
        (_, 3) => "FS",
        (_, 5) => "RS",
        _ => "S",
    };
    let path = place.join("cur").join(format!("{when_s}.{number}.demo:2,{flags}"));
    let said = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::write(&path, text).map_err(said)?;
    // What Dovecot takes for the internal date.
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(when_s);
    let file = fs::File::options().write(true).open(&path).map_err(said)?;
    file.set_modified(modified).map_err(said)
}

/// A date of RFC 5322 section 3.3, in UTC.
fn date(seconds: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (mut days, time) = (seconds / 86400, seconds % 86400);
    let mut year = 1970;
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, length) in MONTHS.iter().zip(lengths) {
            if days < length {
                let (hours, minutes) = (time / 3600, time / 60 % 60);
                let day = days + 1;
                return format!(
                    "{day} {month} {year} {hours:02}:{minutes:02}:{:02} +0000",
                    time % 60
                );
            }
            days -= length;
        }
        year += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), "1 Jan 1970 00:00:00 +0000");
        assert_eq!(date(1_582_934_400), "29 Feb 2020 00:00:00 +0000");
        assert_eq!(date(BEGINNING_S), "5 Jan 2019 14:53:20 +0000");
    }

    #[test]
    fn more_than_a_hundred_messages() {
        assert!(FOLDERS.iter().map(|folder| folder.n_messages).sum::<u32>() >= 100);
    }
}
