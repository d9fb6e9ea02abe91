//! Debian packages: installed by name where we are root, else named.

use std::path::Path;

use crate::shell::{Done, Step, is_root};

/// A package and a file that tells that it, or something like it, is there.
pub(crate) struct Package {
    name: &'static str,
    brings: &'static [&'static str],
}

const fn package(name: &'static str, brings: &'static [&'static str]) -> Package {
    Package { name, brings }
}

/// Compilers for the C code of ring and SQLite: for Wasm, and for this machine.
pub(crate) const FOR_BUILDING: &[Package] = &[
    package("clang", &["/usr/bin/clang"]),
    package("gcc", &["/usr/bin/cc"]),
    package("libc6-dev", &["/usr/include/stdlib.h"]),
];

/// Servers and the browser of the tests. Those that exclude each other (Courier, Cyrus) are
/// unpacked by the tests themselves.
pub(crate) const FOR_TESTING: &[Package] = &[
    package("dovecot-imapd", &["/usr/lib/dovecot/imap"]),
    package("dovecot-pop3d", &["/usr/lib/dovecot/pop3"]),
    package("dnsmasq-base", &["/usr/sbin/dnsmasq"]),
    package("chromium", &["/usr/bin/chromium"]),
    package("chromium-driver", &["/usr/bin/chromedriver"]),
    package("mount", &["/usr/bin/mount", "/bin/mount"]),
    package("util-linux", &["/usr/bin/unshare"]),
    package("libfaketime", &["/usr/share/doc/libfaketime"]),
    package("openssl", &["/usr/bin/openssl"]),
    package("python3", &["/usr/bin/python3"]),
    package("python3-venv", &["/usr/share/doc/python3-venv"]),
];

/// What installs Schemathesis.
pub(crate) const FOR_SCHEMATHESIS: &[Package] = &[
    package("python3", &["/usr/bin/python3"]),
    package("python3-venv", &["/usr/share/doc/python3-venv"]),
];

/// The mail servers of the demonstration.
pub(crate) const FOR_DEMO: &[Package] = &[package("dovecot-imapd", &["/usr/lib/dovecot/imap"])];

/// Makes sure that packages are there.
pub(crate) fn ensure(packages: &[Package]) -> Done {
    let missing: Vec<&str> = packages
        .iter()
        .filter(|package| !package.brings.iter().any(|file| Path::new(file).exists()))
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!(
            "these are missing, here by their Debian names: {list}\n\
             Install what your system calls them and run this again."
        ));
    }
    if !is_root() {
        return Err(format!(
            "these packages are missing; install them and run this again:\n\n    \
             sudo apt-get install --no-install-recommends {list}\n"
        ));
    }
    install(&missing).or_else(|_| {
        Step::new("apt-get").args(["update", "-q"]).run()?;
        install(&missing)
    })
}

fn install(names: &[&str]) -> Done {
    Step::new("apt-get")
        .environment("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-q", "--no-install-recommends"])
        .args(names)
        .run()
}
