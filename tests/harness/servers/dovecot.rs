//! Dovecot 2.3 with state of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tempfile::TempDir;

use super::packages::installed;
use super::{PASSWORD, PopServer, Server};
use crate::app::tail;
use crate::process::{Running, free_port, is_root, run, server_user, wait_for_port};
use crate::tls::authority;

/// How mail is kept and names are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Maildir, mailboxes under `INBOX.`, separator `.`, English names.
    Maildir,
    /// mdbox, separator `/`, German names of special-use mailboxes.
    Mdbox,
}

/// The user that may log in as any other with `user*master`.
pub const MASTER_USER: &str = "master";
/// Its password.
pub const MASTER_PASSWORD: &str = "master secret";

/// Key that access tokens are signed with.
const TOKEN_KEY: &[u8] = b"trasloco-test-key-0123456789abcdef";

/// Where it listens.
#[derive(Clone, Copy)]
struct Ports {
    imap: u16,
    imaps: u16,
    pop: u16,
    pops: u16,
}

/// A running Dovecot: any login, password [`PASSWORD`].
pub struct Dovecot {
    layout: Layout,
    ports: Ports,
    _running: Running,
    state: TempDir,
}

impl Drop for Dovecot {
    /// A failed test shows what the server had to say.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.state.path().join("dovecot.log"));
            println!("{}:\n{}", self.name(), tail(&log.unwrap_or_default()));
        }
    }
}

impl Dovecot {
    /// Starts one.
    pub fn start(layout: Layout) -> Dovecot {
        let program = installed("/usr/sbin/dovecot", "dovecot-imapd");
        let version = run(Command::new(&program).arg("--version"));
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        assert!(version.starts_with("2.3."), "the configuration is for Dovecot 2.3, not {version}");
        let state = tempfile::Builder::new().prefix("dc").tempdir().expect("a folder");
        installed("/usr/lib/dovecot/pop3", "dovecot-pop3d");
        let (imap, imaps, pop, pops) = (free_port(), free_port(), free_port(), free_port());
        let ports = Ports { imap, imaps, pop, pops };
        let folder = state.path();
        prepare(folder, layout, ports);
        let log = folder.join("dovecot.log");
        let config = folder.join("dovecot.conf");
        let running = Running::start(&program, |command| {
            command.arg("-F").arg("-c").arg(&config);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        });
        for port in [imap, imaps, pop, pops] {
            wait_for_port(port, "Dovecot", &log);
        }
        Dovecot { layout, ports, _running: running, state }
    }
}

impl Server for Dovecot {
    fn name(&self) -> &'static str {
        match self.layout {
            Layout::Maildir => "Dovecot maildir",
            Layout::Mdbox => "Dovecot mdbox",
        }
    }

    fn imap_port(&self) -> u16 {
        self.ports.imap
    }

    fn imaps_port(&self) -> u16 {
        self.ports.imaps
    }
}

impl PopServer for Dovecot {
    fn pop_port(&self) -> u16 {
        self.ports.pop
    }

    fn pops_port(&self) -> u16 {
        self.ports.pops
    }
}

fn prepare(folder: &Path, layout: Layout, ports: Ports) {
    for name in ["run", "state", "mail", "keys/default/HS256"] {
        std::fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    authority().write(&folder.join("tls"));
    let key = STANDARD.encode(TOKEN_KEY);
    std::fs::write(folder.join("keys/default/HS256/default"), key).expect("a key");
    std::fs::write(folder.join("master"), format!("{MASTER_USER}:{{PLAIN}}{MASTER_PASSWORD}\n"))
        .expect("master users");
    std::fs::write(folder.join("oauth2.conf.ext"), oauth2(folder)).expect("oauth2");
    std::fs::write(folder.join("dovecot.conf"), config(folder, layout, ports))
        .expect("dovecot.conf");
    if is_root() {
        let (user, group) = server_user();
        let owner = format!("{user}:{group}");
        run(Command::new("chown").args(["-R", &owner]).arg(folder.join("mail")));
        run(Command::new("chmod").arg("755").arg(folder));
    }
}

fn oauth2(folder: &Path) -> String {
    format!(
        "introspection_mode = local\n\
         local_validation_key_dict = fs:posix:prefix={}/keys/\n\
         username_attribute = sub\n\
         username_format = %u\n",
        folder.display()
    )
}

fn config(folder: &Path, layout: Layout, ports: Ports) -> String {
    let (user, group) = server_user();
    let (location, separator, prefix, names) = match layout {
        Layout::Maildir => {
            ("maildir:%h/Maildir", ".", "INBOX.", ["Drafts", "Sent", "Trash", "Junk"])
        }
        // Configuration is in UTF-8; on the wire it is modified UTF-7.
        Layout::Mdbox => {
            ("mdbox:%h/mdbox", "/", "", ["Entwürfe", "Gesendet", "Papierkorb", "Spam"])
        }
    };
    let uses = ["\\Drafts", "\\Sent", "\\Trash", "\\Junk"];
    let mailboxes: String = names
        .iter()
        .zip(uses)
        .map(|(name, special)| {
            format!(
                "  mailbox {name} {{\n    auto = subscribe\n    special_use = {special}\n  }}\n"
            )
        })
        .collect();
    include_str!("dovecot.conf")
        .replace("@FOLDER@", &folder.display().to_string())
        .replace("@USER@", &user)
        .replace("@GROUP@", &group)
        .replace("@LOCATION@", location)
        .replace("@SEPARATOR@", separator)
        .replace("@PREFIX@", prefix)
        .replace("@MAILBOXES@", &mailboxes)
        .replace("@PASSWORD@", PASSWORD)
        .replace("@IMAP@", &ports.imap.to_string())
        .replace("@IMAPS@", &ports.imaps.to_string())
        .replace("@POP@", &ports.pop.to_string())
        .replace("@POPS@", &ports.pops.to_string())
}

/// An access token for XOAUTH2 and OAUTHBEARER: a JSON web token (RFC 7519) that Dovecot checks
/// by its key.
pub fn access_token(login: &str, now_s: u64) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let (from, until) = (now_s - 60, now_s + 3600);
    let claims = format!(r#"{{"sub":"{login}","iat":{from},"nbf":{from},"exp":{until}}}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac_sha256(TOKEN_KEY, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// HMAC with SHA-256 (RFC 2104) for keys no longer than a block.
fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::digest([&block.map(|octet| octet ^ 0x36)[..], text].concat());
    Sha256::digest([&block.map(|octet| octet ^ 0x5c)[..], &inner].concat()).to_vec()
}
