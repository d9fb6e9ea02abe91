//! The body of `POST /migrations`, from the command line.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::account::Account;
use super::password::{self, Which};
use crate::cli;

/// What is asked for.
pub(super) struct Request {
    /// Where from.
    pub(super) source: Account,
    destination: Account,
    /// Everything but the passwords.
    body: Map<String, Value>,
    source_password: String,
    destination_password: String,
}

impl Request {
    /// Reads the command line and finds the passwords.
    pub(super) fn read(arguments: &cli::Migrate) -> Result<Self> {
        let source = Account::parse(&arguments.source).context("--source")?;
        let destination = Account::parse(&arguments.destination).context("--destination")?;
        let body = body(arguments, &source, &destination)?;
        let file = arguments.source_password_file.as_deref();
        let source_password = password::find(Which { side: "source", account: &source, file })?;
        let file = arguments.destination_password_file.as_deref();
        let destination_password =
            password::find(Which { side: "destination", account: &destination, file })?;
        Ok(Request { source, destination, body, source_password, destination_password })
    }

    /// The body as far as it says which migration this is.
    pub(super) fn without_passwords(&self) -> Value {
        Value::Object(self.body.clone())
    }

    /// The whole body.
    pub(super) fn with_passwords(&self) -> Value {
        let mut body = self.body.clone();
        for (side, password) in
            [("source", &self.source_password), ("destination", &self.destination_password)]
        {
            if let Some(Value::Object(account)) = body.get_mut(side) {
                account.insert("password".to_owned(), password.as_str().into());
            }
        }
        Value::Object(body)
    }

    /// The body of `POST /migrations/{id}/synchronise`.
    pub(super) fn passwords(&self) -> Value {
        json!({"source": {"password": self.source_password},
               "destination": {"password": self.destination_password}})
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} to {:?}", self.source, self.destination)
    }
}

fn body(
    arguments: &cli::Migrate,
    source: &Account,
    destination: &Account,
) -> Result<Map<String, Value>> {
    let mut body = Map::new();
    let sides = [
        (
            "source",
            source,
            [
                ("delegate", &arguments.source_delegate),
                ("caldav_url", &arguments.source_caldav),
                ("carddav_url", &arguments.source_carddav),
            ],
        ),
        (
            "destination",
            destination,
            [
                ("delegate", &arguments.destination_delegate),
                ("caldav_url", &arguments.destination_caldav),
                ("carddav_url", &arguments.destination_carddav),
            ],
        ),
    ];
    for (side, account, more) in sides {
        let mut json = account.json();
        for (name, value) in more {
            if let Some(value) = value {
                json.insert(name.to_owned(), value.as_str().into());
            }
        }
        body.insert(side.to_owned(), json.into());
    }
    body.insert("items".to_owned(), items(arguments).into());
    let options = options(arguments)?;
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    Ok(body)
}

/// What was asked for, else what the given addresses can carry.
fn items(arguments: &cli::Migrate) -> Vec<String> {
    if !arguments.items.is_empty() {
        return arguments.items.clone();
    }
    let mut items = vec!["mail"];
    if arguments.source_carddav.is_some() && arguments.destination_carddav.is_some() {
        items.push("contacts");
    }
    if arguments.source_caldav.is_some() && arguments.destination_caldav.is_some() {
        items.push("calendars");
    }
    items.into_iter().map(str::to_owned).collect()
}

fn options(arguments: &cli::Migrate) -> Result<Map<String, Value>> {
    let mut options = Map::new();
    if !arguments.exclude_folder.is_empty() {
        options.insert("exclude_folders".to_owned(), arguments.exclude_folder.clone().into());
    }
    let mut folder_map = Map::new();
    for pair in &arguments.folder_map {
        let (old, new) = pair
            .split_once('=')
            .with_context(|| format!("--folder-map {pair:?}: the form is OLD=NEW"))?;
        folder_map.insert(old.to_owned(), new.into());
    }
    if !folder_map.is_empty() {
        options.insert("folder_map".to_owned(), folder_map.into());
    }
    for (name, day) in [("since", &arguments.since), ("until", &arguments.until)] {
        if let Some(day) = day {
            options.insert(name.to_owned(), day.as_str().into());
        }
    }
    if let Some(bytes) = arguments.max_item_bytes {
        options.insert("max_item_bytes".to_owned(), bytes.into());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn read(flags: &[&str]) -> Result<Request> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\r\n").unwrap();
        let path = file.path().to_str().unwrap();
        let start = ["trasloco", "migrate", "--source", "imaps://a%40x@h", "--destination"];
        let passwords = ["--source-password-file", path, "--destination-password-file", path];
        let words = start.iter().chain(&["imap://b@i:1?tls=none"]).chain(&passwords).chain(flags);
        match cli::Cli::try_parse_from(words)?.command {
            cli::Command::Migrate(arguments) => Request::read(&arguments),
            _ => unreachable!(),
        }
    }

    #[test]
    fn makes_the_body_of_the_api() {
        let request = read(&[
            "--items",
            "mail,contacts",
            "--exclude-folder",
            "Junk",
            "--exclude-folder",
            "Trash",
            "--folder-map",
            "Old=Archive/Old",
            "--since",
            "2019-01-01",
            "--max-item-bytes",
            "5",
            "--source-delegate",
            "c",
        ])
        .unwrap();
        let expected = json!({
            "source": {"type": "imap", "url": "imaps://h", "login": "a@x", "delegate": "c"},
            "destination": {"type": "imap", "url": "imap://i:1?tls=none", "login": "b"},
            "items": ["mail", "contacts"],
            "options": {"exclude_folders": ["Junk", "Trash"], "folder_map": {"Old": "Archive/Old"},
                        "since": "2019-01-01", "max_item_bytes": 5}
        });
        assert_eq!(request.without_passwords(), expected);
        let whole = request.with_passwords();
        assert_eq!(whole["source"]["password"], "hunter2");
        assert_eq!(whole["destination"]["password"], "hunter2");
        assert_eq!(request.passwords()["source"]["password"], "hunter2");
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn mail_is_what_is_meant() {
        assert_eq!(read(&[]).unwrap().without_passwords()["items"], json!(["mail"]));
        assert!(read(&["--folder-map", "x"]).is_err());
    }
}
