//! What would happen: the look at both accounts before a migration begins.

use migrate::tries::{Ended, Try};
use model::offer::{self, Lack};
use model::{Account, Item};

use crate::app::{App, Outside, refused};
use crate::reading::submission::Asked;
use crate::reading::{Errors, options};
use crate::refusals::Refusal;
use crate::shown::preflight::Looked;
use crate::steps::limiting;

fn not_carried(source: &Account, destination: &Account) -> Vec<(Item, Lack)> {
    let offered = offer::offer(source.server_type, destination.server_type);
    offered.into_iter().filter_map(|it| Some((it.item, it.lack?))).collect()
}

impl<O: Outside> App<O> {
    /// Looks at both accounts of a submission; nothing is written, here or there.
    pub async fn look(&self, submission: &Asked) -> Result<Looked, Refusal> {
        options::check(&submission.options, self.now())?;
        let sides = (submission.source.clone(), submission.destination.clone());
        let (source, destination) = self.name_servers(sides).await?;
        let (credentials, options) = (&submission.credentials, &submission.options);
        let tries = [&source, &destination].map(|account| Try::new(&self.client, account));
        let [from, to] = &tries;
        from.begin(self.store(), self.now()).await??;
        if let Err(wait) = to.begin(self.store(), self.now()).await? {
            from.end(self.store(), Ended::In, self.now()).await?;
            return Err(wait.into());
        }
        let seen = self.outside.preflight((&source, &destination), credentials, options).await;
        let refused_by = seen.as_ref().err();
        let sides = [refused_by.map(|it| &it.source), refused_by.map(|it| &it.destination)];
        for (one, refusal) in tries.iter().zip(sides) {
            let ended = limiting::ended(refusal.and_then(Option::as_ref));
            one.end(self.store(), ended, self.now()).await?;
        }
        match seen {
            Ok(preflight) => {
                let not_carried = not_carried(&source, &destination);
                Ok(Looked { source, destination, preflight, not_carried })
            }
            Err(refusals) => {
                let mut errors = Errors::default();
                let sides = [("/source", refusals.source), ("/destination", refusals.destination)];
                for (prefix, refusal) in sides {
                    if let Some(refusal) = refusal {
                        refused(&mut errors, prefix, refusal);
                    }
                }
                errors.finish(None)
            }
        }
    }
}
