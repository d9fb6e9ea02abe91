//! The pages in a real browser: wide and narrow, with scripts and without.

use e2e::app::{App, Setup};
use e2e::browser::{Browser, Scripts};
use e2e::content::{assert_same, by_place, fill};
use e2e::http::get;
use e2e::mailbox::Client;
use e2e::servers::{Dovecot, Layout, PASSWORD, Server};

/// Fills in the form and follows the migration to its end.
fn moves_a_mailbox(width: u32, scripts: Scripts, name: &str) {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    fill(&mut client, 12);
    let app = App::start(Setup::default());
    let browser = Browser::open(width, 900, scripts);
    browser.go(&app.url);
    browser.screenshot(&format!("{name}-home"));
    browser.assert_fits(width);
    browser.go(&format!("{}/new", app.url));
    browser.screenshot(&format!("{name}-form"));
    browser.assert_fits(width);
    for (side, server, login) in
        [("source", &source, &login), ("destination", &destination, &target)]
    {
        let field = |field: &str| browser.find(&format!("[name='{side}.{field}']"));
        field("url").fill(&format!("imaps://localhost:{}", server.imaps_port()));
        field("login").fill(login);
        field("password").fill(if side == "source" { "wrong" } else { PASSWORD });
    }
    browser.find("form.new .submit button").click();
    let text = browser.wait_for_text(20, |_| browser.try_find("[aria-invalid='true']").is_some());
    browser.screenshot(&format!("{name}-refused"));
    assert!(!text.contains("wrong"), "the password is not shown");
    assert_eq!(browser.find("[name='source.password']").attribute("value").unwrap_or_default(), "");
    let kept = browser.find("[name='source.login']").attribute("value");
    assert_eq!(kept.as_deref(), Some(login.as_str()), "what was typed is kept");
    for side in ["source", "destination"] {
        browser.find(&format!("[name='{side}.password']")).fill(PASSWORD);
    }
    browser.find("form.new .submit button").click();
    browser.wait_for_page(20, |url| url.contains("/migrations/"));
    browser.screenshot(&format!("{name}-running"));
    browser.assert_fits(width);
    // Live with scripts, by reloading itself without.
    browser.wait_for_text(60, |_| browser.try_find("[data-final='true']").is_some());
    let text = browser.text();
    assert!(text.contains("Work/2024/Q1 plan"), "folders are listed: {text}");
    assert!(!browser.url().contains(PASSWORD));
    browser.screenshot(&format!("{name}-completed"));
    browser.assert_fits(width);
    let found = by_place(&mut Client::on(&destination, &target));
    assert_same(&by_place(&mut client), &found, name);
}

#[test]
fn wide_with_scripts() {
    moves_a_mailbox(1280, Scripts::On, "1280");
}

#[test]
fn narrow_with_scripts() {
    moves_a_mailbox(360, Scripts::On, "360");
}

#[test]
fn without_scripts() {
    moves_a_mailbox(1280, Scripts::Off, "1280-no-scripts");
}

/// Looks at what would happen, gives a folder another name there, and starts.
fn checks_first(width: u32, scripts: Scripts, name: &str) {
    let (source, destination) = (Dovecot::start(Layout::Maildir), Dovecot::start(Layout::Mdbox));
    let (login, target) = (source.login("alice"), destination.login("bob"));
    let mut client = Client::on(&source, &login);
    fill(&mut client, 12);
    let app = App::start(Setup::default());
    let browser = Browser::open(width, 900, scripts);
    browser.go(&format!("{}/new", app.url));
    for (side, server, login) in
        [("source", &source, &login), ("destination", &destination, &target)]
    {
        let field = |field: &str| browser.find(&format!("[name='{side}.{field}']"));
        field("url").fill(&format!("imaps://localhost:{}", server.imaps_port()));
        field("login").fill(login);
        field("password").fill(PASSWORD);
    }
    browser.find("[name='check']").click();
    browser.wait_for_text(30, |_| browser.try_find("[name='sealed']").is_some());
    browser.screenshot(&format!("{name}-checked"));
    browser.assert_fits(width);
    let html = browser.run("return document.documentElement.outerHTML");
    assert!(!html.as_str().expect("a page").contains(PASSWORD), "the password is in the page");
    let at = browser.run(
        "return [...document.querySelectorAll('.preflight td input')]
             .findIndex((input) => input.value === 'Work/2024/Q1 plan')",
    );
    let at = at.as_i64().expect("a number");
    assert!(at >= 0, "the folder is listed");
    browser.find(&format!("[name='to.{at}']")).fill("Plans");
    browser.find(".preflight .primary").click();
    browser.wait_for_page(20, |url| url.contains("/migrations/"));
    browser.wait_for_text(60, |_| browser.try_find("[data-final='true']").is_some());
    let folders = format!("{:?}", by_place(&mut Client::on(&destination, &target)).keys());
    assert!(folders.contains("Plans") && !folders.contains("Q1 plan"), "{folders}");
}

#[test]
fn checks_first_with_scripts() {
    checks_first(360, Scripts::On, "360-check");
}

#[test]
fn checks_first_without_scripts() {
    checks_first(1280, Scripts::Off, "1280-check-no-scripts");
}

#[test]
fn pages_speak_english_and_italian() {
    let app = App::start(Setup::default());
    let page = |language: &str| {
        let headers = [("accept-language", language)];
        let url = format!("{}/new", app.url);
        e2e::http::request("GET", &url, &headers, b"").unwrap().text()
    };
    let (english, italian) = (page("en"), page("it"));
    assert!(english.contains("lang=\"en\"") && italian.contains("lang=\"it\""));
    assert_ne!(english.len(), italian.len());
    for text in [&english, &italian] {
        assert!(!text.contains("http://") || !text.contains("cdn"), "nothing from elsewhere");
        for tag in ["<script src=\"http", "<link rel=\"stylesheet\" href=\"http"] {
            assert!(!text.contains(tag), "{tag}");
        }
    }
}

#[test]
fn pages_are_guarded() {
    let app = App::start(Setup::default());
    let answer = get(&format!("{}/new", app.url));
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src"), "{policy}");
    assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("referrer-policy").is_some());
    assert!(answer.header("content-length").is_some(), "whole answers have a length");
}
