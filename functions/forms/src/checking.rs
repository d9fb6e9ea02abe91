//! What would happen: the look at both accounts before a migration begins.

use migrate::preflight::Preflight;
use migrate::tries::{Ended, Try};
use model::{Account, Item};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::api;
use crate::app::{App, Outside, refused};
use crate::input::Errors;
use crate::limiting;
use crate::offer;
use crate::refusals::Refusal;
use crate::request::Request;
use crate::schedule;
use crate::submission::{self, Submission};

/// Both accounts with their servers, and what was seen there.
#[derive(Debug)]
pub struct Looked {
    /// Where from.
    pub source: Account,
    /// Where to.
    pub destination: Account,
    /// What was seen.
    pub preflight: Preflight,
    /// Items that the pair cannot carry.
    pub not_carried: Vec<Item>,
}

/// `POST /migrations/preflight`.
pub async fn preflight<O: Outside>(
    app: &App<O>,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let submission = submission::read(api::json_body(request, body)?, app.plaintext)?;
    let looked = app.look(&submission).await?;
    Ok(Answer::json(200, &object(&looked, &submission.items)))
}

fn not_carried(source: &Account, destination: &Account) -> Vec<Item> {
    let carried = offer::carried(source.server_type, destination.server_type);
    Item::ALL.into_iter().filter(|item| !carried.contains(item)).collect()
}

/// The object of an answer.
fn object(looked: &Looked, items: &[Item]) -> Value {
    let Looked { source, destination, preflight, not_carried } = looked;
    let cannot: Vec<Value> = not_carried
        .iter()
        .map(|item| {
            let (from, to) = (source.server_type.name(), destination.server_type.name());
            let reason = format!("From {from} to {to}, only mail is moved.");
            json!({"item": item.name(), "reason": reason})
        })
        .collect();
    let mut object = json!(preflight);
    for (name, account) in [("source", source), ("destination", destination)] {
        if let Some(fields) = object.get_mut(name).and_then(Value::as_object_mut) {
            fields.insert("type".to_owned(), json!(account.server_type));
            fields.insert("url".to_owned(), json!(account.url));
            fields.insert("login".to_owned(), json!(account.login));
        }
    }
    if let Some(fields) = object.as_object_mut() {
        fields.insert("items".to_owned(), json!(items));
        fields.insert("cannot_carry".to_owned(), json!(cannot));
    }
    object
}

impl<O: Outside> App<O> {
    /// Looks at both accounts of a submission; nothing is written, here or there.
    pub async fn look(&self, submission: &Submission) -> Result<Looked, Refusal> {
        schedule::check(&submission.options, self.now())?;
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
