//! The words of a migration, as people, the API and the store use them.
//!
//! In scope: values and the rules that need nothing else (which action a status allows, what an
//! identifier looks like). Out of scope: protocols, storage, HTTP.
//!
//! - An **account** is a login at one server; a migration has a **source** and a **destination**.
//! - An **item** is a kind of thing moved: mail, contacts, calendars, …
//! - A **sync point** is one run of a migration; the first one moves everything, later ones what
//!   the destination lacks.
//! - A **project** is many migrations that one person looks after; a **wave** is a group of them that
//!   begins at its own time.
//! - A **failure** is one thing that did not arrive, with the reason in the server's words.
//! - A **verdict** is what the verification found out about a folder.
//!
//! Reading order: [`account`], [`item`], [`offer`], [`options`], [`status`], [`migration`], [`schedule`],
//! [`folder`], [`notice`], [`project`], [`id`], [`when`].
//!
//! Invariant: nothing here has a password; `Debug` of anything here may be logged.

pub mod account;
pub mod folder;
pub mod id;
pub mod item;
pub mod migration;
pub mod notice;
pub mod offer;
pub mod options;
pub mod project;
pub mod schedule;
pub mod status;
pub mod when;

pub use account::{Account, ServerType};
pub use folder::{Failure, FailureCode, FolderReport, Sums, Verdict};
pub use id::MigrationId;
pub use item::{Counters, Item};
pub use migration::{Migration, Removal, SyncPoint, Waiting};
pub use notice::{Event, Outcome};
pub use options::{Notify, Options};
pub use project::{Membership, Project, ProjectId, ProjectOptions, ServerDefault};
pub use schedule::{QuietHours, Repeat, TimeOfDay};
pub use status::{Action, Phase, Status};
pub use when::Timestamp;
