//! A real DNS server (dnsmasq) with the records that a test wants.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use tempfile::TempDir;

use crate::doh::forward;
use crate::process::{Running, free_port, server_user};
use crate::servers::installed;

/// dnsmasq on a port of loopback.
pub struct Dns {
    port: u16,
    _running: Running,
    _folder: TempDir,
}

impl Dns {
    /// Starts one with these lines of its configuration, such as `mx-host=example.test,mx.test,1`.
    pub fn start(lines: &[String]) -> Dns {
        let program = installed("/usr/sbin/dnsmasq", "dnsmasq-base");
        let folder = tempfile::Builder::new().prefix("dns").tempdir().expect("a folder");
        let port = free_port();
        let file = folder.path().join("dnsmasq.conf");
        let (user, _) = server_user();
        let head = format!(
            "port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\n\
             keep-in-foreground\nuser={user}\npid-file=\nlocal=/test/\nlog-facility=-\n"
        );
        std::fs::write(&file, head + &lines.join("\n") + "\n").expect("a file");
        let running = Running::start(&program, |command| {
            let option = |path: &PathBuf| format!("--conf-file={}", path.display());
            command
                .arg(option(&file))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
        });
        let dns = Dns { port, _running: running, _folder: folder };
        dns.wait();
        dns
    }

    /// The UDP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait(&self) {
        let mut message = Message::query();
        message
            .add_query(Query::query(Name::from_ascii("up.test.").expect("a name"), RecordType::A));
        let question = message.to_vec().expect("a question");
        let start = Instant::now();
        while forward(&question, self.port).is_none() {
            assert!(start.elapsed() < Duration::from_secs(10), "dnsmasq does not answer");
        }
    }
}
