//! What outlives a slice: where a run stands, its table of folders, its journal, its manifest.
//!
//! In scope: the values, their stored bytes, and reading them in windows of bounded size. Out of scope:
//! protocols, and what is done with any of it (`migrate`). What is stored is read by every later version:
//! fields are only added, with what they were before as the default.
//!
//! Reading order: [`cursor`], [`folder`] with [`names`], [`table`] (pages of folders), [`message`], [`journal`]
//! (segments and intentions), [`fold`] (what a journal says in the end), [`manifest`], [`skips`].
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)] // single-threaded by design: no `Send` bound is wanted

pub mod cursor;
pub mod fold;
pub mod folder;
pub mod journal;
pub mod manifest;
pub mod message;
pub mod names;
pub mod skips;
pub mod table;

pub use cursor::Cursor;
pub use folder::Folder;
pub use journal::{Entry, Intention, Origin, Segment};
pub use message::Message;
pub use names::{FolderName, Uids};
