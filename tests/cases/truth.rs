//! *Complete* is said where it is so: scripted servers that do lawful or merely odd things, before
//! the binary as people run it.
//!
//! The engine's own tests have many more of these, and every combination by seed; those here have
//! one of each kind and speak to nothing but the API, so that any build can be put before them:
//! `TRASLOCO_BIN=… cargo test --release -p e2e --test real truth::`.

use std::collections::BTreeMap;

use e2e::app::{App, Migration, Setup, imap_account, mail_migration};
use e2e::http::get;
use e2e::servers::{Fake, Relay};
use fake_imap::{Act, At, Faults, Features, Mailboxes, Message, Odd, Style};
use serde_json::{Value, json};

/// Messages of the source.
const MESSAGES: usize = 12;
/// Octets of each.
const OCTETS: usize = 6_000;

pub(crate) fn at(fake: &Fake) -> Value {
    imap_account(&format!("imaps://localhost:{}", fake.tls_port()), "user", "secret")
}

pub(crate) fn filled(messages: usize) -> Mailboxes {
    filled_with(messages, OCTETS)
}

fn filled_with(messages: usize, octets: usize) -> Mailboxes {
    let account = Mailboxes::new(Features::modern());
    for n in 0..messages {
        account.add("INBOX", Message::sample(&format!("{n}@example.test"), octets));
    }
    account
}

pub(crate) fn empty() -> Mailboxes {
    Mailboxes::new(Features::modern())
}

/// Whether it is the message of this number.
fn is(number: usize) -> impl Fn(&[u8]) -> bool + Send {
    let text = format!("<{number}@example.test>");
    move |bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn any(_: &[u8]) -> bool {
    true
}

/// A migration and its two servers.
pub(crate) struct Pair {
    pub(crate) source: Fake,
    pub(crate) destination: Fake,
    /// The slow line to the source, if it is one.
    relay: Option<Relay>,
}

/// What lines without TLS need, and slices that end soon.
pub(crate) fn slowly() -> Setup {
    Setup::default().variable("allow_plaintext", "true").variable("slice_seconds", "1")
}

impl Pair {
    pub(crate) fn new(
        (source, odd): (Mailboxes, Faults),
        (to, faults): (Mailboxes, Faults),
    ) -> Pair {
        Pair { source: Fake::start(source, odd), destination: Fake::start(to, faults), relay: None }
    }

    /// A source on a line of so many bytes a second.
    pub(crate) fn slow(messages: usize, bytes_per_s: u32) -> Pair {
        Pair::slow_of((messages, OCTETS), bytes_per_s)
    }

    /// The same with messages of so many octets.
    pub(crate) fn slow_of((messages, octets): (usize, usize), bytes_per_s: u32) -> Pair {
        let source = (filled_with(messages, octets), Faults::none());
        let pair = Pair::new(source, (empty(), Faults::none()));
        let relay = Some(Relay::before(pair.source.port(), bytes_per_s));
        Pair { relay, ..pair }
    }

    /// Whether bodies were asked for since the last call.
    pub(crate) fn asked_for_bodies(&self) -> bool {
        self.source.account.take_commands().iter().any(|it| it.contains("BODY.PEEK[]"))
    }

    pub(crate) fn arrived(&self) -> usize {
        contents(&self.destination).values().sum()
    }

    fn odd_source(faults: Faults) -> Pair {
        Pair::new((filled(MESSAGES), faults), (empty(), Faults::none()))
    }

    fn odd_destination(faults: Faults) -> Pair {
        Pair::new((filled(MESSAGES), Faults::none()), (empty(), faults))
    }

    pub(crate) fn body(&self) -> Value {
        let source = self.relay.as_ref().map_or_else(
            || at(&self.source),
            |relay| {
                let url = format!("imap://localhost:{}?tls=none", relay.port);
                imap_account(&url, "user", "secret")
            },
        );
        mail_migration(source, at(&self.destination))
    }

    /// Brings it to its end; what contradicts the law, and the last state.
    fn run(&self, what: &str) -> (Vec<String>, Value) {
        let app = App::start(Setup::default());
        let migration = app.create(&self.body());
        let state = app.wait(&migration, 120);
        (self.broken(&app, &migration, what), state)
    }

    /// Either all of the source is at the destination, each message once, or the run does not say
    /// *completed* and has a failure for what is missing.
    fn broken(&self, app: &App, migration: &Migration, what: &str) -> Vec<String> {
        let state = app.status(migration);
        let failures = app.get(&migration.path("/failures")).json();
        let failures = failures.as_array().expect("a list").len();
        let (from, to) = (contents(&self.source), contents(&self.destination));
        let lacks =
            |(bytes, count): (&Vec<u8>, &usize)| count.saturating_sub(*to.get(bytes).unwrap_or(&0));
        let missing: usize = from.iter().map(lacks).sum();
        let exceeds =
            |(bytes, count): (&Vec<u8>, &usize)| Some(count.saturating_sub(*from.get(bytes)?));
        let doubled: usize = to.iter().filter_map(exceeds).sum();
        let mut broken = Vec::new();
        let completed = state["status"] == "completed";
        if missing > 0 && (completed || failures == 0) {
            let status = &state["status"];
            broken.push(format!("{what}: {missing} missing, {status}, {failures} failures"));
        }
        if doubled > 0 {
            broken.push(format!("{what}: {doubled} doubled"));
        }
        broken
    }
}

/// Messages by content, with how often each is there.
fn contents(server: &Fake) -> BTreeMap<Vec<u8>, usize> {
    let mut found = BTreeMap::new();
    for mailbox in server.account.mailboxes() {
        for message in server.account.messages(&mailbox) {
            *found.entry(message.bytes.to_vec()).or_default() += 1;
        }
    }
    found
}

/// All of these hold the law; where `whole`, everything arrives as well.
#[track_caller]
fn hold(pairs: Vec<(&str, Pair)>, whole: bool) {
    let mut broken = Vec::new();
    for (what, pair) in pairs {
        let (law, state) = pair.run(what);
        broken.extend(law);
        let there = contents(&pair.destination).values().sum::<usize>();
        if whole && (state["status"] != "completed" || there < MESSAGES) {
            broken.push(format!("{what}: {} with {there} messages", state["status"]));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Point 1.
#[test]
fn the_uid_comes_behind_the_body() {
    let style = |style| Pair::odd_source(Faults::none().style(style));
    let plain = Style::default();
    hold(
        vec![
            ("body first", style(Style { body_first: true, ..plain })),
            ("reversed", style(Style { reversed: true, ..plain })),
            ("split", style(Style { split: true, ..plain })),
            ("chatty", style(Style { chatty: true, ..plain })),
        ],
        true,
    );
}

/// Point 2.
#[test]
fn what_a_server_leaves_out_or_shortens_is_told() {
    let source = |odd| Pair::odd_source(Faults::none().odd(odd, is(4), u32::MAX));
    let destination = |odd| Pair::odd_destination(Faults::none().odd(odd, is(4), u32::MAX));
    let both = Faults::none().odd(Odd::Unsized, is(4), u32::MAX);
    let unsized_and_short = both.odd(Odd::Short(250), is(4), u32::MAX);
    hold(
        vec![
            ("OK without a body", source(Odd::NoBody)),
            ("not in the list", source(Odd::Unlisted)),
            ("250 octets of it", source(Odd::Short(250))),
            ("nothing of it", source(Odd::Short(0))),
            ("250 octets, and no size", Pair::odd_source(unsized_and_short)),
            ("without a size", source(Odd::Unsized)),
            ("half of it is kept", destination(Odd::KeepOnly(3_000))),
            ("none of it is kept", destination(Odd::Forget)),
        ],
        false,
    );
}

/// Point 3: between two slices, or two connections, all messages have new numbers.
#[test]
fn the_source_numbers_its_messages_anew() {
    let mut broken = Vec::new();
    for before in 0..5 {
        let cut = Faults::none().on(At::nth("UID FETCH", 3), Act::Close).renumber(before, 1);
        let pair = Pair::new((filled(60), cut), (empty(), Faults::none()));
        broken.extend(pair.run(&format!("after {before}")).0);
    }
    // In the middle of a long run, from high numbers to low ones, which were not asked for yet.
    // So many that they are more than one batch.
    let pair = Pair::slow_of((4_500, 300), 512 << 10);
    pair.source.account.renumber("INBOX");
    let app = App::start(slowly());
    let migration = app.create(&pair.body());
    app.wait_for(&migration, 60, |_| pair.arrived() > 0);
    assert!(pair.arrived() < 4_500, "it is over already");
    pair.source.account.renumber("INBOX");
    app.wait(&migration, 240);
    broken.extend(pair.broken(&app, &migration, "in the middle"));
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Point 4: what was taken back is not there, and nothing says so.
#[test]
fn after_a_removal_nothing_has_arrived() {
    let pair = Pair::new((filled(98), Faults::none()), (empty(), Faults::none()));
    let app = App::start(Setup::default());
    let migration = app.create(&pair.body());
    app.wait(&migration, 60);
    // Two the owner has changed since: they stay.
    for uid in [3, 7] {
        pair.destination.account.set_flags("INBOX", uid, &["\\Flagged"]);
    }
    let body = json!({"from_sync_point": 1, "destination": {"password": "secret"}});
    let answer = app.post(&migration.path("/remove"), &body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    app.wait_for(&migration, 60, |state| state["sync_points"][0]["removed"] == true);
    let left = pair.destination.account.messages("INBOX").len();
    assert_eq!(left, 2);
    let page = get(&format!("{}/migrations/{}?account=user", app.url, migration.id)).text();
    assert!(page.contains("96"), "{page}");
    for words in ["everything has arrived", "Everything has arrived", "100 %", "100%"] {
        assert!(!page.contains(words), "{words}: {page}");
    }
    let report = app.get(&migration.path("/report")).json();
    assert_ne!(report["verdict"], "complete", "{report:#}");
}

/// Point 6.
#[test]
fn what_was_stored_and_refused_is_there_once() {
    let single = || Mailboxes::new(Features { multiappend: false, ..Features::modern() });
    let odd =
        |reply: &str, times| Faults::none().odd(Odd::StoreAndRefuse(reply.to_owned()), any, times);
    let several = Pair::odd_destination(odd("NO not this time", 1));
    let behind_a_proxy = Pair::new(
        (filled(MESSAGES), Faults::none()),
        (single(), odd("NO [UNAVAILABLE] the backend does not answer", 1)),
    );
    let always = Pair::odd_destination(odd("NO not this time", u32::MAX));
    hold(
        vec![("MULTIAPPEND", several), ("one APPEND", behind_a_proxy), ("every time", always)],
        true,
    );
}

/// Point 7: the wall clock of the machine steps in the middle of a batch.
#[test]
fn the_clock_steps() {
    for step in ["+45s", "+3600s", "-45s"] {
        let pair = Pair::slow(300, 256 << 10);
        let clock = Setup::default().variable("allow_plaintext", "true").with_a_clock();
        let app = App::start(clock);
        let migration = app.create(&pair.body());
        // Bodies are on their way.
        app.wait_for(&migration, 60, |_| pair.asked_for_bodies());
        app.set_clock(step);
        let state = app.wait(&migration, 240);
        assert_eq!(pair.broken(&app, &migration, step), [""; 0]);
        assert_eq!(state["status"], "completed", "{step}: {state:#}");
    }
}

/// Point 8: drafts of one letter, of which the first is refused before the line breaks.
#[test]
fn two_messages_with_one_message_id() {
    let mut broken = Vec::new();
    for n in 1..6 {
        let source = empty();
        for size in [40, 60, 80, 60] {
            source.add("INBOX", Message::sample("draft@example.test", size));
        }
        let first = source.messages("INBOX")[0].bytes.to_vec();
        let faults = Faults::none()
            .refuse_append(move |bytes| bytes == &first[..], "NO not this one", 3)
            .on(At::nth("APPEND", n), Act::CloseAfterEffect);
        let single = Mailboxes::new(Features { multiappend: false, ..Features::modern() });
        let pair = Pair::new((source, Faults::none()), (single, faults));
        broken.extend(pair.run(&format!("cut at {n}")).0);
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Point 13: a limit on the size of a message is that of one message.
#[test]
fn a_limit_on_the_size_of_a_message_holds_nobody_up() {
    for reply in ["NO [LIMIT] Mail is too large", "NO [OVERQUOTA] Message too large"] {
        let source = filled(MESSAGES);
        source.add("INBOX", Message::sample("large@example.test", 60_000));
        source.add("INBOX", Message::sample("last@example.test", 600));
        let faults = Faults::none().refuse_append(|bytes| bytes.len() > 50_000, reply, u32::MAX);
        let pair = Pair::new((source, Faults::none()), (empty(), faults));
        let app = App::start(Setup::default());
        let migration = app.create(&pair.body());
        let state = app.wait(&migration, 60);
        assert_eq!(state["status"], "completed_with_errors", "{state:#}");
        assert_eq!(pair.destination.account.messages("INBOX").len(), MESSAGES + 1, "{reply}");
        let failures = app.get(&migration.path("/failures")).json();
        assert_eq!(failures.as_array().map(Vec::len), Some(1), "{failures:#}");
    }
}

/// Point 25: without UIDPLUS an EXPUNGE takes all that is marked, the owner's own messages as well.
#[test]
fn a_removal_without_uidplus_takes_nothing_of_the_owners() {
    // Marked by the owner before the removal looks, and right after it has looked.
    for (flags, faults) in [
        (vec!["\\Deleted"], Faults::none()),
        (vec![], Faults::none().on(At::nth("UID STORE", 1), Act::OwnerDeletes("<own@x>".into()))),
    ] {
        let features = Features { uidplus: false, ..Features::modern() };
        let to = Mailboxes::new(features);
        to.add("INBOX", Message::sample("own@x", 300).flagged(&flags));
        let pair = Pair::new((filled(MESSAGES), Faults::none()), (to, faults));
        let app = App::start(Setup::default());
        let migration = app.create(&pair.body());
        app.wait(&migration, 60);
        let body = json!({"from_sync_point": 1, "destination": {"password": "secret"}});
        assert_eq!(app.post(&migration.path("/remove"), &body).status, 202);
        app.wait(&migration, 60);
        let there = pair.destination.account.messages("INBOX");
        let own = there.iter().filter(|it| it.bytes.windows(7).any(|part| part == b"<own@x>"));
        assert_eq!(own.count(), 1, "the owner's message is gone");
    }
}
