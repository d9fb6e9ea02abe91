//! Where an owner is told: a real submission server and a webhook, both in Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::packages::{installed, lock};
use crate::process::{Running, free_port, repository, run, target_dir, wait_for_port};
use crate::tls::authority;

/// Packages of PyPI, by name and version.
const PACKAGES: [&str; 2] = ["aiosmtpd==1.4.6", "standardwebhooks==1.1.0"];

/// The Python interpreter that has [`PACKAGES`].
fn interpreter() -> PathBuf {
    let python = installed("/usr/bin/python3", "python3");
    let folder = target_dir().join("python");
    let done = folder.join("complete");
    let interpreter = folder.join("bin/python");
    let wanted = PACKAGES.join("\n");
    let is_done = || std::fs::read_to_string(&done).is_ok_and(|it| it == wanted);
    if !is_done() {
        let _lock = lock();
        if !is_done() {
            run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder));
            run(Command::new(&interpreter).args(["-m", "pip", "install", "-q"]).args(PACKAGES));
            std::fs::write(&done, wanted).expect("a mark");
        }
    }
    interpreter
}

fn script() -> PathBuf {
    repository().join("tests/harness/servers/recipient.py")
}

/// A submission server and a webhook; it keeps all that they take.
pub struct Recipient {
    folder: TempDir,
    _running: Running,
    smtp_port: u16,
    http_port: u16,
}

impl Recipient {
    /// Starts both.
    pub fn start() -> Recipient {
        let folder = tempfile::Builder::new().prefix("recipient").tempdir().expect("a folder");
        authority().write(folder.path());
        let (smtp_port, http_port) = (free_port(), free_port());
        let log = folder.path().join("log");
        let said = std::fs::File::create(&log).expect("a log");
        let running = Running::start(&interpreter(), |command| {
            command.arg(script()).arg(folder.path());
            command.args([smtp_port.to_string(), http_port.to_string()]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        });
        wait_for_port(smtp_port, "the submission server", &log);
        wait_for_port(http_port, "the webhook", &log);
        Recipient { folder, _running: running, smtp_port, http_port }
    }

    /// For the variable `smtp_url`: STARTTLS and AUTH.
    pub fn smtp_url(&self) -> String {
        format!("smtp://news:sesame@localhost:{}", self.smtp_port)
    }

    /// For `notify.webhook`.
    pub fn webhook(&self) -> String {
        format!("http://127.0.0.1:{}/hook?of=anna", self.http_port)
    }

    /// Every mail that was taken, in order.
    pub fn mails(&self) -> Vec<Value> {
        self.files("mail-").iter().map(|path| read(path)).collect()
    }

    /// Every call that was made, in order.
    pub fn calls(&self) -> Vec<Value> {
        self.files("call-").iter().map(|path| read(path)).collect()
    }

    /// The bodies of all calls, each verified by Standard Webhooks' own library.
    pub fn verified(&self, secret: &str) -> Vec<Value> {
        let verify = |path: &PathBuf| {
            let mut command = Command::new(interpreter());
            command.arg(script()).args(["verify", secret]).arg(path);
            let output = run(&mut command);
            serde_json::from_slice(&output.stdout).expect("JSON")
        };
        self.files("call-").iter().map(verify).collect()
    }

    /// Whether the library refuses the first call with this secret.
    pub fn is_refused(&self, secret: &str) -> bool {
        let first = self.files("call-").remove(0);
        let mut command = Command::new(interpreter());
        command.arg(script()).args(["verify", secret]).arg(first);
        !command.output().expect("Python runs").status.success()
    }

    fn files(&self, prefix: &str) -> Vec<PathBuf> {
        let number = |path: &Path| {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix(prefix)?.strip_suffix(".json")?.parse::<u32>().ok()
        };
        let entries = std::fs::read_dir(self.folder.path()).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut found: Vec<(u32, PathBuf)> =
            paths.filter_map(|path| number(&path).map(|number| (number, path))).collect();
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}
