//! Debian packages: installed where we are root, or unpacked into a folder of our own where two
//! of them exclude each other.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{is_root, run, target_dir};

/// Makes sure that `program` is there, which `package` brings.
pub(crate) fn installed(program: &str, package: &str) -> PathBuf {
    let path = PathBuf::from(program);
    if path.exists() {
        return path;
    }
    let _lock = lock();
    if !path.exists() {
        assert!(
            is_root(),
            "{program} is missing and we are not root: install it with \
             `sudo apt-get install --no-install-recommends {package}`"
        );
        let install = || {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive");
            command.args(["install", "-y", "-q", "--no-install-recommends", package]);
            command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
        };
        if !install() {
            run(Command::new("apt-get").args(["update", "-q"]));
            assert!(install(), "apt-get cannot install {package}");
        }
    }
    assert!(path.exists(), "{package} does not bring {program}");
    path
}

/// Where servers are unpacked. They run as `nobody` where we are root, who cannot go into a build
/// folder below root's home.
fn servers_folder() -> PathBuf {
    if is_root() {
        return PathBuf::from("/var/tmp/trasloco-servers");
    }
    target_dir().join("servers")
}

/// One installation at a time, over all test processes.
pub(super) fn lock() -> File {
    let folder = servers_folder();
    std::fs::create_dir_all(&folder).expect("a folder for servers");
    let file = File::create(folder.join("lock")).expect("a lock file");
    file.lock().expect("the lock");
    file
}

/// Unpacks packages with all they need into a root of their own and answers its path. Works
/// without being root, as nothing of the system is touched.
pub(super) fn unpacked(name: &str, packages: &[&str], program: &str) -> PathBuf {
    let root = servers_folder().join(name);
    let done = root.join(program);
    if done.exists() {
        return root;
    }
    let _lock = lock();
    if done.exists() {
        return root;
    }
    let mut wanted = closure(packages);
    if wanted.is_none() && is_root() {
        run(Command::new("apt-get").args(["update", "-q"]));
        wanted = closure(packages);
    }
    let wanted = wanted.unwrap_or_else(|| {
        panic!("apt-get knows no packages {packages:?}: run `sudo apt-get update`")
    });
    let fresh = root.with_extension("unpacking");
    let _ = std::fs::remove_dir_all(&fresh);
    std::fs::create_dir_all(&fresh).expect("a folder");
    let archives = tempfile::tempdir().expect("a folder");
    // apt drops its privileges to download; the folder must be open to that user.
    run(Command::new("chmod").arg("777").arg(archives.path()));
    run(Command::new("apt-get").args(["download", "-q"]).args(&wanted).current_dir(&archives));
    for archive in std::fs::read_dir(archives.path()).expect("a folder") {
        let archive = archive.expect("an archive").path();
        run(Command::new("dpkg").arg("-x").arg(archive).arg(&fresh));
    }
    let _ = std::fs::remove_dir_all(&root);
    std::fs::rename(&fresh, &root).expect("the new root");
    assert!(done.exists(), "{packages:?} do not bring {program}");
    root
}

/// Packages that an installation would add, by simulating one; mail transports and the like,
/// which nothing here runs, are left out.
fn closure(packages: &[&str]) -> Option<Vec<String>> {
    const NOT_NEEDED: [&str; 4] = ["exim4", "gawk", "libclamav", "gamin"];
    let mut command = Command::new("apt-get");
    command.args(["-s", "install", "--no-install-recommends"]).args(packages);
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut wanted: Vec<String> = packages.iter().map(|name| (*name).to_owned()).collect();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("Inst ") else { continue };
        let mut words = rest.split(' ');
        let (name, next) = (words.next()?, words.next().unwrap_or_default());
        // `[version]` behind the name: an upgrade of what is installed.
        let upgrade = next.starts_with('[');
        if !upgrade && !NOT_NEEDED.iter().any(|no| name.starts_with(no)) {
            wanted.push(name.to_owned());
        }
    }
    wanted.sort();
    wanted.dedup();
    Some(wanted)
}

/// The folders of shared libraries in an unpacked root, for `LD_LIBRARY_PATH`.
pub(super) fn libraries(root: &Path) -> String {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["usr/lib", "lib"].map(|lib| root.join(lib).join(&triplet));
    let own = root.join("usr/lib");
    let courier = root.join(format!("usr/lib/{triplet}/courier-authlib"));
    let all = folders.iter().chain([&own, &courier]).map(|path| path.display().to_string());
    all.collect::<Vec<_>>().join(":")
}
