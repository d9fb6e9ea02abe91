//! The lines to both accounts: opened together, compressed where that pays.

use std::pin::pin;

use futures::future::select;
use futures::join;
use imap::Session;
use store::Store;
use store::seal::Credentials;

use crate::login::{self, Line};
use crate::run::Run;
use crate::source::Source;
use crate::trouble::{At, Halt, Side};
use crate::world::Host;

/// A server has this long to close a line that is given up.
const FAREWELL_MS: u64 = 2_000;

/// Both accounts, logged in.
pub(crate) struct Lines<H: Host> {
    pub(crate) source: Source<Line<H>>,
    pub(crate) destination: Session<Line<H>>,
    /// Which are slow, and not compressed yet.
    slow: [bool; 2],
}

/// Opens both accounts.
pub(crate) async fn open<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    credentials: &Credentials,
) -> Result<Lines<H>, Halt> {
    let world = run.world;
    let source_dialer = run.source_dialer.unwrap_or(&world.dialer);
    let (source, destination) = join!(
        login::open_source(world.host, source_dialer, &run.migration.source, &credentials.source),
        login::open(
            world.host,
            &world.dialer,
            &run.migration.destination,
            &credentials.destination
        ),
    );
    let (source, destination) = (source.at(Side::Source)?, destination.at(Side::Destination)?);
    let (source, slow_source) = source;
    let slow = [slow_source, destination.slow];
    Ok(Lines { source, destination: destination.session, slow })
}

impl<H: Host> Lines<H> {
    /// Says goodbye. With `others`, who wait for the places at the servers, the servers have closed
    /// the lines when this returns, or had time enough for it.
    pub(crate) async fn farewell(self, clock: &H, others: bool) {
        let Lines { source, destination, .. } = self;
        if !others {
            join!(source.leave(clock), destination.leave());
            return;
        }
        let goodbye = async {
            join!(source.logout(clock), destination.logout());
        };
        select(pin!(goodbye), pin!(clock.sleep_ms(FAREWELL_MS))).await;
    }

    /// Compresses slow lines, once something is to be carried.
    pub(crate) async fn compressed(self) -> Result<Self, Halt> {
        let Lines { source, destination, slow } = self;
        let [slow_source, slow_destination] = slow;
        let (source, destination) =
            join!(compress_source(source, slow_source), compress(destination, slow_destination),);
        let (source, destination) = (source.at(Side::Source)?, destination.at(Side::Destination)?);
        Ok(Lines { source, destination, slow: [false, false] })
    }
}

async fn compress<S: wire::Stream>(
    session: Session<dial::Line<S>>,
    slow: bool,
) -> Result<Session<dial::Line<S>>, imap::Error> {
    if slow { login::compressed(session).await } else { Ok(session) }
}

/// POP3 has no compression.
async fn compress_source<S: wire::Stream>(
    source: Source<dial::Line<S>>,
    slow: bool,
) -> Result<Source<dial::Line<S>>, imap::Error> {
    match source {
        Source::Imap(session) => Ok(Source::Imap(compress(session, slow).await?)),
        Source::Pop(maildrop) => Ok(Source::Pop(maildrop)),
    }
}
