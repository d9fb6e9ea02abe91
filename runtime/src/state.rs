//! The state folder: one process at a time, and the secrets made on its first start.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// How long a new process waits for one that is about to end.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// How often it looks.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// A state folder that this process alone has.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing and takes it; fails while another process has it.
    pub fn open(path: &Path) -> Result<Self> {
        make_private_folder(path)?;
        let lock_path = path.join("lock");
        let mut lock = private_file()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .with_context(|| format!("cannot write to the state folder {}", path.display()))?;
        let started = Instant::now();
        while let Err(error) = lock.try_lock() {
            if let std::fs::TryLockError::Error(error) = error {
                return Err(error).with_context(|| format!("cannot lock {}", lock_path.display()));
            }
            if started.elapsed() > LOCK_PATIENCE {
                let mut owner = String::new();
                // Only to name it: the number may be missing.
                let _ = lock.read_to_string(&mut owner);
                bail!(
                    "the state folder {} is in use by another trasloco (process {}); \
                     stop it or choose another folder with --state-dir",
                    path.display(),
                    owner.trim()
                );
            }
            std::thread::sleep(LOCK_POLL);
        }
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Folder { path: path.to_owned(), _lock: lock })
    }

    /// What is free on its disk, bytes, where the system says so.
    pub fn free_bytes(&self) -> Option<u64> {
        crate::health::free_bytes(&self.path)
    }

    /// A path inside the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The path of a file inside the folder, which is made where it is missing, for the user only.
    pub fn private_file(&self, name: &str) -> Result<PathBuf> {
        let path = self.join(name);
        let opened = private_file().append(true).create(true).open(&path);
        opened.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// `secret_key`: 32 random bytes, base64.
    pub fn secret_key(&self) -> Result<String> {
        self.secret("secret_key", |bytes| STANDARD.encode(bytes))
    }

    /// `advance_token`: 32 random bytes in characters that a header may hold.
    pub fn advance_token(&self) -> Result<String> {
        self.secret("advance_token", |bytes| URL_SAFE_NO_PAD.encode(bytes))
    }

    fn secret(&self, name: &str, encode: fn([u8; 32]) -> String) -> Result<String> {
        let path = self.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text = encode(random()?);
                write_atomically(&path, text.as_bytes())?;
                Ok(text)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// Where state goes unless `--state-dir` says otherwise.
pub fn default_folder() -> Result<PathBuf> {
    directories::ProjectDirs::from("", "", "trasloco")
        .map(|dirs| dirs.data_dir().to_owned())
        .context("this system has no data folder for you: give --state-dir DIR")
}

/// 32 bytes from the system.
pub fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(bytes)
}

/// A nonce that tells this process from every other.
pub fn boot_nonce() -> Result<String> {
    Ok(random()?.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Makes a folder that only the user can enter, with its parents.
pub fn make_private_folder(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Replaces a file as a whole; only the user can read it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let said = || format!("cannot write {}", path.display());
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(name);
    let mut file =
        private_file().write(true).create(true).truncate(true).open(&beside).with_context(said)?;
    file.write_all(bytes).with_context(said)?;
    file.sync_all().with_context(said)?;
    std::fs::rename(&beside, path).with_context(said)
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/state");
        let (key, token) = {
            let state = Folder::open(&path).unwrap();
            state.private_file("database").unwrap();
            (state.secret_key().unwrap(), state.advance_token().unwrap())
        };
        assert_eq!(STANDARD.decode(&key).unwrap().len(), 32);
        assert!(token.len() == 43 && token != key);
        let again = Folder::open(&path).unwrap();
        assert_eq!(again.secret_key().unwrap(), key);
        #[cfg(unix)]
        for name in ["secret_key", "advance_token", "database"] {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_second_process_waits_and_then_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(folder.path()).unwrap();
        let said = Folder::open(folder.path()).err().unwrap().to_string();
        assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
        let path = folder.path().to_owned();
        let second = std::thread::spawn(move || Folder::open(&path).map(drop));
        std::thread::sleep(Duration::from_millis(100));
        drop(first);
        second.join().unwrap().unwrap();
    }
}
