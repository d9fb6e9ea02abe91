//! State folders of samples (`stored`): what an earlier version of the application left.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use stored::{Pairs, SECRET_KEY, Sample};

use crate::app::Setup;
use crate::servers::{Line, Plain};

/// Name of the database in a state folder.
const DATABASE: &str = "sqlite_key_value.db";

/// Where the server with this port is in a sample. Each sample has an address of its own, so that
/// several can be played at a time.
pub fn address(sample: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(127, 77, 0, sample), port).into()
}

/// Starts all servers of a sample, on lines without delay.
pub fn serve(number: u8, sample: &Sample) -> Vec<Plain> {
    let faults = fake_imap::Faults::none;
    let one = |(port, account): (&u16, &fake_imap::Mailboxes)| {
        Plain::start(address(number, *port), account.clone(), faults(), Line::default())
    };
    sample.servers.iter().map(one).collect()
}

/// The set-up of an application whose clock says what it said then.
pub fn as_of(sample: &Sample, setup: Setup) -> Setup {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now_s = i64::try_from(since.as_secs()).expect("a time");
    let then_s = i64::try_from(sample.now_ms / 1000).expect("a time");
    setup.with_clock(&format!("{:+}s", then_s - now_s))
}

/// Puts a sample into a new state folder.
pub fn fill(sample: &Sample, state: &Path) {
    std::fs::write(state.join("secret_key"), SECRET_KEY).expect("a file");
    let mut database = Connection::open(state.join(DATABASE)).expect("a database");
    let table = "CREATE TABLE spin_key_value (store TEXT NOT NULL, key TEXT NOT NULL,
        value BLOB NOT NULL, PRIMARY KEY (store, key))";
    database.execute(table, []).expect("a table");
    let transaction = database.transaction().expect("a transaction");
    for (key, value) in &sample.pairs {
        let insert = "INSERT INTO spin_key_value VALUES ('default', ?1, ?2)";
        transaction.execute(insert, (key, value)).expect("a row");
    }
    transaction.commit().expect("a commit");
}

/// The pairs in a state folder.
pub fn pairs(state: &Path) -> Pairs {
    let database = Connection::open(state.join(DATABASE)).expect("a database");
    let select = "SELECT key, value FROM spin_key_value WHERE store = 'default'";
    let mut statement = database.prepare(select).expect("a statement");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}
