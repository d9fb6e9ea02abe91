//! Every refusal there is: its code, its status, its sentence; written as RFC 9457.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use store::limits::Wait;

macro_rules! refusals {
    ($($variant:ident $code:literal $status:literal $title:literal)*) => {
        /// Why a request is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// For programs.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// The HTTP status of a request that is refused for this reason.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }

            /// For people, in English; `pages` has it in every language.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

refusals! {
    // What the request as a whole suffers from.
    InvalidInput     "invalid_input"      422 "The request cannot be carried out as it is."
    Unreadable       "unreadable"         422 "The data cannot be read."
    Unauthorized     "unauthorized"       401 "The token is not the one of this migration."
    SignIn           "sign_in"            401 "Log in to the project first."
    WrongPassword    "wrong_password"     401 "There is no project with this identifier and password."
    TooManyTries     "too_many_tries"     429 "Too many wrong passwords were tried; wait a while."
    TooManyRequests  "too_many_requests"  429 "This was asked for too often; wait a while."
    CreationToken    "creation_token"     401 "Only who has the token of this installation can begin something new here."
    Misdirected      "misdirected"        421 "This installation is not reached under this name."
    Busy             "busy"               409 "Somebody else is doing this at the moment; try again."
    NotFound         "not_found"          404 "There is no migration with this identifier for this account."
    NotInThisState   "not_in_this_state"  409 "This is not possible in the migration's present state."
    AlreadyRunning   "already_running"    409 "Another migration of the same two accounts is at work."
    KeyReused        "idempotency_key_reused" 422 "The Idempotency-Key was sent with another request before."
    NoSuchPage       "no_such_page"       404 "There is no such page."
    Method           "method"             405 "This address cannot be used that way."
    TooLarge         "too_large"          413 "The request is larger than this address takes."
    MediaType        "media_type"         415 "The data came in a form that is not understood here."
    CrossSite        "cross_site"         403 "The request came from another site and was not carried out."
    Unavailable      "unavailable"        503 "Something here is out of order; try again in a moment."
    NotConfigured    "not_configured"     503 "This installation is not set up completely."
    Expired          "expired"            409 "What was checked is too old; please fill in the form again."
    // What one field suffers from.
    AuthenticationFailed "authentication_failed" 422 "The server does not accept this login and password."
    Unreachable      "unreachable"        422 "The server cannot be reached."
    Unsupported      "unsupported"        422 "This cannot be moved between these two servers."
    BadUrl           "bad_url"            422 "This is not the address of a mail server."
    NoServer         "no_server"          422 "No mail server was found for this address."
    Required         "required"           422 "This field is needed."
    TooLong          "too_long"           422 "This is longer than the field takes."
    TooShort         "too_short"          422 "This is shorter than the field needs."
    WrongType        "wrong_type"         422 "This has the wrong type."
    UnknownField     "unknown_field"      422 "This field is not known here."
    BadValue         "bad_value"          422 "This is not one of the possible values."
    BadDate          "bad_date"           422 "This is not a date."
    TooMany          "too_many"           422 "These are more than the field takes."
    SameAccount      "same_account"       422 "Source and destination are the same account."
    Repeated         "repeated"           422 "This is in the list twice."
    Example          "example"            422 "This is the template's example."
    OutOfOrder       "out_of_order"       422 "This day is not after the other one, so nothing would be left."
}

impl Code {
    /// Where it is told what the code means: what RFC 9457 calls the type of a problem.
    pub fn address(self) -> String {
        format!("/api/v1/problems/{}", self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        json_schema!({"type": "string", "enum": names})
    }
}

/// One thing that is wrong with the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InputError {
    /// Where: a JSON Pointer (RFC 6901) into the request.
    pub pointer: String,
    /// Why.
    pub code: Code,
    /// In the server's own words where there are any.
    pub detail: String,
    /// In which cell, where the input is a table.
    #[serde(flatten)]
    pub cell: Option<Cell>,
}

/// A cell of a table that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cell {
    /// The row of the sheet, or the line of the file.
    pub line: u32,
    /// The column's name; empty where the row as a whole is meant.
    pub column: String,
}

/// Where something is: for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Links {
    /// The object of the API.
    #[serde(rename = "self")]
    pub object: String,
    /// The page.
    pub page: String,
}

/// A refusal as RFC 9457 writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// Where it is told what this kind of refusal means.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it means, in a sentence.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What it means here.
    pub detail: String,
    /// Everything that is wrong with the input, where it is that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<InputError>,
    /// Where the migration is because of which this one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Links>,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// More words than the code's own sentence has; empty where there are none.
    pub detail: String,
    /// What is wrong with the input, where it is that.
    pub errors: Vec<InputError>,
    /// Methods that the address takes, for 405.
    pub allow: Vec<&'static str>,
    /// Seconds after which it may be tried again (RFC 9110 section 10.2.3).
    pub retry_after_s: Option<u64>,
    /// Where the migration is because of which this one is refused.
    pub links: Option<Box<Links>>,
}

impl Refusal {
    /// A refusal with nothing to add to its sentence.
    pub fn of(code: Code) -> Self {
        Refusal {
            code,
            detail: String::new(),
            errors: Vec::new(),
            allow: Vec::new(),
            retry_after_s: None,
            links: None,
        }
    }

    /// A refusal with more words.
    pub fn because(code: Code, detail: impl Into<String>) -> Self {
        Refusal { detail: detail.into(), ..Refusal::of(code) }
    }

    /// A refusal of the input.
    pub fn input(errors: Vec<InputError>) -> Self {
        Refusal { errors, ..Refusal::of(Code::InvalidInput) }
    }

    /// What is told to programs.
    pub fn problem(&self) -> Problem {
        let detail = match (self.detail.is_empty(), self.errors.first()) {
            (false, _) => self.detail.as_str(),
            (true, Some(first)) => first.detail.as_str(),
            (true, None) => self.code.title(),
        };
        Problem {
            kind: self.code.address(),
            title: self.code.title(),
            status: self.code.status(),
            detail: detail.to_owned(),
            errors: self.errors.clone(),
            links: self.links.as_deref().cloned(),
        }
    }
}

impl From<Wait> for Refusal {
    fn from(Wait(seconds): Wait) -> Self {
        let detail = format!("This was tried too often; try again in {seconds} s.");
        let refusal = Refusal::because(Code::TooManyRequests, detail);
        Refusal { retry_after_s: Some(seconds), ..refusal }
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        Refusal::because(Code::Unavailable, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_code_is_translated_and_unique() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        for language in pages::Language::ALL {
            for name in &names {
                let known = language.words().refusal(name).is_some();
                assert!(known || *name == "invalid_input", "{name}");
            }
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn as_rfc_9457_says() {
        let error = InputError {
            pointer: "/source/password".into(),
            code: Code::AuthenticationFailed,
            detail: "The source said no.".into(),
            cell: None,
        };
        assert_eq!(
            json!(Refusal::input(vec![error]).problem()),
            json!({"type": "/api/v1/problems/invalid_input",
                   "title": "The request cannot be carried out as it is.", "status": 422,
                   "detail": "The source said no.",
                   "errors": [{"pointer": "/source/password", "code": "authentication_failed",
                               "detail": "The source said no."}]})
        );
    }
}
