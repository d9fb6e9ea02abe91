//! Courier IMAP from Debian's packages, unpacked into a root of their own.
//!
//! Courier's `imapd` starts authenticated, behind a log-in program of its own. Here a thread of
//! the tests does the log-in and hands the line over; TLS stands in front.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::packages::{libraries, unpacked};
use super::{PASSWORD, Server};
use crate::tls::TlsFront;

const CAPABILITIES: &str = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT \
                            THREAD=REFERENCES SORT QUOTA IDLE";

/// A running Courier: any login, password [`PASSWORD`].
pub struct Courier {
    port: u16,
    front: TlsFront,
    ended: Arc<AtomicBool>,
    _state: TempDir,
}

impl Courier {
    /// Starts one.
    pub fn start() -> Courier {
        let packages = ["courier-imap", "courier-base", "courier-authlib", "libcourier-unicode4"];
        let root = unpacked("courier", &packages, "usr/bin/imapd");
        let state = tempfile::Builder::new().prefix("co").tempdir().expect("a folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("a bound socket").port();
        let ended = Arc::new(AtomicBool::new(false));
        let (folder, stop) = (state.path().to_owned(), ended.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (root, folder) = (root.clone(), folder.clone());
                // An error is a client that went away, which is its right.
                std::thread::spawn(move || serve(client, &root, &folder).ok());
            }
        });
        Courier { port, front: TlsFront::before(port), ended, _state: state }
    }
}

impl Server for Courier {
    fn name(&self) -> &'static str {
        "Courier"
    }

    fn imap_port(&self) -> u16 {
        self.port
    }

    fn imaps_port(&self) -> u16 {
        self.front.port
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn serve(client: TcpStream, root: &Path, folder: &Path) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut lines = BufReader::new(client.try_clone()?);
    let mut out = client.try_clone()?;
    write!(out, "* OK [CAPABILITY {CAPABILITIES} AUTH=PLAIN] Courier-IMAP ready.\r\n")?;
    let Some((tag, login)) = log_in(&mut lines, &mut out)? else { return Ok(()) };
    let mut imapd = Imapd::start(&login, root, folder);
    let mut from_imapd = BufReader::new(imapd.0.stdout.take().expect("a pipe"));
    let mut to_imapd = imapd.0.stdin.take().expect("a pipe");
    let mut greeting = String::new();
    while !greeting.starts_with("* PREAUTH") {
        greeting.clear();
        assert!(from_imapd.read_line(&mut greeting)? > 0, "Courier's imapd does not greet");
    }
    write!(out, "{tag} OK LOGIN Ok.\r\n")?;
    let up = std::thread::spawn(move || {
        // Not `std::io::copy`: on Linux it splices, and does not hand on what is there.
        while let Ok(octets) = lines.fill_buf() {
            let n = octets.len();
            if n == 0 || to_imapd.write_all(octets).is_err() {
                break;
            }
            lines.consume(n);
        }
    });
    let mut chunk = vec![0; 64 << 10];
    loop {
        let n = from_imapd.read(&mut chunk)?;
        if n == 0 || out.write_all(&chunk[..n]).is_err() {
            break;
        }
    }
    drop(imapd);
    let _ = client.shutdown(Shutdown::Both);
    let _ = up.join();
    Ok(())
}

/// Tag and login of the log-in that succeeds; `None` when the client leaves.
fn log_in(
    lines: &mut BufReader<TcpStream>,
    out: &mut TcpStream,
) -> std::io::Result<Option<(String, String)>> {
    loop {
        let Some(line) = read_command(lines, out)? else { return Ok(None) };
        let (tag, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let (name, args) = rest.split_once(' ').unwrap_or((rest, ""));
        let credentials = match name.to_ascii_uppercase().as_str() {
            "CAPABILITY" => {
                write!(out, "* CAPABILITY {CAPABILITIES} AUTH=PLAIN\r\n{tag} OK done\r\n")?;
                continue;
            }
            "NOOP" => {
                write!(out, "{tag} OK NOOP completed\r\n")?;
                continue;
            }
            "LOGOUT" => {
                write!(out, "* BYE Courier-IMAP server shutting down\r\n{tag} OK done\r\n")?;
                return Ok(None);
            }
            "LOGIN" => Some(words(args)),
            "AUTHENTICATE" if args.eq_ignore_ascii_case("PLAIN") => {
                write!(out, "+ \r\n")?;
                let Some(response) = read_command(lines, out)? else { return Ok(None) };
                let octets = STANDARD.decode(response.trim()).unwrap_or_default();
                let parts = octets.split(|octet| *octet == 0).skip(1);
                Some(parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect())
            }
            _ => None,
        };
        match credentials.as_deref() {
            Some([login, password]) if password == PASSWORD => {
                return Ok(Some((tag.to_owned(), login.clone())));
            }
            Some(_) => write!(out, "{tag} NO Login failed.\r\n")?,
            None => write!(out, "{tag} BAD Unknown command\r\n")?,
        }
    }
}

/// A command line, literals turned into quoted strings; `None` at the end.
fn read_command(
    lines: &mut BufReader<TcpStream>,
    out: &mut TcpStream,
) -> std::io::Result<Option<String>> {
    let mut whole = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        let literal = line.strip_suffix('}').and_then(|line| line.rsplit_once('{'));
        let size = literal.and_then(|(_, size)| size.parse::<usize>().ok());
        let (Some((before, _)), Some(size)) = (literal, size) else {
            whole.push_str(line);
            return Ok(Some(whole));
        };
        write!(out, "+ OK\r\n")?;
        let mut octets = vec![0; size];
        lines.read_exact(&mut octets)?;
        let text = String::from_utf8_lossy(&octets).replace('\\', "\\\\").replace('"', "\\\"");
        whole.push_str(&format!("{before}\"{text}\""));
    }
}

/// Arguments of LOGIN: atoms and quoted strings.
fn words(args: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = args.chars().peekable();
    while let Some(first) = letters.next() {
        let mut word = String::new();
        if first == '"' {
            while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
                word.push(if letter == '\\' { letters.next().unwrap_or('\\') } else { letter });
            }
        } else if first != ' ' {
            word.push(first);
            while let Some(letter) = letters.next_if(|letter| *letter != ' ') {
                word.push(letter);
            }
        } else {
            continue;
        }
        words.push(word);
    }
    words
}

/// The server process of one connection.
struct Imapd(Child);

impl Drop for Imapd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Imapd {
    fn start(login: &str, root: &Path, folder: &Path) -> Imapd {
        let safe = |letter: char| letter.is_ascii_alphanumeric() || "@.-".contains(letter);
        let home: String = login.chars().map(|it| if safe(it) { it } else { '_' }).collect();
        let home: PathBuf = folder.join(home);
        let environment = |command: &mut Command| {
            command
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("LD_LIBRARY_PATH", libraries(root));
        };
        if !home.join("Maildir").exists() {
            std::fs::create_dir_all(&home).expect("a home");
            let mut command = Command::new(root.join("usr/bin/maildirmake.courier"));
            environment(&mut command);
            // Two first log-ins at once make the same folder; the second may fail.
            let made = command.arg(home.join("Maildir")).output();
            assert!(made.is_ok() && home.join("Maildir/cur").exists(), "no Maildir: {made:?}");
        }
        let mut command = Command::new("setpriv");
        environment(&mut command);
        command.args(["--pdeathsig", "TERM", "--"]).arg(root.join("usr/bin/imapd")).arg("Maildir");
        command.current_dir(&home).env("HOME", &home).env("AUTHENTICATED", login);
        for (name, value) in [
            ("IMAP_CAPABILITY", CAPABILITIES),
            ("IMAP_KEYWORDS", "1"),
            ("IMAP_EMPTYTRASH", ""),
            ("IMAP_USELOCKS", "0"),
            ("IMAP_CHECK_ALL_FOLDERS", "0"),
            ("IMAP_ENHANCEDIDLE", "0"),
            ("IMAP_ACL", "1"),
            ("IMAP_MAXDIR", "100"),
            ("TCPREMOTEIP", "127.0.0.1"),
            ("TCPREMOTEPORT", "1"),
        ] {
            command.env(name, value);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Imapd(command.spawn().expect("Courier's imapd"))
    }
}
