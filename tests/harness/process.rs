//! Child processes that end with their value, and free ports.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

type Order = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Starts a child that the system ends when this process is gone, however that came about.
///
/// The signal is tied to the thread that forked, so one thread that never ends does it.
fn spawn(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (send, receive) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in receive {
                let _ = answer.send(command.spawn());
            }
        });
        send
    });
    let (send, receive) = mpsc::channel();
    spawner.send((command, send)).expect("the spawner lives");
    receive.recv().expect("the spawner answers")
}

/// A running child; dropping it ends it.
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts `program` so that it also ends with this process.
    pub fn start(program: &Path, build: impl FnOnce(&mut Command)) -> Running {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        // A group of its own: Cyrus ends by a signal to the whole of its group.
        command.process_group(0);
        build(&mut command);
        let child = spawn(command);
        Running { child: child.unwrap_or_else(|e| panic!("cannot start {program:?}: {e}")) }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Ends it at once, as a power cut does.
    pub fn kill_9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and how it ended.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        if let Ok(Some(status)) = self.child.try_wait() {
            return status;
        }
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill_9();
        self.child.wait().expect("a killed child has ended")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// A port that nothing listens on, never the same twice.
///
/// Below the range that the system gives to outgoing connections (32768 and above on Linux):
/// one of those could take the port before its server does.
pub fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes side by side begin at different places.
    let begin = std::process::id().wrapping_mul(101);
    for _ in 0..COUNT {
        let turn = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + turn % COUNT).expect("a port");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// Waits until something listens; `log` is shown when nothing does.
pub fn wait_for_port(port: u16, name: &str, log: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = std::fs::read_to_string(log).unwrap_or_default();
    panic!("{name} does not listen on port {port}; its log says:\n{said}");
}

/// Runs a command to its end; panics with its words when it fails.
pub fn run(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let (said, wailed) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown} failed:\n{said}\n{wailed}");
    output
}

/// Whether this process is root.
pub fn is_root() -> bool {
    let id = run(Command::new("id").arg("-u"));
    id.stdout.trim_ascii() == b"0"
}

/// Name of the user that servers run as, and of its group: `nobody` where we are root.
pub fn server_user() -> (String, String) {
    let name = |args: &[&str]| {
        let output = run(Command::new("id").args(args));
        String::from_utf8_lossy(output.stdout.trim_ascii()).into_owned()
    };
    if is_root() {
        ("nobody".into(), name(&["-gn", "nobody"]))
    } else {
        (name(&["-un"]), name(&["-gn"]))
    }
}

/// Where built things are: the target folder of this run.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => folder.into(),
        None => repository().join("target"),
    }
}

/// The root of the repository: of the clone this was started in, which is not always the clone
/// it was built in where several share a target folder.
pub fn repository() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    own.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned())
        .join("..")
        .canonicalize()
        .expect("the repository is there")
}
