//! The application as people run it: the binary, its state folder, its API.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
/// Percent-encodes a query value.
pub use wire::percent::encode as encoded;

use crate::http::{Response, get, post, request};
use crate::process::{Running, free_port, repository, target_dir};
use crate::servers::{PASSWORD, Server};
use crate::tls::authority;

/// The bearer token of `advance` in tests.
pub const ADVANCE_TOKEN: &str = "test-advance-token";

/// The binary under test.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("TRASLOCO_BIN").map(PathBuf::from);
    let built = [target_dir(), repository().join("target")].map(|it| it.join("release/trasloco"));
    let found = named.into_iter().chain(built).find(|path| path.exists());
    found.expect("no binary to test: run `cargo xtask build` first, or set TRASLOCO_BIN")
}

/// File in the folder of an application that says how far its wall clock is off.
const CLOCK: &str = "clock";

/// Where Debian has the library that shows a program another time, on machines of this kind.
fn faketime() -> PathBuf {
    let machine = std::env::consts::ARCH;
    format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1").into()
}

/// How to start it.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Variables beyond those that every test needs.
    pub variables: Vec<(String, String)>,
    /// Further flags of `serve`.
    pub flags: Vec<String>,
    /// How many files it may have open (`ulimit -n`); as many as the tests without.
    pub files: Option<u32>,
    /// How many KiB the disk of its state has; as many as that of the tests without.
    pub disk_kib: Option<u32>,
    /// Where its wall clock is one that the test can set: how far it is off at the start.
    pub clock: Option<String>,
}

impl Default for Setup {
    /// Loopback allowed, the tests' authority trusted.
    fn default() -> Self {
        Setup { variables: Vec::new(), flags: Vec::new(), files: None, disk_kib: None, clock: None }
            .variable("allowed_networks", "127.0.0.0/8,::1/128")
            .variable("extra_ca", &authority().pem)
            .variable("advance_token", ADVANCE_TOKEN)
    }
}

impl Setup {
    /// Sets a variable, in place of its earlier value.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(own, _)| own != name);
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Adds a flag.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Listens at a port that is known beforehand, and says so in `public_url`, which mails need.
    #[must_use]
    pub fn with_public_url(self) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        self.flag("--listen").flag(&address).variable("public_url", &format!("http://{address}"))
    }

    /// Lets it have this many files open.
    #[must_use]
    pub fn files(self, files: u32) -> Self {
        Setup { files: Some(files), ..self }
    }

    /// Gives its state a disk of its own, of so many KiB.
    #[must_use]
    pub fn disk_kib(self, kib: u32) -> Self {
        Setup { disk_kib: Some(kib), ..self }
    }

    /// Gives it a wall clock of its own: [`App::set_clock`].
    #[must_use]
    pub fn with_a_clock(self) -> Self {
        self.with_clock("+0s")
    }

    /// The same where it is off from the start, such as `-3600s`.
    #[must_use]
    pub fn with_clock(self, step: &str) -> Self {
        Setup { clock: Some(step.to_owned()), ..self }
    }

    /// Adds the variables to a command; long ones by way of files in `folder`.
    pub fn apply(&self, command: &mut Command, folder: &Path) {
        for (name, value) in &self.variables {
            let argument = if value.contains('\n') {
                let file = folder.join(format!("{name}.variable"));
                std::fs::write(&file, value).expect("a file");
                format!("{name}=@{}", file.display())
            } else {
                format!("{name}={value}")
            };
            command.arg("--variable").arg(argument);
        }
        command.args(&self.flags);
    }
}

/// `trasloco serve` with a state folder of its own.
pub struct App {
    setup: Setup,
    folder: TempDir,
    running: Running,
    /// Where it listens: `http://127.0.0.1:port`.
    pub url: String,
}

impl App {
    /// Starts it and waits until it accepts requests.
    pub fn start(setup: Setup) -> App {
        App::start_on(setup, |_| {})
    }

    /// The same with a state folder in which `fill` has put something before.
    pub fn start_on(setup: Setup, fill: impl FnOnce(&Path)) -> App {
        let folder = tempfile::Builder::new().prefix("app").tempdir().expect("a folder");
        let state = folder.path().join("state");
        std::fs::create_dir_all(&state).expect("a folder");
        fill(&state);
        let (running, url) = launch(&setup, folder.path());
        App { setup, folder, running, url }
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Everything it has written to standard error and output.
    pub fn log(&self) -> String {
        let read = |name| std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        let octets = [read("stderr.log"), read("stdout.log")].concat();
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Steps its wall clock to so much before or after the true time: `+45s`, `-1h`.
    pub fn set_clock(&self, step: &str) {
        let path = self.folder.path().join(CLOCK);
        std::fs::write(&path, step).expect("a file");
    }

    /// Process id.
    pub fn process_id(&self) -> u32 {
        self.running.id()
    }

    /// Ends it as a power cut does and starts it again on the same state.
    pub fn cut_power(&mut self) {
        self.running.kill_9();
        (self.running, self.url) = launch(&self.setup, self.folder.path());
    }

    /// Ends it as a power cut does, and leaves its state.
    pub fn kill_9(&mut self) {
        self.running.kill_9();
    }

    /// Asks it to end and tells how long that took and how it ended.
    pub fn stop(&mut self) -> (Duration, std::process::ExitStatus) {
        let start = Instant::now();
        let status = self.running.terminate();
        (start.elapsed(), status)
    }

    /// Address of an API path such as `/migrations`.
    pub fn api(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.url)
    }

    /// POST to the API.
    pub fn post(&self, path: &str, body: &Value) -> Response {
        post(&self.api(path), body)
    }

    /// GET from the API.
    pub fn get(&self, path: &str) -> Response {
        get(&self.api(path))
    }

    /// Creates a migration; panics where it is refused.
    pub fn create(&self, body: &Value) -> Migration {
        let response = self.post("/migrations", body);
        assert_eq!(response.status, 201, "refused: {}\n{}", response.text(), self.log());
        let answer = response.json();
        let id = answer["id"].as_str().expect("an id").to_owned();
        let account = body["source"]["login"].as_str().expect("a login").to_owned();
        Migration { id, account, answer }
    }

    /// What the API says of a migration.
    pub fn status(&self, migration: &Migration) -> Value {
        let response = self.get(&migration.path(""));
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    /// Waits until a migration has ended; its last state.
    pub fn wait(&self, migration: &Migration, seconds: u64) -> Value {
        self.wait_for(migration, seconds, ended)
    }

    /// Waits until `enough` says so.
    pub fn wait_for(
        &self,
        migration: &Migration,
        seconds: u64,
        enough: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            let state = self.status(migration);
            if enough(&state) {
                return state;
            }
            let late = Instant::now() > deadline;
            assert!(!late, "not done after {seconds} s: {state:#}\n{}", tail(&self.log()));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Calls `advance` as a cron would.
    pub fn advance(&self) -> std::io::Result<Response> {
        let bearer = format!("Bearer {ADVANCE_TOKEN}");
        request("POST", &self.api("/advance"), &[("authorization", &bearer)], b"")
    }
}

/// A migration that was created.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Its id.
    pub id: String,
    /// Login of its source.
    pub account: String,
    /// The answer to its creation.
    pub answer: Value,
}

impl Migration {
    /// API path with the account, such as `/migrations/ID/stop?account=…`.
    pub fn path(&self, tail: &str) -> String {
        format!("/migrations/{}{tail}?account={}", self.id, encoded(&self.account))
    }
}

/// Whether a state is one that nothing follows.
pub fn ended(state: &Value) -> bool {
    let last = ["completed", "completed_with_errors", "stopped", "failed"];
    state["status"].as_str().is_some_and(|status| last.contains(&status))
}

/// An IMAP account over TLS as the API takes it.
pub fn account(server: &dyn Server, login: &str) -> Value {
    imap_account(&format!("imaps://localhost:{}", server.imaps_port()), login, PASSWORD)
}

/// An IMAP account as the API takes it.
pub fn imap_account(url: &str, login: &str, password: &str) -> Value {
    json!({"type": "imap", "url": url, "login": login, "password": password})
}

/// A POP3 account as the API takes it.
pub fn pop_account(url: &str, login: &str, password: &str) -> Value {
    json!({"type": "pop", "url": url, "login": login, "password": password})
}

/// A migration of mail as the API takes it.
pub fn mail_migration(source: Value, destination: Value) -> Value {
    json!({"source": source, "destination": destination, "items": ["mail"]})
}

/// `trasloco migrate` to its end, with these flags beside the variables.
pub fn migrate(setup: &Setup, state: &Path, flags: &[&str], passwords: (&str, &str)) -> Output {
    let mut command = Command::new(binary());
    command.arg("migrate").arg("--state-dir").arg(state);
    std::fs::create_dir_all(state).expect("a folder");
    let folder = tempfile::tempdir().expect("a folder");
    setup.apply(&mut command, folder.path());
    command.args(flags).stdin(Stdio::null());
    command.env("TRASLOCO_SOURCE_PASSWORD", passwords.0);
    command.env("TRASLOCO_DESTINATION_PASSWORD", passwords.1);
    command.output().expect("the binary runs")
}

/// The last lines of a log.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// What is to be run, with which first arguments, so that the binary has no more than `setup` gives it.
fn confined(setup: &Setup, state: &Path) -> (PathBuf, Vec<OsString>) {
    let mut steps = Vec::new();
    if let Some(files) = setup.files {
        steps.push(format!("ulimit -n {files}"));
    }
    if let Some(kib) = setup.disk_kib {
        std::fs::create_dir_all(state).expect("a folder");
        steps.push(format!("mount -t tmpfs -o size={kib}k none {}", state.display()));
    }
    if steps.is_empty() {
        return (binary(), Vec::new());
    }
    let line = format!("{} && exec \"$0\" \"$@\"", steps.join(" && "));
    let shell = ["/bin/sh".into(), "-c".into(), line.into(), binary().into()];
    match setup.disk_kib {
        // In a mount namespace of its own, for which a user namespace is enough.
        Some(_) => ("/usr/bin/unshare".into(), ["-Urm".into()].into_iter().chain(shell).collect()),
        None => ("/bin/sh".into(), shell.into_iter().skip(1).collect()),
    }
}

fn launch(setup: &Setup, folder: &Path) -> (Running, String) {
    let log = |name: &str| {
        let path = folder.join(name);
        std::fs::OpenOptions::new().create(true).append(true).open(path).expect("a log")
    };
    let state = folder.join("state");
    let (program, before) = confined(setup, &state);
    let mut running = Running::start(&program, |command| {
        command.args(before);
        command.args(["serve", "--state-dir"]).arg(&state);
        if !setup.flags.iter().any(|flag| flag == "--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        setup.apply(command, folder);
        if let Some(step) = &setup.clock {
            let clock = folder.join(CLOCK);
            std::fs::write(&clock, step).expect("a file");
            command.env("LD_PRELOAD", faketime()).env("FAKETIME_TIMESTAMP_FILE", &clock);
            // The file is read at each look at the clock; what measures durations is not shown it.
            command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log("stderr.log"));
    });
    let stdout = running.child().stdout.take().expect("a pipe");
    let mut lines = BufReader::new(stdout).lines();
    let mut kept = log("stdout.log");
    loop {
        let Some(Ok(line)) = lines.next() else {
            let said = std::fs::read_to_string(folder.join("stderr.log")).unwrap_or_default();
            panic!("the application ends before it listens:\n{}", tail(&said));
        };
        let _ = std::io::Write::write_all(&mut kept, format!("{line}\n").as_bytes());
        if let Some(at) = line.find("listening on ") {
            let url = line[at + "listening on ".len()..].trim().trim_end_matches('/').to_owned();
            std::thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    let _ = std::io::Write::write_all(&mut kept, format!("{line}\n").as_bytes());
                }
            });
            return (running, url);
        }
    }
}
