//! Every operation of the API; [`crate::routes::ROUTES`] says at which address each is.

use migrate::login::AccountReport;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::operation::{
    Gives, Operation, Parameter, SchemaOf, Takes, Tick, Who, bytes, content, nothing, object,
    schema, text,
};
use crate::answer::XLSX_MEDIA_TYPE;
use crate::reading::account::{AccountBody, CredentialsBody};
use crate::reading::project::{NewMember, NewProject, ProjectOptionsBody, ProjectPassword};
use crate::reading::removal::RemovalBody;
use crate::reading::submission::Submission;
use crate::refusals::Code;
use crate::shown::detection::Shown as Detection;
use crate::shown::installation::{Health, Meaning};
use crate::shown::migration::{Created, Shown as Migration};
use crate::shown::preflight::Shown as Preflight;
use crate::shown::project::{Joined, ProjectCreated, ProjectToken, Shown as Project};
use crate::shown::removal::RemovalPreview;
use crate::shown::report::{FAILURES_PER_ANSWER, Numbered, Report};
use crate::shown::tables::{Added, Preview as ImportPreview, Retried};

/// What most operations have nothing of.
const BARE: Operation = Operation {
    name: "",
    about: "",
    who: Who::Anybody,
    parameters: &[],
    takes: Takes::Nothing,
    gives: &[],
    refuses: &[],
};

/// What tells of a log-in that does not work. Whether it is tried at all, limits decide.
const LOG_IN: &[Code] = &[Code::InvalidInput, Code::TooManyRequests];
const MIGRATION: &[Gives] = &[object::<Migration<'static>>(202, "How it stands now")];
const PROJECT: &[Gives] = &[object::<Project<'static>>(202, "How it stands now")];
const CSV: &str = "text/csv";

const fn query(name: &'static str, about: &'static str, schema: SchemaOf) -> Parameter {
    Parameter { name, place: "query", about, required: false, schema }
}

fn number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
}

fn failures(generator: &mut SchemaGenerator) -> Schema {
    let failure = generator.subschema_for::<Numbered<'static>>();
    json_schema!({"type": "array", "items": failure, "maxItems": FAILURES_PER_ANSWER})
}

fn key(_: &mut SchemaGenerator) -> Schema {
    // Letters that every client can send in a header field.
    json_schema!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"})
}

fn document(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "required": ["openapi", "paths"]})
}

/// `POST /migrations`.
pub const CREATE: Operation = Operation {
    name: "Create",
    about: "Tries both log-ins and begins a migration",
    who: Who::Beginner,
    parameters: &[Parameter {
        name: "idempotency-key",
        place: "header",
        about: "Kept for a day: the same request again is answered as the first one was.",
        required: false,
        schema: key,
    }],
    takes: Takes::Object(schema::<Submission>),
    gives: &[Gives {
        headers: &["location"],
        ..object::<Created>(201, "Where it is, and what is told only here")
    }],
    refuses: &[
        Code::InvalidInput,
        Code::TooManyRequests,
        Code::AlreadyRunning,
        Code::KeyReused,
        Code::Busy,
    ],
};

/// `POST /migrations/preflight`.
pub const PREFLIGHT: Operation = Operation {
    name: "Preflight",
    about: "What POST /migrations with the same body would do; nothing is written",
    who: Who::Beginner,
    takes: Takes::Object(schema::<Submission>),
    gives: &[object::<Preflight<'static>>(200, "What would happen")],
    refuses: LOG_IN,
    ..BARE
};

/// `GET /migrations/{id}`.
pub const SHOW: Operation = Operation {
    name: "Show",
    about: "How far it is",
    who: Who::Owner,
    gives: &[object::<Migration<'static>>(200, "How far it is")],
    ..BARE
};

/// `DELETE /migrations/{id}`.
pub const DELETE: Operation = Operation {
    name: "Delete",
    about: "Erases every trace of it here",
    who: Who::Owner,
    gives: &[nothing(204, "It is gone")],
    refuses: &[Code::NotInThisState],
    ..BARE
};

/// `POST /migrations/{id}/stop`.
pub const STOP: Operation = Operation {
    name: "Stop",
    about: "Stops within one batch; what is migrated stays",
    who: Who::Owner,
    gives: MIGRATION,
    refuses: &[Code::NotInThisState],
    ..BARE
};

/// `POST /migrations/{id}/synchronise`.
pub const SYNCHRONISE: Operation = Operation {
    name: "Synchronise",
    about: "Begins a new sync point: what the destination lacks, and what changed",
    who: Who::OwnerOrHook,
    takes: Takes::PerhapsObject(schema::<CredentialsBody>),
    gives: MIGRATION,
    refuses: &[
        Code::InvalidInput,
        Code::TooManyRequests,
        Code::NotInThisState,
        Code::AlreadyRunning,
    ],
    ..BARE
};

/// `POST /migrations/{id}/retry`.
pub const RETRY: Operation = Operation {
    name: "Retry",
    about: "Tries once more what was refused, and nothing else",
    who: Who::Owner,
    takes: Takes::Object(schema::<CredentialsBody>),
    gives: MIGRATION,
    refuses: SYNCHRONISE.refuses,
    ..BARE
};

/// `POST /migrations/{id}/pause`.
pub const PAUSE: Operation = Operation {
    name: "Pause",
    about: "Holds it within one batch, for a week at most",
    who: Who::Owner,
    gives: MIGRATION,
    refuses: &[Code::NotInThisState],
    ..BARE
};

/// `POST /migrations/{id}/resume`.
pub const RESUME: Operation = Operation {
    name: "Resume",
    about: "Goes on after a pause",
    who: Who::Owner,
    gives: MIGRATION,
    refuses: &[Code::NotInThisState, Code::AlreadyRunning],
    ..BARE
};

/// `POST /migrations/{id}/remove`.
pub const REMOVE: Operation = Operation {
    name: "Remove",
    about: "Takes back what sync points put at the destination; dry_run answers what that would be",
    who: Who::Owner,
    takes: Takes::Object(schema::<RemovalBody>),
    gives: &[
        object::<RemovalPreview<'static>>(
            200,
            "What would be taken back, where dry_run was asked for",
        ),
        object::<Migration<'static>>(202, "How it stands now"),
    ],
    refuses: SYNCHRONISE.refuses,
    ..BARE
};

/// `GET /migrations/{id}/failures`.
pub const FAILURES: Operation = Operation {
    name: "Failures",
    about: "What did not arrive as it was, page by page",
    who: Who::Owner,
    parameters: &[query("after", "The number of the last failure that is known.", number)],
    gives: &[Gives { headers: &["link"], ..content(200, "A page", "application/json", failures) }],
    refuses: &[Code::InvalidInput],
    ..BARE
};

/// `GET /migrations/{id}/failures.csv`.
pub const FAILURES_CSV: Operation = Operation {
    name: "FailuresCsv",
    about: "What did not arrive as it was, all of it",
    who: Who::Owner,
    gives: &[content(200, "The table", CSV, text)],
    ..BARE
};

/// `GET /migrations/{id}/report`.
pub const REPORT: Operation = Operation {
    name: "Report",
    about: "Per folder: counts, bytes and verdict of both sides",
    who: Who::Owner,
    gives: &[object::<Report<'static>>(200, "The report")],
    ..BARE
};

/// `GET /migrations/{id}/report.csv`.
pub const REPORT_CSV: Operation = Operation {
    name: "ReportCsv",
    about: "The same as a table",
    who: Who::Owner,
    gives: &[content(200, "The table", CSV, text)],
    ..BARE
};

/// `GET /migrations/{id}/manifest.txt`.
pub const MANIFEST: Operation = Operation {
    name: "Manifest",
    about: "A line for each message that arrived: folder, Message-ID, size, SHA-256",
    who: Who::Owner,
    gives: &[content(200, "The lines", "text/plain", text)],
    ..BARE
};

/// `GET /migrations/{id}/events`.
pub const EVENTS: Operation = Operation {
    name: "Events",
    about: "Server-Sent Events: the migration whenever it changed",
    who: Who::Owner,
    gives: &[content(200, "The events, until the migration has ended", "text/event-stream", text)],
    ..BARE
};

/// `GET /autodetect`.
pub const AUTODETECT: Operation = Operation {
    name: "Autodetect",
    about: "Finds the servers of an address; no password is needed",
    who: Who::Beginner,
    parameters: &[Parameter {
        required: true,
        ..query("address", "An e-mail address.", schema::<crate::reading::values::Email>)
    }],
    gives: &[object::<Detection<'static>>(200, "What was found, also where that is nothing")],
    refuses: &[Code::InvalidInput, Code::TooManyRequests, Code::CrossSite],
    ..BARE
};

/// `GET /templates/migrations.csv`.
pub const TEMPLATE_CSV: Operation = Operation {
    name: "TemplateCsv",
    about: "The template of an import, as CSV",
    gives: &[content(200, "The template", CSV, text)],
    ..BARE
};

/// `GET /templates/migrations.xlsx`.
pub const TEMPLATE_XLSX: Operation = Operation {
    name: "TemplateXlsx",
    about: "The template of an import, as XLSX",
    gives: &[content(200, "The template", XLSX_MEDIA_TYPE, bytes)],
    ..BARE
};

/// `POST /accounts/check`.
pub const CHECK_ACCOUNT: Operation = Operation {
    name: "CheckAccount",
    about: "Tries a log-in and looks at the folders",
    who: Who::Beginner,
    takes: Takes::Object(schema::<AccountBody>),
    gives: &[object::<AccountReport>(200, "The log-in works")],
    refuses: LOG_IN,
    ..BARE
};

/// `POST /projects`.
pub const CREATE_PROJECT: Operation = Operation {
    name: "CreateProject",
    about: "Makes a project and opens it",
    who: Who::Beginner,
    takes: Takes::Object(schema::<NewProject>),
    gives: &[Gives {
        headers: &["location", "set-cookie"],
        ..object::<ProjectCreated>(201, "Where it is, and what opens it")
    }],
    refuses: &[Code::InvalidInput, Code::TooManyRequests],
    ..BARE
};

/// `POST /projects/{id}/login`.
pub const OPEN_PROJECT: Operation = Operation {
    name: "OpenProject",
    about: "Opens a project: its password for a token",
    who: Who::Enterer,
    takes: Takes::Object(schema::<ProjectPassword>),
    gives: &[Gives {
        headers: &["set-cookie"],
        ..object::<ProjectToken>(200, "What opens it from now on")
    }],
    refuses: &[Code::InvalidInput, Code::WrongPassword, Code::TooManyTries, Code::TooManyRequests],
    ..BARE
};

/// `POST /projects/{id}/logout`.
pub const CLOSE_PROJECT: Operation = Operation {
    name: "CloseProject",
    about: "Gives the token back",
    who: Who::Project,
    gives: &[nothing(204, "It opens nothing any more")],
    ..BARE
};

/// `GET /projects/{id}`.
pub const SHOW_PROJECT: Operation = Operation {
    name: "ShowProject",
    about: "How far a project is, and its migrations page by page",
    who: Who::Project,
    parameters: &[
        query("after", "The number of the last migration that is known.", number),
        query("status", "Only these, with commas between them.", text),
        query("search", "Only those with these words in them.", text),
        query("limit", "Rows in the answer, at most 500.", number),
    ],
    gives: &[Gives { headers: &["link"], ..object::<Project<'static>>(200, "How far it is") }],
    refuses: &[Code::InvalidInput],
    ..BARE
};

/// `DELETE /projects/{id}`.
pub const DELETE_PROJECT: Operation = Operation {
    name: "DeleteProject",
    about: "Erases a project with all its migrations",
    who: Who::Project,
    gives: &[nothing(204, "It is gone")],
    ..BARE
};

/// `POST /projects/{id}/pause`.
pub const PAUSE_PROJECT: Operation = Operation {
    name: "PauseProject",
    about: "Holds its queue, and within one batch what runs",
    who: Who::Project,
    gives: PROJECT,
    ..BARE
};

/// `POST /projects/{id}/resume`.
pub const RESUME_PROJECT: Operation = Operation {
    name: "ResumeProject",
    about: "Lets its queue go on",
    who: Who::Project,
    gives: PROJECT,
    ..BARE
};

/// `PATCH /projects/{id}/options`.
pub const PROJECT_OPTIONS: Operation = Operation {
    name: "ProjectOptions",
    about: "Changes what is given; null takes a default away",
    who: Who::Project,
    takes: Takes::Object(schema::<ProjectOptionsBody>),
    gives: &[object::<Project<'static>>(200, "How it stands now")],
    refuses: &[Code::InvalidInput],
    ..BARE
};

/// `POST /projects/{id}/migrations`.
pub const ADD_TO_PROJECT: Operation = Operation {
    name: "AddToProject",
    about: "Tries both log-ins and adds a migration to the queue",
    who: Who::Project,
    takes: Takes::Object(schema::<NewMember>),
    gives: &[object::<Joined>(201, "It waits for its turn")],
    refuses: &[
        Code::InvalidInput,
        Code::TooManyRequests,
        Code::AlreadyRunning,
        Code::Busy,
        Code::TooMany,
    ],
    ..BARE
};

/// `POST /projects/{id}/import`.
pub const IMPORT: Operation = Operation {
    name: "Import",
    about: "Adds all rows of a table (CSV, XLSX, XLS, ODS) or none",
    who: Who::Project,
    parameters: &[query("dry_run", "Only tells what would be added.", schema::<bool>)],
    takes: Takes::Table,
    gives: &[
        object::<ImportPreview>(200, "What would be added, where dry_run was asked for"),
        object::<Added>(201, "All of it was added"),
    ],
    refuses: &[Code::InvalidInput, Code::Busy, Code::TooMany],
};

/// `POST /projects/{id}/retry`.
pub const RETRY_PROJECT: Operation = Operation {
    name: "RetryProject",
    about: "What did not complete begins anew, with the passwords of a table",
    who: Who::Project,
    takes: Takes::Table,
    gives: &[object::<Retried>(202, "What became of the rows")],
    refuses: &[Code::InvalidInput, Code::TooMany],
    ..BARE
};

/// `GET /projects/{id}/export.csv`.
pub const EXPORT_CSV: Operation = Operation {
    name: "ExportCsv",
    about: "The state of every migration, as CSV",
    who: Who::Project,
    gives: &[content(200, "The table", CSV, text)],
    ..BARE
};

/// `GET /projects/{id}/export.xlsx`.
pub const EXPORT_XLSX: Operation = Operation {
    name: "ExportXlsx",
    about: "The state of every migration, as XLSX",
    who: Who::Project,
    gives: &[content(200, "The workbook", XLSX_MEDIA_TYPE, bytes)],
    ..BARE
};

/// `GET /healthz`.
pub const HEALTH: Operation = Operation {
    name: "Health",
    about: "Whether this installation does what it is for",
    gives: &[
        object::<Health>(200, "All is well"),
        object::<Health>(503, "The store takes no writes, or what is due waits too long"),
    ],
    ..BARE
};

/// `GET /metrics`.
pub const METRICS: Operation = Operation {
    name: "Metrics",
    about: "Counters, as Prometheus reads them",
    gives: &[content(200, "The counters", "text/plain", text)],
    ..BARE
};

/// `GET /openapi.json`.
pub const OPEN_API: Operation = Operation {
    name: "OpenApi",
    about: "This description",
    gives: &[content(200, "This description", "application/json", document)],
    ..BARE
};

/// `GET /problems/{code}`.
pub const PROBLEM: Operation = Operation {
    name: "Problem",
    about: "What a refusal's type means",
    gives: &[object::<Meaning>(200, "What it means")],
    refuses: &[Code::NoSuchPage],
    ..BARE
};

/// `POST /advance`, which a component of its own answers.
pub const ADVANCE: Operation = Operation {
    name: "Advance",
    about: "Takes what is due one slice further",
    who: Who::Driver,
    gives: &[object::<Tick>(200, "What was done")],
    ..BARE
};

/// `POST /uploads/{id}`, which a component of its own answers.
pub const UPLOAD: Operation = Operation {
    name: "Upload",
    about: "Uploads of mailbox files (tus); this version takes none",
    ..BARE
};
