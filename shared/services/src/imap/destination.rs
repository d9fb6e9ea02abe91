//! A session as a destination.

use imap::{AppendHead, Appended, Criteria, Mode, Reply, Started};
use mailbox::{Flags, MailboxName, SpecialUse, UidSet};
use wire::{Bytes, Stream};

use super::service::Imap;
use super::words::asks_to_wait;
use crate::mail::{
    Access, Change, DestinationFacts, FolderStatus, Head, MailDestination, Moved, OpenFolder,
    Stored,
};
use crate::trouble::{Reason, Rejection, Trouble};

impl From<Appended> for Stored {
    fn from(appended: Appended) -> Self {
        match appended {
            Appended::Ok { uid, uid_validity } => Stored::Ok { uid, uid_validity },
            Appended::Refused(reply) => Stored::Refused(reply.into()),
        }
    }
}

/// What is refused about one thing apart from trouble with the whole service.
fn of_one<T>(answer: Result<T, imap::Error>) -> Result<Result<T, Rejection>, Trouble> {
    match answer {
        Ok(done) => Ok(Ok(done)),
        Err(imap::Error::Refused(reply)) => Ok(Err(reply.into())),
        Err(error) => Err(error.into()),
    }
}

fn of_each<T>(answers: Vec<Result<T, Reply>>) -> Vec<Result<T, Rejection>> {
    answers.into_iter().map(|answer| answer.map_err(Rejection::from)).collect()
}

impl<S: Stream> Imap<S> {
    /// Whether a folder that could not be opened is not there. A refusal alone does not say so: a server
    /// that is busy refuses too, and what is taken for absent then is taken for deleted by its user.
    async fn is_absent(&mut self, name: &MailboxName, why: &Rejection) -> Result<bool, Trouble> {
        if why.reason == Reason::NoFolder {
            return Ok(true);
        }
        let listed = self.session.list(false).await?;
        if listed.iter().any(|mailbox| mailbox.name == *name && mailbox.selectable) {
            return Ok(false);
        }
        // It may be listed in another spelling of the same name.
        let status = self.session.status(std::slice::from_ref(name)).await?;
        match status.into_iter().next() {
            Some((_, Err(reply))) if asks_to_wait(&reply).is_some() => {
                Err(Trouble::Rejected(reply.into()))
            }
            Some((_, status)) => Ok(status.is_err()),
            None => Ok(true),
        }
    }
}

impl<S: Stream> MailDestination for Imap<S> {
    fn destination_facts(&self) -> DestinationFacts {
        let can = self.session.capabilities();
        DestinationFacts {
            appends_together: can.multiappend(),
            takes_binary: can.binary(),
            moves: can.move_(),
            removes_singly: can.uidplus(),
        }
    }

    async fn open(
        &mut self,
        name: &MailboxName,
        access: Access,
    ) -> Result<Option<OpenFolder>, Trouble> {
        let mode = match access {
            Access::Read => Mode::ReadOnly,
            Access::Write => Mode::ReadWrite,
        };
        let answer = self.session.select(name, mode).await;
        self.or_absent(name, answer.map(OpenFolder::from).map_err(Trouble::from)).await
    }

    async fn or_absent(
        &mut self,
        name: &MailboxName,
        answer: Result<OpenFolder, Trouble>,
    ) -> Result<Option<OpenFolder>, Trouble> {
        match answer {
            Err(Trouble::Rejected(why)) => match self.is_absent(name, &why).await? {
                true => Ok(None),
                false => Err(Trouble::Rejected(why)),
            },
            other => other.map(Some),
        }
    }

    async fn folder_names(&mut self) -> Result<(Vec<MailboxName>, Option<char>), Trouble> {
        let listed = self.session.list(false).await?;
        let delimiter = listed.iter().find_map(|mailbox| mailbox.delimiter);
        Ok((listed.into_iter().map(|mailbox| mailbox.name).collect(), delimiter))
    }

    async fn look_into(&mut self, name: &MailboxName) -> Result<OpenFolder, Trouble> {
        Ok(self.session.look_into(name).await?.into())
    }

    async fn status(
        &mut self,
        names: &[MailboxName],
    ) -> Result<Vec<Result<FolderStatus, Rejection>>, Trouble> {
        let states = self.session.status(names).await?.into_iter();
        Ok(states
            .map(|(_, status)| status.map(FolderStatus::from).map_err(Rejection::from))
            .collect())
    }

    async fn create(
        &mut self,
        folders: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Rejection>>, Trouble> {
        Ok(of_each(self.session.create(folders).await?))
    }

    async fn rename(
        &mut self,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<Result<(), Rejection>, Trouble> {
        of_one(self.session.rename(from, to).await)
    }

    async fn delete_folder(
        &mut self,
        name: &MailboxName,
    ) -> Result<Result<(), Rejection>, Trouble> {
        of_one(self.session.delete_mailbox(name).await)
    }

    async fn subscribe(&mut self, names: &[MailboxName]) -> Result<(), Trouble> {
        Ok(self.session.subscribe(names).await.map(drop)?)
    }

    async fn unsubscribe(&mut self, names: &[MailboxName]) -> Result<(), Trouble> {
        Ok(self.session.unsubscribe(names).await.map(drop)?)
    }

    async fn begin(
        &mut self,
        folder: &MailboxName,
        head: &Head<'_>,
        together: bool,
    ) -> Result<Result<(), Rejection>, Trouble> {
        let head = AppendHead {
            flags: head.flags,
            internal_date: head.date,
            size: head.size,
            binary: head.binary,
        };
        Ok(match self.session.append_message(folder, &head, together).await? {
            Started::Ready => Ok(()),
            Started::Refused(reply) => Err(reply.into()),
        })
    }

    async fn chunk(&mut self, bytes: Bytes) -> Result<(), Trouble> {
        Ok(self.session.append_chunk(bytes).await?)
    }

    async fn end_command(&mut self) -> Result<(), Trouble> {
        Ok(self.session.append_end().await?)
    }

    async fn finish(&mut self) -> Result<Vec<Stored>, Trouble> {
        Ok(self.session.append_finish().await?.into_iter().map(Stored::from).collect())
    }

    async fn change_flags(
        &mut self,
        changes: &[(&UidSet, &Flags, Change)],
    ) -> Result<Result<(), Rejection>, Trouble> {
        let how = |change: Change| match change {
            Change::Add => imap::Change::Add,
            Change::Remove => imap::Change::Remove,
        };
        let all: Vec<_> =
            changes.iter().map(|(uids, flags, change)| (*uids, *flags, how(*change))).collect();
        of_one(self.session.store_all(&all).await)
    }

    async fn move_messages(
        &mut self,
        uids: &UidSet,
        to: &MailboxName,
    ) -> Result<Vec<Moved>, Trouble> {
        let moved = self.session.move_(uids, to).await?.into_iter();
        Ok(moved
            .map(|told| Moved { uid_validity: told.uid_validity, from: told.from, to: told.to })
            .collect())
    }

    async fn marked_deleted(&mut self) -> Result<UidSet, Trouble> {
        let criteria = Criteria { deleted: true, ..Criteria::default() };
        Ok(self.session.search(&criteria).await?)
    }

    async fn remove(&mut self, uids: &UidSet) -> Result<Result<(), Rejection>, Trouble> {
        of_one(self.session.expunge_uids(uids).await)
    }

    async fn remove_marked(&mut self) -> Result<Result<(), Rejection>, Trouble> {
        of_one(self.session.expunge().await)
    }
}
