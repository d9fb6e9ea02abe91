//! Passwords: from a file, from the environment, or from the person at the terminal.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::account::Account;

/// Which password.
#[derive(Clone, Copy)]
pub(super) struct Which<'a> {
    /// `source` or `destination`.
    pub(super) side: &'a str,
    /// Whose password it is.
    pub(super) account: &'a Account,
    /// `--source-password-file` or `--destination-password-file`.
    pub(super) file: Option<&'a Path>,
}

/// Finds a password; a line end at the end of a file is not part of it.
pub(super) fn find(which: Which<'_>) -> Result<String> {
    let Which { side, account, file } = which;
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the password file {}", file.display()))?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(line.strip_suffix('\r').unwrap_or(line).to_owned());
    }
    let variable = format!("TRASLOCO_{}_PASSWORD", side.to_uppercase());
    if let Ok(password) = std::env::var(&variable) {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        bail!("no password for {}: give --{side}-password-file or {variable}", account.login);
    }
    let server = account.url.as_deref().unwrap_or(account.kind);
    let prompt = format!("Password of {} at {server} ({side}): ", account.login);
    rpassword::prompt_password(prompt).context("cannot read a password from the terminal")
}
