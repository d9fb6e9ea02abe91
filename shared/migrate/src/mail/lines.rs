//! The lines to both accounts: opened together, compressed where that pays.

use std::pin::pin;

use futures::future::select;
use futures::join;
use model::{Phase, Timestamp};
use services::login::{self, Line, Opened};
use services::mail::MailService;
use services::{Destination, Side, Source, Trouble};
use store::Store;
use store::limits::Wait;
use store::seal::Credentials;

use crate::mail::ahead::Opening;
use crate::run::Run;
use crate::tries;
use crate::trouble::{At, Halt};
use crate::world::Host;

/// The most octets held of a message whose size is not known: so few in tests that some are larger.
pub(crate) const SPOOL_MAX: u64 =
    if cfg!(test) { 1 << 10 } else { services::pop::spool::SPOOL_MAX };
/// A server has this long to close a line that is given up.
const FAREWELL_MS: u64 = 2_000;

/// Why a row of a project is not begun.
const GUESSED: &str =
    "Too many wrong passwords were tried for one of these accounts; it is tried again later.";

/// Both accounts, logged in.
pub(crate) struct Lines<H: Host> {
    pub(crate) source: Source<Line<H>>,
    pub(crate) destination: Destination<Line<H>>,
    /// The folder that the source was asked about, and whose answer was not read yet.
    pub(crate) ahead: Option<Opening>,
    /// Which are slow, and not compressed yet.
    slow: [bool; 2],
}

/// Opens both accounts.
pub(crate) async fn open<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    credentials: &Credentials,
) -> Result<Lines<H>, Halt> {
    let world = run.world;
    let (store, now) = (run.store(), run.now());
    let sides = [&run.migration.source, &run.migration.destination];
    // The log-ins of a project's row are tried here for the first time.
    let untried = run.migration.project.is_some() && run.cursor.phase == Phase::Discover;
    if untried && let Err(Wait(seconds)) = tries::reserve(store, sides, now).await? {
        return Err(Halt::Later(Timestamp(now.0 + seconds * 1000), GUESSED));
    }
    let source_dialer = run.source_dialer.unwrap_or(&world.dialer);
    let (source, destination) = join!(
        login::open_source(
            world.host,
            source_dialer,
            (&run.migration.source, &credentials.source),
            SPOOL_MAX
        ),
        login::open_destination(
            world.host,
            &world.dialer,
            (&run.migration.destination, &credentials.destination)
        ),
    );
    let was_refused = [
        source.as_ref().is_err_and(Trouble::is_refused_login),
        destination.as_ref().is_err_and(Trouble::is_refused_login),
    ];
    for (account, refused) in sides.into_iter().zip(was_refused) {
        tries::settle(store, account, (untried, refused), now).await?;
    }
    let (source, destination) = (source.at(Side::Source)?, destination.at(Side::Destination)?);
    let slow = [source.slow, destination.slow];
    Ok(Lines { source: source.service, destination: destination.service, ahead: None, slow })
}

impl<H: Host> Lines<H> {
    /// Says goodbye. With `others`, who wait for the places at the servers, the servers have closed
    /// the lines when this returns, or had time enough for it.
    pub(crate) async fn farewell(self, clock: &H, others: bool) {
        let Lines { source, destination, .. } = self;
        if !others {
            join!(source.leave(clock), destination.leave(clock));
            return;
        }
        let goodbye = async {
            join!(source.logout(clock), destination.logout(clock));
        };
        select(pin!(goodbye), pin!(clock.sleep_ms(FAREWELL_MS))).await;
    }

    /// Compresses slow lines, once something is to be carried.
    pub(crate) async fn compressed(self) -> Result<Self, Halt> {
        let Lines { source, destination, ahead, slow } = self;
        let [slow_source, slow_destination] = slow;
        let source = Opened { service: source, slow: slow_source };
        let destination = Opened { service: destination, slow: slow_destination };
        let (source, destination) = join!(source.compressed(), destination.compressed());
        let (source, destination) = (source.at(Side::Source)?, destination.at(Side::Destination)?);
        let (source, destination) = (source.service, destination.service);
        Ok(Lines { source, destination, ahead, slow: [false, false] })
    }
}
