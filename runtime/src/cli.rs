//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use log::LevelFilter;

/// Moves mailboxes: once, complete, in order, with a report that proves it.
#[derive(Parser)]
#[command(name = "trasloco", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Run the application: web pages, API, and the timer that advances migrations
    Serve(Box<Serve>),
    /// Migrate one account from the terminal
    Migrate(Box<Migrate>),
    /// Import a file (.pst, .ics, .vcf)
    Import(Box<Import>),
}

/// What all commands understand.
#[derive(Args)]
pub struct Common {
    /// Folder for state and secrets [default: the platform's data folder]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Set a variable of spin.toml; KEY=@FILE reads the value from a file (also SPIN_VARIABLE_KEY)
    #[arg(long, value_name = "KEY=VALUE")]
    pub variable: Vec<String>,
    /// How much to log: off, error, warn, info, debug
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<LevelFilter>,
    /// Run this spin.toml instead of the application inside the binary
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Most linear memory of one component instance, MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub memory_limit: u32,
    /// Refuse what Spin refuses: name look-ups on sockets, write-ahead logging
    #[arg(long)]
    pub as_spin: bool,
    /// End instances after this many seconds, answered or not
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub request_timeout: Option<u32>,
}

/// `trasloco serve`.
#[derive(Args)]
pub struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,
    /// What all commands understand.
    #[command(flatten)]
    pub common: Common,
}

/// `trasloco migrate`.
#[derive(Args)]
pub struct Migrate {
    /// imaps://login@host[:993], imap://login@host[:143], ews+https://…, zimbra+https://…, ovh://login
    #[arg(long, value_name = "URL")]
    pub source: String,
    /// As --source
    #[arg(long, value_name = "URL")]
    pub destination: String,
    /// File with the password (else TRASLOCO_SOURCE_PASSWORD, else you are asked)
    #[arg(long, value_name = "FILE")]
    pub source_password_file: Option<PathBuf>,
    /// File with the password (else TRASLOCO_DESTINATION_PASSWORD, else you are asked)
    #[arg(long, value_name = "FILE")]
    pub destination_password_file: Option<PathBuf>,
    /// Administrator whose password is given; the URL's login is the mailbox that is opened
    #[arg(long, value_name = "LOGIN")]
    pub source_delegate: Option<String>,
    /// As --source-delegate
    #[arg(long, value_name = "LOGIN")]
    pub destination_delegate: Option<String>,
    /// Address of the calendars
    #[arg(long, value_name = "URL")]
    pub source_caldav: Option<String>,
    /// Address of the contacts
    #[arg(long, value_name = "URL")]
    pub source_carddav: Option<String>,
    /// As --source-caldav
    #[arg(long, value_name = "URL")]
    pub destination_caldav: Option<String>,
    /// As --source-carddav
    #[arg(long, value_name = "URL")]
    pub destination_carddav: Option<String>,
    /// What to migrate: mail, contacts, contact_groups, calendars, tasks, rules, out_of_office
    #[arg(long, value_name = "ITEM", value_delimiter = ',')]
    pub items: Vec<String>,
    /// Leave this folder out
    #[arg(long, value_name = "FOLDER")]
    pub exclude_folder: Vec<String>,
    /// Put a folder elsewhere
    #[arg(long, value_name = "OLD=NEW")]
    pub folder_map: Vec<String>,
    /// Only what arrived on this day or later
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub since: Option<String>,
    /// Only what arrived before this day
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub until: Option<String>,
    /// Skip what is larger
    #[arg(long, value_name = "BYTES")]
    pub max_item_bytes: Option<u64>,
    /// Print one JSON summary on standard output
    #[arg(long)]
    pub json: bool,
    /// What all commands understand.
    #[command(flatten)]
    pub common: Common,
}

/// `trasloco import`.
#[derive(Args)]
pub struct Import {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// As of `trasloco migrate`
    #[arg(long, value_name = "URL")]
    pub destination: String,
    /// File with the password
    #[arg(long, value_name = "FILE")]
    pub destination_password_file: Option<PathBuf>,
    /// pst, ics or vcf, where the name does not tell
    #[arg(long)]
    pub format: Option<String>,
    /// What to import
    #[arg(long, value_name = "ITEM", value_delimiter = ',')]
    pub items: Vec<String>,
    /// Print one JSON summary on standard output
    #[arg(long)]
    pub json: bool,
    /// What all commands understand.
    #[command(flatten)]
    pub common: Common,
}
