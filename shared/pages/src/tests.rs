//! What holds for every page: escaping, translation, no secrets, nothing inline.

use model::offer::Lack;
use model::{
    Account, Counters, Failure, FailureCode, FolderReport, Item, Migration, MigrationId, Notify,
    Options, Phase, ServerType, Status, SyncPoint, Timestamp, Verdict, Waiting,
};

use std::collections::BTreeMap;

use crate::form::{FieldError, Filled, Found, Offer};
use crate::project::enter::{Notice, Open};
use crate::project::follow::{Done, Follow, Part, Row, State, Totals};
use crate::project::import::{Cell, Checked, Line, Preview};
use crate::project::{Project, add, enter, follow, import, options, retry};
use crate::words::Words;
use crate::{Language, Page, find, form, home, preflight, problem, report, tracking};

const HOSTILE: &str = "</bdi><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>";

fn account(login: &str) -> Account {
    Account {
        server_type: ServerType::Imap,
        url: "imaps://mail.example.org".into(),
        login: login.into(),
        delegate: None,
    }
}

pub(crate) fn migration(status: Status, login: &str) -> Migration {
    let mut migration = Migration::new(
        MigrationId::from_random(&[5; 26]),
        Timestamp(1_790_000_000_000),
        (account(login), account(login)),
        vec![Item::Mail],
        Options { start_at: Some(Timestamp(1_790_000_000_000)), ..Options::default() },
        Notify::default(),
    );
    migration.status = status;
    migration.phase = Some(Phase::Mail);
    migration.folder = Some(login.to_owned());
    migration.waiting = Some(Waiting { until: Timestamp(0), reason: login.into() });
    migration.last_error = Some(login.into());
    migration.bytes_per_second = 12;
    let counters = Counters { total: 7, migrated: 2, failed: 1, ..Counters::default() };
    migration.progress.insert(Item::Mail, counters);
    let point = SyncPoint { number: 1, ..SyncPoint::default() };
    migration.sync_points = vec![point.clone(), SyncPoint { number: 2, ..point }];
    migration
}

fn folder(name: &str, verdict: Verdict) -> FolderReport {
    FolderReport {
        source: name.into(),
        destination: format!("{name}2"),
        source_messages: 3,
        source_bytes: 4,
        destination_messages: 3,
        destination_bytes: 4,
        migrated: 2,
        adopted: 1,
        left_out: 0,
        failed: 0,
        verdict,
        sums: None,
        remarks: vec![name.into()],
    }
}

fn failure(text: &str, code: FailureCode) -> (u64, Failure) {
    let failure = Failure {
        item: Item::Mail,
        folder: text.into(),
        subject: text.into(),
        date: Some(text.into()),
        size_bytes: 5,
        code,
        reason: text.into(),
    };
    (9, failure)
}

fn filled(text: &str) -> Filled {
    let names = [
        "source.url",
        "source.login",
        "source.password",
        "source.delegate",
        "destination.url",
        "destination.password",
        "options.exclude_folders",
        "options.folder_map",
        "notify.email",
    ];
    let error = |field: &str| FieldError {
        field: field.to_owned(),
        code: "authentication_failed",
        said: Some(text.to_owned()),
    };
    Filled {
        values: names.map(|name| (name.to_owned(), text.to_owned())).to_vec(),
        errors: [&names[..], &["items", "", "source.type"]]
            .concat()
            .into_iter()
            .map(error)
            .collect(),
        found: ["source", "destination"].map(|side| found(side, text)).to_vec(),
    }
}

fn found(side: &str, text: &str) -> Found {
    Found {
        side: side.to_owned(),
        provider: (side == "source").then(|| text.to_owned()),
        hint: Some("app_password".to_owned()),
        app_password_url: Some(format!("https://provider.example/{text}")),
    }
}

/// The page between the form and the start.
fn checked(page: &Page<'_>, text: &str) -> String {
    let account = Account {
        server_type: ServerType::Imap,
        url: text.to_owned(),
        login: text.to_owned(),
        delegate: None,
    };
    let row = |exists| preflight::Row {
        source: text,
        destination: text,
        exists,
        messages: 3,
        bytes: Some(1000),
    };
    let seen = preflight::Preflight {
        sides: [(&account, Some((1, 2))), (&account, None)],
        folders: vec![row(true), row(false)],
        editable: 1,
        more_folders: true,
        left_out: &[text.to_owned()],
        messages: 6,
        bytes: Some(2000),
        largest: vec![(text, 500, Some(Timestamp(0)))],
        all_sizes: false,
        obstacles: vec![
            ("quota", 5, None),
            ("append_limit", 5, Some(1)),
            ("max_item_bytes", 5, Some(1)),
        ],
        not_carried: &[(Item::Calendars, Lack::Source), (Item::Rules, Lack::Destination)],
        seconds: 60,
        bytes_per_second: 1000,
        measured: true,
        sealed: text,
        minutes: 15,
    };
    preflight::page(page, &seen)
}

/// Every page, with `text` wherever a user, a folder name or a server may put something.
fn all_pages(language: Language, words: &Words, text: &str) -> Vec<String> {
    let query = [("account".to_owned(), text.to_owned())];
    let page = Page { words, ..Page::new(language, "/new", &query) };
    let offer = Offer {
        source_types: &ServerType::ALL,
        destination_types: &ServerType::ALL,
        items: &Item::ALL,
    };
    let folders: Vec<_> =
        [Verdict::Complete, Verdict::CompleteButFailures, Verdict::Differs, Verdict::Unknown]
            .map(|verdict| folder(text, verdict))
            .to_vec();
    let failures = [failure(text, FailureCode::Refused), failure(text, FailureCode::FlagNotKept)];
    let filled = filled(text);
    let mut pages = vec![
        home::page(&page),
        form::page(&page, offer, &Filled::default()),
        form::page(&page, offer, &filled),
        find::page(&page, find::Asked::default()),
        find::page(&page, find::Asked { id: text, account: text, unknown: true }),
        problem::page(&page, problem::Problem { code: "not_found", status: 404, said: Some(text) }),
        problem::erased(&page),
        checked(&page, text),
    ];
    pages.extend(project_pages(&page, offer, text));
    for status in Status::ALL {
        let migration = migration(status, text);
        let of_the_form = of_a_form(status, &filled);
        for (folders, failures, more) in [(&folders[..], &failures[..], true), (&[], &[], false)] {
            pages.push(tracking::page(
                &page,
                &tracking::Tracking {
                    migration: &migration,
                    account: text,
                    folders,
                    more_folders: more,
                    failures,
                    more_failures: more,
                    stopping: more,
                    expires_at: Some(Timestamp(0)),
                    filled: &of_the_form,
                },
            ));
            pages.push(report::page(
                &page,
                &report::Report {
                    migration: &migration,
                    account: text,
                    folders,
                    more_folders: more,
                    failures,
                    more_failures: more,
                    manifest: more.then_some((7, text)),
                },
            ));
        }
    }
    pages
}

/// What may be wrong with the forms of a migration in this state.
fn of_a_form(status: Status, filled: &Filled) -> Filled {
    Filled {
        values: vec![],
        errors: match status.allows(model::Action::Synchronise) {
            true => {
                filled.errors.iter().filter(|e| e.field.ends_with("password")).cloned().collect()
            }
            false => {
                vec![FieldError { field: String::new(), code: "not_in_this_state", said: None }]
            }
        },
        found: vec![],
    }
}

/// Every page of a project, likewise.
fn project_pages(page: &Page<'_>, offer: Offer<'_>, text: &str) -> Vec<String> {
    let project = Project { id: "5555", name: text };
    let error =
        |field: &str, code| FieldError { field: field.into(), code, said: Some(text.into()) };
    let names = ["name", "email", "group", "concurrency", "requests_per_server", "wave.0.group"];
    let filled = Filled {
        values: names.iter().map(|name| ((*name).to_owned(), text.to_owned())).collect(),
        errors: names.iter().map(|name| error(name, "bad_value")).collect(),
        found: vec![],
    };
    let mut of_a_new_one = filled.clone();
    of_a_new_one.errors = vec![error("name", "required"), error("password", "too_short")];
    let mut of_one = filled.clone();
    of_one.errors =
        vec![error("group", "too_long"), error("source.password", "authentication_failed")];
    let mut of_options = filled.clone();
    of_options.errors.retain(|error| !["name", "email", "group"].contains(&error.field.as_str()));
    let all = |text: &str| {
        let notices =
            [Notice::Nothing, Notice::SignIn, Notice::Wrong, Notice::Wait(9), Notice::Closed];
        notices.map(|notice| enter::open(page, Open { id: text, back: text, notice })).to_vec()
    };
    let mut pages = all(text);
    pages.extend([
        enter::new(page, &Filled::default()),
        enter::new(page, &of_a_new_one),
        enter::erased(page),
        add::page(page, &add::Add { project, offer, filled: &Filled::default(), added: true }),
        add::page(page, &add::Add { project, offer, filled: &of_one, added: false }),
    ]);
    for saved in [true, false] {
        let filled = if saved { &Filled::default() } else { &of_options };
        let options = options::Options { project, offer, filled, waves: 2, saved };
        pages.push(options::page(page, &options));
    }
    let counts = BTreeMap::from([("", 5), (text, 9)]);
    let line = Line {
        line: 5,
        source: text,
        source_url: text,
        destination: text,
        destination_url: "",
        group: text,
    };
    let preview = Preview {
        rows: 5,
        groups: counts.clone(),
        sources: counts.clone(),
        destinations: counts,
        first: vec![line, Line { group: "", ..line }],
    };
    let cell = Cell { line: 5, column: text, code: "required", said: text };
    for checked in [
        Checked::Nothing,
        Checked::NoFile,
        Checked::Refused { code: "too_large", said: text },
        Checked::Wrong { cells: vec![cell], more: true },
        Checked::Fits(preview),
    ] {
        pages.push(import::page(page, project, &checked));
        pages.push(retry::page(page, project, &checked));
    }
    for state in [State::Running, State::Paused, State::Idle] {
        pages.extend(follow_pages(page, project, state, text));
    }
    pages
}

fn follow_pages(page: &Page<'_>, project: Project<'_>, state: State, text: &str) -> Vec<String> {
    let by_status: BTreeMap<Status, u32> = Status::ALL.into_iter().map(|it| (it, 9)).collect();
    let full = Totals {
        by_status: &by_status,
        migrations: 9,
        ended: 5,
        total: 9,
        done: 5,
        failed: 5,
        bytes_total: 9,
        bytes_migrated: 5,
    };
    let empty = Totals { migrations: 0, ended: 0, by_status: &BTreeMap::new(), ..full };
    let row = Row {
        number: 9,
        id: "9999",
        source: text,
        destination: text,
        group: Some(text),
        status: Status::Running,
        removal: None,
        total: 9,
        done: 5,
        error: Some(text),
    };
    let rows: Vec<_> = Status::ALL.into_iter().map(|status| Row { status, ..row }).collect();
    let bare = Row { group: None, error: None, total: 0, ..row };
    let part = Part { status: text, search: text, after: text, next: Some(9) };
    let retried = Done::Retried { retried: 5, skipped: 5, unknown: 5 };
    [
        (full, &rows[..], part, Done::Made),
        (full, &[bare][..], Part::default(), Done::Added(9)),
        (full, &[][..], part, retried),
        (empty, &[][..], Part::default(), Done::Nothing),
    ]
    .map(|(totals, rows, part, done)| {
        let eta_seconds = rows.first().map(|_| 9);
        follow::page(
            page,
            &Follow { project, state, items: &[Item::Mail], totals, eta_seconds, rows, part, done },
        )
    })
    .to_vec()
}

#[test]
fn hostile_names_stay_text() {
    for language in Language::ALL {
        for html in all_pages(language, language.words(), HOSTILE) {
            for bad in ["<script>", "<img src=x", "</bdi><script", "\"'&<", "onerror=alert(1)>"] {
                assert!(!html.contains(bad), "{bad}");
            }
        }
    }
}

#[test]
fn passwords_are_never_shown_again() {
    let secret = Filled {
        values: vec![
            ("source.password".into(), "hunter2".into()),
            ("destination.password".into(), "hunter2".into()),
        ],
        ..Filled::default()
    };
    let page = Page::new(Language::En, "/new", &[]);
    let types = [ServerType::Imap];
    let offer = Offer { source_types: &types, destination_types: &types, items: &[Item::Mail] };
    assert!(!form::page(&page, offer, &secret).contains("hunter2"));
}

#[test]
fn the_security_policy_can_be_strict() {
    for html in all_pages(Language::En, Language::En.words(), "x") {
        // A link to the provider is followed only by whoever clicks on it.
        let html = html.replace("href=\"https://provider.example/", "");
        for inline in
            ["<style", " style=", "javascript:", " onclick", " onload", "http://", "https://"]
        {
            assert!(!html.contains(inline), "{inline}");
        }
        assert!(!html.replace("<script src=\"/assets/", "").contains("<script"));
    }
}

/// Texts between tags, and the attributes that people read or hear.
fn readable(html: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for piece in html.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        texts.push(text.to_owned());
        for attribute in [
            "aria-label=\"",
            "alt=\"",
            "data-label=\"",
            "data-busy=\"",
            "title=\"",
            "placeholder=\"",
        ] {
            if let Some((_, rest)) = tag.split_once(attribute) {
                texts.push(rest.split('"').next().unwrap().to_owned());
            }
        }
    }
    texts
}

/// With every word of the catalogue turned into `§`, no letter may be left but those of data.
#[test]
fn no_page_has_untranslated_text() {
    let words = Language::En.words().mapped(&|text: &str| -> &'static str {
        let names = text.split('{').skip(1).filter_map(|part| part.split('}').next());
        let holes: String = names.map(|name| format!("{{{name}}}")).collect();
        Box::leak(format!("§{holes}").into_boxed_str())
    });
    let data = [
        "English",
        "Italiano",
        "imaps://mail.example.org",
        "2026-09-21 14:13 UTC",
        "1970-01-01 00:00 UTC",
        "\u{a0}B",
        "\u{a0}B/s",
        "9999",
        "5555",
    ];
    for html in all_pages(Language::En, &words, "0") {
        for text in readable(&html) {
            let rest = data.iter().fold(text.clone(), |rest, known| rest.replace(known, ""));
            let units = ["kB", "min", "h", "s"];
            let plain: Vec<&str> = rest
                .split(|c: char| !c.is_alphabetic())
                .filter(|word| !word.is_empty() && !units.contains(word))
                .collect();
            assert!(plain.is_empty(), "{plain:?} in {text:?}");
        }
    }
}

#[test]
fn every_field_has_a_label_and_every_reference_a_target() {
    for html in all_pages(Language::It, Language::It.words(), "x") {
        let ids: Vec<&str> =
            html.split(" id=\"").skip(1).filter_map(|part| part.split('"').next()).collect();
        let mut unique = ids.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "an id twice: {ids:?}");
        for reference in ["for=\"", "aria-describedby=\"", "aria-labelledby=\"", "href=\"#"] {
            for part in html.split(reference).skip(1) {
                for name in part.split('"').next().unwrap().split(' ') {
                    assert!(ids.contains(&name), "{reference}{name} leads nowhere");
                }
            }
        }
        for control in html.split("<input").skip(1).chain(html.split("<select").skip(1)) {
            let tag = control.split('>').next().unwrap();
            if tag.contains("hidden") || tag.contains("checkbox") {
                continue;
            }
            let id = tag.split(" id=\"").nth(1).and_then(|part| part.split('"').next()).unwrap();
            assert!(html.contains(&format!("<label for=\"{id}\"")), "{id} has no label");
        }
    }
}

#[test]
fn an_active_page_loads_itself_again_without_the_script() {
    let query = [("account".to_owned(), "a&b".to_owned())];
    let page = Page::new(Language::En, "/migrations/x", &query);
    for (status, active) in [(Status::Running, true), (Status::Completed, false)] {
        let migration = migration(status, "anna");
        let html = tracking::page(
            &page,
            &tracking::Tracking {
                migration: &migration,
                account: "anna",
                folders: &[],
                more_folders: false,
                failures: &[],
                more_failures: false,
                stopping: false,
                expires_at: Some(Timestamp(0)),
                filled: &Filled::default(),
            },
        );
        assert_eq!(html.contains("<noscript><meta http-equiv=\"refresh\" content=\"5;url=/migrations/x?account=a%26b\">"), active);
        assert_eq!(html.contains("data-events"), active);
    }
}

/// Every item has its own counters, under its own name, in every language.
#[test]
fn every_item_is_counted_by_its_name() {
    for language in Language::ALL {
        let (query, words) = ([], language.words());
        let page = Page::new(language, "/migrations/x", &query);
        let mut migration = migration(Status::Running, "anna");
        migration.items = Item::ALL.to_vec();
        for (n, item) in (100..).zip(Item::ALL) {
            let counters = Counters { total: n, migrated: n, ..Counters::default() };
            migration.progress.insert(item, counters);
        }
        let failures = [(1, Failure { item: Item::Tasks, ..failure("x", FailureCode::Refused).1 })];
        let tracking = tracking::Tracking {
            migration: &migration,
            account: "anna",
            folders: &[],
            more_folders: false,
            failures: &failures,
            more_failures: false,
            stopping: false,
            expires_at: None,
            filled: &Filled::default(),
        };
        let html = tracking::page(&page, &tracking);
        for (n, item) in (100..).zip(Item::ALL) {
            let item_name = maud::html! { (words.item(item)) }.into_string();
            assert!(html.contains(&format!("<h3>{item_name}</h3>")), "{item_name}");
            assert!(html.contains(&format!("<dt>{}</dt><dd>{n} / {n}</dd>", words.counted(item))));
            assert!(html.contains(&format!("aria-label=\"{item_name}: ")), "{item_name}");
        }
        // How fast it is, is told once, and a failure says of what it is.
        assert_eq!(html.matches(words.progress_rate).count(), 1);
        assert!(html.contains(&format!(
            "<td data-label=\"{}\">{}",
            words.items_title,
            words.item(Item::Tasks)
        )));
        assert_eq!(words.counted_together(&[Item::Mail]), words.progress_messages);
        assert_eq!(words.counted_together(&[Item::Mail, Item::Tasks]), words.progress_items);
    }
}
