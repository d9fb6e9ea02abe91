//! A project in a real browser: made, filled from a spreadsheet that is wrong at first, watched to
//! its end, exported.

use std::path::{Path, PathBuf};

use e2e::app::{App, Setup};
use e2e::browser::{Browser, Scripts};
use e2e::content::{add, assert_same, by_place};
use e2e::http::request;
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Layout, PASSWORD, Server};
use serde_json::Value;
use tempfile::TempDir;

const HEADER: &str = "Source Type;Source Server url;Source Login/Mail;Source Password;\
    Destination Type;Destination Url;Destination Mail;Destination Password;\
    Source admin mail (delegation);Destination Admin Mail (delegation);Group\n";
const PROJECT_PASSWORD: &str = "a weekend of work";
/// Mailboxes that are moved.
const MAILBOXES: usize = 6;

/// The two servers of a company, and the mailboxes on them.
struct Company {
    old: Dovecot,
    new: Dovecot,
    logins: Vec<(String, String)>,
    folder: TempDir,
}

impl Company {
    fn new() -> Company {
        let (old, new) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
        let login = |n: usize| (old.login(&format!("user{n}")), new.login(&format!("user{n}")));
        let logins: Vec<_> = (0..MAILBOXES).map(login).collect();
        for (login, _) in &logins {
            add(&mut Client::on(&old, login), 0, 3, 2_000);
        }
        Company { old, new, logins, folder: TempDir::new().expect("a folder") }
    }

    /// A spreadsheet; the rows of these numbers lack something.
    fn table(&self, name: &str, wrong: &[usize]) -> PathBuf {
        let mut text = HEADER.to_owned();
        for (n, (from, to)) in self.logins.iter().enumerate() {
            let (old, new) = (self.old.imaps_port(), self.new.imaps_port());
            let password = if wrong.contains(&n) { "" } else { PASSWORD };
            let group = if n.is_multiple_of(2) { "sales" } else { "" };
            text.push_str(&format!(
                "IMAP;imaps://localhost:{old};{from};{password};\
                 IMAP;imaps://localhost:{new};{to};{PASSWORD};;;{group}\n"
            ));
        }
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

fn choose(browser: &Browser, file: &Path) {
    browser.find("#file").choose(file);
}

/// Makes a project; its identifier.
fn made(browser: &Browser, app: &App, width: u32, name: &str) -> String {
    browser.go(&app.url);
    browser.find("a[href='/projects/new']").click();
    browser.wait_for_page(10, |url| url.ends_with("/projects/new"));
    browser.screenshot(&format!("{name}-new"));
    browser.assert_fits(width);
    browser.find("[name='name']").fill("Acme");
    browser.find("[name='password']").fill(PROJECT_PASSWORD);
    browser.find("form.card button").click();
    browser.wait_for_text(20, |text| text.contains("Keep this ID"));
    browser.screenshot(&format!("{name}-made"));
    browser.assert_fits(width);
    let url = browser.url();
    let path = url.split('?').next().expect("a path");
    path.rsplit('/').next().expect("an identifier").to_owned()
}

/// Sends a spreadsheet with three wrong rows, corrects it, and adds all of it.
fn filled(browser: &Browser, company: &Company, width: u32, (name, scripts): (&str, Scripts)) {
    browser.find("a[href$='/import']").click();
    browser.wait_for_page(10, |url| url.ends_with("/import"));
    choose(browser, &company.table("wrong.csv", &[0, 2, 5]));
    browser.find("button[value='add']").click();
    let text = browser.wait_for_text(20, |text| text.contains("Nothing was added"));
    browser.screenshot(&format!("{name}-wrong"));
    browser.assert_fits(width);
    assert_eq!(text.matches("Source Password").count(), 3, "{text}");
    assert!(!browser.html().contains(PASSWORD), "no password is shown");

    let right = company.table("right.csv", &[]);
    choose(browser, &right);
    browser.find("button[value='check']").click();
    let text = browser.wait_for_text(20, |text| text.contains("The file is in order"));
    browser.screenshot(&format!("{name}-checked"));
    browser.assert_fits(width);
    assert!(text.contains(&company.logins[5].1) && text.contains("sales"), "{text}");
    match scripts {
        // The file is still there.
        Scripts::On => assert!(!text.contains("Choose the file once more"), "{text}"),
        Scripts::Off => choose(browser, &right),
    }
    browser.find("button[value='add']").click();
    let added = format!("Migrations added: {MAILBOXES}.");
    browser.wait_for_text(30, |text| text.contains(&added));
    browser.screenshot(&format!("{name}-added"));
    browser.assert_fits(width);
}

/// Asks for what only whoever is logged in may see, with the browser's own cookie.
fn fetched(browser: &Browser, app: &App, tail: &str) -> e2e::http::Response {
    let cookie = browser.cookie("project-");
    let answer = request("GET", &app.api(tail), &[("cookie", &cookie)], b"").expect("an answer");
    assert_eq!(answer.status, 200, "{tail}: {}", answer.text());
    answer
}

fn moves_a_company(width: u32, scripts: Scripts, name: &str) {
    let (company, app) = (Company::new(), App::start(Setup::default()));
    let browser = Browser::open(width, 900, scripts);
    let id = made(&browser, &app, width, name);
    filled(&browser, &company, width, (name, scripts));

    // Whoever searches meanwhile is not interrupted where the page follows by script.
    if scripts == Scripts::On {
        browser.find("#search").fill("user4");
    }
    browser.wait_for_text(120, |text| text.contains("Finished"));
    if scripts == Scripts::On {
        assert_eq!(browser.run("return document.getElementById('search').value"), "user4");
        browser.find("form.search button").click();
        let text = browser.wait_for_page(10, |url| url.contains("search=user4"));
        assert!(text.contains("user4") && !text.contains("user3"), "{text}");
        browser.go(&format!("{}/projects/{id}", app.url));
    }
    browser.screenshot(&format!("{name}-finished"));
    browser.assert_fits(width);
    let csv = fetched(&browser, &app, &format!("/projects/{id}/export.csv"));
    assert_eq!(csv.text().lines().count(), 1 + MAILBOXES, "{}", csv.text());
    let xlsx = fetched(&browser, &app, &format!("/projects/{id}/export.xlsx"));
    assert!(xlsx.body.starts_with(b"PK"), "a workbook");
    for (from, to) in &company.logins {
        let before = by_place(&mut Client::on(&company.old, from));
        assert_same(&before, &by_place(&mut Client::on(&company.new, to)), from);
    }
    for tail in ["add", "options", "retry"] {
        browser.go(&format!("{}/projects/{id}/{tail}", app.url));
        browser.screenshot(&format!("{name}-{tail}"));
        browser.assert_fits(width);
    }
    left_and_opened_again(&browser, &app, &id);
}

fn left_and_opened_again(browser: &Browser, app: &App, id: &str) {
    browser.find("form[action$='/logout'] button").click();
    browser.wait_for_text(10, |text| text.contains("You are logged out"));
    browser.go(&format!("{}/projects/{id}/options", app.url));
    let kept = browser.find("[name='id']").attribute("value");
    assert_eq!(kept.as_deref(), Some(id));
    browser.find("[name='password']").fill(PROJECT_PASSWORD);
    browser.find("form.card button").click();
    // The way in stands at the same address: only the page itself names the project.
    browser.wait_for_text(20, |text| text.contains("Acme") && browser.url().ends_with("/options"));
    let state: Value = fetched(browser, app, &format!("/projects/{id}")).json();
    assert_eq!(state["totals"]["by_status"]["completed"], MAILBOXES, "{state:#}");
}

#[test]
fn wide_with_scripts() {
    moves_a_company(1280, Scripts::On, "project-1280");
}

#[test]
fn narrow_with_scripts() {
    moves_a_company(360, Scripts::On, "project-360");
}

#[test]
fn without_scripts() {
    moves_a_company(1280, Scripts::Off, "project-1280-no-scripts");
}
