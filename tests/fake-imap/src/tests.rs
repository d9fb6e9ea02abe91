//! Whole dialogues over a pipe.

use futures::executor::block_on;
use futures::future::join;
use wire::pipe::pipe;
use wire::{Bytes, Stream};

use crate::{Act, At, Faults, Features, Mailboxes, Message, serve};

/// Sends everything at once, reads to the end.
fn talk(account: &Mailboxes, faults: Faults, sent: &str) -> String {
    let (mut client, server) = pipe();
    let read = async {
        let _ = client.write(Bytes::copy_from_slice(sent.as_bytes())).await;
        let mut heard = Vec::new();
        while let Ok(bytes) = client.read().await {
            if bytes.is_empty() {
                break;
            }
            heard.extend_from_slice(&bytes);
        }
        String::from_utf8_lossy(&heard).into_owned()
    };
    block_on(join(read, serve(server, account.clone(), faults))).0
}

/// Without the greeting, the log-in and the log-out.
fn say(account: &Mailboxes, commands: &[&str]) -> String {
    let sent = format!("i LOGIN user secret\r\n{}\r\nq LOGOUT\r\n", commands.join("\r\n"));
    let heard = talk(account, Faults::none(), &sent);
    let start = heard.find("] logged in\r\n").expect(&heard) + "] logged in\r\n".len();
    heard[start..].trim_end_matches("* BYE logging out\r\nq OK done\r\n").replace("\r\n", "\n")
}

fn bare() -> Mailboxes {
    Mailboxes::new(Features::bare())
}

#[test]
fn greets_and_refuses() {
    let account = bare();
    let heard =
        talk(&account, Faults::none(), "a LIST \"\" *\r\nb LOGIN user wrong\r\nc LOGOUT\r\n");
    assert_eq!(
        heard,
        "* OK [CAPABILITY IMAP4rev1] ready\r\na BAD log in first\r\n\
         b NO [AUTHENTICATIONFAILED] wrong login or password\r\n\
         * BYE logging out\r\nc OK done\r\n"
    );
    assert_eq!(account.complaints(), ["BAD log in first: LIST \"\" *"]);
}

#[test]
fn authenticates() {
    let account = Mailboxes::new(Features::modern()).credentials("anna", "p w").admin("root", "r");
    // "\0anna\0p w", then "anna\0root\0r"
    for plain in ["AGFubmEAcCB3", "YW5uYQByb290AHI="] {
        let sent = format!("a AUTHENTICATE PLAIN {plain}\r\nb LOGOUT\r\n");
        assert!(talk(&account, Faults::none(), &sent).contains("a OK [CAPABILITY "));
        let sent = format!("a AUTHENTICATE PLAIN\r\n{plain}\r\nb LOGOUT\r\n");
        let heard = talk(&account, Faults::none(), &sent);
        assert!(heard.contains("+ \r\na OK"), "{heard}");
    }
    let heard = talk(&account, Faults::none(), "a LOGIN \"anna\" {3}\r\np w\r\nb LOGOUT\r\n");
    assert!(heard.contains("+ go on\r\na OK"), "{heard}");
    assert_eq!(account.complaints(), [""; 0]);
}

#[test]
fn appends_and_fetches() {
    let account = Mailboxes::new(Features::modern());
    let heard = say(
        &account,
        &[
            "a APPEND INBOX (\\Seen $X) \" 1-Feb-2020 10:00:00 +0200\" {5+}",
            "A: 1\n () {2+}",
            "hi",
            "b SELECT INBOX",
            "c UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])",
            "d APPEND INBOX {3}",
            "hey",
            "e UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN",
            "f SEARCH SINCE 1-Feb-2020 BEFORE 2-Feb-2020",
        ],
    );
    assert_eq!(
        heard,
        "a OK [APPENDUID 1700000001 1:2] done\n\
         * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $X)\n\
         * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] kept\n\
         * 2 EXISTS\n* 0 RECENT\n* OK [UIDVALIDITY 1700000001] valid\n\
         * OK [UIDNEXT 3] next\n* OK [HIGHESTMODSEQ 3] highest\nb OK [READ-WRITE] selected\n\
         * 1 FETCH (UID 1 FLAGS ($X \\Seen) INTERNALDATE \" 1-Feb-2020 10:00:00 +0200\" \
         RFC822.SIZE 5 BODY[] {5}\nA: 1\n)\n\
         * 2 FETCH (UID 2 FLAGS () INTERNALDATE \"22-Nov-2026 12:00:00 +0000\" \
         RFC822.SIZE 2 BODY[] {2}\nhi)\nc OK done\n\
         + go on\n* 3 EXISTS\nd OK [APPENDUID 1700000001 3] done\n\
         * ESEARCH (TAG \"e\") UID MIN 2 MAX 3 ALL 2:3 COUNT 2\ne OK done\n\
         * SEARCH 1\nf OK done\n"
    );
    assert_eq!(account.complaints(), [""; 0]);
}

#[test]
fn lists() {
    let account = Mailboxes::new(Features::modern().under("INBOX.", "."));
    account.create("INBOX.a.b");
    account.create_special("INBOX.Gesendet", "\\Sent");
    account.subscribe("INBOX.a.b");
    let heard = say(
        &account,
        &[
            "a LIST \"\" \"\"",
            "b LIST \"\" * RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES UIDNEXT SIZE))",
            "c LIST (SUBSCRIBED) \"\" *",
            "d LSUB \"\" *",
            "e NAMESPACE",
            "f CREATE Outside",
            "g CREATE INBOX.Bin (USE (\\Trash))",
            "h LIST (SPECIAL-USE) \"\" INBOX.%",
            "i RENAME INBOX.a INBOX.z",
        ],
    );
    assert_eq!(
        heard,
        "* LIST (\\Noselect) \".\" \"\"\na OK done\n\
         * LIST (\\HasChildren) \".\" \"INBOX\"\n* STATUS \"INBOX\" (MESSAGES 0 UIDNEXT 1 SIZE 0)\n\
         * LIST (\\HasNoChildren \\Sent) \".\" \"INBOX.Gesendet\"\n\
         * STATUS \"INBOX.Gesendet\" (MESSAGES 0 UIDNEXT 1 SIZE 0)\n\
         * LIST (\\NonExistent \\HasChildren) \".\" \"INBOX.a\"\n\
         * LIST (\\HasNoChildren \\Subscribed) \".\" \"INBOX.a.b\"\n\
         * STATUS \"INBOX.a.b\" (MESSAGES 0 UIDNEXT 1 SIZE 0)\nb OK done\n\
         * LIST (\\HasNoChildren \\Subscribed) \".\" \"INBOX.a.b\"\nc OK done\n\
         * LSUB () \".\" \"INBOX.a.b\"\nd OK done\n\
         * NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\ne OK done\n\
         f NO [CANNOT] the name is outside your namespace\ng OK done\n\
         * LIST (\\HasNoChildren \\Trash) \".\" \"INBOX.Bin\"\n\
         * LIST (\\HasNoChildren \\Sent) \".\" \"INBOX.Gesendet\"\nh OK done\n\
         i NO [NONEXISTENT] no such mailbox to rename\n"
    );
    assert_eq!(account.special_use("INBOX.Bin").as_deref(), Some("\\Trash"));
}

#[test]
fn stores_moves_and_expunges() {
    let account = Mailboxes::new(Features::modern());
    account.create("Other");
    for id in ["1@x", "2@x", "3@x"] {
        account.add("INBOX", Message::sample(id, 10));
    }
    let heard = say(
        &account,
        &[
            "a SELECT INBOX",
            "b UID STORE 1:2 +FLAGS (\\Deleted)",
            "c UID EXPUNGE 2",
            "d UID MOVE 3 Other",
            "e UID COPY 1 Other",
            "f UID SEARCH HEADER Message-ID 1@x",
            "g CLOSE",
        ],
    );
    let start = heard.find("* 1 FETCH").unwrap();
    assert_eq!(
        &heard[start..],
        "* 1 FETCH (UID 1 FLAGS (\\Deleted))\n* 2 FETCH (UID 2 FLAGS (\\Deleted))\nb OK done\n\
         * 2 EXPUNGE\nc OK done\n\
         * OK [COPYUID 1700000002 3 1] moved\n* 2 EXPUNGE\nd OK done\n\
         e OK [COPYUID 1700000002 1 2] copied\n* SEARCH 1\nf OK done\ng OK done\n"
    );
    assert!(account.messages("INBOX").is_empty());
    let digest = account.digest().0;
    assert!(digest["Other"][0].starts_with("<3@x> "));
    assert!(digest["Other"][1].ends_with("(\\Deleted)"));
}

#[test]
fn resynchronises() {
    let account = Mailboxes::new(Features::modern());
    for id in ["1@x", "2@x", "3@x"] {
        account.add("INBOX", Message::sample(id, 10));
    }
    account.expunge("INBOX", &[1]);
    account.set_flags("INBOX", 3, &["\\Seen"]);
    let heard = say(
        &account,
        &[
            "a ENABLE QRESYNC",
            "b SELECT INBOX (QRESYNC (1700000001 4))",
            "c UID FETCH 1:* (FLAGS) (CHANGEDSINCE 4 VANISHED)",
        ],
    );
    let difference = "* VANISHED (EARLIER) 1\n";
    assert_eq!(heard.matches(difference).count(), 2, "{heard}");
    assert!(heard.contains("* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (6))\nc OK"), "{heard}");
    assert_eq!(account.complaints(), [""; 0]);
}

#[test]
fn tells_of_other_clients() {
    let account = Mailboxes::new(Features::modern());
    for id in ["1@x", "2@x"] {
        account.add("INBOX", Message::sample(id, 10));
    }
    let (mut client, server) = pipe();
    let other = account.clone();
    let work = async move {
        let mut heard = String::new();
        let _ = client.read().await;
        for (line, done) in [("a LOGIN user secret", "a OK"), ("b SELECT INBOX", "b OK")] {
            let _ = client.write(format!("{line}\r\n").into()).await;
            while !heard.contains(done) {
                heard.push_str(&String::from_utf8_lossy(&client.read().await.unwrap()));
            }
        }
        other.expunge("INBOX", &[1]);
        other.add("INBOX", Message::sample("3@x", 1));
        let _ = client.write("c NOOP\r\n".into()).await;
        String::from_utf8_lossy(&client.read().await.unwrap()).into_owned()
    };
    let (heard, ()) = block_on(join(work, serve(server, account, Faults::none())));
    assert_eq!(heard, "* 1 EXPUNGE\r\n* 2 EXISTS\r\nc OK done\r\n");
}

#[test]
fn is_strict() {
    let account = bare();
    let heard = say(&account, &["a NAMESPACE", "b LIST \"\" (a b)", "c SELECT &"]);
    assert_eq!(heard.matches(" BAD ").count(), 3, "{heard}");
    assert_eq!(account.complaints().len(), 3);
    let heard = say(&account, &["a APPEND INBOX {3+}", "abc", "b NOOP"]);
    assert!(heard.ends_with("* BYE literal\n"), "{heard}");
}

#[test]
fn limits() {
    let features = Features { append_limit: Some(10), quota_kib: Some(1), ..Features::modern() };
    let account = Mailboxes::new(features);
    let long = "x".repeat(11);
    let heard = say(&account, &["a APPEND INBOX {11}", "b APPEND INBOX {11+}", &long, "c NOOP"]);
    let expected = "NO [TOOBIG] the limit is 10 octets\n";
    assert_eq!(heard, format!("a {expected}b {expected}c OK done\n"));
    account.add("INBOX", Message::sample("1@x", 1024));
    let heard = say(&account, &["a APPEND INBOX {1+}", "x", "b GETQUOTAROOT INBOX"]);
    assert!(heard.starts_with("a NO [OVERQUOTA]"), "{heard}");
    assert!(heard.contains("* QUOTA \"\" (STORAGE 2 1)\n"), "{heard}");
}

#[test]
fn drops_keywords_it_cannot_keep() {
    let permanent_flags = vec!["\\Seen".to_owned(), "$Known".to_owned()];
    let account = Mailboxes::new(Features { permanent_flags, ..Features::modern() });
    say(&account, &["a APPEND INBOX (\\Seen $known $Other \\Flagged) {1+}", "x"]);
    assert_eq!(account.messages("INBOX")[0].flags, ["$known", "\\Seen"]);
}

#[test]
fn cuts_where_it_is_told() {
    let append = "i LOGIN user secret\r\na APPEND INBOX {1+}\r\nx\r\nb NOOP\r\n";
    for (act, stored, answered) in
        [(Act::Close, 0, false), (Act::CloseAfterEffect, 1, false), (Act::PretendOk, 0, true)]
    {
        let account = Mailboxes::new(Features::modern());
        let faults = Faults::none().on(At::nth("APPEND", 1), act).on(At::any(3), Act::Close);
        let heard = talk(&account, faults.clone(), append);
        assert_eq!(account.messages("INBOX").len(), stored);
        assert_eq!(heard.contains("a OK"), answered, "{heard}");
        assert_eq!(faults.fired(), if answered { 2 } else { 1 });
    }
    let whole = append.len() as u64;
    for octets in 1..whole {
        let account = Mailboxes::new(Features::modern());
        let faults = Faults::none().close_after_received(octets);
        talk(&account, faults.clone(), append);
        assert_eq!(faults.fired(), 1);
        let arrived = append.find("x\r\n").unwrap() + "x\r\n".len();
        assert_eq!(account.messages("INBOX").len(), usize::from(octets as usize >= arrived));
    }
}

#[test]
fn refuses_what_it_is_told() {
    let account = Mailboxes::new(Features::modern());
    let faults = Faults::none()
        .strict_appends()
        .on(At::nth("APPEND", 4), Act::Refuse("NO [LIMIT] slow down".into()));
    let sent = "i LOGIN user secret\r\na APPEND INBOX {3+}\r\na\nb\r\n\
                b APPEND INBOX {1+}\r\n\0\r\nc APPEND INBOX {7+}\r\nA: \u{e9}\r\n\r\n\
                d APPEND INBOX {1+}\r\nx\r\ne APPEND INBOX {1+}\r\nx\r\nq LOGOUT\r\n";
    let heard = talk(&account, faults, sent);
    for reply in [
        "a NO Message contains bare newlines",
        "b NO Message contains NUL",
        "c NO Message contains non-ASCII",
        "d NO [LIMIT] slow down",
        "e OK [APPENDUID",
    ] {
        assert!(heard.contains(reply), "{reply}: {heard}");
    }
}

#[test]
fn lies_and_breaks() {
    let account = Mailboxes::new(Features::modern());
    account.add("INBOX", Message::sample("1@x", 0));
    let size = account.messages("INBOX")[0].bytes.len();
    let sent = "i LOGIN user secret\r\ns SELECT INBOX\r\na FETCH 1 (RFC822.SIZE BODY.PEEK[])\r\n\
                q LOGOUT\r\n";
    let heard = talk(&account, Faults::none().size_lie(-5).literal_lie(7), sent);
    let lies = format!("RFC822.SIZE {} BODY[] {{{}}}", size - 5, size + 7);
    assert!(heard.contains(&lies), "{heard}");
    for (act, expected) in [
        (Act::Bye("maintenance".into()), "* BYE maintenance\r\n"),
        (Act::NegativeLiteral, "BODY[] {-1}\r\n"),
        (Act::EndlessLine(200_000), "* OK xxxxx"),
        (Act::Raw(b"garbage\r\n".to_vec()), "garbage\r\n"),
    ] {
        let heard = talk(&account, Faults::none().on(At::every("FETCH"), act), sent);
        assert!(heard.contains(expected), "{expected}");
    }
    let heard = talk(&account, Faults::none().greeting(b"+OK POP3 ready\r\n"), "q LOGOUT\r\n");
    assert!(heard.starts_with("+OK POP3"));
    let heard = talk(&account, Faults::none().close_after_sent(4), sent);
    assert_eq!(heard, "* OK");
}

#[test]
fn speaks_rev2_and_utf8() {
    let features = Features { imap4rev2: true, utf8_accept: true, ..Features::modern() };
    let account = Mailboxes::new(features);
    account.create("Entw&APw-rfe");
    let heard = say(&account, &["a LIST \"\" E*", "b ENABLE IMAP4rev2", "c LIST \"\" E*"]);
    assert!(heard.contains("\"Entw&APw-rfe\""), "{heard}");
    assert!(heard.contains("\"Entwürfe\""), "{heard}");
    let heard = say(&account, &["a ENABLE UTF8=ACCEPT", "b CREATE \"\u{e8}\"", "c SELECT INBOX"]);
    assert!(heard.contains("b OK"), "{heard}");
    assert!(account.mailboxes().contains(&"&AOg-".to_owned()));
}
