//! From the API's object to a migration that could be made.

use std::borrow::Cow;

use dial::Plaintext;
use model::offer;
use model::{Account, Item, Notify, Options, ServerType};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use store::seal::Credentials;
use wire::Secret;

use super::account::AccountBody;
use super::options::OptionsBody;
use super::values::{Email, Language, Text, URL_MAX_BYTES, inline_schema};
use super::{Errors, FromJson, body, object, wrong_type};
use crate::refusals::{Code, Refusal};

/// The most bytes of a webhook's secret: 64 bytes in base64 behind `whsec_`.
const WEBHOOK_SECRET_MAX_BYTES: usize = 100;

object! {
    /// A migration that is asked for.
    pub struct Submission {
        /// Where from.
        need source: AccountBody,
        /// Where to.
        need destination: AccountBody,
        /// What is moved; everything that the pair carries where it is left out.
        may items: Items,
        /// How.
        may options: OptionsBody,
        /// Who is told.
        may notify: NotifyBody,
    }
}

object! {
    /// Who is told how a migration goes.
    pub struct NotifyBody {
        /// Where mails go.
        may email: Email,
        /// In which language.
        may language: Language,
        /// Where events go as JSON, signed as Standard Webhooks says.
        may webhook: Text<URL_MAX_BYTES>,
        /// What they are signed with; made and told where it is left out.
        may webhook_secret: Text<WEBHOOK_SECRET_MAX_BYTES>,
    }
}

/// What was asked for, once it is checked.
#[derive(Debug)]
pub struct Asked {
    /// Where from.
    pub source: Account,
    /// Where to.
    pub destination: Account,
    /// What opens both.
    pub credentials: Credentials,
    /// What is moved.
    pub items: Vec<Item>,
    /// How.
    pub options: Options,
    /// Who is told.
    pub notify: Notify,
    /// Signs what goes to `notify.webhook`, where the owner gives it.
    pub webhook_secret: Option<Secret>,
}

/// Reads the object of `POST /migrations`.
pub fn read(value: Value, plaintext: Plaintext) -> Result<Asked, Refusal> {
    let mut errors = Errors::default();
    let submission = body::<Submission>(&mut errors, value);
    let asked = submission.and_then(|submission| submission.check(&mut errors, plaintext));
    errors.finish(asked)
}

impl Submission {
    /// What is asked for, unless something is wrong with it.
    pub fn check(self, errors: &mut Errors, plaintext: Plaintext) -> Option<Asked> {
        let source = self.source.and_then(|side| side.check(errors, "/source", plaintext));
        let destination =
            self.destination.and_then(|side| side.check(errors, "/destination", plaintext));
        let types = source.as_ref().zip(destination.as_ref());
        let types =
            types.map(|(source, destination)| (source.0.server_type, destination.0.server_type));
        if let Some((from, to)) = types {
            check_types(errors, from, to);
        }
        let items = self.items.map(|items| items.check(errors, types));
        let options = match self.options {
            Some(options) => options.check(errors),
            None => Some(Options::default()),
        };
        let (notify, webhook_secret) = match self.notify {
            Some(notify) => notify.check(errors, plaintext),
            None => Default::default(),
        };
        let ((source, from), (destination, to)) = (source?, destination?);
        let all = || offer::carried(source.server_type, destination.server_type);
        Some(Asked {
            items: items.unwrap_or_else(all),
            source,
            destination,
            credentials: Credentials { source: from, destination: to },
            options: options?,
            notify,
            webhook_secret,
        })
    }
}

fn check_types(errors: &mut Errors, from: ServerType, to: ServerType) {
    let sides = [
        ("/source/type", offer::no_source(from)),
        ("/destination/type", offer::no_destination(to)),
    ];
    for (pointer, lack) in sides {
        if let Some(detail) = lack {
            errors.add(pointer, Code::Unsupported, detail);
        }
    }
}

/// Items by their places in a list; none of them twice.
#[derive(Debug)]
pub struct Items(Vec<(usize, Item)>);

impl FromJson for Items {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let Value::Array(values) = value else {
            wrong_type(errors, pointer, "an array of strings", &value);
            return None;
        };
        let most = Item::ALL.len();
        if values.is_empty() {
            errors.add(pointer, Code::Required, "At least one item is needed.");
        }
        if values.len() > most {
            errors.add(pointer, Code::TooMany, format!("There are only {most} items."));
            return None;
        }
        let mut items: Vec<(usize, Item)> = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            let item = Item::from_json(errors, &format!("{pointer}/{at}"), value);
            let Some(item) = item else { continue };
            if items.iter().all(|(_, known)| *known != item) {
                items.push((at, item));
            }
        }
        Some(Items(items))
    }
}

impl JsonSchema for Items {
    inline_schema!("Items");

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (item, most) = (generator.subschema_for::<Item>(), Item::ALL.len());
        json_schema!({"type": "array", "items": item, "minItems": 1, "maxItems": most})
    }
}

impl From<&[Item]> for Items {
    fn from(items: &[Item]) -> Self {
        Items(items.iter().copied().enumerate().collect())
    }
}

impl Items {
    /// The items, all of which the pair must carry where it is known; in the order of [`Item::ALL`].
    fn check(self, errors: &mut Errors, pair: Option<(ServerType, ServerType)>) -> Vec<Item> {
        let Some((from, to)) = pair else { return self.of(|_| None, errors) };
        let offered = offer::offer(from, to);
        let lack = |item: Item| {
            let lack = offered.iter().find(|offered| offered.item == item)?.lack?;
            Some(lack.sentence(item, from, to))
        };
        self.of(lack, errors)
    }

    /// The items that some pair of servers carries; for which pair is not known yet.
    pub fn of_some_pair(self, errors: &mut Errors) -> Vec<Item> {
        let lack = |item: Item| {
            let is_there = offer::ITEMS.contains(&item);
            (!is_there).then(|| format!("This version does not move {}.", item.name()))
        };
        self.of(lack, errors)
    }

    fn of(self, lack: impl Fn(Item) -> Option<String>, errors: &mut Errors) -> Vec<Item> {
        let mut items = Vec::new();
        for (at, item) in self.0 {
            match lack(item) {
                Some(detail) => errors.add(format!("/items/{at}"), Code::Unsupported, detail),
                None => items.push(item),
            }
        }
        items.sort();
        items
    }
}

impl NotifyBody {
    fn check(self, errors: &mut Errors, plaintext: Plaintext) -> (Notify, Option<Secret>) {
        let webhook = self.webhook.map(|webhook| webhook.0);
        if let Some(Err(detail)) = webhook.as_deref().map(|url| check_webhook(url, plaintext)) {
            errors.add("/notify/webhook", Code::BadValue, detail);
        }
        let secret = self.webhook_secret.map(|secret| Secret::new(secret.0));
        if let Some(secret) = &secret {
            if webhook.is_none() {
                let detail = "A secret needs the webhook that it signs for.";
                errors.add("/notify/webhook", Code::Required, detail);
            }
            if !notify::signature::is_secret(secret) {
                let detail = "This must be whsec_ and 24 to 64 bytes in base64.";
                errors.add("/notify/webhook_secret", Code::BadValue, detail);
            }
        }
        let language = self.language.map(|language| language.0.tag().to_owned());
        (Notify { email: self.email.map(|email| email.0), language, webhook }, secret)
    }
}

/// Whether events may be sent there; whether the address is permitted is looked at when they are.
fn check_webhook(url: &str, plaintext: Plaintext) -> Result<(), &'static str> {
    let uri: http::Uri = url.parse().map_err(|_| "This is not an https:// address.")?;
    let authority = uri.authority().ok_or("This is not an https:// address.")?;
    if authority.as_str().contains('@') {
        return Err("A login does not belong in this address.");
    }
    match (uri.scheme_str(), plaintext) {
        (Some("https"), _) | (Some("http"), Plaintext::Allowed) => Ok(()),
        (Some("http"), Plaintext::Refused) => {
            Err("Connections without TLS are not allowed by this installation; write https://.")
        }
        _ => Err("This is not an https:// address."),
    }
}
