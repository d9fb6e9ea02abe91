//! What an operation of the API is described with.

use model::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::refusals::Code;

/// Makes the schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of this type.
pub fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// An operation: one method at one path.
#[derive(Debug)]
pub struct Operation {
    /// Its name, for whoever makes a client of the description.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Who may ask for it.
    pub who: Who,
    /// What it takes from the query and the header fields, besides what `who` needs.
    pub parameters: &'static [Parameter],
    /// Its body.
    pub takes: Takes,
    /// What goes back when all is well.
    pub gives: &'static [Gives],
    /// Why it may be refused, besides what follows from all of the above.
    pub refuses: &'static [Code],
}

/// Who may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anybody,
    /// Whoever has the token of the installation, where the operator has set one.
    Beginner,
    /// Whoever knows the migration's identifier and the account's login.
    Owner,
    /// The same, or whoever has the token of the migration.
    OwnerOrHook,
    /// Whoever has a token of the project.
    Project,
    /// Whoever knows the project's identifier; its password is in the body.
    Enterer,
    /// Whoever drives the installation.
    Driver,
}

/// A field of the query, or a header field.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it is: `query` or `header`.
    pub place: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it may be.
    pub schema: SchemaOf,
}

/// A body.
#[derive(Debug)]
pub enum Takes {
    /// None.
    Nothing,
    /// An object.
    Object(SchemaOf),
    /// An object, but for those who bring a token instead.
    PerhapsObject(SchemaOf),
    /// A table: CSV, XLSX, XLS or ODS.
    Table,
}

/// What goes back.
#[derive(Debug)]
pub struct Gives {
    /// The HTTP status.
    pub status: u16,
    /// When it does.
    pub about: &'static str,
    /// The content; `None` where there is none.
    pub content: Option<Content>,
    /// Names of header fields that come with it.
    pub headers: &'static [&'static str],
}

/// A media type and its schema.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    /// The media type.
    pub media_type: &'static str,
    /// What is in it.
    pub schema: SchemaOf,
}

/// An object.
pub const fn object<T: JsonSchema>(status: u16, about: &'static str) -> Gives {
    content(status, about, "application/json", schema::<T>)
}

/// Something else.
pub const fn content(
    status: u16,
    about: &'static str,
    media_type: &'static str,
    schema: SchemaOf,
) -> Gives {
    Gives { status, about, content: Some(Content { media_type, schema }), headers: &[] }
}

/// Nothing but a status.
pub const fn nothing(status: u16, about: &'static str) -> Gives {
    Gives { status, about, content: None, headers: &[] }
}

/// A text that is not JSON.
pub fn text(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string"})
}

/// Bytes that are no text.
pub fn bytes(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string", "format": "binary"})
}

/// What `POST /advance` answers; another component does.
#[derive(Debug, JsonSchema)]
pub struct Tick {
    /// Migrations that were taken a slice further.
    pub advanced: u32,
    /// Migrations that have something to do.
    pub active: u32,
    /// When something is due next.
    pub next_due_at: Option<Timestamp>,
}
