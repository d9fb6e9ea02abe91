//! `cargo xtask demo`: for the newcomer who has no two accounts at hand.
//!
//! Two Dovecots on loopback, the old one with sample messages; the application beside them; one
//! account migrated already, another one left to try.

mod dovecot;
mod http;
mod samples;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::shell::{Done, Step};
use crate::{build, packages};
use dovecot::{Dovecot, PASSWORD};

/// Whose mailbox is migrated at once, and whose is left to try.
const MIGRATED: &str = "anna@old.example";
const TO_TRY: &str = "bruno@old.example";

/// How long the application may take to start, and the sample migration to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Holds the binary, in the process that is started in place of this one.
const GUARDED: &str = "TRASLOCO_DEMO_BINARY";

/// Runs until the application ends (Ctrl-C), then cleans up.
pub(crate) fn demo() -> Done {
    let Some(binary) = std::env::var_os(GUARDED) else {
        packages::ensure(packages::FOR_DEMO)?;
        return outlive_interrupts(&build::build()?);
    };
    let folder = std::env::temp_dir().join(format!("trasloco-demo-{}", std::process::id()));
    let done = within(&folder, Path::new(&binary));
    // A temporary folder; what is left of it is no reason to fail.
    let _ = fs::remove_dir_all(&folder);
    done
}

/// Ctrl-C goes to all processes of the terminal: the application ends by it, and this one has to
/// be there afterwards to stop the servers. A shell can ignore it for us.
fn outlive_interrupts(binary: &Path) -> Done {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let script = "trap '' INT; exec \"$0\" demo";
    let step = Step::new("sh").arg("-c").arg(script).arg(&own.to_string_lossy());
    step.environment(GUARDED, &binary.to_string_lossy()).become_it()
}

fn within(folder: &Path, binary: &Path) -> Done {
    let old = Dovecot::start(&folder.join("old"))?;
    let new = Dovecot::start(&folder.join("new"))?;
    for login in [MIGRATED, TO_TRY] {
        samples::write(&old.maildir(login))?;
        old.own_mail()?;
    }
    let log = folder.join("trasloco.log");
    let (mut application, address) = start(binary, folder, &log)?;
    let shown = migrate(&address, &old, &new).map(|id| show(&address, &id, &old, &new, &log));
    if shown.is_err() {
        // It may have ended by itself.
        let _ = application.kill();
    }
    application.wait().map_err(|error| error.to_string())?;
    shown
}

fn start(binary: &Path, folder: &Path, log: &Path) -> Done<(std::process::Child, String)> {
    let state = folder.join("state");
    let output = fs::File::create(log).map_err(|error| error.to_string())?;
    let errors = output.try_clone().map_err(|error| error.to_string())?;
    let port = if std::net::TcpListener::bind("127.0.0.1:3000").is_ok() { 3000 } else { 0 };
    let mut step = Step::new(&binary.to_string_lossy())
        .args(["serve", "--state-dir", &state.to_string_lossy()])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--variable", "allowed_networks=127.0.0.0/8"])
        .args(["--variable", "allow_plaintext=true"]);
    step.command().stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = step.start()?;
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let said = fs::read_to_string(log).unwrap_or_default();
        if let Some(address) = said.lines().find_map(|line| line.strip_prefix("listening on ")) {
            return Ok((child, address.to_owned()));
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("the application ended ({status}):\n{said}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    Err("the application does not start".to_owned())
}

/// Migrates the first account by the API and waits; returns the migration's id.
fn migrate(address: &str, old: &Dovecot, new: &Dovecot) -> Done<String> {
    let body = format!(
        "{{\"source\": {}, \"destination\": {}, \"items\": [\"mail\"]}}",
        old.account(MIGRATED),
        new.account(&renamed(MIGRATED))
    );
    let answer = http::post(address, "/api/v1/migrations", &body)?;
    let id = http::text_of(&answer, "id").ok_or_else(|| format!("the answer was {answer}"))?;
    let path = format!("/api/v1/migrations/{id}?account={MIGRATED}");
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let answer = http::get(address, &path)?;
        let status = http::text_of(&answer, "status").unwrap_or_default();
        if matches!(status.as_str(), "completed" | "completed_with_errors") {
            return Ok(id);
        }
        if matches!(status.as_str(), "failed" | "stopped") {
            return Err(format!("the sample migration ended as {answer}"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err("the sample migration does not end".to_owned())
}

fn renamed(login: &str) -> String {
    login.replace("@old.example", "@new.example")
}

fn show(address: &str, id: &str, old: &Dovecot, new: &Dovecot, log: &Path) {
    println!(
        "
The application is at        {address}

One mailbox is migrated      {MIGRATED}  →  {}
  see how it went            {address}/migrations/{id}?account={MIGRATED}

Another one is yours to try  {address}/new
  source                     IMAP   {}   {TO_TRY}
  destination                IMAP   {}   {}
  password of everybody      {PASSWORD}

From the terminal, with the application stopped or --state-dir /tmp/other:
  TRASLOCO_SOURCE_PASSWORD={PASSWORD} TRASLOCO_DESTINATION_PASSWORD={PASSWORD} \\
  target/release/trasloco migrate \\
    --variable allowed_networks=127.0.0.0/8 --variable allow_plaintext=true \\
    --source '{}' \\
    --destination '{}'

Log: {}        Ctrl-C stops everything and removes it.
",
        renamed(MIGRATED),
        old.url(),
        new.url(),
        renamed(TO_TRY),
        old.login_url(TO_TRY),
        new.login_url(&renamed(TO_TRY)),
        log.display(),
    );
}
