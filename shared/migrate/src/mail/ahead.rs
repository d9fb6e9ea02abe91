//! The folder that comes next is opened and listed while the destination stores the last messages of
//! the one before it: the source has nothing else to do then.

use ledger::folder::Folder;
use mailbox::MailboxName;
use services::mail::{MailService, MailSource};
use services::{Source, Trouble};
use store::Store;
use wire::Stream;

use crate::mail::listing::{self, Wanted};
use crate::run::Run;
use crate::trouble::Halt;
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
        listing::start_window(source, self.window, self.wanted).await?;
        source.push().await
    }

    /// Reads the answer where it is of no use any more.
    pub(crate) async fn discard<S: Stream>(source: &mut Source<S>) -> Result<(), Trouble> {
        let selected = source.selected().await;
        listing::discard(source).await?;
        match selected {
            Ok(_) | Err(Trouble::Rejected(_)) => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use imap::Session;
    use wire::script::Script;

    #[test]
    fn what_was_asked_in_vain_leaves_nothing_on_the_line() {
        let asked = "S: * PREAUTH [CAPABILITY IMAP4rev1] hi\n\
                     C: A1 EXAMINE \"a\"\n\
                     C: A2 FETCH 3:9 (UID FLAGS INTERNALDATE RFC822.SIZE)\n";
        let row = "S: * 3 FETCH (UID 7 FLAGS () INTERNALDATE \"01-Jan-2001 10:00:00 +0100\" RFC822.SIZE 9)\n";
        for (answer, row) in [
            ("S: * 9 EXISTS\nS: A1 OK done\n", [row, "S: A2 OK done\n"].concat()),
            ("S: A1 NO gone\n", "S: A2 BAD none is open\n".to_owned()),
        ] {
            let after = "C: A3 NOOP\nS: A3 OK done\n";
            let script = [asked, answer, &row, after].concat();
            block_on(async {
                let session = Session::greet(Script::new(&script, 7)).await.unwrap();
                let mut source = Source::imap(session);
                let name = MailboxName::new("a", source.spelling());
                let wanted = Wanted { identity: false, unlabelled_only: false, dates: false };
                Opening { name, window: (3, 9), wanted }.ask(&mut source).await.unwrap();
                Opening::discard(&mut source).await.unwrap();
                source.noop().await.unwrap();
            });
        }
    }
}
