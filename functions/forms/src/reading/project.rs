//! The API's objects of projects.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dial::{Endpoint, Plaintext};
use model::offer;
use model::project::{CONCURRENCY_MAX, REQUESTS_PER_SERVER_MAX, WAVES_MAX};
use model::{ProjectOptions, ServerDefault, ServerType, Timestamp};
use project::guard::{PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARS};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use wire::Secret;

use super::account::{AccountBody, scheme};
use super::options::OptionsBody;
use super::submission::{Asked, Items, NotifyBody, Submission};
use super::values::{
    Email, LOGIN_MAX_BYTES, Language, Password, Text, URL_MAX_BYTES, Whole, inline_schema, sentence,
};
use super::{Errors, FromJson, Object, body, escape, object, text, wrong_type};
use crate::refusals::{Code, Refusal};

/// The most bytes of a project's name.
pub const NAME_MAX_BYTES: usize = 200;
/// The most bytes of a group's name.
pub const GROUP_MAX_BYTES: usize = 100;

object! {
    /// A project that is asked for.
    pub struct NewProject {
        /// What its owner calls it.
        need name: Text<NAME_MAX_BYTES>,
        /// What opens it from then on.
        need password: NewPassword,
        /// Where mails about it go.
        may email: Email,
        /// In which language.
        may language: Language,
    }
}

object! {
    /// What opens a project.
    pub struct ProjectPassword {
        /// As it was chosen.
        need password: GivenPassword,
    }
}

object! {
    /// Choices for a project that are changed; what is left out stays.
    pub struct ProjectOptionsBody {
        /// What is moved.
        set items: Items,
        /// Migrations that run at a time.
        set concurrency: Whole<1, { CONCURRENCY_MAX as u64 }>,
        /// Connections to one server at a time.
        set requests_per_server: Whole<1, { REQUESTS_PER_SERVER_MAX as u64 }>,
        /// The source's server where a migration names none; `null` takes it away.
        change default_source: ServerDefaultBody,
        /// The destination's server where a migration names none; `null` takes it away.
        change default_destination: ServerDefaultBody,
        /// When the migrations of a group begin; `null` takes them all away.
        change waves: Waves,
    }
}

object! {
    /// A server that is filled in where none is named.
    pub struct ServerDefaultBody {
        /// How it is spoken to.
        need r#type: ServerType,
        /// Where it is; empty where it is found from each address.
        may url: Text<URL_MAX_BYTES>,
    }
}

object! {
    /// A migration that is added to a project.
    pub struct NewMember {
        /// Where from.
        need source: MemberAccountBody,
        /// Where to.
        need destination: MemberAccountBody,
        /// What is moved; what the project moves where it is left out.
        may items: Items,
        /// How.
        may options: OptionsBody,
        /// Who is told.
        may notify: NotifyBody,
        /// The wave that it begins with.
        may group: Text<GROUP_MAX_BYTES>,
    }
}

object! {
    /// A login at one server; without a URL it is at the project's own server.
    pub struct MemberAccountBody {
        /// How the server is spoken to.
        may r#type: ServerType,
        /// Where it is.
        may url: Text<URL_MAX_BYTES>,
        /// Left out, it is what the URL has before `@`.
        may login: Text<LOGIN_MAX_BYTES>,
        /// What opens it.
        need password: Password,
        /// The administrator whose password it is, who logs in for the login.
        may delegate: Text<LOGIN_MAX_BYTES>,
        /// Where its calendars are, where they are not found from the address.
        may caldav_url: Text<URL_MAX_BYTES>,
        /// Where its contacts are, likewise.
        may carddav_url: Text<URL_MAX_BYTES>,
        /// Where its rules are, likewise.
        may sieve_url: Text<URL_MAX_BYTES>,
    }
}

/// Reads the object of `POST /projects/{id}/migrations`; what it leaves out is filled in from the
/// project's options. The second value is the wave.
pub fn member(
    value: Value,
    options: &ProjectOptions,
    plaintext: Plaintext,
) -> Result<(Asked, Option<String>), Refusal> {
    let mut errors = Errors::default();
    let read = body::<NewMember>(&mut errors, value).and_then(|read| {
        let mut side = |name: &str, side: Option<MemberAccountBody>, default| {
            side.map(|side| side.with(&mut errors, name, default))
        };
        let submission = Submission {
            source: side("/source", read.source, options.default_source.as_ref()),
            destination: side(
                "/destination",
                read.destination,
                options.default_destination.as_ref(),
            ),
            items: Some(read.items.unwrap_or_else(|| Items::from(options.items.as_slice()))),
            options: read.options,
            notify: read.notify,
        };
        let group = read.group.map(|group| group.0).filter(|group| !group.trim().is_empty());
        Some((submission.check(&mut errors, plaintext)?, group))
    });
    errors.finish(read)
}

impl MemberAccountBody {
    /// The account with the project's server, where it names none and does not want another kind.
    fn with(
        self,
        errors: &mut Errors,
        pointer: &str,
        default: Option<&ServerDefault>,
    ) -> AccountBody {
        let default = default.filter(|default| {
            let wanted = self.r#type.is_none_or(|wanted| wanted == default.server_type);
            self.url.is_none() && wanted && !errors.has(&format!("{pointer}/url"))
        });
        let server_type = self.r#type.or(default.map(|default| default.server_type));
        let missing = format!("{pointer}/type");
        if server_type.is_none() && !errors.has(&missing) {
            errors.add(missing, Code::Required, "The field type is needed.");
        }
        AccountBody {
            r#type: server_type,
            url: self.url.or(default.map(|default| Text(default.url.clone()))),
            login: self.login,
            password: self.password,
            delegate: self.delegate,
            caldav_url: self.caldav_url,
            carddav_url: self.carddav_url,
            sieve_url: self.sieve_url,
        }
    }
}

/// What `POST /projects` asks for, once it is checked.
#[derive(Debug)]
pub struct Creation {
    /// What its owner calls it.
    pub name: String,
    /// What opens it.
    pub password: Secret,
    /// Where mails about it go.
    pub email: Option<String>,
    /// `en` or `it`.
    pub language: Option<String>,
}

/// Reads the object of `POST /projects`.
pub fn creation(value: Value) -> Result<Creation, Refusal> {
    let mut errors = Errors::default();
    let creation = body::<NewProject>(&mut errors, value).and_then(|read| {
        if read.name.as_ref().is_some_and(|name| name.0.trim().is_empty()) {
            errors.add("/name", Code::Required, "The project needs a name.");
        }
        Some(Creation {
            name: read.name?.0,
            password: read.password?.0,
            email: read.email.map(|email| email.0),
            language: read.language.map(|language| language.0.tag().to_owned()),
        })
    });
    errors.finish(creation)
}

/// Reads the object of `POST /projects/{id}/login`.
pub fn password(value: Value) -> Result<Secret, Refusal> {
    let mut errors = Errors::default();
    let read = body::<ProjectPassword>(&mut errors, value);
    errors.finish(read.and_then(|read| read.password).map(|password| password.0))
}

/// A password that was chosen before: any text, since what is wrong with one is told to nobody.
#[derive(Debug)]
pub struct GivenPassword(Secret);

impl FromJson for GivenPassword {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(GivenPassword(Secret::new(text))),
            other => {
                wrong_type(errors, pointer, "a string", &other);
                None
            }
        }
    }
}

impl JsonSchema for GivenPassword {
    inline_schema!("GivenPassword");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "writeOnly": true})
    }
}

/// A password that is chosen now.
#[derive(Debug)]
pub struct NewPassword(Secret);

impl FromJson for NewPassword {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let password = GivenPassword::from_json(errors, pointer, value)?.0;
        if password.expose().chars().count() < PASSWORD_MIN_CHARS {
            let detail = format!("The password needs at least {PASSWORD_MIN_CHARS} characters.");
            errors.add(pointer, Code::TooShort, detail);
            return None;
        }
        if password.expose().len() > PASSWORD_MAX_BYTES {
            let detail = format!("The password may have at most {PASSWORD_MAX_BYTES} bytes.");
            errors.add(pointer, Code::TooLong, detail);
            return None;
        }
        Some(NewPassword(password))
    }
}

impl JsonSchema for NewPassword {
    inline_schema!("NewPassword");

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": PASSWORD_MIN_CHARS,
                      "maxLength": PASSWORD_MAX_BYTES, "writeOnly": true})
    }
}

/// Reads the object of `PATCH /projects/{id}/options`; what is left out stays, and a default or a
/// list of waves that is `null` goes.
pub fn options(
    before: &ProjectOptions,
    value: Value,
    plaintext: Plaintext,
) -> Result<ProjectOptions, Refusal> {
    let mut errors = Errors::default();
    let options = body::<ProjectOptionsBody>(&mut errors, value)
        .map(|read| read.check(&mut errors, before.clone(), plaintext));
    errors.finish(options)
}

impl ProjectOptionsBody {
    fn check(
        self,
        errors: &mut Errors,
        mut options: ProjectOptions,
        plaintext: Plaintext,
    ) -> ProjectOptions {
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        if let Some(items) = self.items {
            options.items = items.of_some_pair(errors);
        }
        if let Some(concurrency) = self.concurrency {
            options.concurrency = number(concurrency.0);
        }
        if let Some(requests) = self.requests_per_server {
            options.requests_per_server = number(requests.0);
        }
        let mut side = |name: &str, given: Option<ServerDefaultBody>, types: &[ServerType]| {
            given.and_then(|given| given.check(errors, name, types, plaintext))
        };
        if let Some(given) = self.default_source {
            options.default_source = side("/default_source", given, offer::SOURCES);
        }
        if let Some(given) = self.default_destination {
            options.default_destination = side("/default_destination", given, offer::DESTINATIONS);
        }
        if let Some(waves) = self.waves {
            options.waves = waves.map(|waves| waves.0).unwrap_or_default();
        }
        options
    }
}

impl ServerDefaultBody {
    fn check(
        self,
        errors: &mut Errors,
        pointer: &str,
        types: &[ServerType],
        plaintext: Plaintext,
    ) -> Option<ServerDefault> {
        let server_type = self.r#type?;
        if !types.contains(&server_type) {
            let names: Vec<_> = types.iter().map(|one| one.name()).collect();
            let detail = format!("This must be one of {}.", names.join(", "));
            errors.add(format!("{pointer}/type"), Code::BadValue, detail);
        }
        let url = self.url.map(|url| url.0).unwrap_or_default();
        if url.is_empty() {
            return Some(ServerDefault { server_type, url });
        }
        match Endpoint::parse_as(&url, scheme(Some(server_type)), plaintext) {
            Ok(endpoint) => {
                let url = Endpoint { login: None, ..endpoint }.to_string();
                Some(ServerDefault { server_type, url })
            }
            Err(error) => {
                let words = sentence(&error.to_string());
                errors.add(format!("{pointer}/url"), Code::BadUrl, words);
                None
            }
        }
    }
}

/// When groups begin.
#[derive(Debug)]
pub struct Waves(BTreeMap<String, Timestamp>);

impl FromJson for Waves {
    fn from_json(errors: &mut Errors, pointer: &str, value: Value) -> Option<Self> {
        let object = Object::new(errors, pointer, value)?;
        let mut waves = BTreeMap::new();
        for (at, (group, value)) in object.rest().enumerate() {
            if at == WAVES_MAX {
                let detail = format!("At most {WAVES_MAX} groups are possible.");
                errors.add(pointer, Code::TooMany, detail);
                return None;
            }
            let shown: String = group.chars().take(60).collect();
            let pointer = format!("{pointer}/{}", escape(&shown));
            let group = text(errors, &pointer, Value::String(group), GROUP_MAX_BYTES);
            let start = Timestamp::from_json(errors, &pointer, value);
            if let (Some(group), Some(start)) = (group, start) {
                waves.insert(group, start);
            }
        }
        Some(Waves(waves))
    }
}

impl JsonSchema for Waves {
    inline_schema!("Waves");

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let moment = generator.subschema_for::<Timestamp>();
        json_schema!({"type": "object", "maxProperties": WAVES_MAX, "additionalProperties": moment})
    }
}
