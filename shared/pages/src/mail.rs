//! What owners get by e-mail: a subject, and the same content as HTML and as plain text.
//!
//! Mail clients know little of HTML: tables carry the layout, every style stands at its element,
//! nothing is loaded from anywhere. Colours are those of the pages' light scheme.

use maud::{DOCTYPE, Markup, html};
use model::{Counters, Event, Migration, Outcome, Removal, Status, Verdict};

use crate::Language;
use crate::layout::encode;
use crate::neutral;
use crate::show::{bytes, moment_text, number};
use crate::words::{Words, fill};

/// A mail, but for its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// On one line.
    pub subject: String,
    /// A whole document.
    pub html: String,
    /// The same for those who read plain text.
    pub text: String,
}

/// How an event looks at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Calm,
    Good,
    Fair,
    Bad,
}

impl Tone {
    /// Ink and ground, as in the pages' style.
    fn colours(self) -> (&'static str, &'static str) {
        match self {
            Tone::Calm => ("#0a504c", "#e2f0ee"),
            Tone::Good => ("#146c3c", "#e2f3e8"),
            Tone::Fair => ("#7d4f00", "#fdf0d7"),
            Tone::Bad => ("#a3222b", "#fce8e8"),
        }
    }
}

/// What a mail says, before it is HTML or text.
struct Content {
    tone: Tone,
    badge: &'static str,
    subject: String,
    title: &'static str,
    text: String,
    /// A server's own words.
    said: Option<String>,
    rows: Vec<(&'static str, String)>,
    button: &'static str,
    link: String,
}

/// The mail about `event`. `base` is scheme and authority of this installation.
pub fn letter(language: Language, migration: &Migration, event: &Event, base: &str) -> Letter {
    let words = language.words();
    let content = content(words, migration, event, base);
    Letter {
        subject: content.subject.replace(char::is_control, " "),
        html: as_html(language, words, &content).into_string(),
        text: as_text(words, &content),
    }
}

fn content(words: &'static Words, migration: &Migration, event: &Event, base: &str) -> Content {
    let account = encode(&migration.key_account().login);
    let page = format!("{base}/migrations/{}?account={account}", migration.id);
    let logins = [&migration.source.login, &migration.destination.login];
    let [from, to] = logins.map(|login| neutral::login(login));
    let (from, to) = (&from, &to);
    let removal = match event {
        Event::Ended(outcome) => outcome.removal.as_ref(),
        _ => None,
    };
    let badge = words.stands(status(event), removal);
    let subject = |template: &str| {
        let status = badge.to_lowercase();
        fill(template, &[("source", from), ("destination", to), ("status", &status)])
    };
    let mut content = Content {
        tone: Tone::Calm,
        badge,
        subject: String::new(),
        title: "",
        text: String::new(),
        said: None,
        rows: vec![
            (words.migration_from, from.clone()),
            (words.migration_to, to.clone()),
            (words.migration_id, migration.id.to_string()),
        ],
        button: words.mail_open,
        link: page,
    };
    match event {
        Event::Created { start_at } => {
            content.subject = subject(words.mail_created_subject);
            content.title = words.mail_created_title;
            content.text = match start_at {
                Some(at) => fill(words.mail_scheduled_text, &[("time", &moment_text(*at))]),
                None => words.mail_created_text.to_owned(),
            };
        }
        Event::Started { sync_point } => {
            content.subject = subject(words.mail_started_subject);
            content.title = words.mail_started_title;
            content.text = words.mail_started_text.to_owned();
            content.rows.push((words.column_run, sync_point.to_string()));
        }
        Event::Waiting { since, until, reason, .. } => {
            content.tone = Tone::Fair;
            content.subject = subject(words.mail_waiting_subject);
            content.title = words.mail_waiting_title;
            content.text = words.mail_waiting_text.to_owned();
            content.said = Some(neutral::said(reason));
            content.rows.push((words.mail_waiting_since, moment_text(*since)));
            content.rows.push((words.waiting_until, moment_text(*until)));
        }
        Event::Ended(outcome) => {
            content.subject = subject(words.mail_ended_subject);
            ended(words, outcome, &mut content);
            content.link = format!("{base}/migrations/{}/report?account={account}", migration.id);
        }
    }
    content
}

/// The status that the badge shows.
fn status(event: &Event) -> Status {
    match event {
        Event::Created { start_at: None } => Status::Pending,
        Event::Created { start_at: Some(_) } => Status::Scheduled,
        Event::Started { .. } => Status::Running,
        Event::Waiting { .. } => Status::Waiting,
        Event::Ended(outcome) => outcome.status,
    }
}

/// What a removal left.
fn removed(words: &'static Words, removal: &Removal, content: &mut Content) {
    content.button = words.mail_open_report;
    content.tone = if removal.is_whole() { Tone::Calm } else { Tone::Fair };
    content.title =
        if removal.is_whole() { words.mail_removed_title } else { words.mail_partly_removed_title };
    content.text = words.taken_back(removal);
}

fn ended(words: &'static Words, outcome: &Outcome, content: &mut Content) {
    let done = matches!(outcome.status, Status::Completed | Status::CompletedWithErrors);
    if let Some(removal) = outcome.removal.as_ref().filter(|_| done) {
        return removed(words, removal, content);
    }
    let failures = number(words, outcome.failures);
    content.button = words.mail_open_report;
    content.said = outcome.last_error.as_deref().map(neutral::said);
    (content.tone, content.title) = match outcome.status {
        Status::Completed => (Tone::Good, words.mail_completed_title),
        Status::Failed => (Tone::Bad, words.mail_failed_title),
        Status::Stopped => (Tone::Fair, words.mail_stopped_title),
        _ => (Tone::Fair, words.mail_exceptions_title),
    };
    content.text = match (outcome.status, outcome.verdict) {
        (Status::Failed, _) => words.mail_failed_text.to_owned(),
        (Status::Stopped, _) => words.mail_stopped_text.to_owned(),
        (_, Verdict::Differs) => words.mail_differs_text.to_owned(),
        (_, _) if outcome.failures > 0 => fill(words.mail_exceptions_text, &[("n", &failures)]),
        (_, Verdict::Unknown) if outcome.folders > 0 => words.mail_unverified_text.to_owned(),
        (_, _) => words.mail_completed_text.to_owned(),
    };
    if outcome.verdict == Verdict::Differs && content.tone == Tone::Good {
        content.tone = Tone::Fair;
    }
    if outcome.sync_point > 1 {
        content.rows.push((words.column_run, outcome.sync_point.to_string()));
    }
    if let Some(at) = outcome.started_at {
        content.rows.push((words.started_at, moment_text(at)));
    }
    if outcome.progress.len() > 1 {
        for (item, counters) in &outcome.progress {
            let there = counters.migrated.saturating_add(counters.skipped);
            content.rows.push((words.counted(*item), number(words, there)));
        }
    }
    let total = |count: fn(&Counters) -> u64| outcome.progress.values().map(count).sum::<u64>();
    let (moved, size) = (total(|it| it.migrated), total(|it| it.bytes_migrated));
    let moved = format!("{} ({})", number(words, moved), bytes(words, size));
    content.rows.push((words.column_migrated, moved));
    content.rows.push((words.progress_skipped, number(words, total(|it| it.skipped))));
    let left_out = total(|it| it.left_out);
    if left_out > 0 {
        content.rows.push((words.progress_left_out, number(words, left_out)));
    }
    content.rows.push((words.progress_failed, failures));
    if outcome.folders > 0 {
        let compared = words.verdict(outcome.verdict).to_owned();
        content.rows.push((words.column_verdict, compared));
    }
}

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,'Noto Sans','Liberation Sans',\
                    Helvetica,Arial,sans-serif;";

fn as_html(language: Language, words: &Words, content: &Content) -> Markup {
    let (ink, ground) = content.tone.colours();
    let badge = format!(
        "display:inline-block;padding:4px 12px;border-radius:999px;font-size:13px;\
         font-weight:600;color:{ink};background-color:{ground};"
    );
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light only";
                meta name="supported-color-schemes" content="light only";
                title { (content.subject) }
            }
            body style="margin:0;padding:0;background-color:#f6f7f5;" {
                table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"
                    style="background-color:#f6f7f5;" {
                    tr {
                        td align="center" style="padding:32px 12px;" {
                            table role="presentation" width="100%" cellpadding="0" cellspacing="0"
                                border="0" style={ (FONT) "max-width:560px;text-align:left;" } {
                                tr {
                                    td style="padding:0 8px 14px 8px;font-size:18px;font-weight:700;color:#0f6b66;" {
                                        (words.site_name)
                                    }
                                }
                                tr {
                                    td style="background-color:#ffffff;border:1px solid #dbe1df;border-radius:14px;padding:28px;" {
                                        span style=(badge) { (content.badge) }
                                        h1 style="margin:16px 0 10px 0;font-size:24px;line-height:30px;font-weight:700;color:#17242b;" {
                                            (content.title)
                                        }
                                        p style="margin:0;font-size:16px;line-height:25px;color:#17242b;" { (content.text) }
                                        @if let Some(said) = &content.said { (quoted(words, said)) }
                                        (table(content))
                                        (button(content))
                                        p style="margin:20px 0 0 0;font-size:13px;line-height:19px;color:#55646c;" {
                                            (words.mail_link_hint) br;
                                            a href=(content.link) style="color:#0f6b66;word-break:break-all;" { (content.link) }
                                        }
                                    }
                                }
                                tr {
                                    td style="padding:16px 8px 0 8px;font-size:13px;line-height:19px;color:#55646c;" {
                                        (words.mail_footer)
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn quoted(words: &Words, said: &str) -> Markup {
    html! {
        p style="margin:18px 0 0 0;font-size:13px;line-height:19px;color:#55646c;" { (words.last_error_title) }
        p lang="en" style="margin:4px 0 0 0;padding:10px 14px;border-left:4px solid #dbe1df;background-color:#f6f7f5;font-size:15px;line-height:22px;color:#17242b;word-break:break-word;" { (said) }
    }
}

fn table(content: &Content) -> Markup {
    html! {
        table width="100%" cellpadding="0" cellspacing="0" border="0"
            style="margin:22px 0 0 0;border-collapse:collapse;font-size:15px;line-height:21px;" {
            @for (name, value) in &content.rows {
                tr {
                    th align="left" valign="top" scope="row"
                        style="width:38%;padding:9px 12px 9px 0;border-top:1px solid #dbe1df;font-weight:400;color:#55646c;" { (name) }
                    td valign="top"
                        style="padding:9px 0;border-top:1px solid #dbe1df;font-weight:600;color:#17242b;word-break:break-word;" { (value) }
                }
            }
        }
    }
}

fn button(content: &Content) -> Markup {
    html! {
        table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:24px 0 0 0;" {
            tr {
                td bgcolor="#0f6b66" style="border-radius:10px;background-color:#0f6b66;" {
                    a href=(content.link) style={ (FONT) "display:inline-block;padding:12px 22px;font-size:16px;font-weight:600;color:#ffffff;text-decoration:none;" } {
                        (content.button)
                    }
                }
            }
        }
    }
}

/// Width of plain text; a longer word (a link) stands on a line of its own.
const TEXT_COLUMNS: usize = 72;

fn as_text(words: &Words, content: &Content) -> String {
    let mut text = format!("{}\n{}\n\n", content.title, "=".repeat(content.title.chars().count()));
    wrap(&mut text, &content.text, "");
    if let Some(said) = &content.said {
        text.push_str(&format!("\n{}:\n", words.last_error_title));
        wrap(&mut text, said, "> ");
    }
    text.push('\n');
    for (name, value) in &content.rows {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&format!("\n{}:\n{}\n\n-- \n", content.button, content.link));
    wrap(&mut text, &format!("{}. {}", words.site_name, words.mail_footer), "");
    text
}

fn wrap(text: &mut String, paragraph: &str, prefix: &str) {
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > TEXT_COLUMNS {
            text.push('\n');
            column = 0;
        }
        if column == 0 {
            text.push_str(prefix);
            column = prefix.len();
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::migration as of_login;
    use model::Timestamp;
    use std::collections::BTreeMap;

    const BASE: &str = "https://move.example";

    fn migration(status: Status) -> Migration {
        of_login(status, "anna@example.org")
    }

    fn outcome(status: Status, failures: u64, verdict: Verdict) -> Event {
        let counters = Counters {
            total: 5000,
            migrated: 4990,
            skipped: 7,
            failed: failures,
            bytes_migrated: 20_480_000,
            ..Counters::default()
        };
        Event::Ended(Box::new(Outcome {
            sync_point: 2,
            status,
            started_at: Some(Timestamp(1_000_000)),
            progress: BTreeMap::from([(model::Item::Mail, counters)]),
            failures,
            folders: 12,
            verdict,
            last_error: (status == Status::Failed).then(|| "The source refused: <b>no</b>.".into()),
            removal: None,
        }))
    }

    /// A removal of what a run brought that left so many messages.
    fn taken_back(left: u64) -> Event {
        let Event::Ended(mut ended) = outcome(Status::Completed, 0, Verdict::Complete) else {
            unreachable!()
        };
        ended.removal = Some(Removal {
            from_sync_point: 1,
            finished_at: Some(Timestamp(9_000_000)),
            removed: 96,
            kept: left,
            left,
        });
        Event::Ended(ended)
    }

    /// Nobody is told that everything has arrived after it was taken away.
    #[test]
    fn what_was_taken_back_is_not_complete() {
        for language in Language::ALL {
            let words = language.words();
            for (left, title) in
                [(0, words.mail_removed_title), (2, words.mail_partly_removed_title)]
            {
                let mail = letter(
                    language,
                    &migration(Status::Completed),
                    &taken_back(left),
                    "https://x.example",
                );
                assert!(mail.text.contains(title), "{}", mail.text);
                assert!(mail.text.contains("96"), "{}", mail.text);
                let complete = [words.mail_completed_title, words.mail_completed_text];
                let status = words.status_completed.to_lowercase();
                assert!(complete.iter().all(|said| !mail.text.contains(said)), "{}", mail.text);
                assert!(!mail.subject.to_lowercase().contains(&status), "{}", mail.subject);
            }
        }
    }

    fn events() -> Vec<Event> {
        vec![
            Event::Created { start_at: None },
            Event::Created { start_at: Some(Timestamp(5_000_000)) },
            Event::Started { sync_point: 1 },
            Event::Waiting {
                sync_point: 1,
                since: Timestamp(1_000_000),
                until: Timestamp(5_000_000),
                reason: "The destination refused: mailbox is full.".into(),
            },
            outcome(Status::Completed, 0, Verdict::Complete),
            outcome(Status::CompletedWithErrors, 3, Verdict::CompleteButFailures),
            outcome(Status::Stopped, 0, Verdict::Unknown),
            outcome(Status::Failed, 0, Verdict::Unknown),
        ]
    }

    #[test]
    fn every_mail_is_whole_in_every_language_and_loads_nothing() {
        let migration = migration(Status::Running);
        for language in Language::ALL {
            for event in events() {
                let Letter { subject, html, text } = letter(language, &migration, &event, BASE);
                let words = language.words();
                assert!(!subject.is_empty() && !subject.contains(['{', '\n']), "{subject}");
                for part in [&html, &text] {
                    assert!(part.contains(words.mail_footer.split(' ').next().unwrap()), "{part}");
                    assert!(part.contains(migration.id.as_str()), "{part}");
                    assert!(part.contains(BASE), "{part}");
                    assert!(!part.contains('{'), "{part}");
                }
                for harmful in ["<script", "<img", "<link", "url(", "http://", "<style", "<b>"] {
                    assert!(!html.contains(harmful), "{harmful}: {html}");
                }
                assert!(html.contains(&format!("lang=\"{}\"", language.tag())));
                let long = |line: &&str| {
                    line.chars().count() > TEXT_COLUMNS + 10 && !line.starts_with(BASE)
                };
                assert_eq!(text.lines().find(long), None);
            }
        }
    }

    #[test]
    fn an_end_tells_its_figures() {
        let migration = migration(Status::CompletedWithErrors);
        let event = outcome(Status::CompletedWithErrors, 3, Verdict::CompleteButFailures);
        let Letter { subject, text, .. } = letter(Language::It, &migration, &event, BASE);
        assert!(subject.ends_with("completata, con eccezioni"), "{subject}");
        for line in [
            "È arrivato tutto, con eccezioni: 3.",
            "Spostati: 4.990 (20,4\u{a0}MB)",
            "Già presenti: 7",
            "Non spostati: 3",
            "Confronto: Con eccezioni",
            "/report?account=",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    /// Whoever creates a migration writes both logins and, by their server, the reason.
    #[test]
    fn no_mail_carries_a_strangers_message() {
        let mut migration = migration(Status::Failed);
        let lure = "URGENT: confirm your account at https://phish.example now";
        (migration.source.login, migration.destination.login) =
            (lure.into(), "phish.example".into());
        let reason = format!("The source refused: {lure} or at www.phish.example.");
        let since = Timestamp(1_000_000);
        let mut events = events();
        events.push(Event::Waiting { sync_point: 1, since, until: since, reason: reason.clone() });
        if let Event::Ended(mut outcome) = outcome(Status::Failed, 0, Verdict::Unknown) {
            outcome.last_error = Some(reason);
            events.push(Event::Ended(outcome));
        }
        for language in Language::ALL {
            for event in &events {
                let Letter { subject, html, text } = letter(language, &migration, event, BASE);
                assert!(!subject.contains("URGENT") && !subject.contains("phish"), "{subject}");
                // The link to the page has the login as its key, encoded, on our own site.
                let page = |text: &str| text.replace(&encode(lure), "");
                for part in [page(&html), page(&text)] {
                    assert!(!part.contains("phish"), "{part}");
                }
            }
        }
    }

    #[test]
    fn what_others_write_breaks_nothing() {
        let mut migration = migration(Status::Running);
        migration.source.login = "a\r\nBcc: b@c.example <x>".into();
        let event = Event::Started { sync_point: 1 };
        let Letter { subject, html, .. } = letter(Language::En, &migration, &event, BASE);
        assert!(!subject.contains(['\r', '\n']), "{subject}");
        assert!(!html.contains("<x>"), "{html}");
    }
}
