//! A Dovecot of our own: any login, one password, mail in a folder.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::shell::{Done, Step, is_root};

/// The password of every account.
pub(super) const PASSWORD: &str = "demo";

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs until it is dropped.
pub(super) struct Dovecot {
    folder: PathBuf,
    port: u16,
    owner: String,
    process: Child,
}

impl Dovecot {
    /// Starts one on a free port, with its state in `folder`.
    pub(super) fn start(folder: &Path) -> Done<Self> {
        let said = |error: std::io::Error| format!("{}: {error}", folder.display());
        for name in ["run", "state", "mail"] {
            fs::create_dir_all(folder.join(name)).map_err(said)?;
        }
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = free.map_err(said)?.port();
        let (user, group) = owner()?;
        let config = include_str!("dovecot.conf")
            .replace("@FOLDER@", &folder.to_string_lossy())
            .replace("@PORT@", &port.to_string())
            .replace("@USER@", &user)
            .replace("@GROUP@", &group)
            .replace("@PASSWORD@", PASSWORD);
        let file = folder.join("dovecot.conf");
        fs::write(&file, config).map_err(said)?;
        let mut step =
            Step::new("/usr/sbin/dovecot").arg("-F").arg("-c").arg(&file.to_string_lossy());
        step.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = step.start()?;
        let owner = format!("{user}:{group}");
        let dovecot = Dovecot { folder: folder.to_owned(), port, owner, process };
        dovecot.wait()?;
        dovecot.own_mail()?;
        Ok(dovecot)
    }

    /// Where the mail of an account is kept.
    pub(super) fn maildir(&self, login: &str) -> PathBuf {
        self.folder.join("mail").join(login).join("Maildir")
    }

    /// Gives the mail to the user that Dovecot runs as.
    pub(super) fn own_mail(&self) -> Done {
        if !is_root() {
            return Ok(());
        }
        let mail = self.folder.join("mail");
        Step::new("chown")
            .arg("-R")
            .arg(&self.owner)
            .arg(&mail.to_string_lossy())
            .output()
            .map(drop)
    }

    /// The address for a form.
    pub(super) fn url(&self) -> String {
        format!("imap://127.0.0.1:{}?tls=none", self.port)
    }

    /// The address for the command line.
    pub(super) fn login_url(&self, login: &str) -> String {
        let login = login.replace('@', "%40");
        format!("imap://{login}@127.0.0.1:{}?tls=none", self.port)
    }

    /// The account object of the API.
    pub(super) fn account(&self, login: &str) -> String {
        let url = self.url();
        format!(
            "{{\"type\": \"imap\", \"url\": \"{url}\", \"login\": \"{login}\", \
             \"password\": \"{PASSWORD}\"}}"
        )
    }

    fn wait(&self) -> Done {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = fs::read_to_string(self.folder.join("dovecot.log")).unwrap_or_default();
        Err(format!("Dovecot does not start:\n{log}"))
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Asked, not killed: its children end with it.
        let id = self.process.id().to_string();
        let _ = Step::new("kill").arg(&id).succeeds();
        let _ = self.process.wait();
    }
}

/// Who owns the mail: nobody where we are root, since Dovecot refuses root.
fn owner() -> Done<(String, String)> {
    let name = |arguments: &[&str]| {
        Step::new("id").args(arguments).output().map(|name| name.trim().to_owned())
    };
    if is_root() {
        Ok(("nobody".to_owned(), name(&["-gn", "nobody"])?))
    } else {
        Ok((name(&["-un"])?, name(&["-gn"])?))
    }
}
