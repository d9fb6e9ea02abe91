//! The folder that comes next is opened and listed while the destination stores the last messages of
//! the one before it: the source has nothing else to do then.

use imap::MailboxName;
use store::Store;
use wire::Stream;

use crate::cursor::Folder;
use crate::listing::{self, Wanted};
use crate::run::Run;
use crate::source::Source;
use crate::trouble::{Halt, Trouble};
use crate::world::Host;

/// The first question about a folder of the source: it is opened, and its first window is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) name: MailboxName,
    /// Number of the first message that is asked about, and of all that were found in it.
    pub(crate) window: (u32, u32),
    pub(crate) wanted: Wanted,
}

impl Opening {
    /// How the folder at this place is opened; `None` where nothing is asked about it. With
    /// `identity` the Message-IDs are wanted even if the folder itself does not call for them.
    pub(crate) fn of<H: Host, S: Store>(
        run: &Run<'_, H, S>,
        at: usize,
        identity: bool,
    ) -> Result<Option<Opening>, Halt> {
        let folder = run.folder(at)?;
        if folder.found.messages == 0 {
            return Ok(None);
        }
        let exists = u32::try_from(folder.found.messages).unwrap_or(u32::MAX);
        let options = &run.migration.options;
        let wanted = Wanted {
            identity: folder.adopt || folder.recognise || identity,
            unlabelled_only: folder.unlabelled_only,
            dates: options.since.is_some() || options.until.is_some(),
        };
        let window = (folder.number_hint.clamp(1, exists), exists);
        Ok(Some(Opening { name: folder.source.mailbox(), window, wanted }))
    }

    /// Asks, without waiting.
    pub(crate) async fn ask<S: Stream>(&self, source: &mut Source<S>) -> Result<(), Trouble> {
        source.start_select(&self.name).await?;
        source.start_window(self.window, self.wanted).await?;
        source.push().await
    }

    /// Reads the answer where it is of no use any more.
    pub(crate) async fn discard<S: Stream>(source: &mut Source<S>) -> Result<(), Trouble> {
        let selected = source.selected().await;
        listing::discard(source).await?;
        match selected {
            Ok(_) | Err(Trouble::Imap(imap::Error::Refused(_))) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The folder that is copied after the one at this place, if it is one that the source is asked about.
pub(crate) fn after<H: Host, S: Store>(
    run: &Run<'_, H, S>,
    at: usize,
    identity: bool,
) -> Result<Option<Opening>, Halt> {
    if run.cursor.retry {
        return Ok(None);
    }
    let is_next = |(_, folder): &(usize, &Folder)| {
        let copied = folder.listed && !folder.done && folder.exists && !folder.refused;
        copied && folder.found.messages > 0
    };
    let next = run.folders.iter().enumerate().skip(at + 1).find(is_next);
    next.map_or(Ok(None), |(next, _)| Opening::of(run, next, identity))
}
