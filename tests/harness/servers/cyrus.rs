//! Cyrus IMAP from Debian's packages, unpacked into a root of their own: they exclude Dovecot's.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::packages::{libraries, unpacked};
use super::{PASSWORD, PopServer, Server};
use crate::process::{Running, free_port, is_root, run, server_user, wait_for_port};
use crate::tls::authority;

/// A running Cyrus with the accounts of [`ACCOUNTS`].
pub struct Cyrus {
    imap_port: u16,
    imaps_port: u16,
    pop_port: u16,
    pops_port: u16,
    _running: Running,
    _state: TempDir,
}

/// Short names that accounts exist for.
pub const ACCOUNTS: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];

impl Cyrus {
    /// Starts one.
    pub fn start() -> Cyrus {
        let packages = [
            "cyrus-imapd",
            "cyrus-pop3d",
            "cyrus-common",
            "sasl2-bin",
            "libsasl2-modules",
            "libsasl2-modules-db",
        ];
        let root = unpacked("cyrus", &packages, "usr/lib/cyrus/bin/pop3d");
        let state = tempfile::Builder::new().prefix("cy").tempdir().expect("a folder");
        let ports = [free_port(), free_port(), free_port(), free_port()];
        let folder = state.path();
        prepare(&root, folder, ports);
        let log = folder.join("master.log");
        let running = Running::start(&root.join("usr/lib/cyrus/bin/master"), |command| {
            environment(command, &root);
            command.arg("-C").arg(folder.join("imapd.conf"));
            command.arg("-M").arg(folder.join("cyrus.conf"));
            command.arg("-p").arg(folder.join("run/master.pid")).arg("-L").arg(&log);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        });
        for port in ports {
            wait_for_port(port, "Cyrus", &log);
        }
        let [imap_port, imaps_port, pop_port, pops_port] = ports;
        Cyrus { imap_port, imaps_port, pop_port, pops_port, _running: running, _state: state }
    }
}

impl Server for Cyrus {
    fn name(&self) -> &'static str {
        "Cyrus"
    }

    fn imap_port(&self) -> u16 {
        self.imap_port
    }

    fn imaps_port(&self) -> u16 {
        self.imaps_port
    }

    fn login(&self, name: &str) -> String {
        assert!(ACCOUNTS.contains(&name), "no account {name} on Cyrus");
        format!("{name}@example.test")
    }
}

impl PopServer for Cyrus {
    fn pop_port(&self) -> u16 {
        self.pop_port
    }

    fn pops_port(&self) -> u16 {
        self.pops_port
    }
}

fn environment(command: &mut Command, root: &Path) {
    let triplet = format!("usr/lib/{}-linux-gnu/sasl2", std::env::consts::ARCH);
    let plugins = [root.join(&triplet), PathBuf::from("/").join(&triplet)];
    let plugins = plugins.map(|path| path.display().to_string()).join(":");
    command.env("LD_LIBRARY_PATH", libraries(root)).env("SASL_PATH", plugins);
}

fn prepare(root: &Path, folder: &Path, [imap, imaps, pop, pops]: [u16; 4]) {
    for name in ["conf", "spool", "run"] {
        std::fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    authority().write(&folder.join("tls"));
    let (user, group) = server_user();
    let fill = |template: &str| {
        template
            .replace("@FOLDER@", &folder.display().to_string())
            .replace("@BIN@", &root.join("usr/lib/cyrus/bin").display().to_string())
            .replace("@USER@", &user)
            .replace("@GROUP@", &group)
            .replace("@IMAP@", &imap.to_string())
            .replace("@IMAPS@", &imaps.to_string())
            .replace("@POP@", &pop.to_string())
            .replace("@POPS@", &pops.to_string())
    };
    let imapd = fill(include_str!("cyrus-imapd.conf"));
    std::fs::write(folder.join("imapd.conf"), imapd).expect("imapd.conf");
    let cyrus = fill(include_str!("cyrus.conf"));
    std::fs::write(folder.join("cyrus.conf"), cyrus).expect("cyrus.conf");
    let accounts = ACCOUNTS.map(|name| (name, "example.test"));
    for (name, domain) in accounts.into_iter().chain([("cyrus", "localhost")]) {
        let own = root.join("usr/sbin/saslpasswd2");
        let program = if own.exists() { own } else { "/usr/sbin/saslpasswd2".into() };
        let mut command = Command::new(program);
        environment(&mut command, root);
        command.args(["-c", "-p", "-f"]).arg(folder.join("sasldb2")).args(["-u", domain, name]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("saslpasswd2");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(PASSWORD.as_bytes()).expect("a password");
        drop(stdin);
        assert!(child.wait().expect("saslpasswd2").success(), "saslpasswd2 failed");
    }
    if is_root() {
        run(Command::new("chown").args(["-R", &format!("{user}:{group}")]).arg(folder));
    }
}
